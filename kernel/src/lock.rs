//! The lock policy: one lock around the kernel, taken at the entry and given back at the exit.
//!
//! Holding it is what a `&mut Kernel` proves. With one core it is never contended; several cores
//! would change this file.
#![expect(unsafe_code, reason = "lets the kernel's state sit in a static; see docs/unsafe.md, zone lock")]

use crate::kernel::Kernel;

/// The kernel's state, once boot made it.
static KERNEL: spin::Mutex<Option<Kernel>> = spin::Mutex::new(None);

// SAFETY: what a Kernel refers to (kernel objects) is reached through it only (KOBJ-3), so it moves
// from core to core with the lock.
unsafe impl Send for Kernel {}

/// Puts `kernel` in charge.
pub fn install(kernel: Kernel) {
    *KERNEL.lock() = Some(kernel);
}

/// Enters the kernel.
///
/// # Panics
///
/// If there is none yet: nothing can trap before boot is done.
pub fn enter<R>(act: impl FnOnce(&mut Kernel) -> R) -> R {
    let mut kernel = KERNEL.lock();
    match kernel.as_mut() {
        Some(kernel) => act(kernel),
        None => panic!("a trap before the kernel was made"),
    }
}
