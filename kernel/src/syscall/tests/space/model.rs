//! A capability space as a plain tree: who was made from whom, and where memory begins and ends.
//!
//! Written from the specification (kernel ABI 2.4 to 2.7, 3.2, 3.4, 9), not from the kernel: it knows no list and no marks.

use std::vec::Vec;

use sel4_abi::{ErrorCode as E, ObjectType};

use super::{FIRST, RADIX};
use crate::world::World;

/// An object, by where its memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) kind: ObjectType,
    pub(super) base: u64,
    pub(super) bits: u32,
}

/// What sits in a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Never used twice.
    pub(super) name: u64,
    pub(super) parent: Option<u64>,
    pub(super) object: Object,
    pub(super) badge: u64,
    pub(super) rights: u64,
    pub(super) guard: (u64, u32),
    /// Of untypeds: bytes given out.
    pub(super) used: u64,
    /// Can it have children? Copies cannot, but for those with a badge of their own and untypeds.
    pub(super) original: bool,
}

/// A slot: of the world's CNode, or of one at this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) cnode: Option<u64>,
    pub(super) index: u64,
}

pub(super) type Refusal = (E, Vec<u64>);
pub(super) type Result<T> = core::result::Result<T, Refusal>;

pub(super) fn refuse<T>(code: E, words: &[u64]) -> Result<T> {
    Err((code, words.to_vec()))
}

#[derive(Clone)]
pub(super) struct Model {
    pub(super) slots: Vec<(Place, Node)>,
    pub(super) names: u64,
}

/// The lookup failures of kernel ABI 2.4.
const INVALID_ROOT: u64 = 1;
pub(super) const MISSING: u64 = 2;
const DEPTH: u64 = 3;
const GUARD: u64 = 4;

impl Model {
    pub(super) fn at(&self, place: Place) -> Option<Node> {
        self.slots.iter().find(|(p, _)| *p == place).map(|(_, node)| *node)
    }

    pub(super) fn change(&mut self, name: u64, change: impl Fn(&mut Node)) {
        self.slots.iter_mut().filter(|(_, node)| node.name == name).for_each(|(_, node)| change(node));
    }

    pub(super) fn put(&mut self, place: Place, node: Node) {
        assert!(self.at(place).is_none(), "the model puts two into one slot");
        self.names += 1;
        self.slots.push((place, Node { name: self.names, ..node }));
    }

    pub(super) fn has_children(&self, name: u64) -> bool {
        self.slots.iter().any(|(_, node)| node.parent == Some(name))
    }

    /// Deletes a capability; with the last one the object, and what it holds.
    pub(super) fn delete(&mut self, place: Place) {
        let Some(gone) = self.at(place) else { return };
        self.slots.retain(|(p, _)| *p != place);
        self.slots.iter_mut().filter(|(_, n)| n.parent == Some(gone.name)).for_each(|(_, n)| n.parent = gone.parent);
        let is_last = !self.slots.iter().any(|(_, node)| node.object == gone.object);
        if gone.object.kind == ObjectType::CNode && is_last {
            let inside: Vec<Place> =
                self.slots.iter().map(|(p, _)| *p).filter(|p| p.cnode == Some(gone.object.base)).collect();
            inside.into_iter().for_each(|p| self.delete(p));
        }
    }

    pub(super) fn revoke(&mut self, place: Place) {
        let Some(node) = self.at(place) else { return };
        while let Some(child) = self.slots.iter().find(|(_, n)| n.parent == Some(node.name)).map(|(p, _)| *p) {
            self.delete(child);
        }
    }

    /// Whether revoking takes the revoked capability along: it lies in a CNode that comes from it.
    pub(super) fn revokes_itself(&self, place: Place) -> bool {
        let Some(node) = self.at(place) else { return false };
        let mut after = self.clone();
        after.revoke(place);
        !after.slots.iter().any(|(_, left)| left.name == node.name)
    }

