//! Who runs, for how long, and who runs next (spec chapter 4).
//!
//! One entry into the kernel goes through this module three times:
//!
//! 1. [`enter`] reads the clock, and [`begin`] checks that the current budget can pay for one more
//!    kernel operation;
//! 2. the operation itself wakes, blocks and moves threads: [`wake`], [`set_state`], [`postpone`],
//!    [`dequeue`], [`reschedule`];
//! 3. [`activate`] decides who runs, changes the scheduling context, and sets the timer.
//!
//! | module | holds |
//! |---|---|
//! | `budget` | accounting, the budget check, the end of a time slice |
//! | `direct` | switches of the fast paths, in place of the three steps |
//! | [`time`] | ticks, microseconds, the clock's frequency |
//! | [`refill`] | refill arithmetic, pure |
//! | [`queue`] | lists of threads |
//! | [`ready`] | the run queues |
//! | [`release`] | postponed threads |
//! | [`domain`] | the domain schedule |
//!
//! # Invariants
//!
//! - `SCHED-1` outside a kernel operation the current thread is schedulable, its head refill is ready
//!   and holds at least `MIN_BUDGET`, and its scheduling context is the current one; there is no
//!   current thread exactly when no thread is schedulable (the core is idle);
//! - `SCHED-2` a schedulable thread of the ready queues has a head refill that is ready: whoever lacks
//!   one is postponed instead;
//! - `SCHED-3` the candidate is in no queue.

mod budget;
mod direct;
pub mod domain;
pub mod queue;
pub mod ready;
pub mod refill;
pub mod release;
pub mod time;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::picture;

use core::cell::Cell;

use crate::Kernel;
use crate::arch;
use crate::kobj::KRef;
use crate::object::sched_context::{self, SchedContext};
use crate::object::tcb::{Queued, Tcb, ThreadState, thread};

pub use budget::{
    account, begin, charge, check_budget, enter, has_budget, must_preempt, start, timer_tick, yield_slice,
};
pub use direct::{
    hand_over, highest_ready, is_of_current_domain, preempt, queue_behind, quiet_now, switch_to, switch_to_queued,
    would_be_chosen,
};
use domain::{DOMAINS, DomainSchedule};
use ready::ReadyQueues;
use release::ReleaseQueue;
pub use time::{Clock, Micros, Ticks};

/// A priority, 0 to 255; larger is more important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Priority(pub u8);

/// Who runs at the end of this kernel entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The current thread, nothing has happened.
    Current,
    /// Probably this thread, which was woken and is in no queue.
    Candidate(KRef<Tcb>),
    /// The head of the highest ready queue.
    Choose,
}

/// The scheduler's state of one core; what is large comes last.
#[repr(C)]
pub struct Scheduler {
    current: Cell<Option<KRef<Tcb>>>,
    current_sc: Cell<Option<KRef<SchedContext>>>,
    next: Cell<Next>,
    /// The last reading of the clock.
    now: Cell<Ticks>,
    /// What the current scheduling context has used and was not charged for yet.
    consumed: Cell<Ticks>,
    /// The timer must be set anew.
    reprogram: Cell<bool>,
    /// Until then an entry finds that the budget is enough, no postponed thread's budget is back, and the domain's time
    /// is not over. Belongs to the deadline of the timer.
    quiet_until: Cell<Ticks>,
    release: ReleaseQueue,
    /// Converts between ticks and microseconds.
    pub clock: Clock,
    /// The domain schedule.
    pub domains: DomainSchedule,
    ready: [ReadyQueues; DOMAINS],
}

impl Scheduler {
    /// An idle core.
    #[must_use]
    pub const fn new(clock: Clock) -> Self {
        Scheduler {
            clock,
            domains: DomainSchedule::new(),
            current: Cell::new(None),
            current_sc: Cell::new(None),
            ready: [const { ReadyQueues::new() }; DOMAINS],
            release: ReleaseQueue::new(),
            next: Cell::new(Next::Choose),
            now: Cell::new(Ticks::ZERO),
            consumed: Cell::new(Ticks::ZERO),
            reprogram: Cell::new(true),
            quiet_until: Cell::new(Ticks::ZERO),
        }
    }

    /// The thread that runs, or made this kernel entry; none if the core is idle.
    #[must_use]
    pub fn current(&self) -> Option<KRef<Tcb>> {
        self.current.get()
    }

    /// The scheduling context that time is accounted to.
    #[must_use]
    pub fn current_sc(&self) -> Option<KRef<SchedContext>> {
        self.current_sc.get()
    }

