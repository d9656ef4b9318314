//! Dispatch of invocations by the kind of capability.

use super::{Invocation, InvokeResult, Phase, answer};
use crate::error::{InvocationError, Preempted, SyscallError};
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::object::tcb::ThreadState;
use crate::object::{
    Tcb, asid_control, asid_pool, cnode, domain, frame, irq_control, irq_handler, page_table, sched_context,
    sched_control, sgi_signal, tcb, untyped, vspace_root,
};
use sel4_abi::CapKind;

/// May this kind be invoked in the sending half of a call that also receives?
const fn is_allowed_first(kind: CapKind) -> bool {
    !matches!(kind, CapKind::Thread | CapKind::CNode | CapKind::Domain | CapKind::SchedControl | CapKind::SchedContext)
}

/// Performs an invocation that the thread `t` makes, and tells it the result if it called. Meanwhile the thread counts
/// as Restart, so that whatever stops it lets it execute the call again.
///
/// # Errors
///
/// `Preempted`.
pub fn invoke_for(k: &mut Kernel, t: KRef<Tcb>, inv: &Invocation<'_>, is_call: bool) -> Result<(), Preempted> {
    // Neither this nor the way back to Running makes it cease to be schedulable, so the scheduler need not be asked.
    t.get(k).state.set(ThreadState::Restart);
    let result = match invoke(k, inv) {
        Ok(outcome) => Ok(outcome),
        Err(InvocationError::Refused(error)) => Err(error),
        Err(InvocationError::Preempted) => return Err(Preempted),
    };
    if t.get(k).state.get() == ThreadState::Restart {
        if is_call {
            answer(k, t, result);
        }
        t.get(k).state.set(ThreadState::Running);
    }
    Ok(())
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
pub fn invoke(k: &mut Kernel, inv: &Invocation<'_>) -> InvokeResult {
    let cap = inv.cap;
    let kind = cap.kind();
    let invalid = Err(InvocationError::Refused(SyscallError::InvalidCapability { index: 0 }));
    if inv.phase == Phase::First && !is_allowed_first(kind) {
        return invalid;
    }
    // A kind and its form go together, so no arm that asks for one goes without.
    match kind {
        CapKind::Untyped => cap.untyped().map_or(invalid, |c| untyped::invoke(k, inv, c)),
        CapKind::CNode => cnode::invoke(k, inv),
        CapKind::Domain => domain::invoke(k, inv),
        CapKind::Thread => cap.thread().map_or(invalid, |target| tcb::invoke(k, target, inv)),
        CapKind::SchedContext => {
            cap.sched_context().map_or(invalid, |c| sched_context::invoke(k, c.sched_context, inv))
        }
        CapKind::SchedControl => sched_control::invoke(k, inv),
        CapKind::IrqControl => irq_control::invoke(k, inv),
        CapKind::IrqHandler => cap.irq_handler().map_or(invalid, |irq| irq_handler::invoke(k, inv, irq)),
        CapKind::SgiSignal => cap.sgi_signal().map_or(invalid, |signal| sgi_signal::invoke(k, inv, signal)),
        CapKind::Frame => cap.frame().map_or(invalid, |c| frame::invoke(k, inv, c)),
        CapKind::PageTable => cap.page_table().map_or(invalid, |c| page_table::invoke(k, inv, c)),
        CapKind::VSpace => cap.vspace().map_or(invalid, |c| vspace_root::invoke(k, inv, c)),
        CapKind::AsidControl => asid_control::invoke(k, inv),
        CapKind::AsidPool => cap.asid_pool().map_or(invalid, |c| asid_pool::invoke(k, inv, c)),
        CapKind::Null | CapKind::Zombie | CapKind::Endpoint | CapKind::Notification | CapKind::Reply => invalid,
    }
}
