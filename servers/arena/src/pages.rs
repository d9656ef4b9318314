//! An ordered map from addresses of pages to values, for keys that come in runs.
//!
//! Neighbours lie together in groups of 16, and groups in regions of 16: a run of pages costs one node of the tree for each
//! 256, finding, adding and removing a page of a run moves nothing, and the next page is found by bits.
//!
//! Invariants: **PAGES-1** a region that is in the tree has a group, and a group that is in a region holds something.
//! **PAGES-2** a bit of `used` is set if and only if there is something in that place.

use alloc::boxed::Box;
use core::ops::{Bound, Index, RangeBounds};

use crate::SortedMap;

/// log2 of the distance of two keys.
const PAGE_SHIFT: u32 = 12;
/// log2 of the places of a group, and of a region.
const GROUP_SHIFT: u32 = 4;
const GROUP: usize = 1 << GROUP_SHIFT;

/// Sixteen places, with a bit for each that is used.
#[derive(Clone, Debug)]
struct Sixteen<T> {
    used: u16,
    places: [Option<T>; GROUP],
}

impl<T> Region<T> {
    /// Gives a place of a group a value, and answers the one that it had.
    fn enter(&mut self, number: usize, place: usize, value: T) -> Option<T> {
        if let Some(group) = self.get_mut(number) {
            return group.insert(place, value);
        }
        let mut group = Box::new(Group::new());
        group.insert(place, value);
        self.insert(number, group);
        None
    }
}

type Group<T> = Sixteen<T>;
type Region<T> = Sixteen<Box<Group<T>>>;

impl<T> Sixteen<T> {
    const fn new() -> Self {
        Self { used: 0, places: [const { None }; GROUP] }
    }

    #[inline]
    fn get(&self, place: usize) -> Option<&T> {
        self.places.get(place)?.as_ref()
    }

    #[inline]
    fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.places.get_mut(place)?.as_mut()
    }

    fn insert(&mut self, place: usize, value: T) -> Option<T> {
        self.used |= 1 << place;
        self.places.get_mut(place)?.replace(value)
    }

    fn remove(&mut self, place: usize) -> Option<T> {
        self.used &= !(1 << place);
        self.places.get_mut(place)?.take()
    }

    /// The first used place from `place` on.
    #[inline]
    fn next(&self, place: usize) -> Option<usize> {
        let left = u32::from(self.used) & u32::MAX.checked_shl(place as u32).unwrap_or(0);
        (left != 0).then_some(left.trailing_zeros() as usize)
    }
}

/// Values by the address of a page. A key is a multiple of the page size.
#[derive(Clone, Debug)]
pub struct PageMap<T> {
    regions: SortedMap<Box<Region<T>>>,
    len: usize,
}

impl<T> Default for PageMap<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// What became of [`PageMap::fill`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// The page had a value, or none was made.
    No,
    /// It has one now, and the page in front of it has none.
    Alone,
    /// It has one now, and the page in front of it may have one.
    MayContinue,
}

/// Where a page is: region, group in it, place in that.
#[inline]
const fn split(page: u64) -> (u64, usize, usize) {
    (page >> (2 * GROUP_SHIFT), (page >> GROUP_SHIFT) as usize % GROUP, page as usize % GROUP)
}

impl<T> PageMap<T> {
    /// No page.
    #[must_use]
    pub const fn new() -> Self {
        Self { regions: SortedMap::new(), len: 0 }
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
        let (region, group, place) = split(*key >> PAGE_SHIFT);
        self.regions.get(region)?.get(group)?.get(place)
    }

