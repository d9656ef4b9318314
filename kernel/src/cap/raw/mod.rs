//! The two-word form of a capability, which is what a slot holds.
//!
//! Word 0: bits 0–4 the kind, bits 5–19 small fields, bits 20–63 an address, shifted right by 4.
//! Word 1: what else there is. This module alone knows the positions.
//!
//! | kind | small fields | address | word 1 |
//! |---|---|---|---|
//! | untyped | size 5–10, device 11 | memory | watermark 0–47, dirty units 48–63 |
//! | endpoint, notification | rights 5–8 | object | badge |
//! | reply | grant 5 | object | – |
//! | CNode | radix 5–10, guard size 11–16 | slots | guard |
//! | thread | – | object | – |
//! | scheduling context | size 5–10 | object | – |
//! | scheduling control | – | – | core |
//! | IRQ handler | – | – | interrupt |
//! | SGI signal | – | – | number 0–7, target 32–63 |
//! | frame | size 5–6, device 7, rights 8–9 | memory | mapping |
//! | page table | – | object | mapping |
//! | VSpace | has an ASID 5 | object | ASID |
//! | ASID pool | – | object | first ASID |
//! | zombie | radix 5–10 (63: thread) | slots | remaining |
//!
//! [`RawCap`] is also what the kernel passes on from slot to slot: who wants to know more asks for the kind
//! ([`RawCap::kind`]) and then for that kind's form ([`RawCap::frame`] and so on). [`RawCap::unpack`] has them all and is
//! for what is not done often.
//!
//! A mapping is the ASID in bits 48–63 and the page-aligned address in bits 12–47, with bit 0 set.
#![expect(unsafe_code, reason = "unpacks references; see docs/unsafe.md, zone cap/raw")]

mod forms;

use super::{Badge, Mapping, Slot, VmRights};
use crate::arch;
use crate::kobj::{KRef, MemRegion, SlotArray};
use crate::mem::{PhysAddr, UserVa};
use crate::vspace::Asid;
use sel4_abi::object::{
    ASID_POOL_BITS, ENDPOINT_BITS, HUGE_PAGE_BITS, LARGE_PAGE_BITS, NOTIFICATION_BITS, PAGE_BITS, PAGE_TABLE_BITS,
    REPLY_BITS, SLOT_BITS, TCB_BITS, VSPACE_BITS,
};
use sel4_abi::{CapKind, CapRights};

/// A packed capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RawCap([u64; 2]);

/// The radix that marks the zombie of a thread.
const THREAD_ZOMBIE: u64 = 63;

/// The kind in word 0.
const KIND_MASK: u64 = 0x1f;
/// The address in word 0.
const ADDRESS_MASK: u64 = !0xf_ffff;
/// Rights in word 0 of endpoints and notifications, and where they start.
const RIGHTS_MASK: u64 = 0xf << RIGHTS_SHIFT;
const RIGHTS_SHIFT: u32 = 5;
/// The watermark of an untyped, which is 2^47 at most.
const WATERMARK_MASK: u64 = (1 << DIRTY_SHIFT) - 1;
/// How much of an untyped may be dirty, in its units.
const DIRTY_SHIFT: u32 = 48;
/// Where a frame's rights start in word 0.
const VM_RIGHTS_SHIFT: u32 = 8;
/// Size and sort of memory in word 0 of a frame.
const FRAME_MEMORY_MASK: u64 = 0x7 << 5;

/// Bits 5 and up of word 0, without the address.
const fn field(word: u64, shift: u32, bits: u32) -> u64 {
    (word >> shift) & ((1 << bits) - 1)
}

/// The address in word 0, with the upper bits that all kernel addresses share.
const fn address(word: u64) -> u64 {
    // Bits 4 to 47 are stored; bit 47 decides the rest.
    ((((word >> 20) << 4) as i64) << 16 >> 16) as u64
}

const fn pack_address(addr: u64) -> u64 {
    (addr >> 4) << 20
}

const fn pack_mapping(mapping: Option<Mapping>) -> u64 {
    match mapping {
        Some(Mapping { asid, vaddr }) => (asid.0 as u64) << 48 | (vaddr.0 & 0xffff_ffff_f000) | 1,
        None => 0,
    }
}

