//! From the first instruction to [`run`](crate::run): stack, thread block, boot information, boot archive.

use core::arch::naked_asm;
use core::panic::PanicInfo;

use mach_sys::bootinfo::Boot;
use mach_sys::debug;
use root::archive::Archive;

use crate::log::log;
use crate::run;

const STACK_BYTES: usize = 64 * 1024;

#[repr(C, align(16))]
struct Stack([u8; STACK_BYTES]);

static mut STACK: Stack = Stack([0; STACK_BYTES]);

/// Address and size of the boot archive. The image tool fills it in when it appends the archive to this program.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.archive")] // not .bss: the tool writes into the file
#[used]
static mut BOOT_ARCHIVE: [u64; 2] = [0; 2];

/// The kernel starts root here with the address of the boot information and no stack.
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
    // SAFETY: this is x0 of the kernel's initial task, and its first thread; root writes nowhere near the boot information.
    let boot = unsafe { Boot::enter(boot_info) };
    run::run(&boot, archive())
}

/// The boot archive that the image tool put into this image; an empty one if it did not.
fn archive() -> Archive<'static> {
    let words = &raw const BOOT_ARCHIVE;
    // SAFETY: nobody writes to the words at run time. Volatile, since the image tool changed them.
    let [address, size] = unsafe { words.read_volatile() };
    if address == 0 {
        return Archive::new(&[]);
    }
    let start = core::ptr::with_exposed_provenance::<u8>(address as usize);
    // SAFETY: the image tool appended a segment of this size at this address, and nobody writes to it.
    Archive::new(unsafe { core::slice::from_raw_parts(start, size as usize) })
}

libmach::heap!();

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // One line: `info` as a whole has two.
    match info.location() {
        Some(place) => log!("root: stopped: panicked at {place}: {}", info.message()),
        None => log!("root: stopped: panicked: {}", info.message()),
    }
    debug::semihosting_exit(run::STATUS_ROOT_FAILED)
}
