//! Deletion against a naive recursion: random graphs of CNodes and threads, cycles included.

use std::vec::Vec;

use proptest::prelude::*;

use super::super::delete::{delete, delete_until, revoke};
use super::super::*;
use super::{at, make_slots};
use crate::arch::Machine;
use crate::error::Preempted;
use crate::kobj::SlotArray;
use crate::object::Tcb;

/// Slots outside all containers.
const OUTER: usize = 8;

/// Where a capability is put: container (or the outer slots) and slot.
#[derive(Clone, Copy, Debug)]
struct Placement {
    target: usize,
    container: usize,
    slot: usize,
}

#[derive(Clone, Debug)]
struct Graph {
    /// Radix of each CNode; 0 is a thread.
    containers: Vec<u32>,
    placements: Vec<Placement>,
}

fn graph() -> impl Strategy<Value = Graph> {
    (proptest::collection::vec(0u32..4, 1..7), proptest::collection::vec((0usize..8, 0usize..8, 0usize..8), 1..30))
        .prop_map(|(containers, raw)| {
            let n = containers.len();
            let placements =
                raw.into_iter().map(|(t, c, slot)| Placement { target: t % n, container: c % (n + 1), slot }).collect();
            Graph { containers, placements }
        })
}

/// The graph in the kernel, and as a table of which slot refers to which container.
struct World {
    m: Machine,
    /// The outer slots, then the slots of each container.
    arrays: Vec<SlotArray>,
    /// The untyped that all containers were made from.
    untyped: SlotRef,
    /// `held[a][s]`: the container that slot `s` of array `a` holds a capability to.
    held: Vec<Vec<Option<usize>>>,
}

impl World {
    fn new(graph: &Graph) -> Self {
        let mut m = Machine::new(17);
        let outer = make_slots(&mut m, 4);
        let memory = m.take(15);
        let untyped = at(outer, 15);
        let cap = Cap::Untyped(UntypedCap::full(memory));
        cdt::insert_root(&m.kernel, untyped, cap);
        let mut arrays = std::vec![outer];
        let mut caps = Vec::new();
        for (i, radix) in graph.containers.iter().enumerate() {
            let offset = (i as u64) << 11;
            let k = &mut m.kernel;
            let (cap, slots) = if *radix == 0 {
                let tcb: Option<KRef<Tcb>> = memory.carve(offset, 11).and_then(|r| r.place(k));
                let Some(tcb) = tcb else { panic!("no room for thread {i}") };
                (Cap::Thread(tcb), tcb.slots())
            } else {
                let slots = memory.carve(offset, radix + 5).and_then(|r| r.place_slots(k));
                let Some(slots) = slots else { panic!("no room for CNode {i}") };
                (Cap::CNode(CNodeCap { slots, guard: 0, guard_size: 0 }), slots)
            };
            arrays.push(slots);
            caps.push(cap);
        }
        let mut held: Vec<Vec<Option<usize>>> = arrays.iter().map(|a| std::vec![None; a.len().min(OUTER)]).collect();
        let mut first: Vec<Option<SlotRef>> = std::vec![None; caps.len()];
        for p in &graph.placements {
            let slot_index = p.slot % held[p.container].len();
            if held[p.container][slot_index].is_some() {
                continue;
            }
            held[p.container][slot_index] = Some(p.target);
            let slot = at(arrays[p.container], slot_index);
            match first[p.target] {
                None => {
                    cdt::insert_child(&m.kernel, untyped, slot, caps[p.target], cdt::Original::Yes);
                    first[p.target] = Some(slot);
                }
                Some(original) => cdt::insert(&m.kernel, original, slot, caps[p.target]),
            }
        }
        World { m, arrays, untyped, held }
    }

    /// Deletes in the model, by plain recursion.
    fn model_delete(&mut self, array: usize, slot: usize) {
        let Some(target) = self.held[array][slot].take() else { return };
        if self.held.iter().flatten().any(|h| *h == Some(target)) {
            return;
        }
        for s in 0..self.held[target + 1].len() {
            self.model_delete(target + 1, s);
        }
    }

    fn compare(&self) {
        let k = &self.m.kernel;
        for (a, held) in self.held.iter().enumerate() {
            for (s, target) in held.iter().enumerate() {
                let slot = at(self.arrays[a], s);
                assert!(cdt::is_well_linked(k, slot), "CDT-1 at {a}.{s}");
                let found = match slot.cap(k) {
                    Cap::Null => None,
                    Cap::CNode(c) => self.arrays.iter().position(|x| *x == c.slots),
                    Cap::Thread(t) => self.arrays.iter().position(|x| *x == t.slots()),
                    other => panic!("{other:?} at {a}.{s}"),
                };
                assert_eq!(found, target.map(|t| t + 1), "slot {a}.{s}");
            }
        }
    }

    fn assert_all_gone(&self) {
        let k = &self.m.kernel;
        assert!(!cdt::has_children(k, self.untyped));
        for array in &self.arrays {
            for s in 0..array.len() {
                let slot = at(*array, s);
                assert!(slot == self.untyped || slot.is_empty(k), "slot {s}: {:?}", slot.cap(k));
            }
        }
    }
}

/// A preemption point that is taken after some steps.
fn preempted_after(steps: usize) -> impl FnMut() -> Result<(), Preempted> {
    let mut left = steps;
    move || {
        left = left.saturating_sub(1);
        if left == 0 { Err(Preempted) } else { Ok(()) }
    }
}

/// More steps than any of these graphs can need.
const MANY: usize = 10_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn deleting_destroys_what_the_recursion_destroys(graph in graph(), slot in 0usize..OUTER) {
        let mut w = World::new(&graph);
        w.compare();
        prop_assert_eq!(delete(&w.m.kernel, at(w.arrays[0], slot)), Ok(()));
        w.model_delete(0, slot);
        w.compare();
    }

    #[test]
    fn revoking_the_untyped_destroys_everything(graph in graph()) {
        let w = World::new(&graph);
        prop_assert_eq!(revoke(&w.m.kernel, w.untyped), Ok(()));
        w.assert_all_gone();
    }

    #[test]
    fn a_revocation_that_is_preempted_often_still_ends(graph in graph(), steps in 2usize..9) {
        let w = World::new(&graph);
        let k = &w.m.kernel;
        let mut attempts = 0;
        while let Some(child) = cdt::first_child(k, w.untyped) {
            // The search for children starts again each time, and may find a zombie on the way.
            let _ = delete_until(k, child, preempted_after(steps));
            attempts += 1;
            prop_assert!(attempts < MANY, "no progress");
        }
        w.assert_all_gone();
    }

    #[test]
    fn a_deletion_that_is_preempted_everywhere_ends_the_same(graph in graph(), slot in 0usize..OUTER) {
        let mut w = World::new(&graph);
        let slot_ref = at(w.arrays[0], slot);
        let mut attempts = 0;
        while delete_until(&w.m.kernel, slot_ref, || Err(Preempted)).is_err() {
            attempts += 1;
            prop_assert!(attempts < MANY, "no progress");
        }
        w.model_delete(0, slot);
        w.compare();
    }
}
