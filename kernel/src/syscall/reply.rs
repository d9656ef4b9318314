//! The one encoder of kernel replies.

use super::Outcome;
use crate::error::{LookupSide, SyscallError};
use crate::ipc::transfer;
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::object::Tcb;
use sel4_abi::MessageInfo;
use sel4_abi::message::{IpcBuffer, MSG_REGISTERS};

/// Tells a caller what became of its invocation.
#[inline]
pub fn answer(k: &Kernel, caller: KRef<Tcb>, result: Result<Outcome, SyscallError>) {
    match result {
        Ok(outcome) => reply_success(k, caller, outcome),
        Err(error) => reply_error(k, caller, error),
    }
}

/// Tells a caller that its invocation succeeded: badge 0, label 0, and the result words.
#[inline]
pub fn reply_success(k: &Kernel, caller: KRef<Tcb>, outcome: Outcome) {
    match outcome {
        Outcome::Done => finish(k, caller, 0, 0),
        Outcome::Word(word) => write(k, caller, 0, core::iter::once(word)),
        Outcome::Registers { of, count } => write_registers(k, caller, of, count),
        Outcome::Deferred => {}
    }
}

/// Tells a caller why its invocation was refused.
#[cold]
fn reply_error(k: &Kernel, caller: KRef<Tcb>, error: SyscallError) {
    let (words, length) = error_words(error);
    write(k, caller, error.code().number(), words.into_iter().take(length));
}

fn write_registers(k: &Kernel, caller: KRef<Tcb>, of: KRef<Tcb>, count: usize) {
    let registers = of.get(k).context.in_message_order();
    write(k, caller, 0, registers.into_iter().take(count).map(core::cell::Cell::get));
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

/// Writes words, badge and message info; words that have no place are dropped.
#[inline]
fn write(k: &Kernel, caller: KRef<Tcb>, label: u64, mut words: impl ExactSizeIterator<Item = u64>) {
    let mut length = words.len();
    for (register, word) in caller.get(k).context.message_registers().into_iter().zip(&mut words) {
        register.set(word);
    }
    if length > MSG_REGISTERS {
        match transfer::receive_buffer(k, caller) {
            Some(buffer) => {
                for (i, word) in (IpcBuffer::MSG_WORD + MSG_REGISTERS..).zip(words) {
                    buffer.write(k, i, word);
                }
            }
            None => length = MSG_REGISTERS,
        }
    }
    finish(k, caller, label, length as u64);
}

/// Writes badge and message info.
#[inline]
fn finish(k: &Kernel, caller: KRef<Tcb>, label: u64, length: u64) {
    let context = &caller.get(k).context;
    context.badge_register().set(0);
    context.info_register().set(MessageInfo::new(label, 0, 0, length).0);
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
