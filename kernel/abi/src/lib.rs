//! The seL4 16.0.0 MCS system-call interface for AArch64: numbers and layouts that kernel and user
//! code share, and nothing else.
//!
//! Every item says which C name it corresponds to, so that a search for `seL4_…` ends here. The crate
//! contains no `unsafe` code and no behaviour beyond packing and unpacking words.
//!
//! | module | fixes |
//! |---|---|
//! | [`syscall`] | system-call numbers |
//! | [`label`] | labels of object invocations, one table |
//! | [`message`] | the message-info word and the IPC buffer |
//! | [`rights`] | rights, VM attributes, CNode data, flag words |
//! | [`object`] | object types and sizes, kinds of capability, limits |
//! | [`error`] | error numbers and lookup failures |
//! | [`fault`] | fault labels and the words of their messages |
//! | [`bootinfo`] | boot information and the initial CSpace |
//! | [`registers`] | the order of registers in Read/WriteRegisters |
#![no_std]
#![forbid(unsafe_code)]

pub mod bootinfo;
pub mod error;
pub mod fault;
pub mod label;
pub mod message;
pub mod object;
pub mod registers;
pub mod rights;
pub mod syscall;

pub use bootinfo::{BootInfo, BootInfoHeader, InitSlot, SlotRegion, UntypedDesc};
pub use error::{ErrorCode, LookupFailure};
pub use fault::FaultLabel;
pub use label::InvocationLabel;
pub use message::{IpcBuffer, MessageInfo};
pub use object::{CapKind, ObjectType};
pub use rights::{CNodeCapData, CapRights, VmAttributes};
pub use syscall::Syscall;

/// A machine word. Corresponds to `seL4_Word`.
pub type Word = u64;

/// The name of a slot, resolved from a thread's root CNode. Corresponds to `seL4_CPtr`.
pub type CPtr = u64;
