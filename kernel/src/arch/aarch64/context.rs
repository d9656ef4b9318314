//! The registers of a thread: what an exception saves and a return restores.
//!
//! The layout is shared with the assembly of `vectors.rs`, which takes every offset from here.
//! All fields are `Cell`s because the owner, a TCB, is only ever reached by shared reference.
//!
//! Message registers of a system call, by index: MR0–MR3 are `x2`–`x5` (spec §1.1).

use core::cell::Cell;
use core::mem::{offset_of, size_of};

/// SPSR of a thread in a debug kernel: EL0t, AArch64, interrupts on, FIQ masked (spec §5.9).
#[cfg(feature = "debug")]
pub(crate) const SPSR_USER: u64 = 0x40;
/// SPSR of a thread in a release kernel: as in a debug kernel, and SError masked (spec §5.9).
#[cfg(not(feature = "debug"))]
pub(crate) const SPSR_USER: u64 = 0x140;

/// The bits of SPSR that user code may choose: the condition flags.
const SPSR_FLAGS: u64 = 0xf << 28;

/// The saved registers of a thread, without floating point.
///
/// A thread has two program counters: `pc` is where it continues when it returns to EL0, and
/// `restart_pc` is the address of the instruction that brought it into the kernel. For a system
/// call they differ by one instruction (spec §4.2).
#[repr(C, align(16))]
pub struct Context {
    /// `x0` … `x30`.
    pub x: [Cell<u64>; 31],
    /// `SP_EL0`.
    pub sp: Cell<u64>,
    /// Where the thread resumes.
    pub pc: Cell<u64>,
    /// `SPSR_EL1`.
    pub spsr: Cell<u64>,
    /// Where the thread repeats what brought it here.
    pub restart_pc: Cell<u64>,
    /// `TPIDR_EL0`, the thread's own TLS register.
    pub tpidr: Cell<u64>,
    /// `TPIDRRO_EL0`, which only WriteRegisters can set.
    pub tpidr_ro: Cell<u64>,
}

impl Context {
    /// The first register of a message: MR0 is `x2`.
    const FIRST_MESSAGE_REGISTER: usize = 2;
    /// How many message registers travel in registers.
    pub const MESSAGE_REGISTERS: usize = 4;

    /// A context of zeroes in user mode: what a new TCB holds.
    pub const fn new() -> Self {
        Self {
            x: [const { Cell::new(0) }; 31],
            sp: Cell::new(0),
            pc: Cell::new(0),
            spsr: Cell::new(SPSR_USER),
            restart_pc: Cell::new(0),
            tpidr: Cell::new(0),
            tpidr_ro: Cell::new(0),
        }
    }

    /// Reads message register `index`, if it is one that travels in a register.
    pub fn message_register(&self, index: usize) -> Option<u64> {
        self.message_cell(index).map(Cell::get)
    }

    /// Writes message register `index`; answers whether it is one that travels in a register.
    pub fn set_message_register(&self, index: usize, value: u64) -> bool {
        self.message_cell(index)
            .map(|register| register.set(value))
            .is_some()
    }

    fn message_cell(&self, index: usize) -> Option<&Cell<u64>> {
        if index >= Self::MESSAGE_REGISTERS {
            return None;
        }
        self.x.get(Self::FIRST_MESSAGE_REGISTER + index)
    }

    /// Forces a user-supplied SPSR to user mode; only the condition flags are the user's (spec §5.9).
    pub const fn sanitise_spsr(value: u64) -> u64 {
        (value & SPSR_FLAGS) | SPSR_USER
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

/// The floating-point and SIMD registers of a thread.
#[repr(C, align(16))]
pub struct FpuState {
    /// `Q0` … `Q31`, low half first.
    pub q: [[Cell<u64>; 2]; 32],
    /// `FPSR`.
    pub fpsr: Cell<u64>,
    /// `FPCR`.
    pub fpcr: Cell<u64>,
}

impl FpuState {
    /// The state of a new thread: zeroes.
    pub const fn new() -> Self {
        Self {
            q: [const { [const { Cell::new(0) }; 2] }; 32],
            fpsr: Cell::new(0),
            fpcr: Cell::new(0),
        }
    }
}

impl Default for FpuState {
    fn default() -> Self {
        Self::new()
    }
}

/// Offset of `x0`, the start of the register block; the assembly counts from the context's address.
const _: () = assert!(offset_of!(Context, x) == 0);
/// Offset of `SP_EL0`, saved as a pair with `x30`.
pub(crate) const OFFSET_SP: usize = offset_of!(Context, sp);
/// Offset of the resume PC, saved as a pair with SPSR.
pub(crate) const OFFSET_PC: usize = offset_of!(Context, pc);
/// Offset of the restart PC, saved as a pair with `TPIDR_EL0`.
pub(crate) const OFFSET_RESTART_PC: usize = offset_of!(Context, restart_pc);
/// Offset of `TPIDRRO_EL0`.
pub(crate) const OFFSET_TPIDR_RO: usize = offset_of!(Context, tpidr_ro);

const _: () = {
    // The pairs that the assembly moves with one instruction.
    assert!(OFFSET_SP == 31 * 8);
    assert!(offset_of!(Context, spsr) == OFFSET_PC + 8);
    assert!(offset_of!(Context, tpidr) == OFFSET_RESTART_PC + 8);
    assert!(size_of::<FpuState>() == 528);
    assert!(offset_of!(FpuState, fpsr) == 512 && offset_of!(FpuState, fpcr) == 520);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_registers_are_x2_to_x5() {
        let context = Context::new();
        for index in 0..Context::MESSAGE_REGISTERS {
            assert!(context.set_message_register(index, 100 + index as u64));
        }
        assert!(!context.set_message_register(4, 0));
        assert_eq!(context.message_register(4), None);
        let x: [u64; 8] = core::array::from_fn(|i| context.x[i].get());
        assert_eq!(x, [0, 0, 100, 101, 102, 103, 0, 0]);
    }

    #[test]
    fn spsr_keeps_only_the_condition_flags() {
        assert_eq!(Context::sanitise_spsr(u64::MAX), 0xf000_0000 | SPSR_USER);
        assert_eq!(Context::sanitise_spsr(0x8000_03c5), 0x8000_0000 | SPSR_USER);
    }
}
