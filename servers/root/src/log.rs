//! Root's log: lines on the first serial line, for whoever watches the start.
//!
//! Root writes to the line's registers itself, since not every kernel has a console. Before the line is open, and on
//! a board whose device tree names none that is known, there is nothing to say but why root stops: [`last_words`] tell
//! that to the emulator, the same that root then asks to end. Other lines are lost.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mach_sys::debug::SemihostingLog;
use root::devices::UartKind;

/// Writes one line to the log.
macro_rules! log {
    ($($text:tt)*) => { $crate::log::write_line(format_args!($($text)*)) };
}
pub(crate) use log;

/// Where the line's registers are mapped; 0 while there is no line. Set once, by [`open`].
static REGISTERS: AtomicU64 = AtomicU64::new(0);
/// Whether the line is a mini UART.
static IS_MINI: AtomicBool = AtomicBool::new(false);

/// Lets lines go out through the registers of a serial line, which are mapped at `address` for good.
pub(crate) fn open(kind: UartKind, address: u64) {
    IS_MINI.store(kind == UartKind::Mini, Ordering::Relaxed);
    REGISTERS.store(address, Ordering::Release);
}

pub(crate) fn write_line(line: fmt::Arguments<'_>) {
    // The line takes everything, so there is no error to look at.
    let _ = writeln!(Line, "{line}");
}

/// Writes one line before the end of the run: to the emulator's log where there is no line.
pub(crate) fn last_words(line: fmt::Arguments<'_>) {
    if REGISTERS.load(Ordering::Acquire) == 0 {
        // The emulator takes everything.
        let _ = writeln!(SemihostingLog, "{line}");
    } else {
        write_line(line);
    }
}

/// Writes bytes as one line.
pub(crate) fn write_bytes(bytes: impl Iterator<Item = u8>) {
    bytes.for_each(put);
    write_line(format_args!(""));
}

struct Line;

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(put);
        Ok(())
    }
}

fn put(byte: u8) {
    let address = REGISTERS.load(Ordering::Acquire);
    if address == 0 {
        return;
    }
    if byte == b'\n' {
        registers::put(address, IS_MINI.load(Ordering::Relaxed), b'\r');
    }
    registers::put(address, IS_MINI.load(Ordering::Relaxed), byte);
}

#[expect(unsafe_code, reason = "reads and writes device registers by their addresses")]
mod registers {
    /// The register that takes a byte, on both kinds of line.
    const DATA: u64 = 0;
    /// A PL011's flags, and the one that says that there is no room.
    const PL011_FLAGS: u64 = 0x18;
    const PL011_FULL: u32 = 1 << 5;
    /// A mini UART's line status, and the bit that says that there is room.
    const MINI_STATUS: u64 = 0x14;
    const MINI_ROOM: u32 = 1 << 5;

    /// Sends a byte through the registers at `address`, waiting for room.
    pub(super) fn put(address: u64, is_mini: bool, byte: u8) {
        let register = |offset: u64| core::ptr::with_exposed_provenance_mut::<u32>((address + offset) as usize);
        let is_full = || {
            let status = register(if is_mini { MINI_STATUS } else { PL011_FLAGS });
            // SAFETY: `Kernel::open_log` mapped the registers of a line of this kind there, for good, before it set
            // the address; reading the status changes nothing.
            let status = unsafe { status.read_volatile() };
            if is_mini { status & MINI_ROOM == 0 } else { status & PL011_FULL != 0 }
        };
        while is_full() {
            core::hint::spin_loop();
        }
        // SAFETY: as above; the register takes any byte. Two threads that write at once mix their lines, no more.
        unsafe { register(DATA).write_volatile(u32::from(byte)) };
    }
}
