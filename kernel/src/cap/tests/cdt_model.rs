//! The derivation list against a tree: random copies, mints, moves, swaps, deletions and revocations
//! give the same children and the same final capabilities.
//!
//! The model is written from the meaning (a parent pointer per capability), not from the list.

use std::collections::BTreeSet;
use std::vec::Vec;

use proptest::prelude::*;

use super::super::derive::{Preserve, with_badge};
use super::super::*;
use super::{at, make_slots};
use crate::arch::Machine;
use crate::kobj::SlotArray;
use crate::object::{Endpoint, Reply};

const SLOTS: usize = 24;
const UNTYPED_BITS: u32 = 12;

/// A capability in the model.
#[derive(Clone, Copy, Debug)]
struct Node {
    object: Object,
    badge: u64,
    is_original: bool,
    /// Index of the parent's slot.
    parent: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Object {
    /// Offset and size of memory, and how much of it is given out.
    Untyped {
        base: u64,
        bits: u32,
        used: u64,
    },
    Endpoint(u64),
    Reply(u64),
    IrqControl,
    IrqHandler(u16),
}

impl Object {
    fn is_same(self, other: Object) -> bool {
        match (self, other) {
            (Object::Untyped { .. }, _) | (Object::IrqControl, _) => false,
            (a, b) => a == b,
        }
    }
}

#[derive(Default)]
struct Tree {
    slots: Vec<Option<Node>>,
}

impl Tree {
    fn node(&self, i: usize) -> Option<Node> {
        self.slots[i]
    }

    /// A copy made from `source`: a child if `source` can have children like it, else a sibling.
    fn copy(&mut self, source: usize, dest: usize, object: Object, badge: u64) {
        let Some(s) = self.slots[source] else { return };
        let is_parent = s.is_original && (!matches!(object, Object::Endpoint(_)) || s.badge == 0 || s.badge == badge);
        let is_original = match object {
            Object::Endpoint(_) => badge != s.badge,
            Object::Untyped { .. } => true,
            Object::IrqHandler(_) => s.object == Object::IrqControl,
            _ => false,
        };
        let parent = if is_parent { Some(source) } else { s.parent };
        self.slots[dest] = Some(Node { object, badge, is_original, parent });
    }

    fn child(&mut self, parent: usize, dest: usize, object: Object) {
        self.slots[dest] = Some(Node { object, badge: 0, is_original: true, parent: Some(parent) });
    }

