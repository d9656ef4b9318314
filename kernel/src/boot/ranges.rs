//! Sets of physical ranges: what of the RAM is free, what of the address space is a device's.

use handoff::PhysRange;
use heapless::Vec;

/// Ranges in a set at most: twice what the boot stage can list, and what placing objects cuts up.
const CAPACITY: usize = 4 * handoff::MAX_RANGES;

/// A set has been cut into more ranges than it can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRanges;

/// Disjoint, ascending, non-empty ranges.
#[derive(Clone, Debug, Default)]
pub struct RangeSet(Vec<PhysRange, CAPACITY>);

impl RangeSet {
    /// The set of the addresses in `ranges`, which ascend and are disjoint.
    ///
    /// # Errors
    /// [`TooManyRanges`], as for all functions here.
    pub fn new(ranges: &[PhysRange]) -> Result<Self, TooManyRanges> {
        let mut set = Self(Vec::new());
        ranges.iter().try_for_each(|range| set.push(*range))?;
        Ok(set)
    }

    /// Adds a range that lies above all others; nothing if it is empty.
    ///
    /// # Errors
    /// [`TooManyRanges`].
    pub fn push(&mut self, range: PhysRange) -> Result<(), TooManyRanges> {
        if range.is_empty() {
            return Ok(());
        }
        self.0.push(range).map_err(|_| TooManyRanges)
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = PhysRange> + '_ {
        self.0.iter().copied()
    }

    /// Takes all addresses of `hole` out of the set.
    ///
    /// # Errors
    /// [`TooManyRanges`]; the set is as before then.
    pub fn remove(&mut self, hole: PhysRange) -> Result<(), TooManyRanges> {
        let mut left = Vec::new();
        for range in self.iter() {
            let parts = if range.overlaps(&hole) {
                [PhysRange::new(range.base, hole.base), PhysRange::new(hole.end(), range.end())]
            } else {
                [range, PhysRange::EMPTY]
            };
            for part in parts.into_iter().filter(|part| !part.is_empty()) {
                left.push(part).map_err(|_| TooManyRanges)?;
            }
        }
        self.0 = left;
        Ok(())
    }

    /// Takes the highest naturally aligned piece of `size` bytes, a power of two, out of the set.
    ///
    /// # Errors
    /// [`TooManyRanges`]; the set is as before then.
    pub fn take_highest(&mut self, size: u64) -> Result<Option<u64>, TooManyRanges> {
        let fits = |range: PhysRange| {
            let base = range.end().checked_sub(size)? / size * size;
            (base >= range.base).then_some(base)
        };
        let Some(base) = self.iter().rev().find_map(fits) else { return Ok(None) };
        self.remove(PhysRange { base, size })?;
        Ok(Some(base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ranges: &[(u64, u64)]) -> RangeSet {
        let ranges: std::vec::Vec<_> = ranges.iter().map(|(base, end)| PhysRange::new(*base, *end)).collect();
        RangeSet::new(&ranges).unwrap()
    }

    fn pairs(set: &RangeSet) -> std::vec::Vec<(u64, u64)> {
        set.iter().map(|range| (range.base, range.end())).collect()
    }

    #[test]
    fn removing_cuts_and_drops() {
        let mut ram = set(&[(0x1000, 0x5000), (0x8000, 0x9000)]);
        ram.remove(PhysRange::new(0x2000, 0x3000)).unwrap();
        assert_eq!(pairs(&ram), [(0x1000, 0x2000), (0x3000, 0x5000), (0x8000, 0x9000)]);
        ram.remove(PhysRange::new(0x4000, 0x8800)).unwrap();
        assert_eq!(pairs(&ram), [(0x1000, 0x2000), (0x3000, 0x4000), (0x8800, 0x9000)]);
        ram.remove(PhysRange::new(0, u64::MAX)).unwrap();
        assert!(pairs(&ram).is_empty());
    }

    #[test]
    fn removing_nothing_changes_nothing() {
        let mut ram = set(&[(0x1000, 0x5000)]);
        ram.remove(PhysRange::EMPTY).unwrap();
        ram.remove(PhysRange::new(0x5000, 0x6000)).unwrap();
        assert_eq!(pairs(&ram), [(0x1000, 0x5000)]);
    }

    #[test]
    fn highest_is_aligned_and_leaves_the_rest() {
        let mut ram = set(&[(0x1_0000, 0x5_0000), (0x6_1000, 0x6_3800)]);
        // Does not fit at 0x60000 or 0x62000: the piece must be aligned and inside.
        assert_eq!(ram.take_highest(0x2000).unwrap(), None.or(Some(0x4_e000)));
        assert_eq!(ram.take_highest(0x1000).unwrap(), Some(0x6_2000));
        assert_eq!(ram.take_highest(0x4_0000).unwrap(), None);
        assert_eq!(pairs(&ram), [(0x1_0000, 0x4_e000), (0x6_1000, 0x6_2000), (0x6_3000, 0x6_3800)]);
    }

    #[test]
    fn a_full_set_says_so_and_keeps_its_ranges() {
        let ranges: std::vec::Vec<_> =
            (0..CAPACITY as u64).map(|i| PhysRange { base: i * 0x1_0000, size: 0x8000 }).collect();
        let mut full = RangeSet::new(&ranges).unwrap();
        assert_eq!(full.remove(PhysRange { base: 0x1000, size: 0x1000 }), Err(TooManyRanges));
        assert_eq!(full.iter().count(), CAPACITY);
    }
}
