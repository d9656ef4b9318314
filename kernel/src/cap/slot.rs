//! A slot: a capability and its place in the derivation list.

use core::cell::Cell;

use super::{CNodeCap, Cap, EndpointCap, FrameCap, NotificationCap, RawCap, ReplyCap, VSpaceCap};
use crate::kernel::Kernel;
use crate::kobj::{KRef, Tagged};

/// A reference to a slot.
pub type SlotRef = KRef<Slot>;

/// Room for one capability: 32 bytes.
#[derive(Debug)]
#[repr(C, align(32))]
pub struct Slot {
    /// Written by [`super::cdt`], and by [`SlotRef::update`] for changes that keep the object.
    cap: Cell<RawCap>,
    /// The entry in front, and this entry's marks (bit 0 original, bit 1 first). Written by
    /// [`super::cdt`] only.
    prev: Cell<Tagged<Slot>>,
    /// The entry behind. Written by [`super::cdt`] only.
    next: Cell<Tagged<Slot>>,
}

/// The links and marks of an entry of the derivation list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    pub(super) prev: Option<SlotRef>,
    pub(super) next: Option<SlotRef>,
    /// The capability can be the parent of others ("revocable").
    pub(super) is_original: bool,
    /// The capability starts a group of equal badges ("first badged").
    pub(super) is_first: bool,
}

impl Links {
    pub(super) const NONE: Links = Links { prev: None, next: None, is_original: false, is_first: false };
}

impl Slot {
    /// The mark of an original entry, beside the entry in front.
    const ORIGINAL: usize = 1;
    /// The mark of an entry that is the first of its badge.
    const FIRST: usize = 2;

    /// A slot without a capability.
    #[must_use]
    pub const fn empty() -> Self {
        Slot { cap: Cell::new(RawCap::NULL), prev: Cell::new(Tagged::NONE), next: Cell::new(Tagged::NONE) }
    }

    /// The capability.
    #[must_use]
    pub fn cap(&self) -> Cap {
        self.cap.get().unpack()
    }

    /// The capability as it is stored.
    #[inline]
    #[must_use]
    pub fn raw(&self) -> RawCap {
        self.cap.get()
    }

    /// The capability, if it is a CNode.
    #[inline]
    #[must_use]
    pub(super) fn cnode(&self) -> Option<CNodeCap> {
        self.cap.get().cnode()
    }

    /// The capability, if it is a VSpace.
    #[inline]
    #[must_use]
    pub fn vspace(&self) -> Option<VSpaceCap> {
        self.cap.get().vspace()
    }

    /// The capability, if it is an endpoint.
    #[inline]
    #[must_use]
    pub fn endpoint(&self) -> Option<EndpointCap> {
        self.cap.get().endpoint()
    }

    /// The capability, if it is a notification.
    #[inline]
    #[must_use]
    pub fn notification(&self) -> Option<NotificationCap> {
        self.cap.get().notification()
    }

    /// The capability, if it is a reply object.
    #[inline]
    #[must_use]
    pub fn reply(&self) -> Option<ReplyCap> {
        self.cap.get().reply()
    }

    /// The capability, if it is a frame.
    #[inline]
    #[must_use]
    pub fn frame(&self) -> Option<FrameCap> {
        self.cap.get().frame()
    }

    /// Is there no capability?
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cap.get().is_null()
    }

    #[inline]
    pub(super) fn set_raw(&self, cap: RawCap) {
        self.cap.set(cap);
    }

    #[inline]
    pub(super) fn next(&self) -> Option<SlotRef> {
        self.next.get().target()
    }

    #[inline]
    pub(super) fn prev(&self) -> Option<SlotRef> {
        self.prev.get().target()
    }

    #[inline]
    pub(super) fn is_original(&self) -> bool {
        self.prev.get().flags() & Slot::ORIGINAL != 0
    }

    #[inline]
    pub(super) fn is_first(&self) -> bool {
        self.prev.get().flags() & Slot::FIRST != 0
    }

    #[inline]
    pub(super) fn set_next(&self, next: Option<SlotRef>) {
        self.next.set(Tagged::new(next, 0));
    }

    /// Changes the entry in front; the marks stay.
    #[inline]
    pub(super) fn set_prev(&self, prev: Option<SlotRef>) {
        self.prev.set(Tagged::new(prev, self.prev.get().flags()));
    }

    #[inline]
    pub(super) fn mark_first(&self) {
        let prev = self.prev.get();
        self.prev.set(Tagged::new(prev.target(), prev.flags() | Slot::FIRST));
    }

    #[inline]
    pub(super) fn links(&self) -> Links {
        let prev = self.prev.get();
        Links {
            prev: prev.target(),
            next: self.next.get().target(),
            is_original: prev.flags() & Slot::ORIGINAL != 0,
            is_first: prev.flags() & Slot::FIRST != 0,
        }
    }

    #[inline]
    pub(super) fn set_links(&self, links: Links) {
        let flags = if links.is_original { Slot::ORIGINAL } else { 0 } | if links.is_first { Slot::FIRST } else { 0 };
        self.prev.set(Tagged::new(links.prev, flags));
        self.next.set(Tagged::new(links.next, 0));
    }
}

impl SlotRef {
    /// The capability in the slot.
    #[must_use]
    pub fn cap(self, k: &Kernel) -> Cap {
        self.get(k).cap()
    }

    /// The capability in the slot, as it is stored.
    #[inline]
    #[must_use]
    pub fn raw(self, k: &Kernel) -> RawCap {
        self.get(k).raw()
    }

    /// Is the slot empty?
    #[inline]
    #[must_use]
    pub fn is_empty(self, k: &Kernel) -> bool {
        self.get(k).is_empty()
    }

    /// Changes what the capability says about its object (a mapping, an ASID, a watermark, a guard)
    /// without changing the object that it names, nor the slot's place in the derivation list.
    #[inline]
    pub fn update(self, k: &Kernel, cap: impl Into<RawCap>) {
        let cap = cap.into();
        debug_assert_eq!(cap.is_null(), self.is_empty(k), "CAP-3: only the derivation list fills and empties slots");
        self.get(k).set_raw(cap);
    }
}
