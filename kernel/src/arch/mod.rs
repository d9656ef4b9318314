//! The architecture line: the list of names that an architecture provides.
//!
//! | name | what it is |
//! |---|---|
//! | `PHYS_WINDOW` | kernel-virtual minus physical address of the window on memory |
//! | [`context::Context`] | the saved user registers of a thread; the same on both |
//! | `fpu::FpuState` | the saved FP/SIMD registers of a thread |
//! | `cache` | maintenance of a kernel-virtual range |
//! | `tlb`, `set_vspace` | translation maintenance, the current address space |
//! | `timer` | the clock and its deadline |
//! | `gic` | mask, unmask, acknowledge, trigger, software-generated interrupts |
//! | `console` | one character out |
//!
//! `aarch64` is the machine. `host` has the same names over an arena that plays RAM, and records
//! what it was asked to do; it is built for the tests that run on a workstation.

pub mod context;

#[cfg(not(target_os = "none"))]
mod host;
#[cfg(not(target_os = "none"))]
pub use host::*;
