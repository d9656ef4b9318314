//! What a fault message of the kernel says, in words: for threads whose faults nobody can mend.

use core::fmt;

use sel4_abi::FaultLabel;
use sel4_abi::fault::{cap_fault, unknown_syscall, user_exception, vm_fault};

/// A fault message.
#[derive(Clone, Copy, Debug)]
pub struct Fault<'a> {
    /// Its label.
    pub label: u64,
    /// Its words; those that are missing count as 0.
    pub words: &'a [u64],
}

/// Bits of the syndrome of a data abort: it was a write, it was a cache operation (which reports itself as a write).
const WRITE: u64 = 1 << 6;
const CACHE: u64 = 1 << 8;

impl Fault<'_> {
    /// The registers with which the thread goes on behind the instruction, in the order of a reply, if that is a read of a
    /// clock that the kernel keeps to itself.
    #[must_use]
    pub fn behind_clock(&self) -> Option<[u64; 3]> {
        const INSTRUCTION: u64 = 4;
        let is_exception = FaultLabel::from_label(self.label) == Some(FaultLabel::UserException);
        let word = |index: usize| self.words.get(index).copied();
        word(user_exception::NUMBER).filter(|syndrome| is_exception && mach_sys::clock::is_read(*syndrome))?;
        let pc = word(user_exception::FAULT_IP)?.wrapping_add(INSTRUCTION);
        Some([pc, word(user_exception::SP)?, word(user_exception::SPSR)?])
    }
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |index: usize| self.words.get(index).copied().unwrap_or_default();
        match FaultLabel::from_label(self.label) {
            Some(FaultLabel::VmFault) => {
                let syndrome = word(vm_fault::FSR);
                let access = match (word(vm_fault::PREFETCH_FAULT), syndrome & WRITE, syndrome & CACHE) {
                    (0, WRITE, 0) => "write",
                    (0, ..) => "read",
                    _ => "execute",
                };
                write!(f, "{access} at {:#x} pc {:#x}", word(vm_fault::ADDR), word(vm_fault::IP))
            }
            Some(FaultLabel::UserException) => {
                let (syndrome, pc) = (word(user_exception::NUMBER), word(user_exception::FAULT_IP));
                write!(f, "exception with syndrome {syndrome:#x} pc {pc:#x}")
            }
            Some(FaultLabel::UnknownSyscall) => {
                let (number, pc) = (word(unknown_syscall::SYSCALL) as i64, word(unknown_syscall::FAULT_IP));
                write!(f, "unknown system call {number} pc {pc:#x}")
            }
            Some(FaultLabel::CapFault) => {
                write!(f, "no capability at {:#x} pc {:#x}", word(cap_fault::ADDR), word(cap_fault::IP))
            }
            Some(FaultLabel::Timeout | FaultLabel::None) | None => write!(f, "fault {}", self.label),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_refused_read_of_the_clock_is_stepped_over() {
        let words = [0x40_0000, 0x7000, 0x3c5, 0x6234_f861, 0];
        assert_eq!(Fault { label: 3, words: &words }.behind_clock(), Some([0x40_0004, 0x7000, 0x3c5]));
        let other = [0x40_0000, 0x7000, 0x3c5, 0x0200_0000, 0];
        assert_eq!(Fault { label: 3, words: &other }.behind_clock(), None);
        assert_eq!(Fault { label: 6, words: &words }.behind_clock(), None);
        assert_eq!(Fault { label: 3, words: &[] }.behind_clock(), None);
    }

    #[test]
    fn says_access_address_and_program_counter() {
        for (label, words, text) in [
            (6, &[0x40_0000, 0x123, 0, 0x9200_0046][..], "write at 0x123 pc 0x400000"),
            (6, &[0x40_0000, 0x123, 0, 0x9200_0006], "read at 0x123 pc 0x400000"),
            (6, &[0x40_0000, 0x123, 0, 0x9200_0146], "read at 0x123 pc 0x400000"),
            (6, &[0x120, 0x120, 1, 0x8200_0006], "execute at 0x120 pc 0x120"),
            (3, &[0x40_0004, 0, 0, 0xf200_0001, 0], "exception with syndrome 0xf2000001 pc 0x400004"),
            (2, &[0, 0, 0, 0, 0, 0, 0, 0, 0x40_0008, 0, 0, 0, (-12_i64) as u64], "unknown system call -12 pc 0x400008"),
            (1, &[0x40_000c, 99, 0, 2, 0], "no capability at 0x63 pc 0x40000c"),
            (6, &[], "read at 0x0 pc 0x0"),
            (77, &[1], "fault 77"),
        ] {
            assert_eq!(Fault { label, words }.to_string(), text);
        }
    }
}
