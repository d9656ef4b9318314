//! Anonymous memory that is paged out and comes back, on the machine: with a default pager that has page-out begin while
//! there is memory (`memory-pager`).
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::String;
use core::sync::atomic::Ordering::Relaxed;

use libmach::task::mach_task_self;
use libmach::vm::{PAGE_SIZE, VmStatisticsReply, vm_statistics};
use libmach::{KernReturn, Region, println};
use test_report::Line;

libmach::entry!(main);

/// What a case answers: why it failed.
type Outcome = Result<(), String>;

/// A case with its name.
type Case = (&'static str, fn() -> Outcome);

const CASES: &[Case] = &[
    ("paging.overcommit", more_than_may_be_in_use),
    ("paging.copies", three_versions_of_copied_memory),
    ("paging.statistics", counts_add_up),
    ("paging.existence", untouched_pages_are_zero),
    ("paging.comes_back", nothing_is_left),
];

/// Pages of the large piece: three times what may be in use.
const MANY: u64 = 3072;
/// Words of a page.
const WORDS: usize = (PAGE_SIZE / 8) as usize;

fn main() -> i32 {
    let mut failed = 0;
    for (name, run) in CASES {
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

fn told(what: &str) -> impl Fn(KernReturn) -> String + '_ {
    move |code| format!("{what}: {code:?}")
}

fn statistics() -> Result<VmStatisticsReply, String> {
    vm_statistics(mach_task_self()).map_err(told("vm_statistics"))
}

fn allocate(pages: u64) -> Result<Region, String> {
    Region::allocate(pages * PAGE_SIZE).map_err(told("vm_allocate"))
}

/// The words that a page holds in a version of its contents.
fn word(page: u64, version: u64, index: usize) -> u64 {
    (page << 20 ^ version << 56 ^ index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn fill(region: &Region, page: u64, version: u64) {
    let first = page as usize * WORDS;
    for (index, place) in region.words().iter().skip(first).take(WORDS).enumerate() {
        place.store(word(page, version, index), Relaxed);
    }
}

/// Whether all words of a page are of this version.
fn check(region: &Region, page: u64, version: u64) -> Outcome {
    let first = page as usize * WORDS;
    let words = region.words().iter().skip(first).take(WORDS).enumerate();
    let wrong = words.filter(|(index, place)| place.load(Relaxed) != word(page, version, *index)).count();
    if wrong == 0 { Ok(()) } else { Err(format!("page {page}, version {version}: {wrong} words are wrong")) }
}

/// Two orders, and again after every page was changed.
fn more_than_may_be_in_use() -> Outcome {
    let before = statistics()?;
    let region = allocate(MANY)?;
    for version in 0..2 {
        (0..MANY).for_each(|page| fill(&region, page, version));
        (0..MANY).rev().try_for_each(|page| check(&region, page, version))?;
        // 4097 has no factor in common with the number of pages, which is 3072.
        (0..MANY).map(|n| n * 4097 % MANY).try_for_each(|page| check(&region, page, version))?;
    }
    let after = statistics()?;
    let (outs, ins) = (after.pageouts - before.pageouts, after.pageins - before.pageins);
    println!("paging.overcommit: {MANY} pages, {outs} paged out, {ins} paged in");
    let least = 2 * (MANY as u32 - 1024);
    if outs < least || ins < least {
        return Err(format!("{outs} page-outs and {ins} page-ins are too few"));
    }
    Ok(())
}

/// I-DP 4: snapshots of one piece of memory, each written to afterwards, while others' pages push all of them out.
fn three_versions_of_copied_memory() -> Outcome {
    const PAGES: u64 = 300;
    let first = allocate(PAGES)?;
    (0..PAGES).for_each(|page| fill(&first, page, 1));
    let pressure = allocate(MANY / 2)?;
    let push = |version: u64| (0..MANY / 2).for_each(|page| fill(&pressure, page, version));
    push(10);
    let snapshot = |of: &Region| Region::read_from(mach_task_self(), of.address(), of.size()).map_err(told("vm_read"));
    let second = snapshot(&first)?;
    (0..PAGES).filter(|page| page % 3 == 0).for_each(|page| fill(&second, page, 2));
    push(11);
    let third = snapshot(&second)?;
    (0..PAGES).filter(|page| page % 2 == 0).for_each(|page| fill(&first, page, 3));
    (0..PAGES).filter(|page| page % 5 == 0).for_each(|page| fill(&third, page, 4));
    push(12);
    for page in 0..PAGES {
        let versions = [
            if page % 2 == 0 { 3 } else { 1 },
            if page % 3 == 0 { 2 } else { 1 },
            if page % 5 == 0 {
                4
            } else if page % 3 == 0 {
                2
            } else {
                1
            },
        ];
        for (region, version) in [&first, &second, &third].into_iter().zip(versions) {
            check(region, page, version)?;
        }
    }
    // The middle one goes; what the others saw through it stays.
    drop(second);
    push(13);
    for page in 0..PAGES {
        check(&first, page, if page % 2 == 0 { 3 } else { 1 })?;
        check(
            &third,
            page,
            if page % 5 == 0 {
                4
            } else if page % 3 == 0 {
                2
            } else {
                1
            },
        )?;
    }
    Ok(())
}

/// Every page is counted once.
fn counts_add_up() -> Outcome {
    let region = allocate(MANY / 2)?;
    (0..MANY / 2).for_each(|page| fill(&region, page, 5));
    let now = statistics()?;
    drop(region);
    if now.inactive_count == 0 || now.active_count == 0 || now.wire_count == 0 {
        return Err(format!("a queue is empty: {now:?}"));
    }
    let sum = |counts: &VmStatisticsReply| {
        counts.free_count + counts.active_count + counts.inactive_count + counts.wire_count
    };
    let later = statistics()?;
    // Page tables come and go.
    let apart = sum(&now).abs_diff(sum(&later));
    if apart > 64 { Err(format!("{apart} pages apart: {now:?}, {later:?}")) } else { Ok(()) }
}

/// I-DP 3: what nobody wrote to is zero, and nobody is asked for it.
fn untouched_pages_are_zero() -> Outcome {
    let region = allocate(MANY / 2)?;
    (0..MANY / 2).step_by(2).for_each(|page| fill(&region, page, 6));
    let pressure = allocate(MANY / 2)?;
    (0..MANY / 2).for_each(|page| fill(&pressure, page, 7));
    drop(pressure);
    let before = statistics()?.pageins;
    for page in (1..MANY / 2).step_by(2) {
        let first = page as usize * WORDS;
        if region.words().iter().skip(first).take(WORDS).any(|word| word.load(Relaxed) != 0) {
            return Err(format!("page {page} is not zero"));
        }
    }
    let asked = statistics()?.pageins - before;
    if asked > 64 {
        return Err(format!("{asked} page-ins for pages that were never written to"));
    }
    (0..MANY / 2).step_by(2).try_for_each(|page| check(&region, page, 6))
}

/// I-DP 6, 7: what is deallocated is free, here and at the pager.
fn nothing_is_left() -> Outcome {
    let usage = || libmach::memory_object::server_usage().map_err(told("server_usage"));
    let settled = || {
        libmach::thread::sleep(200);
        usage()
    };
    let mut seen = alloc::vec::Vec::new();
    for version in 0..3 {
        let region = allocate(MANY / 2)?;
        (0..MANY / 2).for_each(|page| fill(&region, page, version));
        let copy = Region::read_from(mach_task_self(), region.address(), region.size()).map_err(told("vm_read"))?;
        (0..MANY / 4).for_each(|page| fill(&region, page, version + 8));
        (MANY / 4..MANY / 2).try_for_each(|page| check(&copy, page, version))?;
        drop((region, copy));
        seen.push(settled()?);
    }
    match seen.as_slice() {
        [_, second, third]
            if (second.objects, second.associations, second.ports)
                == (third.objects, third.associations, third.ports) =>
        {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    }
}