const fn pack_vm_rights(rights: VmRights) -> u64 {
    match rights {
        VmRights::KernelOnly => 0,
        VmRights::ReadOnly => 1,
        VmRights::ReadWrite => 2,
    }
}

const fn unpack_mapping(word: u64) -> Option<Mapping> {
    if word & 1 == 0 {
        return None;
    }
    Some(Mapping { asid: Asid((word >> 48) as u16), vaddr: UserVa(word & 0xffff_ffff_f000) })
}

/// The memory that an object occupies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it starts.
    pub base: PhysAddr,
    /// Its size is two to this power.
    pub size_bits: u32,
}

impl Extent {
    /// Does it lie within `outer`?
    #[inline]
    #[must_use]
    pub const fn is_inside(self, outer: Extent) -> bool {
        outer.base.0 <= self.base.0 && self.last() <= outer.last()
    }

    const fn last(self) -> u64 {
        self.base.0 + ((1 << self.size_bits) - 1)
    }
}

impl From<MemRegion> for Extent {
    #[inline]
    fn from(region: MemRegion) -> Self {
        Extent { base: region.base(), size_bits: region.size_bits() }
    }
}

/// log2 of the bytes that a frame's size field stands for, a byte each.
const FRAME_SIZES: u32 = PAGE_BITS | LARGE_PAGE_BITS << 8 | HUGE_PAGE_BITS << 16 | PAGE_BITS << 24;

impl RawCap {
    /// The null capability.
    pub const NULL: RawCap = RawCap([0; 2]);

