//! The saved user registers of a thread.

use core::cell::Cell;

use sel4_abi::registers::{CONTEXT_REGISTERS, Register};

/// The bits of SPSR that user code chooses: N, Z, C, V.
const SPSR_USER_BITS: u64 = 0xf000_0000;
/// The rest of SPSR in user mode: EL0t, AArch64, FIQ masked, interrupts enabled.
pub const SPSR_USER: u64 = if cfg!(feature = "debug") { 0x40 } else { 0x140 };

/// Where SPSR is among [`Context::in_message_order`].
pub const SPSR_INDEX: usize = 2;

/// The user registers as exception entry saves them. Its layout is known to the entry code through
/// `offset_of!`.
#[derive(Debug)]
#[repr(C)]
pub struct Context {
    /// `x0` to `x30`.
    pub x: [Cell<u64>; 31],
    /// `SP_EL0`.
    pub sp: Cell<u64>,
    /// The resume PC: where the thread continues (`ELR_EL1`).
    pub resume_pc: Cell<u64>,
    /// Saved program state.
    pub spsr: Cell<u64>,
    /// The restart PC: where the thread repeats what it was doing.
    pub restart_pc: Cell<u64>,
    /// `TPIDR_EL0`, the TLS register.
    pub tpidr: Cell<u64>,
    /// `TPIDRRO_EL0`.
    pub tpidrro: Cell<u64>,
}

/// Forces everything but the condition flags of a user-supplied SPSR to the user-mode value.
#[must_use]
pub const fn sanitise_spsr(word: u64) -> u64 {
    (word & SPSR_USER_BITS) | SPSR_USER
}

impl Context {
    /// All registers 0, user mode.
    #[must_use]
    pub const fn new() -> Self {
        Context {
            x: [const { Cell::new(0) }; 31],
            sp: Cell::new(0),
            resume_pc: Cell::new(0),
            spsr: Cell::new(SPSR_USER),
            restart_pc: Cell::new(0),
            tpidr: Cell::new(0),
            tpidrro: Cell::new(0),
        }
    }

    fn cell(&self, register: Register) -> &Cell<u64> {
        match register {
            Register::Pc => &self.restart_pc,
            Register::Sp => &self.sp,
            Register::Spsr => &self.spsr,
            Register::X(n) => self.x.get(usize::from(n)).unwrap_or(&self.sp),
            Register::Tpidr => &self.tpidr,
            Register::Tpidrro => &self.tpidrro,
        }
    }

    /// The registers in the order of [`CONTEXT`](sel4_abi::registers::CONTEXT), the PC being the restart PC. Who writes
    /// them must sanitise SPSR ([`sanitise_spsr`]).
    #[inline]
    #[must_use]
    pub const fn in_message_order(&self) -> [&Cell<u64>; CONTEXT_REGISTERS] {
        let x = &self.x;
        [
            &self.restart_pc,
            &self.sp,
            &self.spsr,
            &x[0],
            &x[1],
            &x[2],
            &x[3],
            &x[4],
            &x[5],
            &x[6],
            &x[7],
            &x[8],
            &x[16],
            &x[17],
            &x[18],
            &x[29],
            &x[30],
            &x[9],
            &x[10],
            &x[11],
            &x[12],
            &x[13],
            &x[14],
            &x[15],
            &x[19],
            &x[20],
            &x[21],
            &x[22],
            &x[23],
            &x[24],
            &x[25],
            &x[26],
            &x[27],
            &x[28],
            &self.tpidr,
            &self.tpidrro,
        ]
    }

    /// Reads a register that messages can name.
    #[must_use]
    pub fn get(&self, register: Register) -> u64 {
        self.cell(register).get()
    }

    /// Writes a register that messages can name; SPSR is sanitised.
    pub fn set(&self, register: Register, value: u64) {
        let value = match register {
            Register::Spsr => sanitise_spsr(value),
            _ => value,
        };
        self.cell(register).set(value);
    }

    /// The register that names the invoked capability, and receives the badge: `x0`.
    #[must_use]
    pub fn badge_register(&self) -> &Cell<u64> {
        &self.x[0]
    }

    /// The message-info register: `x1`.
    #[must_use]
    pub fn info_register(&self) -> &Cell<u64> {
        &self.x[1]
    }

    /// The registers of MR0 to MR3: `x2` to `x5`.
    #[must_use]
    pub fn message_registers(&self) -> [&Cell<u64>; 4] {
        [&self.x[2], &self.x[3], &self.x[4], &self.x[5]]
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_come_in_the_order_of_messages() {
        let context = Context::new();
        for (cell, register) in context.in_message_order().into_iter().zip(sel4_abi::registers::CONTEXT) {
            assert!(core::ptr::eq(cell, context.cell(register)), "{register:?}");
        }
        assert_eq!(sel4_abi::registers::CONTEXT[SPSR_INDEX], Register::Spsr);
    }

    #[test]
    fn spsr_keeps_only_the_condition_flags() {
        assert_eq!(sanitise_spsr(u64::MAX), 0xf000_0000 | SPSR_USER);
        let c = Context::new();
        c.set(Register::Spsr, 0x8000_03c5);
        assert_eq!(c.get(Register::Spsr), 0x8000_0000 | SPSR_USER);
    }
}
