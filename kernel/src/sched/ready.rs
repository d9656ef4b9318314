//! The ready queues: for each domain and priority one list of threads that could run, and a bit map
//! that finds the highest non-empty one (spec §4.5).
//!
//! # Invariants
//!
//! - `READY-1` the bit of a priority is set exactly when its list is not empty;
//! - `READY-2` a thread is in the list of its own domain and priority exactly when it is marked
//!   [`Queued::Ready`]. The current thread is normally in none.

use core::cell::Cell;

use super::Priority;
use super::queue::TcbQueue;
use crate::Kernel;
use crate::kobj::KRef;
use crate::object::tcb::{Queued, Tcb};

/// Number of priorities.
pub const PRIORITIES: usize = 256;
const WORDS: usize = PRIORITIES / 64;

/// A set of priorities that knows its highest member.
#[derive(Default)]
struct PrioritySet {
    words: [Cell<u64>; WORDS],
    /// One more than the highest member; 0 if there is none.
    above: Cell<u16>,
}

impl PrioritySet {
    const fn new() -> Self {
        PrioritySet { words: [const { Cell::new(0) }; WORDS], above: Cell::new(0) }
    }

    fn put(&self, Priority(priority): Priority, present: bool) {
        let bit = 1u64 << (priority % 64);
        if let Some(word) = self.words.get(usize::from(priority / 64)) {
            word.set(if present { word.get() | bit } else { word.get() & !bit });
        }
        let above = u16::from(priority) + 1;
        if present {
            self.above.set(self.above.get().max(above));
        } else if self.above.get() == above {
            self.above.set(self.find_above());
        }
    }

    fn find_above(&self) -> u16 {
        let highest = self.words.iter().enumerate().rev().find(|(_, word)| word.get() != 0);
        highest.map_or(0, |(i, word)| (i as u16 + 1) * 64 - word.get().leading_zeros() as u16)
    }

    fn highest(&self) -> Option<Priority> {
        self.above.get().checked_sub(1).map(|highest| Priority(highest as u8))
    }

    fn is_above(&self, Priority(priority): Priority) -> bool {
        self.above.get() > u16::from(priority) + 1
    }
}

/// The ready queues of one domain.
#[repr(C)]
pub struct ReadyQueues {
    occupied: PrioritySet,
    queues: [Cell<TcbQueue>; PRIORITIES],
}

impl ReadyQueues {
    /// Queues without threads.
    #[must_use]
    pub const fn new() -> Self {
        ReadyQueues { queues: [const { Cell::new(TcbQueue::EMPTY) }; PRIORITIES], occupied: PrioritySet::new() }
    }

    /// The highest priority that has a thread.
    #[must_use]
    pub fn highest(&self) -> Option<Priority> {
        self.occupied.highest()
    }

    /// Whether there is a thread of a higher priority than this.
    #[inline]
    #[must_use]
    pub fn has_above(&self, priority: Priority) -> bool {
        self.occupied.is_above(priority)
    }

    fn change(&self, priority: Priority, f: impl FnOnce(&mut TcbQueue)) {
        if let Some(cell) = self.queues.get(usize::from(priority.0)) {
            let mut queue = cell.get();
            f(&mut queue);
            cell.set(queue);
            self.occupied.put(priority, !queue.is_empty());
        }
    }

    /// Puts `t`, which is in no queue, at the head of its priority.
    pub fn push_front(&self, k: &Kernel, t: KRef<Tcb>) {
        t.get(k).queued.set(Queued::Ready);
        self.change(t.get(k).priority.get(), |q| q.push_front(k, t));
    }

    /// Puts `t`, which is in no queue, at the tail of its priority.
    pub fn push_back(&self, k: &Kernel, t: KRef<Tcb>) {
        t.get(k).queued.set(Queued::Ready);
        self.change(t.get(k).priority.get(), |q| q.push_back(k, t));
    }

    /// Takes `t`, which is in these queues, out of them.
    pub fn remove(&self, k: &Kernel, t: KRef<Tcb>) {
        t.get(k).queued.set(Queued::No);
        self.change(t.get(k).priority.get(), |q| q.remove(k, t));
    }

    /// The first thread of the highest priority.
    #[must_use]
    pub fn first(&self) -> Option<KRef<Tcb>> {
        self.queues.get(usize::from(self.highest()?.0))?.get().head
    }

    /// Takes out the first thread of the highest priority.
    pub fn pop_highest(&self, k: &Kernel) -> Option<KRef<Tcb>> {
        let first = self.first()?;
        self.remove(k, first);
        Some(first)
    }

    /// The threads of a priority, in order.
    pub fn iter<'k>(&self, k: &'k Kernel, priority: Priority) -> impl Iterator<Item = KRef<Tcb>> + use<'k> {
        self.queues.get(usize::from(priority.0)).map(Cell::get).unwrap_or_default().iter(k)
    }

    /// Checks `READY-1` and `READY-2`.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn assert_valid(&self, k: &Kernel) {
        for priority in 0..=u8::MAX {
            let queue = self.queues[usize::from(priority)].get();
            queue.assert_valid(k);
            let bit = self.occupied.words[usize::from(priority / 64)].get() >> (priority % 64) & 1;
            assert_eq!(bit == 1, !queue.is_empty(), "READY-1");
            for t in queue.iter(k) {
                assert_eq!(t.get(k).priority.get(), Priority(priority), "READY-2");
                assert_eq!(t.get(k).queued.get(), Queued::Ready, "READY-2");
            }
        }
    }
}

impl Default for ReadyQueues {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn priority_set_equals_a_tree_set(ops in prop::collection::vec((any::<u8>(), any::<bool>()), 0..200)) {
            let (set, mut model) = (PrioritySet::new(), BTreeSet::new());
            for (priority, present) in ops {
                set.put(Priority(priority), present);
                if present { model.insert(priority); } else { model.remove(&priority); }
                prop_assert_eq!(set.highest(), model.last().copied().map(Priority));
                prop_assert_eq!(set.is_above(Priority(priority)), model.last().is_some_and(|last| *last > priority));
            }
        }
    }
}
