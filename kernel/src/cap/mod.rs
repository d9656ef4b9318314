//! Capabilities.
//!
//! [`Cap`] is what the kernel thinks with; [`RawCap`] (two words) is what a [`Slot`] holds. A slot
//! also holds the capability's place in the derivation list ([`cdt`]).
//!
//! # Invariants
//!
//! - **CAP-1** A `RawCap` is all zero (the null capability) or was made by [`RawCap::pack`].
//! - **CAP-2** The object that a capability names is live: deleting the last capability destroys the
//!   object, and its memory is reused only when no capability to it is left (`UT-2`).
//! - **CAP-3** A slot is in the derivation list if and only if its capability is not null.

pub mod cdt;
pub mod delete;
pub mod derive;
pub mod lookup;
mod raw;
mod slot;
#[cfg(test)]
mod tests;

pub use raw::{Extent, RawCap};
pub use slot::{Slot, SlotRef};

use crate::irq::Irq;
use crate::kobj::{KRef, MemRegion, SlotArray};
use crate::mem::UserVa;
use crate::object::{AsidPool, Endpoint, Notification, PageTable, Reply, SchedContext, Tcb};
use crate::vspace::Asid;
use sel4_abi::object::PAGE_BITS;
use sel4_abi::{CapKind, CapRights};

/// The word that identifies the sender or the signal; 0 is "no badge".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Badge(pub u64);

impl Badge {
    /// No badge.
    pub const NONE: Badge = Badge(0);
}

/// A capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// Nothing; the slot is empty.
    Null,
    /// Memory that can be retyped.
    Untyped(UntypedCap),
    /// An endpoint.
    Endpoint(EndpointCap),
    /// A notification.
    Notification(NotificationCap),
    /// A reply object.
    Reply(ReplyCap),
    /// A table of slots.
    CNode(CNodeCap),
    /// A thread.
    Thread(KRef<Tcb>),
    /// A scheduling context.
    SchedContext(SchedContextCap),
    /// The right to configure scheduling contexts.
    SchedControl {
        /// The core that they will belong to.
        core: u32,
    },
    /// The right to set domains.
    Domain,
    /// The right to make interrupt handlers.
    IrqControl,
    /// An interrupt.
    IrqHandler(Irq),
    /// The right to raise one software-generated interrupt.
    SgiSignal(SgiSignalCap),
    /// Memory that can be mapped.
    Frame(FrameCap),
    /// A translation table below the root.
    PageTable(PageTableCap),
    /// A translation-table root.
    VSpace(VSpaceCap),
    /// The right to make ASID pools.
    AsidControl,
    /// A pool of ASIDs.
    AsidPool(AsidPoolCap),
    /// A CNode or thread that is being destroyed.
    Zombie(ZombieCap),
}

/// Memory that can be retyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UntypedCap {
    /// The memory.
    pub region: MemRegion,
    /// Bytes from the start that may be in use; a multiple of 16.
    pub watermark: u64,
    /// Bytes from the start that may hold what was there before; below the watermark it says nothing. A multiple of
    /// [`dirty_unit_bits`](Self::dirty_unit_bits), which may be more than there are.
    pub dirty: u64,
}

impl UntypedCap {
    /// The capability with no room left.
    #[must_use]
    pub const fn full(region: MemRegion) -> Self {
        UntypedCap { region, watermark: region.bytes(), dirty: 0 }
    }

    /// The capability to memory that is zero and free.
    #[must_use]
    pub const fn clear(region: MemRegion) -> Self {
        UntypedCap { region, watermark: 0, dirty: 0 }
    }

    /// What `dirty` is counted in, log2: a page, or as much as makes `2^15` of them.
    #[must_use]
    pub const fn dirty_unit_bits(region: MemRegion) -> u32 {
        let bits = region.size_bits().saturating_sub(15);
        if bits < PAGE_BITS { PAGE_BITS } else { bits }
    }

    /// From here on the memory is zero.
    #[must_use]
    pub fn zero_from(self) -> u64 {
        self.watermark.max(self.dirty.min(self.region.bytes()))
    }

    /// Bytes above the watermark.
    #[must_use]
    pub const fn free_bytes(self) -> u64 {
        self.region.bytes() - self.watermark
    }
}

/// An endpoint, with what may be done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointCap {
    /// The object.
    pub endpoint: KRef<Endpoint>,
    /// What receivers see of senders through this capability.
    pub badge: Badge,
    /// Write: send; Read: receive; Grant: send capabilities; Grant, GrantReply: be replied to.
    pub rights: CapRights,
}

impl EndpointCap {
    /// May a sender be replied to?
    #[must_use]
    pub const fn can_be_replied_to(self) -> bool {
        self.rights.intersects(CapRights::GRANT.union(CapRights::GRANT_REPLY))
    }

    /// Is the capability good as a fault handler?
    #[must_use]
    pub const fn is_fault_handler(self) -> bool {
        self.rights.contains(CapRights::WRITE) && self.can_be_replied_to()
    }
}

