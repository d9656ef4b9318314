//! Tests of the default pager, from a task with the privileged host port. Argument: `areas`, with one paging area and one more
//! disk; `corrupt`, with a paging area that the task can write to behind the pager's back; `dies`; and with one more disk `two`,
//! `two-failing` (sectors of it fail) and `two-dying` (all of it does, after a while).
//!
//! Cases with a number are those of the specification (`spec/mach-memory-objects.md` I-DP).
#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::String;

use libmach::println;
use libmach::vm::wire_task;
use mach_protocol::boot::HOST_PRIV;
use test_report::Line;

mod areas;
mod corrupt;
mod dies;
mod objects;
mod sums;
mod support;
mod two;

libmach::entry!(main);

/// What a case answers: why it failed.
type Outcome = Result<(), String>;
/// A case with its name.
type Case = (&'static str, fn() -> Outcome);

fn main() -> i32 {
    // What the task itself needs stays in memory, whatever is paged out and lost.
    if let Err(code) = wire_task(HOST_PRIV) {
        println!("the task cannot be wired: {code}");
        return 1;
    }
    let cases: &[&[Case]] = match libmach::args().nth(1) {
        Some("corrupt") => &[corrupt::CASES],
        Some("dies") => &[dies::CASES],
        Some("two") => &[two::WELL],
        Some("two-failing") => &[two::FAILING],
        Some("two-dying") => &[two::DYING],
        _ => &[objects::CASES, areas::CASES, sums::CASES],
    };
    let mut failed = 0;
    for (name, run) in cases.iter().copied().flatten() {
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
