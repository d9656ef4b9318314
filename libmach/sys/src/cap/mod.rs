//! Typed capability slots: [`Cap<T>`] is a capability address and the kind of object that its holder
//! believes to be there, at no cost. The kernel checks the belief at every use.
//!
//! One method per invocation, in a file per subject: [`untyped`], [`cnode`], [`tcb`], [`sched`],
//! [`vspace`], [`irq`]. All of them answer `Result<_, Error>` and are refused as a whole or done as a whole.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;

use sel4_abi::{CPtr, InvocationLabel, MessageInfo};

use crate::arch;
use crate::error::{Error, Result};
use crate::ipc_buffer::IpcBuffer;
use crate::message::Message;

pub mod cnode;
pub mod irq;
pub mod sched;
pub mod tcb;
pub mod untyped;
pub mod vspace;

/// Declares the markers of kinds of objects.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum $name {}
        )*
    };
}

kinds! {
    /// Any kind, or none: what is there is not known.
    Unspecified,
    /// Memory to make objects from.
    Untyped,
    /// A thread.
    Tcb,
    /// A meeting point of senders and receivers.
    Endpoint,
    /// A word of signals.
    Notification,
    /// What holds a caller until it is answered.
    Reply,
    /// A table of slots.
    CNode,
    /// A budget of processor time.
    SchedContext,
    /// The authority to give scheduling contexts their budgets.
    SchedControl,
    /// A page of memory.
    Frame,
    /// A translation table below the root.
    PageTable,
    /// The root of an address space.
    VSpace,
    /// The authority to make pools of address-space identifiers.
    AsidControl,
    /// A pool of address-space identifiers.
    AsidPool,
    /// The authority to make interrupt handlers.
    IrqControl,
    /// The authority over one interrupt.
    IrqHandler,
    /// The authority over scheduling domains.
    Domain,
}

/// The address of a capability of kind `T` in the calling thread's CSpace.
pub struct Cap<T> {
    cptr: CPtr,
    kind: PhantomData<fn() -> T>,
}

impl<T> Cap<T> {
    /// The capability at `cptr`, believed to be of kind `T`.
    #[must_use]
    pub const fn new(cptr: CPtr) -> Self {
        Self { cptr, kind: PhantomData }
    }

    /// The capability in slot number `slot` of a CSpace whose addresses are slot numbers.
    #[must_use]
    pub const fn from_slot(slot: u64) -> Self {
        Self::new(slot)
    }

    /// The empty slot 0.
    #[must_use]
    pub const fn null() -> Self {
        Self::from_slot(0)
    }

    /// The address.
    #[must_use]
    pub const fn cptr(self) -> CPtr {
        self.cptr
    }

    /// The address as a word.
    #[must_use]
    pub const fn word(self) -> u64 {
        self.cptr
    }

    /// The same address, believed to hold another kind.
    #[must_use]
    pub const fn cast<U>(self) -> Cap<U> {
        Cap::new(self.cptr)
    }
}

impl<T> Clone for Cap<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Cap<T> {}

impl<T> PartialEq for Cap<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cptr == other.cptr
    }
}

impl<T> Eq for Cap<T> {}

impl<T> Hash for Cap<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.cptr.hash(state);
    }
}

impl<T> fmt::Debug for Cap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = core::any::type_name::<T>();
        write!(f, "{}@{:#x}", kind.rsplit("::").next().unwrap_or(kind), self.cptr)
    }
}

/// What a successful invocation answers: message registers 0 to 3. Further ones are in the IPC buffer.
pub(crate) struct Answer {
    pub(crate) info: MessageInfo,
    pub(crate) registers: [u64; 4],
}

impl Answer {
    /// Result word `index`, wherever it travelled.
    pub(crate) fn word(&self, index: usize) -> u64 {
        match self.registers.get(index) {
            Some(word) => *word,
            None => IpcBuffer::current().map_or(0, |buffer| buffer.message_word(index)),
        }
    }
}

/// Invokes the object at `cptr`. Where it is called the lengths are known, and little is left of all this.
#[inline(always)]
pub(crate) fn invoke(cptr: CPtr, label: InvocationLabel, words: &[u64], caps: &[CPtr]) -> Result<Answer> {
    let mut registers = Message { label: label.number(), words, caps }.load();
    arch::call(cptr, &mut registers);
    let answer = Answer { info: MessageInfo(registers.info), registers: registers.mr };
    match answer.info.label() {
        0 => Ok(answer),
        _ => Err(Error::decode(&answer)),
    }
}

impl<T> Cap<T> {
    /// Invokes the object with operation `label`; the answer's words beyond the fourth are in the buffer.
    pub(crate) fn invoke(self, label: InvocationLabel, words: &[u64], caps: &[CPtr]) -> Result<Answer> {
        invoke(self.cptr, label, words, caps)
    }

    /// Invokes with an operation that answers nothing.
    #[inline(always)]
    pub(crate) fn perform(self, label: InvocationLabel, words: &[u64], caps: &[CPtr]) -> Result<()> {
        self.invoke(label, words, caps).map(|_| ())
    }
}

/// Invokes the object at `cptr` with any label and words: for tests of what the kernel refuses.
///
/// # Errors
///
/// What the kernel answers.
pub fn invoke_raw(cptr: CPtr, message: &Message<'_>) -> Result<[u64; 4]> {
    let mut registers = message.load();
    arch::call(cptr, &mut registers);
    let answer = Answer { info: MessageInfo(registers.info), registers: registers.mr };
    match answer.info.label() {
        0 => Ok(answer.registers),
        _ => Err(Error::decode(&answer)),
    }
}
