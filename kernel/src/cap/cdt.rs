//! The derivation list: which capability was derived from which.
//!
//! All capabilities that are not null are entries of doubly linked lists in which descendants stand
//! behind their ancestors. Three questions are answered from it: what [`super::delete::revoke`]
//! deletes, whether a capability has children, and whether it is the last one to its object.
//!
//! # Invariants
//!
//! - **CDT-1** `a.next = b` if and only if `b.prev = a`; an empty slot has no links and no marks.
//! - **CDT-2** The children of an entry are the unbroken sequence of entries behind it of which it is
//!   a parent ([`is_parent_of`]). So a new copy goes directly behind its source.
//! - **CDT-3** Capabilities to one object stand next to each other, with only descendants of
//!   themselves between; so an entry is final if neither neighbour is to the same object.
//! - **CDT-4** Two marks: an *original* entry can be a parent; a *first* one starts a group of equal
//!   badges, so that the same badge minted twice makes two families.

use super::slot::Links;
use super::{Cap, SlotRef, UntypedCap, ZombieKind};
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::mem::PhysAddr;
use sel4_abi::object::{
    ASID_POOL_BITS, ENDPOINT_BITS, NOTIFICATION_BITS, PAGE_TABLE_BITS, REPLY_BITS, SLOT_BITS, TCB_BITS, VSPACE_BITS,
};

/// Can an entry be the parent of others?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Original {
    /// It can.
    Yes,
    /// It is a copy.
    No,
}

/// Puts a capability into an empty slot, in a list of its own. For boot.
pub fn insert_root(k: &Kernel, dest: SlotRef, cap: Cap) {
    let links = Links { is_original: true, is_first: true, ..Links::NONE };
    dest.get(k).set_cap(cap);
    dest.get(k).set_links(links);
}

/// Puts a new object's capability into an empty slot, directly behind the one it was made from.
pub fn insert_child(k: &Kernel, parent: SlotRef, dest: SlotRef, cap: Cap, original: Original) {
    splice(k, parent, dest, cap, original == Original::Yes);
}

/// Puts a copy into an empty slot, directly behind its source.
///
/// The copy of an untyped takes all the room: the source's watermark is set to its end.
pub fn insert(k: &Kernel, source: SlotRef, dest: SlotRef, cap: Cap) {
    let source_cap = source.cap(k);
    if let Cap::Untyped(untyped) = source_cap {
        source.update(k, Cap::Untyped(UntypedCap::full(untyped.region)));
    }
    splice(k, source, dest, cap, is_copy_original(source_cap, cap));
}

/// Is a copy of `source` that came out as `copy` an original one?
fn is_copy_original(source: Cap, copy: Cap) -> bool {
    match (source, copy) {
        (Cap::Endpoint(a), Cap::Endpoint(b)) => a.badge != b.badge,
        (Cap::Notification(a), Cap::Notification(b)) => a.badge != b.badge,
        (_, Cap::Untyped(_)) => true,
        (Cap::IrqControl, Cap::IrqHandler(_) | Cap::SgiSignal(_)) => true,
        _ => false,
    }
}

fn splice(k: &Kernel, source: SlotRef, dest: SlotRef, cap: Cap, is_original: bool) {
    debug_assert!(dest.is_empty(k), "CDT-1: the destination is empty");
    let behind = source.get(k).links().next;
    dest.get(k).set_cap(cap);
    dest.get(k).set_links(Links { prev: Some(source), next: behind, is_original, is_first: is_original });
    tell_neighbours(k, dest);
}

/// Makes the neighbours that an entry names point back to it.
fn tell_neighbours(k: &Kernel, slot: SlotRef) {
    let links = slot.get(k).links();
    if let Some(prev) = links.prev {
        let prev = prev.get(k);
        prev.set_links(Links { next: Some(slot), ..prev.links() });
    }
    if let Some(next) = links.next {
        let next = next.get(k);
        next.set_links(Links { prev: Some(slot), ..next.links() });
    }
}

