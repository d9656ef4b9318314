//! The debug console: one byte at a time, waiting for room, on the UART that the boot stage names.
//!
//! The UART is set up already, by firmware or the boot stage, and shared with user drivers
//! (spec §6.9); the kernel only ever looks at its status and writes to its data register.

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use handoff::UartKind;

use crate::mem::KernelVa;

/// Registers of the PL011, by byte offset.
mod pl011 {
    /// Data.
    pub(super) const DR: usize = 0x00;
    /// Flags.
    pub(super) const FR: usize = 0x18;
    /// Flag: the transmit FIFO is full.
    pub(super) const FR_TXFF: u32 = 1 << 5;
}

/// Registers of the BCM2835 auxiliary ("mini") UART, by byte offset.
mod mini {
    /// Data.
    pub(super) const IO: usize = 0x00;
    /// Line status.
    pub(super) const LSR: usize = 0x14;
    /// Status: the transmit FIFO has room.
    pub(super) const LSR_TX_READY: u32 = 1 << 5;
}

const NONE: u8 = 0;
const PL011: u8 = 1;
const MINI: u8 = 2;

static KIND: AtomicU8 = AtomicU8::new(NONE);
static BASE: AtomicUsize = AtomicUsize::new(0);

/// Uses the UART whose registers are mapped at `base` from now on.
pub(super) fn init(kind: UartKind, base: KernelVa) {
    BASE.store(base.0, Ordering::Relaxed);
    let kind = match kind {
        UartKind::None => NONE,
        UartKind::Pl011 => PL011,
        UartKind::MiniUart => MINI,
    };
    KIND.store(kind, Ordering::Relaxed);
}

/// Prints one byte; a newline gets a carriage return before it.
pub fn putc(byte: u8) {
    if byte == b'\n' {
        put_raw(b'\r');
    }
    put_raw(byte);
}

fn put_raw(byte: u8) {
    let base = BASE.load(Ordering::Relaxed);
    match KIND.load(Ordering::Relaxed) {
        PL011 => {
            while read(base + pl011::FR) & pl011::FR_TXFF != 0 {}
            write(base + pl011::DR, byte.into());
        }
        MINI => {
            while read(base + mini::LSR) & mini::LSR_TX_READY == 0 {}
            write(base + mini::IO, byte.into());
        }
        _ => {}
    }
}

fn read(address: usize) -> u32 {
    // SAFETY: `init` was given the UART's registers, mapped as Device memory; reading the status
    // register has no side effect.
    unsafe { core::ptr::with_exposed_provenance::<u32>(address).read_volatile() }
}

fn write(address: usize, value: u32) {
    // SAFETY: as in `read`; writing the data register sends a byte and nothing else.
    unsafe { core::ptr::with_exposed_provenance_mut::<u32>(address).write_volatile(value) }
}
