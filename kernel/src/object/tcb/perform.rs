//! TCB invocations: carrying out what [`super::decode`] has checked (spec §3.3).

use sel4_abi::registers::{CONTEXT, FRAME_REGISTERS, Register};

use super::decode::{self, CopyFlags, NewBuffer, NewCap, NewSchedContext, TcbInvocation};
use super::{Tcb, TcbSlot, thread};
use crate::arch::context::{SPSR_INDEX, sanitise_spsr};
use crate::cap::{SlotRef, cdt, delete};
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::object::{notification, sched_context};
use crate::sched;
use crate::syscall::{Args, Invocation, InvokeResult, Outcome};

/// Invokes the thread `target`.
///
/// # Errors
///
/// As [`decode::decode`] says.
pub fn invoke(k: &Kernel, target: KRef<Tcb>, inv: &Invocation<'_>) -> InvokeResult {
    let operation = decode::decode(k, target, inv)?;
    Ok(perform(k, target, inv, operation))
}

/// Carries out `operation`, which `inv` was decoded to.
///
/// Not preemptible: decoding has made sure that replacing a capability does not take long.
fn perform(k: &Kernel, target: KRef<Tcb>, inv: &Invocation<'_>, operation: TcbInvocation) -> Outcome {
    let invoked = inv.slot;
    match operation {
        TcbInvocation::ReadRegisters { suspend, count } => {
            return read_registers(k, target, suspend, count);
        }
        TcbInvocation::WriteRegisters { resume, count } => {
            write_registers(k, target, inv.args, count);
            if resume {
                thread::resume(k, target);
            }
        }
        TcbInvocation::CopyRegisters { source, flags } => copy_registers(k, source, target, flags),
        TcbInvocation::Configure { cspace, vspace, buffer } => {
            install(k, target, invoked, TcbSlot::CSpaceRoot, cspace);
            install(k, target, invoked, TcbSlot::VSpaceRoot, vspace);
            install_buffer(k, target, invoked, buffer);
        }
        TcbInvocation::SetPriority(priority) => sched::set_priority(k, target, priority),
        TcbInvocation::SetMcp(mcp) => target.get(k).mcp.set(mcp),
        TcbInvocation::SetSchedParams { mcp, priority, sched_context, fault_handler } => {
            install(k, target, invoked, TcbSlot::FaultHandler, fault_handler);
            target.get(k).mcp.set(mcp);
            sched::set_priority(k, target, priority);
            set_sched_context(k, target, sched_context);
        }
        TcbInvocation::SetTimeoutEndpoint(handler) => {
            install(k, target, invoked, TcbSlot::TimeoutHandler, handler);
        }
        TcbInvocation::SetIpcBuffer(buffer) => install_buffer(k, target, invoked, buffer),
        TcbInvocation::SetSpace { fault_handler, cspace, vspace } => {
            install(k, target, invoked, TcbSlot::FaultHandler, fault_handler);
            install(k, target, invoked, TcbSlot::CSpaceRoot, cspace);
            install(k, target, invoked, TcbSlot::VSpaceRoot, vspace);
        }
        TcbInvocation::Suspend => thread::suspend(k, target),
        TcbInvocation::Resume => thread::resume(k, target),
        TcbInvocation::BindNotification(n) => notification::bind_tcb(k, n, target),
        TcbInvocation::UnbindNotification => notification::unbind_tcb(k, target),
        TcbInvocation::SetTlsBase(base) => target.get(k).context.set(Register::Tpidr, base),
        TcbInvocation::SetFlags(flags) => {
            target.get(k).flags.set(flags);
            return Outcome::Word(flags);
        }
    }
    Outcome::Done
}

// ---- registers ----

fn read_registers(k: &Kernel, target: KRef<Tcb>, suspend: bool, count: usize) -> Outcome {
    if suspend {
        thread::suspend(k, target);
    }
    Outcome::Registers { of: target, count }
}

/// Writes registers in the order of the list; the thread will continue at its restart PC in any case.
fn write_registers(k: &Kernel, target: KRef<Tcb>, args: &Args, count: usize) {
    let context = &target.get(k).context;
    let registers = context.in_message_order();
    args.copy_to(k, decode::FIRST_VALUE, registers.get(..count).unwrap_or(&registers));
    if count > SPSR_INDEX {
        context.spsr.set(sanitise_spsr(context.spsr.get()));
    }
    context.resume_pc.set(context.restart_pc.get());
}

fn copy_registers(k: &Kernel, source: KRef<Tcb>, target: KRef<Tcb>, flags: CopyFlags) {
    if flags.suspend_source {
        thread::suspend(k, source);
    }
    if flags.resume_target {
        thread::resume(k, target);
    }
    let (from, to) = (&source.get(k).context, &target.get(k).context);
    let (frame, integer) = CONTEXT.split_at(FRAME_REGISTERS);
    let copy = |list: &[Register]| list.iter().for_each(|r| to.set(*r, from.get(*r)));
    if flags.frame {
        copy(frame);
        to.resume_pc.set(to.restart_pc.get());
    }
    if flags.integer {
        copy(integer);
    }
}

// ---- capabilities and bindings ----

/// Replaces a capability of the thread. If deleting the old one took away the capability that is to be
/// installed, or the one by which the thread was invoked, nothing is installed.
fn install(k: &Kernel, target: KRef<Tcb>, invoked: SlotRef, which: TcbSlot, new: NewCap) {
    let slot = target.slot(k, which);
    delete::delete_one(k, slot);
    let still_there = new.source.slot.raw(k) == new.source.cap && invoked.raw(k).thread() == Some(target);
    if !new.cap.is_null() && still_there && slot.is_empty(k) {
        cdt::insert(k, new.source.slot, slot, new.cap);
    }
}

fn install_buffer(k: &Kernel, target: KRef<Tcb>, invoked: SlotRef, buffer: NewBuffer) {
    let slot = target.slot(k, TcbSlot::IpcBuffer);
    match buffer.frame {
        Some(frame) => install(k, target, invoked, TcbSlot::IpcBuffer, frame),
        None => delete::delete_one(k, slot),
    }
    target.get(k).ipc_buffer.set(buffer.vaddr.0);
}

fn set_sched_context(k: &Kernel, target: KRef<Tcb>, new: NewSchedContext) {
    match new {
        NewSchedContext::Keep => {}
        NewSchedContext::Bind(sc) => sched_context::bind_tcb(k, sc, target),
        NewSchedContext::Unbind => {
            if let Some(sc) = target.get(k).sched_context.get() {
                sched_context::unbind_tcb(k, sc);
            }
        }
    }
}