    /// The value of a page, to change it.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, key: &u64) -> Option<&mut T> {
        let (region, group, place) = split(*key >> PAGE_SHIFT);
        self.regions.get_mut(region)?.get_mut(group)?.get_mut(place)
    }

    /// Whether a page has a value.
    #[must_use]
    pub fn contains_key(&self, key: &u64) -> bool {
        self.get(key).is_some()
    }

    /// Gives a page a value, and answers the one that it had.
    pub fn insert(&mut self, key: u64, value: T) -> Option<T> {
        let (region, number, place) = split(key >> PAGE_SHIFT);
        let old = match self.regions.get_mut(region) {
            Some(region) => region.enter(number, place, value),
            None => {
                let mut fresh = Box::new(Region::new());
                fresh.enter(number, place, value);
                self.regions.insert(region, fresh);
                None
            }
        };
        self.len += usize::from(old.is_none());
        old
    }

    /// Gives a page that has none the value that `make` makes, if it makes one.
    #[inline]
    pub fn fill(&mut self, key: u64, make: impl FnOnce() -> Option<T>) -> Filled {
        let (number, index, place) = split(key >> PAGE_SHIFT);
        let Some(group) = self.regions.get_mut(number).and_then(|region| region.get_mut(index)) else {
            return match make() {
                Some(value) => {
                    self.insert(key, value);
                    if place == 0 { Filled::MayContinue } else { Filled::Alone }
                }
                None => Filled::No,
            };
        };
        if group.used & 1 << place != 0 {
            return Filled::No;
        }
        let Some(value) = make() else { return Filled::No };
        group.insert(place, value);
        self.len += 1;
        let is_alone = place > 0 && group.used & 1 << (place - 1) == 0;
        if is_alone { Filled::Alone } else { Filled::MayContinue }
    }

    /// How many pages in a row have a value, of a run that ends in front of a page: `most` at the most.
    #[must_use]
    pub fn run_before(&self, key: u64, most: u64) -> u64 {
        let (mut end, mut run) = (key >> PAGE_SHIFT, 0);
        while run < most
            && let Some(last) = end.checked_sub(1)
        {
            let (region, group, place) = split(last);
            let group = self.regions.get(region).and_then(|region| region.get(group));
            let used = group.map_or(0, |group| group.used << (GROUP - 1 - place)).leading_ones();
            run += u64::from(used);
            end -= u64::from(used);
            if used as usize <= place {
                break;
            }
        }
        run.min(most)
    }

    /// Takes a page's value.
    pub fn remove(&mut self, key: &u64) -> Option<T> {
        let (number, group, place) = split(*key >> PAGE_SHIFT);
        let region = self.regions.get_mut(number)?;
        let places = region.get_mut(group)?;
        let old = places.remove(place)?;
        self.len -= 1;
        if places.used == 0 {
            region.remove(group);
            if region.used == 0 {
                self.regions.remove(number);
            }
        }
        Some(old)
    }

    /// The first page with this number or a higher one that has a value.
    #[inline]
    fn next(&self, page: u64) -> Option<(u64, &T)> {
        let (number, group, place) = split(page);
        let here = self.regions.get(number).and_then(|region| next_in(region, group, place));
        let (number, (group, place, value)) = match here {
            Some(found) => (number, found),
            None => {
                let (number, region) = self.regions.range(number + 1, u64::MAX).next()?;
                (number, next_in(region, 0, 0)?)
            }
        };
        Some((((number << GROUP_SHIFT | group as u64) << GROUP_SHIFT | place as u64) << PAGE_SHIFT, value))
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
        let mut page = start.div_ceil(1 << PAGE_SHIFT);
        core::iter::from_fn(move || {
            let found = self.next(page).filter(|(key, _)| last.is_some_and(|last| *key <= last))?;
            page = (found.0 >> PAGE_SHIFT) + 1;
            Some(found)
        })
    }

    /// The first page of `[start, end)` that has a value.
    #[inline]
    #[must_use]
    pub fn first(&self, start: u64, end: u64) -> Option<(u64, &T)> {
        self.next(start.div_ceil(1 << PAGE_SHIFT)).filter(|(key, _)| *key < end)
    }

    /// Number of pages of `[start, end)` that have a value. Keys are counted by groups, so both are multiples of the page
    /// size.
    #[must_use]
    pub fn count(&self, start: u64, end: u64) -> usize {
        let (mut page, end) = (start >> PAGE_SHIFT, end >> PAGE_SHIFT);
        let mut count = 0;
        while page < end {
            let (region, group, place) = split(page);
            let used = self.regions.get(region).and_then(|region| region.get(group)).map_or(0, |group| group.used);
            let next = (page - place as u64) + GROUP as u64;
            let below = if next > end { (1 << (end - (page - place as u64))) - 1 } else { u32::from(u16::MAX) };
            count += (u32::from(used) & below & u32::MAX << place).count_ones();
            page = next;
        }
        count as usize
    }

    /// All pages in order, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.range(..)
    }

    /// All values, in the order of their pages.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, value)| value)
    }
}