    /// The time of this kernel entry.
    #[must_use]
    pub fn now(&self) -> Ticks {
        self.now.get()
    }

    /// `MIN_BUDGET` in ticks.
    #[must_use]
    pub fn min_budget(&self) -> Ticks {
        self.clock.min_budget()
    }

    /// The ready queues of the thread's domain.
    fn ready_of(&self, k: &Kernel, t: KRef<Tcb>) -> Option<&ReadyQueues> {
        self.ready.get(usize::from(t.get(k).domain.get()))
    }

    /// The ready queues of the current domain.
    fn ready_now(&self) -> Option<&ReadyQueues> {
        // Saves a look at the schedule where there is only one.
        self.ready.get(if DOMAINS == 1 { 0 } else { usize::from(self.domains.current()) })
    }

    /// The threads of a priority in the current domain's ready queue, in order.
    pub fn ready_threads<'k>(&self, k: &'k Kernel, priority: Priority) -> impl Iterator<Item = KRef<Tcb>> + use<'k> {
        self.ready_now().map(|r| r.iter(k, priority)).into_iter().flatten()
    }

    /// The postponed threads, in order.
    pub fn released_threads<'k>(&self, k: &'k Kernel) -> impl Iterator<Item = KRef<Tcb>> + use<'k> {
        self.release.iter(k)
    }
}

// ---- waking and queueing (spec §4.3, §4.5) ----

/// Whether the thread could run, as far as it is concerned.
#[must_use]
pub fn is_schedulable(k: &Kernel, t: KRef<Tcb>) -> bool {
    let tcb = t.get(k);
    tcb.state.get().is_runnable()
        && tcb.queued.get() != Queued::Release
        && tcb.sched_context.get().is_some_and(|sc| sc.get(k).is_configured())
}

/// Changes a thread's state. The current thread's ceasing to be schedulable while there is no
/// candidate demands a reschedule.
pub fn set_state(k: &Kernel, t: KRef<Tcb>, state: ThreadState) {
    t.get(k).state.set(state);
    note_if_stopped(k, t);
}

/// Demands a choice if the current thread cannot go on and no one else is about to run.
pub fn note_if_stopped(k: &Kernel, t: KRef<Tcb>) {
    let s = &k.cpu.sched;
    if s.current() == Some(t) && s.next.get() == Next::Current && !is_schedulable(k, t) {
        s.next.set(Next::Choose);
    }
}

/// Demands that the next thread is chosen from the queues.
pub fn reschedule(k: &Kernel) {
    if let Next::Candidate(c) = k.cpu.sched.next.replace(Next::Choose)
        && is_schedulable(k, c)
        && c.get(k).queued.get() == Queued::No
    {
        push_front(k, c);
    }
}

/// The thread becomes runnable through IPC, a signal, a reply, Resume, release, or ConfigureFlags.
///
/// The first one of a kernel entry is the candidate to run next; see the rules in spec §4.5. A thread
/// whose budget is not back yet is postponed.
pub fn wake(k: &Kernel, t: KRef<Tcb>) {
    let s = &k.cpu.sched;
    if !is_schedulable(k, t) {
        return;
    }
    if t.get(k).sched_context.get().is_some_and(|sc| !sched_context::is_ready(k, sc)) {
        postpone(k, t);
        return;
    }
    if t.get(k).queued.get() != Queued::No || s.next.get() == Next::Candidate(t) {
        return;
    }
    if s.current() == Some(t) {
        // It never left the processor: `activate` finds it there.
        return;
    }
    if t.get(k).domain.get() != s.domains.current() {
        push_front(k, t);
    } else if s.next.get() == Next::Current {
        s.next.set(Next::Candidate(t));
    } else {
        reschedule(k);
        push_front(k, t);
    }
}

/// Puts a thread that is in no queue at the head of its ready queue.
fn push_front(k: &Kernel, t: KRef<Tcb>) {
    if let Some(ready) = k.cpu.sched.ready_of(k, t) {
        ready.push_front(k, t);
    }
}

/// Puts a thread that is in no queue at the tail of its ready queue.
fn push_back(k: &Kernel, t: KRef<Tcb>) {
    if let Some(ready) = k.cpu.sched.ready_of(k, t) {
        ready.push_back(k, t);
    }
}

