//! Scheduling control: the right to configure scheduling contexts (manual §6.1.4).
//!
//! There is no object behind the capability; it names a core.

use sel4_abi::InvocationLabel;

use super::sched_context::{self, Parameters, SchedContext};
use crate::cap::Badge;
use crate::error::SyscallError;
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::sched::Micros;
use crate::sched::time::Clock;
use crate::syscall::{Invocation, InvokeResult, Outcome};

/// Refills that every configured context has; `extra_refills` come on top.
const MIN_REFILLS: u32 = 2;
/// The flag that makes a context sporadic.
const FLAG_SPORADIC: u64 = 1;

/// A configuration, fully checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configure {
    /// What is configured.
    pub target: KRef<SchedContext>,
    /// The new parameters.
    pub parameters: Parameters,
}

/// Checks an invocation.
///
/// # Errors
///
/// | # | check | error |
/// |---|---|---|
/// | 1 | the label | `IllegalOperation` |
/// | 2 | a capability | `TruncatedMessage` |
/// | 3 | five words | `TruncatedMessage` |
/// | 4 | the budget is not above the longest period | `RangeError(shortest budget, longest period)` |
/// | 5 | nor is the period | same |
/// | 6 | the budget in ticks is `MIN_BUDGET` at least | same |
/// | 7 | so is the period | same |
/// | 8 | the budget in ticks is not above the period in ticks | `RangeError(shortest budget, period)` |
/// | 9 | the capability is a scheduling context | `InvalidCapability(1)` |
/// | 10 | it has room for the extra refills | `RangeError(0, room)` |
pub fn decode(k: &Kernel, inv: &Invocation) -> Result<Configure, SyscallError> {
    if inv.label != InvocationLabel::SchedControlConfigureFlags.number() {
        return Err(SyscallError::IllegalOperation);
    }
    let target = inv.args.cap(k, 0)?;
    inv.args.require(5, 1)?;
    let clock = k.cpu.sched.clock;
    let (min, max) = (Clock::MIN_BUDGET_US.0, clock.max_period_us().0);
    let limits = SyscallError::RangeError { min, max };
    let check = |ok: bool, error| if ok { Ok(()) } else { Err(error) };

    let (budget_us, period_us) = (inv.args.word(k, 0).any(), inv.args.word(k, 1).any());
    check(budget_us <= max, limits)?;
    check(period_us <= max, limits)?;
    let (budget, period) = (clock.to_ticks(Micros(budget_us)), clock.to_ticks(Micros(period_us)));
    check(budget >= clock.min_budget(), limits)?;
    check(period >= clock.min_budget(), limits)?;
    check(budget <= period, SyscallError::RangeError { min, max: period_us })?;

    let cap = target.cap.sched_context().ok_or(SyscallError::InvalidCapability { index: 1 })?;
    let room = cap.sched_context.get(k).refill_capacity() - MIN_REFILLS;
    let extra = inv.args.word(k, 2).in_range(0, u64::from(room))? as u32;
    Ok(Configure {
        target: cap.sched_context,
        parameters: Parameters {
            budget,
            period,
            max_refills: MIN_REFILLS + extra,
            badge: Badge(inv.args.word(k, 3).any()),
            is_sporadic: inv.args.word(k, 4).any() & FLAG_SPORADIC != 0,
        },
    })
}

/// Invokes the capability.
///
/// # Errors
///
/// As [`decode`] says.
pub fn invoke(k: &Kernel, inv: &Invocation) -> InvokeResult {
    let Configure { target, parameters } = decode(k, inv)?;
    sched_context::configure(k, target, parameters);
    Ok(Outcome::Done)
}
