//! An ordered map from addresses to values, for keys of which mostly the one at or below an address is wanted.
//!
//! Items lie in leaves of at most 16, leaves in branches of at most 32: a search is three short ones in arrays, a growing
//! map never asks for a large piece of heap, and there is no key that needs to be known exactly. Whoever looks for a key
//! mostly looks for it again, or for a neighbour: a search begins where the last one ended.
//!
//! Invariants: **SORTED-1** keys rise, through all leaves and branches. **SORTED-2** no leaf and no branch is empty, or
//! longer than it may be. **SORTED-3** what is at or below a key in the hint's span is the hint's item; what is at or below
//! a key in the span of its leaf is in that leaf.

use alloc::vec::Vec;
use core::cell::Cell;

/// Items of a leaf.
const LEAF: usize = 16;
/// Leaves of a branch.
const BRANCH: usize = 32;

/// An item as it is looked at: key and value.
type Item<'a, T> = (u64, &'a T);
type Leaf<T> = Vec<(u64, T)>;
type Branch<T> = Vec<Leaf<T>>;

/// Values by key, in order.
#[derive(Clone, Debug)]
pub struct SortedMap<T> {
    branches: Vec<Branch<T>>,
    len: usize,
    hint: Cell<Hint>,
}

/// Where an item is, or would be: branch, leaf, index.
#[derive(Clone, Copy, Debug)]
struct Place {
    branch: usize,
    leaf: usize,
    index: usize,
}

/// Where the last search ended.
#[derive(Clone, Copy, Debug)]
struct Hint {
    /// The span `[from, to)` of keys for which it would end there.
    from: u64,
    to: u64,
    /// The same for which it would end in the same leaf.
    leaf: (u64, u64),
    /// Behind the item that was found.
    place: Place,
}

impl Hint {
    const NONE: Self = Self { from: 0, to: 0, leaf: (0, 0), place: Place { branch: 0, leaf: 0, index: 0 } };

    /// The same, when other items of the leaf have come or gone.
    const fn of_leaf(self) -> Self {
        Self { from: 0, to: 0, ..self }
    }
}

impl<T> Default for SortedMap<T> {
    fn default() -> Self {
        Self::new()
    }
}

fn first_of_leaf<T>(leaf: &Leaf<T>) -> u64 {
    leaf.first().map_or(0, |(key, _)| *key)
}

fn first_of_branch<T>(branch: &Branch<T>) -> u64 {
    branch.first().map_or(0, first_of_leaf)
}

/// The last of the items that begin at `key` or before it; the first if none does, which is not looked at.
#[inline]
fn last_from<I>(items: &[I], key: u64, first: impl Fn(&I) -> u64) -> usize {
    let (mut low, mut high) = (0, items.len());
    while high > low + 1 {
        let middle = (low + high) / 2;
        match items.get(middle) {
            Some(item) if first(item) <= key => low = middle,
            _ => high = middle,
        }
    }
    low
}

/// Splits what has become too long in two; the second half is the answer.
fn split<I>(items: &mut Vec<I>, most: usize) -> Option<Vec<I>> {
    if items.len() <= most {
        return None;
    }
    let mut upper = Vec::with_capacity(most + 1);
    upper.extend(items.drain(most / 2..));
    Some(upper)
}

