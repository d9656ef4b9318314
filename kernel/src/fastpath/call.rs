//! A message or a fault goes to a receiver that waits for it, which runs at once.

use sel4_abi::{CapRights, MessageInfo};

use super::invoke::{Answer, invoke};
use super::{Entry, Successor, is_released};
use crate::cap::EndpointCap;
use crate::cap::lookup::find_slot;
use crate::error::Fault;
use crate::ipc::fault::{self, VmFault};
use crate::ipc::transfer;
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::object::tcb::{Tcb, TcbSlot, ThreadState};
use crate::object::{endpoint, reply};
use crate::sched;

/// `Call`.
#[inline]
pub fn call(k: &mut Kernel) -> Option<KRef<Tcb>> {
    let entry = Entry::begin(k)?;
    let slot = find_slot(k, entry.t, entry.x::<0>())?;
    let Some(cap) = slot.get(k).endpoint() else {
        let Entry { t, now, .. } = entry;
        return invoke(k, t, now, slot, Answer::Wanted);
    };
    let info = MessageInfo(entry.x::<1>());
    if info.extra_caps() != 0 {
        return None;
    }
    deliver(k, entry, cap, |receiver| transfer::plain(k, entry.t, receiver, info))
}

/// A data or instruction abort of the current thread at `pc`, which need not have been saved yet.
#[inline]
pub fn vm_fault(k: &Kernel, pc: u64, fault: VmFault) -> Option<KRef<Tcb>> {
    let entry = Entry::begin(k)?;
    let cap = entry.t.slot(k, TcbSlot::FaultHandler).get(k).endpoint()?;
    deliver(k, entry, cap, |receiver| {
        entry.t.get(k).fault.set(Some(Fault::from(fault)));
        fault::write_vm_message(k, pc, fault, receiver)
    })
}

/// Delivers what `write` writes to the first thread that waits at the endpoint, and lets that run; the current thread
/// waits for its reply.
#[inline(always)]
fn deliver(
    k: &Kernel,
    entry: Entry<'_>,
    cap: EndpointCap,
    write: impl FnOnce(KRef<Tcb>) -> MessageInfo,
) -> Option<KRef<Tcb>> {
    if !cap.rights.contains(CapRights::WRITE) || !cap.can_be_replied_to() {
        return None;
    }
    let receiver = cap.endpoint.get(k).first_receiver()?;
    let ThreadState::BlockedOnReceive { reply: Some(reply), .. } = receiver.get(k).state.get() else { return None };
    let successor = Successor::find(k, receiver)?;
    let lent = entry.t.get(k).sched_context.get()?;
    let own = receiver.get(k).sched_context.get();
    if let Some(own) = own
        && !is_released(k, own, entry.now)
    {
        return None;
    }

    endpoint::take_first_receiver(k, cap.endpoint, receiver);
    let info = write(receiver);
    receiver.get(k).context.badge_register().set(cap.badge.0);
    receiver.get(k).context.info_register().set(info.0);
    reply::hold(k, reply, entry.t);
    receiver.get(k).state.set(ThreadState::Running);
    match own {
        None => {
            reply::chain(k, reply, lent);
            sched::hand_over(k, lent, receiver);
        }
        Some(_) => sched::switch_to(k, receiver, entry.now),
    }
    Some(successor.enter(k))
}
