//! The lock policy: one lock around the kernel, held from the entry to the exit.
//!
//! Holding it is what a `&mut Kernel` proves. One core runs the kernel, with interrupts masked, and an exception in it is
//! fatal: so whoever comes from user mode is alone, and no word need be read or written to know it. [`Entered`] says where
//! somebody came from. Several cores would change this file.
#![expect(unsafe_code, reason = "lets the kernel's state sit in a static; see docs/unsafe.md, zone lock")]

use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::kernel::Kernel;

/// The kernel's state behind its lock.
struct Lock(UnsafeCell<MaybeUninit<Kernel>>);

// SAFETY: (1) what a Kernel refers to (kernel objects) is reached through it only (KOBJ-3), so it moves from core to
// core with the lock; (2) only the holder of an `Entered` is let in, and there is one at a time.
unsafe impl Sync for Lock {}

static KERNEL: Lock = Lock(UnsafeCell::new(MaybeUninit::uninit()));
/// Boot has made the state.
static IS_INSTALLED: AtomicBool = AtomicBool::new(false);

/// The kernel was entered, and nobody else is in it: good for one [`enter`].
#[derive(Debug)]
pub struct Entered(());

impl Entered {
    /// The kernel was entered from user mode.
    ///
    /// # Safety
    ///
    /// This exception came from EL0, and no other `Entered` was made for it that is still of use.
    #[inline(always)]
    #[must_use]
    pub const unsafe fn from_user() -> Self {
        Entered(())
    }
}

/// Puts `kernel` in charge, once, before anything can trap.
///
/// # Panics
///
/// If there is one already.
pub fn install(kernel: Kernel) -> Entered {
    if IS_INSTALLED.load(Relaxed) {
        panic!("a second kernel");
    }
    IS_INSTALLED.store(true, Relaxed);
    // SAFETY: boot does this, once, before the first thread runs, so nobody has entered; `MaybeUninit` drops nothing.
    unsafe { KERNEL.0.get().write(MaybeUninit::new(kernel)) };
    Entered(())
}

/// Enters the kernel.
#[inline(always)]
#[expect(clippy::pointers_in_nomem_asm_block, reason = "what the pointer leads to is not looked at")]
pub fn enter<R>(_: Entered, act: impl FnOnce(&mut Kernel) -> R) -> R {
    let mut place = KERNEL.0.get();
    // The compiler is not to know where it is: then what is used most is reached with one instruction from one register.
    // SAFETY: no instruction; the pointer stays what it was.
    unsafe { asm!("/* {0} */", inout(reg) place, options(nomem, nostack, preserves_flags)) };
    // SAFETY: the `Entered` says that nobody else is in the kernel until `act` returns.
    let kernel = unsafe { &mut *place };
    // SAFETY: user mode runs, and an `Entered` is there, only after `install` has written the state.
    act(unsafe { kernel.assume_init_mut() })
}
