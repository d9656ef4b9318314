//! Faults: messages from the kernel, in the name of a thread, to that thread's handler (spec
//! chapter 5).
//!
//! A fault is delivered like a `Call` on the handler capability in the TCB. While it is pending, the
//! TCB's `fault` says what it is: the message is built from it when it is received, and the reply is
//! interpreted by it.
//!
//! # Invariants
//!
//! - `FAULT-1` a thread with a pending fault is `BlockedOnSend` (not received yet) or `BlockedOnReply`;
//! - `FAULT-2` whatever else ends the wait (cancelling, destruction) forgets the fault.

use sel4_abi::message::{IpcBuffer, MSG_REGISTERS};
use sel4_abi::registers::{CONTEXT, Register, UNKNOWN_SYSCALL_REPLY, USER_EXCEPTION_REPLY};
use sel4_abi::{FaultLabel, MessageInfo, fault as layout};

use super::transfer;
use crate::Kernel;
use crate::cap::{Cap, EndpointCap};
use crate::error::{Fault, FaultPhase};
use crate::kobj::KRef;
use crate::object::endpoint::{self, Authority, SendMode};
use crate::object::sched_context::{self, SchedContext};
use crate::object::tcb::{Tcb, TcbSlot, ThreadState};
use crate::sched;

// ---- raising (spec §5.2) ----

fn handler_of(cap: Cap) -> Option<EndpointCap> {
    match cap {
        Cap::Endpoint(ep) if ep.is_fault_handler() => Some(ep),
        _ => None,
    }
}

/// Reports a fault of `t` to its fault handler; without one the thread stops.
pub fn raise(k: &Kernel, t: KRef<Tcb>, fault: Fault) {
    if !send(k, t, TcbSlot::FaultHandler, fault) {
        sched::set_state(k, t, ThreadState::Inactive);
    }
}

/// Reports that `t` has exhausted `sc`, if it has a handler for that; answers whether it has.
pub fn raise_timeout(k: &Kernel, t: KRef<Tcb>, sc: KRef<SchedContext>) -> bool {
    if sc.get(k).is_round_robin() {
        return false;
    }
    send(k, t, TcbSlot::TimeoutHandler, Fault::Timeout { badge: sc.get(k).badge.get().0 })
}

fn send(k: &Kernel, t: KRef<Tcb>, handler: TcbSlot, fault: Fault) -> bool {
    let Some(ep) = handler_of(t.slot(k, handler).cap(k)) else { return false };
    t.get(k).fault.set(Some(fault));
    endpoint::send(k, t, ep.endpoint, Authority::of(ep), SendMode::Fault);
    true
}

/// A data or instruction abort of the current thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmFault {
    /// The address that was accessed.
    pub address: u64,
    /// The syndrome register.
    pub esr: u64,
    /// Whether it was an instruction fetch.
    pub instruction: bool,
}

impl From<VmFault> for Fault {
    fn from(fault: VmFault) -> Self {
        let VmFault { address, esr, instruction } = fault;
        Fault::Vm { addr: address, fsr: esr & 0xffff_ffff, is_instruction: instruction }
    }
}

/// Entry: an abort at EL0.
pub fn handle_vm_fault(k: &mut Kernel, fault: VmFault) {
    handle(k, fault.into());
}

/// Entry: any other synchronous exception at EL0.
pub fn handle_user_exception(k: &mut Kernel, esr: u64) {
    handle(k, Fault::UserException { number: esr & 0xffff_ffff, code: 0 });
}

fn handle(k: &Kernel, fault: Fault) {
    if sched::begin(k)
        && let Some(t) = k.cpu.sched.current()
    {
        raise(k, t, fault);
    }
}

// ---- the message (spec §5.3–§5.7) ----

/// Words of the longest fault message.
const MAX_WORDS: usize = layout::unknown_syscall::LENGTH;

