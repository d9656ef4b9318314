//! The target half, in the order in which it runs.

#[expect(unsafe_code, reason = "the first instructions, exception vectors, entering the kernel")]
mod entry;
#[expect(unsafe_code, reason = "views of physical memory by address, and copying images")]
mod memory;
#[expect(unsafe_code, reason = "one block: the step into the kernel")]
mod stage;
#[expect(unsafe_code, reason = "device registers of the log's serial line")]
mod uart;

use core::{fmt::Write, panic::PanicInfo};

use boot::failure::Failure;

/// Prints what failed and what to do about it, in one last line, and stops for good. A harness that sees a
/// line beginning with `boot: stopped: ` can end the run at once.
fn stop(failure: Failure) -> ! {
    // A log that cannot be written cannot be complained about either.
    let _ = write!(uart::Log, "\nboot: stopped: {failure}; {}\n", failure.advice());
    entry::halt()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    stop(Failure::Bug(info.location().map_or(0, |at| at.line())))
}