/// A notification, with what may be done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotificationCap {
    /// The object.
    pub notification: KRef<Notification>,
    /// The bits that a signal through this capability sets.
    pub badge: Badge,
    /// Write: signal; Read: wait.
    pub rights: CapRights,
}

/// A reply object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyCap {
    /// The object.
    pub reply: KRef<Reply>,
    /// May the reply carry capabilities?
    pub can_grant: bool,
}

/// A CNode, with the guard of this capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CNodeCap {
    /// The slots, `2^radix` of them.
    pub slots: SlotArray,
    /// The guard, `guard_size` bits.
    pub guard: u64,
    /// Bits of the guard; with the radix at most 64.
    pub guard_size: u32,
}

impl CNodeCap {
    /// Address bits that select the slot.
    #[must_use]
    pub const fn radix(self) -> u32 {
        self.slots.len().trailing_zeros()
    }
}

/// A scheduling context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedContextCap {
    /// The object.
    pub sched_context: KRef<SchedContext>,
    /// Its size.
    pub size_bits: u32,
}

/// The right to raise one software-generated interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SgiSignalCap {
    /// The interrupt, 0 to 15.
    pub number: u8,
    /// Whom it is raised at, as the interrupt controller names cores.
    pub target: u32,
}

/// What EL0 may do with a mapped frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmRights {
    /// No access.
    KernelOnly,
    /// Reading.
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

impl VmRights {
    /// Takes away what `mask` does not allow; there is no write-only.
    #[must_use]
    pub const fn masked(self, mask: CapRights) -> VmRights {
        let read = mask.contains(CapRights::READ);
        let write = mask.contains(CapRights::WRITE);
        match self {
            VmRights::ReadWrite if read && write => VmRights::ReadWrite,
            VmRights::ReadWrite | VmRights::ReadOnly if read => VmRights::ReadOnly,
            _ => VmRights::KernelOnly,
        }
    }
}

/// Where a frame or table capability is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The address space.
    pub asid: Asid,
    /// The address.
    pub vaddr: UserVa,
}

/// Memory that can be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameCap {
    /// The memory: 4 KiB, 2 MiB or 1 GiB.
    pub region: MemRegion,
    /// What mappings through this capability may allow.
    pub rights: VmRights,
    /// Where this capability is mapped.
    pub mapping: Option<Mapping>,
}

/// A translation table below the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageTableCap {
    /// The object.
    pub table: KRef<PageTable>,
    /// Where it is entered.
    pub mapping: Option<Mapping>,
}

/// A translation-table root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VSpaceCap {
    /// The object.
    pub root: KRef<PageTable>,
    /// Its ASID, once it has one.
    pub asid: Option<Asid>,
}

/// A pool of ASIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsidPoolCap {
    /// The object.
    pub pool: KRef<AsidPool>,
    /// The first ASID of the pool.
    pub base: Asid,
}

/// What is left of an object whose capability slots are being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZombieCap {
    /// The slots of the object.
    pub slots: SlotArray,
    /// What it was; tells the object's memory.
    pub kind: ZombieKind,
    /// Slots from the start that may still hold something.
    pub remaining: usize,
}

impl ZombieCap {
    /// The zombie of an object with these slots, all of which may hold something.
    #[must_use]
    pub fn all_of(slots: SlotArray, kind: ZombieKind) -> Self {
        ZombieCap { slots, kind, remaining: slots.len() }
    }
}

/// What a zombie was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZombieKind {
    /// A CNode.
    CNode,
    /// A thread.
    Thread,
}

impl Cap {
    /// Is it the null capability?
    #[must_use]
    pub const fn is_null(self) -> bool {
        matches!(self, Cap::Null)
    }

    /// The number that `DebugCapIdentify` reveals.
    #[must_use]
    pub const fn kind(self) -> CapKind {
        match self {
            Cap::Null => CapKind::Null,
            Cap::Untyped(_) => CapKind::Untyped,
            Cap::Endpoint(_) => CapKind::Endpoint,
            Cap::Notification(_) => CapKind::Notification,
            Cap::Reply(_) => CapKind::Reply,
            Cap::CNode(_) => CapKind::CNode,
            Cap::Thread(_) => CapKind::Thread,
            Cap::SchedContext(_) => CapKind::SchedContext,
            Cap::SchedControl { .. } => CapKind::SchedControl,
            Cap::Domain => CapKind::Domain,
            Cap::IrqControl => CapKind::IrqControl,
            Cap::IrqHandler(_) => CapKind::IrqHandler,
            Cap::SgiSignal(_) => CapKind::SgiSignal,
            Cap::Frame(_) => CapKind::Frame,
            Cap::PageTable(_) => CapKind::PageTable,
            Cap::VSpace(_) => CapKind::VSpace,
            Cap::AsidControl => CapKind::AsidControl,
            Cap::AsidPool(_) => CapKind::AsidPool,
            Cap::Zombie(_) => CapKind::Zombie,
        }
    }
}
