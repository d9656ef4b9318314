//! The checksum of a page: of its contents, whose they are, and which page it is, so that a block that a disk read from the
//! wrong place is found out as well as a damaged one.
//!
//! The contents are added up in [lanes](mach_sys::sums), for a fraction of an instruction a word, since every page that is paged
//! passes here twice. A change of one word changes a lane. Then each lane is a step that is a bijection of the state and
//! of the lane; 32 bits of the last state are kept.

use core::sync::atomic::AtomicU64;

use mach_sys::sums::{self, Sums};

/// An odd constant without a pattern: 2^64 divided by the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// One word more.
const fn add(state: u64, word: u64) -> u64 {
    let state = (state ^ word).wrapping_mul(MIX);
    state ^ state >> 32
}

/// The sum of a page of an object with these contents.
fn finish(object: u64, page: u64, contents: &Sums) -> u32 {
    contents.iter().fold(add(add(0, object), page), |state, lane| add(state, *lane)) as u32
}

/// Copies words, of which there are as many on both sides. Answers their sum.
pub fn copy(object: u64, page: u64, from: &[AtomicU64], to: &[AtomicU64]) -> u32 {
    finish(object, page, &sums::copy(from, to))
}

/// The sum of words.
#[must_use]
pub fn of(object: u64, page: u64, words: &[AtomicU64]) -> u32 {
    finish(object, page, &sums::sum(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::Ordering::Relaxed;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_changed_page_has_another_sum(at in 0..512_usize, bit in 0..64_u32, value: u64, object: u64, page: u64) {
            let words: Vec<AtomicU64> = (0..512).map(|index| AtomicU64::new(value.wrapping_mul(index))).collect();
            let copied: Vec<AtomicU64> = (0..512).map(|_| AtomicU64::new(0)).collect();
            let sum = copy(object, page, &words, &copied);
            prop_assert_eq!(of(object, page, &copied), sum);
            prop_assert_ne!(of(object, page + 1, &copied), sum);
            prop_assert_ne!(of(object ^ 1, page, &copied), sum);
            let word = copied[at].load(Relaxed);
            copied[at].store(word ^ 1 << bit, Relaxed);
            prop_assert_ne!(of(object, page, &copied), sum);
        }

        #[test]
        fn sectors_and_lines_that_change_places_show(one in 0..8_usize, other in 1..8_usize, words: [u64; 32], sector: bool) {
            // A sector has 64 words, a line 16.
            let part = if sector { 64 } else { 16 };
            let other = (one + other) % if sector { 8 } else { 4 };
            prop_assume!(one != other && one < 512 / part);
            let mut contents: Vec<u64> = (0..512).map(|index| words[index % 32].rotate_left(index as u32 / 7)).collect();
            let sum = |contents: &[u64]| of(1, 2, &contents.iter().map(|word| AtomicU64::new(*word)).collect::<Vec<_>>());
            let before = sum(&contents);
            let moved: Vec<u64> = contents[one * part..][..part].to_vec();
            prop_assume!(moved != contents[other * part..][..part]);
            contents.copy_within(other * part..(other + 1) * part, one * part);
            contents[other * part..][..part].copy_from_slice(&moved);
            prop_assert_ne!(sum(&contents), before);
        }
    }
}
