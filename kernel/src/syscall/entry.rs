//! System calls: from the registers of the current thread to operations, in the order of spec §1.6.
//!
//! The thread's registers have been saved; what the call changes of them is written to its context.
//! Whoever calls these functions calls [`sched::activate`] afterwards.

use super::{Args, ExtraSlots, Invocation, Outcome, Phase, answer, debug, invoke_for};
use crate::cap::lookup::lookup_slot;
use crate::cap::{Cap, SlotRef};
use crate::error::{Fault, FaultPhase, LookupFault, Preempted, SyscallError};
use crate::ipc::{fault, transfer};
use crate::irq;
use crate::kernel::{Kernel, Unfinished};
use crate::kobj::{KRef, UserBuffer};
use crate::object::endpoint::{self, Authority, Blocking, SendMode};
use crate::object::{Reply, Tcb, notification, reply};
use crate::sched;
use sel4_abi::message::{IpcBuffer, MSG_MAX_EXTRA_CAPS};
use sel4_abi::{CapKind, CapRights, MessageInfo, Syscall};

/// The register of the invoked capability, or of the one to receive on.
const CAP_REGISTER: usize = 0;
/// The register of the reply capability, or of the destination of `NBSendWait` and `ReplyRecv`.
const REPLY_REGISTER: usize = 6;
/// The register of the system-call number.
const NUMBER_REGISTER: usize = 7;
/// The register of the destination of `NBSendRecv`.
const DEST_REGISTER: usize = 8;

/// Entry: an `svc` instruction.
pub fn handle_syscall(k: &mut Kernel) {
    match k.unfinished.replace(Unfinished::Nothing) {
        Unfinished::Nothing => handle_whole_syscall(k),
        Unfinished::Switch => {}
        Unfinished::Preempted => handle_interrupt(k),
    }
}

fn handle_whole_syscall(k: &mut Kernel) {
    let Some(t) = k.current() else { return };
    let number = register(k, t, NUMBER_REGISTER);
    let call = Syscall::from_number(number.cast_signed()).filter(|call| !call.is_debug() || debug::IS_PRESENT);
    if let Some(call) = call
        && call.is_debug()
    {
        debug::call(k, t, call);
        return;
    }
    if !sched::begin(k) {
        return;
    }
    let done = match call {
        Some(call) => dispatch(k, t, call),
        None => {
            fault::raise(k, t, Fault::UnknownSyscall { number });
            Ok(())
        }
    };
    if done == Err(Preempted) {
        // The thread stays in Restart: it will execute the call again.
        handle_interrupt(k);
    }
}

/// Entry: an `svc` instruction with the number of `Yield`.
pub fn handle_yield(k: &mut Kernel) {
    if !yield_at_once(k) {
        handle_syscall(k);
    }
}

/// `Yield`, if nothing else is due; whether that was so.
#[inline(always)]
pub fn yield_at_once(k: &Kernel) -> bool {
    match sched::quiet_now(k) {
        Some(now) if k.current().is_some() => {
            sched::account(k, now);
            sched::yield_slice(k);
            true
        }
        _ => false,
    }
}

/// Entry: an interrupt.
pub fn handle_interrupt(k: &mut Kernel) {
    sched::check_budget(k);
    irq::handle_interrupt(k);
}

fn register(k: &Kernel, t: KRef<Tcb>, index: usize) -> u64 {
    t.get(k).context.x.get(index).map_or(0, core::cell::Cell::get)
}

/// Executes a call that every kernel has.
fn dispatch(k: &mut Kernel, t: KRef<Tcb>, call: Syscall) -> Result<(), Preempted> {
    let cap = register(k, t, CAP_REGISTER);
    let reply = register(k, t, REPLY_REGISTER);
    let dest = register(k, t, DEST_REGISTER);
    match call {
        Syscall::Send => send(k, t, cap, SendMode::Blocking)?,
        Syscall::NbSend => send(k, t, cap, SendMode::NonBlocking)?,
        Syscall::Call => send(k, t, cap, SendMode::Call)?,
        Syscall::Recv => receive(k, t, cap, Some(reply), Blocking::Yes),
        Syscall::NbRecv => receive(k, t, cap, Some(reply), Blocking::No),
        Syscall::Wait => receive(k, t, cap, None, Blocking::Yes),
        Syscall::NbWait => receive(k, t, cap, None, Blocking::No),
        Syscall::ReplyRecv => {
            send(k, t, reply, SendMode::FirstPhase)?;
            receive(k, t, cap, Some(reply), Blocking::Yes);
        }
        Syscall::NbSendRecv => {
            send(k, t, dest, SendMode::FirstPhase)?;
            receive(k, t, cap, Some(reply), Blocking::Yes);
        }
        Syscall::NbSendWait => {
            send(k, t, reply, SendMode::FirstPhase)?;
            receive(k, t, cap, None, Blocking::Yes);
        }
        Syscall::Yield => sched::yield_slice(k),
        Syscall::DebugPutChar
        | Syscall::DebugDumpScheduler
        | Syscall::DebugHalt
        | Syscall::DebugCapIdentify
        | Syscall::DebugSnapshot
        | Syscall::DebugNameThread => {}
    }
    Ok(())
}

// ---- the sending half (spec §1.6 steps 2–4, §1.8) ----

/// Whether a failed lookup raises a fault.
const fn reports_lookups(mode: SendMode) -> bool {
    matches!(mode, SendMode::Blocking | SendMode::Call)
}

