//! From the first instruction to the cases: a stack, and the thread block with the IPC buffer.

use core::arch::naked_asm;
use core::panic::PanicInfo;
use core::ptr::NonNull;

use mach_sys::bootinfo::Boot;
use mach_sys::debug;
use mach_sys::ipc_buffer::{self, ThreadBlock};

use crate::cases::{run, say};

const STACK_BYTES: usize = 16 * 1024;
/// The status when the test itself panics.
const STATUS_PANIC: i32 = 101;

#[repr(C, align(16))]
struct Stack([u8; STACK_BYTES]);

static mut STACK: Stack = Stack([0; STACK_BYTES]);
static mut BLOCK: ThreadBlock = ThreadBlock { ipc_buffer: 0, runtime: 0 };

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
    // SAFETY: this is x0 of the kernel's initial task, and nothing here writes to the boot information.
    let boot = unsafe { Boot::from_address(boot_info) };
    let block = &raw mut BLOCK;
    // SAFETY: this is the only thread, and it is here for the only time.
    unsafe { (*block).ipc_buffer = boot.info().ipc_buffer };
    if let Some(block) = NonNull::new(block) {
        // SAFETY: a static stays; the address is the kernel's own word for this thread's IPC buffer.
        unsafe { ipc_buffer::install(block) };
    }
    run(&boot)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    say(format_args!("kernel-tests: {info}"));
    debug::semihosting_exit(STATUS_PANIC)
}
