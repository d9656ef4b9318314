//! Page arithmetic: the two ways in which Mach makes a range from an address and a size.

use crate::types::PAGE_SIZE;

/// `x` down to a page boundary.
#[must_use]
pub const fn trunc(x: u64) -> u64 {
    x & !(PAGE_SIZE - 1)
}

/// `x` up to a page boundary, modulo 2^64: 0 for anything in the last page of the address space.
#[must_use]
pub const fn round(x: u64) -> u64 {
    trunc(x.wrapping_add(PAGE_SIZE - 1))
}

/// Whether `x` is a multiple of the page size.
#[must_use]
pub const fn is_aligned(x: u64) -> bool {
    x & (PAGE_SIZE - 1) == 0
}

/// Why there is no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRange {
    /// The sum exceeds 2^64 - 1.
    Wraps,
    /// The sum lies in the last page of the address space, so its rounded end is 0.
    RoundsToZero,
}

/// A run of whole pages, `start <= end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl Range {
    /// Bytes in it.
    #[must_use]
    pub const fn size(self) -> u64 {
        self.end - self.start
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// The part of it within `other`; empty if there is none.
    #[must_use]
    pub fn clamp(self, other: Range) -> Range {
        let start = self.start.max(other.start);
        Range { start, end: self.end.min(other.end).max(start) }
    }
}

/// R-cover: every page that the bytes touch.
///
/// # Errors
/// The range wraps, or its end rounds to zero.
pub const fn cover(address: u64, size: u64) -> Result<Range, BadRange> {
    match address.checked_add(size) {
        None => Err(BadRange::Wraps),
        Some(end) if end != 0 && round(end) == 0 => Err(BadRange::RoundsToZero),
        Some(end) => Ok(Range { start: trunc(address), end: round(end) }),
    }
}

/// R-place: the size rounded on its own, from the page of the address.
///
/// # Errors
/// The range wraps, or its end rounds to zero.
pub const fn place(address: u64, size: u64) -> Result<Range, BadRange> {
    cover(trunc(address), size)
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: u64 = PAGE_SIZE;

    #[test]
    fn cover_and_place_differ_for_an_unaligned_start() {
        assert_eq!(place(0x1800, 0x1000), Ok(Range { start: 0x1000, end: 0x2000 }));
        assert_eq!(cover(0x1800, 0x1000), Ok(Range { start: 0x1000, end: 0x3000 }));
    }

    #[test]
    fn wraps_and_rounds_to_zero_are_told_apart() {
        assert_eq!(cover(1, u64::MAX), Err(BadRange::Wraps));
        assert_eq!(cover(0, u64::MAX), Err(BadRange::RoundsToZero));
        assert_eq!(cover(P, u64::MAX - P), Err(BadRange::RoundsToZero));
        assert_eq!(cover(0u64.wrapping_sub(P), P), Err(BadRange::Wraps));
        assert_eq!(place(0u64.wrapping_sub(P) + 5, P - 1), Err(BadRange::RoundsToZero));
        assert_eq!(cover(0, 0), Ok(Range { start: 0, end: 0 }));
    }
}
