//! What happens to a thread: waking, suspending, resuming, cancelling (spec §4.2).

use super::{Tcb, ThreadState};
use crate::Kernel;
use crate::kobj::KRef;
use crate::object::{endpoint, notification, reply, sched_context};
use crate::sched;

/// The thread got what it waited for: it is Running, and runs if it can.
pub fn make_runnable(k: &Kernel, t: KRef<Tcb>) {
    sched::set_state(k, t, ThreadState::Running);
    wake(k, t);
}

/// Lets a thread whose state was just made runnable take part in scheduling.
pub fn wake(k: &Kernel, t: KRef<Tcb>) {
    sched_context::unblock_woken(k, t);
    sched::wake(k, t);
}

/// Cancels what the thread waits for, and forgets its pending fault: it is Inactive then. Nothing if it
/// does not wait.
pub fn cancel_ipc(k: &Kernel, t: KRef<Tcb>) {
    let tcb = t.get(k);
    tcb.fault.set(None);
    match tcb.state.get() {
        ThreadState::BlockedOnSend { endpoint: ep, .. } => endpoint::remove(k, ep, t),
        ThreadState::BlockedOnReceive { endpoint: ep, .. } => {
            endpoint::detach_receiver(k, ep, t);
        }
        ThreadState::BlockedOnReply { reply } => reply::cancel(k, reply),
        ThreadState::BlockedOnNotification { notification: n } => notification::remove(k, n, t),
        ThreadState::Inactive | ThreadState::Running | ThreadState::Restart => return,
    }
    sched::set_state(k, t, ThreadState::Inactive);
}

/// Puts a thread that waits in a queue behind its equals, after its priority has changed.
pub fn requeue(k: &Kernel, t: KRef<Tcb>) {
    match t.get(k).state.get() {
        ThreadState::BlockedOnSend { endpoint: ep, .. } | ThreadState::BlockedOnReceive { endpoint: ep, .. } => {
            endpoint::requeue(k, ep, t);
        }
        ThreadState::BlockedOnNotification { notification: n } => notification::requeue(k, n, t),
        _ => {}
    }
}

/// Stops the thread.
///
/// A thread that runs continues at its resume PC when it is resumed. One that waits, or is in the
/// middle of an invocation (its own suspension), repeats its system call then.
pub fn suspend(k: &Kernel, t: KRef<Tcb>) {
    let tcb = t.get(k);
    cancel_ipc(k, t);
    if tcb.state.get() == ThreadState::Running {
        tcb.context.restart_pc.set(tcb.context.resume_pc.get());
    }
    sched::dequeue(k, t);
    sched_context::cancel_yield_to(k, t);
    sched::set_state(k, t, ThreadState::Inactive);
}

/// Lets a stopped thread run again, from its restart PC. Nothing if it is not stopped.
pub fn resume(k: &Kernel, t: KRef<Tcb>) {
    if t.get(k).state.get().is_runnable() {
        return;
    }
    cancel_ipc(k, t);
    sched::set_state(k, t, ThreadState::Restart);
    wake(k, t);
}

/// The last capability is gone: the thread ends. Its capability slots are emptied by the caller.
pub fn finalise(k: &Kernel, t: KRef<Tcb>) {
    k.cpu.fpu.forget(t);
    notification::unbind_tcb(k, t);
    if let Some(sc) = t.get(k).sched_context.get() {
        sched_context::complete_yield_from(k, sc);
        sched_context::unbind_tcb(k, sc);
    }
    suspend(k, t);
}
