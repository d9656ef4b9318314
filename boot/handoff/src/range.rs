//! Ranges of physical memory, and a short list of them with a fixed layout.

use crate::MAX_RANGES;

/// A range of physical addresses.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhysRange {
    /// First address.
    pub base: u64,
    /// Length in bytes.
    pub size: u64,
}

impl PhysRange {
    /// The range that holds nothing.
    pub const EMPTY: Self = Self { base: 0, size: 0 };

    /// The range from `base` up to, not including, `end`; empty if `end` is not above `base`.
    pub const fn new(base: u64, end: u64) -> Self {
        Self { base, size: end.saturating_sub(base) }
    }

    /// The address after the last one. A range that would pass the top of the address space ends there.
    pub const fn end(&self) -> u64 {
        self.base.saturating_add(self.size)
    }

    /// Whether no address is in the range.
    pub const fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Whether some address is in both ranges.
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.size != 0 && other.size != 0 && self.base < other.end() && other.base < self.end()
    }

    /// Whether every address of `other` is in this range.
    pub const fn contains(&self, other: &Self) -> bool {
        other.size <= self.size && self.base <= other.base && other.end() <= self.end()
    }
}

/// Up to [`MAX_RANGES`] ranges, ascending and disjoint.
#[repr(C)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges {
    len: u64,
    items: [PhysRange; MAX_RANGES],
}

/// A list of ranges is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Ranges {
    /// The empty list.
    pub const EMPTY: Self = Self { len: 0, items: [PhysRange::EMPTY; MAX_RANGES] };

    /// The ranges, ascending. A count that exceeds the room (which `is_sorted` refuses) is cut.
    pub fn as_slice(&self) -> &[PhysRange] {
        let len = usize::try_from(self.len).unwrap_or(MAX_RANGES);
        self.items.get(..len).unwrap_or(&self.items)
    }

    /// Adds a range, merging it with those it touches or overlaps. An empty range adds nothing.
    ///
    /// # Errors
    /// [`Full`] if it would be one range too many; the list is as before then.
    pub fn insert(&mut self, range: PhysRange) -> Result<(), Full> {
        if range.is_empty() {
            return Ok(());
        }
        let mut merged = PhysRange::new(range.base, range.end());
        let mut next = Self::EMPTY;
        let mut is_in = false;
        for old in self.as_slice() {
            if old.end() < merged.base {
                next.push(*old)?;
            } else if merged.end() < old.base {
                if !is_in {
                    next.push(merged)?;
                    is_in = true;
                }
                next.push(*old)?;
            } else {
                merged = PhysRange::new(merged.base.min(old.base), merged.end().max(old.end()));
            }
        }
        if !is_in {
            next.push(merged)?;
        }
        *self = next;
        Ok(())
    }

    fn push(&mut self, range: PhysRange) -> Result<(), Full> {
        let len = usize::try_from(self.len).map_err(|_| Full)?;
        *self.items.get_mut(len).ok_or(Full)? = range;
        self.len += 1;
        Ok(())
    }

    /// Whether the list fits its room, holds no empty range and is ascending and disjoint.
    pub(crate) fn is_sorted(&self) -> bool {
        let items = self.as_slice();
        self.len == items.len() as u64
            && items.iter().all(|r| !r.is_empty() && r.base.checked_add(r.size).is_some())
            && items.iter().zip(items.iter().skip(1)).all(|(a, b)| a.end() <= b.base)
    }

    /// A list as it could come from elsewhere: taken as it is.
    #[cfg(test)]
    pub(crate) fn from_items(given: &[PhysRange]) -> Self {
        let mut list = Self { len: given.len() as u64, ..Self::EMPTY };
        list.items.iter_mut().zip(given).for_each(|(to, from)| *to = *from);
        list
    }
}
