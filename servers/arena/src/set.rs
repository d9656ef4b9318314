//! An ordered set of addresses of pages, a bit each: for what must be remembered of pages that are not here.

use alloc::collections::BTreeMap;

/// log2 of the distance of two keys.
const PAGE_SHIFT: u32 = 12;
/// log2 of the pages in a word.
const WORD_SHIFT: u32 = 6;

/// A set of addresses of pages. A key is a multiple of the page size.
///
/// Invariant **SET-1**: a word that is in the tree has a bit.
#[derive(Clone, Debug, Default)]
pub struct PageSet {
    words: BTreeMap<u64, u64>,
    len: usize,
}

/// The word that holds a key, and the key's bit there.
const fn split(key: u64) -> (u64, u64) {
    let page = key >> PAGE_SHIFT;
    (page >> WORD_SHIFT, 1 << (page % (1 << WORD_SHIFT)))
}

impl PageSet {
    /// No page.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: BTreeMap::new(), len: 0 }
    }

    /// Number of pages.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no page.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a page is in the set.
    #[inline]
    #[must_use]
    pub fn contains(&self, key: u64) -> bool {
        let (word, bit) = split(key);
        self.len > 0 && self.words.get(&word).is_some_and(|bits| bits & bit != 0)
    }

    /// Enters a page. Answers whether it was not there.
    pub fn insert(&mut self, key: u64) -> bool {
        let (word, bit) = split(key);
        let bits = self.words.entry(word).or_default();
        let is_new = *bits & bit == 0;
        *bits |= bit;
        self.len += usize::from(is_new);
        is_new
    }

    /// Takes a page out. Answers whether it was there.
    pub fn remove(&mut self, key: u64) -> bool {
        let (word, bit) = split(key);
        let Some(bits) = self.words.get_mut(&word).filter(|bits| **bits & bit != 0) else { return false };
        *bits &= !bit;
        if *bits == 0 {
            self.words.remove(&word);
        }
        self.len -= 1;
        true
    }

    /// The first page of `[start, end)` that is in the set.
    #[must_use]
    pub fn first(&self, start: u64, end: u64) -> Option<u64> {
        let last = end.checked_sub(1).filter(|last| *last >= start)?;
        let (from, _) = split(start);
        let (to, _) = split(last);
        for (&word, &bits) in self.words.range(from..=to) {
            let base = word << WORD_SHIFT;
            let skipped = (start >> PAGE_SHIFT).saturating_sub(base);
            let left = bits & u64::MAX.checked_shl(skipped as u32).unwrap_or(0);
            if left != 0 {
                let found = (base + u64::from(left.trailing_zeros())) << PAGE_SHIFT;
                return (found < end).then_some(found);
            }
        }
        None
    }

    /// Takes the pages of `[start, end)` out of the first word that has any of them: no more than 64. Answers how many
    /// went; 0 when none is left.
    pub fn remove_some(&mut self, start: u64, end: u64) -> usize {
        let mut removed = 0;
        let Some(first) = self.first(start, end) else { return 0 };
        let (word, _) = split(first);
        let mut next = Some(first);
        while let Some(key) = next.filter(|key| split(*key).0 == word) {
            removed += usize::from(self.remove(key));
            next = self.first(key, end);
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = u64> {
        prop_oneof![0..200_u64, (u64::MAX >> 12) - 70..=u64::MAX >> 12].prop_map(|page| page << 12)
    }

    proptest! {
        #[test]
        fn agrees_with_an_ordered_set(steps in proptest::collection::vec((0..5u8, key(), key()), 0..300)) {
            let mut set = PageSet::new();
            let mut model = BTreeSet::new();
            for (step, a, b) in steps {
                match step {
                    0 | 1 => prop_assert_eq!(set.insert(a), model.insert(a)),
                    2 => prop_assert_eq!(set.remove(a), model.remove(&a)),
                    3 => {
                        let some: Vec<u64> = model.range(a..b.max(a)).copied().collect();
                        let word = some.first().map(|first| first >> 18);
                        let gone: Vec<u64> = some.into_iter().filter(|key| Some(key >> 18) == word).collect();
                        prop_assert_eq!(set.remove_some(a, b), gone.len());
                        gone.iter().for_each(|key| { model.remove(key); });
                    }
                    _ => {}
                }
                prop_assert_eq!(set.contains(b), model.contains(&b));
                prop_assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
                prop_assert_eq!(set.first(a, b), model.range(a..b.max(a)).next().copied());
                prop_assert_eq!(set.first(a, u64::MAX), model.range(a..).next().copied());
                prop_assert!(set.words.values().all(|bits| *bits != 0), "SET-1");
            }
        }
    }
}
