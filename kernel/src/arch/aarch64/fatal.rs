//! Exceptions that nobody can handle: the kernel panics with what the processor says.

use core::arch::asm;
use core::cell::UnsafeCell;

use aarch64_cpu::registers::{ELR_EL1, ESR_EL1, FAR_EL1, Readable, SPSR_EL1};

/// Size of the kernel's one stack. The kernel does not recurse, so its depth is bounded.
const KERNEL_STACK_SIZE: usize = 32 * 1024;
/// Size of the stack on which fatal exceptions are reported.
const EMERGENCY_STACK_SIZE: usize = 4 * 1024;

/// Memory that is only ever used through the stack pointer. Below it is a page that stays unmapped.
#[repr(C, align(4096))]
pub(super) struct Stack<const SIZE: usize> {
    guard: [u8; GUARD_SIZE],
    memory: UnsafeCell<[u8; SIZE]>,
}

/// Size of a guard page.
const GUARD_SIZE: usize = 4096;
/// From a stack's address to its end, where the stack pointer starts.
pub(super) const KERNEL_STACK_END: usize = GUARD_SIZE + KERNEL_STACK_SIZE;
/// The same for the stack of last resort.
pub(super) const EMERGENCY_STACK_END: usize = GUARD_SIZE + EMERGENCY_STACK_SIZE;

impl<const SIZE: usize> Stack<SIZE> {
    const fn new() -> Self {
        Self { guard: [0; GUARD_SIZE], memory: UnsafeCell::new([0; SIZE]) }
    }
}

// SAFETY: no Rust code reads or writes a stack through this type.
unsafe impl<const SIZE: usize> Sync for Stack<SIZE> {}

/// The kernel's stack.
pub(super) static KERNEL_STACK: Stack<KERNEL_STACK_SIZE> = Stack::new();
/// The stack of last resort.
pub(super) static EMERGENCY_STACK: Stack<EMERGENCY_STACK_SIZE> = Stack::new();

/// The addresses of the pages below the stacks, which are not mapped.
pub(super) fn guard_pages() -> [u64; 2] {
    [(&raw const KERNEL_STACK.guard).addr() as u64, (&raw const EMERGENCY_STACK.guard).addr() as u64]
}

/// An exception came from the kernel itself, or from AArch32 (spec §5.10).
pub(super) extern "C" fn exception_in_kernel(vector: u64) -> ! {
    panic!(
        "exception {vector} in the kernel: esr {:#x} far {:#x} elr {:#x} spsr {:#x}",
        ESR_EL1.get(),
        FAR_EL1.get(),
        ELR_EL1.get(),
        SPSR_EL1.get(),
    )
}

/// An SError came from user mode: memory or a device failed, and nobody can say whose it was.
pub(super) fn serror() -> ! {
    panic!("SError: esr {:#x} elr {:#x}", ESR_EL1.get(), ELR_EL1.get())
}

/// Stops this core for good.
pub fn halt() -> ! {
    loop {
        // SAFETY: waiting for an event changes no state; interrupts stay masked.
        unsafe { asm!("wfe", options(nomem, nostack, preserves_flags)) }
    }
}
