//! The Mach kernel interface, in user mode: tasks, threads, ports and memory over seL4 capabilities.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod badge;
pub mod clock;
pub mod exception;
#[cfg(test)]
mod fake;
pub mod handlers;
pub mod hardware;
pub mod machine;
pub mod manager;
pub mod memory;
pub mod pmap;
pub mod port;
pub mod server;
pub mod task;
pub mod thread;