    /// Is it the null capability?
    #[inline]
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.0[0] & KIND_MASK == 0
    }

    /// What kind of capability it is.
    #[inline]
    #[must_use]
    pub const fn kind(self) -> CapKind {
        // SAFETY: CAP-1: bits 0 to 4 are 0, which is `CapKind::Null`, or the number of the kind that was packed.
        unsafe { core::mem::transmute::<u64, CapKind>(self.0[0] & KIND_MASK) }
    }

    #[inline]
    const fn is(self, kind: CapKind) -> bool {
        self.0[0] & KIND_MASK == kind as u64
    }

    #[inline]
    const fn of(kind: CapKind, fields: u64, addr: u64, word1: u64) -> RawCap {
        RawCap([kind as u64 | fields << 5 | pack_address(addr), word1])
    }

    // ---- the parts ----

    /// The object that word 0 names.
    ///
    /// # Safety
    ///
    /// The kind of this capability is one that is packed from a `KRef<T>`.
    #[inline]
    unsafe fn object<T>(self) -> KRef<T> {
        // SAFETY: CAP-1: the address was exposed when this was packed, and is not 0; CAP-2: the object is live.
        unsafe { KRef::recover(address(self.0[0]) as usize) }
    }

    /// The slots that word 0 names.
    ///
    /// # Safety
    ///
    /// The kind of this capability is one that is packed from a `SlotArray` of `len` slots.
    #[inline]
    unsafe fn slots(self, len: usize) -> SlotArray {
        // SAFETY: the caller's promise.
        let first: KRef<Slot> = unsafe { self.object() };
        // SAFETY: the caller's promise.
        unsafe { SlotArray::new(first, len) }
    }

    #[inline]
    fn region(self, size_bits: u32, is_device: bool) -> MemRegion {
        // SAFETY: CAP-1: packed from a region that was valid.
        unsafe { MemRegion::new(self.memory_base(), size_bits as u8, is_device) }
    }

    /// The address in word 0 as one of memory: those have no sign, 48 bits.
    #[inline]
    const fn memory_base(self) -> PhysAddr {
        PhysAddr(address(self.0[0]) & 0xffff_ffff_ffff)
    }

    #[inline]
    const fn frame_bits(self) -> u32 {
        FRAME_SIZES >> (field(self.0[0], 5, 2) * 8) & 0xff
    }

    // ---- questions and changes that need no form ----

    /// The rights of an endpoint or notification.
    #[inline]
    #[must_use]
    pub const fn rights(self) -> CapRights {
        CapRights::from_word(field(self.0[0], RIGHTS_SHIFT, 4))
    }

    /// The badge of an endpoint or notification.
    #[inline]
    #[must_use]
    pub const fn badge(self) -> Badge {
        Badge(self.0[1])
    }

    /// The endpoint or notification with this badge.
    #[inline]
    #[must_use]
    pub const fn with_badge(self, badge: Badge) -> RawCap {
        RawCap([self.0[0], badge.0])
    }

    /// The endpoint or notification with no more rights than `mask` has.
    #[inline]
    #[must_use]
    pub const fn with_rights(self, mask: CapRights) -> RawCap {
        RawCap([self.0[0] & (mask.bits() << RIGHTS_SHIFT | !RIGHTS_MASK), self.0[1]])
    }

    /// The reply object without the right to send capabilities.
    #[inline]
    #[must_use]
    pub const fn without_grant(self) -> RawCap {
        RawCap([self.0[0] & !(1 << 5), self.0[1]])
    }

    /// The frame with these rights.
    #[inline]
    #[must_use]
    pub const fn with_vm_rights(self, rights: VmRights) -> RawCap {
        RawCap([self.0[0] & !(3 << VM_RIGHTS_SHIFT) | pack_vm_rights(rights) << VM_RIGHTS_SHIFT, self.0[1]])
    }

    /// Where a frame or page table is mapped.
    #[inline]
    #[must_use]
    pub const fn mapping(self) -> Option<Mapping> {
        unpack_mapping(self.0[1])
    }

    /// The frame or page table, mapped there.
    #[inline]
    #[must_use]
    pub const fn with_mapping(self, mapping: Option<Mapping>) -> RawCap {
        RawCap([self.0[0], pack_mapping(mapping)])
    }

    /// The untyped with this watermark.
    #[inline]
    #[must_use]
    pub const fn with_watermark(self, watermark: u64) -> RawCap {
        RawCap([self.0[0], (self.0[1] & !WATERMARK_MASK) | watermark])
    }

    /// The zombie with so many slots that may still hold something.
    #[inline]
    #[must_use]
    pub const fn with_remaining(self, remaining: usize) -> RawCap {
        RawCap([self.0[0], remaining as u64])
    }

    /// Do both capabilities name the same object?
    ///
    /// Null, untyped, interrupt-control, SGI and zombie capabilities are never the same object as another.
    #[inline]
    #[must_use]
    pub const fn is_same_object(self, other: RawCap) -> bool {
        let differences = self.0[0] ^ other.0[0];
        // Nearly all neighbours differ here.
        if differences & (KIND_MASK | ADDRESS_MASK) != 0 {
            return false;
        }
        match self.kind() {
            CapKind::Null | CapKind::Untyped | CapKind::IrqControl | CapKind::SgiSignal | CapKind::Zombie => false,
            CapKind::Frame => differences & FRAME_MEMORY_MASK == 0,
            CapKind::IrqHandler => self.0[1] == other.0[1],
            _ => true,
        }
    }

    /// The memory that a capability is to, if it is to memory at all.
    #[inline]
    #[must_use]
    pub const fn extent(self) -> Option<Extent> {
        let w0 = self.0[0];
        let object = PhysAddr(address(w0).wrapping_sub(arch::PHYS_WINDOW));
        let (base, size_bits) = match self.kind() {
            CapKind::Untyped => (self.memory_base(), field(w0, 5, 6) as u32),
            CapKind::Frame => (self.memory_base(), self.frame_bits()),
            CapKind::Endpoint => (object, ENDPOINT_BITS),
            CapKind::Notification => (object, NOTIFICATION_BITS),
            CapKind::Reply => (object, REPLY_BITS),
            CapKind::CNode => (object, field(w0, 5, 6) as u32 + SLOT_BITS),
            CapKind::Thread => (object, TCB_BITS),
            CapKind::SchedContext => (object, field(w0, 5, 6) as u32),
            CapKind::PageTable => (object, PAGE_TABLE_BITS),
            CapKind::VSpace => (object, VSPACE_BITS),
            CapKind::AsidPool => (object, ASID_POOL_BITS),
            CapKind::Zombie => match field(w0, 5, 6) {
                THREAD_ZOMBIE => (object, TCB_BITS),
                radix => (object, radix as u32 + SLOT_BITS),
            },
            CapKind::Null
            | CapKind::SchedControl
            | CapKind::Domain
            | CapKind::IrqControl
            | CapKind::IrqHandler
            | CapKind::SgiSignal
            | CapKind::AsidControl => return None,
        };
        Some(Extent { base, size_bits })
    }
}