    /// Resolves `index` of `depth` bits from a capability (the world's CNode where there is none).
    pub(super) fn resolve(&self, root: Root, index: u64, depth: u64, source: u64) -> Result<Place> {
        let fail = |words: &[u64]| refuse(E::FailedLookup, &[&[source], words].concat());
        let Some(mut level) = self.cnode(root) else { return fail(&[INVALID_ROOT]) };
        if !(1..=64).contains(&depth) {
            return refuse(E::RangeError, &[1, 64]);
        }
        let mut left = depth as u32;
        loop {
            let (cnode, radix, guard, guard_bits) = level;
            let rest = if left == 64 { index } else { index & ((1 << left) - 1) };
            let top = if guard_bits == 0 || guard_bits > left { 0 } else { rest >> (left - guard_bits) };
            if guard_bits > left || top != guard {
                return fail(&[GUARD, u64::from(left), guard, u64::from(guard_bits)]);
            }
            if guard_bits + radix > left {
                return fail(&[DEPTH, u64::from(left), u64::from(guard_bits + radix)]);
            }
            left -= guard_bits + radix;
            let place = Place { cnode, index: (rest >> left) & ((1 << radix) - 1) };
            if left == 0 {
                return Ok(place);
            }
            match self.cnode(Root::Slot(place)) {
                Some(next) => level = next,
                None => return fail(&[DEPTH, u64::from(left), 0]),
            }
        }
    }

    /// Which CNode a capability is for, its radix and guard.
    pub(super) fn cnode(&self, root: Root) -> Option<(Option<u64>, u32, u64, u32)> {
        let place = match root {
            Root::World => return Some((None, RADIX, 0, 64 - RADIX)),
            Root::Slot(place) => place,
        };
        let node = self.at(place).filter(|node| node.object.kind == ObjectType::CNode)?;
        Some((Some(node.object.base), node.object.bits - 5, node.guard.0, node.guard.1))
    }

    pub(super) fn retype(&mut self, place: Place, root: Root, w: [u64; 6]) -> Result<()> {
        let [kind, size, index, depth, offset, count] = w;
        let Some(kind) = ObjectType::from_number(kind) else { return refuse(E::InvalidArgument, &[0]) };
        let is = |kinds: &[ObjectType]| kinds.contains(&kind);
        let bits = match kind {
            _ if size >= 64 => 64,
            ObjectType::Untyped | ObjectType::SchedContext => size,
            ObjectType::CNode => size + 5,
            ObjectType::Tcb => 11,
            ObjectType::Endpoint => 4,
            ObjectType::Notification => 6,
            ObjectType::Reply => 5,
            ObjectType::HugePage => 30,
            ObjectType::LargePage => 21,
            ObjectType::SmallPage | ObjectType::VSpace | ObjectType::PageTable => 12,
        };
        if bits > 47 {
            return refuse(E::RangeError, &[0, 47]);
        }
        let smallest = [(ObjectType::CNode, 1), (ObjectType::Untyped, 4), (ObjectType::SchedContext, 7)];
        if smallest.into_iter().any(|(object, least)| is(&[object]) && size < least) {
            return refuse(E::InvalidArgument, &[1]);
        }
        let into = if depth == 0 { root } else { Root::Slot(self.resolve(root, index, depth, 0)?) };
        let into = match into {
            // The world's CNode is known to itself by the capability in its slot 1.
            Root::Slot(OWN_CNODE) => Root::World,
            other => other,
        };
        let Some((cnode, radix, ..)) = self.cnode(into) else { return refuse(E::FailedLookup, &[0, MISSING, depth]) };
        let slots = 1_u64 << radix;
        if offset >= slots {
            return refuse(E::RangeError, &[0, slots - 1]);
        }
        if !(1..=256).contains(&count) {
            return refuse(E::RangeError, &[1, 256]);
        }
        if count > slots - offset {
            return refuse(E::RangeError, &[1, slots - offset]);
        }
        let window = (offset..offset + count).map(|index| Place { cnode, index });
        if window.clone().any(|place| self.is_taken(place)) {
            return refuse(E::DeleteFirst, &[]);
        }
        let Some(from) = self.at(place) else { return refuse(E::InvalidCapability, &[0]) };
        let start = if self.has_children(from.name) { from.used } else { 0 };
        let room = (1 << from.object.bits) - start;
        if room >> bits < count {
            return refuse(E::NotEnoughMemory, &[room]);
        }
        let first = (from.object.base + start).next_multiple_of(1 << bits);
        for (place, number) in window.zip(0..) {
            let object = Object { kind, base: first + (number << bits), bits: bits as u32 };
            let rights = match kind {
                ObjectType::Endpoint => 15,
                ObjectType::Notification | ObjectType::SmallPage => 3,
                ObjectType::Reply => 4,
                _ => 0,
            };
            let node = Node {
                name: 0,
                parent: Some(from.name),
                object,
                badge: 0,
                rights,
                guard: (0, 0),
                used: 0,
                original: true,
            };
            self.put(place, node);
        }
        self.change(from.name, |node| node.used = first + (count << bits) - from.object.base);
        Ok(())
    }

