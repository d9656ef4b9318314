//! The architecture line: the list of names that an architecture provides.
//!
//! | name | what it is |
//! |---|---|
//! | `PHYS_WINDOW`, `PHYS_WINDOW_SIZE` | kernel-virtual minus physical address of the window on memory; its size |
//! | [`context::Context`] | the saved user registers of a thread; the same on both |
//! | [`types`] | the plain values that the others take |
//! | `fpu` | the saved FP/SIMD registers of a thread, and who may use them |
//! | `pte` | descriptors of translation tables; the same on both |
//! | `cache` | maintenance of kernel and user ranges |
//! | `tlb` | what is owed after a change of a table |
//! | `set_user_root`, `set_no_user_root`, `retire_asid` | the current address space |
//! | `timer` | the clock and its deadline |
//! | `irq` | mask, unmask, take, trigger, software-generated interrupts |
//! | `console` | one character out |
//! | `halt` | the end |
//!
//! `aarch64` is the machine. `host` has the same names over an arena that plays RAM, and records
//! what it was asked to do; it is built for the tests that run on a workstation.

pub mod context;
pub mod types;

pub use types::{Asid, CacheOp, Irq, SgiTarget, Trigger};

#[cfg(target_os = "none")]
#[expect(unsafe_code, reason = "system registers, caches, exceptions; see docs/unsafe.md, zone arch/aarch64")]
mod aarch64;
#[cfg(target_os = "none")]
pub use aarch64::*;

#[cfg(not(target_os = "none"))]
mod host;
#[cfg(not(target_os = "none"))]
pub use host::*;
