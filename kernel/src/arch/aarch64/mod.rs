//! AArch64: exceptions, translation tables, caches, the GIC, the virtual timer, two kinds of UART.

pub mod cache;
pub mod console;
mod fatal;
pub mod fpu;
mod gic;
pub mod irq;
mod mmu;
mod start;
pub mod timer;
mod vectors;

pub use fatal::halt;
pub use mmu::{pte, retire_asid, set_no_user_root, set_user_root, tlb};

/// Kernel-virtual minus physical address of the window on memory.
pub const PHYS_WINDOW: u64 = mmu::WINDOW_BASE;
/// Physical memory from here on is outside the window.
pub const PHYS_WINDOW_SIZE: u64 = mmu::WINDOW_SIZE;
