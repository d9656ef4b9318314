//! What the compiler calls to move and fill memory, against loops over bytes (`kernel/mem`).

use alloc::format;
use alloc::vec::Vec;
use core::hint::black_box;

use crate::support::holds;
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("memory.copies_every_size_at_every_alignment", copies),
    ("memory.moves_what_overlaps", moves),
    ("memory.fills_every_size_at_every_alignment", fills),
];

/// Bytes of the buffers: more than a page, and room to see what is beyond.
const LEN: usize = 4096 + 256;
/// Every size up to a few rounds of the longest loop, and some that end just there.
fn sizes() -> impl Iterator<Item = usize> {
    (0..280).chain([511, 512, 513, 575, 576, 577, 767, 768, 769, 1000, 1024, 2047, 4095, 4096])
}

fn pattern() -> Vec<u8> {
    (0..LEN).map(|index| (index * 7 + index / 251 + 1) as u8).collect()
}

fn copies() -> Outcome {
    let source = pattern();
    for size in sizes() {
        for (from, to) in (0..8).flat_map(|from| [0, 1, 3, 4, 8, 13].map(|to| (from, to))) {
            let mut copy = Vec::from([0xee; LEN]);
            let (from, to, size) = black_box((from, to, size));
            copy[to..to + size].copy_from_slice(&source[from..from + size]);
            let good = copy.iter().enumerate().all(|(at, byte)| {
                let wanted = if (to..to + size).contains(&at) { source[at - to + from] } else { 0xee };
                *byte == wanted
            });
            holds(&format!("{size} bytes from {from} to {to}"), good)?;
        }
    }
    Ok(())
}

fn moves() -> Outcome {
    let source = pattern();
    for size in sizes() {
        for (from, to) in [0, 1, 8, 15, 16, 31, 33, 64, 100].into_iter().flat_map(|by| [(by, 3), (3, by)]) {
            let mut moved = source.clone();
            let (from, to, size) = black_box((from, to, size));
            moved.copy_within(from..from + size, to);
            let good = moved.iter().enumerate().all(|(at, byte)| {
                let wanted = if (to..to + size).contains(&at) { source[at - to + from] } else { source[at] };
                *byte == wanted
            });
            holds(&format!("{size} bytes from {from} to {to}"), good)?;
        }
    }
    Ok(())
}

fn fills() -> Outcome {
    for size in sizes() {
        for (at, byte) in (0..20).flat_map(|at| [(at, 0), (at, 0x5a)]) {
            let mut filled = Vec::from([0xee; LEN]);
            let (at, size, byte) = black_box((at, size, byte));
            filled[at..at + size].fill(byte);
            let good = filled
                .iter()
                .enumerate()
                .all(|(index, found)| *found == if (at..at + size).contains(&index) { byte } else { 0xee });
            holds(&format!("{size} bytes at {at}"), good)?;
        }
    }
    Ok(())
}
