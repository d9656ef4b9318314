//! The two kinds of serial line: bytes out, bytes in, an interrupt for the latter.

use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite, WriteOnly};
use tock_registers::{register_bitfields, register_structs};

register_bitfields! {
    u32,
    /// PL011 flags.
    Flags [
        /// The receive buffer is empty.
        RECEIVE_EMPTY OFFSET(4) NUMBITS(1) [],
        /// The transmit buffer is full.
        TRANSMIT_FULL OFFSET(5) NUMBITS(1) [],
    ],
    /// PL011 control.
    Control [
        ENABLE OFFSET(0) NUMBITS(1) [],
        TRANSMIT OFFSET(8) NUMBITS(1) [],
        RECEIVE OFFSET(9) NUMBITS(1) [],
    ],
    /// PL011 interrupts.
    Interrupts [
        RECEIVE OFFSET(4) NUMBITS(1) [],
        RECEIVE_TIMEOUT OFFSET(6) NUMBITS(1) [],
    ],
    /// Mini UART interrupt enable.
    MiniInterrupts [
        RECEIVE OFFSET(0) NUMBITS(1) [],
    ],
    /// Mini UART line status.
    MiniStatus [
        DATA_READY OFFSET(0) NUMBITS(1) [],
        TRANSMIT_EMPTY OFFSET(5) NUMBITS(1) [],
    ],
}

register_structs! {
    /// PrimeCell PL011.
    pub(crate) Pl011 {
        (0x00 => data: ReadWrite<u32>),
        (0x04 => _status),
        (0x18 => flags: ReadOnly<u32, Flags::Register>),
        (0x1c => _divisors),
        (0x30 => control: ReadWrite<u32, Control::Register>),
        (0x34 => _levels),
        (0x38 => interrupt_mask: ReadWrite<u32, Interrupts::Register>),
        (0x3c => _states),
        (0x44 => interrupt_clear: WriteOnly<u32, Interrupts::Register>),
        (0x48 => @END),
    }
}

register_structs! {
    /// The Raspberry Pi's mini UART, from its data register on.
    pub(crate) Mini {
        (0x00 => data: ReadWrite<u32>),
        (0x04 => interrupt_enable: ReadWrite<u32, MiniInterrupts::Register>),
        (0x08 => _control),
        (0x14 => status: ReadOnly<u32, MiniStatus::Register>),
        (0x18 => @END),
    }
}

use registers::Device;

/// A serial line.
pub(crate) enum Uart {
    Pl011(Device<Pl011>),
    Mini(Device<Mini>),
}

impl Uart {
    /// The line of this kind whose registers root mapped at `address`.
    pub(crate) fn new(kind: &str, address: u64) -> Option<Self> {
        let line = match kind {
            "pl011" => Self::Pl011(registers::at(address)?),
            "mini-uart" => Self::Mini(registers::at(address)?),
            _ => return None,
        };
        line.enable();
        Some(line)
    }

    /// Lets the line send and receive, and interrupt when bytes come. Its speed is the firmware's.
    fn enable(&self) {
        match self {
            Self::Pl011(line) => {
                line.control.write(Control::ENABLE::SET + Control::TRANSMIT::SET + Control::RECEIVE::SET);
                line.interrupt_mask.write(Interrupts::RECEIVE::SET + Interrupts::RECEIVE_TIMEOUT::SET);
            }
            Self::Mini(line) => line.interrupt_enable.write(MiniInterrupts::RECEIVE::SET),
        }
    }

    /// Sends a byte, waiting for room.
    pub(crate) fn put(&self, byte: u8) {
        let is_full = || match self {
            Self::Pl011(line) => line.flags.is_set(Flags::TRANSMIT_FULL),
            Self::Mini(line) => !line.status.is_set(MiniStatus::TRANSMIT_EMPTY),
        };
        while is_full() {
            core::hint::spin_loop();
        }
        match self {
            Self::Pl011(line) => line.data.set(u32::from(byte)),
            Self::Mini(line) => line.data.set(u32::from(byte)),
        }
    }

    /// A byte that came, if there is one.
    pub(crate) fn get(&self) -> Option<u8> {
        let has = match self {
            Self::Pl011(line) => !line.flags.is_set(Flags::RECEIVE_EMPTY),
            Self::Mini(line) => line.status.is_set(MiniStatus::DATA_READY),
        };
        has.then(|| match self {
            Self::Pl011(line) => line.data.get() as u8,
            Self::Mini(line) => line.data.get() as u8,
        })
    }

    /// Takes back the interrupt of bytes that were taken.
    pub(crate) fn clear_interrupt(&self) {
        if let Self::Pl011(line) = self {
            line.interrupt_clear.write(Interrupts::RECEIVE::SET + Interrupts::RECEIVE_TIMEOUT::SET);
        }
    }
}

#[expect(unsafe_code, reason = "makes a reference to device registers out of their address")]
mod registers {
    use mach_protocol::private::DEVICE_BASE;

    /// The registers of a device, at an address where root mapped them.
    pub(crate) struct Device<T: 'static>(&'static T);

    // SAFETY: device registers belong to no thread; the console's lock keeps two threads from using them at once.
    unsafe impl<T> Send for Device<T> {}

    impl<T> core::ops::Deref for Device<T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0
        }
    }

    /// The registers at an address in the task's first device page.
    pub(super) fn at<T>(address: u64) -> Option<Device<T>> {
        let offset = address.checked_sub(DEVICE_BASE)?;
        if offset + size_of::<T>() as u64 > 4096 || !(address as usize).is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: root maps the device's page at `DEVICE_BASE` for good before the task runs; the range lies in it and
        // is aligned. The registers are cells for volatile access, so sharing them is sound.
        Some(Device(unsafe { &*core::ptr::with_exposed_provenance::<T>(address as usize) }))
    }
}
