//! Sums where there are no vector registers.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use crate::sums::{BLOCK, Sums, by_definition};

/// The sums of blocks.
pub(crate) fn sum(blocks: &[[AtomicU64; BLOCK]]) -> Sums {
    by_definition(blocks.as_flattened())
}

/// Copies blocks, of which there are as many on both sides, and answers their sums.
pub(crate) fn copy_and_sum(from: &[[AtomicU64; BLOCK]], to: &[[AtomicU64; BLOCK]]) -> Sums {
    let pairs = from.as_flattened().iter().zip(to.as_flattened());
    pairs.for_each(|(from, to)| to.store(from.load(Relaxed), Relaxed));
    sum(to)
}
