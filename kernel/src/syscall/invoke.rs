//! Dispatch of invocations by the kind of capability.

use super::{Invocation, InvokeResult, Phase};
use crate::cap::Cap;
use crate::error::SyscallError;
use crate::kernel::Kernel;
use crate::object::{cnode, domain, sched_context, sched_control, tcb, untyped};

/// May this kind be invoked in the sending half of a call that also receives?
const fn is_allowed_first(cap: Cap) -> bool {
    !matches!(cap, Cap::Thread(_) | Cap::CNode(_) | Cap::Domain | Cap::SchedControl { .. } | Cap::SchedContext(_))
}

/// Performs an invocation of any capability that does not stand for a message to a thread.
///
/// | # | check | error |
/// |---|---|---|
/// | 1 | neither null nor zombie | `InvalidCapability { 0 }` |
/// | 2 | first phase: not a thread, CNode, domain, scheduling control or context | the same |
/// | 3… | by kind | |
///
/// # Errors
///
/// The table; `Preempted`.
pub fn invoke(k: &mut Kernel, inv: &Invocation) -> InvokeResult {
    let invalid = Err(SyscallError::InvalidCapability { index: 0 }.into());
    if inv.phase == Phase::First && !is_allowed_first(inv.cap) {
        return invalid;
    }
    match inv.cap {
        Cap::Untyped(c) => untyped::invoke(k, inv, c),
        Cap::CNode(_) => cnode::invoke(k, inv, inv.cap),
        Cap::Domain => domain::invoke(k, inv),
        Cap::Thread(target) => tcb::invoke(k, target, inv),
        Cap::SchedContext(c) => sched_context::invoke(k, c.sched_context, inv),
        Cap::SchedControl { .. } => sched_control::invoke(k, inv),
        _ => invalid,
    }
}
