//! What the Mach server's calls and page faults cost, in instructions, from a task's side.
//!
//! It wants a machine whose virtual counter counts instructions (QEMU's `-icount shift=0`); `./justw bench mach` starts
//! it so. An operation's cost is all that the machine executes for it: task, library, kernel, server, manager. What each
//! is and how it is measured is in `docs/bench.md`.
//!
//! Arguments are filters: only operations whose name contains one of them run. The one argument `now` prints how many
//! instructions the machine has executed since its reset, and nothing else.
#![no_std]
#![no_main]

extern crate alloc;

use libmach::{Result, println};
use mach_sys::debug;
use test_report::Sample;

mod calls;
mod faults;
mod managed;
mod paging;

libmach::entry!(main);

/// How often each operation is measured, after once for what a first time costs.
const SAMPLES: usize = 3;

/// What an operation's measurement took.
struct Taken {
    ticks: u64,
    operations: u64,
}

impl Taken {
    /// What was counted by instructions.
    fn of_instructions(instructions: u64, operations: u64) -> Self {
        Self { ticks: instructions / instructions_per_tick(), operations }
    }
}

/// An instruction is a nanosecond.
fn instructions_per_tick() -> u64 {
    (1_000_000_000 / debug::counter_frequency().max(1)).max(1)
}

/// A measurement: the name of the operation, and what does it many times.
type Bench = (&'static str, fn() -> Result<Taken>);

/// All of them.
const ALL: [&[Bench]; 4] = [calls::ALL, faults::ALL, managed::ALL, paging::ALL];

fn main() -> Result<()> {
    let now = debug::virtual_counter();
    let filters = libmach::args().skip(1);
    if filters.clone().eq(["now"]) {
        report("boot.now", &Taken { ticks: now, operations: 1 });
        return Ok(());
    }
    let wanted = |name: &str| filters.clone().next().is_none() || filters.clone().any(|filter| name.contains(filter));
    for (name, bench) in ALL.iter().copied().flatten().filter(|(name, _)| wanted(name)) {
        bench()?;
        for _ in 0..SAMPLES {
            report(name, &bench()?);
        }
    }
    Ok(())
}

fn report(name: &str, taken: &Taken) {
    let instructions = taken.ticks * instructions_per_tick();
    println!("{}", Sample { name, instructions, operations: taken.operations });
}

/// The ticks that `act` takes.
fn ticks<T>(act: impl FnOnce() -> T) -> (u64, T) {
    let start = debug::virtual_counter();
    let result = act();
    (debug::virtual_counter() - start, result)
}