/// Puts a schedulable thread at the head of its ready queue, wherever it was; a choice follows.
pub fn requeue_front(k: &Kernel, t: KRef<Tcb>) {
    dequeue(k, t);
    push_front(k, t);
    reschedule(k);
}

/// Takes a thread out of the ready queues and the release queue; it also ceases to be the candidate.
///
/// Endpoint and notification queues are not touched: they belong to the thread's state.
pub fn dequeue(k: &Kernel, t: KRef<Tcb>) {
    let s = &k.cpu.sched;
    match t.get(k).queued.get() {
        Queued::Ready => {
            if let Some(ready) = s.ready_of(k, t) {
                ready.remove(k, t);
            }
        }
        Queued::Release => {
            s.release.remove(k, t);
            s.reprogram.set(true);
        }
        Queued::No | Queued::Ipc => {}
    }
    if s.next.get() == Next::Candidate(t) {
        s.next.set(Next::Choose);
    }
}

/// Puts a thread into the release queue until its head refill is ready.
pub fn postpone(k: &Kernel, t: KRef<Tcb>) {
    let s = &k.cpu.sched;
    dequeue(k, t);
    s.release.insert(k, t);
    if s.release.head() == Some(t) {
        s.reprogram.set(true);
    }
    note_if_stopped(k, t);
}

/// The thread's scheduling context was taken away: it can be in no queue of the scheduler.
pub fn lost_sched_context(k: &Kernel, t: KRef<Tcb>) {
    dequeue(k, t);
    if k.cpu.sched.current() == Some(t) {
        reschedule(k);
    }
}

/// Gives a thread its new priority and the place in a queue that goes with it (spec §4.5).
pub fn set_priority(k: &Kernel, t: KRef<Tcb>, priority: Priority) {
    let tcb = t.get(k);
    match tcb.queued.get() {
        Queued::Ready => {
            dequeue(k, t);
            tcb.priority.set(priority);
            push_front(k, t);
            reschedule(k);
        }
        Queued::Ipc => {
            tcb.priority.set(priority);
            thread::requeue(k, t);
        }
        Queued::No | Queued::Release => {
            tcb.priority.set(priority);
            if k.cpu.sched.current() == Some(t) {
                reschedule(k);
            }
        }
    }
}

/// Moves a thread to another domain, at the head of its queue there.
pub fn set_domain(k: &Kernel, t: KRef<Tcb>, domain: u8) {
    let queued = t.get(k).queued.get() == Queued::Ready;
    if queued {
        dequeue(k, t);
    }
    t.get(k).domain.set(domain);
    if queued {
        push_front(k, t);
    }
    if k.cpu.sched.current() == Some(t) {
        reschedule(k);
    }
}

/// `v` runs now, and the current thread directly after it (spec §4.11, step 5).
pub fn run_before_current(k: &Kernel, v: KRef<Tcb>) {
    dequeue(k, v);
    if let Some(current) = k.cpu.sched.current()
        && is_schedulable(k, current)
        && current.get(k).queued.get() == Queued::No
    {
        push_front(k, current);
    }
    push_front(k, v);
    reschedule(k);
}

/// Forgets a scheduling context that is being destroyed or unconfigured.
pub fn forget_sched_context(k: &Kernel, sc: KRef<SchedContext>) {
    if k.cpu.sched.current_sc.get() == Some(sc) {
        charge(k);
        k.cpu.sched.current_sc.set(None);
    }
}

// ---- the end of a kernel entry (spec §4.5) ----

/// Decides who runs, makes its scheduling context the current one, and sets the timer. The current
/// thread is then ready to return to user mode; none means that the core is idle.
pub fn activate(k: &Kernel) {
    wake_released(k);
    if k.cpu.sched.next.get() != Next::Current {
        schedule(k);
        k.cpu.sched.next.set(Next::Current);
    }
    switch_sched_context(k);
    set_timer(k);
    if let Some(t) = k.cpu.sched.current() {
        resume_current(k, t);
    }
}

/// Whether [`activate`] would find nothing to do in this entry, in which nothing was due and the current thread goes on
/// from where it is.
#[inline]
#[must_use]
pub fn is_settled(k: &Kernel) -> bool {
    let s = &k.cpu.sched;
    let sc = s.current().and_then(|t| t.get(k).sched_context.get());
    s.next.get() == Next::Current && !s.reprogram.get() && sc == s.current_sc()
}

/// Wakes the postponed threads whose budget is back, in order.
fn wake_released(k: &Kernel) {
    let s = &k.cpu.sched;
    while let Some(t) = s.release.head() {
        if s.release.next_time(k) > s.now() {
            break;
        }
        s.release.remove(k, t);
        s.reprogram.set(true);
        wake(k, t);
    }
}

