//! An ordered map from addresses of pages to values, for keys that come in runs.
//!
//! Neighbours lie together in groups of 16, so a run of pages costs one node of the tree for each group, and finding,
//! adding and removing a page of a run moves nothing.
//!
//! Invariant **PAGES-1**: a group that is in the tree holds something.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::ops::{Bound, Index, RangeBounds};

/// log2 of the distance of two keys.
const PAGE_SHIFT: u32 = 12;
const GROUP_SHIFT: u32 = 4;
const GROUP: usize = 1 << GROUP_SHIFT;

#[derive(Clone, Debug)]
struct Group<T> {
    len: u32,
    places: [Option<T>; GROUP],
}

/// Values by the address of a page. A key is a multiple of the page size.
#[derive(Clone, Debug)]
pub struct PageMap<T> {
    groups: BTreeMap<u64, Box<Group<T>>>,
    len: usize,
}

impl<T> Default for PageMap<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// The group that holds a key, and the key's place there.
#[inline]
const fn split(key: u64) -> (u64, usize) {
    let page = key >> PAGE_SHIFT;
    (page >> GROUP_SHIFT, page as usize % GROUP)
}

impl<T> PageMap<T> {
    /// No page.
    #[must_use]
    pub const fn new() -> Self {
        Self { groups: BTreeMap::new(), len: 0 }
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

    /// The value of a page.
    #[inline]
    #[must_use]
    pub fn get(&self, key: &u64) -> Option<&T> {
        let (group, place) = split(*key);
        self.groups.get(&group)?.places.get(place)?.as_ref()
    }

    /// Whether a page has a value.
    #[must_use]
    pub fn contains_key(&self, key: &u64) -> bool {
        self.get(key).is_some()
    }

    /// Gives a page a value, and answers the one that it had.
    pub fn insert(&mut self, key: u64, value: T) -> Option<T> {
        let (group, place) = split(key);
        let group =
            self.groups.entry(group).or_insert_with(|| Box::new(Group { len: 0, places: [const { None }; GROUP] }));
        let old = group.places.get_mut(place)?.replace(value);
        if old.is_none() {
            group.len += 1;
            self.len += 1;
        }
        old
    }

    /// Takes a page's value.
    pub fn remove(&mut self, key: &u64) -> Option<T> {
        let (number, place) = split(*key);
        let group = self.groups.get_mut(&number)?;
        let old = group.places.get_mut(place)?.take()?;
        group.len -= 1;
        self.len -= 1;
        if group.len == 0 {
            self.groups.remove(&number);
        }
        Some(old)
    }

    /// The pages of a range in order, with their values. A range that ends before it starts has none.
    pub fn range(&self, range: impl RangeBounds<u64>) -> impl Iterator<Item = (u64, &T)> {
        let start = match range.start_bound() {
            Bound::Included(&key) => key,
            Bound::Excluded(&key) => key.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let last = match range.end_bound() {
            Bound::Included(&key) => Some(key),
            Bound::Excluded(&key) => key.checked_sub(1),
            Bound::Unbounded => Some(u64::MAX),
        };
        let bounds = last.filter(|last| *last >= start).map(|last| (split(start).0..=split(last).0, last));
        bounds.into_iter().flat_map(move |(groups, last)| {
            self.groups
                .range(groups)
                .flat_map(|(number, group)| group.pages(*number))
                .skip_while(move |(key, _)| *key < start)
                .take_while(move |(key, _)| *key <= last)
        })
    }

    /// The first page of `[start, end)` that has a value.
    #[must_use]
    pub fn first(&self, start: u64, end: u64) -> Option<(u64, &T)> {
        self.range(start..end).next()
    }

    /// All pages in order, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.groups.iter().flat_map(|(number, group)| group.pages(*number))
    }

    /// All values, in the order of their pages.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, value)| value)
    }
}

impl<T> Group<T> {
    fn pages(&self, number: u64) -> impl Iterator<Item = (u64, &T)> {
        let first = number << (GROUP_SHIFT + PAGE_SHIFT);
        let places = self.places.iter().enumerate();
        places.filter_map(move |(index, place)| Some((first + ((index as u64) << PAGE_SHIFT), place.as_ref()?)))
    }
}

impl<T> Index<&u64> for PageMap<T> {
    type Output = T;

    /// # Panics
    ///
    /// If the page has no value.
    fn index(&self, key: &u64) -> &T {
        match self.get(key) {
            Some(value) => value,
            None => panic!("page {key:#x} has no value"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = u64> {
        prop_oneof![0..40_u64, (u64::MAX >> 12) - 20..=u64::MAX >> 12].prop_map(|page| page << 12)
    }

    proptest! {
        #[test]
        fn agrees_with_an_ordered_map(steps in proptest::collection::vec((0..3u8, key(), key()), 0..200)) {
            let mut pages = PageMap::new();
            let mut model = BTreeMap::new();
            for (value, (step, a, b)) in steps.into_iter().enumerate() {
                match step {
                    0 => prop_assert_eq!(pages.insert(a, value), model.insert(a, value)),
                    1 => prop_assert_eq!(pages.remove(&a), model.remove(&a)),
                    _ => {}
                }
                prop_assert_eq!(pages.get(&b), model.get(&b));
                prop_assert_eq!((pages.len(), pages.is_empty()), (model.len(), model.is_empty()));
                let all: Vec<_> = pages.iter().collect();
                prop_assert_eq!(all, model.iter().map(|(k, v)| (*k, v)).collect::<Vec<_>>());
                let part: Vec<_> = pages.range(a..b).collect();
                prop_assert_eq!(part, model.range(a..b.max(a)).map(|(k, v)| (*k, v)).collect::<Vec<_>>());
                let rest: Vec<_> = pages.range(a..).map(|(_, v)| *v).collect();
                prop_assert_eq!(rest, model.range(a..).map(|(_, v)| *v).collect::<Vec<_>>());
                prop_assert!(pages.groups.values().all(|g| g.len as usize == g.places.iter().flatten().count() && g.len > 0));
            }
        }
    }
}
