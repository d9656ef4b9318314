//! From the first instruction to the operations, and the end of the run.

use core::arch::naked_asm;
use core::fmt::Write;
use core::panic::PanicInfo;

use mach_sys::bootinfo::Boot;
use mach_sys::debug::{self, SemihostingLog};

use crate::measure::Failure;
use crate::objects::Objects;
use crate::space::Space;
use crate::{calls, faults, invocations, making, signals, stays, threads};

/// Room for the lists of steps, of some 6 KiB each.
const STACK_BYTES: usize = 256 * 1024;

/// The status of a run that could not measure.
const STATUS_FAILED: i32 = 1;

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
    // SAFETY: this is x0 of the kernel's initial task, which writes nowhere near the boot information, and its first thread.
    let boot = unsafe { Boot::enter(boot_info) };
    match run(&boot) {
        Ok(()) => debug::semihosting_exit(0),
        Err(error) => stop(format_args!("{error}")),
    }
}

fn run(boot: &Boot) -> Result<(), Failure> {
    let mut objects = Objects::new(boot)?;
    let spaces = [Space::clone_of_own(boot, &mut objects)?, Space::clone_of_own(boot, &mut objects)?];
    invocations::measure_all(&mut objects, &spaces[0])?;
    making::measure_all(&mut objects)?;
    threads::measure_all(&mut objects, &spaces[0])?;
    let mut scene = objects.divide(SCENE_BITS, SCENE_SLOTS)?;
    signals::measure_all(&mut scene, &spaces)?;
    calls::measure_all(&mut scene, &spaces)?;
    faults::measure_all(&mut scene, &spaces)?;
    match stays::measure_all(&mut objects, &spaces) {
        // Another kernel may refuse what makes a stay long: its samples are missing, and the tool says so if they were asked for.
        Err(Failure::Refused(_)) => Ok(()),
        other => other,
    }
}

/// The memory of one operation's partners, log2, and their slots: they are taken back after each.
const SCENE_BITS: u64 = 20;
const SCENE_SLOTS: u64 = 256;

fn stop(why: core::fmt::Arguments<'_>) -> ! {
    // The log of the emulator takes everything.
    let _ = writeln!(SemihostingLog, "root: stopped: {why}");
    debug::semihosting_exit(STATUS_FAILED)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    stop(format_args!("{info}"))
}
