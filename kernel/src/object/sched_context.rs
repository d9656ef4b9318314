//! Scheduling contexts: budgets of processor time (manual §6.1).
//!
//! Layout: `2^n` bytes with n ≥ 7: 96 bytes of context, then refills of 16 bytes each.
//!
//! # Invariants
//!
//! - `SC-1` context and thread refer to each other, so do context and notification, context and the
//!   top of its reply chain, context and the thread whose YieldTo is pending;
//! - `SC-2` a configured context satisfies `REFILL-1` to `REFILL-4`; an unconfigured one has no refill;
//! - `SC-3` a round-robin context (period 0) is always ready.
//!
//! # States
//!
//! | state | event | becomes |
//! |---|---|---|
//! | unconfigured | configure | configured, with or without a thread |
//! | without thread | bind, donate, lend by a notification | with thread |
//! | with thread | unbind, donate to another, destruction of the thread | without (or with the other) |
//! | any | destruction | unconfigured, without any binding |

use core::cell::Cell;

use super::{Notification, Reply, Tcb, reply};
use crate::Kernel;
use crate::cap::Badge;
use crate::error::SyscallError;
use crate::kobj::KRef;
use crate::sched::refill::{self, RefillQueue};
use crate::sched::{self, Micros, Ticks};
use crate::syscall::{ExtraCap, Invocation, InvokeResult, Outcome, reply_success};
use sel4_abi::InvocationLabel;
use sel4_abi::object::{MIN_SCHED_CONTEXT_BITS, REFILL_BYTES};

/// Room for one refill, as it follows the context in memory.
pub type Refill = Cell<refill::Refill>;

/// A scheduling context; its refills follow it in memory (`KRef::<SchedContext>::refills`).
#[derive(Debug)]
#[repr(C, align(32))]
pub struct SchedContext {
    /// The period; 0 for round robin.
    pub(crate) period: Cell<Ticks>,
    /// What was charged since the last reading.
    pub(crate) consumed: Cell<Ticks>,
    /// The thread that has it.
    pub(crate) tcb: Cell<Option<KRef<Tcb>>>,
    /// The top of the call chain.
    pub(crate) reply: Cell<Option<KRef<Reply>>>,
    /// The notification bound to it.
    pub(crate) notification: Cell<Option<KRef<Notification>>>,
    /// What timeout faults report.
    pub(crate) badge: Cell<Badge>,
    /// The thread whose YieldTo to this context is pending.
    pub(crate) yield_from: Cell<Option<KRef<Tcb>>>,
    /// Index of the head refill.
    pub(crate) refill_head: Cell<u32>,
    /// Refills in the queue; 0 if not configured.
    pub(crate) refill_count: Cell<u32>,
    /// Refills that the queue may have.
    pub(crate) refill_max: Cell<u32>,
    /// Refills that the object has room for; never changes.
    capacity: u32,
    /// Unblocking happens when the thread wakes, not when it is switched to.
    pub(crate) is_sporadic: Cell<bool>,
    /// The core that it was configured for.
    pub(crate) core: Cell<u32>,
}

impl SchedContext {
    /// A scheduling context that is not configured.
    #[must_use]
    pub const fn initial(refill_capacity: u32) -> Self {
        SchedContext {
            period: Cell::new(Ticks(0)),
            consumed: Cell::new(Ticks(0)),
            tcb: Cell::new(None),
            reply: Cell::new(None),
            notification: Cell::new(None),
            badge: Cell::new(Badge::NONE),
            yield_from: Cell::new(None),
            refill_head: Cell::new(0),
            refill_count: Cell::new(0),
            refill_max: Cell::new(0),
            capacity: refill_capacity,
            is_sporadic: Cell::new(false),
            core: Cell::new(0),
        }
    }

