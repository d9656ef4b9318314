//! From the first instruction to the cases: a stack, and the thread block with the IPC buffer.

use core::arch::naked_asm;
use core::panic::PanicInfo;

use mach_sys::bootinfo::Boot;
use mach_sys::debug;

use crate::case::{run, say};

const STACK_BYTES: usize = 64 * 1024;
/// The status when the test itself panics.
const STATUS_PANIC: i32 = 101;

#[repr(C, align(16))]
struct Stack([u8; STACK_BYTES]);

static mut STACK: Stack = Stack([0; STACK_BYTES]);

/// The kernel starts the root task here with the address of the boot information and no stack.
#[unsafe(naked)]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.start")]
extern "C" fn _start() -> ! {
    naked_asm!(
        "adrp x9, {stack}",
        "add x9, x9, :lo12:{stack}",
        "mov x10, {size}",
        "add sp, x9, x10",
        "mov x29, xzr",
        "mov x30, xzr",
        "b {main}",
        stack = sym STACK,
        size = const STACK_BYTES,
        main = sym main,
    )
}

extern "C" fn main(boot_info: usize) -> ! {
    // SAFETY: this is x0 of the kernel's initial task, in which nothing writes to the boot information, and its only thread.
    let boot = unsafe { Boot::enter(boot_info) };
    run(&boot)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    say(format_args!("kernel-tests: {info}"));
    debug::semihosting_exit(STATUS_PANIC)
}

/// The word at `address`, which the caller has mapped.
pub(crate) fn peek(address: u64) -> u64 {
    let place = core::ptr::with_exposed_provenance::<u64>(address as usize);
    // SAFETY: the address lies in a window that no Rust object lies in; at worst the thread takes a fault.
    unsafe { place.read_volatile() }
}

/// Sets the word at `address`, which the caller has mapped.
pub(crate) fn poke(address: u64, word: u64) {
    let place = core::ptr::with_exposed_provenance_mut::<u64>(address as usize);
    // SAFETY: as above: no Rust object lies there.
    unsafe { place.write_volatile(word) }
}

/// Goes on at `address`, where the caller wants to see what happens.
pub(crate) fn jump(address: u64) -> ! {
    // SAFETY: the thread exists for this and executes no Rust afterwards.
    unsafe { core::arch::asm!("br {}", in(reg) address, options(noreturn)) }
}

/// One system call with the registers that the thread has, then a breakpoint: its handler can look.
#[unsafe(naked)]
pub(crate) extern "C" fn bare_call() -> ! {
    naked_asm!("svc #0", "brk #1", "b .")
}

/// One load from `x0`, then a breakpoint.
#[unsafe(naked)]
pub(crate) extern "C" fn bare_load() -> ! {
    naked_asm!("ldr x1, [x0]", "brk #1", "b .")
}

/// An instruction that is none, then a breakpoint.
#[unsafe(naked)]
pub(crate) extern "C" fn bare_undefined() -> ! {
    naked_asm!("udf #7", "brk #1", "b .")
}

/// A breakpoint, then another.
#[unsafe(naked)]
pub(crate) extern "C" fn bare_break() -> ! {
    naked_asm!("brk #3", "brk #1", "b .")
}

/// An instruction that needs the floating-point registers, then a breakpoint.
#[unsafe(naked)]
pub(crate) extern "C" fn bare_float() -> ! {
    naked_asm!("fmov d0, d1", "brk #1", "b .")
}

/// Calls that EL0 may not make: to a hypervisor, to the firmware, to a system register; then a breakpoint.
#[unsafe(naked)]
pub(crate) extern "C" fn bare_privileged() -> ! {
    naked_asm!("mrs x0, sctlr_el1", "brk #1", "b .")
}

/// The same.
#[unsafe(naked)]
pub(crate) extern "C" fn bare_mask() -> ! {
    naked_asm!("msr daifset, #2", "brk #1", "b .")
}

/// Keeps words made from `pattern` in floating-point registers while it yields `rounds` times; 0 if they stayed.
#[unsafe(naked)]
pub(crate) extern "C" fn keep_floats(pattern: u64, rounds: u64) -> u64 {
    naked_asm!(
        "add x2, x0, #16",
        "add x3, x0, #31",
        "fmov d0, x0",
        "fmov d16, x2",
        "fmov d31, x3",
        "mov x4, #0",
        "1:",
        "mov x7, #{yield_now}",
        "svc #0",
        "fmov x5, d0",
        "eor x5, x5, x0",
        "orr x4, x4, x5",
        "fmov x5, d16",
        "eor x5, x5, x2",
        "orr x4, x4, x5",
        "fmov x5, d31",
        "eor x5, x5, x3",
        "orr x4, x4, x5",
        "subs x1, x1, #1",
        "b.ne 1b",
        "mov x0, x4",
        "ret",
        yield_now = const mach_sys::abi::Syscall::Yield.number(),
    )
}
