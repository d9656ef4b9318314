//! What the kernel's calls cost, in instructions: a plain seL4 root task, for every kernel with that interface.
//!
//! It wants a machine whose virtual counter counts instructions (QEMU's `-icount shift=0`) and listens to
//! semihosting, by which the samples leave; `./justw bench kernel` starts it so. What each operation is and how it is
//! measured is in `docs/bench.md`.
//!
//! | module | holds |
//! |---|---|
//! | [`start`] | entry, end |
//! | [`code`] | the loops in assembly that make the calls, and nothing but them |
//! | [`measure`] | timing a list of calls, printing the samples |
//! | [`objects`] | slots and memory |
//! | [`space`], [`worker`] | address spaces and threads to measure with |
//! | [`invocations`], [`making`], [`threads`], [`signals`], [`calls`], [`faults`], [`stays`] | the operations |
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

#[cfg(target_os = "none")]
mod calls;
#[cfg(target_os = "none")]
#[expect(unsafe_code, reason = "runs of system calls with nothing between them")]
mod code;
#[cfg(target_os = "none")]
mod faults;
#[cfg(target_os = "none")]
mod invocations;
#[cfg(target_os = "none")]
mod making;
#[cfg(target_os = "none")]
mod measure;
#[cfg(target_os = "none")]
mod objects;
#[cfg(target_os = "none")]
mod signals;
#[cfg(target_os = "none")]
mod space;
#[cfg(target_os = "none")]
#[expect(unsafe_code, reason = "entry, and the thread block")]
mod start;
#[cfg(target_os = "none")]
mod stays;
#[cfg(target_os = "none")]
mod threads;
#[cfg(target_os = "none")]
mod worker;

#[cfg(not(target_os = "none"))]
fn main() {}
