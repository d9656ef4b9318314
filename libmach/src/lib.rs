//! The library of a Mach task on Tessera: Mach's calls under their names, and a small run-time system.
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//!
//! libmach::entry!(main);
//!
//! fn main() {
//!     libmach::println!("Hello from a task.");
//! }
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`vm`], [`port`], [`msg`], [`task`], [`thread`], [`exception`], [`host`] | the calls, with `Result` for `kern_return_t` |
//! | [`memory_object`] | memory objects: the calls, and a loop for their managers |
//! | [`region`] | memory that is owned: it is deallocated when the value goes |
//! | [`sync`] | a mutex over parking |
//! | [`names`], [`console`] | clients of the first servers; `print!`, `println!`, `eprintln!` |
//! | [`block`], [`fs`] | disks; files |
//! | [`loader`] | programs in ELF files made into tasks |
//! | [`programs`] | programs of the boot archive, started by root |
//! | [`rt`] | entry, arguments, heap, exit status |
//!
//! A failed call answers the code that Mach's manual names, as a [`KernReturn`]. A call whose target is no send
//! right answers [`KernReturn::SEND_INVALID_DEST`] without leaving the task. Sections such as "A.1" are those of
//! `spec/mach-vm.md` and `spec/mach-ports-tasks.md`.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod block;
pub mod console;
pub mod default_pager;
pub mod exception;
pub mod fs;
pub mod host;
pub mod loader;
pub mod memory_object;
pub mod msg;
pub mod names;
pub mod port;
pub mod programs;
#[expect(unsafe_code, reason = "views of memory that the Mach server mapped")]
pub mod region;
pub mod rpc;
#[expect(unsafe_code, reason = "entry points, the heap, views of the start block")]
pub mod rt;
pub mod sync;
pub mod task;
pub mod thread;
pub mod vm;

pub use mach_protocol::{KernResult as Result, KernReturn, PortName};
pub use region::Region;
pub use rt::{args, exit};
