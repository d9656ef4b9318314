//! What the pager's checksums are made of: in vector registers the same as word by word.

use alloc::format;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use mach_sys::sums::{BLOCK, by_definition, copy, sum};

use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[("pager.sums", vectors_add_up_as_words_do)];

/// Words of which each is another.
fn words(count: usize, seed: u64) -> Vec<AtomicU64> {
    let numbers = (1..).map(|index: u64| (index + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(index as u32));
    numbers.take(count).map(AtomicU64::new).collect()
}

fn vectors_add_up_as_words_do() -> Outcome {
    for (seed, count) in [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK, 3 * BLOCK + 5, 512].into_iter().enumerate() {
        let (from, to) = (words(count, seed as u64), words(count, 99));
        let expected = by_definition(&from);
        if sum(&from) != expected {
            return Err(format!("the sums of {count} words differ"));
        }
        if copy(&from, &to) != expected {
            return Err(format!("the sums of {count} words that are copied differ"));
        }
        if from.iter().zip(&to).any(|(from, to)| from.load(Relaxed) != to.load(Relaxed)) {
            return Err(format!("{count} words are not copied as they are"));
        }
    }
    Ok(())
}
