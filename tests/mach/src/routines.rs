//! What the compiler calls to move and fill memory (`kernel/mem`), against rules about single bytes.
//!
//! Small lengths are tried at every alignment of both sides, or at every distance of what overlaps; those around the
//! rounds of the loops, and around a page, at some. What is wanted is looked up byte by byte, never copied: the compiler
//! would make a call to the routine under test of a loop that copies.

use alloc::boxed::Box;
use alloc::format;
use core::hint::black_box;

use crate::support::holds;
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("memory.copies_every_small_length_at_every_alignment", small_copies),
    ("memory.copies_long_ones", long_copies),
    ("memory.moves_every_small_length_by_every_distance", small_moves),
    ("memory.moves_long_ones", long_moves),
    ("memory.fills_every_small_length_at_every_alignment", small_fills),
    ("memory.fills_long_ones", long_fills),
];

/// Up to this length everything is tried: more than two rounds of the longest loop.
const SMALL: usize = 160;
/// The alignments there are: no routine tells more apart than what a pair of registers holds.
const ALIGNMENTS: usize = 16;
/// The farthest that small pieces are moved: more than two rounds of the loops for what overlaps.
const FAR: usize = 72;
/// Bytes of the buffers: more than a page, and room to see what is beyond.
const LEN: usize = 4096 + 512;

/// Bytes whose alignment is known.
#[repr(align(64))]
struct Buffer([u8; LEN]);

impl Buffer {
    fn filled(byte: impl Fn(usize) -> u8) -> Box<Self> {
        let mut buffer = Box::new(Self([0; LEN]));
        buffer.0.iter_mut().enumerate().for_each(|(at, place)| *place = byte(at));
        buffer
    }
}

/// What is at an index of a source: neighbours differ, and so do places some rounds apart.
fn pattern(at: usize) -> u8 {
    (at * 7 + at / 251 + 1) as u8
}

/// Lengths around the ends of rounds, of loops and of a page.
fn long_lengths() -> impl Iterator<Item = usize> {
    let middle = [511, 512, 513, 575, 576, 577, 767, 768, 769, 1000, 1023, 1024, 1025, 1087, 1088, 1089, 1279, 1280];
    let long = [1281, 1343, 1344, 1345, 1407, 1535, 1536, 2047, 2048, 2049, 2111, 2112, 2113, 4095, 4096];
    (SMALL + 1..290).chain(middle).chain(long)
}

/// Whether the first bytes of a buffer are what is wanted; all that a routine could reach are looked at.
fn looks_like(buffer: &Buffer, count: usize, wanted: impl Fn(usize) -> u8) -> bool {
    buffer.0.iter().take(count).enumerate().all(|(at, byte)| *byte == wanted(at))
}

fn copy(source: &Buffer, size: usize, from: usize, to: usize) -> Outcome {
    let reach = to + size + 64;
    let mut target = Buffer([0xee; LEN]);
    let (from, to, size) = black_box((from, to, size));
    target.0[to..to + size].copy_from_slice(&source.0[from..from + size]);
    let wanted = |at| if (to..to + size).contains(&at) { pattern(at - to + from) } else { 0xee };
    holds(&format!("{size} bytes from {from} to {to}"), looks_like(&target, reach, wanted))
}

fn small_copies() -> Outcome {
    let source = Buffer::filled(pattern);
    for size in 0..=SMALL {
        for from in 0..ALIGNMENTS {
            (0..ALIGNMENTS).try_for_each(|to| copy(&source, size, from, 32 + to))?;
        }
    }
    Ok(())
}

fn long_copies() -> Outcome {
    let source = Buffer::filled(pattern);
    for size in long_lengths() {
        for from in 0..8 {
            [0, 1, 3, 4, 8, 13].iter().try_for_each(|to| copy(&source, size, from, *to))?;
        }
    }
    Ok(())
}

/// Moves within a buffer that looks like the pattern, and makes it look so again.
fn shift(buffer: &mut Buffer, size: usize, from: usize, to: usize) -> Outcome {
    let reach = from.max(to) + size + 64;
    let (from, to, size) = black_box((from, to, size));
    buffer.0.copy_within(from..from + size, to);
    let wanted = |at| if (to..to + size).contains(&at) { pattern(at - to + from) } else { pattern(at) };
    let is_right = looks_like(buffer, reach, wanted);
    buffer.0.iter_mut().take(reach).enumerate().for_each(|(at, place)| *place = pattern(at));
    holds(&format!("{size} bytes from {from} to {to}"), is_right)
}

fn small_moves() -> Outcome {
    let mut buffer = Buffer::filled(pattern);
    for size in 0..=SMALL {
        for alignment in [0, 1, 3, 7, 8, 15] {
            let from = FAR + alignment;
            (from - FAR..=from + FAR).try_for_each(|to| shift(&mut buffer, size, from, to))?;
        }
    }
    Ok(())
}

fn long_moves() -> Outcome {
    let mut buffer = Buffer::filled(pattern);
    for size in long_lengths() {
        for by in [0, 1, 8, 15, 16, 31, 33, 64, 100] {
            shift(&mut buffer, size, by, 3)?;
            shift(&mut buffer, size, 3, by)?;
        }
    }
    Ok(())
}

fn fill(size: usize, at: usize, byte: u8) -> Outcome {
    let reach = at + size + 64;
    let mut buffer = Buffer([0xee; LEN]);
    let (at, size, byte) = black_box((at, size, byte));
    buffer.0[at..at + size].fill(byte);
    let wanted = |index| if (at..at + size).contains(&index) { byte } else { 0xee };
    holds(&format!("{size} bytes {byte:#x} at {at}"), looks_like(&buffer, reach, wanted))
}

fn small_fills() -> Outcome {
    for size in 0..=SMALL {
        for at in 32..32 + ALIGNMENTS {
            [0, 0x5a, 0xff].iter().try_for_each(|byte| fill(size, at, *byte))?;
        }
    }
    Ok(())
}

fn long_fills() -> Outcome {
    for size in long_lengths() {
        for at in 0..20 {
            [0, 0x5a].iter().try_for_each(|byte| fill(size, at, *byte))?;
        }
    }
    Ok(())
}
