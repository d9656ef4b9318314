//! Endpoints: where senders and receivers meet (manual §4.2).
//!
//! Layout: `2^4` bytes, two words.

use core::cell::Cell;

use super::Tcb;
use crate::kobj::{KRef, Tagged};

/// Who waits on an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// Nobody.
    Idle,
    /// Senders.
    Sending,
    /// Receivers.
    Receiving,
}

/// An endpoint.
#[derive(Debug)]
#[repr(C)]
pub struct Endpoint {
    /// The first waiting thread; the flags are the state.
    head: Cell<Tagged<Tcb>>,
    /// The last waiting thread.
    tail: Cell<Option<KRef<Tcb>>>,
}

impl Endpoint {
    /// An endpoint on which nobody waits.
    #[must_use]
    pub const fn initial() -> Self {
        Endpoint { head: Cell::new(Tagged::NONE), tail: Cell::new(None) }
    }

    /// Who waits.
    #[must_use]
    pub fn state(&self) -> EndpointState {
        match self.head.get().flags() {
            1 => EndpointState::Sending,
            2 => EndpointState::Receiving,
            _ => EndpointState::Idle,
        }
    }

    /// Does nobody wait?
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state() == EndpointState::Idle
    }

    /// The first and the last waiting thread.
    #[must_use]
    pub(crate) fn queue(&self) -> (Option<KRef<Tcb>>, Option<KRef<Tcb>>) {
        (self.head.get().target(), self.tail.get())
    }

    /// Replaces state and queue ends.
    pub(crate) fn set(&self, state: EndpointState, head: Option<KRef<Tcb>>, tail: Option<KRef<Tcb>>) {
        let flags = match state {
            EndpointState::Idle => 0,
            EndpointState::Sending => 1,
            EndpointState::Receiving => 2,
        };
        self.head.set(Tagged::new(head, flags));
        self.tail.set(tail);
    }
}
