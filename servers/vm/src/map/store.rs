//! The ordered container of a map's entries: sorted, disjoint, page aligned. It knows nothing of what an
//! entry means, except how to cut one in two.
//!
//! STORE-1: entries are page aligned, not empty, disjoint and sorted by their start.
//! STORE-2: every page in `[min, first_free)` is occupied, so a search for room may start at `first_free`.

use arena::SortedMap;

use super::entry::Entry;
use crate::range::Range;

/// The entries of one map, keyed by their start.
pub(crate) struct Store {
    entries: SortedMap<Entry>,
    first_free: u64,
}

impl Store {
    pub(crate) const fn new(min: u64) -> Self {
        Store { entries: SortedMap::new(), first_free: min }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry that contains `address`, with its start.
    #[inline]
    pub(crate) fn lookup(&self, address: u64) -> Option<(u64, &Entry)> {
        self.entries.floor(address).filter(|(_, entry)| address < entry.end)
    }

    #[inline]
    pub(crate) fn lookup_mut(&mut self, address: u64) -> Option<(u64, &mut Entry)> {
        self.entries.floor_mut(address).filter(|(_, entry)| address < entry.end)
    }

    /// The entry that contains `address`, else the first one above it.
    pub(crate) fn at_or_above(&self, address: u64) -> Option<(u64, &Entry)> {
        self.overlapping(Range { start: address, end: u64::MAX }).next()
    }

    /// The entries that touch `range`, in order, with their starts.
    pub(crate) fn overlapping(&self, range: Range) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.range_from_floor(range.start, range.end).skip_while(move |(_, entry)| entry.end <= range.start)
    }

    /// Changes the entries that touch `range`, in order, with their starts.
    pub(crate) fn change_overlapping(&mut self, range: Range, mut change: impl FnMut(u64, &mut Entry)) {
        self.entries.change_from_floor(range.start, range.end, |start, entry| {
            if entry.end > range.start {
                change(start, entry);
            }
        });
    }

    /// All entries in order.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.iter()
    }

    /// The entry that ends at `address`.
    pub(crate) fn ending_at(&self, address: u64) -> Option<(u64, &Entry)> {
        self.entries.floor(address.checked_sub(1)?).filter(|(_, entry)| entry.end == address)
    }

    /// The entry that ends at `address` and the one that begins there, if both are there.
    #[inline]
    pub(crate) fn meeting_at(&self, address: u64) -> Option<((u64, &Entry), &Entry)> {
        let (lower, (_, upper)) = self.entries.with_previous(address)?;
        (lower.1.end == address).then_some((lower, upper))
    }

    /// Adds an entry where nothing is.
    pub(crate) fn insert(&mut self, start: u64, entry: Entry) {
        debug_assert!(
            self.overlapping(Range { start, end: entry.end }).next().is_none(),
            "STORE-1: entries are disjoint"
        );
        self.note_occupied(start, entry.end);
        self.entries.insert(start, entry);
    }

    /// Learns that `[start, end)` is occupied now.
    pub(crate) fn note_occupied(&mut self, start: u64, end: u64) {
        if start <= self.first_free {
            self.first_free = self.first_free.max(end);
        }
    }

    /// Takes the entry that starts at `start`.
    pub(crate) fn remove(&mut self, start: u64) -> Option<Entry> {
        let entry = self.entries.remove(start)?;
        self.first_free = self.first_free.min(start);
        Some(entry)
    }

    /// Cuts the entry that contains `address` so that one starts there. Returns the entry that was made,
    /// whose object has one more reference now.
    pub(crate) fn clip(&mut self, address: u64) -> Option<&Entry> {
        let (start, entry) = self.lookup_mut(address)?;
        if start == address {
            return None;
        }
        let mut upper = entry.clone();
        entry.end = address;
        if let Some(backing) = &mut upper.backing {
            backing.offset = backing.offset.wrapping_add(address - start);
        }
        self.entries.insert(address, upper);
        self.entries.get(address)
    }

    /// Joins the entry that starts at `start` with the one behind it. The caller has seen that they can be one.
    pub(crate) fn join(&mut self, start: u64) -> Option<Entry> {
        let end = self.entries.get(start)?.end;
        let upper = self.entries.remove(end)?;
        if let Some(lower) = self.entries.get_mut(start) {
            lower.end = upper.end;
        }
        Some(upper)
    }

    /// Whether any page of the range is occupied.
    pub(crate) fn is_occupied(&self, range: Range) -> bool {
        self.overlapping(range).next().is_some()
    }

    /// Whether every page of the range is occupied.
    pub(crate) fn is_covered(&self, range: Range) -> bool {
        let mut next = range.start;
        for (start, entry) in self.overlapping(range) {
            if start > next {
                return false;
            }
            next = entry.end;
        }
        next >= range.end
    }

    /// The lowest free address at or above `from` where `size` bytes fit below `max` and no bit of `mask`
    /// is set.
    pub(crate) fn find_room(&mut self, from: u64, max: u64, size: u64, mask: u64) -> Option<u64> {
        self.advance_first_free();
        let mut at = next_unmasked(from.max(self.first_free), mask)?;
        loop {
            let end = at.checked_add(size).filter(|end| *end <= max)?;
            let Some((_, entry)) = self.entries.floor(end - 1).filter(|(_, entry)| entry.end > at) else {
                return Some(at);
            };
            at = next_unmasked(entry.end, mask)?;
        }
    }

    /// Restores STORE-2 as tightly as it goes.
    fn advance_first_free(&mut self) {
        while let Some((_, entry)) = self.lookup(self.first_free) {
            self.first_free = entry.end;
        }
    }

    #[cfg(test)]
    pub(crate) fn assert_valid(&self, bounds: Range) {
        use crate::range::is_aligned;
        let mut last = bounds.start;
        for (start, entry) in self.iter() {
            assert!(is_aligned(start) && is_aligned(entry.end), "STORE-1: aligned");
            assert!(start < entry.end, "STORE-1: not empty");
            assert!(start >= last, "STORE-1: sorted and disjoint");
            last = entry.end;
        }
        assert!(last <= bounds.end, "STORE-1: within bounds");
        assert!(
            self.is_covered(Range { start: bounds.start, end: self.first_free.max(bounds.start) }),
            "STORE-2: nothing free below first_free"
        );
    }
}

