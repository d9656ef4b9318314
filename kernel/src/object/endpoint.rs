//! Endpoints: where senders and receivers meet (manual §4.2).
//!
//! Layout: `2^4` bytes, two words.
//!
//! # Invariants
//!
//! - `EP-1` the state is Idle exactly when the queue is empty;
//! - `EP-2` the threads of the queue are `BlockedOnSend` (state Sending) or `BlockedOnReceive`
//!   (Receiving) on this endpoint, and are marked [`Queued::Ipc`];
//! - `EP-3` the queue is ordered by priority, highest first; equals in order of arrival.
//!
//! # States
//!
//! | state | send | receive |
//! |---|---|---|
//! | Idle | blocks → Sending, or is dropped | blocks → Receiving, or polls 0 |
//! | Sending | queues, or is dropped | takes the first; Idle if it was the last |
//! | Receiving | serves the first; Idle if it was the last | queues, or polls 0 |

use core::cell::Cell;

use super::tcb::{Queued, Tcb, ThreadState, thread};
use super::{Finalised, Reply, reply, sched_context};
use crate::Kernel;
use crate::cap::{Badge, EndpointCap};
use crate::error::Preempted;
use crate::ipc::transfer;
use crate::kobj::{KRef, Tagged};
use crate::sched;
use crate::sched::queue::TcbQueue;
use sel4_abi::CapRights;

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

/// The flags of the states in the first word; 0 is Idle.
const SENDING: usize = 1;
const RECEIVING: usize = 2;

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
            SENDING => EndpointState::Sending,
            RECEIVING => EndpointState::Receiving,
            _ => EndpointState::Idle,
        }
    }

    /// Does nobody wait?
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state() == EndpointState::Idle
    }

    /// The first waiting receiver.
    #[inline]
    #[must_use]
    pub fn first_receiver(&self) -> Option<KRef<Tcb>> {
        match self.state() {
            EndpointState::Receiving => self.head.get().target(),
            EndpointState::Idle | EndpointState::Sending => None,
        }
    }

    /// The waiting threads.
    #[must_use]
    pub(crate) fn queue(&self) -> TcbQueue {
        TcbQueue { head: self.head.get().target(), tail: self.tail.get() }
    }

    /// Replaces the queue; who waits is `waiting`, unless it is empty now.
    fn set_queue(&self, waiting: EndpointState, queue: TcbQueue) {
        let flags = match waiting {
            _ if queue.is_empty() => 0,
            EndpointState::Idle => 0,
            EndpointState::Sending => SENDING,
            EndpointState::Receiving => RECEIVING,
        };
        self.head.set(Tagged::new(queue.head, flags));
        self.tail.set(queue.tail);
    }
}

/// So many waiting threads are restarted before it is looked whether something else is due.
pub(super) const WAITERS_AT_ONCE: usize = 16;
/// What restarting one is worth in units of work.
pub(super) const WAITER_UNITS: u32 = 2;

// ---- sending and receiving (spec §1.8) ----

/// What the sender's capability says, read when the send starts: changing or deleting the capability
/// afterwards has no effect on this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The badge that the receiver sees.
    pub badge: Badge,
    /// Capabilities may travel, and a reply may be expected.
    pub grant: bool,
    /// A reply may be expected.
    pub grant_reply: bool,
}

impl Authority {
    /// What this capability says.
    #[must_use]
    pub fn of(cap: EndpointCap) -> Self {
        Authority {
            badge: cap.badge,
            grant: cap.rights.contains(CapRights::GRANT),
            grant_reply: cap.rights.contains(CapRights::GRANT_REPLY),
        }
    }
}

/// What the sender wants of the send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendMode {
    /// Wait for a receiver.
    Blocking,
    /// Drop the message if there is no receiver.
    NonBlocking,
    /// Drop the message if there is no receiver; the scheduling context may go with it for good.
    FirstPhase,
    /// Wait for a receiver and then for its reply; the scheduling context is lent for that long.
    Call,
    /// As `Call`, for the fault that is pending in the sender.
    Fault,
}