/// Empties a slot. If the entry was first of its badge, the one behind it becomes first.
pub fn remove(k: &Kernel, slot: SlotRef) {
    let gone = slot.get(k).links();
    if let Some(prev) = gone.prev {
        let prev = prev.get(k);
        prev.set_links(Links { next: gone.next, ..prev.links() });
    }
    if let Some(next) = gone.next {
        let next = next.get(k);
        let links = next.links();
        let is_first = links.is_first || gone.is_first;
        next.set_links(Links { prev: gone.prev, is_first, ..links });
    }
    slot.get(k).set_cap(Cap::Null);
    slot.get(k).set_links(Links::NONE);
}

/// Moves an entry to an empty slot, as `cap`; it keeps its place and its marks.
pub fn move_cap(k: &Kernel, source: SlotRef, dest: SlotRef, cap: Cap) {
    debug_assert!(dest.is_empty(k), "CDT-1: the destination is empty");
    dest.get(k).set_cap(cap);
    dest.get(k).set_links(source.get(k).links());
    source.get(k).set_cap(Cap::Null);
    source.get(k).set_links(Links::NONE);
    tell_neighbours(k, dest);
}

/// Exchanges two slots, empty or not; `a`'s entry becomes `cap_a`, `b`'s becomes `cap_b`.
pub fn swap(k: &Kernel, a: SlotRef, cap_a: Cap, b: SlotRef, cap_b: Cap) {
    if a == b {
        return;
    }
    // Where the two stand next to each other, each names the other: exchanged as well.
    let exchanged = |slot: Option<SlotRef>| match slot {
        Some(s) if s == a => Some(b),
        Some(s) if s == b => Some(a),
        other => other,
    };
    let links_a = a.get(k).links();
    let links_b = b.get(k).links();
    for (slot, cap, links) in [(b, cap_a, links_a), (a, cap_b, links_b)] {
        slot.get(k).set_cap(cap);
        slot.get(k).set_links(Links { prev: exchanged(links.prev), next: exchanged(links.next), ..links });
    }
    tell_neighbours(k, a);
    tell_neighbours(k, b);
}

/// The first capability derived from the one in the slot.
#[must_use]
pub fn first_child(k: &Kernel, slot: SlotRef) -> Option<SlotRef> {
    slot.get(k).links().next.filter(|next| is_parent_of(k, slot, *next))
}

/// Was anything derived from the capability in the slot?
#[must_use]
pub fn has_children(k: &Kernel, slot: SlotRef) -> bool {
    first_child(k, slot).is_some()
}

/// Is this the only capability to its object?
#[must_use]
pub fn is_final(k: &Kernel, slot: SlotRef) -> bool {
    let cap = slot.cap(k);
    let links = slot.get(k).links();
    let is_same = |other: Option<SlotRef>| other.is_some_and(|o| same_object(cap, o.cap(k)));
    !is_same(links.prev) && !is_same(links.next)
}

/// Is `a` the parent of `b`, given that `b` stands behind `a` with only children of `a` between?
#[must_use]
pub fn is_parent_of(k: &Kernel, a: SlotRef, b: SlotRef) -> bool {
    if !a.get(k).links().is_original {
        return false;
    }
    let (cap_a, cap_b) = (a.cap(k), b.cap(k));
    if !covers(cap_a, cap_b) {
        return false;
    }
    let starts_family = || b.get(k).links().is_first;
    match (cap_a, cap_b) {
        (Cap::Endpoint(x), Cap::Endpoint(y)) => x.badge.0 == 0 || (x.badge == y.badge && !starts_family()),
        (Cap::Notification(x), Cap::Notification(y)) => x.badge.0 == 0 || (x.badge == y.badge && !starts_family()),
        (Cap::SgiSignal(_), Cap::SgiSignal(_)) => !starts_family(),
        _ => true,
    }
}

/// Does `b` lie in what `a` is a capability to?
fn covers(a: Cap, b: Cap) -> bool {
    match (a, b) {
        (Cap::Untyped(u), _) => memory_of(b).is_some_and(|m| m.is_inside(u.region.base(), u.region.last())),
        (Cap::Frame(x), Cap::Frame(y)) => x.region.contains(y.region),
        (Cap::IrqControl, Cap::IrqHandler(_) | Cap::SgiSignal(_)) => true,
        (Cap::SgiSignal(x), Cap::SgiSignal(y)) => x == y,
        _ => same_object(a, b),
    }
}