impl<T> SortedMap<T> {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { branches: Vec::new(), len: 0, hint: Cell::new(Hint::NONE) }
    }

    /// Number of items.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The place behind all items whose key is at most `key`, in the leaf of the last of them.
    #[inline]
    fn behind(&self, key: u64) -> Place {
        let hint = self.hint.get();
        if hint.from <= key && key < hint.to { hint.place } else { self.search(key) }
    }

    /// The same, where the last search did not end; the next one begins there.
    #[inline(never)]
    fn search(&self, key: u64) -> Place {
        let mut hint = self.hint.get();
        if !(hint.leaf.0 <= key && key < hint.leaf.1) {
            hint = self.find_leaf(key);
        }
        let items = self.leaf(hint.place).map(Vec::as_slice).unwrap_or_default();
        hint.place.index = match items.first() {
            Some((first, _)) if *first <= key => last_from(items, key, |(at, _)| *at) + 1,
            _ => 0,
        };
        let found = hint.place.index.checked_sub(1).and_then(|index| items.get(index));
        (hint.from, hint.to) = match found {
            Some((at, _)) => (*at, items.get(hint.place.index).map_or(hint.leaf.1, |(next, _)| *next)),
            None => (0, 0),
        };
        self.hint.set(hint);
        hint.place
    }

    /// The leaf of the last item whose key is at most `key`, and the span of keys for which that is so.
    fn find_leaf(&self, key: u64) -> Hint {
        let branch = last_from(&self.branches, key, first_of_branch);
        let leaves = self.branches.get(branch).map(Vec::as_slice).unwrap_or_default();
        let leaf = last_from(leaves, key, first_of_leaf);
        let is_first = (branch, leaf) == (0, 0);
        let next = leaves.get(leaf + 1).map(first_of_leaf);
        let next = next.or_else(|| self.branches.get(branch + 1).map(first_of_branch));
        let from = if is_first { 0 } else { leaves.get(leaf).map_or(0, first_of_leaf) };
        let to = if leaves.is_empty() { 0 } else { next.unwrap_or(u64::MAX) };
        Hint { from: 0, to: 0, leaf: (from, to), place: Place { branch, leaf, index: 0 } }
    }

    #[inline]
    fn leaf(&self, place: Place) -> Option<&Leaf<T>> {
        self.branches.get(place.branch)?.get(place.leaf)
    }

    #[inline]
    fn leaf_mut(&mut self, place: Place) -> Option<&mut Leaf<T>> {
        self.branches.get_mut(place.branch)?.get_mut(place.leaf)
    }

    /// The item with the largest key that is at most `key`.
    #[inline]
    #[must_use]
    pub fn floor(&self, key: u64) -> Option<(u64, &T)> {
        let place = self.behind(key);
        let (at, value) = self.leaf(place)?.get(place.index.checked_sub(1)?)?;
        Some((*at, value))
    }

    /// The same, to change the value.
    #[inline]
    pub fn floor_mut(&mut self, key: u64) -> Option<(u64, &mut T)> {
        let place = self.behind(key);
        let (at, value) = self.leaf_mut(place)?.get_mut(place.index.checked_sub(1)?)?;
        Some((*at, value))
    }

    /// The value of a key.
    #[inline]
    #[must_use]
    pub fn get(&self, key: u64) -> Option<&T> {
        self.floor(key).filter(|(at, _)| *at == key).map(|(_, value)| value)
    }

    /// The value of a key, to change it.
    #[inline]
    pub fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        self.floor_mut(key).filter(|(at, _)| *at == key).map(|(_, value)| value)
    }

    /// Gives a key a value, and answers the one that it had.
    pub fn insert(&mut self, key: u64, value: T) -> Option<T> {
        let place = self.behind(key);
        self.hint.set(self.hint.get().of_leaf());
        let Some(leaf) = self.leaf_mut(place) else {
            self.branches.push(alloc::vec![alloc::vec![(key, value)]]);
            self.len = 1;
            return None;
        };
        let here = place.index.checked_sub(1).and_then(|index| leaf.get_mut(index)).filter(|(at, _)| *at == key);
        if let Some((_, here)) = here {
            return Some(core::mem::replace(here, value));
        }
        leaf.insert(place.index, (key, value));
        let upper = split(leaf, LEAF);
        self.len += 1;
        if let Some(upper) = upper
            && let Some(branch) = self.branches.get_mut(place.branch)
        {
            self.hint.set(Hint::NONE);
            branch.insert(place.leaf + 1, upper);
            if let Some(upper) = split(branch, BRANCH) {
                self.branches.insert(place.branch + 1, upper);
            }
        }
        None
    }

    /// Takes a key's value.
    pub fn remove(&mut self, key: u64) -> Option<T> {
        let place = self.behind(key);
        // Without its first item, a leaf's span begins elsewhere.
        self.hint.set(if place.index <= 1 { Hint::NONE } else { self.hint.get().of_leaf() });
        let branch = self.branches.get_mut(place.branch)?;
        let leaf = branch.get_mut(place.leaf)?;
        let index = place.index.checked_sub(1).filter(|index| leaf.get(*index).is_some_and(|(at, _)| *at == key))?;
        let (_, value) = leaf.remove(index);
        self.len -= 1;
        if leaf.is_empty() {
            branch.remove(place.leaf);
            if branch.is_empty() {
                self.branches.remove(place.branch);
            }
        }
        Some(value)
    }

    /// The items whose keys are in `[start, end)`, in order.
    #[inline]
    pub fn range(&self, start: u64, end: u64) -> Range<'_, T> {
        match start.checked_sub(1) {
            Some(before) => self.range_at(self.behind(before), end),
            None => self.range_at(Place { branch: 0, leaf: 0, index: 0 }, end),
        }
    }

    /// The same, with the item in front of them if `start` is no key.
    #[inline]
    #[must_use]
    pub fn range_from_floor(&self, start: u64, end: u64) -> Range<'_, T> {
        let place = self.behind(start);
        self.range_at(Place { index: place.index.saturating_sub(1), ..place }, end)
    }

    #[inline]
    fn range_at(&self, place: Place, end: u64) -> Range<'_, T> {
        let items = self.leaf(place).and_then(|leaf| leaf.get(place.index..)).unwrap_or_default();
        Range { map: self, items: items.iter(), place, end }
    }

    /// The item with this key, and in front of it the last one before.
    #[inline]
    #[must_use]
    pub fn with_previous(&self, key: u64) -> Option<(Item<'_, T>, Item<'_, T>)> {
        let place = self.behind(key);
        let items = self.leaf(place)?;
        let (at, value) = items.get(place.index.checked_sub(1)?)?;
        if *at != key {
            return None;
        }
        let before = match place.index.checked_sub(2) {
            Some(index) => items.get(index).map(|(at, value)| (*at, value)),
            None => self.floor(key.checked_sub(1)?),
        };
        Some((before?, (*at, value)))
    }

    /// Changes the values of the keys in `[start, end)`, in order, and of the key in front of them if `start` is none.
    pub fn change_from_floor(&mut self, start: u64, end: u64, mut change: impl FnMut(u64, &mut T)) {
        let mut place = self.behind(start);
        place.index = place.index.saturating_sub(1);
        while let Some(branch) = self.branches.get_mut(place.branch) {
            while let Some(leaf) = branch.get_mut(place.leaf) {
                for (at, value) in leaf.iter_mut().skip(place.index) {
                    if *at >= end {
                        return;
                    }
                    change(*at, value);
                }
                (place.leaf, place.index) = (place.leaf + 1, 0);
            }
            (place.branch, place.leaf) = (place.branch + 1, 0);
        }
    }

    /// All items in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.branches.iter().flatten().flatten().map(|(at, value)| (*at, value))
    }
}

