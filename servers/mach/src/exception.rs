//! Exceptions: what a thread did that it cannot go on after, read from the kernel's fault messages.
//!
//! Numbering is GNU's (`spec/mach-ports-tasks.md` E.3).

use mach_protocol::KernReturn;
use mach_protocol::exception::{
    EXC_AARCH64_ALIGNMENT, EXC_AARCH64_PC_ALIGNMENT, EXC_AARCH64_SP_ALIGNMENT, ExceptionType,
};
use sel4_abi::FaultLabel;
use vm::Prot;

/// An exception of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// What happened.
    pub kind: ExceptionType,
    /// More about it.
    pub code: i32,
    /// More about it; for a bad access the address.
    pub subcode: u64,
    /// Where the thread was.
    pub pc: u64,
    /// The access that failed, if it was one.
    pub access: Prot,
}

/// What a fault message of the kernel asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An access that the virtual memory may be able to allow. The exception is the one to raise if it cannot, with
    /// its code to be set.
    Page(Exception),
    /// An exception.
    Raise(Exception),
}

/// Bits of the syndrome register.
mod syndrome {
    /// Where the class of the exception is.
    pub(super) const CLASS_SHIFT: u32 = 26;
    pub(super) const CLASS_FP: u64 = 0x2c;
    pub(super) const CLASS_PC_ALIGNMENT: u64 = 0x22;
    pub(super) const CLASS_SP_ALIGNMENT: u64 = 0x26;
    pub(super) const CLASS_BREAKPOINT: u64 = 0x3c;
    /// A data abort was caused by a write.
    pub(super) const WRITE: u64 = 1 << 6;
    /// A data abort was caused by a cache operation, which reports itself as a write.
    pub(super) const CACHE: u64 = 1 << 8;
    /// The status field, without the level of the table.
    pub(super) const STATUS: u64 = 0x3f;
    pub(super) const ALIGNMENT: u64 = 0x21;
    /// Address size, translation, access flag and permission faults are below this.
    pub(super) const FIRST_OTHER: u64 = 0x10;
}

/// `KERN_MEMORY_ERROR`, the code of an abort that no mapping can mend.
const MEMORY_ERROR: i32 = KernReturn::MEMORY_ERROR.0;
/// The code of an exception for an instruction that is no system call of the kernel's.
const CODE_SYSTEM_CALL: i32 = 2;
/// The code of an exception for a system call on a slot without a capability.
const CODE_CAPABILITY: i32 = 3;
const CODE_UNDEFINED: i32 = 1;

impl Fault {
    /// Reads the fault message with this label. Words that are missing count as 0.
    #[must_use]
    pub fn read(label: u64, words: &[u64]) -> Self {
        let word = |index: usize| words.get(index).copied().unwrap_or_default();
        let raise = |kind, code, subcode, pc| Self::Raise(Exception { kind, code, subcode, pc, access: Prot::NONE });
        match FaultLabel::from_label(label) {
            Some(FaultLabel::VmFault) => Self::read_page([word(0), word(1), word(2), word(3)]),
            Some(FaultLabel::UserException) => {
                let (pc, sp, esr) = (word(0), word(1), word(3));
                match esr >> syndrome::CLASS_SHIFT {
                    syndrome::CLASS_PC_ALIGNMENT => raise(ExceptionType::BAD_ACCESS, EXC_AARCH64_PC_ALIGNMENT, pc, pc),
                    syndrome::CLASS_SP_ALIGNMENT => raise(ExceptionType::BAD_ACCESS, EXC_AARCH64_SP_ALIGNMENT, sp, pc),
                    syndrome::CLASS_BREAKPOINT => raise(ExceptionType::BREAKPOINT, (esr & 0xffff) as i32, pc, pc),
                    syndrome::CLASS_FP => raise(ExceptionType::ARITHMETIC, 0, esr, pc),
                    _ => raise(ExceptionType::BAD_INSTRUCTION, CODE_UNDEFINED, esr, pc),
                }
            }
            Some(FaultLabel::UnknownSyscall) => {
                raise(ExceptionType::BAD_INSTRUCTION, CODE_SYSTEM_CALL, word(12), word(8))
            }
            Some(FaultLabel::CapFault) => raise(ExceptionType::BAD_INSTRUCTION, CODE_CAPABILITY, word(1), word(0)),
            _ => raise(ExceptionType::SOFTWARE, 0, label, word(0)),
        }
    }

    fn read_page([pc, address, is_fetch, esr]: [u64; 4]) -> Self {
        let access = if is_fetch != 0 {
            Prot::EXECUTE
        } else if esr & syndrome::WRITE != 0 && esr & syndrome::CACHE == 0 {
            Prot::WRITE
        } else {
            Prot::READ
        };
        let exception = |code| Exception { kind: ExceptionType::BAD_ACCESS, code, subcode: address, pc, access };
        match esr & syndrome::STATUS {
            syndrome::ALIGNMENT => Self::Raise(exception(EXC_AARCH64_ALIGNMENT)),
            0..syndrome::FIRST_OTHER => Self::Page(exception(0)),
            _ => Self::Raise(exception(MEMORY_ERROR)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(is_fetch: u64, esr: u64) -> Fault {
        Fault::read(6, &[0x40_0000, 0x1234, is_fetch, esr])
    }

    #[test]
    fn reads_the_wanted_access() {
        for (is_fetch, esr, access) in [
            (0, 0x9200_0006, Prot::READ),
            (0, 0x9200_0046, Prot::WRITE),
            (0, 0x9200_014f, Prot::READ),
            (1, 0x8200_0006, Prot::EXECUTE),
        ] {
            let Fault::Page(exception) = page(is_fetch, esr) else { panic!("{esr:#x}") };
            assert_eq!((exception.access, exception.subcode, exception.pc), (access, 0x1234, 0x40_0000));
        }
    }

    #[test]
    fn faults_that_no_page_mends_are_exceptions() {
        for (esr, code) in [(0x9200_0021, 100), (0x9200_0010, 10)] {
            let Fault::Raise(exception) = page(0, esr) else { panic!("{esr:#x}") };
            assert_eq!((exception.kind, exception.code), (ExceptionType::BAD_ACCESS, code));
        }
    }

    #[test]
    fn instructions_raise_what_their_class_says() {
        for (esr, kind, code) in [
            (0x0200_0000, ExceptionType::BAD_INSTRUCTION, 1),
            (0xf200_0003, ExceptionType::BREAKPOINT, 3),
            (0x26 << 26, ExceptionType::BAD_ACCESS, 102),
            (0x22 << 26, ExceptionType::BAD_ACCESS, 101),
        ] {
            let Fault::Raise(exception) = Fault::read(3, &[8, 16, 0, esr, 0]) else { panic!("{esr:#x}") };
            assert_eq!((exception.kind, exception.code, exception.pc), (kind, code, 8));
        }
    }

    #[test]
    fn short_messages_are_read_as_zeros() {
        for label in 0..10 {
            let _ = Fault::read(label, &[]);
        }
    }
}