    /// The refills that an object of this size has room for; `None` below the smallest size.
    #[must_use]
    pub fn refills_of_size(size_bits: u32) -> Option<u32> {
        if size_bits < MIN_SCHED_CONTEXT_BITS {
            return None;
        }
        let bytes = 1u64.checked_shl(size_bits)? - size_of::<SchedContext>() as u64;
        u32::try_from(bytes / REFILL_BYTES).ok()
    }

    /// The refills that this object has room for.
    #[must_use]
    pub const fn refill_capacity(&self) -> u32 {
        self.capacity
    }

    /// Whether a thread can run on it at all.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.refill_count.get() > 0
    }

    /// Whether budget and period are equal.
    #[must_use]
    pub fn is_round_robin(&self) -> bool {
        self.period.get() == Ticks::ZERO
    }
}

/// The refills of a context as a queue.
#[inline]
#[must_use]
pub fn refills(k: &Kernel, sc: KRef<SchedContext>) -> RefillQueue<'_> {
    let this = sc.get(k);
    let slots = sc.refills(k);
    let usable = slots.get(..this.refill_max.get() as usize).unwrap_or(slots);
    RefillQueue::new(usable, &this.refill_head, &this.refill_count)
}

/// Whether the head refill can be used now.
#[must_use]
pub fn is_ready(k: &Kernel, sc: KRef<SchedContext>) -> bool {
    is_ready_at(k, sc, k.cpu.sched.now())
}

/// Whether the head refill can be used at `time`.
#[inline]
#[must_use]
pub fn is_ready_at(k: &Kernel, sc: KRef<SchedContext>, time: Ticks) -> bool {
    sc.get(k).is_round_robin() || refills(k, sc).is_ready(time)
}

/// Whether a thread could run on it now: it is configured and ready (spec §4.6).
#[must_use]
pub fn is_released(k: &Kernel, sc: KRef<SchedContext>) -> bool {
    sc.get(k).is_configured() && is_ready(k, sc)
}

// ---- invocations (spec §3.6) ----

/// What a context can be bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bindable {
    /// A thread.
    Thread(KRef<Tcb>),
    /// A notification.
    Notification(KRef<Notification>),
}

/// What a caller asks of a scheduling context, fully checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchedContextInvocation {
    /// Binds it.
    Bind(Bindable),
    /// Cuts all its bindings.
    Unbind,
    /// Cuts one binding.
    UnbindObject(Bindable),
    /// Reads and resets the consumed time.
    Consumed,
    /// Lets its thread run before the caller.
    YieldTo,
}

