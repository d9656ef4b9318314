//! Scheduling contexts: budgets of processor time.

use sel4_abi::rights::SCHED_CONTEXT_SPORADIC;
use sel4_abi::{CPtr, InvocationLabel};

use super::{Cap, Notification, SchedContext, SchedControl, Tcb};
use crate::error::Result;

/// How a budget is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replenishment {
    /// At the times at which it was used, a period later, as the number of refills allows.
    Exact,
    /// As a sporadic server's.
    Sporadic,
}

/// What a scheduling context grants: `budget_us` of every `period_us`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Microseconds of processor time a period. Equal to the period: round robin with this time slice.
    pub budget_us: u64,
    /// The period in microseconds.
    pub period_us: u64,
    /// Refills beyond the first two.
    pub extra_refills: u64,
    /// What timeout faults report.
    pub badge: u64,
    /// How it is given back.
    pub replenishment: Replenishment,
}

impl Budget {
    /// Round robin with time slices of `slice_us`.
    #[must_use]
    pub const fn round_robin(slice_us: u64) -> Self {
        Self::periodic(slice_us, slice_us)
    }

    /// `budget_us` of every `period_us`.
    #[must_use]
    pub const fn periodic(budget_us: u64, period_us: u64) -> Self {
        Self { budget_us, period_us, extra_refills: 0, badge: 0, replenishment: Replenishment::Exact }
    }
}

impl Cap<SchedControl> {
    /// Sets the budget of `context`.
    ///
    /// Corresponds to `seL4_SchedControl_ConfigureFlags`.
    ///
    /// # Errors
    ///
    /// The table of `SchedControlConfigureFlags`, kernel ABI 3.5.
    pub fn configure(self, context: Cap<SchedContext>, budget: &Budget) -> Result<()> {
        let flags = match budget.replenishment {
            Replenishment::Exact => 0,
            Replenishment::Sporadic => SCHED_CONTEXT_SPORADIC,
        };
        self.perform(
            InvocationLabel::SchedControlConfigureFlags,
            &[budget.budget_us, budget.period_us, budget.extra_refills, budget.badge, flags],
            &[context.cptr()],
        )
    }
}

/// What a scheduling context can be bound to.
pub trait Schedulable {
    /// Its address.
    fn bound_cptr(self) -> CPtr;
}

impl Schedulable for Cap<Tcb> {
    fn bound_cptr(self) -> CPtr {
        self.cptr()
    }
}

impl Schedulable for Cap<Notification> {
    fn bound_cptr(self) -> CPtr {
        self.cptr()
    }
}

impl Cap<SchedContext> {
    /// Binds the context to a thread or a notification.
    ///
    /// Corresponds to `seL4_SchedContext_Bind`.
    ///
    /// # Errors
    ///
    /// The table of `SchedContextBind`, kernel ABI 3.6.
    pub fn bind(self, to: impl Schedulable) -> Result<()> {
        self.perform(InvocationLabel::SchedContextBind, &[], &[to.bound_cptr()])
    }

    /// Takes the context away from all that it is bound to.
    ///
    /// Corresponds to `seL4_SchedContext_Unbind`.
    ///
    /// # Errors
    ///
    /// `IllegalOperation` if the calling thread runs on it.
    pub fn unbind(self) -> Result<()> {
        self.perform(InvocationLabel::SchedContextUnbind, &[], &[])
    }

    /// Takes the context away from one thread or notification.
    ///
    /// Corresponds to `seL4_SchedContext_UnbindObject`.
    ///
    /// # Errors
    ///
    /// The table of `SchedContextUnbindObject`, kernel ABI 3.6.
    pub fn unbind_object(self, from: impl Schedulable) -> Result<()> {
        self.perform(InvocationLabel::SchedContextUnbindObject, &[], &[from.bound_cptr()])
    }

    /// Microseconds used since the last such question.
    ///
    /// Corresponds to `seL4_SchedContext_Consumed`.
    ///
    /// # Errors
    ///
    /// None on a scheduling context's capability.
    pub fn consumed(self) -> Result<u64> {
        Ok(self.invoke(InvocationLabel::SchedContextConsumed, &[], &[])?.word(0))
    }

    /// Lets the context's thread run before others of its priority; answers as [`Cap::consumed`].
    ///
    /// Corresponds to `seL4_SchedContext_YieldTo`.
    ///
    /// # Errors
    ///
    /// The table of `SchedContextYieldTo`, kernel ABI 3.6.
    pub fn yield_to(self) -> Result<u64> {
        Ok(self.invoke(InvocationLabel::SchedContextYieldTo, &[], &[])?.word(0))
    }
}
