//! seL4 16.0.0 (MCS) system calls for AArch64 user code: stubs, the IPC buffer, typed capability slots.
//!
//! The crate works on every kernel with that interface and holds no policy. It is the floor under libmach,
//! the servers and the tests of the kernel.
//!
//! | module | holds |
//! |---|---|
//! | [`cap`] | [`Cap<T>`], a typed slot, with one method per invocation |
//! | [`message`] | sending and receiving between threads |
//! | [`ipc_buffer`] | the calling thread's IPC buffer and thread block |
//! | [`error`] | what the kernel answers when it refuses |
//! | [`memory`] | loads that may fault |
//! | [`clock`] | the processor's counter, if the kernel lets user code read it |
//! | [`sums`] | what a checksum of a page is made of |
//! | [`bootinfo`] | what the kernel tells the first task |
//! | [`debug`] | the kernel's console, and the ways to end a run |
//!
//! `unsafe` is in `arch` (the `svc` instruction, the thread register, vector registers), in [`ipc_buffer`] (the buffer's
//! memory) and in [`bootinfo`] (the kernel's pages), and nowhere else.
#![cfg_attr(not(test), no_std)]

// For every program: its memcpy and memset.
extern crate mem_routines as _;

pub use sel4_abi as abi;
pub use sel4_abi::{CPtr, CapRights, MessageInfo, ObjectType, VmAttributes};

mod arch;
#[expect(unsafe_code, reason = "reads the pages that the kernel gives the first task")]
pub mod bootinfo;
pub mod cap;
pub mod clock;
pub mod debug;
pub mod error;
#[expect(unsafe_code, reason = "the IPC buffer is memory that the kernel writes")]
pub mod ipc_buffer;
pub mod memory;
pub mod message;
pub mod sums;

pub use cap::Cap;
pub use error::{Error, Result};
pub use message::{Badge, Message, Received, yield_now};
