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
use super::{Badge, RawCap, SlotRef};
use crate::kernel::Kernel;
use sel4_abi::CapKind;

/// Can an entry be the parent of others?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Original {
    /// It can.
    Yes,
    /// It is a copy.
    No,
}

/// Puts a capability into an empty slot, in a list of its own. For boot.
pub fn insert_root(k: &Kernel, dest: SlotRef, cap: impl Into<RawCap>) {
    let links = Links { is_original: true, is_first: true, ..Links::NONE };
    dest.get(k).set_raw(cap.into());
    dest.get(k).set_links(links);
}

/// Puts a new object's capability into an empty slot, directly behind the one it was made from.
#[inline]
pub fn insert_child(k: &Kernel, parent: SlotRef, dest: SlotRef, cap: impl Into<RawCap>, original: Original) {
    splice(k, parent, dest, cap.into(), original == Original::Yes);
}

/// Puts a copy into an empty slot, directly behind its source.
///
/// The copy of an untyped takes all the room: the source's watermark is set to its end.
#[inline]
pub fn insert(k: &Kernel, source: SlotRef, dest: SlotRef, cap: impl Into<RawCap>) {
    insert_copy(k, source, dest, cap.into());
}

fn insert_copy(k: &Kernel, source: SlotRef, dest: SlotRef, cap: RawCap) {
    let source_cap = source.raw(k);
    if let Some(untyped) = source_cap.untyped() {
        source.update(k, source_cap.with_watermark(untyped.region.bytes()));
    }
    splice(k, source, dest, cap, is_copy_original(source_cap, cap));
}

/// Is a copy of `source` that came out as `copy` an original one?
#[inline]
fn is_copy_original(source: RawCap, copy: RawCap) -> bool {
    match copy.kind() {
        CapKind::Endpoint | CapKind::Notification => source.badge() != copy.badge(),
        CapKind::Untyped => true,
        CapKind::IrqHandler | CapKind::SgiSignal => source.kind() == CapKind::IrqControl,
        _ => false,
    }
}

#[inline]
fn splice(k: &Kernel, source: SlotRef, dest: SlotRef, cap: RawCap, is_original: bool) {
    debug_assert!(dest.is_empty(k), "CDT-1: the destination is empty");
    let behind = source.get(k).next();
    dest.get(k).set_raw(cap);
    dest.get(k).set_links(Links { prev: Some(source), next: behind, is_original, is_first: is_original });
    source.get(k).set_next(Some(dest));
    if let Some(behind) = behind {
        behind.get(k).set_prev(Some(dest));
    }
}

/// Makes the neighbours that an entry names point back to it.
#[inline]
fn tell_neighbours(k: &Kernel, slot: SlotRef) {
    if let Some(prev) = slot.get(k).prev() {
        prev.get(k).set_next(Some(slot));
    }
    if let Some(next) = slot.get(k).next() {
        next.get(k).set_prev(Some(slot));
    }
}

/// Empties a slot. If the entry was first of its badge, the one behind it becomes first.
#[inline]
pub fn remove(k: &Kernel, slot: SlotRef) {
    let gone = slot.get(k).links();
    if let Some(prev) = gone.prev {
        prev.get(k).set_next(gone.next);
    }
    if let Some(next) = gone.next {
        next.get(k).set_prev(gone.prev);
        if gone.is_first {
            next.get(k).mark_first();
        }
    }
    clear(k, slot);
}

#[inline]
fn clear(k: &Kernel, slot: SlotRef) {
    slot.get(k).set_raw(RawCap::NULL);
    slot.get(k).set_links(Links::NONE);
}

/// Moves an entry to an empty slot, as `cap`; it keeps its place and its marks.
pub fn move_cap(k: &Kernel, source: SlotRef, dest: SlotRef, cap: impl Into<RawCap>) {
    debug_assert!(dest.is_empty(k), "CDT-1: the destination is empty");
    dest.get(k).set_raw(cap.into());
    dest.get(k).set_links(source.get(k).links());
    clear(k, source);
    tell_neighbours(k, dest);
}

/// Exchanges two slots, empty or not; `a`'s entry becomes `cap_a`, `b`'s becomes `cap_b`.
pub fn swap(k: &Kernel, a: SlotRef, cap_a: impl Into<RawCap>, b: SlotRef, cap_b: impl Into<RawCap>) {
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
    for (slot, cap, links) in [(b, cap_a.into(), links_a), (a, cap_b.into(), links_b)] {
        slot.get(k).set_raw(cap);
        slot.get(k).set_links(Links { prev: exchanged(links.prev), next: exchanged(links.next), ..links });
    }
    tell_neighbours(k, a);
    tell_neighbours(k, b);
}

/// The first capability derived from the one in the slot.
#[inline]
#[must_use]
pub fn first_child(k: &Kernel, slot: SlotRef) -> Option<SlotRef> {
    slot.get(k).next().filter(|next| is_parent_of(k, slot, *next))
}

/// Was anything derived from the capability in the slot?
#[inline]
#[must_use]
pub fn has_children(k: &Kernel, slot: SlotRef) -> bool {
    first_child(k, slot).is_some()
}

/// Is this the only capability to its object?
#[inline]
#[must_use]
pub fn is_final(k: &Kernel, slot: SlotRef) -> bool {
    let (cap, this) = (slot.raw(k), slot.get(k));
    let is_same = |other: Option<SlotRef>| other.is_some_and(|other| cap.is_same_object(other.raw(k)));
    !is_same(this.prev()) && !is_same(this.next())
}

/// Is `a` the parent of `b`, given that `b` stands behind `a` with only children of `a` between?
#[inline]
#[must_use]
pub fn is_parent_of(k: &Kernel, a: SlotRef, b: SlotRef) -> bool {
    if !a.get(k).is_original() {
        return false;
    }
    let (cap_a, cap_b) = (a.raw(k), b.raw(k));
    match cap_a.kind() {
        CapKind::Untyped => match (cap_a.untyped(), cap_b.extent()) {
            (Some(a), Some(b)) => b.is_inside(a.region.into()),
            _ => false,
        },
        CapKind::Frame => match (cap_a.frame(), cap_b.frame()) {
            (Some(a), Some(b)) => a.region.contains(b.region),
            _ => false,
        },
        CapKind::Endpoint | CapKind::Notification => {
            let badge = cap_a.badge();
            let is_family = badge == Badge::NONE || (badge == cap_b.badge() && !b.get(k).is_first());
            is_family && cap_a.is_same_object(cap_b)
        }
        CapKind::SgiSignal => cap_a == cap_b && !b.get(k).is_first(),
        CapKind::IrqControl => matches!(cap_b.kind(), CapKind::IrqHandler | CapKind::SgiSignal),
        _ => cap_a.is_same_object(cap_b),
    }
}

/// The entry behind.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn next(k: &Kernel, slot: SlotRef) -> Option<SlotRef> {
    slot.get(k).next()
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
