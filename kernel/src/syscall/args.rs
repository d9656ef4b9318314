//! What an invocation is given: untrusted words and extra capabilities, read where they are used.

use crate::cap::{RawCap, SlotRef};
use crate::error::{InvocationError, SyscallError};
use crate::ipc::transfer;
use crate::kernel::Kernel;
use crate::kobj::{KRef, UserBuffer};
use crate::object::Tcb;
use sel4_abi::MessageInfo;
use sel4_abi::message::{IpcBuffer, MSG_MAX_EXTRA_CAPS, MSG_REGISTERS};

/// A word that user code chose. It has no arithmetic; the way out is a named check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Untrusted(u64);

impl Untrusted {
    /// The word, where every value has a meaning.
    #[inline]
    #[must_use]
    pub const fn any(self) -> u64 {
        self.0
    }

    /// The word, if it lies in the range.
    ///
    /// # Errors
    ///
    /// `RangeError` with the bounds.
    #[inline]
    pub const fn in_range(self, min: u64, max: u64) -> Result<u64, SyscallError> {
        if self.0 < min || self.0 > max {
            return Err(SyscallError::RangeError { min, max });
        }
        Ok(self.0)
    }
}

/// An extra capability of a message: the slot that its CPtr named, empty or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtraCap {
    /// The slot.
    pub slot: SlotRef,
    /// What is in it.
    pub cap: RawCap,
}

/// The slots of a message's extra capabilities, in order; the first that is missing ends them.
pub type ExtraSlots = [Option<SlotRef>; MSG_MAX_EXTRA_CAPS];

/// The arguments of an invocation: a view of the caller's registers and of its IPC buffer.
///
/// Nothing is copied before it is asked for. Others may write to the buffer at any time, so a word is read once, by
/// `decode`, or first by `perform` where every value is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    caller: KRef<Tcb>,
    /// The caller's buffer, if the message reaches into it.
    buffer: Option<UserBuffer>,
    length: usize,
    caps: ExtraSlots,
}

impl Args {
    /// The arguments in the message that `caller` sends, and these extra capabilities.
    #[inline]
    #[must_use]
    pub fn of(k: &Kernel, caller: KRef<Tcb>, caps: ExtraSlots) -> Self {
        let length = MessageInfo(caller.get(k).context.info_register().get()).clamped_length();
        if length <= MSG_REGISTERS {
            return Args { caller, buffer: None, length, caps };
        }
        let buffer = transfer::send_buffer(k, caller);
        Args { caller, buffer, length: if buffer.is_some() { length } else { MSG_REGISTERS }, caps }
    }

    /// The length of the message, after the cut for senders without a buffer.
    #[inline]
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// Checks that there are so many words and extra capabilities at least.
    ///
    /// # Errors
    ///
    /// `TruncatedMessage`.
    #[inline]
    pub const fn require(&self, words: usize, caps: usize) -> Result<(), SyscallError> {
        if self.length < words || (caps > 0 && self.caps[caps - 1].is_none()) {
            return Err(SyscallError::TruncatedMessage);
        }
        Ok(())
    }

    /// A word; 0 beyond what was sent.
    #[inline]
    #[must_use]
    pub fn word(&self, k: &Kernel, index: usize) -> Untrusted {
        if index >= self.length {
            return Untrusted(0);
        }
        let registers = self.caller.get(k).context.message_registers();
        Untrusted(match (registers.get(index), self.buffer) {
            (Some(register), _) => register.get(),
            (None, Some(buffer)) => buffer.read(k, IpcBuffer::MSG_WORD + index),
            (None, None) => 0,
        })
    }

    /// An extra capability.
    ///
    /// # Errors
    ///
    /// `TruncatedMessage` if it was not sent.
    #[inline]
    pub fn cap(&self, k: &Kernel, index: usize) -> Result<ExtraCap, SyscallError> {
        match self.caps.get(index).copied().flatten() {
            Some(slot) => Ok(ExtraCap { slot, cap: slot.raw(k) }),
            None => Err(SyscallError::TruncatedMessage),
        }
    }
}

/// Which half of a system call an invocation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The only one.
    Only,
    /// The sending half of a call that then receives: some kinds are refused.
    First,
}

/// An invocation of a kernel object.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    /// The operation, not yet recognised.
    pub label: u64,
    /// The slot of the invoked capability.
    pub slot: SlotRef,
    /// The invoked capability.
    pub cap: RawCap,
    /// Its arguments.
    pub args: &'a Args,
    /// Which half of the system call this is.
    pub phase: Phase,
}

/// What a successful invocation answers, if it was called.
#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    /// Success without words.
    Done,
    /// Success with one word.
    Word(u64),
    /// Success with registers of a thread, in the order of `TCBReadRegisters`.
    Registers {
        /// The thread.
        of: KRef<Tcb>,
        /// How many.
        count: usize,
    },
    /// Nothing now: the thread's registers are not touched.
    Deferred,
}

/// What invoking an object comes to.
pub type InvokeResult = Result<Outcome, InvocationError>;
