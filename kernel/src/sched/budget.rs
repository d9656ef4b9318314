//! Time and budget: what passes is used by the current scheduling context, and is charged to it at the
//! latest when another one becomes current, the timer is set, or the slice ends (spec §4.4).

use super::domain::DOMAINS;
use super::time::Ticks;
use super::{is_schedulable, postpone, push_back, reschedule};
use crate::Kernel;
use crate::arch;
use crate::ipc::fault;
use crate::object::sched_context;
use crate::object::tcb::{Queued, ThreadState};

/// Whether the end of a time slice may raise a timeout fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeoutFault {
    /// If the thread has a handler for it.
    Possible,
    /// Never: the thread gave the rest of its slice away.
    No,
}

/// Reads the clock: what passed since the last reading was used by the current scheduling context.
pub fn enter(k: &Kernel) {
    account(k, Ticks(arch::timer::now()));
}

/// [`enter`] where the clock was read already.
#[inline(always)]
pub fn account(k: &Kernel, now: Ticks) {
    let s = &k.cpu.sched;
    let passed = now - s.now.replace(now);
    s.consumed.set(s.consumed.get() + passed);
    if DOMAINS > 1 {
        s.domains.account(passed);
        if s.domains.is_over(s.min_budget()) {
            reschedule(k);
        }
    }
}

/// Reads the clock for the first time; no time before counts.
pub fn start(k: &Kernel) {
    enter(k);
    k.cpu.sched.consumed.set(Ticks::ZERO);
}

/// Whether the current budget can pay for one more kernel operation.
#[must_use]
pub fn has_budget(k: &Kernel) -> bool {
    let s = &k.cpu.sched;
    match s.current_sc.get() {
        Some(sc) if sc.get(k).is_configured() => {
            sched_context::refills(k, sc).head().amount - s.consumed.get() >= s.min_budget()
        }
        // Idle, or the current context went away during this entry: there is no one to charge.
        _ => true,
    }
}

/// The first step of a system call or a fault: reads the clock and checks the budget. If the answer
/// is false the time slice is over and nothing of the operation may be done; the thread will repeat it.
#[must_use]
pub fn begin(k: &Kernel) -> bool {
    enter(k);
    if has_budget(k) {
        return true;
    }
    if let Some(t) = k.cpu.sched.current() {
        t.get(k).state.set(ThreadState::Restart);
    }
    end_slice(k, TimeoutFault::Possible);
    false
}

/// The first step of an interrupt, and the last one of a preempted operation: reads the clock, and
/// ends the time slice if the budget is gone.
pub fn check_budget(k: &Kernel) {
    enter(k);
    if !has_budget(k) {
        end_slice(k, TimeoutFault::Possible);
    }
}

/// Whether a long operation must stop here because the budget, or the domain's time, is over.
#[must_use]
pub fn must_preempt(k: &Kernel) -> bool {
    enter(k);
    !has_budget(k) || (DOMAINS > 1 && k.cpu.sched.domains.is_over(k.cpu.sched.min_budget()))
}

/// The timer has interrupted: it must be set anew.
pub fn timer_tick(k: &Kernel) {
    k.cpu.sched.reprogram.set(true);
}

/// Charges what was consumed to the current scheduling context.
#[inline(always)]
pub fn charge(k: &Kernel) {
    let used = k.cpu.sched.consumed.take();
    if used == Ticks::ZERO {
        return;
    }
    if let Some(sc) = k.cpu.sched.current_sc.get() {
        sched_context::charge(k, sc, used);
    }
}

/// The current time slice is over (spec §4.4, "budget check").
fn end_slice(k: &Kernel, timeout: TimeoutFault) {
    charge(k);
    let (Some(t), Some(sc)) = (k.cpu.sched.current(), k.cpu.sched.current_sc.get()) else { return };
    reschedule(k);
    // The head has changed, and the thread may be chosen again.
    k.cpu.sched.reprogram.set(true);
    if sc.get(k).is_round_robin() {
        sched_context::refills(k, sc).replenish_round_robin();
    }
    if !is_schedulable(k, t) || t.get(k).sched_context.get() != Some(sc) {
        return;
    }
    if timeout == TimeoutFault::Possible && !sc.get(k).is_round_robin() && fault::raise_timeout(k, t, sc) {
        return;
    }
    if t.get(k).queued.get() != Queued::No {
        return;
    }
    if sched_context::is_ready(k, sc) {
        push_back(k, t);
    } else {
        postpone(k, t);
    }
}

/// `Yield`: the rest of the head refill is given up (spec §1.11). The part that was not used does not
/// count as consumed time.
pub fn yield_slice(k: &Kernel) {
    charge(k);
    if let Some(sc) = k.cpu.sched.current_sc.get() {
        sched_context::forfeit_head(k, sc);
    }
    end_slice(k, TimeoutFault::No);
}