/// Picks the next thread by the candidate rules.
fn schedule(k: &Kernel) {
    let s = &k.cpu.sched;
    if DOMAINS > 1 && s.domains.is_over(s.min_budget()) {
        reschedule(k);
        s.domains.advance();
        s.reprogram.set(true);
    }
    let current = s.current();
    let was_schedulable = current.is_some_and(|t| is_schedulable(k, t));
    if let Some(t) = current
        && was_schedulable
        && t.get(k).queued.get() == Queued::No
    {
        push_front(k, t);
    }
    let chosen = match s.next.get() {
        Next::Candidate(c) if is_schedulable(k, c) => {
            let priority = c.get(k).priority.get();
            let current_priority = current.map(|t| t.get(k).priority.get());
            let highest = s.ready_now().and_then(ReadyQueues::highest);
            if current_priority.is_none_or(|p| priority < p) && highest.is_some_and(|h| h > priority) {
                push_front(k, c);
                choose(k)
            } else if was_schedulable && current_priority == Some(priority) {
                push_back(k, c);
                choose(k)
            } else {
                Some(c)
            }
        }
        _ => choose(k),
    };
    s.current.set(chosen);
}

/// Takes the head of the highest ready queue of the current domain.
fn choose(k: &Kernel) -> Option<KRef<Tcb>> {
    k.cpu.sched.ready_now()?.pop_highest(k)
}

/// Makes the scheduling context of the current thread the current one.
fn switch_sched_context(k: &Kernel) {
    let s = &k.cpu.sched;
    let new = s.current().and_then(|t| t.get(k).sched_context.get());
    if new == s.current_sc.get() {
        return;
    }
    charge(k);
    s.reprogram.set(true);
    s.current_sc.set(new);
    if let Some(sc) = new
        && !sc.get(k).is_sporadic.get()
    {
        sched_context::unblock(k, sc);
    }
}

/// Sets the timer to the next moment at which the kernel must act, if that has changed.
fn set_timer(k: &Kernel) {
    let s = &k.cpu.sched;
    if !s.reprogram.take() {
        return;
    }
    charge(k);
    let head = s.current_sc.get().map(|sc| sched_context::refills(k, sc).head().amount);
    set_alarm(k, head.map_or(Ticks::NEVER, |amount| s.now() + amount));
}

/// Sets the timer, where the current budget lasts until `end`.
#[inline(always)]
fn set_alarm(k: &Kernel, end: Ticks) {
    let s = &k.cpu.sched;
    let released = s.release.next_time(k);
    let end = if DOMAINS > 1 { end.min(s.now() + s.domains.left()) } else { end };
    s.quiet_until.set(released.min(end - s.min_budget()));
    arch::timer::set_deadline(released.min(end).0);
}

/// Completes what the thread owes itself before it runs: a repeated instruction, a pending YieldTo.
fn resume_current(k: &Kernel, t: KRef<Tcb>) {
    let tcb = t.get(k);
    if tcb.state.get() == ThreadState::Restart {
        tcb.context.resume_pc.set(tcb.context.restart_pc.get());
        tcb.state.set(ThreadState::Running);
    }
    if tcb.yield_to.get().is_some() {
        sched_context::complete_yield_to(k, t);
    }
}

/// Checks the queues and `SCHED-1` to `SCHED-3`, between two kernel entries.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn assert_valid(k: &Kernel) {
    let s = &k.cpu.sched;
    s.ready.iter().for_each(|r| r.assert_valid(k));
    s.release.assert_valid(k);
    assert_eq!(s.next.get(), Next::Current);
    match s.current() {
        Some(t) => {
            assert!(is_schedulable(k, t), "SCHED-1");
            assert_eq!(t.get(k).queued.get(), Queued::No, "SCHED-1");
            assert_eq!(t.get(k).sched_context.get(), s.current_sc(), "SCHED-1");
        }
        None => assert_eq!(s.ready_now().and_then(ReadyQueues::highest), None, "SCHED-1"),
    }
    for priority in (0..=u8::MAX).map(Priority) {
        for t in s.ready_threads(k, priority) {
            assert!(is_schedulable(k, t), "SCHED-2");
            assert!(t.get(k).sched_context.get().is_some_and(|sc| sched_context::is_ready(k, sc)), "SCHED-2");
        }
    }
}
