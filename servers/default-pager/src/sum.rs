//! The checksum of a page: of its contents, whose they are, and which page it is, so that a block that a disk read from the
//! wrong place is found out as well as a damaged one.
//!
//! Each step is a bijection of the state and of the word, so a page of which a single word differs has another state at the
//! end; 32 bits of it are kept. A step is one instruction beside the load, since every page that is paged passes here twice.

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
        Self(self.0.wrapping_mul(MIX).wrapping_add(word))
    }

    /// The sum.
    #[must_use]
    pub const fn finish(self) -> u32 {
        ((self.0 ^ self.0 >> 32).wrapping_mul(MIX) >> 32) as u32
    }
}

/// Words that a turn of a loop does: a compiler does not unroll atomic accesses by itself.
const TURN: usize = 8;

/// Copies words, of which there are as many on both sides. Answers their sum.
pub fn copy(object: u64, page: u64, from: &[AtomicU64], to: &[AtomicU64]) -> u32 {
    let one = |sum: Sum, (from, to): (&AtomicU64, &AtomicU64)| {
        let word = from.load(Relaxed);
        to.store(word, Relaxed);
        sum.add(word)
    };
    let ((from, from_rest), (to, to_rest)) = (from.as_chunks::<TURN>(), to.as_chunks::<TURN>());
    let turns = from.iter().zip(to);
    let sum = turns.fold(Sum::new(object, page), |sum, (from, to)| from.iter().zip(to).fold(sum, one));
    from_rest.iter().zip(to_rest).fold(sum, one).finish()
}

/// The sum of words.
#[must_use]
pub fn of(object: u64, page: u64, words: &[AtomicU64]) -> u32 {
    let one = |sum: Sum, word: &AtomicU64| sum.add(word.load(Relaxed));
    let (turns, rest) = words.as_chunks::<TURN>();
    let sum = turns.iter().fold(Sum::new(object, page), |sum, words| words.iter().fold(sum, one));
    rest.iter().fold(sum, one).finish()
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