    /// Whether something is in a slot; below the first that the calls use is the world's own.
    pub(super) fn is_taken(&self, place: Place) -> bool {
        let of_the_world = place.cnode.is_none() && place.index < FIRST && place.index != 0;
        of_the_world || self.at(place).is_some()
    }

    pub(super) fn guard(data: u64, radix: u32) -> Option<(u64, u32)> {
        let bits = (data & 63) as u32;
        let guard = if bits == 0 { 0 } else { (data >> 6) & ((1 << bits) - 1) };
        (bits + radix <= 64).then_some((guard, bits))
    }

    /// Copy (without a badge) and Mint.
    pub(super) fn copy(&mut self, from: Place, to: Place, rights: u64, badge: Option<u64>) -> Result<()> {
        let Some(source) = self.at(from) else { return refuse(E::FailedLookup, &[]) };
        let mut new = source;
        match source.object.kind {
            ObjectType::Untyped if self.has_children(source.name) => return refuse(E::RevokeFirst, &[]),
            ObjectType::VSpace | ObjectType::PageTable => return refuse(E::IllegalOperation, &[]),
            ObjectType::Endpoint | ObjectType::Notification => {
                new.rights &= rights;
                match badge {
                    Some(_) if source.badge != 0 => return refuse(E::IllegalOperation, &[]),
                    Some(badge) => new.badge = badge,
                    None => {}
                }
            }
            ObjectType::Reply => new.rights &= rights,
            ObjectType::SmallPage => {
                let read = new.rights & rights & 2;
                new.rights = if read == 0 { 0 } else { read | (new.rights & rights & 1) };
            }
            ObjectType::CNode => {
                if let Some(data) = badge {
                    match Self::guard(data, source.object.bits - 5) {
                        Some(guard) => new.guard = guard,
                        None => return refuse(E::IllegalOperation, &[]),
                    }
                }
            }
            _ => {}
        }
        let badged = matches!(source.object.kind, ObjectType::Endpoint | ObjectType::Notification);
        new.original = source.object.kind == ObjectType::Untyped || (badged && new.badge != source.badge);
        let is_parent = source.original && (!badged || source.badge == 0 || source.badge == new.badge);
        new.parent = if is_parent { Some(source.name) } else { source.parent };
        if source.object.kind == ObjectType::Untyped {
            self.change(source.name, |node| node.used = 1 << node.object.bits);
        }
        self.put(to, new);
        Ok(())
    }

    /// What a move makes of a capability: CNodes get a guard where data is given.
    pub(super) fn moved(source: Node, data: Option<u64>) -> Result<Node> {
        match (source.object.kind, data) {
            (ObjectType::Endpoint | ObjectType::Notification, Some(_)) => refuse(E::IllegalOperation, &[]),
            (ObjectType::CNode, Some(data)) => match Self::guard(data, source.object.bits - 5) {
                Some(guard) => Ok(Node { guard, ..source }),
                None => refuse(E::IllegalOperation, &[]),
            },
            _ => Ok(source),
        }
    }

    pub(super) fn take(&mut self, place: Place) {
        self.slots.retain(|(p, _)| *p != place);
    }
}

/// The slot of the world's CNode that holds the capability to it.
pub(super) const OWN_CNODE: Place = Place { cnode: None, index: World::ROOT };

/// Where an operation starts to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    World,
    Slot(Place),
}
