//! The Tessera capability kernel: the seL4 16.0.0 MCS interface for AArch64, written from its
//! specification.
//!
//! # Design rules
//!
//! 1. The kernel never allocates. Its objects live in memory that user code retyped from untyped
//!    capabilities; boot makes the first ones.
//! 2. Decoding checks everything and changes nothing; performing changes everything and cannot be
//!    refused. So a refused invocation leaves no trace.
//! 3. An operation is short, or has preemption points. A preempted operation is executed again from
//!    its `svc` instruction, so it leaves nothing half done that a second attempt would not finish.
//! 4. `unsafe` is confined to the zones that `docs/unsafe.md` lists. Above them a kernel object is
//!    reached through [`kobj::KRef`] and a `&Kernel`, which proves that the kernel is entered.
//! 5. Everything but exception entry, registers and caches also runs on the host, over an arena of
//!    ordinary memory ([`arch`]).
//!
//! # Modules, from the bottom up
//!
//! | module | holds |
//! |---|---|
//! | [`mem`] | addresses: physical, kernel, user |
//! | [`arch`] | what the processor does: registers, tables, caches, timer, interrupts |
//! | [`kobj`] | typed references to kernel objects, and how memory becomes one |
//! | [`cap`] | capabilities, slots, derivation, lookup, deletion |
//! | [`object`] | one module a kernel object: layout, invocations, destruction |
//! | [`sched`], [`ipc`], [`vspace`], [`irq`] | queues and time, messages, address spaces, interrupts |
//! | [`syscall`] | arguments, dispatch, replies |
//! | [`boot`] | the initial task |
//! | [`trap`], [`lock`] | entering and leaving the kernel |
//! | [`debug`] | what the kernel says for its own sake |
//! | [`kernel`], [`percpu`] | the state of the kernel |
//!
//! # Invariants
//!
//! Numbered in the module that keeps them: `KOBJ-*` ([`kobj`]), `CAP-*` ([`cap`]), `CDT-*`
//! ([`cap::cdt`]), `DEL-*` ([`cap::delete`]), `UT-*` ([`object::untyped`]), and so on per object.
#![no_std]

#[cfg(not(target_os = "none"))]
extern crate std;

pub mod arch;
pub mod boot;
pub mod cap;
pub mod debug;
pub mod error;
pub mod ipc;
pub mod irq;
pub mod kernel;
pub mod kobj;
pub mod lock;
pub mod mem;
pub mod object;
pub mod percpu;
pub mod sched;
pub mod syscall;
pub mod trap;
pub mod vspace;
#[cfg(test)]
mod world;

pub use kernel::Kernel;
