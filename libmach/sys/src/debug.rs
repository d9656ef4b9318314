//! Output on the kernel's console and to the emulator, the machine's clock, and the ways to end a run.
//!
//! Only kernels built for debugging have the console calls. On others they raise a fault, so the servers use none.

use core::fmt;

use crate::arch;
use crate::cap::Cap;

/// Prints one byte on the kernel's console.
pub fn put_char(byte: u8) {
    arch::debug_put_char(u64::from(byte));
}

/// The kernel's console as a destination of `write!`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DebugConsole;

impl fmt::Write for DebugConsole {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(put_char);
        Ok(())
    }
}

/// The kind number of the capability in a slot, 0 for an empty one: kernel ABI 2.2.
#[must_use]
pub fn identify<T>(cap: Cap<T>) -> u64 {
    arch::debug_cap_identify(cap.word())
}

/// The emulator's log as a destination of `write!`, by semihosting: it works on every kernel.
///
/// Where nothing listens to semihosting, writing raises an exception in the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct SemihostingLog;

/// `SYS_WRITE0` of the semihosting specification: writes bytes up to the first that is 0.
const SYS_WRITE0: u64 = 0x04;

impl fmt::Write for SemihostingLog {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.as_bytes().chunks(7) {
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
            arch::semihosting_call(SYS_WRITE0, &[u64::from_le_bytes(bytes)]);
        }
        Ok(())
    }
}

/// The virtual counter.
///
/// A kernel need not let user code read it: then the read raises an exception in the calling thread. Tessera's does.
#[must_use]
pub fn virtual_counter() -> u64 {
    arch::virtual_counter()
}

/// Has the processor count the instructions that it executes, for [`instructions`]. Only kernels built for debugging let
/// user code do that: on others it raises an exception in the calling thread.
pub fn start_instruction_counter() {
    arch::start_instruction_counter();
}

/// The instructions that the processor has executed, whoever it was, since [`start_instruction_counter`]; modulo 2^32. What
/// passes while it waits for an interrupt counts nothing. The same holds.
#[must_use]
pub fn instructions() -> u32 {
    arch::instructions()
}

/// The ticks of [`virtual_counter`] in a second. The same holds.
#[must_use]
pub fn counter_frequency() -> u64 {
    arch::counter_frequency()
}

/// `SYS_EXIT_EXTENDED` of the semihosting specification.
const SYS_EXIT_EXTENDED: u64 = 0x20;

/// `ADP_Stopped_ApplicationExit`: the program ended by itself.
const APPLICATION_EXIT: u64 = 0x2_0026;

/// Ends the emulator with `status` as its own, by semihosting.
///
/// Where nothing listens to semihosting, the instruction raises an exception in the calling thread.
pub fn semihosting_exit(status: i32) -> ! {
    arch::semihosting_call(SYS_EXIT_EXTENDED, &[APPLICATION_EXIT, status as u64]);
    arch::halt()
}

/// Gives up the processor for good.
pub fn halt() -> ! {
    arch::halt()
}