/// Checks an invocation of `sc`.
///
/// # Errors
///
/// | operation | # | check | error |
/// |---|---|---|---|
/// | | 1 | a label of this kind | `IllegalOperation` |
/// | Bind | 1 | a capability | `TruncatedMessage` |
/// | | 2 | TCB: the context has no thread | `IllegalOperation` |
/// | | 3 | TCB: it has no context | `IllegalOperation` |
/// | | 4 | TCB: it is not blocked, or the context is released | `IllegalOperation` |
/// | | 5 | notification: the context has no notification | `IllegalOperation` |
/// | | 6 | notification: it has no context | `IllegalOperation` |
/// | | 7 | it is one of the two | `InvalidCapability(1)` |
/// | Unbind | 1 | the context's thread is not the current one | `IllegalOperation` |
/// | `UnbindObject` | 1 | a capability | `TruncatedMessage` |
/// | | 2 | TCB: it is the context's | `IllegalOperation` |
/// | | 3 | TCB: it is not the current thread | `IllegalOperation` |
/// | | 4 | notification: it is the context's | `IllegalOperation` |
/// | | 5 | it is one of the two | `InvalidCapability(1)` |
/// | `YieldTo` | 1 | the context has a thread | `IllegalOperation` |
/// | | 2 | that is not the current one | `IllegalOperation` |
/// | | 3 | its priority is not above the current thread's MCP | `IllegalOperation` |
pub fn decode(k: &Kernel, sc: KRef<SchedContext>, inv: &Invocation) -> Result<SchedContextInvocation, SyscallError> {
    let this = sc.get(k);
    let label = InvocationLabel::try_from(inv.label).map_err(|_| SyscallError::IllegalOperation)?;
    let allowed = match label {
        InvocationLabel::SchedContextBind => {
            let object = bindable(inv.args.cap(k, 0)?)?;
            let free = match object {
                Bindable::Thread(t) => {
                    this.tcb.get().is_none()
                        && t.get(k).sched_context.get().is_none()
                        && (!t.get(k).state.get().is_blocked() || is_released(k, sc))
                }
                Bindable::Notification(n) => {
                    this.notification.get().is_none() && n.get(k).sched_context.get().is_none()
                }
            };
            free.then_some(SchedContextInvocation::Bind(object))
        }
        InvocationLabel::SchedContextUnbind => {
            let is_own = this.tcb.get().is_some() && this.tcb.get() == k.current();
            (!is_own).then_some(SchedContextInvocation::Unbind)
        }
        InvocationLabel::SchedContextUnbindObject => {
            let object = bindable(inv.args.cap(k, 0)?)?;
            let bound = match object {
                Bindable::Thread(t) => this.tcb.get() == Some(t) && k.current() != Some(t),
                Bindable::Notification(n) => this.notification.get() == Some(n),
            };
            bound.then_some(SchedContextInvocation::UnbindObject(object))
        }
        InvocationLabel::SchedContextConsumed => Some(SchedContextInvocation::Consumed),
        InvocationLabel::SchedContextYieldTo => match (this.tcb.get(), k.current()) {
            (Some(t), Some(current)) if t != current => {
                (t.get(k).priority.get() <= current.get(k).mcp.get()).then_some(SchedContextInvocation::YieldTo)
            }
            _ => None,
        },
        _ => None,
    };
    allowed.ok_or(SyscallError::IllegalOperation)
}

fn bindable(extra: ExtraCap) -> Result<Bindable, SyscallError> {
    if let Some(t) = extra.cap.thread() {
        Ok(Bindable::Thread(t))
    } else if let Some(cap) = extra.cap.notification() {
        Ok(Bindable::Notification(cap.notification))
    } else {
        Err(SyscallError::InvalidCapability { index: 1 })
    }
}

/// Invokes the scheduling context `sc`.
///
/// # Errors
///
/// As [`decode`] says.
pub fn invoke(k: &Kernel, sc: KRef<SchedContext>, inv: &Invocation) -> InvokeResult {
    match decode(k, sc, inv)? {
        SchedContextInvocation::Bind(Bindable::Thread(t)) => bind_tcb(k, sc, t),
        SchedContextInvocation::Bind(Bindable::Notification(n)) => bind_notification(k, sc, n),
        SchedContextInvocation::Unbind => unbind_all(k, sc),
        SchedContextInvocation::UnbindObject(Bindable::Thread(_)) => unbind_tcb(k, sc),
        SchedContextInvocation::UnbindObject(Bindable::Notification(_)) => unbind_notification(k, sc),
        SchedContextInvocation::Consumed => return Ok(Outcome::Word(take_consumed(k, sc).0)),
        SchedContextInvocation::YieldTo => {
            return Ok(k.current().map_or(Outcome::Done, |caller| yield_to(k, caller, sc)));
        }
    }
    Ok(Outcome::Done)
}

// ---- budget ----

/// Charges `usage` to a configured context; it also counts as consumed time.
#[inline(always)]
pub fn charge(k: &Kernel, sc: KRef<SchedContext>, usage: Ticks) {
    let this = sc.get(k);
    this.consumed.set(this.consumed.get() + usage);
    use_up(k, sc, usage);
}

/// Gives up what is left of the head refill; that does not count as consumed.
pub fn forfeit_head(k: &Kernel, sc: KRef<SchedContext>) {
    use_up(k, sc, refills(k, sc).head().amount);
}

