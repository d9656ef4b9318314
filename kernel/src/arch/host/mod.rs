//! The second architecture: a workstation process, where an arena of ordinary memory plays RAM.
//!
//! Physical and kernel addresses coincide with addresses of the process. What the hardware would be
//! asked to do is recorded per test thread where a test wants to see it.

mod arena;
pub mod cache;
pub mod console;
pub mod fpu;
pub mod irq;
#[path = "../aarch64/mmu/pte.rs"]
pub mod pte;
pub mod record;
pub mod timer;
pub mod tlb;

pub use arena::{Checkpoint, Machine};

use crate::arch::types::Asid;
use crate::mem::PhysAddr;

/// Kernel-virtual minus physical address of the window on memory.
pub const PHYS_WINDOW: u64 = 0;
/// Physical memory from here on is outside the window.
pub const PHYS_WINDOW_SIZE: u64 = 1 << 48;

/// Runs user mode on the tables at `root`, tagged with `asid`, from now on.
pub fn set_user_root(root: PhysAddr, asid: Asid) {
    record::note(record::Event::UserRoot(Some((root, asid))));
}

/// Leaves user mode without an address space.
pub fn set_no_user_root() {
    record::note(record::Event::UserRoot(None));
}

/// Takes `asid` out of use: its tables are not walked any more, its translations forgotten.
pub fn retire_asid(asid: Asid) {
    record::note(record::Event::RetireAsid(asid));
}

/// Stops for good.
///
/// # Panics
///
/// Always: a test that gets here has failed.
pub fn halt() -> ! {
    panic!("the kernel halted")
}
