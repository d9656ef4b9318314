//! Tests of paging to a disk, from a task. Argument: `whole`, `small` or `failing`, which says what the paging area is.
//!
//! Cases with a number are those of the specification (`spec/mach-memory-objects.md` I-DP).
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use libmach::exception::catch;
use libmach::msg::Timeout;
use libmach::task::{TaskEnd, fork};
use libmach::vm::PAGE_SIZE;
use libmach::{KernReturn, Region, default_pager, println, thread};
use test_report::Line;

libmach::entry!(main);

const WORDS: usize = PAGE_SIZE as usize / 8;
const MEGABYTE: u64 = 1 << 20;

/// What a case answers: why it failed.
type Outcome = Result<(), String>;
/// A case with its name.
type Case = (&'static str, fn() -> Outcome);

fn main() -> i32 {
    let cases: &[Case] = match libmach::args().nth(1) {
        Some("small") => &[("paging.i-dp.15", out_of_space)],
        Some("failing") => &[("paging.i-dp.16-17", failing_sectors)],
        _ => &[("paging.i-dp.04", three_versions), ("paging.i-dp.06", space_comes_back)],
    };
    let mut failed = 0;
    for (name, run) in cases {
        println!("{}", Line::Start(name));
        match run() {
            Ok(()) => println!("{}", Line::Pass(name)),
            Err(why) => {
                failed += 1;
                println!("{}", Line::Fail(name, &why));
            }
        }
    }
    println!("{}", Line::Done);
    i32::from(failed != 0)
}

fn said(what: &'static str) -> impl Fn(KernReturn) -> String {
    move |code| format!("{what}: {code:?}")
}

/// What a word of a page of a version holds.
const fn wanted(version: u64, page: usize, word: usize) -> u64 {
    (page as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(version << 56) ^ word as u64
}

fn fill(version: u64, page: usize, words: &[AtomicU64]) {
    words.iter().enumerate().for_each(|(index, word)| word.store(wanted(version, page, index), Relaxed));
}

fn holds(version: u64, page: usize, words: &[AtomicU64]) -> bool {
    words.iter().enumerate().all(|(index, word)| word.load(Relaxed) == wanted(version, page, index))
}

/// A parent and a child that write to different pages of what they have in common, all of it more than there is memory.
fn three_versions() -> Outcome {
    const COMMON: u64 = 1;
    const CHILD: u64 = 2;
    const PARENT: u64 = 3;
    let memory = Region::allocate(64 * MEGABYTE).map_err(said("vm_allocate"))?;
    let memory: &'static Region = alloc::boxed::Box::leak(alloc::boxed::Box::new(memory));
    let pages = || memory.words().chunks(WORDS).enumerate();
    pages().for_each(|(page, words)| fill(COMMON, page, words));
    let child = fork(move || {
        let pages = || memory.words().chunks(WORDS).enumerate();
        pages().filter(|(page, _)| page % 2 == 1).for_each(|(page, words)| fill(CHILD, page, words));
        let version = |page: usize| if page % 2 == 1 { CHILD } else { COMMON };
        i32::from(!pages().all(|(page, words)| holds(version(page), page, words)))
    })
    .map_err(said("fork"))?;
    pages().filter(|(page, _)| page.is_multiple_of(3)).for_each(|(page, words)| fill(PARENT, page, words));
    let version = |page: usize| if page.is_multiple_of(3) { PARENT } else { COMMON };
    let wrong = pages().filter(|(page, words)| !holds(version(*page), *page, words)).count();
    let end = child.wait(Timeout::Never).map_err(said("waiting for the child"))?;
    match (wrong, end) {
        (0, TaskEnd::Exited { status: 0 }) => Ok(()),
        other => Err(format!("pages that are wrong in the parent, and the child: {other:?}")),
    }
}

/// Fills more than there is memory, and lets it go.
fn fill_and_let_go() -> Outcome {
    let memory = Region::allocate(128 * MEGABYTE).map_err(said("vm_allocate"))?;
    memory.words().chunks(WORDS).enumerate().for_each(|(page, words)| fill(0, page, words));
    Ok(())
}

/// Space that is free as soon as it stays the same for a moment.
fn settled() -> Result<u64, String> {
    let free = || default_pager::info().map(|info| info.free_space).map_err(said("default_pager_info"));
    let (mut last, mut same) = (free()?, 0);
    while same < 5 {
        thread::sleep(100);
        let now = free()?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}

fn space_comes_back() -> Outcome {
    /// Pages of this task's own that may be out after the second time, and were not after the first.
    const OWN: u64 = 64;
    fill_and_let_go()?;
    let before = settled()?;
    fill_and_let_go()?;
    let during = default_pager::info().map_err(said("default_pager_info"))?;
    let after = settled()?;
    if after + OWN * PAGE_SIZE < before {
        return Err(format!("{before} bytes were free, and {after} are afterwards ({during:?} at first)"));
    }
    Ok(())
}

/// What happened to a page that was touched.
#[derive(Debug, PartialEq, Eq)]
enum Touched {
    Right,
    Wrong,
    /// The exception's code.
    Failed(i32),
}

/// Does something to the pages from `first` on, until one raises an exception. Answers that page and the exception's code.
fn until_failure(
    memory: &Region,
    first: usize,
    then: impl Fn(usize, &[AtomicU64]) -> bool + Send + Sync,
) -> (usize, Touched) {
    let at = AtomicU64::new(first as u64);
    let caught = catch(|| {
        for (page, words) in memory.words().chunks(WORDS).enumerate().skip(first) {
            at.store(page as u64, Relaxed);
            if !then(page, words) {
                return false;
            }
        }
        at.store(u64::MAX, Relaxed);
        true
    });
    let page = at.load(Relaxed) as usize;
    match caught {
        Ok(Ok(true)) => (page, Touched::Right),
        Ok(Ok(false)) => (page, Touched::Wrong),
        Ok(Err(raised)) => (page, Touched::Failed(raised.code)),
        Err(code) => (page, Touched::Failed(code.0)),
    }
}

/// With a paging area that is too small the one who needs memory is told; what is there stays, and freeing helps.
fn out_of_space() -> Outcome {
    // Somebody who needs no new memory notices nothing.
    let bystander = fork(|| {
        let Ok(own) = Region::allocate(MEGABYTE) else { return 1 };
        let pages = || own.words().chunks(WORDS).enumerate();
        pages().for_each(|(page, words)| fill(9, page, words));
        for _ in 0..40 {
            thread::sleep(50);
            if !pages().all(|(page, words)| holds(9, page, words)) {
                return 2;
            }
        }
        0
    })
    .map_err(said("fork"))?;
    let memory = Region::allocate(256 * MEGABYTE).map_err(said("vm_allocate"))?;
    let (full, why) = until_failure(&memory, 0, |page, words| {
        fill(5, page, words);
        true
    });
    if why != Touched::Failed(KernReturn::RESOURCE_SHORTAGE.0) {
        return Err(format!("page {full} ended by {why:?}"));
    }
    println!("space for {full} pages");
    let all = memory.words().chunks(WORDS).enumerate().take(full);
    let wrong = all.filter(|(page, words)| !holds(5, *page, words)).count();
    if wrong != 0 {
        return Err(format!("{wrong} pages are wrong"));
    }
    match bystander.wait(Timeout::Never) {
        Ok(TaskEnd::Exited { status: 0 }) => {}
        other => return Err(format!("the bystander: {other:?}")),
    }
    drop(memory);
    let memory = Region::allocate(32 * MEGABYTE).map_err(said("vm_allocate"))?;
    let again = until_failure(&memory, 0, |page, words| {
        fill(6, page, words);
        true
    });
    if again.1 == Touched::Right { Ok(()) } else { Err(format!("after freeing: {again:?}")) }
}

/// Some sectors of the paging area fail: their pages are errors, and all others what they were.
fn failing_sectors() -> Outcome {
    let memory = Region::allocate(160 * MEGABYTE).map_err(said("vm_allocate"))?;
    memory.words().chunks(WORDS).enumerate().for_each(|(page, words)| fill(7, page, words));
    let (mut page, mut lost) = (0, 0);
    loop {
        let (at, how) = until_failure(&memory, page, |page, words| holds(7, page, words));
        match how {
            Touched::Right => break,
            Touched::Failed(code) if code == KernReturn::MEMORY_ERROR.0 => {
                lost += 1;
                page = at + 1;
            }
            other => return Err(format!("page {at}: {other:?}")),
        }
    }
    println!("{lost} pages lost");
    if (1..=3).contains(&lost) { Ok(()) } else { Err(format!("{lost} pages are lost, by three sectors")) }
}