#[inline(always)]
fn use_up(k: &Kernel, sc: KRef<SchedContext>, usage: Ticks) {
    let this = sc.get(k);
    if !this.is_configured() || usage == Ticks::ZERO {
        return;
    }
    if this.is_round_robin() {
        refills(k, sc).charge_round_robin(usage);
    } else {
        use_up_periodic(k, sc, usage);
    }
}

#[inline(never)]
fn use_up_periodic(k: &Kernel, sc: KRef<SchedContext>, usage: Ticks) {
    refills(k, sc).charge(usage, sc.get(k).period.get(), k.cpu.sched.min_budget());
}

/// The context starts to be used now (spec §4.6, "unblocking").
#[inline(always)]
pub fn unblock(k: &Kernel, sc: KRef<SchedContext>) {
    if sc.get(k).is_configured() && !sc.get(k).is_round_robin() {
        unblock_periodic(k, sc);
    }
}

#[inline(never)]
fn unblock_periodic(k: &Kernel, sc: KRef<SchedContext>) {
    refills(k, sc).unblock(k.cpu.sched.now());
}

/// A thread becomes runnable: unblocking of its context, if that is sporadic and not in use.
pub fn unblock_woken(k: &Kernel, t: KRef<Tcb>) {
    if let Some(sc) = t.get(k).sched_context.get()
        && sc.get(k).is_sporadic.get()
        && k.cpu.sched.current_sc() != Some(sc)
    {
        unblock(k, sc);
    }
}

/// Reads and resets the consumed time.
pub fn take_consumed(k: &Kernel, sc: KRef<SchedContext>) -> Micros {
    k.cpu.sched.clock.to_micros(sc.get(k).consumed.take())
}

// ---- configuring (spec §4.7) ----

/// What `ConfigureFlags` sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Time in each period.
    pub budget: Ticks,
    /// Length of the period; equal to the budget for round robin.
    pub period: Ticks,
    /// Refills that may be used, two at least.
    pub max_refills: u32,
    /// What timeout faults report.
    pub badge: Badge,
    /// When unblocking happens.
    pub is_sporadic: bool,
}

/// Gives the context new parameters, and its thread the place that follows from them.
pub fn configure(k: &Kernel, sc: KRef<SchedContext>, p: Parameters) {
    let this = sc.get(k);
    let thread = this.tcb.get();
    let now = k.cpu.sched.now();
    if let Some(t) = thread
        && t.get(k).state.get().is_runnable()
    {
        sched::dequeue(k, t);
    }
    if k.cpu.sched.current_sc() == Some(sc) {
        sched::charge(k);
        sched::timer_tick(k);
    }
    let runs = thread.is_some_and(|t| t.get(k).state.get().is_runnable());
    let kept = (this.is_configured() && runs).then(|| refills(k, sc).head());
    this.refill_max.set(p.max_refills);
    if p.budget == p.period {
        this.period.set(Ticks::ZERO);
        refills(k, sc).start_round_robin(now, p.budget);
    } else {
        this.period.set(p.period);
        match kept {
            Some(kept) => refills(k, sc).restart_from(kept, now, p.budget, p.period),
            None => refills(k, sc).start(now, p.budget),
        }
    }
    this.badge.set(p.badge);
    this.is_sporadic.set(p.is_sporadic);
    if let Some(t) = thread.filter(|_| runs) {
        if k.cpu.sched.current() == Some(t) {
            sched::reschedule(k);
            if !is_ready(k, sc) {
                sched::postpone(k, t);
            }
        } else {
            sched::wake(k, t);
        }
    }
}

// ---- binding and lending (spec §4.7–§4.9) ----

/// Binds a context without thread to a thread without context.
pub fn bind_tcb(k: &Kernel, sc: KRef<SchedContext>, t: KRef<Tcb>) {
    sc.get(k).tcb.set(Some(t));
    t.get(k).sched_context.set(Some(sc));
    unblock_woken(k, t);
    if !sched::is_schedulable(k, t) {
        return;
    }
    if !is_ready(k, sc) {
        sched::postpone(k, t);
    } else if k.cpu.sched.current() != Some(t) {
        sched::requeue_front(k, t);
    }
}

