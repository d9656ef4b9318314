//! From a capability's packed form to that of its kind, and back.

use super::{
    DIRTY_SHIFT, RawCap, THREAD_ZOMBIE, VM_RIGHTS_SHIFT, WATERMARK_MASK, field, pack_mapping, pack_vm_rights,
    unpack_mapping,
};
use crate::cap::{
    AsidPoolCap, Badge, CNodeCap, Cap, EndpointCap, FrameCap, NotificationCap, PageTableCap, ReplyCap, SchedContextCap,
    SgiSignalCap, UntypedCap, VSpaceCap, VmRights, ZombieCap, ZombieKind,
};
use crate::irq::Irq;
use crate::kobj::KRef;
use crate::object::Tcb;
use crate::vspace::Asid;
use sel4_abi::CapKind;
use sel4_abi::object::{HUGE_PAGE_BITS, LARGE_PAGE_BITS};

impl RawCap {
    /// Packs a capability.
    #[must_use]
    pub fn pack(cap: Cap) -> RawCap {
        match cap {
            Cap::Null | Cap::Domain | Cap::IrqControl | Cap::AsidControl => RawCap::of(cap.kind(), 0, 0, 0),
            Cap::Untyped(c) => c.into(),
            Cap::Endpoint(c) => c.into(),
            Cap::Notification(c) => c.into(),
            Cap::Reply(c) => c.into(),
            Cap::CNode(c) => c.into(),
            Cap::Thread(t) => t.into(),
            Cap::SchedContext(c) => c.into(),
            Cap::SchedControl { core } => RawCap::of(CapKind::SchedControl, 0, 0, u64::from(core)),
            Cap::IrqHandler(irq) => RawCap::of(CapKind::IrqHandler, 0, 0, u64::from(irq.0)),
            Cap::SgiSignal(c) => RawCap::of(CapKind::SgiSignal, 0, 0, u64::from(c.number) | u64::from(c.target) << 32),
            Cap::Frame(c) => c.into(),
            Cap::PageTable(c) => c.into(),
            Cap::VSpace(c) => c.into(),
            Cap::AsidPool(c) => c.into(),
            Cap::Zombie(c) => c.into(),
        }
    }

    /// Unpacks a capability.
    #[must_use]
    pub fn unpack(self) -> Cap {
        // Each form is there: its kind is the one that was found.
        let unpacked = match self.kind() {
            CapKind::Null => Some(Cap::Null),
            CapKind::Frame => self.frame().map(Cap::Frame),
            CapKind::Untyped => self.untyped().map(Cap::Untyped),
            CapKind::PageTable => self.page_table().map(Cap::PageTable),
            CapKind::Endpoint => self.endpoint().map(Cap::Endpoint),
            CapKind::Notification => self.notification().map(Cap::Notification),
            CapKind::Reply => self.reply().map(Cap::Reply),
            CapKind::VSpace => self.vspace().map(Cap::VSpace),
            CapKind::CNode => self.cnode().map(Cap::CNode),
            CapKind::AsidControl => Some(Cap::AsidControl),
            CapKind::Thread => self.thread().map(Cap::Thread),
            CapKind::AsidPool => self.asid_pool().map(Cap::AsidPool),
            CapKind::IrqControl => Some(Cap::IrqControl),
            CapKind::IrqHandler => self.irq_handler().map(Cap::IrqHandler),
            CapKind::Zombie => self.zombie().map(Cap::Zombie),
            CapKind::Domain => Some(Cap::Domain),
            CapKind::SchedContext => self.sched_context().map(Cap::SchedContext),
            CapKind::SchedControl => Some(Cap::SchedControl { core: self.0[1] as u32 }),
            CapKind::SgiSignal => self.sgi_signal().map(Cap::SgiSignal),
        };
        unpacked.unwrap_or(Cap::Null)
    }

    /// Memory that can be mapped, if it is that.
    #[inline]
    #[must_use]
    pub fn frame(self) -> Option<FrameCap> {
        let [w0, w1] = self.0;
        self.is(CapKind::Frame).then(|| FrameCap {
            region: self.region(self.frame_bits(), field(w0, 7, 1) != 0),
            rights: match field(w0, VM_RIGHTS_SHIFT, 2) {
                0 => VmRights::KernelOnly,
                1 => VmRights::ReadOnly,
                _ => VmRights::ReadWrite,
            },
            mapping: unpack_mapping(w1),
        })
    }

