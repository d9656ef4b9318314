//! What the kernel answers on a machine, asked by a root task: there is nothing between it and the system calls.
//!
//! One case for each row of each operation's table of checks, and cases for what operations do. The same program runs
//! on any kernel with seL4's interface; what the cases saw on seL4 itself is kept in `tests/golden`. Lines go to the
//! kernel's console, so this needs a kernel with the debug calls.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

#[cfg(target_os = "none")]
mod agent;
#[cfg(target_os = "none")]
mod asid;
#[cfg(target_os = "none")]
mod bootinfo;
#[cfg(target_os = "none")]
mod call;
#[cfg(target_os = "none")]
mod case;
#[cfg(target_os = "none")]
mod cnode;
#[cfg(target_os = "none")]
#[cfg(feature = "debug")]
mod debug;
#[cfg(target_os = "none")]
mod domain;
#[cfg(target_os = "none")]
mod donation;
#[cfg(target_os = "none")]
mod endpoint;
#[cfg(target_os = "none")]
mod fault;
#[cfg(target_os = "none")]
mod frame;
#[cfg(target_os = "none")]
mod irq;
#[cfg(target_os = "none")]
mod notification;
#[cfg(target_os = "none")]
mod order;
#[cfg(target_os = "none")]
mod page_table;
#[cfg(target_os = "none")]
mod prisoner;
#[cfg(target_os = "none")]
mod registers;
#[cfg(target_os = "none")]
#[cfg(not(feature = "debug"))]
mod release;
#[cfg(target_os = "none")]
mod reply;
#[cfg(target_os = "none")]
mod sched;
#[cfg(target_os = "none")]
mod siege;
#[cfg(target_os = "none")]
#[expect(unsafe_code, reason = "entry and the thread block, words of pages that cases map")]
mod start;
#[cfg(target_os = "none")]
mod tcb;
#[cfg(target_os = "none")]
mod time;
#[cfg(target_os = "none")]
mod trace;
#[cfg(target_os = "none")]
mod untyped;
#[cfg(target_os = "none")]
mod vspace;
#[cfg(target_os = "none")]
mod world;

/// All cases, by the object that they are about.
#[cfg(target_os = "none")]
const GROUPS: &[&[case::Case]] = &[
    untyped::CASES,
    cnode::CASES,
    tcb::CASES,
    sched::CASES,
    order::CASES,
    donation::CASES,
    time::CASES,
    domain::CASES,
    endpoint::CASES,
    notification::CASES,
    reply::CASES,
    fault::CASES,
    frame::CASES,
    page_table::CASES,
    vspace::CASES,
    asid::CASES,
    irq::CASES,
    registers::CASES,
    #[cfg(feature = "debug")]
    debug::CASES,
    #[cfg(not(feature = "debug"))]
    release::CASES,
    bootinfo::CASES,
    siege::CASES,
];

#[cfg(not(target_os = "none"))]
fn main() {}
