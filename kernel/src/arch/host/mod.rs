//! The second architecture: a workstation process, where an arena of ordinary memory plays RAM.
//!
//! Physical and kernel addresses coincide with addresses of the process. What the hardware would be
//! asked to do is recorded per test thread where a test wants to see it.

mod arena;
pub mod cache;
pub mod fpu;
pub mod timer;

pub use arena::Machine;

/// Kernel-virtual minus physical address of the window on memory.
pub const PHYS_WINDOW: u64 = 0;
