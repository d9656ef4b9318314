//! Signals, and waiting for them.

use sel4_abi::{CapRights, MessageInfo};

use super::invoke::{Answer, invoke};
use super::{Entry, Successor, is_released};
use crate::cap::lookup::find_slot;
use crate::cap::{Badge, NotificationCap};
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::object::endpoint::Blocking;
use crate::object::notification::{self, Notification, NotificationState};
use crate::object::tcb::{Tcb, ThreadState};
use crate::sched;
use crate::vspace;

/// `Send` or `NBSend` to a notification, or to a kernel object.
#[inline]
pub fn send(k: &mut Kernel) -> Option<KRef<Tcb>> {
    let entry = Entry::begin(k)?;
    let slot = find_slot(k, entry.t, entry.x::<0>())?;
    let Some(NotificationCap { notification: n, badge, rights }) = slot.get(k).notification() else {
        let Entry { t, now, .. } = entry;
        return invoke(k, t, now, slot, Answer::No);
    };
    if MessageInfo(entry.x::<1>()).extra_caps() != 0 || !rights.contains(CapRights::WRITE) {
        return None;
    }
    match n.get(k).state.get() {
        NotificationState::Active(word) => {
            n.get(k).state.set(NotificationState::Active(Badge(word.0 | badge.0)));
            Some(entry.t)
        }
        NotificationState::Idle => {
            if let Some(bound) = n.get(k).bound_tcb.get()
                && matches!(bound.get(k).state.get(), ThreadState::BlockedOnReceive { .. })
            {
                return None;
            }
            n.get(k).state.set(NotificationState::Active(badge));
            Some(entry.t)
        }
        NotificationState::Waiting => wake(k, entry, n, badge),
    }
}

/// Gives the signal to the first waiter.
#[inline]
fn wake(k: &Kernel, entry: Entry<'_>, n: KRef<Notification>, badge: Badge) -> Option<KRef<Tcb>> {
    let waiter = n.get(k).waiters().head?;
    let own = waiter.get(k).sched_context.get()?;
    if !is_released(k, own, entry.now) || !sched::is_of_current_domain(k, waiter) {
        return None;
    }
    let runs_at_once = waiter.get(k).priority.get() > entry.t.get(k).priority.get();
    // Higher than the current thread, it is higher than all that are queued.
    let root = if runs_at_once { Some(vspace::root_of(k, waiter)?) } else { None };

    notification::remove(k, n, waiter);
    waiter.get(k).context.badge_register().set(badge.0);
    waiter.get(k).state.set(ThreadState::Running);
    match root {
        Some(root) => {
            sched::preempt(k, entry.t);
            sched::switch_to(k, waiter, entry.now);
            Some(Successor { t: waiter, root }.enter(k))
        }
        None => {
            sched::queue_behind(k, entry.t, waiter, entry.now);
            Some(entry.t)
        }
    }
}

/// `Wait` on a notification.
#[inline]
pub fn wait(k: &Kernel) -> Option<KRef<Tcb>> {
    receive(k, Blocking::Yes)
}

/// `NBWait` on a notification.
#[inline]
pub fn nb_wait(k: &Kernel) -> Option<KRef<Tcb>> {
    receive(k, Blocking::No)
}

#[inline(always)]
fn receive(k: &Kernel, blocking: Blocking) -> Option<KRef<Tcb>> {
    let entry = Entry::begin(k)?;
    let NotificationCap { notification: n, rights, .. } =
        find_slot(k, entry.t, entry.x::<0>())?.get(k).notification()?;
    let is_ours = n.get(k).bound_tcb.get().is_none_or(|bound| bound == entry.t);
    if !rights.contains(CapRights::READ) || !is_ours {
        return None;
    }
    if let NotificationState::Active(word) = n.get(k).state.get() {
        n.get(k).state.set(NotificationState::Idle);
        entry.context.badge_register().set(word.0);
        return Some(entry.t);
    }
    match blocking {
        Blocking::No => {
            entry.context.badge_register().set(0);
            Some(entry.t)
        }
        Blocking::Yes => block(k, entry, n),
    }
}

/// Waits, and lets the first of the queued threads run.
#[inline]
fn block(k: &Kernel, entry: Entry<'_>, n: KRef<Notification>) -> Option<KRef<Tcb>> {
    if n.get(k).sched_context.get().is_some() {
        return None;
    }
    let next = sched::highest_ready(k)?;
    let root = vspace::root_of(k, next)?;

    entry.t.get(k).state.set(ThreadState::BlockedOnNotification { notification: n });
    notification::enqueue(k, n, entry.t);
    sched::switch_to_queued(k, next, entry.now);
    Some(Successor { t: next, root }.enter(k))
}
