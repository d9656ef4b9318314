//! Page-out and page-in through the default pager, on a machine with 128 MiB of memory and a disk for paging.
//!
//! While everybody waits for the disk the machine has nothing to do, and its clock says nothing about instructions. So the
//! processor's own counter is asked here, which stands still meanwhile.

use core::sync::atomic::Ordering::Relaxed;

use libmach::task::mach_task_self;
use libmach::thread::sleep;
use libmach::vm::{PAGE_SIZE, vm_statistics};
use libmach::{Region, Result};
use mach_sys::debug;

use crate::{Bench, Taken};

pub(crate) const ALL: &[Bench] = &[("mach.page-out", || often(page_out)), ("mach.page-in", || often(page_in))];

/// How often each is done for a sample: when the disk is done differs, and with it who runs meanwhile.
const ROUNDS: usize = 3;

/// Several rounds taken together.
fn often(round: fn() -> Result<Taken>) -> Result<Taken> {
    (0..ROUNDS).try_fold(Taken { ticks: 0, operations: 0 }, |sum, _| {
        let Taken { ticks, operations } = round()?;
        Ok(Taken { ticks: sum.ticks + ticks, operations: sum.operations + operations })
    })
}

const WORDS_PER_PAGE: usize = PAGE_SIZE as usize / 8;
const MEGABYTE: u64 = 1 << 20;
/// Pages that are written while memory is plenty, to know what that costs.
const PLENTY: usize = (32 * MEGABYTE / PAGE_SIZE) as usize;
/// Pages of more than the machine has.
const LARGE: usize = (176 * MEGABYTE / PAGE_SIZE) as usize;
/// Of these, those that are written before others must go for each.
const FILLING: usize = (128 * MEGABYTE / PAGE_SIZE) as usize;
/// Pages that are out and are read: fewer than are out of the large memory, of which the first go first.
const READ: usize = (48 * MEGABYTE / PAGE_SIZE) as usize;

/// The instructions that the machine executes meanwhile.
fn instructions(act: impl FnOnce()) -> u64 {
    debug::start_instruction_counter();
    let before = debug::instructions();
    act();
    u64::from(debug::instructions().wrapping_sub(before))
}

/// Writes to the pages from `first` on, up to `end`.
fn write(memory: &Region, first: usize, end: usize) {
    let words = memory.words();
    (first..end).filter_map(|page| words.get(page * WORDS_PER_PAGE)).for_each(|word| word.store(1, Relaxed));
}

/// Writing to new pages while for each another must go, less the same while memory is plenty.
fn page_out() -> Result<Taken> {
    let memory = Region::allocate(LARGE as u64 * PAGE_SIZE)?;
    let plenty = instructions(|| write(&memory, 0, PLENTY));
    write(&memory, PLENTY, FILLING);
    let before = pageouts()?;
    let short = instructions(|| write(&memory, FILLING, LARGE));
    let filling = plenty * (LARGE - FILLING) as u64 / PLENTY as u64;
    Ok(Taken::of_instructions(short.saturating_sub(filling), pageouts()? - before))
}

/// Reading pages that are out, one behind the other, while memory is plenty; less the same when they are there.
fn page_in() -> Result<Taken> {
    let mut memory = Region::allocate(LARGE as u64 * PAGE_SIZE)?;
    write(&memory, 0, LARGE);
    // What came last is let go, and memory is plenty again.
    drop(memory.split_off(READ as u64 * PAGE_SIZE));
    sleep(100);
    let before = pageins()?;
    let words = memory.words();
    let read = || {
        let sum: u64 = (0..READ).filter_map(|page| words.get(page * WORDS_PER_PAGE)).map(|w| w.load(Relaxed)).sum();
        core::hint::black_box(sum);
    };
    let (out, again) = (instructions(read), instructions(read));
    Ok(Taken::of_instructions(out.saturating_sub(again), pageins()? - before))
}

fn pageouts() -> Result<u64> {
    Ok(vm_statistics(mach_task_self())?.pageouts.into())
}

fn pageins() -> Result<u64> {
    Ok(vm_statistics(mach_task_self())?.pageins.into())
}
