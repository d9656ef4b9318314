//! Object types, object sizes, kinds of capability and the limits of the configuration.

use crate::Word;

/// What `UntypedRetype` can make. Corresponds to `api_object_t` and `object_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum ObjectType {
    /// Corresponds to `seL4_UntypedObject`.
    Untyped = 0,
    /// Corresponds to `seL4_TCBObject`.
    Tcb = 1,
    /// Corresponds to `seL4_EndpointObject`.
    Endpoint = 2,
    /// Corresponds to `seL4_NotificationObject`.
    Notification = 3,
    /// Corresponds to `seL4_CapTableObject`.
    CNode = 4,
    /// Corresponds to `seL4_SchedContextObject`.
    SchedContext = 5,
    /// Corresponds to `seL4_ReplyObject`.
    Reply = 6,
    /// Corresponds to `seL4_ARM_HugePageObject`.
    HugePage = 7,
    /// Corresponds to `seL4_ARM_VSpaceObject`.
    VSpace = 8,
    /// Corresponds to `seL4_ARM_SmallPageObject`.
    SmallPage = 9,
    /// Corresponds to `seL4_ARM_LargePageObject`.
    LargePage = 10,
    /// Corresponds to `seL4_ARM_PageTableObject`.
    PageTable = 11,
}

impl ObjectType {
    /// All types, in the order of their numbers.
    pub const ALL: &'static [ObjectType] = &[
        ObjectType::Untyped,
        ObjectType::Tcb,
        ObjectType::Endpoint,
        ObjectType::Notification,
        ObjectType::CNode,
        ObjectType::SchedContext,
        ObjectType::Reply,
        ObjectType::HugePage,
        ObjectType::VSpace,
        ObjectType::SmallPage,
        ObjectType::LargePage,
        ObjectType::PageTable,
    ];

    /// Recognises a type number.
    #[must_use]
    pub fn from_number(number: Word) -> Option<ObjectType> {
        usize::try_from(number).ok().and_then(|n| Self::ALL.get(n).copied())
    }

    /// The type number.
    #[must_use]
    pub const fn number(self) -> Word {
        self as Word
    }

    /// The size in bits of an object made with this `size_bits` argument.
    ///
    /// `size_bits` must be below 64; the sum cannot overflow then.
    #[must_use]
    pub const fn object_bits(self, size_bits: u32) -> u32 {
        match self {
            ObjectType::Untyped | ObjectType::SchedContext => size_bits,
            ObjectType::CNode => size_bits + SLOT_BITS,
            ObjectType::Tcb => TCB_BITS,
            ObjectType::Endpoint => ENDPOINT_BITS,
            ObjectType::Notification => NOTIFICATION_BITS,
            ObjectType::Reply => REPLY_BITS,
            ObjectType::HugePage => HUGE_PAGE_BITS,
            ObjectType::LargePage => LARGE_PAGE_BITS,
            ObjectType::SmallPage => PAGE_BITS,
            ObjectType::VSpace => VSPACE_BITS,
            ObjectType::PageTable => PAGE_TABLE_BITS,
        }
    }

    /// Can the type be made from device memory?
    #[must_use]
    pub const fn is_device_capable(self) -> bool {
        matches!(self, ObjectType::Untyped | ObjectType::SmallPage | ObjectType::LargePage | ObjectType::HugePage)
    }
}

