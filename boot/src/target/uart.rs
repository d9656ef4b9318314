//! The log: letters and lines to one serial line, by waiting for room.
//!
//! Until the device tree is read, the line is one of [`FALLBACK`], chosen by where the image runs: the
//! only board facts in the boot stage. The entry code uses the same table for its first letters.

use core::{
    fmt, ptr,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

use handoff::{Uart, UartKind};

/// How to print on a serial line; the entry code knows the offsets of the fields.
#[repr(C, align(32))]
#[derive(Clone, Copy)]
pub(super) struct Line {
    /// Address of the data register.
    data: u64,
    /// Distance from there to the status register.
    status: u32,
    /// The status bits that matter.
    mask: u32,
    /// Their value when there is room for a byte.
    ready: u32,
}

/// Serial lines for the time before the device tree is read.
#[repr(C)]
pub(super) struct Fallback {
    /// The image runs below 1 GiB, where a Raspberry Pi 4 has its RAM: the mini UART. (Its PL011 is
    /// the console, which takes no log.)
    raspberry_pi_4: Line,
    /// The image runs above: QEMU's virt with a PL011.
    qemu_virt: Line,
}

/// See [`Fallback`].
pub(super) static FALLBACK: Fallback =
    Fallback { raspberry_pi_4: Line::mini_uart(0xfe21_5040), qemu_virt: Line::pl011(0x0900_0000) };

/// Which line of [`FALLBACK`] an image at this address uses, as its index there.
pub(super) const QEMU_VIRT: u64 = 1;

impl Line {
    /// Flag register at 0x18, bit 5: transmit queue full.
    const fn pl011(base: u64) -> Self {
        Self { data: base, status: 0x18, mask: 1 << 5, ready: 0 }
    }

    /// Line status at 0x14 from the data register, bit 5: transmitter can take a byte.
    const fn mini_uart(base: u64) -> Self {
        Self { data: base, status: 0x14, mask: 1 << 5, ready: 1 << 5 }
    }
}

/// The line in use. Plain loads and stores only: with the MMU off there are no exclusives.
static DATA: AtomicU64 = AtomicU64::new(0);
static STATUS: AtomicU32 = AtomicU32::new(0);
static MASK: AtomicU32 = AtomicU32::new(0);
static READY: AtomicU32 = AtomicU32::new(0);

/// How often to look whether a line has room before a byte is dropped: a dead line must not stop the boot.
const PATIENCE: u32 = 1 << 20;

fn select(line: Line) {
    STATUS.store(line.status, Relaxed);
    MASK.store(line.mask, Relaxed);
    READY.store(line.ready, Relaxed);
    DATA.store(line.data, Relaxed);
}

/// Goes on with the line that the entry code has used.
pub(super) fn use_fallback(board: u64) {
    select(if board == QEMU_VIRT { FALLBACK.qemu_virt } else { FALLBACK.raspberry_pi_4 });
}

/// Changes to the line that the device tree names, if it names one.
pub(super) fn use_named(uart: &Uart) {
    match uart.kind() {
        Ok(UartKind::Pl011) => select(Line::pl011(uart.base)),
        Ok(UartKind::MiniUart) => select(Line::mini_uart(uart.base)),
        Ok(UartKind::None) | Err(_) => {}
    }
}

/// Writes to the line in use.
pub(super) struct Log;

impl Log {
    /// One step is done.
    pub(super) fn letter(letter: u8) {
        put(letter);
    }
}

impl fmt::Write for Log {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                put(b'\r');
            }
            put(byte);
        }
        Ok(())
    }
}

fn put(byte: u8) {
    let data = DATA.load(Relaxed);
    if data == 0 {
        return;
    }
    let status = data + u64::from(STATUS.load(Relaxed));
    for _ in 0..PATIENCE {
        // SAFETY: the address is a status register of the fallback table or of a serial line that the
        // device tree names; reading it has no effect on memory.
        let now = unsafe { ptr::read_volatile(status as *const u32) };
        if now & MASK.load(Relaxed) == READY.load(Relaxed) {
            break;
        }
    }
    // SAFETY: as above, the data register: writing it sends a byte.
    unsafe { ptr::write_volatile(data as *mut u32, u32::from(byte)) };
}