/// Writes the message of the pending fault of `sender` to `receiver`; returns its message info.
pub fn write_message(k: &Kernel, fault: Fault, sender: KRef<Tcb>, receiver: KRef<Tcb>) -> MessageInfo {
    let (label, words, mut length) = words(k, fault, sender);
    let buffer = transfer::receive_buffer(k, receiver);
    if buffer.is_none() {
        length = length.min(MSG_REGISTERS);
    }
    for (i, word) in words.iter().enumerate().take(length) {
        match (receiver.get(k).context.message_registers().get(i), buffer) {
            (Some(register), _) => register.set(*word),
            (None, Some(buffer)) => buffer.write(k, IpcBuffer::MSG_WORD + i, *word),
            (None, None) => break,
        }
    }
    MessageInfo::new(label.number(), 0, 0, length as u64)
}

/// Writes the message of an abort at `pc` to `receiver`, as [`write_message`] does; it needs no buffer.
#[inline]
pub fn write_vm_message(k: &Kernel, pc: u64, fault: VmFault, receiver: KRef<Tcb>) -> MessageInfo {
    let VmFault { address, esr, instruction } = fault;
    let words = [pc, address, u64::from(instruction), esr & 0xffff_ffff];
    for (register, word) in receiver.get(k).context.message_registers().into_iter().zip(words) {
        register.set(word);
    }
    MessageInfo::new(FaultLabel::VmFault.number(), 0, 0, words.len() as u64)
}

/// Label, words and length of a fault's message.
fn words(k: &Kernel, fault: Fault, t: KRef<Tcb>) -> (FaultLabel, [u64; MAX_WORDS], usize) {
    let c = &t.get(k).context;
    let mut words = [0; MAX_WORDS];
    let mut length = 0;
    let mut put = |list: &[u64]| {
        for word in list {
            if let Some(place) = words.get_mut(length) {
                *place = *word;
                length += 1;
            }
        }
    };
    let label = match fault {
        Fault::Cap { addr, phase, lookup } => {
            let (failure, used) = lookup.words();
            put(&[c.restart_pc.get(), addr, u64::from(phase == FaultPhase::Receive)]);
            put(failure.get(..used).unwrap_or(&failure));
            FaultLabel::CapFault
        }
        Fault::UnknownSyscall { number } => {
            c.x.iter().take(8).for_each(|x| put(&[x.get()]));
            put(&[c.restart_pc.get(), c.sp.get(), c.resume_pc.get(), c.spsr.get(), number]);
            FaultLabel::UnknownSyscall
        }
        Fault::UserException { number, code } => {
            put(&[c.restart_pc.get(), c.sp.get(), c.spsr.get(), number, code]);
            FaultLabel::UserException
        }
        Fault::Vm { addr, fsr, is_instruction } => {
            put(&[c.restart_pc.get(), addr, u64::from(is_instruction), fsr]);
            FaultLabel::VmFault
        }
        Fault::Timeout { badge } => {
            put(&[badge]);
            if let Some(sc) = t.get(k).sched_context.get() {
                put(&[sched_context::take_consumed(k, sc).0]);
            }
            FaultLabel::Timeout
        }
    };
    (label, words, length)
}

// ---- the reply (spec §5.8) ----

/// Interprets the message of `replier` as the reply to `fault` of `faulter`; returns the state in which
/// that thread continues.
pub fn apply_reply(k: &Kernel, fault: Fault, replier: KRef<Tcb>, faulter: KRef<Tcb>) -> ThreadState {
    let registers: &[Option<Register>] = match fault {
        Fault::Cap { .. } | Fault::Vm { .. } => return ThreadState::Restart,
        Fault::UnknownSyscall { .. } => &UNKNOWN_SYSCALL_REPLY,
        Fault::UserException { .. } => &USER_EXCEPTION_REPLY.map(Some),
        Fault::Timeout { .. } => &CONTEXT.map(Some),
    };
    let limit = registers.len().min(layout::timeout::REPLY_LENGTH);
    let from = &replier.get(k).context;
    let buffer = transfer::send_buffer(k, replier);
    let info = MessageInfo(from.info_register().get());
    for (i, register) in registers.iter().enumerate().take(info.clamped_length().min(limit)) {
        let word = match (from.message_registers().get(i), buffer) {
            (Some(register), _) => register.get(),
            (None, Some(buffer)) => buffer.read(k, IpcBuffer::MSG_WORD + i),
            (None, None) => break,
        };
        if let Some(register) = register {
            faulter.get(k).context.set(*register, word);
        }
    }
    if info.label() == 0 { ThreadState::Restart } else { ThreadState::Inactive }
}