    /// Memory that can be retyped, if it is that.
    #[inline]
    #[must_use]
    pub fn untyped(self) -> Option<UntypedCap> {
        let [w0, w1] = self.0;
        self.is(CapKind::Untyped).then(|| {
            let region = self.region(field(w0, 5, 6) as u32, field(w0, 11, 1) != 0);
            let dirty = w1 >> DIRTY_SHIFT << UntypedCap::dirty_unit_bits(region);
            UntypedCap { region, watermark: w1 & WATERMARK_MASK, dirty }
        })
    }

    /// A CNode, if it is that.
    #[inline]
    #[must_use]
    pub fn cnode(self) -> Option<CNodeCap> {
        let [w0, w1] = self.0;
        if !self.is(CapKind::CNode) {
            return None;
        }
        // SAFETY: a CNode's capability is packed from its slots, `2^radix` of them.
        let slots = unsafe { self.slots(1 << field(w0, 5, 6)) };
        Some(CNodeCap { slots, guard: w1, guard_size: field(w0, 11, 6) as u32 })
    }

    /// An endpoint, if it is that.
    #[inline]
    #[must_use]
    pub fn endpoint(self) -> Option<EndpointCap> {
        if !self.is(CapKind::Endpoint) {
            return None;
        }
        // SAFETY: an endpoint's capability is packed from a reference to it.
        let endpoint = unsafe { self.object() };
        Some(EndpointCap { endpoint, badge: Badge(self.0[1]), rights: self.rights() })
    }

    /// A notification, if it is that.
    #[inline]
    #[must_use]
    pub fn notification(self) -> Option<NotificationCap> {
        if !self.is(CapKind::Notification) {
            return None;
        }
        // SAFETY: a notification's capability is packed from a reference to it.
        let notification = unsafe { self.object() };
        Some(NotificationCap { notification, badge: Badge(self.0[1]), rights: self.rights() })
    }

    /// A reply object, if it is that.
    #[inline]
    #[must_use]
    pub fn reply(self) -> Option<ReplyCap> {
        if !self.is(CapKind::Reply) {
            return None;
        }
        // SAFETY: a reply object's capability is packed from a reference to it.
        let reply = unsafe { self.object() };
        Some(ReplyCap { reply, can_grant: field(self.0[0], 5, 1) != 0 })
    }

    /// A thread, if it is that.
    #[inline]
    #[must_use]
    pub fn thread(self) -> Option<KRef<Tcb>> {
        // SAFETY: a thread's capability is packed from a reference to it.
        if self.is(CapKind::Thread) { Some(unsafe { self.object() }) } else { None }
    }

    /// A scheduling context, if it is that.
    #[inline]
    #[must_use]
    pub fn sched_context(self) -> Option<SchedContextCap> {
        if !self.is(CapKind::SchedContext) {
            return None;
        }
        // SAFETY: a scheduling context's capability is packed from a reference to it.
        let sched_context = unsafe { self.object() };
        Some(SchedContextCap { sched_context, size_bits: field(self.0[0], 5, 6) as u32 })
    }

    /// A translation table below the root, if it is that.
    #[inline]
    #[must_use]
    pub fn page_table(self) -> Option<PageTableCap> {
        if !self.is(CapKind::PageTable) {
            return None;
        }
        // SAFETY: a table's capability is packed from a reference to it.
        let table = unsafe { self.object() };
        Some(PageTableCap { table, mapping: unpack_mapping(self.0[1]) })
    }

    /// A translation-table root, if it is that.
    #[inline]
    #[must_use]
    pub fn vspace(self) -> Option<VSpaceCap> {
        let [w0, w1] = self.0;
        if !self.is(CapKind::VSpace) {
            return None;
        }
        // SAFETY: a root's capability is packed from a reference to it.
        let root = unsafe { self.object() };
        Some(VSpaceCap { root, asid: if field(w0, 5, 1) != 0 { Some(Asid(w1 as u16)) } else { None } })
    }

    /// A pool of ASIDs, if it is that.
    #[inline]
    #[must_use]
    pub fn asid_pool(self) -> Option<AsidPoolCap> {
        if !self.is(CapKind::AsidPool) {
            return None;
        }
        // SAFETY: a pool's capability is packed from a reference to it.
        let pool = unsafe { self.object() };
        Some(AsidPoolCap { pool, base: Asid(self.0[1] as u16) })
    }