/// Size of a slot. Corresponds to `seL4_SlotBits`.
pub const SLOT_BITS: u32 = 5;
/// Size of a thread. Corresponds to `seL4_TCBBits`.
pub const TCB_BITS: u32 = 11;
/// Size of an endpoint. Corresponds to `seL4_EndpointBits`.
pub const ENDPOINT_BITS: u32 = 4;
/// Size of a notification. Corresponds to `seL4_NotificationBits`.
pub const NOTIFICATION_BITS: u32 = 6;
/// Size of a reply object. Corresponds to `seL4_ReplyBits`.
pub const REPLY_BITS: u32 = 5;
/// Smallest scheduling context. Corresponds to `seL4_MinSchedContextBits`.
pub const MIN_SCHED_CONTEXT_BITS: u32 = 7;
/// Bytes of a scheduling context with two refills. Corresponds to `seL4_CoreSchedContextBytes`.
pub const CORE_SCHED_CONTEXT_BYTES: u64 = 128;
/// Bytes of a further refill. Corresponds to `seL4_RefillSizeBytes`.
pub const REFILL_BYTES: u64 = 16;
/// Size of a page. Corresponds to `seL4_PageBits`.
pub const PAGE_BITS: u32 = 12;
/// Size of a large page. Corresponds to `seL4_LargePageBits`.
pub const LARGE_PAGE_BITS: u32 = 21;
/// Size of a huge page. Corresponds to `seL4_HugePageBits`.
pub const HUGE_PAGE_BITS: u32 = 30;
/// Size of a page table. Corresponds to `seL4_PageTableBits`.
pub const PAGE_TABLE_BITS: u32 = 12;
/// Size of a VSpace root. Corresponds to `seL4_VSpaceBits`.
pub const VSPACE_BITS: u32 = 12;
/// Index bits of one table level. Corresponds to `seL4_PageTableIndexBits`.
pub const TABLE_INDEX_BITS: u32 = 9;
/// Size of an ASID pool. Corresponds to `seL4_ASIDPoolBits`.
pub const ASID_POOL_BITS: u32 = 12;
/// ASIDs of a pool, in bits. Corresponds to `seL4_ASIDPoolIndexBits`.
pub const ASID_POOL_INDEX_BITS: u32 = 9;
/// Pools at most, in bits. Corresponds to `seL4_NumASIDPoolsBits`.
pub const ASID_POOLS_BITS: u32 = 7;
/// Smallest untyped. Corresponds to `seL4_MinUntypedBits`.
pub const MIN_UNTYPED_BITS: u32 = 4;
/// Largest untyped. Corresponds to `seL4_MaxUntypedBits`.
pub const MAX_UNTYPED_BITS: u32 = 47;
/// Bits of a word. Corresponds to `seL4_WordBits`.
pub const WORD_BITS: u32 = 64;
/// Objects of one retype at most. Corresponds to `CONFIG_RETYPE_FAN_OUT_LIMIT`.
pub const RETYPE_FAN_OUT_LIMIT: u64 = 256;
/// Bytes that a retype clears between two preemption points. Corresponds to `CONFIG_RESET_CHUNK_BITS`.
pub const RESET_CHUNK_BITS: u32 = 8;
/// Last address of user space. Corresponds to `seL4_UserTop`.
pub const USER_TOP: u64 = 0x7fff_ffff_ffff;
/// Number of priorities. Corresponds to `CONFIG_NUM_PRIORITIES`.
pub const NUM_PRIORITIES: usize = 256;
/// Highest priority. Corresponds to `seL4_MaxPrio`.
pub const MAX_PRIORITY: u64 = 255;
/// Number of scheduling domains. Corresponds to `CONFIG_NUM_DOMAINS`.
pub const NUM_DOMAINS: usize = 1;
/// Entries of the domain schedule. Corresponds to `CONFIG_NUM_DOMAIN_SCHEDULES`.
pub const NUM_DOMAIN_SCHEDULES: usize = 2;
/// Shortest budget that can be configured, in microseconds. Corresponds to `MIN_BUDGET_US`.
pub const MIN_BUDGET_US: u64 = 20;

/// The number of refills beyond two that a scheduling context of this size has room for.
/// Corresponds to `seL4_MaxExtraRefills`.
#[must_use]
pub const fn max_extra_refills(size_bits: u32) -> u64 {
    ((1 << size_bits) - CORE_SCHED_CONTEXT_BYTES) / REFILL_BYTES
}

/// Kinds of capability as `DebugCapIdentify` reveals them. Corresponds to `enum cap_tag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum CapKind {
    /// An empty slot.
    Null = 0,
    /// Memory that can be mapped.
    Frame = 1,
    /// Memory that can be retyped.
    Untyped = 2,
    /// A translation table below the root.
    PageTable = 3,
    /// An endpoint.
    Endpoint = 4,
    /// A notification.
    Notification = 6,
    /// A reply object.
    Reply = 8,
    /// A translation-table root.
    VSpace = 9,
    /// A table of slots.
    CNode = 10,
    /// The right to make ASID pools.
    AsidControl = 11,
    /// A thread.
    Thread = 12,
    /// A pool of ASIDs.
    AsidPool = 13,
    /// The right to make interrupt handlers.
    IrqControl = 14,
    /// An interrupt.
    IrqHandler = 16,
    /// A CNode or thread that is being destroyed.
    Zombie = 18,
    /// The right to set domains.
    Domain = 20,
    /// A scheduling context.
    SchedContext = 22,
    /// The right to configure scheduling contexts.
    SchedControl = 24,
    /// The right to raise one software-generated interrupt.
    SgiSignal = 27,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_numbered_in_order() {
        for (i, ty) in ObjectType::ALL.iter().enumerate() {
            assert_eq!(ObjectType::from_number(i as Word), Some(*ty));
            assert_eq!(ty.number(), i as Word);
        }
        assert_eq!(ObjectType::from_number(12), None);
        assert_eq!(ObjectType::from_number(0xfffe), None);
    }

    #[test]
    fn extra_refills_as_published() {
        assert_eq!(max_extra_refills(7), 0);
        assert_eq!(max_extra_refills(8), 8);
        assert_eq!(max_extra_refills(9), 24);
    }

    #[test]
    fn sizes_of_variable_objects() {
        assert_eq!(ObjectType::CNode.object_bits(4), 9);
        assert_eq!(ObjectType::Untyped.object_bits(20), 20);
        assert_eq!(ObjectType::Tcb.object_bits(63), 11);
    }
}
