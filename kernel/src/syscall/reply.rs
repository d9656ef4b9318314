//! The one encoder of kernel replies.

use super::Outcome;
use crate::error::{LookupSide, SyscallError};
use crate::kernel::Kernel;
use crate::kobj::{KRef, UserBuffer};
use crate::object::Tcb;
use sel4_abi::MessageInfo;
use sel4_abi::message::{IpcBuffer, MSG_REGISTERS};
use sel4_abi::registers::CONTEXT;

/// Tells a caller that its invocation succeeded: badge 0, label 0, and the result words.
pub fn reply_success(k: &Kernel, caller: KRef<Tcb>, buffer: Option<UserBuffer>, outcome: &Outcome) {
    match outcome {
        Outcome::Done => write(k, caller, buffer, 0, &[]),
        Outcome::Word(word) => write(k, caller, buffer, 0, &[*word]),
        Outcome::Registers { of, count } => {
            let words = CONTEXT.map(|register| of.get(k).context.get(register));
            write(k, caller, buffer, 0, words.get(..*count).unwrap_or(&words));
        }
        Outcome::Deferred => {}
    }
}

/// Tells a caller why its invocation was refused.
pub fn reply_error(k: &Kernel, caller: KRef<Tcb>, buffer: Option<UserBuffer>, error: SyscallError) {
    let (words, length) = error_words(error);
    let words = words.get(..length).unwrap_or(&words);
    write(k, caller, buffer, error.code().number(), words);
}

/// The words that an error reports.
fn error_words(error: SyscallError) -> ([u64; 5], usize) {
    match error {
        SyscallError::InvalidArgument { index } | SyscallError::InvalidCapability { index } => ([index, 0, 0, 0, 0], 1),
        SyscallError::RangeError { min, max } => ([min, max, 0, 0, 0], 2),
        SyscallError::FailedLookup { side, fault } => {
            let ([a, b, c, d], length) = fault.words();
            ([u64::from(side == LookupSide::Source), a, b, c, d], 1 + length)
        }
        SyscallError::NotEnoughMemory { bytes_left } => ([bytes_left, 0, 0, 0, 0], 1),
        SyscallError::IllegalOperation
        | SyscallError::AlignmentError
        | SyscallError::TruncatedMessage
        | SyscallError::DeleteFirst
        | SyscallError::RevokeFirst => ([0; 5], 0),
    }
}

/// Writes badge, message info and words; words that have no place are dropped.
fn write(k: &Kernel, caller: KRef<Tcb>, buffer: Option<UserBuffer>, label: u64, words: &[u64]) {
    let context = &caller.get(k).context;
    for (register, word) in context.message_registers().into_iter().zip(words) {
        register.set(*word);
    }
    let mut length = words.len().min(MSG_REGISTERS);
    if let Some(buffer) = buffer {
        for (i, word) in words.iter().enumerate().skip(MSG_REGISTERS) {
            buffer.write(k, IpcBuffer::MSG_WORD + i, *word);
        }
        length = words.len();
    }
    context.badge_register().set(0);
    context.info_register().set(MessageInfo::new(label, 0, 0, length as u64).0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::LookupFault;

    #[test]
    fn failed_lookup_carries_side_and_cause() {
        let fault = LookupFault::GuardMismatch { bits_left: 64, guard_found: 0, bits_found: 51 };
        let source = SyscallError::FailedLookup { side: LookupSide::Source, fault };
        assert_eq!(error_words(source), ([1, 4, 64, 0, 51], 5));
        let fault = LookupFault::InvalidRoot;
        let dest = SyscallError::FailedLookup { side: LookupSide::Destination, fault };
        assert_eq!(error_words(dest), ([0, 1, 0, 0, 0], 2));
    }
}
