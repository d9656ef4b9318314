#![doc = include_str!("../README.md")]
//!
//! # Invariants
//!
//! Numbered in the module that keeps them: `KOBJ-*` ([`kobj`]), `CAP-*` ([`cap`]), `CDT-*`
//! ([`cap::cdt`]), `DEL-*` ([`cap::delete`]), `UT-*` ([`object::untyped`]), and so on per object.
#![no_std]

// The kernel's memcpy and memset.
extern crate mem_routines as _;
#[cfg(not(target_os = "none"))]
extern crate std;

pub mod arch;
pub mod boot;
pub mod cap;
pub mod debug;
pub mod error;
pub mod fastpath;
pub mod fpu;
pub mod ipc;
pub mod irq;
pub mod kernel;
pub mod kobj;
pub mod lock;
pub mod mem;
pub mod object;
pub mod percpu;
#[cfg(any(test, feature = "fuzzing"))]
#[expect(clippy::unwrap_used, reason = "what a test needs is there, or the test fails")]
pub mod prison;
pub mod sched;
pub mod syscall;
pub mod trap;
pub mod vspace;
#[cfg(any(test, feature = "fuzzing"))]
#[cfg_attr(not(test), expect(dead_code, reason = "tests use more of it than the prison"))]
#[expect(clippy::unwrap_used, reason = "what a test needs is there, or the test fails")]
mod world;

pub use kernel::Kernel;
