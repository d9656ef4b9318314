//! Switching without a choice: for the fast paths, which know beforehand who runs next.
//!
//! Each function does at once what waking, blocking and [`activate`](super::activate) come to in a kernel entry where
//! nothing else happens. The current thread has made the entry and nothing is due ([`quiet_now`]).

use super::ready::ReadyQueues;
use super::time::Ticks;
use super::{budget, push_front, resume_current, set_alarm};
use crate::Kernel;
use crate::arch;
use crate::kobj::KRef;
use crate::object::sched_context::{self, SchedContext};
use crate::object::tcb::Tcb;
use crate::sched::domain::DOMAINS;

/// The time, if nothing is due: the current budget can pay for one more kernel operation, no postponed thread's budget is
/// back, and the domain's time is not over.
#[inline(always)]
#[must_use]
pub fn quiet_now(k: &Kernel) -> Option<Ticks> {
    let now = Ticks(arch::timer::now());
    (now < k.cpu.sched.quiet_until.get()).then_some(now)
}

/// Whether the thread can run while the current domain lasts.
#[inline]
#[must_use]
pub fn is_of_current_domain(k: &Kernel, t: KRef<Tcb>) -> bool {
    DOMAINS == 1 || t.get(k).domain.get() == k.cpu.sched.domains.current()
}

/// Whether `t`, which cannot run now, would be chosen if it could and the current thread could not any more: it would be
/// put before its equals.
#[inline(always)]
#[must_use]
pub fn would_be_chosen(k: &Kernel, t: KRef<Tcb>) -> bool {
    let priority = t.get(k).priority.get();
    is_of_current_domain(k, t) && k.cpu.sched.ready_now().is_some_and(|ready| !ready.has_above(priority))
}

/// The queued thread that runs when the current one stops.
#[inline]
#[must_use]
pub fn highest_ready(k: &Kernel) -> Option<KRef<Tcb>> {
    k.cpu.sched.ready_now().and_then(ReadyQueues::first)
}

/// The current thread has stopped, and its scheduling context `sc` goes to `t`, which runs on it.
#[inline(always)]
pub fn hand_over(k: &Kernel, sc: KRef<SchedContext>, t: KRef<Tcb>) {
    let s = &k.cpu.sched;
    if let Some(current) = s.current.replace(Some(t)) {
        current.get(k).sched_context.set(None);
    }
    sc.get(k).tcb.set(Some(t));
    t.get(k).sched_context.set(Some(sc));
}

/// The current thread has stopped or was preempted; `t`, which has just been woken at `now`, runs on its own scheduling
/// context.
#[inline(always)]
pub fn switch_to(k: &Kernel, t: KRef<Tcb>, now: Ticks) {
    change(k, t, now, |_| true);
}

/// The current thread has stopped; `t`, the first of the ready queues, runs.
#[inline]
pub fn switch_to_queued(k: &Kernel, t: KRef<Tcb>, now: Ticks) {
    if let Some(ready) = k.cpu.sched.ready_now() {
        ready.remove(k, t);
    }
    change(k, t, now, |sc| !sc.is_sporadic.get());
    resume_current(k, t);
}

/// Charges the current scheduling context with what was used until `now`, and goes over to that of `t`. It may have to be
/// unblocked: a sporadic one when its thread wakes, any other one when it becomes the current one.
#[inline(always)]
fn change(k: &Kernel, t: KRef<Tcb>, now: Ticks, must_unblock: impl FnOnce(&SchedContext) -> bool) {
    let s = &k.cpu.sched;
    budget::account(k, now);
    budget::charge(k);
    s.current.set(Some(t));
    let new = t.get(k).sched_context.get();
    s.current_sc.set(new);
    let mut end = Ticks::NEVER;
    if let Some(sc) = new {
        if must_unblock(sc.get(k)) {
            sched_context::unblock(k, sc);
        }
        end = now + sched_context::refills(k, sc).head().amount;
    }
    set_alarm(k, end);
}

/// The current thread gives way to a higher one.
#[inline]
pub fn preempt(k: &Kernel, current: KRef<Tcb>) {
    push_front(k, current);
}

/// The current thread goes on; `t`, which it has just woken at `now` and which is not higher, waits its turn: behind its
/// equals if the current thread is one, else before them.
#[inline]
pub fn queue_behind(k: &Kernel, current: KRef<Tcb>, t: KRef<Tcb>, now: Ticks) {
    if t.get(k).sched_context.get().is_some_and(|sc| sc.get(k).is_sporadic.get()) {
        budget::account(k, now);
        sched_context::unblock_woken(k, t);
    }
    if t.get(k).priority.get() == current.get(k).priority.get() {
        super::push_back(k, t);
    } else {
        push_front(k, t);
    }
}
