//! Files while memory is short: both pagers at work, on one disk or on two.

use core::sync::atomic::Ordering::Relaxed;

use libmach::fs::{self, File};
use libmach::task::mach_task_self;
use libmach::vm::{PAGE_SIZE, vm_statistics};
use libmach::{KernReturn, Region, thread};

use crate::{During, Outcome, check};

/// Bytes that are filled: more than the suite's machine has.
const FILLED: u64 = 140 << 20;
const WORDS_A_PAGE: usize = PAGE_SIZE as usize / 8;

/// A file is read again and again, and copied, while a thread fills more memory than there is and looks at it.
pub(crate) fn under_pressure() -> Outcome {
    let before = vm_statistics(mach_task_self()).during("asking for counts")?;
    let filler = thread::spawn(wrong_pages).during("starting a thread")?;
    let file = File::open("big").during("opening")?;
    let size = file.size().during("asking")?;
    let mut rounds = 0;
    while rounds == 0 || !filler.is_finished() {
        check_contents(&file, size)?;
        rounds += 1;
    }
    fs::copy("big", "The copy of it", |_, _| ()).during("copying")?;
    check_contents(&File::open("The copy of it").during("opening the copy")?, size)?;
    let wrong = filler.join().during("joining")?.during("filling")?;
    check(wrong == 0, "pages came back with something else")?;
    let after = vm_statistics(mach_task_self()).during("asking for counts")?;
    check(after.pageouts > before.pageouts && after.pageins > before.pageins, "nothing was paged")
}

/// Compares a file, by a mapping of its own, with what the host put there.
fn check_contents(file: &File, size: u64) -> Outcome {
    let memory = file.map(0, size).during("mapping")?;
    let wanted = |at: u64| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ size as u8;
    let wrong = memory.bytes().iter().zip(0..size).position(|(byte, at)| byte.load(Relaxed) != wanted(at));
    wrong.map_or(Ok(()), |at| Err(alloc::format!("byte {at} of {size} is another")))
}

/// Fills memory, and counts the pages that hold something else afterwards.
fn wrong_pages() -> Result<usize, KernReturn> {
    let memory = Region::allocate(FILLED)?;
    let pages = || memory.words().chunks(WORDS_A_PAGE).enumerate();
    let word = |page: usize, at: usize| (page as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at as u64;
    for (page, words) in pages() {
        words.iter().enumerate().for_each(|(at, cell)| cell.store(word(page, at), Relaxed));
    }
    let is_wrong = |(page, words): &(usize, &[core::sync::atomic::AtomicU64])| {
        words.iter().enumerate().any(|(at, cell)| cell.load(Relaxed) != word(*page, at))
    };
    Ok(pages().filter(is_wrong).count())
}
