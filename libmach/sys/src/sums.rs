//! Sums over memory that others may write as well: what a checksum of a page is made of.
//!
//! Blocks of 64 words are added up in 16 lanes, in each line of 16 words shifted by one pair of lanes against the line before,
//! so that lines that change places show. Behind each block the lanes are added to 16 more, so that blocks that change places
//! show. A change of one word changes one sum in any case.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use crate::arch;

/// Words of a block.
pub const BLOCK: usize = 64;
/// Words of a line.
const LINE: usize = 16;
/// The lanes' sums, and the sums of these behind each block.
pub type Sums = [u64; 2 * LINE];

/// The sums of words.
#[must_use]
pub fn sum(words: &[AtomicU64]) -> Sums {
    let (blocks, rest) = words.as_chunks();
    let mut sums = arch::sum(blocks);
    add_block(&mut sums, rest);
    sums
}

/// Copies words, of which there are as many on both sides. Answers their sums.
pub fn copy(from: &[AtomicU64], to: &[AtomicU64]) -> Sums {
    let count = from.len().min(to.len());
    let [from, to] = [from, to].map(|words| words.get(..count).unwrap_or_default());
    let ((from, from_rest), (to, to_rest)) = (from.as_chunks(), to.as_chunks());
    let mut sums = arch::copy_and_sum(from, to);
    from_rest.iter().zip(to_rest).for_each(|(from, to)| to.store(from.load(Relaxed), Relaxed));
    add_block(&mut sums, to_rest);
    sums
}

/// The sums word by word: what [`sum`] answers, where there are vector registers and where there are none.
#[must_use]
pub fn by_definition(words: &[AtomicU64]) -> Sums {
    let mut sums = [0; 2 * LINE];
    words.chunks(BLOCK).for_each(|block| add_block(&mut sums, block));
    sums
}

/// Adds a block, of which the last may be a shorter one.
fn add_block(sums: &mut Sums, block: &[AtomicU64]) {
    if block.is_empty() {
        return;
    }
    let (lanes, behind) = sums.split_at_mut(LINE);
    for (index, word) in block.iter().enumerate() {
        let shifted = (index + index / LINE * 2) % LINE;
        if let Some(lane) = lanes.get_mut(shifted) {
            *lane = lane.wrapping_add(word.load(Relaxed));
        }
    }
    behind.iter_mut().zip(&*lanes).for_each(|(sum, lane)| *sum = sum.wrapping_add(*lane));
}