/// The first value of a region from this place of this group on.
#[inline]
fn next_in<T>(region: &Region<T>, group: usize, place: usize) -> Option<(usize, usize, &T)> {
    let here = region.get(group).and_then(|places| Some((group, places.next(place)?)));
    let (group, place) = match here {
        Some(found) => found,
        None => {
            let group = region.next(group + 1)?;
            (group, region.get(group)?.next(0)?)
        }
    };
    Some((group, place, region.get(group)?.get(place)?))
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
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn is_valid<T>(all: &Sixteen<T>) -> bool {
        let used = |place: usize| all.used & 1 << place != 0;
        all.used != 0 && all.places.iter().enumerate().all(|(place, value)| value.is_some() == used(place))
    }

    fn key() -> impl Strategy<Value = u64> {
        prop_oneof![0..40_u64, 240..300_u64, (u64::MAX >> 12) - 20..=u64::MAX >> 12].prop_map(|page| page << 12)
    }

    proptest! {
        #[test]
        fn agrees_with_an_ordered_map(steps in proptest::collection::vec((0..4u8, key(), key()), 0..200)) {
            let mut pages = PageMap::new();
            let mut model = BTreeMap::new();
            for (value, (step, a, b)) in steps.into_iter().enumerate() {
                match step {
                    0 => prop_assert_eq!(pages.insert(a, value), model.insert(a, value)),
                    1 => prop_assert_eq!(pages.remove(&a), model.remove(&a)),
                    2 => {
                        let filled = pages.fill(a, || (value % 5 != 0).then_some(value));
                        let is_filled = !model.contains_key(&a) && value % 5 != 0;
                        prop_assert_eq!(filled != Filled::No, is_filled);
                        if is_filled {
                            model.insert(a, value);
                            let continues = a.checked_sub(1 << 12).is_some_and(|before| model.contains_key(&before));
                            prop_assert!(!continues || filled == Filled::MayContinue);
                            prop_assert!(continues || a % (1 << 16) == 0 || filled == Filled::Alone);
                        }
                    }
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
                prop_assert_eq!(pages.get_mut(&b), model.get_mut(&b));
                prop_assert_eq!(pages.first(a, b), model.range(a..b.max(a)).map(|(k, v)| (*k, v)).next());
                if b < 1000 << 12 {
                    prop_assert_eq!(pages.count(a, b), model.range(a..b.max(a)).count());
                }
                let run = (1..=40).take_while(|n| b.checked_sub(n << 12).is_some_and(|key| model.contains_key(&key))).count();
                prop_assert_eq!(pages.run_before(b, 40), run as u64);
                prop_assert_eq!(pages.run_before(b, 3), run.min(3) as u64);
                let off = pages.range(a + 1..).next().map(|(k, _)| k);
                prop_assert_eq!(off, model.range(a + 1..).next().map(|(k, _)| *k));
                prop_assert!(pages.regions.iter().all(|(_, region)| is_valid(region)), "PAGES-1, PAGES-2");
                let mut groups = pages.regions.iter().flat_map(|(_, region)| region.places.iter().flatten());
                prop_assert!(groups.all(|group| is_valid(group)), "PAGES-1, PAGES-2");
            }
        }
    }
}