/// The items of a part of a [`SortedMap`].
#[derive(Clone)]
pub struct Range<'a, T> {
    map: &'a SortedMap<T>,
    /// What is left of the leaf.
    items: core::slice::Iter<'a, (u64, T)>,
    /// Where that is.
    place: Place,
    end: u64,
}

impl<'a, T> Iterator for Range<'a, T> {
    type Item = (u64, &'a T);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((at, value)) = self.items.next() {
                return (*at < self.end).then_some((*at, value));
            }
            self.items = self.next_leaf()?.iter();
        }
    }
}

impl<'a, T> Range<'a, T> {
    /// The leaf behind this one.
    fn next_leaf(&mut self) -> Option<&'a Leaf<T>> {
        let branch = self.map.branches.get(self.place.branch)?;
        if let Some(leaf) = branch.get(self.place.leaf + 1) {
            self.place.leaf += 1;
            return Some(leaf);
        }
        self.place = Place { branch: self.place.branch + 1, leaf: 0, index: 0 };
        self.map.leaf(self.place)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn assert_valid<T>(map: &SortedMap<T>) {
        let keys: Vec<u64> = map.iter().map(|(key, _)| key).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "SORTED-1");
        assert_eq!(keys.len(), map.len());
        assert!(map.branches.iter().all(|branch| (1..=BRANCH).contains(&branch.len())), "SORTED-2");
        assert!(map.branches.iter().flatten().all(|leaf| (1..=LEAF).contains(&leaf.len())), "SORTED-2");
        let hint = map.hint.get();
        for (from, to) in [(hint.from, hint.to), hint.leaf] {
            for key in to.checked_sub(1).into_iter().flat_map(|last| [from, last]) {
                let found = map.find_leaf(key).place;
                assert_eq!((found.branch, found.leaf), (hint.place.branch, hint.place.leaf), "SORTED-3");
            }
        }
        if let Some(last) = hint.to.checked_sub(1) {
            let leaf = map.leaf(hint.place).expect("SORTED-3");
            let inside = |key: &u64| (hint.from..=last).contains(key);
            assert_eq!(leaf.iter().filter(|(key, _)| inside(key)).count(), 1, "SORTED-3");
            assert_eq!(leaf.get(hint.place.index - 1).map(|(key, _)| *key), Some(hint.from), "SORTED-3");
        }
    }

    #[test]
    fn many_items_are_found_in_any_order_of_making_and_taking() {
        for step in [1_u64, 7, 4_999] {
            let mut map = SortedMap::new();
            for index in 0..5000 {
                assert_eq!(map.insert(index * step % 5000 * 2, index), None);
            }
            assert_valid(&map);
            assert!((0..5000).all(|key| map.floor(2 * key + 1).is_some_and(|(at, _)| at == 2 * key)));
            for index in 0..5000 {
                assert_eq!(map.remove(index * step % 5000 * 2), Some(index));
            }
            assert!(map.is_empty() && map.branches.is_empty());
        }
    }

    proptest! {
        #[test]
        fn agrees_with_an_ordered_map(steps in proptest::collection::vec((0..4_u8, 0..600_u64, 0..600_u64), 0..1200)) {
            let mut map = SortedMap::new();
            let mut model = BTreeMap::new();
            for (value, (step, a, b)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => prop_assert_eq!(map.insert(a, value), model.insert(a, value)),
                    2 => prop_assert_eq!(map.remove(a), model.remove(&a)),
                    _ => {
                        let from = model.range(..=a).next_back().map_or(a, |(key, _)| *key);
                        map.change_from_floor(a, b, |key, value| *value += key as usize);
                        model.range_mut(from..b.max(from)).for_each(|(key, value)| *value += *key as usize);
                    }
                }
                let floor = model.range(..=b).next_back().map(|(key, value)| (*key, *value));
                prop_assert_eq!(map.floor(b).map(|(key, value)| (key, *value)), floor);
                prop_assert_eq!(map.floor_mut(b).map(|(key, value)| (key, *value)), floor);
                prop_assert_eq!(map.get(b), model.get(&b));
                let before = model.get(&b).and_then(|_| model.range(..b).next_back()).map(|(key, value)| (*key, *value));
                prop_assert_eq!(map.with_previous(b).map(|((key, value), _)| (key, *value)), before);
                prop_assert!(map.with_previous(b).is_none_or(|(_, (key, value))| key == b && Some(value) == model.get(&b)));
                prop_assert_eq!(map.get_mut(b), model.get_mut(&b));
                let part: Vec<_> = map.range(a, b).map(|(key, value)| (key, *value)).collect();
                prop_assert_eq!(part, model.range(a..b.max(a)).map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
                let from = model.range(..=a).next_back().map_or(a, |(key, _)| *key);
                let part: Vec<_> = map.range_from_floor(a, b).map(|(key, value)| (key, *value)).collect();
                prop_assert_eq!(part, model.range(from..b.max(from)).map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
                assert_valid(&map);
            }
            prop_assert!(map.iter().map(|(key, value)| (key, *value)).eq(model.into_iter()));
        }
    }
}