/// Invokes the capability that `cptr` names with the message in the thread's registers and buffer.
fn send(k: &mut Kernel, t: KRef<Tcb>, cptr: u64, mode: SendMode) -> Result<(), Preempted> {
    let info = MessageInfo(t.get(k).context.info_register().get());
    let buffer = if Args::has_more(info) { transfer::send_buffer(k, t) } else { None };
    let (slot, extra) = match find(k, t, cptr, info, buffer) {
        Ok(found) => found,
        Err((addr, lookup)) => {
            if reports_lookups(mode) {
                fault::raise(k, t, Fault::Cap { addr, phase: FaultPhase::Send, lookup });
            }
            return Ok(());
        }
    };
    let is_call = mode == SendMode::Call;
    let raw = slot.raw(k);
    let message = match raw.kind() {
        CapKind::Endpoint | CapKind::Notification | CapKind::Reply => raw.unpack(),
        _ => Cap::Null,
    };
    match message {
        Cap::Endpoint(cap) if cap.rights.contains(CapRights::WRITE) => {
            endpoint::send(k, t, cap.endpoint, Authority::of(cap), mode);
        }
        Cap::Notification(cap) if cap.rights.contains(CapRights::WRITE) => {
            notification::signal(k, cap.notification, cap.badge);
            if is_call {
                answer(k, t, Ok(Outcome::Done));
            }
        }
        Cap::Endpoint(_) | Cap::Notification(_) => {
            if is_call {
                answer(k, t, Err(SyscallError::InvalidCapability { index: 0 }));
            }
        }
        Cap::Reply(cap) => {
            reply::reply(k, t, cap.reply, cap.can_grant);
            if is_call {
                answer(k, t, Ok(Outcome::Done));
            }
        }
        _ => {
            let args = Args::new(info, t, buffer, extra);
            let phase = if mode == SendMode::FirstPhase { Phase::First } else { Phase::Only };
            invoke_for(k, t, &Invocation { label: info.label(), slot, cap: raw, args: &args, phase }, is_call)?;
        }
    }
    Ok(())
}

/// Looks up the invoked capability and the extra capabilities. An error is the address that did not resolve, and why.
#[inline]
fn find(
    k: &Kernel,
    t: KRef<Tcb>,
    cptr: u64,
    info: MessageInfo,
    buffer: Option<UserBuffer>,
) -> Result<(SlotRef, ExtraSlots), (u64, LookupFault)> {
    let find = |cptr| lookup_slot(k, t, cptr).map_err(|fault| (cptr, fault));
    let slot = find(cptr)?;
    Ok((slot, extra_slots(k, info, buffer, find)?))
}

/// Looks up the extra capabilities of a message, whose addresses are in `buffer`, with `find`.
#[inline(always)]
pub fn extra_slots<E>(
    k: &Kernel,
    info: MessageInfo,
    buffer: Option<UserBuffer>,
    find: impl Fn(u64) -> Result<SlotRef, E>,
) -> Result<ExtraSlots, E> {
    let mut extra = [None; MSG_MAX_EXTRA_CAPS];
    if let Some(buffer) = buffer {
        for (i, extra) in extra.iter_mut().enumerate().take(info.extra_caps()) {
            *extra = Some(find(buffer.read(k, IpcBuffer::CAPS_WORD + i))?);
        }
    }
    Ok(extra)
}

// ---- the receiving half (spec §1.8) ----

/// Why a receive cannot even begin: a fault.
type ReceiveFault = (u64, LookupFault);

/// What stands in the place of a capability that is of no use here.
const MISSING: LookupFault = LookupFault::MissingCapability { bits_left: 0 };

/// Receives on the capability that `cptr` names; `reply` names the reply object, where the call takes
/// one.
fn receive(k: &Kernel, t: KRef<Tcb>, cptr: u64, reply: Option<u64>, blocking: Blocking) {
    if let Err((addr, lookup)) = try_receive(k, t, cptr, reply, blocking) {
        fault::raise(k, t, Fault::Cap { addr, phase: FaultPhase::Receive, lookup });
    }
}

/// | # | check | fault |
/// |---|---|---|
/// | 1 | `cptr` resolves | its lookup failure |
/// | 2 | an endpoint with Read | missing capability |
/// | 3 | a notification with Read that is bound to no other thread | missing capability |
/// | 4 | nothing else | missing capability |
/// | 5 | endpoint: the reply capability resolves, and is one | its failure, or missing capability |
fn try_receive(
    k: &Kernel,
    t: KRef<Tcb>,
    cptr: u64,
    reply: Option<u64>,
    blocking: Blocking,
) -> Result<(), ReceiveFault> {
    let slot = lookup_slot(k, t, cptr).map_err(|fault| (cptr, fault))?;
    match slot.cap(k) {
        Cap::Endpoint(cap) if cap.rights.contains(CapRights::READ) => {
            let reply = reply.map(|cptr| reply_object(k, t, cptr)).transpose()?;
            if let Some(reply) = reply {
                reply::release_for_receive(k, reply);
            }
            if let Some(bound) = t.get(k).bound_notification.get() {
                if notification::take_signal(k, t, bound) {
                    return Ok(());
                }
                if blocking == Blocking::Yes {
                    notification::return_sched_context(k, bound, t);
                }
            }
            endpoint::receive(k, t, cap.endpoint, reply, blocking);
            Ok(())
        }
        Cap::Notification(cap)
            if cap.rights.contains(CapRights::READ)
                && cap.notification.get(k).bound_tcb.get().is_none_or(|bound| bound == t) =>
        {
            notification::wait(k, t, cap.notification, blocking);
            Ok(())
        }
        _ => Err((cptr, MISSING)),
    }
}

fn reply_object(k: &Kernel, t: KRef<Tcb>, cptr: u64) -> Result<KRef<Reply>, ReceiveFault> {
    let slot = lookup_slot(k, t, cptr).map_err(|fault| (cptr, fault))?;
    match slot.cap(k) {
        Cap::Reply(cap) => Ok(cap.reply),
        _ => Err((cptr, MISSING)),
    }
}
