//! The slots of a paging area, a page each: which are free.
//!
//! Invariant **SLOT-1**: `free` is the number of clear bits.

use alloc::vec;
use alloc::vec::Vec;

/// The most slots of an area: what a [`Place`](crate::held::Place) can name.
pub const MAX_SLOTS: u32 = (1 << 26) - 4;

const WORD: u32 = u64::BITS;

/// Slots in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// The slots of one area.
#[derive(Debug)]
pub struct Slots {
    /// A set bit: in use, or beyond the end.
    bits: Vec<u64>,
    total: u32,
    free: u32,
    /// Those that failed to be written, and are never used again.
    retired: u32,
    /// Where the next search begins.
    hint: u32,
}

impl Slots {
    /// So many free slots, at most [`MAX_SLOTS`].
    #[must_use]
    pub fn new(total: u32) -> Self {
        let total = total.min(MAX_SLOTS);
        let mut bits = vec![0_u64; total.div_ceil(WORD) as usize];
        if let Some(last) = bits.last_mut().filter(|_| !total.is_multiple_of(WORD)) {
            *last = u64::MAX << (total % WORD);
        }
        Self { bits, total, free: total, retired: 0, hint: 0 }
    }

    /// All slots.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.total
    }

    /// Free ones.
    #[must_use]
    pub const fn free(&self) -> u32 {
        self.free
    }

    /// Those that hold something.
    #[must_use]
    pub const fn held(&self) -> u32 {
        self.total - self.free - self.retired
    }

    /// Takes up to `wanted` slots in a row: so many if there are so many, else the longest row there is. The search goes on
    /// where the last one ended, so that what is written together lies together.
    pub fn take(&mut self, wanted: u32) -> Option<Run> {
        if self.free == 0 || wanted == 0 {
            return None;
        }
        let hint = if self.hint < self.total { self.hint } else { 0 };
        let mut best = Run { first: 0, count: 0 };
        for (from, to) in [(hint, self.total), (0, hint)] {
            let mut at = from;
            while let Some(first) = self.next_free(at, to) {
                let count = self.row(first, to.min(first.saturating_add(wanted)));
                if count > best.count {
                    best = Run { first, count };
                }
                if best.count == wanted {
                    break;
                }
                at = first + count;
            }
            if best.count == wanted {
                break;
            }
        }
        (best.first..best.first + best.count).for_each(|slot| self.set(slot));
        self.free -= best.count;
        self.hint = best.first + best.count;
        (best.count > 0).then_some(best)
    }

    /// Gives a slot back that was taken.
    pub fn put(&mut self, slot: u32) {
        if slot < self.total && self.is_set(slot) {
            if let Some(word) = self.bits.get_mut((slot / WORD) as usize) {
                *word &= !(1 << (slot % WORD));
            }
            self.free += 1;
        }
    }

    /// Takes a slot that was taken out of use for good: it cannot be written.
    pub fn retire(&mut self) {
        self.retired += 1;
    }

    fn is_set(&self, slot: u32) -> bool {
        self.bits.get((slot / WORD) as usize).is_none_or(|word| word & 1 << (slot % WORD) != 0)
    }

    fn set(&mut self, slot: u32) {
        if let Some(word) = self.bits.get_mut((slot / WORD) as usize) {
            *word |= 1 << (slot % WORD);
        }
    }

    /// The first free slot in `[from, to)`.
    fn next_free(&self, from: u32, to: u32) -> Option<u32> {
        let mut at = from;
        while at < to {
            let word = !*self.bits.get((at / WORD) as usize)? >> (at % WORD);
            if word != 0 {
                return Some(at + word.trailing_zeros()).filter(|slot| *slot < to);
            }
            at = (at / WORD + 1) * WORD;
        }
        None
    }

    /// How many slots from `first` on, and below `to`, are free.
    fn row(&self, first: u32, to: u32) -> u32 {
        (first..to).take_while(|slot| !self.is_set(*slot)).count() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn takes_a_row_or_the_longest_there_is() {
        let mut slots = Slots::new(100);
        assert_eq!(slots.take(16), Some(Run { first: 0, count: 16 }));
        assert_eq!(slots.take(90), Some(Run { first: 16, count: 84 }));
        assert_eq!(slots.take(1), None);
        for slot in [3, 40, 41, 42, 99] {
            slots.put(slot);
        }
        assert_eq!(slots.take(16), Some(Run { first: 40, count: 3 }));
        assert_eq!(slots.free(), 2);
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(total in 1..300_u32, steps in proptest::collection::vec((any::<bool>(), 1..20_u32), 0..300)) {
            let mut slots = Slots::new(total);
            let mut used = BTreeSet::new();
            for (take, number) in steps {
                if take {
                    let longest = (0..total).map(|first| {
                        (first..total.min(first + number)).take_while(|slot| !used.contains(slot)).count() as u32
                    });
                    let longest = longest.max().unwrap_or(0);
                    let run = slots.take(number);
                    // A row that the place of the search cuts in two may count as two.
                    prop_assert!(run.map_or(0, |run| run.count) * 2 >= longest);
                    for slot in run.iter().flat_map(|run| run.first..run.first + run.count) {
                        prop_assert!(slot < total && used.insert(slot));
                    }
                } else if let Some(slot) = used.iter().nth(number as usize * 7 % used.len().max(1)).copied() {
                    used.remove(&slot);
                    slots.put(slot);
                    slots.put(slot);
                }
                prop_assert_eq!(slots.free(), total - used.len() as u32);
            }
        }
    }
}
