//! An invocation of a kernel object, after which the same thread goes on as a rule.
//!
//! What is done is what the slow path does, by the same functions: only the way there is shorter, and the way back, where
//! nobody else is to run. Where somebody is, or the invocation was preempted, the slow path ends what was begun here
//! ([`Unfinished`]).

use sel4_abi::{CapKind, InvocationLabel, MessageInfo};

use crate::cap::lookup::find_slot;
use crate::cap::{RawCap, SlotRef};
use crate::error::Preempted;
use crate::ipc::transfer;
use crate::kernel::{Kernel, Unfinished};
use crate::kobj::KRef;
use crate::object::Tcb;
use crate::sched::{self, Ticks};
use crate::syscall::{Args, Invocation, Phase, entry, invoke_for};
use crate::{fpu, vspace};

/// How the capability is invoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// By `Call`: the caller is told the result. All of its registers are saved, so it may even delete itself.
    Wanted,
    /// By `Send` or `NBSend`. Some registers are saved when this is over, so it must leave the caller alone.
    No,
}

/// Invokes the capability in `slot` with the message of the current thread `t`.
#[inline(never)]
pub(super) fn invoke(k: &mut Kernel, t: KRef<Tcb>, now: Ticks, slot: SlotRef, answer: Answer) -> Option<KRef<Tcb>> {
    let cap = slot.raw(k);
    let info = MessageInfo(t.get(k).context.info_register().get());
    let end = end_of(t, cap, info.label())?;
    if answer == Answer::No && end == End::LookAgain {
        return None;
    }
    let buffer = if Args::has_more(info) { transfer::send_buffer(k, t) } else { None };
    let extra = entry::extra_slots(k, info, buffer, |cptr| find_slot(k, t, cptr).ok_or(())).ok()?;
    let args = Args::new(info, t, buffer, extra);

    let invocation = Invocation { label: info.label(), slot, cap, args: &args, phase: Phase::Only };

    sched::account(k, now);
    let unfinished = match invoke_for(k, t, &invocation, answer == Answer::Wanted) {
        Ok(()) if sched::is_settled(k) => {
            if end == End::LookAgain {
                vspace::activate(k, vspace::root_of(k, t));
                fpu::switch(k, t);
            }
            return Some(t);
        }
        Ok(()) => Unfinished::Switch,
        Err(Preempted) => Unfinished::Preempted,
    };
    k.unfinished.set(unfinished);
    None
}

/// What an invocation means for the thread that makes it, if it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// What user mode runs on is as before.
    AsBefore,
    /// It, or something that it runs on, may have been deleted.
    LookAgain,
}

/// What an invocation of `cap` by `t` means for `t`; `None` if it may concern its registers, and for what is rare.
#[inline(always)]
fn end_of(t: KRef<Tcb>, cap: RawCap, label: u64) -> Option<End> {
    let deletes = label == InvocationLabel::CNodeDelete as u64 || label == InvocationLabel::CNodeRevoke as u64;
    match cap.kind() {
        CapKind::Null
        | CapKind::Frame
        | CapKind::Untyped
        | CapKind::PageTable
        | CapKind::SchedContext
        | CapKind::SchedControl
        | CapKind::IrqHandler => Some(End::AsBefore),
        CapKind::CNode if deletes => Some(End::LookAgain),
        CapKind::CNode => Some(End::AsBefore),
        CapKind::Thread if label != InvocationLabel::TcbCopyRegisters as u64 => {
            (cap.thread() != Some(t)).then_some(End::AsBefore)
        }
        _ => None,
    }
}