/// Do both capabilities name the same object?
///
/// Untyped, interrupt-control and SGI capabilities are never the same object as another.
#[must_use]
pub fn same_object(a: Cap, b: Cap) -> bool {
    match (a, b) {
        (Cap::Endpoint(x), Cap::Endpoint(y)) => x.endpoint == y.endpoint,
        (Cap::Notification(x), Cap::Notification(y)) => x.notification == y.notification,
        (Cap::Reply(x), Cap::Reply(y)) => x.reply == y.reply,
        (Cap::CNode(x), Cap::CNode(y)) => x.slots == y.slots,
        (Cap::Thread(x), Cap::Thread(y)) => x == y,
        (Cap::SchedContext(x), Cap::SchedContext(y)) => x.sched_context == y.sched_context,
        (Cap::Frame(x), Cap::Frame(y)) => x.region == y.region,
        (Cap::PageTable(x), Cap::PageTable(y)) => x.table == y.table,
        (Cap::VSpace(x), Cap::VSpace(y)) => x.root == y.root,
        (Cap::AsidPool(x), Cap::AsidPool(y)) => x.pool == y.pool,
        (Cap::IrqHandler(x), Cap::IrqHandler(y)) => x == y,
        (Cap::Domain, Cap::Domain) | (Cap::AsidControl, Cap::AsidControl) => true,
        (Cap::SchedControl { .. }, Cap::SchedControl { .. }) => true,
        _ => false,
    }
}

/// The memory that an object occupies.
#[derive(Clone, Copy)]
struct Extent {
    base: PhysAddr,
    bytes: u64,
}

impl Extent {
    fn of<T>(object: KRef<T>, size_bits: u32) -> Self {
        Extent { base: object.addr().to_phys(), bytes: 1 << size_bits }
    }

    fn is_inside(self, first: PhysAddr, last: PhysAddr) -> bool {
        first <= self.base && self.base.add(self.bytes - 1) <= last
    }
}

/// The memory that a capability is to, if it is to memory at all.
fn memory_of(cap: Cap) -> Option<Extent> {
    Some(match cap {
        Cap::Untyped(c) => Extent { base: c.region.base(), bytes: c.region.bytes() },
        Cap::Frame(c) => Extent { base: c.region.base(), bytes: c.region.bytes() },
        Cap::Endpoint(c) => Extent::of(c.endpoint, ENDPOINT_BITS),
        Cap::Notification(c) => Extent::of(c.notification, NOTIFICATION_BITS),
        Cap::Reply(c) => Extent::of(c.reply, REPLY_BITS),
        Cap::CNode(c) => Extent::of(c.slots.first(), c.radix() + SLOT_BITS),
        Cap::Thread(t) => Extent::of(t, TCB_BITS),
        Cap::SchedContext(c) => Extent::of(c.sched_context, c.size_bits),
        Cap::PageTable(c) => Extent::of(c.table, PAGE_TABLE_BITS),
        Cap::VSpace(c) => Extent::of(c.root, VSPACE_BITS),
        Cap::AsidPool(c) => Extent::of(c.pool, ASID_POOL_BITS),
        Cap::Zombie(c) => match c.kind {
            ZombieKind::Thread => Extent::of(c.slots.first(), TCB_BITS),
            ZombieKind::CNode => Extent::of(c.slots.first(), c.slots.len().trailing_zeros() + SLOT_BITS),
        },
        Cap::Null
        | Cap::SchedControl { .. }
        | Cap::Domain
        | Cap::IrqControl
        | Cap::IrqHandler(_)
        | Cap::SgiSignal(_)
        | Cap::AsidControl => return None,
    })
}

/// Checks CDT-1 for one slot: that its neighbours agree, or that it is empty and has none.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn is_well_linked(k: &Kernel, slot: SlotRef) -> bool {
    let links = slot.get(k).links();
    if slot.is_empty(k) {
        return links.prev.is_none() && links.next.is_none() && !links.is_original && !links.is_first;
    }
    let back = links.next.is_none_or(|n| n.get(k).links().prev == Some(slot) && !n.is_empty(k));
    let forth = links.prev.is_none_or(|p| p.get(k).links().next == Some(slot) && !p.is_empty(k));
    back && forth
}
