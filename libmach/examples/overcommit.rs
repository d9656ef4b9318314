//! More memory than there is: fills it, and looks whether it still holds what was put there.
//!
//! Argument: how many MiB, 64 without one. Every word of a page is made of the page's number, so a page that comes back from the paging area in
//! another's place is found out. All pages are looked at from the first to the last, then from the last to the first.
#![no_std]
#![no_main]

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use libmach::task::mach_task_self;
use libmach::vm::{PAGE_SIZE, vm_statistics};
use libmach::{KernReturn, Region, println};

libmach::entry!(main);

/// MiB without an argument.
const DEFAULT: u64 = 64;
/// The most MiB: more than any map has room for.
const MOST: u64 = 1 << 28;
const WORDS: usize = PAGE_SIZE as usize / 8;

/// What a word holds.
const fn wanted(page: usize, word: usize) -> u64 {
    (page as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ word as u64
}

/// How many words of a page are wrong.
fn wrong(page: usize, words: &[AtomicU64]) -> usize {
    words.iter().enumerate().filter(|(index, word)| word.load(Relaxed) != wanted(page, *index)).count()
}

fn main() -> Result<i32, KernReturn> {
    let megabytes = match libmach::args().nth(1) {
        None => DEFAULT,
        Some(text) => match text.parse() {
            Ok(megabytes @ 1..=MOST) => megabytes,
            _ => {
                println!("overcommit: `{text}` is not a number of MiB from 1 to {MOST}");
                return Ok(2);
            }
        },
    };
    let memory = Region::allocate(megabytes << 20)?;
    let pages = || memory.words().chunks(WORDS).enumerate();
    let count = pages().count();
    for (page, words) in pages() {
        words.iter().enumerate().for_each(|(index, word)| word.store(wanted(page, index), Relaxed));
        if page % (count / 4).max(1) == 0 {
            println!("filled {} of {count} pages", page);
        }
    }
    println!("filled all {count} pages");
    let forwards: usize = pages().map(|(page, words)| wrong(page, words)).sum();
    println!("forwards: {forwards} wrong");
    let backwards: usize = pages().rev().map(|(page, words)| wrong(page, words)).sum();
    println!("backwards: {backwards} wrong");
    let statistics = vm_statistics(mach_task_self())?;
    println!("{} page-ins, {} page-outs", statistics.pageins, statistics.pageouts);
    Ok(i32::from(forwards + backwards != 0))
}
