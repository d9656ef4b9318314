//! A server answers and waits for the next message; who is answered runs at once.

use sel4_abi::{CapRights, MessageInfo};

use super::{Entry, Successor, is_released};
use crate::cap::ReplyCap;
use crate::cap::lookup::find_slot;
use crate::error::Fault;
use crate::ipc::transfer;
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::object::endpoint::{self, Endpoint, EndpointState};
use crate::object::notification::NotificationState;
use crate::object::reply::{self, Above, Reply};
use crate::object::sched_context::SchedContext;
use crate::object::tcb::{Tcb, ThreadState};
use crate::sched;

/// `ReplyRecv`: answers through the reply object in `x6` and receives with it.
#[inline]
pub fn reply_recv(k: &Kernel) -> Option<KRef<Tcb>> {
    let entry = Entry::begin(k)?;
    let answered = reply_cap(k, entry, entry.x::<6>())?.reply;
    answer_and_receive(k, entry, answered, answered)
}

/// `NBSendRecv` to a reply object: answers through that in `x8`, receives with that in `x6`.
#[inline]
pub fn nb_send_recv(k: &Kernel) -> Option<KRef<Tcb>> {
    let entry = Entry::begin(k)?;
    let (dest, with) = (entry.x::<8>(), entry.x::<6>());
    let answered = reply_cap(k, entry, dest)?.reply;
    let with = if with == dest { answered } else { reply_cap(k, entry, with)?.reply };
    answer_and_receive(k, entry, answered, with)
}

#[inline(always)]
fn reply_cap(k: &Kernel, entry: Entry<'_>, cptr: u64) -> Option<ReplyCap> {
    find_slot(k, entry.t, cptr)?.get(k).reply()
}

/// Answers the thread that `answered` holds, and waits at the endpoint in `x0` with the reply object `with`.
#[inline(always)]
fn answer_and_receive(k: &Kernel, entry: Entry<'_>, answered: KRef<Reply>, with: KRef<Reply>) -> Option<KRef<Tcb>> {
    let info = MessageInfo(entry.x::<1>());
    if info.extra_caps() != 0 || (with != answered && with.get(k).tcb.get().is_some()) {
        return None;
    }
    let ep = waiting_place(k, entry)?;
    let caller = answered.get(k).tcb.get()?;
    if !matches!(caller.get(k).state.get(), ThreadState::BlockedOnReply { .. }) {
        return None;
    }
    let fault = caller.get(k).fault.get();
    if !matches!(fault, None | Some(Fault::Vm { .. } | Fault::Cap { .. })) {
        return None;
    }
    let successor = Successor::find(k, caller)?;
    let returned = returned_context(k, entry, answered, caller)?;

    match fault {
        None => {
            let info = transfer::plain(k, entry.t, caller, info);
            caller.get(k).context.badge_register().set(0);
            caller.get(k).context.info_register().set(info.0);
        }
        Some(_) => {
            // The instruction is repeated.
            caller.get(k).fault.set(None);
            caller.get(k).context.resume_pc.set(caller.get(k).context.restart_pc.get());
        }
    }
    caller.get(k).state.set(ThreadState::Running);
    answered.get(k).tcb.set(None);
    if let Some(sc) = returned {
        reply::unchain_top(k, answered, sc);
    }
    endpoint::wait_at(k, entry.t, ep, Some(with));
    match returned {
        Some(sc) => sched::hand_over(k, sc, caller),
        None => sched::switch_to(k, caller, entry.now),
    }
    Some(successor.enter(k))
}

/// The endpoint in `x0`, if a receive there just waits: nobody queues to send, and no bound notification has a part in it.
#[inline(always)]
fn waiting_place(k: &Kernel, entry: Entry<'_>) -> Option<KRef<Endpoint>> {
    let cap = find_slot(k, entry.t, entry.x::<0>())?.get(k).endpoint()?;
    let is_simple = match entry.t.get(k).bound_notification.get() {
        None => true,
        Some(bound) => {
            let bound = bound.get(k);
            bound.sched_context.get().is_none() && !matches!(bound.state.get(), NotificationState::Active(_))
        }
    };
    let waits = cap.rights.contains(CapRights::READ) && cap.endpoint.get(k).state() != EndpointState::Sending;
    (waits && is_simple).then_some(cap.endpoint)
}

/// The scheduling context that goes back to `caller` with the answer: that of the current thread, which was lent to it
/// (`Some(Some)`), or none, where the caller has kept its own, which is ready (`Some(None)`).
#[inline(always)]
fn returned_context(
    k: &Kernel,
    entry: Entry<'_>,
    answered: KRef<Reply>,
    caller: KRef<Tcb>,
) -> Option<Option<KRef<SchedContext>>> {
    let own = caller.get(k).sched_context.get();
    match (answered.get(k).above.get(), own) {
        (Above::SchedContext(sc), None) => (entry.t.get(k).sched_context.get() == Some(sc)).then_some(Some(sc)),
        (Above::Nothing, Some(own)) => {
            (answered.get(k).below.get().is_none() && is_released(k, own, entry.now)).then_some(None)
        }
        _ => None,
    }
}
