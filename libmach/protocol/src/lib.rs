//! Mach's message ids, constants and wire types, shared by libmach and the servers.
//!
//! A call travels as one kernel message to the Mach server. Its label is Mach's routine id, message register 0
//! the name of the target, the others the arguments, a word each, in Mach's order. The reply's label is
//! the id + 100, its register 0 the `kern_return_t`, the others the results. A kernel error as the reply's label
//! means that the call never left: `MACH_SEND_INVALID_DEST`. Bulk data goes as address and length in the
//! caller's map.
//!
//! | module | holds |
//! |---|---|
//! | [`vm`], [`host`], [`task`], [`thread`], [`port`] | Mach's routines, a table a subsystem, and their constants |
//! | [`memory_object`] | memory objects: what their managers ask and are told |
//! | [`private`] | the calls of Tessera's own |
//! | [`message`] | `mach_msg` |
//! | [`exception`] | the message to an exception handler |
//! | [`block`] | disks: messages, and the rings that are shared with the driver |
//! | [`file`](mod@file) | files: messages of the file pager |
//! | [`default_pager`] | what the default pager is asked |
//! | [`service`] | messages of the name service and the console |
//! | [`start`] | how a task and its threads start |
//! | [`boot`] | what root leaves for the Mach server |
//! | [`call`] | all requests in one type, for the server |
//! | [`table`], [`wire`], [`kern_return`] | how tables are written, how values travel, return codes |
//!
//! Ids and numbers are those of `spec/mach-vm.md` F and `spec/mach-ports-tasks.md`. The tables register a
//! routine under every id that has its shape; libmach uses the first.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod block;
pub mod boot;
pub mod call;
pub mod default_pager;
pub mod exception;
pub mod file;
pub mod host;
pub mod kern_return;
pub mod memory_object;
pub mod message;
pub mod port;
pub mod private;
pub mod service;
pub mod start;
pub mod table;
pub mod task;
pub mod thread;
pub mod vm;
pub mod wire;

pub use call::Call;
pub use kern_return::{KernResult, KernReturn};
pub use table::Routine;

/// The name of a right in a task's name space, `mach_port_name_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortName(pub u32);

impl PortName {
    /// `MACH_PORT_NULL`: no right.
    pub const NULL: Self = Self(0);
    /// `MACH_PORT_DEAD`: a right whose port died.
    pub const DEAD: Self = Self(u32::MAX);

    /// Whether the name can denote a right.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.0 != 0 && self.0 != u32::MAX
    }
}