/// Whether a receive waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// It waits for a sender.
    Yes,
    /// It is a poll.
    No,
}

/// Sends from `sender`, which is not blocked, to `ep`. Never fails: what cannot be delivered waits or
/// is dropped.
pub fn send(k: &Kernel, sender: KRef<Tcb>, ep: KRef<Endpoint>, authority: Authority, mode: SendMode) {
    let endpoint = ep.get(k);
    if endpoint.state() != EndpointState::Receiving {
        if !matches!(mode, SendMode::NonBlocking | SendMode::FirstPhase) {
            let is_call = mode != SendMode::Blocking;
            sched::set_state(k, sender, ThreadState::BlockedOnSend { endpoint: ep, authority, is_call });
            enqueue(k, ep, EndpointState::Sending, sender);
        }
        return;
    }
    let Some(receiver) = endpoint.queue().head else { return };
    let reply = detach_receiver(k, ep, receiver);
    transfer::message(k, sender, receiver, Some(ep), authority.badge, authority.grant);
    match mode {
        SendMode::Call | SendMode::Fault => await_reply(k, sender, receiver, authority, reply),
        SendMode::FirstPhase => {
            if let Some(sc) = sender.get(k).sched_context.get()
                && receiver.get(k).sched_context.get().is_none()
            {
                sched_context::donate(k, sc, receiver);
            }
        }
        SendMode::Blocking | SendMode::NonBlocking => {}
    }
    thread::make_runnable(k, receiver);
}

/// Receives on `ep` for the current thread `receiver`. The bound notification was looked at before.
pub fn receive(k: &Kernel, receiver: KRef<Tcb>, ep: KRef<Endpoint>, reply: Option<KRef<Reply>>, blocking: Blocking) {
    let endpoint = ep.get(k);
    let sender = match endpoint.state() {
        EndpointState::Sending => endpoint.queue().head,
        EndpointState::Idle | EndpointState::Receiving => None,
    };
    let Some(sender) = sender else {
        if blocking == Blocking::No {
            receiver.get(k).context.badge_register().set(0);
            return;
        }
        wait_at(k, receiver, ep, reply);
        sched::note_if_stopped(k, receiver);
        return;
    };
    let ThreadState::BlockedOnSend { authority, is_call, .. } = sender.get(k).state.get() else { return };
    remove(k, ep, sender);
    transfer::message(k, sender, receiver, Some(ep), authority.badge, authority.grant);
    if is_call {
        await_reply(k, sender, receiver, authority, reply);
    } else {
        thread::make_runnable(k, sender);
    }
}

/// `receiver` waits for a sender; none is there.
#[inline(always)]
pub fn wait_at(k: &Kernel, receiver: KRef<Tcb>, ep: KRef<Endpoint>, reply: Option<KRef<Reply>>) {
    receiver.get(k).state.set(ThreadState::BlockedOnReceive { endpoint: ep, reply });
    if let Some(reply) = reply {
        reply.get(k).tcb.set(Some(receiver));
    }
    if !ep.get(k).is_idle() {
        enqueue(k, ep, EndpointState::Receiving, receiver);
        return;
    }
    // Who is in no queue has no links (QUEUE-2).
    receiver.get(k).queued.set(Queued::Ipc);
    ep.get(k).head.set(Tagged::new(Some(receiver), RECEIVING));
    ep.get(k).tail.set(Some(receiver));
}

/// The message of a caller was delivered: it waits for the reply, if its capability allows one and
/// the receiver has an object for it. Otherwise it stops for good.
fn await_reply(k: &Kernel, caller: KRef<Tcb>, receiver: KRef<Tcb>, authority: Authority, reply: Option<KRef<Reply>>) {
    match reply {
        Some(reply) if authority.grant || authority.grant_reply => {
            reply::push(k, reply, caller, receiver);
        }
        _ => {
            caller.get(k).fault.set(None);
            sched::set_state(k, caller, ThreadState::Inactive);
        }
    }
}