    fn remove(&mut self, i: usize) {
        let Some(gone) = self.slots[i].take() else { return };
        for node in self.slots.iter_mut().flatten() {
            if node.parent == Some(i) {
                node.parent = gone.parent;
            }
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.slots.swap(a, b);
        for node in self.slots.iter_mut().flatten() {
            node.parent = match node.parent {
                Some(p) if p == a => Some(b),
                Some(p) if p == b => Some(a),
                other => other,
            };
        }
    }

    fn descendants(&self, i: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        loop {
            let before = found.len();
            for (j, node) in self.slots.iter().enumerate() {
                let parent = node.and_then(|n| n.parent);
                if parent.is_some_and(|p| p == i || found.contains(&p)) {
                    found.insert(j);
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }

    fn is_final(&self, i: usize) -> bool {
        let Some(this) = self.slots[i] else { return true };
        !self.slots.iter().enumerate().any(|(j, other)| j != i && other.is_some_and(|o| this.object.is_same(o.object)))
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Retype { from: usize, to: usize, kind: u8 },
    Copy { from: usize, to: usize },
    Mint { from: usize, to: usize, badge: u64 },
    Handler { from: usize, to: usize, irq: u16 },
    Move { from: usize, to: usize },
    Swap { a: usize, b: usize },
    Remove { slot: usize },
    Revoke { slot: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let slot = 0..SLOTS;
    prop_oneof![
        4 => (slot.clone(), slot.clone(), 0u8..4)
            .prop_map(|(from, to, kind)| Op::Retype { from, to, kind }),
        4 => (slot.clone(), slot.clone()).prop_map(|(from, to)| Op::Copy { from, to }),
        4 => (slot.clone(), slot.clone(), 1u64..4)
            .prop_map(|(from, to, badge)| Op::Mint { from, to, badge }),
        1 => (slot.clone(), slot.clone(), 32u16..35)
            .prop_map(|(from, to, irq)| Op::Handler { from, to, irq }),
        2 => (slot.clone(), slot.clone()).prop_map(|(from, to)| Op::Move { from, to }),
        1 => (slot.clone(), slot.clone()).prop_map(|(a, b)| Op::Swap { a, b }),
        2 => slot.clone().prop_map(|slot| Op::Remove { slot }),
        1 => slot.prop_map(|slot| Op::Revoke { slot }),
    ]
}

/// The same operations on kernel and model.
struct Both {
    m: Machine,
    memory: MemRegion,
    slots: SlotArray,
    tree: Tree,
}

impl Both {
    fn new() -> Self {
        let mut m = Machine::new(17);
        let slots = make_slots(&mut m, 5);
        let memory = m.take(UNTYPED_BITS);
        let mut tree = Tree { slots: std::vec![None; SLOTS] };
        let root = |object| Some(Node { object, badge: 0, is_original: true, parent: None });
        tree.slots[0] = root(Object::Untyped { base: 0, bits: UNTYPED_BITS, used: 0 });
        tree.slots[1] = root(Object::IrqControl);
        cdt::insert_root(&m.kernel, at(slots, 0), Cap::Untyped(UntypedCap::clear(memory)));
        cdt::insert_root(&m.kernel, at(slots, 1), Cap::IrqControl);
        Both { m, memory, slots, tree }
    }

    fn slot(&self, i: usize) -> SlotRef {
        at(self.slots, i)
    }

    /// The capability of a new object at an offset in the memory.
    fn object(&mut self, kind: u8, base: u64) -> (Object, Cap, u64) {
        let region = |bits| match self.memory.carve(base, bits) {
            Some(region) => region,
            None => panic!("offset {base} is not a multiple of the size"),
        };
        match kind {
            0 => {
                let endpoint: KRef<Endpoint> = match region(4).place(&mut self.m.kernel) {
                    Some(endpoint) => endpoint,
                    None => panic!("16 bytes are an endpoint"),
                };
                let rights = CapRights::ALL;
                let cap = EndpointCap { endpoint, badge: Badge::NONE, rights };
                (Object::Endpoint(base), Cap::Endpoint(cap), 16)
            }
            1 => {
                let reply: KRef<Reply> = match region(5).place(&mut self.m.kernel) {
                    Some(reply) => reply,
                    None => panic!("32 bytes are a reply object"),
                };
                let cap = ReplyCap { reply, can_grant: true };
                (Object::Reply(base), Cap::Reply(cap), 32)
            }
            _ => {
                let cap = UntypedCap::clear(region(6));
                (Object::Untyped { base, bits: 6, used: 0 }, Cap::Untyped(cap), 64)
            }
        }
    }

    fn apply(&mut self, op: Op) {
        let has_both = |tree: &Tree, from: usize, to: usize| tree.node(from).is_some() && tree.node(to).is_none();
        match op {
            Op::Retype { from, to, kind } if has_both(&self.tree, from, to) => {
                self.retype(from, to, kind);
            }
            Op::Copy { from, to } if has_both(&self.tree, from, to) => {
                let cap = self.slot(from).cap(&self.m.kernel);
                let derived = derive::derive(&self.m.kernel, self.slot(from), cap);
                let Some(node) = self.tree.node(from) else { return };
                let expect_refusal = match node.object {
                    Object::Untyped { .. } => !self.tree.descendants(from).is_empty(),
                    Object::IrqControl => true,
                    _ => false,
                };
                match derived {
                    Ok(cap) if !cap.is_null() => {
                        assert!(!expect_refusal);
                        cdt::insert(&self.m.kernel, self.slot(from), self.slot(to), cap);
                        let mut object = node.object;
                        if let Some(Node { object: Object::Untyped { bits, used, .. }, .. }) =
                            &mut self.tree.slots[from]
                        {
                            *used = 1 << *bits;
                        }
                        if let Object::Untyped { used, .. } = &mut object {
                            *used = match self.slot(to).cap(&self.m.kernel) {
                                Cap::Untyped(c) => c.watermark,
                                _ => 0,
                            };
                        }
                        self.tree.copy(from, to, object, node.badge);
                    }
                    _ => assert!(expect_refusal),
                }
            }
            Op::Mint { from, to, badge } if has_both(&self.tree, from, to) => {
                let Some(node) = self.tree.node(from) else { return };
                if !matches!(node.object, Object::Endpoint(_)) {
                    return;
                }
                let cap = with_badge(self.slot(from).raw(&self.m.kernel), badge, Preserve::No);
                assert_eq!(cap.is_null(), node.badge != 0);
                if node.badge == 0 {
                    cdt::insert(&self.m.kernel, self.slot(from), self.slot(to), cap);
                    self.tree.copy(from, to, node.object, badge);
                }
            }
            Op::Handler { from, to, irq } if has_both(&self.tree, from, to) => {
                let is_control = self.tree.node(from).is_some_and(|n| n.object == Object::IrqControl);
                let handler = Object::IrqHandler(irq);
                let exists = self.tree.slots.iter().flatten().any(|n| n.object == handler);
                if is_control && !exists {
                    let cap = Cap::IrqHandler(Irq(irq));
                    cdt::insert(&self.m.kernel, self.slot(from), self.slot(to), cap);
                    self.tree.copy(from, to, handler, 0);
                }
            }
            Op::Move { from, to } if has_both(&self.tree, from, to) => {
                let cap = self.slot(from).cap(&self.m.kernel);
                cdt::move_cap(&self.m.kernel, self.slot(from), self.slot(to), cap);
                self.tree.swap(from, to);
            }
            Op::Swap { a, b } => {
                let (sa, sb) = (self.slot(a), self.slot(b));
                let k = &self.m.kernel;
                cdt::swap(k, sa, sa.cap(k), sb, sb.cap(k));
                self.tree.swap(a, b);
            }
            Op::Remove { slot } if self.tree.node(slot).is_some() => {
                cdt::remove(&self.m.kernel, self.slot(slot));
                self.tree.remove(slot);
            }
            Op::Revoke { slot } => {
                while let Some(child) = cdt::first_child(&self.m.kernel, self.slot(slot)) {
                    cdt::remove(&self.m.kernel, child);
                }
                for i in self.tree.descendants(slot) {
                    self.tree.slots[i] = None;
                }
            }
            _ => {}
        }
    }

    fn retype(&mut self, from: usize, to: usize, kind: u8) {
        let Some(Node { object: Object::Untyped { base, bits, used }, .. }) = self.tree.node(from) else {
            return;
        };
        // Memory is never reused here: objects stay distinct.
        let size: u64 = match kind {
            0 => 16,
            1 => 32,
            _ => 64,
        };
        let start = used.next_multiple_of(size);
        if start + size > 1 << bits {
            return;
        }
        let (object, cap, size) = self.object(kind, base + start);
        let k = &self.m.kernel;
        let slot = self.slot(from);
        if let Cap::Untyped(u) = slot.cap(k) {
            slot.update(k, Cap::Untyped(UntypedCap { watermark: start + size, ..u }));
        }
        cdt::insert_child(k, slot, self.slot(to), cap, cdt::Original::Yes);
        if let Some(Node { object: Object::Untyped { used, .. }, .. }) = &mut self.tree.slots[from] {
            *used = start + size;
        }
        self.tree.child(from, to, object);
    }

    /// The children as the list tells them: the unbroken sequence behind the entry.
    fn listed_descendants(&self, i: usize) -> BTreeSet<usize> {
        let k = &self.m.kernel;
        let mut found = BTreeSet::new();
        let mut at = self.slot(i);
        while let Some(next) = at.get(k).links().next {
            if !cdt::is_parent_of(k, self.slot(i), next) {
                break;
            }
            found.extend((0..SLOTS).filter(|j| self.slot(*j) == next));
            at = next;
        }
        found
    }

    fn compare(&self) {
        let k = &self.m.kernel;
        for i in 0..SLOTS {
            let slot = self.slot(i);
            assert!(cdt::is_well_linked(k, slot), "CDT-1 at slot {i}");
            assert_eq!(slot.is_empty(k), self.tree.node(i).is_none(), "slot {i}");
            assert_eq!(self.listed_descendants(i), self.tree.descendants(i), "children of {i}");
            if !slot.is_empty(k) {
                assert_eq!(cdt::is_final(k, slot), self.tree.is_final(i), "is {i} final?");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn list_and_tree_agree(ops in proptest::collection::vec(op(), 1..80)) {
        let mut both = Both::new();
        for op in ops {
            both.apply(op);
            both.compare();
        }
    }
}

#[test]
fn the_same_badge_minted_twice_makes_two_families() {
    let mut both = Both::new();
    for op in [
        Op::Retype { from: 0, to: 2, kind: 0 },
        Op::Mint { from: 2, to: 3, badge: 5 },
        Op::Mint { from: 2, to: 4, badge: 5 },
        Op::Copy { from: 3, to: 5 },
        Op::Copy { from: 4, to: 6 },
    ] {
        both.apply(op);
    }
    both.compare();
    both.apply(Op::Remove { slot: 3 });
    both.compare();
    both.apply(Op::Revoke { slot: 4 });
    both.compare();
    assert!(both.tree.node(5).is_some() && both.tree.node(6).is_none());
}
