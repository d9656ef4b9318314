//! Cutting ranges of physical memory into untypeds (spec §6.8).

use handoff::PhysRange;
use sel4_abi::object::{MAX_UNTYPED_BITS, MIN_UNTYPED_BITS};

/// A piece of physical memory that one untyped capability will name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it starts; aligned to its size.
    pub base: u64,
    /// Its size is two to this power.
    pub size_bits: u32,
}

/// Cuts `range` greedily from its start: each piece is the largest that is aligned and fits.
///
/// Pieces are at most the largest untyped; what is smaller than the smallest is dropped.
pub fn cut(range: PhysRange) -> impl Iterator<Item = Piece> {
    let mut at = range.base.next_multiple_of(1 << MIN_UNTYPED_BITS);
    let end = range.end();
    core::iter::from_fn(move || {
        let fits = end.checked_sub(at)?.checked_ilog2()?;
        let aligned = if at == 0 { u64::BITS } else { at.trailing_zeros() };
        let size_bits = fits.min(aligned).min(MAX_UNTYPED_BITS);
        if size_bits < MIN_UNTYPED_BITS {
            return None;
        }
        let piece = Piece { base: at, size_bits };
        at += 1 << size_bits;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(base: u64, end: u64) -> std::vec::Vec<(u64, u32)> {
        cut(PhysRange::new(base, end)).map(|piece| (piece.base, piece.size_bits)).collect()
    }

    #[test]
    fn devices_of_the_virtual_board_as_measured() {
        // Spec §6.8: what lies around the two pages of its GICv2.
        assert_eq!(pieces(0, 0x800_0000), [(0, 27)]);
        assert_eq!(
            pieces(0x800_1000, 0x801_0000),
            [(0x800_1000, 12), (0x800_2000, 13), (0x800_4000, 14), (0x800_8000, 15)]
        );
        assert_eq!(
            pieces(0x801_1000, 0x4000_0000),
            [
                (0x801_1000, 12),
                (0x801_2000, 13),
                (0x801_4000, 14),
                (0x801_8000, 15),
                (0x802_0000, 17),
                (0x804_0000, 18),
                (0x808_0000, 19),
                (0x810_0000, 20),
                (0x820_0000, 21),
                (0x840_0000, 22),
                (0x880_0000, 23),
                (0x900_0000, 24),
                (0xa00_0000, 25),
                (0xc00_0000, 26),
                (0x1000_0000, 28),
                (0x2000_0000, 29),
            ]
        );
        assert_eq!(pieces(0x8000_0000, 1 << 40).first(), Some(&(0x8000_0000, 31)));
        assert_eq!(pieces(0x8000_0000, 1 << 40).last(), Some(&(0x80_0000_0000, 39)));
    }

    #[test]
    fn small_ends_are_dropped() {
        assert_eq!(pieces(0x1001, 0x102f), [(0x1010, 4)]);
        assert!(pieces(0x1000, 0x100f).is_empty());
        assert!(pieces(0x1000, 0x1000).is_empty());
        assert!(pieces(0x1008, 0x1004).is_empty());
    }

    #[test]
    fn pieces_have_a_largest_size() {
        assert_eq!(pieces(0, 1 << 48), [(0, 47), (1 << 47, 47)]);
    }

    proptest! {
        #[test]
        fn pieces_are_aligned_and_cover_all_but_the_ends(base in 0..1u64 << 48, size in 0..1u64 << 40) {
            let mut at = base.next_multiple_of(16);
            for piece in cut(PhysRange { base, size }) {
                prop_assert_eq!(piece.base, at);
                prop_assert_eq!(piece.base % (1 << piece.size_bits), 0);
                at += 1 << piece.size_bits;
            }
            prop_assert!(at <= (base + size).max(base.next_multiple_of(16)));
            prop_assert!(base + size < at + 16);
        }
    }
}
