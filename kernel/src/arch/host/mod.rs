//! The second architecture: a workstation process, where an arena of ordinary memory plays RAM.
//!
//! Physical and kernel addresses coincide with addresses of the process. What the hardware would be
//! asked to do is recorded per test thread where a test wants to see it.

mod arena;
pub mod cache;
pub mod console;
pub mod fpu;
pub mod timer;

pub use arena::Machine;

/// Kernel-virtual minus physical address of the window on memory.
pub const PHYS_WINDOW: u64 = 0;

/// Stops for good.
///
/// # Panics
///
/// Always: a test that gets here has failed.
pub fn halt() -> ! {
    panic!("the kernel halted")
}
