//! The lock policy: one lock around the kernel, taken at the entry and given back at the exit.
//!
//! Holding it is what a `&mut Kernel` proves. One core runs the kernel, with interrupts masked, so the lock is never
//! contended: a flag is enough, which loads and stores without a bus transaction. Several cores would change this file.
#![expect(unsafe_code, reason = "lets the kernel's state sit in a static; see docs/unsafe.md, zone lock")]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::kernel::Kernel;

/// The kernel's state behind its lock.
struct Lock {
    /// The state is there, and nobody has it.
    is_free: AtomicBool,
    /// The state, once boot made it.
    kernel: UnsafeCell<MaybeUninit<Kernel>>,
}

// SAFETY: (1) what a Kernel refers to (kernel objects) is reached through it only (KOBJ-3), so it moves from core to
// core with the lock; (2) whoever clears `is_free` is alone with it until it is set again, as only one core runs the
// kernel and nothing interrupts it there.
unsafe impl Sync for Lock {}

static KERNEL: Lock = Lock { is_free: AtomicBool::new(false), kernel: UnsafeCell::new(MaybeUninit::uninit()) };

/// Puts `kernel` in charge, once, before anything can trap.
pub fn install(kernel: Kernel) {
    // SAFETY: boot does this before the first thread runs, so nobody has entered; `MaybeUninit` drops nothing.
    unsafe { KERNEL.kernel.get().write(MaybeUninit::new(kernel)) };
    KERNEL.is_free.store(true, Relaxed);
}

/// Enters the kernel.
///
/// # Panics
///
/// If there is none yet, or it was entered already: nothing can trap before boot is done, nor in the kernel.
#[inline]
pub fn enter<R>(act: impl FnOnce(&mut Kernel) -> R) -> R {
    if !KERNEL.is_free.load(Relaxed) {
        panic!("a trap before the kernel was made, or in it");
    }
    KERNEL.is_free.store(false, Relaxed);
    // SAFETY: `is_free` was set, so nobody else has the state until it is set again.
    let kernel = unsafe { &mut *KERNEL.kernel.get() };
    // SAFETY: `is_free` was set, so `install` has written the state.
    let result = act(unsafe { kernel.assume_init_mut() });
    KERNEL.is_free.store(true, Relaxed);
    result
}
