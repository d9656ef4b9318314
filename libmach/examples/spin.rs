//! Two tasks that spin share the processor by their budgets: 6 ms and 3 ms of every 20 ms, so 2 : 1.
//!
//! Each counts its rounds in shared memory. The parent sleeps, and compares what both counted meanwhile.
//!
//! Budgets are time as the machine's clock shows it. On a board that is also what a task can compute in it. Under an
//! emulator the clock goes on while the host runs something else, so on a busy host either task may count less than
//! its budget is worth, and the tolerance is missed: the suite counts instructions instead (`counted`), where the
//! clock stands still with the machine.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};

use libmach::msg::Timeout;
use libmach::task::{Child, TaskEnd, fork, task_terminate};
use libmach::thread::{sleep, thread_cpu_time, thread_set_budget};
use libmach::vm::{PAGE_SIZE, VmInherit};
use libmach::{Region, Result, println};

libmach::entry!(main);

const PERIOD_US: u64 = 20_000;
const BUDGETS_US: [u64; 2] = [6_000, 3_000];
const MEASURE_MS: u32 = 4_000;
const TOLERANCE_PERCENT: u64 = 5;

/// The shared words: the start, and a count on a cache line of its own for each.
const GO: usize = 0;
const COUNTS: [usize; 2] = [16, 32];

fn main() -> Result<i32> {
    let notes = Region::allocate(PAGE_SIZE)?;
    notes.inherit(VmInherit::SHARE)?;
    let notes: &'static Region = Box::leak(Box::new(notes));
    let start = |index: usize| -> Result<Child> {
        let child = fork(move || spin(notes, COUNTS[index]))?;
        thread_set_budget(child.thread(), BUDGETS_US[index], PERIOD_US)?;
        Ok(child)
    };
    let children = [start(0)?, start(1)?];
    println!("two tasks spin, with {BUDGETS_US:?} of every {PERIOD_US} microseconds");
    notes.words()[GO].store(1, SeqCst);
    sleep(100);

    let rounds = |index: usize| notes.words()[COUNTS[index]].load(Relaxed);
    let measure = || -> Result<[u64; 4]> {
        let times = [thread_cpu_time(children[0].thread())?, thread_cpu_time(children[1].thread())?];
        Ok([rounds(0), rounds(1), times[0], times[1]])
    };
    let before = measure()?;
    sleep(MEASURE_MS);
    let after = measure()?;
    let [rounds_a, rounds_b, time_a, time_b] = core::array::from_fn(|index| after[index] - before[index]);

    let by_rounds = report("rounds", rounds_a, rounds_b);
    let by_time = report("processor time", time_a, time_b);
    let mut ended = true;
    for child in &children {
        task_terminate(child.task())?;
        ended &= child.wait(Timeout::Never)? == TaskEnd::Terminated;
    }
    println!("both were ended: {ended}");
    Ok(i32::from(!(by_rounds && by_time && ended)))
}

fn spin(notes: &Region, count: usize) -> i32 {
    let words = notes.words();
    while words[GO].load(SeqCst) == 0 {
        sleep(1);
    }
    loop {
        // This task alone writes the word.
        words[count].store(words[count].load(Relaxed) + 1, Relaxed);
    }
}

/// Whether the first has twice as much of what is measured as the second, within the tolerance.
fn report(what: &str, first: u64, second: u64) -> bool {
    let wanted = 2 * second;
    let good = second > 0 && first.abs_diff(wanted) * 100 <= wanted * TOLERANCE_PERCENT;
    if good {
        println!("by {what} they share 2 : 1 within {TOLERANCE_PERCENT} %");
    } else {
        println!("by {what} they do not share 2 : 1: {first} and {second}");
    }
    good
}
