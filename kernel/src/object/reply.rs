//! Reply objects: the way back to a caller, and the call chain of a scheduling context (manual
//! §4.2.4, §6.1.6).
//!
//! Layout: `2^5` bytes.
//!
//! A call that lends a scheduling context puts its reply object on top of that context's chain; the
//! chain is the way back. `below` leads to the older call, `above` to the newer one, or from the top
//! to the context itself.
//!
//! # Invariants
//!
//! - `REPLY-1` `tcb` is set exactly when that thread is `BlockedOnReply` on this object, or
//!   `BlockedOnReceive` with it;
//! - `REPLY-2` `a.below == b` exactly when `b.above == Reply(a)`; `a.above == SchedContext(s)` exactly
//!   when `s.reply == a`;
//! - `REPLY-3` an object in a chain holds a caller.
//!
//! # States
//!
//! | state | event | becomes |
//! |---|---|---|
//! | free | a receive with it blocks | attached |
//! | attached | the receive ends | free |
//! | free | a call is received with it | holding the caller |
//! | holding | reply, cancel, deletion, reuse | free |

use core::cell::Cell;

use super::tcb::{Tcb, ThreadState, thread};
use super::{SchedContext, sched_context};
use crate::Kernel;
use crate::cap::Badge;
use crate::error::Fault;
use crate::ipc::{fault, transfer};
use crate::kobj::KRef;
use crate::sched;

/// What stands above a reply object in the call chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Above {
    /// Nothing: the object is in no chain, or its chain was cut above it.
    Nothing,
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
    pub(crate) below: Cell<Option<KRef<Reply>>>,
    /// What stands above.
    pub(crate) above: Cell<Above>,
}

impl Reply {
    /// A reply object that nobody uses.
    #[must_use]
    pub const fn initial() -> Self {
        Reply { tcb: Cell::new(None), below: Cell::new(None), above: Cell::new(Above::Nothing) }
    }
}

// ---- the chain (spec §4.8) ----

/// `caller` starts to wait for an answer through `reply`, which is free. It lends its scheduling
/// context to `receiver` if that has none, except for a timeout fault.
pub fn push(k: &Kernel, reply: KRef<Reply>, caller: KRef<Tcb>, receiver: KRef<Tcb>) {
    let may_lend = !matches!(caller.get(k).fault.get(), Some(Fault::Timeout { .. }));
    hold(k, reply, caller);
    sched::note_if_stopped(k, caller);
    if let Some(sc) = caller.get(k).sched_context.get()
        && may_lend
        && receiver.get(k).sched_context.get().is_none()
    {
        chain(k, reply, sc);
        sched_context::donate(k, sc, receiver);
    }
}

/// `caller` waits for an answer through `reply`, which is free.
#[inline]
pub fn hold(k: &Kernel, reply: KRef<Reply>, caller: KRef<Tcb>) {
    reply.get(k).tcb.set(Some(caller));
    caller.get(k).state.set(ThreadState::BlockedOnReply { reply });
}

/// Puts `reply` on top of the chain of a scheduling context.
#[inline]
pub fn chain(k: &Kernel, reply: KRef<Reply>, sc: KRef<SchedContext>) {
    let below = sc.get(k).reply.replace(Some(reply));
    if let Some(below) = below {
        below.get(k).above.set(Above::Reply(reply));
    }
    reply.get(k).below.set(below);
    reply.get(k).above.set(Above::SchedContext(sc));
}

/// Takes `reply` from the top of the chain of a scheduling context.
#[inline]
pub fn unchain_top(k: &Kernel, reply: KRef<Reply>, sc: KRef<SchedContext>) {
    let below = reply.get(k).below.take();
    reply.get(k).above.set(Above::Nothing);
    sc.get(k).reply.set(below);
    if let Some(below) = below {
        below.get(k).above.set(Above::SchedContext(sc));
    }
}

/// Takes `reply` out of the chain because its caller is answered, or because it is being destroyed: at
/// the top, the scheduling context goes back to the caller, if that has none. Returns the caller.
fn pop(k: &Kernel, reply: KRef<Reply>) -> Option<KRef<Tcb>> {
    let this = reply.get(k);
    let caller = this.tcb.take();
    match this.above.get() {
        Above::SchedContext(sc) => {
            unchain_top(k, reply, sc);
            if let Some(caller) = caller
                && caller.get(k).sched_context.get().is_none()
            {
                sched_context::donate(k, sc, caller);
            }
        }
        above => {
            this.above.set(Above::Nothing);
            cut(k, above, this.below.take());
        }
    }
    caller
}

/// Takes `reply` out of the chain because its caller's IPC is cancelled: the scheduling context stays
/// where it is, and loses its chain if this was the top.
pub fn cancel(k: &Kernel, reply: KRef<Reply>) {
    let this = reply.get(k);
    this.tcb.set(None);
    let below = this.below.take();
    let above = this.above.replace(Above::Nothing);
    if let Above::SchedContext(sc) = above {
        sc.get(k).reply.set(None);
    }
    cut(k, above, below);
}

/// Ends the links of the neighbours of an object that has left the chain.
fn cut(k: &Kernel, above: Above, below: Option<KRef<Reply>>) {
    if let Above::Reply(above) = above {
        above.get(k).below.set(None);
    }
    if let Some(below) = below {
        below.get(k).above.set(Above::Nothing);
    }
}

/// Cuts the whole chain from a scheduling context, so that later replies do not move it.
pub fn cut_from(k: &Kernel, sc: KRef<SchedContext>) {
    if let Some(top) = sc.get(k).reply.take() {
        top.get(k).above.set(Above::Nothing);
    }
}

// ---- replying (spec §1.9, §5.8) ----

/// Invokes a reply capability: answers the caller that the object holds, if any.
pub fn reply(k: &Kernel, replier: KRef<Tcb>, reply: KRef<Reply>, grant: bool) {
    let Some(caller) = reply.get(k).tcb.get() else { return };
    if !matches!(caller.get(k).state.get(), ThreadState::BlockedOnReply { .. }) {
        return;
    }
    pop(k, reply);
    let fault = caller.get(k).fault.take();
    let state = match fault {
        None => {
            transfer::message(k, replier, caller, None, Badge::NONE, grant);
            ThreadState::Running
        }
        Some(fault) => fault::apply_reply(k, fault, replier, caller),
    };
    sched::set_state(k, caller, state);
    if !state.is_runnable() {
        return;
    }
    let Some(sc) = caller.get(k).sched_context.get() else { return };
    if !sc.get(k).is_configured() {
        return;
    }
    let after_timeout = matches!(fault, Some(Fault::Timeout { .. }));
    if !sched_context::is_ready(k, sc) && !after_timeout && fault::raise_timeout(k, caller, sc) {
        return;
    }
    thread::wake(k, caller);
}

/// Frees the object for a receive that names it: whoever uses it stops (spec §1.8, step 6).
pub fn release_for_receive(k: &Kernel, reply: KRef<Reply>) {
    if let Some(user) = reply.get(k).tcb.get() {
        thread::cancel_ipc(k, user);
    }
}

/// The last capability is gone: a held caller is released without a message, an attached receiver's
/// receive is cancelled. Both become Inactive.
pub fn finalise(k: &Kernel, reply: KRef<Reply>) {
    let Some(user) = reply.get(k).tcb.get() else { return };
    match user.get(k).state.get() {
        ThreadState::BlockedOnReply { .. } => {
            pop(k, reply);
            user.get(k).fault.set(None);
            sched::set_state(k, user, ThreadState::Inactive);
        }
        _ => thread::cancel_ipc(k, user),
    }
}