/// Puts a thread into the queue, which is empty or of this kind.
#[inline(never)]
fn enqueue(k: &Kernel, ep: KRef<Endpoint>, state: EndpointState, t: KRef<Tcb>) {
    let mut queue = ep.get(k).queue();
    queue.insert_by_priority(k, t);
    t.get(k).queued.set(Queued::Ipc);
    ep.get(k).set_queue(state, queue);
}

/// Takes a blocked thread out of the queue.
pub fn remove(k: &Kernel, ep: KRef<Endpoint>, t: KRef<Tcb>) {
    let mut queue = ep.get(k).queue();
    queue.remove(k, t);
    t.get(k).queued.set(Queued::No);
    ep.get(k).set_queue(ep.get(k).state(), queue);
}

/// Puts a blocked thread behind its equals again, after its priority has changed.
pub fn requeue(k: &Kernel, ep: KRef<Endpoint>, t: KRef<Tcb>) {
    let state = ep.get(k).state();
    remove(k, ep, t);
    enqueue(k, ep, state, t);
}

/// Takes a waiting receiver out of the queue, and its reply object away from it.
pub fn detach_receiver(k: &Kernel, ep: KRef<Endpoint>, receiver: KRef<Tcb>) -> Option<KRef<Reply>> {
    remove(k, ep, receiver);
    let ThreadState::BlockedOnReceive { reply, .. } = receiver.get(k).state.get() else { return None };
    if let Some(reply) = reply {
        reply.get(k).tcb.set(None);
    }
    reply
}

/// Takes the first waiting receiver out of the queue; its reply object is about to hold a caller.
#[inline(always)]
pub fn take_first_receiver(k: &Kernel, ep: KRef<Endpoint>, receiver: KRef<Tcb>) {
    let (endpoint, tcb) = (ep.get(k), receiver.get(k));
    match tcb.links.next.take() {
        Some(next) => {
            next.get(k).links.prev.set(None);
            endpoint.head.set(Tagged::new(Some(next), RECEIVING));
        }
        None => {
            endpoint.head.set(Tagged::NONE);
            endpoint.tail.set(None);
        }
    }
    tcb.queued.set(Queued::No);
}

/// Restarts threads that are queued here, because the endpoint is being destroyed; a bounded number of them. Those that
/// were sending a fault stop instead.
pub fn finalise(k: &Kernel, ep: KRef<Endpoint>) -> Finalised {
    for _ in 0..WAITERS_AT_ONCE {
        let Some(t) = ep.get(k).queue().head else { break };
        detach_receiver(k, ep, t);
        restart(k, t);
        k.spend(WAITER_UNITS);
    }
    sched::reschedule(k);
    Finalised::when(ep.get(k).is_idle())
}

/// Restarts the senders with this badge (`CNode_CancelBadgedSends`, spec §9.5).
///
/// # Preemption
///
/// After every restart.
///
/// # Errors
///
/// `Preempted`: some are left.
pub fn cancel_badged_sends(k: &Kernel, ep: KRef<Endpoint>, badge: Badge) -> Result<(), Preempted> {
    if ep.get(k).state() != EndpointState::Sending {
        return Ok(());
    }
    let mut at = ep.get(k).queue().head;
    let mut done = Ok(());
    while let (Some(t), Ok(())) = (at, done) {
        at = t.get(k).links.next.get();
        let ThreadState::BlockedOnSend { authority, .. } = t.get(k).state.get() else { continue };
        if authority.badge == badge {
            remove(k, ep, t);
            restart(k, t);
            done = k.preemption_point_after(WAITER_UNITS);
        }
    }
    sched::reschedule(k);
    done
}

/// A dequeued thread does its system call again; a fault that was being sent is forgotten.
fn restart(k: &Kernel, t: KRef<Tcb>) {
    if t.get(k).fault.take().is_some() {
        sched::set_state(k, t, ThreadState::Inactive);
    } else {
        sched::set_state(k, t, ThreadState::Restart);
        thread::wake(k, t);
    }
}
