//! Reply objects: the way back to a caller, and the call chain of a scheduling context (manual
//! §4.2.4, §6.1.6).
//!
//! Layout: `2^5` bytes.

use core::cell::Cell;

use super::{SchedContext, Tcb};
use crate::kobj::KRef;

/// What stands above a reply object in the call chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyNext {
    /// Nothing: the object is in no chain, or its chain was cut above it.
    None,
    /// The reply object of the next call.
    Reply(KRef<Reply>),
    /// The scheduling context: this object is the top of its chain.
    SchedContext(KRef<SchedContext>),
}

/// A reply object.
#[derive(Debug)]
#[repr(C)]
pub struct Reply {
    /// The thread that waits with this object, or for the reply.
    pub(crate) tcb: Cell<Option<KRef<Tcb>>>,
    /// The reply object of the call below.
    pub(crate) prev: Cell<Option<KRef<Reply>>>,
    /// What stands above.
    pub(crate) next: Cell<ReplyNext>,
}

impl Reply {
    /// A reply object that nobody uses.
    #[must_use]
    pub const fn initial() -> Self {
        Reply { tcb: Cell::new(None), prev: Cell::new(None), next: Cell::new(ReplyNext::None) }
    }
}
