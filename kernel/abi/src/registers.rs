//! The order of registers in Read/WriteRegisters and in timeout replies.

/// A register of a thread that messages can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// The restart PC (`FaultIP`).
    Pc,
    /// `SP_EL0`.
    Sp,
    /// Saved program state.
    Spsr,
    /// General register `x0` … `x30`.
    X(u8),
    /// `TPIDR_EL0`, the TLS register.
    Tpidr,
    /// `TPIDRRO_EL0`.
    Tpidrro,
}

use Register::{Pc, Sp, Spsr, Tpidr, Tpidrro, X};

/// Number of registers in a user context. Corresponds to `sizeof(seL4_UserContext)` in words.
pub const CONTEXT_REGISTERS: usize = 36;
/// Of these, the first that `TCBCopyRegisters` calls the frame registers.
pub const FRAME_REGISTERS: usize = 17;

/// The registers in order. Corresponds to the fields of `seL4_UserContext`.
pub const CONTEXT: [Register; CONTEXT_REGISTERS] = [
    Pc,
    Sp,
    Spsr,
    X(0),
    X(1),
    X(2),
    X(3),
    X(4),
    X(5),
    X(6),
    X(7),
    X(8),
    X(16),
    X(17),
    X(18),
    X(29),
    X(30),
    X(9),
    X(10),
    X(11),
    X(12),
    X(13),
    X(14),
    X(15),
    X(19),
    X(20),
    X(21),
    X(22),
    X(23),
    X(24),
    X(25),
    X(26),
    X(27),
    X(28),
    Tpidr,
    Tpidrro,
];

/// The registers that the reply to an unknown system call sets, in order.
///
/// The eleventh of them, the resume PC, has no name here: writing it has no effect on a restart.
pub const UNKNOWN_SYSCALL_REPLY: [Option<Register>; 12] = [
    Some(X(0)),
    Some(X(1)),
    Some(X(2)),
    Some(X(3)),
    Some(X(4)),
    Some(X(5)),
    Some(X(6)),
    Some(X(7)),
    Some(Pc),
    Some(Sp),
    None,
    Some(Spsr),
];

/// The registers that the reply to a user exception sets, in order.
pub const USER_EXCEPTION_REPLY: [Register; 3] = [Pc, Sp, Spsr];

/// The register file as user code passes it. Corresponds to `seL4_UserContext`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct UserContext {
    /// The restart PC.
    pub pc: u64,
    /// `SP_EL0`.
    pub sp: u64,
    /// Saved program state.
    pub spsr: u64,
    /// `x0` to `x8`.
    pub x0_to_x8: [u64; 9],
    /// `x16`, `x17`, `x18`.
    pub x16_to_x18: [u64; 3],
    /// `x29`, `x30`.
    pub x29_x30: [u64; 2],
    /// `x9` to `x15`.
    pub x9_to_x15: [u64; 7],
    /// `x19` to `x28`.
    pub x19_to_x28: [u64; 10],
    /// `TPIDR_EL0`.
    pub tpidr_el0: u64,
    /// `TPIDRRO_EL0`.
    pub tpidrro_el0: u64,
}

const _: () = assert!(size_of::<UserContext>() == CONTEXT_REGISTERS * 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_register_occurs_once() {
        for n in 0..31 {
            assert_eq!(CONTEXT.iter().filter(|r| **r == X(n)).count(), 1, "x{n}");
        }
        assert_eq!(CONTEXT[FRAME_REGISTERS - 1], X(30));
        assert_eq!(CONTEXT[33], X(28));
    }
}