/// Takes the context from its thread, if it has one.
pub fn unbind_tcb(k: &Kernel, sc: KRef<SchedContext>) {
    if let Some(t) = sc.get(k).tcb.take() {
        t.get(k).sched_context.set(None);
        sched::lost_sched_context(k, t);
    }
}

/// Moves the context to a thread that has none, away from whoever has it.
pub fn donate(k: &Kernel, sc: KRef<SchedContext>, to: KRef<Tcb>) {
    unbind_tcb(k, sc);
    sc.get(k).tcb.set(Some(to));
    to.get(k).sched_context.set(Some(sc));
}

/// Binds the context and a notification, neither of which is bound so.
pub fn bind_notification(k: &Kernel, sc: KRef<SchedContext>, n: KRef<Notification>) {
    sc.get(k).notification.set(Some(n));
    n.get(k).sched_context.set(Some(sc));
}

/// Cuts the binding to a notification, if there is one.
pub fn unbind_notification(k: &Kernel, sc: KRef<SchedContext>) {
    if let Some(n) = sc.get(k).notification.take() {
        n.get(k).sched_context.set(None);
    }
}

/// Cuts all bindings: thread, notification, the chain of replies.
pub fn unbind_all(k: &Kernel, sc: KRef<SchedContext>) {
    unbind_tcb(k, sc);
    unbind_notification(k, sc);
    reply::cut_from(k, sc);
}

// ---- YieldTo (spec §4.11) ----

/// Lets the context's thread run before the current thread `caller`. A deferred result is written when
/// the caller is next chosen to run.
pub fn yield_to(k: &Kernel, caller: KRef<Tcb>, sc: KRef<SchedContext>) -> Outcome {
    if let Some(previous) = sc.get(k).yield_from.get() {
        complete_yield_to(k, previous);
    }
    let Some(v) = sc.get(k).tcb.get() else { return Outcome::Word(take_consumed(k, sc).0) };
    if sched::is_schedulable(k, v) && !is_ready(k, sc) {
        sched::postpone(k, v);
    }
    if !sched::is_schedulable(k, v) {
        return Outcome::Word(take_consumed(k, sc).0);
    }
    if v.get(k).priority.get() < caller.get(k).priority.get() {
        sched::requeue_front(k, v);
        return Outcome::Word(take_consumed(k, sc).0);
    }
    caller.get(k).yield_to.set(Some(sc));
    sc.get(k).yield_from.set(Some(caller));
    sched::run_before_current(k, v);
    Outcome::Deferred
}

/// Writes the result of a pending YieldTo of `caller`, if there is one.
pub fn complete_yield_to(k: &Kernel, caller: KRef<Tcb>) {
    if let Some(sc) = cancel_yield_to(k, caller) {
        let result = Outcome::Word(take_consumed(k, sc).0);
        reply_success(k, caller, result);
    }
}

/// Drops a pending YieldTo of `caller`, if there is one, without a result.
pub fn cancel_yield_to(k: &Kernel, caller: KRef<Tcb>) -> Option<KRef<SchedContext>> {
    let sc = caller.get(k).yield_to.take()?;
    sc.get(k).yield_from.set(None);
    Some(sc)
}

/// Completes a YieldTo to this context, whose thread or which itself is being destroyed.
pub fn complete_yield_from(k: &Kernel, sc: KRef<SchedContext>) {
    if let Some(caller) = sc.get(k).yield_from.get() {
        complete_yield_to(k, caller);
    }
}

/// The last capability is gone.
pub fn finalise(k: &Kernel, sc: KRef<SchedContext>) {
    complete_yield_from(k, sc);
    unbind_all(k, sc);
    sched::forget_sched_context(k, sc);
    refills(k, sc).clear();
}
