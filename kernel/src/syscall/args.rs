//! What an invocation is given: untrusted words and extra capabilities, read where they are used.

use core::cell::Cell;

use crate::cap::{RawCap, SlotRef};
use crate::error::{InvocationError, SyscallError};
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
    /// The arguments in the message `info` that `caller` sends: words and these extra capabilities. `buffer` is the
    /// caller's, if it has one and the message reaches into it.
    #[inline]
    #[must_use]
    pub fn new(info: MessageInfo, caller: KRef<Tcb>, buffer: Option<UserBuffer>, caps: ExtraSlots) -> Self {
        let length = info.clamped_length();
        let length = if buffer.is_some() { length } else { length.min(MSG_REGISTERS) };
        Args { caller, buffer, length, caps }
    }

    /// Does a message reach into the sender's buffer?
    #[inline]
    #[must_use]
    pub const fn has_more(info: MessageInfo) -> bool {
        info.length() > MSG_REGISTERS || info.extra_caps() > 0
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

    /// Writes the first word, which travels in a register, so that the call, when it is repeated after a preemption, asks
    /// for what is left to do.
    pub fn set_first_word(&self, k: &Kernel, word: u64) {
        let [first, ..] = self.caller.get(k).context.message_registers();
        first.set(word);
    }

    /// Copies the words from `first` on to these places; the message is long enough.
    pub fn copy_to(&self, k: &Kernel, first: usize, places: &[&Cell<u64>]) {
        let in_registers = MSG_REGISTERS.saturating_sub(first).min(places.len());
        let (near, far) = places.split_at(in_registers);
        let registers = self.caller.get(k).context.message_registers();
        for (register, place) in registers.iter().skip(first).zip(near) {
            place.set(register.get());
        }
        if let Some(buffer) = self.buffer {
            for (word, place) in (IpcBuffer::MSG_WORD + first + in_registers..).zip(far) {
                place.set(buffer.read(k, word));
            }
        }
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
