//! The Mach kernel interface, in user mode: tasks, threads, ports and memory over seL4 capabilities.
//!
//! | module | holds |
//! |---|---|
//! | [`server`] | all state; a file for each family of calls, for faults, ends and operations |
//! | [`port`] | ports, rights, name spaces, queues and notifications, as pure logic |
//! | [`manager`] | what is queued for memory managers, and until when they may be silent |
//! | [`task`], [`thread`] | records of tasks and threads |
//! | [`exception`], [`handlers`] | what a thread did that it cannot go on after, and who is told |
//! | [`badge`] | who a message is from |
//! | [`pmap`], [`memory`] | translations; frames, kernel objects and slots, in chunks |
//! | [`hardware`] | both of them behind the traits that `vm` asks for |
//! | [`machine`] | what is asked of the kernel below; the program implements it, and so does a fake one for tests |
//! | [`clock`] | ticks |
//!
//! The virtual memory itself is the crate `vm`. `docs/architecture.md` walks a page through all of them.
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
