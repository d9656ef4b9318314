//! The checksum of a page: of its contents, whose they are, and which page it is, so that a block that a disk read from the
//! wrong place is found out as well as a damaged one.
//!
//! Each step is a bijection of the state and of the word, so a page of which a single word differs has another state at the
//! end; 32 bits of it are kept.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

/// An odd constant without a pattern: 2^64 divided by the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// A sum under way.
#[derive(Clone, Copy, Debug)]
pub struct Sum(u64);

impl Sum {
    /// The sum of a page of an object before its contents.
    #[must_use]
    pub const fn new(object: u64, page: u64) -> Self {
        Self(0).add(object).add(page)
    }

    /// With one word more.
    #[must_use]
    pub const fn add(self, word: u64) -> Self {
        Self((self.0 ^ word).wrapping_mul(MIX).rotate_left(29))
    }

    /// The sum.
    #[must_use]
    pub const fn finish(self) -> u32 {
        (self.0 ^ self.0 >> 32) as u32
    }
}

/// Copies words, as many as both have. Answers their sum.
pub fn copy(object: u64, page: u64, from: &[AtomicU64], to: &[AtomicU64]) -> u32 {
    let words = from.iter().zip(to);
    words
        .fold(Sum::new(object, page), |sum, (from, to)| {
            let word = from.load(Relaxed);
            to.store(word, Relaxed);
            sum.add(word)
        })
        .finish()
}

/// The sum of words.
#[must_use]
pub fn of(object: u64, page: u64, words: &[AtomicU64]) -> u32 {
    words.iter().fold(Sum::new(object, page), |sum, word| sum.add(word.load(Relaxed))).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
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
    }
}