    /// An interrupt, if it is that.
    #[inline]
    #[must_use]
    pub fn irq_handler(self) -> Option<Irq> {
        self.is(CapKind::IrqHandler).then_some(Irq(self.0[1] as u16))
    }

    /// The right to raise an interrupt, if it is that.
    #[inline]
    #[must_use]
    pub fn sgi_signal(self) -> Option<SgiSignalCap> {
        let w1 = self.0[1];
        self.is(CapKind::SgiSignal).then_some(SgiSignalCap { number: w1 as u8, target: (w1 >> 32) as u32 })
    }

    /// A CNode or thread that is being destroyed, if it is that.
    #[inline]
    #[must_use]
    pub fn zombie(self) -> Option<ZombieCap> {
        let [w0, w1] = self.0;
        if !self.is(CapKind::Zombie) {
            return None;
        }
        let (kind, len) = match field(w0, 5, 6) {
            THREAD_ZOMBIE => (ZombieKind::Thread, Tcb::SLOTS),
            radix => (ZombieKind::CNode, 1 << radix),
        };
        // SAFETY: a zombie's capability is packed from slots of that number.
        let slots = unsafe { self.slots(len) };
        Some(ZombieCap { slots, kind, remaining: w1 as usize })
    }
}

impl From<Cap> for RawCap {
    fn from(cap: Cap) -> Self {
        RawCap::pack(cap)
    }
}

macro_rules! packs {
    ($($form:ty: |$c:ident| $packed:expr;)*) => {
        $(impl From<$form> for RawCap {
            #[inline]
            fn from($c: $form) -> Self {
                $packed
            }
        })*
    };
}

packs! {
    UntypedCap: |c| {
        let fields = c.region.size_bits() as u64 | (c.region.is_device() as u64) << 6;
        let dirty = c.dirty >> UntypedCap::dirty_unit_bits(c.region) << DIRTY_SHIFT;
        RawCap::of(CapKind::Untyped, fields, c.region.base().0, c.watermark | dirty)
    };
    EndpointCap: |c| RawCap::of(CapKind::Endpoint, c.rights.bits(), c.endpoint.expose() as u64, c.badge.0);
    NotificationCap: |c| RawCap::of(CapKind::Notification, c.rights.bits(), c.notification.expose() as u64, c.badge.0);
    ReplyCap: |c| RawCap::of(CapKind::Reply, c.can_grant as u64, c.reply.expose() as u64, 0);
    CNodeCap: |c| {
        let fields = u64::from(c.radix()) | u64::from(c.guard_size) << 6;
        RawCap::of(CapKind::CNode, fields, c.slots.first().expose() as u64, c.guard)
    };
    KRef<Tcb>: |t| RawCap::of(CapKind::Thread, 0, t.expose() as u64, 0);
    SchedContextCap: |c| {
        RawCap::of(CapKind::SchedContext, u64::from(c.size_bits), c.sched_context.expose() as u64, 0)
    };
    FrameCap: |c| {
        let size = match c.region.size_bits() {
            LARGE_PAGE_BITS => 1,
            HUGE_PAGE_BITS => 2,
            _ => 0,
        };
        let fields = size | (c.region.is_device() as u64) << 2 | pack_vm_rights(c.rights) << 3;
        RawCap::of(CapKind::Frame, fields, c.region.base().0, pack_mapping(c.mapping))
    };
    PageTableCap: |c| RawCap::of(CapKind::PageTable, 0, c.table.expose() as u64, pack_mapping(c.mapping));
    VSpaceCap: |c| {
        let asid = c.asid.map_or(0, |asid| u64::from(asid.0));
        RawCap::of(CapKind::VSpace, c.asid.is_some() as u64, c.root.expose() as u64, asid)
    };
    AsidPoolCap: |c| RawCap::of(CapKind::AsidPool, 0, c.pool.expose() as u64, u64::from(c.base.0));
    ZombieCap: |c| {
        let radix = match c.kind {
            ZombieKind::CNode => u64::from(c.slots.len().trailing_zeros()),
            ZombieKind::Thread => THREAD_ZOMBIE,
        };
        RawCap::of(CapKind::Zombie, radix, c.slots.first().expose() as u64, c.remaining as u64)
    };
}
