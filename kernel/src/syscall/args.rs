//! What an invocation is given: untrusted words and extra capabilities, copied once.

use crate::cap::{Cap, SlotRef};
use crate::error::{InvocationError, SyscallError};
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::object::Tcb;
use sel4_abi::message::MSG_MAX_EXTRA_CAPS;
use sel4_abi::registers::CONTEXT_REGISTERS;

/// Message words that any operation reads at most: `TCBWriteRegisters` with all registers.
pub const MAX_WORDS: usize = CONTEXT_REGISTERS + 2;

/// A word that user code chose. It has no arithmetic; the way out is a named check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Untrusted(u64);

impl Untrusted {
    /// The word, where every value has a meaning.
    #[must_use]
    pub const fn any(self) -> u64 {
        self.0
    }

    /// The word, if it lies in the range.
    ///
    /// # Errors
    ///
    /// `RangeError` with the bounds.
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
    /// What was in it when the call began.
    pub cap: Cap,
}

/// The arguments of an invocation.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    words: [u64; MAX_WORDS],
    length: usize,
    caps: [Option<ExtraCap>; MSG_MAX_EXTRA_CAPS],
}

impl Args {
    /// Arguments with the first words of a message of `length` words.
    #[inline]
    #[must_use]
    pub fn new(words: impl Iterator<Item = u64>, length: usize) -> Self {
        let mut args = Args { words: [0; MAX_WORDS], length, caps: [None; MSG_MAX_EXTRA_CAPS] };
        for (to, from) in args.words.iter_mut().zip(words) {
            *to = from;
        }
        args
    }

    /// Adds an extra capability; more than three are dropped.
    pub fn push_cap(&mut self, k: &Kernel, slot: SlotRef) {
        if let Some(free) = self.caps.iter_mut().find(|c| c.is_none()) {
            *free = Some(ExtraCap { slot, cap: slot.cap(k) });
        }
    }

    /// The length of the message, after the cut for senders without a buffer.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// Checks that there are so many words and extra capabilities at least.
    ///
    /// # Errors
    ///
    /// `TruncatedMessage`.
    pub const fn require(&self, words: usize, caps: usize) -> Result<(), SyscallError> {
        if self.length < words || (caps > 0 && self.caps[caps - 1].is_none()) {
            return Err(SyscallError::TruncatedMessage);
        }
        Ok(())
    }

    /// A word; 0 beyond what was sent.
    #[must_use]
    pub fn word(&self, index: usize) -> Untrusted {
        let sent = if index < self.length { self.words.get(index) } else { None };
        Untrusted(sent.copied().unwrap_or(0))
    }

    /// An extra capability.
    ///
    /// # Errors
    ///
    /// `TruncatedMessage` if it was not sent.
    pub fn cap(&self, index: usize) -> Result<ExtraCap, SyscallError> {
        self.caps.get(index).copied().flatten().ok_or(SyscallError::TruncatedMessage)
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
    pub cap: Cap,
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
