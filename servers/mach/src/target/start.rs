//! From root's hand to [`run`](super::run).

use core::panic::PanicInfo;
use core::ptr::NonNull;

use mach_protocol::boot::{BootPage, WORDS};
use mach_sys::ipc_buffer::{self, ThreadBlock};

use super::system;

static mut BLOCK: ThreadBlock = ThreadBlock { ipc_buffer: 0, runtime: 0 };

/// Root starts the server here, with a stack, the address of the boot page and that of the IPC buffer.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.start")]
extern "C" fn _start(boot_page: usize, ipc_buffer: usize) -> ! {
    let block = &raw mut BLOCK;
    // SAFETY: the server has one thread, which is here for the only time: nothing else refers to the block.
    unsafe { (*block).ipc_buffer = ipc_buffer as u64 };
    if let Some(block) = NonNull::new(block) {
        // SAFETY: a static stays; root mapped this thread's IPC buffer at the address.
        unsafe { ipc_buffer::install(block) };
    }
    let words = core::ptr::with_exposed_provenance::<[u64; WORDS]>(boot_page);
    // SAFETY: root mapped the page there, filled it before this thread ran, and no longer has it mapped.
    let words = unsafe { &*words };
    match BootPage::from_words(words) {
        Some(page) => super::run(&page),
        None => system::stop(format_args!("mach: stopped: the boot page of root is not one of this version")),
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // One line: `info` as a whole has two.
    match info.location() {
        Some(place) => system::stop(format_args!("mach: stopped: panicked at {place}: {}", info.message())),
        None => system::stop(format_args!("mach: stopped: panicked: {}", info.message())),
    }
}
