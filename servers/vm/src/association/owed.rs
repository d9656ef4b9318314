//! The pages that a manager owes an answer for: few, asked for and answered in order as a rule.

use alloc::vec::Vec;

/// Offsets, ascending, each once.
#[derive(Debug, Default)]
pub(crate) struct Owed(Vec<u64>);

impl Owed {
    /// None.
    pub(crate) const fn new() -> Owed {
        Owed(Vec::new())
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an offset is among them.
    pub(crate) fn contains(&self, offset: u64) -> bool {
        self.0.binary_search(&offset).is_ok()
    }

    /// Adds an offset, if it is not there.
    pub(crate) fn insert(&mut self, offset: u64) {
        if self.0.last().is_none_or(|last| *last < offset) {
            self.0.push(offset);
        } else if let Err(place) = self.0.binary_search(&offset) {
            self.0.insert(place, offset);
        }
    }

    /// Takes an offset out. False: it was not there.
    pub(crate) fn remove(&mut self, offset: u64) -> bool {
        let place = if self.0.first() == Some(&offset) { Ok(0) } else { self.0.binary_search(&offset) };
        let Ok(place) = place else { return false };
        self.0.remove(place);
        true
    }

    /// The first one in `[start, end)`.
    pub(crate) fn first(&self, start: u64, end: u64) -> Option<u64> {
        let place = self.0.partition_point(|offset| *offset < start);
        self.0.get(place).copied().filter(|offset| *offset < end)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_an_ordered_set(steps in proptest::collection::vec((any::<bool>(), 0..60_u64), 0..200), end in 0..60_u64) {
            let (mut owed, mut model) = (Owed::new(), BTreeSet::new());
            for (is_more, offset) in steps {
                if is_more {
                    owed.insert(offset);
                    model.insert(offset);
                } else {
                    prop_assert_eq!(owed.remove(offset), model.remove(&offset));
                }
                prop_assert!(owed.iter().eq(model.iter().copied()) && owed.len() == model.len());
                prop_assert_eq!((owed.contains(offset), owed.is_empty()), (model.contains(&offset), model.is_empty()));
                prop_assert_eq!(owed.first(offset, end.max(offset)), model.range(offset..end.max(offset)).next().copied());
            }
        }
    }
}
