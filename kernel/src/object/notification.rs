//! Notifications: words of signal bits that threads wait for (manual §5).
//!
//! Layout: `2^6` bytes.
//!
//! # Invariants
//!
//! - `NTFN-1` the state is Waiting exactly when the queue is not empty;
//! - `NTFN-2` the threads of the queue are `BlockedOnNotification` here and marked [`Queued::Ipc`],
//!   ordered by priority, equals in order of arrival;
//! - `NTFN-3` notification and bound thread refer to each other, so do notification and scheduling
//!   context.
//!
//! # States
//!
//! | state | signal | wait |
//! |---|---|---|
//! | Idle | the bound thread, if it receives on an endpoint, gets it; else Active | blocks → Waiting, or polls 0 |
//! | Active | the bits are added | takes the word → Idle |
//! | Waiting | the first waiter gets it; Idle if it was the last | queues, or polls 0 |

use core::cell::Cell;

use super::endpoint::{Blocking, WAITER_UNITS, WAITERS_AT_ONCE};
use super::tcb::{Queued, Tcb, ThreadState, thread};
use super::{Finalised, SchedContext, sched_context};
use crate::Kernel;
use crate::cap::Badge;
use crate::kobj::KRef;
use crate::sched;
use crate::sched::queue::TcbQueue;

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
    /// The waiting threads.
    queue: Cell<TcbQueue>,
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
            queue: Cell::new(TcbQueue::EMPTY),
            bound_tcb: Cell::new(None),
            sched_context: Cell::new(None),
        }
    }
}

impl Notification {
    /// The waiting threads.
    #[must_use]
    pub(crate) fn waiters(&self) -> TcbQueue {
        self.queue.get()
    }
}

// ---- signalling and waiting (spec §1.10) ----

/// Delivers a signal: to the first waiter, to the bound thread if that is receiving on an endpoint, or
/// into the word.
pub fn signal(k: &Kernel, n: KRef<Notification>, badge: Badge) {
    let ntfn = n.get(k);
    match ntfn.state.get() {
        NotificationState::Active(word) => {
            ntfn.state.set(NotificationState::Active(Badge(word.0 | badge.0)));
        }
        NotificationState::Waiting => {
            if let Some(t) = ntfn.waiters().head {
                remove(k, n, t);
                deliver(k, n, t, badge);
            }
        }
        NotificationState::Idle => match ntfn.bound_tcb.get() {
            Some(t) if matches!(t.get(k).state.get(), ThreadState::BlockedOnReceive { .. }) => {
                thread::cancel_ipc(k, t);
                deliver(k, n, t, badge);
            }
            _ => ntfn.state.set(NotificationState::Active(badge)),
        },
    }
}

/// Wakes a thread with the signal; it may get the notification's scheduling context.
fn deliver(k: &Kernel, n: KRef<Notification>, t: KRef<Tcb>, badge: Badge) {
    t.get(k).context.badge_register().set(badge.0);
    lend_sched_context(k, n, t);
    thread::make_runnable(k, t);
}

/// Waits on `n` for the current thread `t`, or polls it.
pub fn wait(k: &Kernel, t: KRef<Tcb>, n: KRef<Notification>, blocking: Blocking) {
    if take_signal(k, t, n) {
        return;
    }
    match blocking {
        Blocking::No => t.get(k).context.badge_register().set(0),
        Blocking::Yes => {
            sched::set_state(k, t, ThreadState::BlockedOnNotification { notification: n });
            return_sched_context(k, n, t);
            enqueue(k, n, t);
        }
    }
}

/// Delivers the word of an active notification to the current thread `t`; answers whether there was
/// one.
pub fn take_signal(k: &Kernel, t: KRef<Tcb>, n: KRef<Notification>) -> bool {
    let ntfn = n.get(k);
    let NotificationState::Active(word) = ntfn.state.get() else { return false };
    ntfn.state.set(NotificationState::Idle);
    t.get(k).context.badge_register().set(word.0);
    lend_sched_context(k, n, t);
    if t.get(k).sched_context.get().is_some_and(|sc| sc.get(k).is_configured() && !sched_context::is_ready(k, sc)) {
        sched::postpone(k, t);
    }
    true
}

/// A signal reaches a thread without scheduling context: the notification's goes to it, if no thread
/// has it (spec §4.9).
fn lend_sched_context(k: &Kernel, n: KRef<Notification>, t: KRef<Tcb>) {
    if t.get(k).sched_context.get().is_none()
        && let Some(sc) = n.get(k).sched_context.get()
        && sc.get(k).tcb.get().is_none()
    {
        sched_context::donate(k, sc, t);
    }
}

/// A thread blocks that runs on the scheduling context of `n`: it gives it back (spec §4.9).
pub fn return_sched_context(k: &Kernel, n: KRef<Notification>, t: KRef<Tcb>) {
    if let Some(sc) = n.get(k).sched_context.get()
        && t.get(k).sched_context.get() == Some(sc)
    {
        sched_context::unbind_tcb(k, sc);
    }
}

/// Puts a thread that is to wait into the queue; its state says so already.
pub fn enqueue(k: &Kernel, n: KRef<Notification>, t: KRef<Tcb>) {
    let mut queue = n.get(k).waiters();
    queue.insert_by_priority(k, t);
    t.get(k).queued.set(Queued::Ipc);
    n.get(k).queue.set(queue);
    n.get(k).state.set(NotificationState::Waiting);
}

/// Takes a waiting thread out of the queue.
pub fn remove(k: &Kernel, n: KRef<Notification>, t: KRef<Tcb>) {
    let mut queue = n.get(k).waiters();
    queue.remove(k, t);
    t.get(k).queued.set(Queued::No);
    n.get(k).queue.set(queue);
    if queue.is_empty() {
        n.get(k).state.set(NotificationState::Idle);
    }
}

/// Puts a waiting thread behind its equals again, after its priority has changed.
pub fn requeue(k: &Kernel, n: KRef<Notification>, t: KRef<Tcb>) {
    remove(k, n, t);
    enqueue(k, n, t);
}

// ---- binding, destruction ----

/// Binds `n` and `t` to each other; neither is bound.
pub fn bind_tcb(k: &Kernel, n: KRef<Notification>, t: KRef<Tcb>) {
    n.get(k).bound_tcb.set(Some(t));
    t.get(k).bound_notification.set(Some(n));
}

/// Cuts the binding of a thread, if it has one.
pub fn unbind_tcb(k: &Kernel, t: KRef<Tcb>) {
    if let Some(n) = t.get(k).bound_notification.take() {
        n.get(k).bound_tcb.set(None);
    }
}

/// Cuts all bindings and restarts waiters, because the notification is being destroyed; a bounded number of them.
pub fn finalise(k: &Kernel, n: KRef<Notification>) -> Finalised {
    if let Some(sc) = n.get(k).sched_context.get() {
        sched_context::unbind_notification(k, sc);
    }
    if let Some(t) = n.get(k).bound_tcb.get() {
        unbind_tcb(k, t);
    }
    for _ in 0..WAITERS_AT_ONCE {
        let Some(t) = n.get(k).waiters().head else { break };
        remove(k, n, t);
        sched::set_state(k, t, ThreadState::Restart);
        thread::wake(k, t);
        k.spend(WAITER_UNITS);
    }
    sched::reschedule(k);
    Finalised::when(n.get(k).waiters().is_empty())
}
