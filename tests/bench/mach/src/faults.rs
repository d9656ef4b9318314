//! Page faults on a task's own memory. The same accesses to pages that are there are subtracted.

use core::sync::atomic::Ordering::Relaxed;

use libmach::port::mach_port_deallocate;
use libmach::task::{Memory, mach_task_self, task_create, task_terminate};
use libmach::vm::PAGE_SIZE;
use libmach::{Region, Result};

use crate::{Bench, Taken, ticks};

pub(crate) const ALL: &[Bench] = &[
    ("mach.zero-fill", zero_fill),
    ("mach.zero-fill.sequential", zero_fill_sequential),
    ("mach.copy-on-write", copy_on_write),
];

/// Pages of a region.
pub(crate) const PAGES: u64 = 256;
/// Pages that are touched here and there.
const SOME: u64 = 64;
const WORDS_PER_PAGE: usize = PAGE_SIZE as usize / 8;

/// Pages here and there: none is the neighbour of the one before.
pub(crate) fn scattered() -> impl Iterator<Item = usize> + Clone {
    (0..SOME).map(|index| (index * 151 % PAGES) as usize)
}

/// Every page in its place.
pub(crate) fn in_order() -> impl Iterator<Item = usize> + Clone {
    0..PAGES as usize
}

/// Writes to those pages.
fn write(region: &Region, pages: impl Iterator<Item = usize>) {
    let words = region.words();
    pages.filter_map(|page| words.get(page * WORDS_PER_PAGE)).for_each(|word| word.store(1, Relaxed));
}

/// Reads those pages.
pub(crate) fn read(region: &Region, pages: impl Iterator<Item = usize>) -> u64 {
    let words = region.words();
    pages.filter_map(|page| words.get(page * WORDS_PER_PAGE)).map(|word| word.load(Relaxed)).sum()
}

/// Times `act` on pages that it faults on, and again when they are there.
pub(crate) fn faulting(act: impl Fn(), operations: u64) -> Taken {
    let (first, ()) = ticks(&act);
    let (again, ()) = ticks(&act);
    Taken { ticks: first.saturating_sub(again), operations }
}

fn zero_fill() -> Result<Taken> {
    let memory = Region::allocate(PAGES * PAGE_SIZE)?;
    Ok(faulting(|| write(&memory, scattered()), SOME))
}

fn zero_fill_sequential() -> Result<Taken> {
    let memory = Region::allocate(PAGES * PAGE_SIZE)?;
    Ok(faulting(|| write(&memory, in_order()), PAGES))
}

/// On pages of which a new task has a copy.
fn copy_on_write() -> Result<Taken> {
    let memory = Region::allocate(PAGES * PAGE_SIZE)?;
    write(&memory, in_order());
    let copy = task_create(mach_task_self(), Memory::Inherited)?;
    let taken = faulting(|| write(&memory, scattered()), SOME);
    task_terminate(copy)?;
    mach_port_deallocate(mach_task_self(), copy)?;
    Ok(taken)
}

/// How many pages [`scattered`] has.
pub(crate) const fn scattered_count() -> u64 {
    SOME
}
