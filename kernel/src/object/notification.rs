//! Notifications: words of signal bits that threads wait for (manual §5).
//!
//! Layout: `2^6` bytes.

use core::cell::Cell;

use super::{SchedContext, Tcb};
use crate::cap::Badge;
use crate::kobj::KRef;

/// What a notification holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationState {
    /// Neither signals nor waiters.
    Idle,
    /// Threads wait.
    Waiting,
    /// A word of signals, which may be 0.
    Active(Badge),
}

/// A notification.
#[derive(Debug)]
#[repr(C)]
pub struct Notification {
    /// What it holds.
    pub(crate) state: Cell<NotificationState>,
    /// The first waiting thread.
    pub(crate) head: Cell<Option<KRef<Tcb>>>,
    /// The last waiting thread.
    pub(crate) tail: Cell<Option<KRef<Tcb>>>,
    /// The thread bound to it.
    pub(crate) bound_tcb: Cell<Option<KRef<Tcb>>>,
    /// The scheduling context bound to it.
    pub(crate) sched_context: Cell<Option<KRef<SchedContext>>>,
}

impl Notification {
    /// A notification without signals, waiters and bindings.
    #[must_use]
    pub const fn initial() -> Self {
        Notification {
            state: Cell::new(NotificationState::Idle),
            head: Cell::new(None),
            tail: Cell::new(None),
            bound_tcb: Cell::new(None),
            sched_context: Cell::new(None),
        }
    }
}
