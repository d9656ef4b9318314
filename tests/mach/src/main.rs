//! The conformance cases of `spec/mach-vm.md`, from a task's side.
//!
//! A case is named after its number: `vm_allocate.i01.07` is I.1-7; a host test of the harness holds the list of all
//! numbers against these names. Arguments of the task are filters: only cases whose name contains one of them run, but
//! `privileged` as the first stands for those of [`privileged`] instead. Those of memory objects, I-MO, are in
//! [`memory_object`].
#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::String;

use libmach::println;
use test_report::Line;

mod allocate;
mod attributes;
mod copy;
mod cow;
mod deallocate;
mod faults;
mod host;
mod inherit;
mod interpose;
mod lists;
mod map;
mod memory_object;
mod ports;
mod pressure;
mod privileged;
mod protect;
mod read;
mod region;
mod remap;
mod routines;
mod services;
mod support;
mod threads;
mod wire;
mod write;

libmach::entry!(main);

/// What a case answers: nothing, or what it saw instead of what it wanted.
type Outcome = Result<(), String>;

/// A case: its name and what it does.
type Case = (&'static str, fn() -> Outcome);

/// The first argument that stands for the cases of [`privileged`].
const PRIVILEGED: &str = "privileged";

/// Every case, by the sections of the specification.
const CASES: &[&[Case]] = &[
    allocate::CASES,
    deallocate::CASES,
    map::CASES,
    protect::CASES,
    inherit::CASES,
    read::CASES,
    write::CASES,
    copy::CASES,
    region::CASES,
    faults::CASES,
    cow::CASES,
    routines::CASES,
    services::CASES,
    interpose::CASES,
    lists::CASES,
    remap::CASES,
    attributes::CASES,
    wire::CASES,
    threads::CASES,
    ports::CASES,
    host::CASES,
];

fn main() -> i32 {
    let mut filters = libmach::args().skip(1).peekable();
    // With the privileged host port other cases run.
    let (calls, objects): (&[&[Case]], &[&[Case]]) = match filters.next_if_eq(&PRIVILEGED) {
        Some(_) => (&[privileged::CASES], &[]),
        None => (CASES, &memory_object::CASES),
    };
    let wanted = |name: &str| filters.clone().next().is_none() || filters.clone().any(|filter| name.contains(filter));
    let mut failed = 0;
    for (name, case) in calls.iter().chain(objects).copied().flatten() {
        if !wanted(name) {
            continue;
        }
        println!("{}", Line::Start(name));
        match case() {
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
