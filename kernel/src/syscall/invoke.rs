//! Dispatch of invocations by the kind of capability.

use super::{Invocation, InvokeResult, Phase};
use crate::cap::Cap;
use crate::error::SyscallError;
use crate::kernel::Kernel;
use crate::object::{
    asid_control, asid_pool, cnode, domain, frame, irq_control, irq_handler, page_table, sched_context, sched_control,
    sgi_signal, tcb, untyped, vspace_root,
};

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
        Cap::IrqControl => irq_control::invoke(k, inv),
        Cap::IrqHandler(irq) => irq_handler::invoke(k, inv, irq),
        Cap::SgiSignal(signal) => sgi_signal::invoke(k, inv, signal),
        Cap::Frame(frame) => frame::invoke(k, inv, frame),
        Cap::PageTable(table) => page_table::invoke(k, inv, table),
        Cap::VSpace(vspace) => vspace_root::invoke(k, inv, vspace),
        Cap::AsidControl => asid_control::invoke(k, inv),
        Cap::AsidPool(pool) => asid_pool::invoke(k, inv, pool),
        Cap::Null | Cap::Zombie(_) | Cap::Endpoint(_) | Cap::Notification(_) | Cap::Reply(_) => invalid,
    }
}
