//! The root task's program: entry, and the order of the start.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod drivers;
#[cfg(target_os = "none")]
mod kernel;
#[cfg(target_os = "none")]
mod launch;
#[cfg(target_os = "none")]
mod log;
#[cfg(target_os = "none")]
mod names;
#[cfg(target_os = "none")]
mod process;
#[cfg(target_os = "none")]
mod programs;
#[cfg(target_os = "none")]
mod report;
#[cfg(target_os = "none")]
mod run;
#[cfg(target_os = "none")]
#[expect(unsafe_code, reason = "entry, the thread block, the boot archive and the panic handler")]
mod start;
#[cfg(target_os = "none")]
mod watch;

#[cfg(not(target_os = "none"))]
fn main() {}
