//! The two-word form of a capability, which is what a slot holds.
//!
//! Word 0: bits 0–4 the kind, bits 5–19 small fields, bits 20–63 an address, shifted right by 4.
//! Word 1: what else there is. This module alone knows the positions.
//!
//! | kind | small fields | address | word 1 |
//! |---|---|---|---|
//! | untyped | size 5–10, device 11 | memory | watermark |
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
//! A mapping is the ASID in bits 48–63 and the page-aligned address in bits 12–47, with bit 0 set.
#![expect(unsafe_code, reason = "unpacks references; see docs/unsafe.md, zone cap/raw")]

use super::{
    AsidPoolCap, Badge, CNodeCap, Cap, EndpointCap, FrameCap, Mapping, NotificationCap, PageTableCap, ReplyCap,
    SchedContextCap, SgiSignalCap, Slot, UntypedCap, VSpaceCap, VmRights, ZombieCap, ZombieKind,
};
use crate::irq::Irq;
use crate::kobj::{KRef, MemRegion, SlotArray};
use crate::mem::{PhysAddr, UserVa};
use crate::object::Tcb;
use crate::vspace::Asid;
use sel4_abi::object::{HUGE_PAGE_BITS, LARGE_PAGE_BITS, PAGE_BITS};
use sel4_abi::{CapKind, CapRights};

/// A packed capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RawCap([u64; 2]);

/// The radix that marks the zombie of a thread.
const THREAD_ZOMBIE: u64 = 63;

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

const fn unpack_mapping(word: u64) -> Option<Mapping> {
    if word & 1 == 0 {
        return None;
    }
    Some(Mapping { asid: Asid((word >> 48) as u16), vaddr: UserVa(word & 0xffff_ffff_f000) })
}

const FRAME_SIZES: [u32; 4] = [PAGE_BITS, LARGE_PAGE_BITS, HUGE_PAGE_BITS, PAGE_BITS];

impl RawCap {
    /// The null capability.
    pub const NULL: RawCap = RawCap([0; 2]);