/// The smallest value at or above `from` that has no bit of `mask` set.
fn next_unmasked(from: u64, mask: u64) -> Option<u64> {
    let mut at = from;
    while at & mask != 0 {
        let bit = 63 - (at & mask).leading_zeros();
        at = (at >> bit).checked_add(1)?.checked_mul(1 << bit)?;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::entry::Attributes;

    #[test]
    fn next_unmasked_is_the_least() {
        for mask in [0u64, 1, 3, 0b1010, 0xf0, 0b101] {
            for from in 0..600u64 {
                let least = (from..).find(|x| x & mask == 0);
                assert_eq!(next_unmasked(from, mask), least, "{from} {mask}");
            }
        }
        assert_eq!(next_unmasked(1, u64::MAX), None);
        assert_eq!(next_unmasked(0x1000, 0xffff_ffff_0000_0000), Some(0x1000));
        assert_eq!(next_unmasked(0x1_0000_0000, 0xffff_ffff_0000_0000), None);
    }

    #[test]
    fn room_is_the_lowest_gap_that_fits() {
        let mut store = Store::new(0x1000);
        for start in [0x1000u64, 0x3000, 0x6000] {
            store.insert(start, Entry::anonymous(start + 0x1000, Attributes::new(), 0));
        }
        assert_eq!(store.find_room(0x1000, 0x10_0000, 0x1000, 0), Some(0x2000));
        assert_eq!(store.find_room(0x1000, 0x10_0000, 0x2000, 0), Some(0x4000));
        assert_eq!(store.find_room(0x1000, 0x10_0000, 0x3000, 0), Some(0x7000));
        assert_eq!(store.find_room(0x1000, 0x9000, 0x3000, 0), None);
        assert_eq!(store.find_room(0x5000, 0x9000, 0x1000, 0), Some(0x5000));
        assert_eq!(store.find_room(0x1000, 0x10_0000, 0x1000, 0x7fff), Some(0x8000));
        store.remove(0x1000);
        assert_eq!(store.find_room(0x1000, 0x10_0000, 0x1000, 0), Some(0x1000));
        store.assert_valid(Range { start: 0x1000, end: 0x10_0000 });
    }
}