    /// Is it the null capability?
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.0[0] & 0x1f == 0
    }

    /// Packs a capability.
    #[must_use]
    pub fn pack(cap: Cap) -> RawCap {
        let (fields, addr, word1) = match cap {
            Cap::Null | Cap::Domain | Cap::IrqControl | Cap::AsidControl => (0, 0, 0),
            Cap::Untyped(c) => {
                (u64::from(c.region.size_bits()) | u64::from(c.region.is_device()) << 6, c.region.base().0, c.watermark)
            }
            Cap::Endpoint(c) => (c.rights.bits(), c.endpoint.expose() as u64, c.badge.0),
            Cap::Notification(c) => (c.rights.bits(), c.notification.expose() as u64, c.badge.0),
            Cap::Reply(c) => (u64::from(c.can_grant), c.reply.expose() as u64, 0),
            Cap::CNode(c) => {
                (u64::from(c.radix()) | u64::from(c.guard_size) << 6, c.slots.first().expose() as u64, c.guard)
            }
            Cap::Thread(t) => (0, t.expose() as u64, 0),
            Cap::SchedContext(c) => (u64::from(c.size_bits), c.sched_context.expose() as u64, 0),
            Cap::SchedControl { core } => (0, 0, u64::from(core)),
            Cap::IrqHandler(irq) => (0, 0, u64::from(irq.0)),
            Cap::SgiSignal(c) => (0, 0, u64::from(c.number) | u64::from(c.target) << 32),
            Cap::Frame(c) => {
                let size = match c.region.size_bits() {
                    LARGE_PAGE_BITS => 1,
                    HUGE_PAGE_BITS => 2,
                    _ => 0,
                };
                let rights = match c.rights {
                    VmRights::KernelOnly => 0,
                    VmRights::ReadOnly => 1,
                    VmRights::ReadWrite => 2,
                };
                let device = u64::from(c.region.is_device());
                (size | device << 2 | rights << 3, c.region.base().0, pack_mapping(c.mapping))
            }
            Cap::PageTable(c) => (0, c.table.expose() as u64, pack_mapping(c.mapping)),
            Cap::VSpace(c) => {
                (u64::from(c.asid.is_some()), c.root.expose() as u64, u64::from(c.asid.map_or(0, |a| a.0)))
            }
            Cap::AsidPool(c) => (0, c.pool.expose() as u64, u64::from(c.base.0)),
            Cap::Zombie(c) => {
                let radix = match c.kind {
                    ZombieKind::CNode => u64::from(c.slots.len().trailing_zeros()),
                    ZombieKind::Thread => THREAD_ZOMBIE,
                };
                (radix, c.slots.first().expose() as u64, c.remaining as u64)
            }
        };
        RawCap([cap.kind() as u64 | fields << 5 | pack_address(addr), word1])
    }

    /// The object that word 0 names.
    ///
    /// # Safety
    ///
    /// The kind of this capability is one that `pack` makes from a `KRef<T>`.
    unsafe fn object<T>(self) -> Option<KRef<T>> {
        // SAFETY: CAP-1: the address was exposed by `pack`; CAP-2: the object is live.
        unsafe { KRef::from_exposed(address(self.0[0]) as usize) }
    }

    /// The slots that word 0 names.
    ///
    /// # Safety
    ///
    /// The kind of this capability is one that `pack` makes from a `SlotArray` of `len` slots.
    unsafe fn slots(self, len: usize) -> Option<SlotArray> {
        // SAFETY: the caller's promise.
        let first: KRef<Slot> = unsafe { self.object() }?;
        // SAFETY: the caller's promise.
        Some(unsafe { SlotArray::new(first, len) })
    }

    fn region(self, size_bits: u32, is_device: bool) -> MemRegion {
        // Addresses of memory have no sign: 48 bits.
        let base = PhysAddr(address(self.0[0]) & 0xffff_ffff_ffff);
        // SAFETY: CAP-1: packed from a region that was valid.
        unsafe { MemRegion::new(base, size_bits as u8, is_device) }
    }

    /// Unpacks a capability.
    #[must_use]
    pub fn unpack(self) -> Cap {
        self.try_unpack().unwrap_or(Cap::Null)
    }

    /// The CNode that this is a capability to. Resolving an address asks this at each level, so it has a shorter way
    /// than [`unpack`](Self::unpack).
    #[inline]
    pub(super) fn cnode(self) -> Option<CNodeCap> {
        let [w0, w1] = self.0;
        if field(w0, 0, 5) != CapKind::CNode as u64 {
            return None;
        }
        // SAFETY: `pack` took the address of the slots, `2^radix` of them, for this kind.
        let slots = unsafe { self.slots(1 << field(w0, 5, 6)) }?;
        Some(CNodeCap { slots, guard: w1, guard_size: field(w0, 11, 6) as u32 })
    }

    /// The capability, if it is an endpoint. This and the following are shorter than [`unpack`](Self::unpack), for paths
    /// that know what they want.
    #[inline]
    pub(super) fn endpoint(self) -> Option<EndpointCap> {
        let [w0, w1] = self.0;
        if field(w0, 0, 5) != CapKind::Endpoint as u64 {
            return None;
        }
        // SAFETY: `pack` took the address of an endpoint for this kind.
        let endpoint = unsafe { self.object() }?;
        Some(EndpointCap { endpoint, badge: Badge(w1), rights: CapRights::from_word(field(w0, 5, 4)) })
    }

    /// The capability, if it is a notification.
    #[inline]
    pub(super) fn notification(self) -> Option<NotificationCap> {
        let [w0, w1] = self.0;
        if field(w0, 0, 5) != CapKind::Notification as u64 {
            return None;
        }
        // SAFETY: `pack` took the address of a notification for this kind.
        let notification = unsafe { self.object() }?;
        Some(NotificationCap { notification, badge: Badge(w1), rights: CapRights::from_word(field(w0, 5, 4)) })
    }

    /// The capability, if it is a reply object.
    #[inline]
    pub(super) fn reply(self) -> Option<ReplyCap> {
        let w0 = self.0[0];
        if field(w0, 0, 5) != CapKind::Reply as u64 {
            return None;
        }
        // SAFETY: `pack` took the address of a reply object for this kind.
        let reply = unsafe { self.object() }?;
        Some(ReplyCap { reply, can_grant: field(w0, 5, 1) != 0 })
    }

    /// The capability, if it is a VSpace.
    #[inline]
    pub(super) fn vspace(self) -> Option<VSpaceCap> {
        let [w0, w1] = self.0;
        if field(w0, 0, 5) != CapKind::VSpace as u64 {
            return None;
        }
        // SAFETY: `pack` took the address of a VSpace root for this kind.
        let root = unsafe { self.object() }?;
        Some(VSpaceCap { root, asid: (field(w0, 5, 1) != 0).then_some(Asid(w1 as u16)) })
    }

    /// The capability, if it is a frame.
    #[inline]
    pub(super) fn frame(self) -> Option<FrameCap> {
        let [w0, w1] = self.0;
        if field(w0, 0, 5) != CapKind::Frame as u64 {
            return None;
        }
        let rights = match field(w0, 8, 2) {
            0 => VmRights::KernelOnly,
            1 => VmRights::ReadOnly,
            _ => VmRights::ReadWrite,
        };
        let region = self.region(FRAME_SIZES[field(w0, 5, 2) as usize], field(w0, 7, 1) != 0);
        Some(FrameCap { region, rights, mapping: unpack_mapping(w1) })
    }

    /// `None` never happens by CAP-1; it would mean a null address where an object is named.
    fn try_unpack(self) -> Option<Cap> {
        const NULL: u64 = CapKind::Null as u64;
        const FRAME: u64 = CapKind::Frame as u64;
        const UNTYPED: u64 = CapKind::Untyped as u64;
        const PAGE_TABLE: u64 = CapKind::PageTable as u64;
        const ENDPOINT: u64 = CapKind::Endpoint as u64;
        const NOTIFICATION: u64 = CapKind::Notification as u64;
        const REPLY: u64 = CapKind::Reply as u64;
        const VSPACE: u64 = CapKind::VSpace as u64;
        const CNODE: u64 = CapKind::CNode as u64;
        const ASID_CONTROL: u64 = CapKind::AsidControl as u64;
        const THREAD: u64 = CapKind::Thread as u64;
        const ASID_POOL: u64 = CapKind::AsidPool as u64;
        const IRQ_CONTROL: u64 = CapKind::IrqControl as u64;
        const IRQ_HANDLER: u64 = CapKind::IrqHandler as u64;
        const ZOMBIE: u64 = CapKind::Zombie as u64;
        const DOMAIN: u64 = CapKind::Domain as u64;
        const SCHED_CONTEXT: u64 = CapKind::SchedContext as u64;
        const SCHED_CONTROL: u64 = CapKind::SchedControl as u64;
        const SGI_SIGNAL: u64 = CapKind::SgiSignal as u64;

        let [w0, w1] = self.0;
        // SAFETY, for all calls of `object` and `slots` below: each arm names the type that `pack`
        // took the address of for this kind.
        Some(match field(w0, 0, 5) {
            NULL => Cap::Null,
            FRAME => Cap::Frame(self.frame()?),
            UNTYPED => Cap::Untyped(UntypedCap {
                region: self.region(field(w0, 5, 6) as u32, field(w0, 11, 1) != 0),
                watermark: w1,
            }),
            PAGE_TABLE => Cap::PageTable(PageTableCap {
                // SAFETY: as said above.
                table: unsafe { self.object() }?,
                mapping: unpack_mapping(w1),
            }),
            ENDPOINT => Cap::Endpoint(self.endpoint()?),
            NOTIFICATION => Cap::Notification(self.notification()?),
            REPLY => Cap::Reply(self.reply()?),
            VSPACE => Cap::VSpace(self.vspace()?),
            CNODE => Cap::CNode(self.cnode()?),
            ASID_CONTROL => Cap::AsidControl,
            // SAFETY: as said above.
            THREAD => Cap::Thread(unsafe { self.object() }?),
            ASID_POOL => Cap::AsidPool(AsidPoolCap {
                // SAFETY: as said above.
                pool: unsafe { self.object() }?,
                base: Asid(w1 as u16),
            }),
            IRQ_CONTROL => Cap::IrqControl,
            IRQ_HANDLER => Cap::IrqHandler(Irq(w1 as u16)),
            ZOMBIE => {
                let (kind, len) = match field(w0, 5, 6) {
                    THREAD_ZOMBIE => (ZombieKind::Thread, Tcb::SLOTS),
                    radix => (ZombieKind::CNode, 1 << radix),
                };
                // SAFETY: as said above; the length is that of the array.
                let slots = unsafe { self.slots(len) }?;
                Cap::Zombie(ZombieCap { slots, kind, remaining: w1 as usize })
            }
            DOMAIN => Cap::Domain,
            SCHED_CONTEXT => Cap::SchedContext(SchedContextCap {
                // SAFETY: as said above.
                sched_context: unsafe { self.object() }?,
                size_bits: field(w0, 5, 6) as u32,
            }),
            SCHED_CONTROL => Cap::SchedControl { core: w1 as u32 },
            SGI_SIGNAL => Cap::SgiSignal(SgiSignalCap { number: w1 as u8, target: (w1 >> 32) as u32 }),
            _ => return None,
        })
    }
}
