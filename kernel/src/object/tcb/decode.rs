//! TCB invocations: checking (spec §3.3). Nothing here changes anything.

use sel4_abi::message::IPC_BUFFER_BITS;
use sel4_abi::registers::CONTEXT_REGISTERS;
use sel4_abi::{CNodeCapData, CapKind, CapRights, InvocationLabel};

use super::{Tcb, TcbSlot};
use crate::cap::{EndpointCap, RawCap, delete, derive};
use crate::error::SyscallError;
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::mem::UserVa;
use crate::object::notification::{Notification, NotificationState};
use crate::object::sched_context::{self, SchedContext};
use crate::sched::Priority;
use crate::syscall::{Args, ExtraCap, Invocation};

/// A capability that a TCB takes a copy of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewCap {
    /// What was given: the slot and what was in it.
    pub source: ExtraCap,
    /// What is installed; null removes what was there.
    pub cap: RawCap,
}

/// A new IPC buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewBuffer {
    /// Its address; 0 removes the buffer.
    pub vaddr: UserVa,
    /// Its frame, unless it is removed.
    pub frame: Option<NewCap>,
}

/// What happens to the scheduling context of the target of `SetSchedParams`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewSchedContext {
    /// It has it already.
    Keep,
    /// It is bound to this one.
    Bind(KRef<SchedContext>),
    /// It loses what it has, if anything.
    Unbind,
}

/// The flags of `CopyRegisters`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyFlags {
    /// The source is suspended first.
    pub suspend_source: bool,
    /// The target is resumed then.
    pub resume_target: bool,
    /// The first registers of the list are copied.
    pub frame: bool,
    /// The other registers are copied.
    pub integer: bool,
}

/// What a caller asks of a thread, fully checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcbInvocation {
    /// Reads the first `count` registers.
    ReadRegisters {
        /// Whether the thread is suspended first.
        suspend: bool,
        /// How many.
        count: usize,
    },
    /// Writes the first `count` registers.
    WriteRegisters {
        /// Whether the thread is resumed then.
        resume: bool,
        /// How many; their values are the message's words from [`FIRST_VALUE`] on.
        count: usize,
    },
    /// Copies registers from another thread.
    CopyRegisters {
        /// The other thread.
        source: KRef<Tcb>,
        /// What is to be done.
        flags: CopyFlags,
    },
    /// Sets CSpace root, VSpace root, and IPC buffer.
    Configure {
        /// The CSpace root.
        cspace: NewCap,
        /// The VSpace root.
        vspace: NewCap,
        /// The IPC buffer.
        buffer: NewBuffer,
    },
    /// Sets the priority.
    SetPriority(Priority),
    /// Sets the maximum controlled priority.
    SetMcp(Priority),
    /// Sets fault handler, priorities, and scheduling context.
    SetSchedParams {
        /// The maximum controlled priority.
        mcp: Priority,
        /// The priority.
        priority: Priority,
        /// The scheduling context.
        sched_context: NewSchedContext,
        /// The fault handler.
        fault_handler: NewCap,
    },
    /// Sets the timeout handler.
    SetTimeoutEndpoint(NewCap),
    /// Sets the IPC buffer.
    SetIpcBuffer(NewBuffer),
    /// Sets fault handler, CSpace root, and VSpace root.
    SetSpace {
        /// The fault handler.
        fault_handler: NewCap,
        /// The CSpace root.
        cspace: NewCap,
        /// The VSpace root.
        vspace: NewCap,
    },
    /// Stops the thread.
    Suspend,
    /// Starts the thread.
    Resume,
    /// Binds a notification.
    BindNotification(KRef<Notification>),
    /// Unbinds the bound notification.
    UnbindNotification,
    /// Sets the TLS register.
    SetTlsBase(u64),
    /// Changes the flags to this value.
    SetFlags(u64),
}

/// The word of `WriteRegisters` that is the first register's value.
pub const FIRST_VALUE: usize = 2;

/// The flags that exist: bit 0, `fpuDisabled`.
const FLAGS_MASK: u64 = 1;

/// Checks an invocation of `target`.
///
/// The rows of each operation's table are checked in order; the first to fail is what the caller sees.
///
/// # Errors
///
/// | operation | its table |
/// |---|---|
/// | any other label | `IllegalOperation` |
/// | Suspend, Resume | none |
/// | `SetTLSBase` | 1: a word, else `TruncatedMessage` |
/// | `SetFlags` | 1: two words, else `TruncatedMessage` |
/// | `UnbindNotification` | 1: one is bound, else `IllegalOperation` |
/// | others | at their functions |
pub fn decode(k: &Kernel, target: KRef<Tcb>, inv: &Invocation) -> Result<TcbInvocation, SyscallError> {
    let args = inv.args;
    let label = InvocationLabel::try_from(inv.label).map_err(|_| SyscallError::IllegalOperation)?;
    match label {
        InvocationLabel::TcbReadRegisters => read_registers(k, target, args),
        InvocationLabel::TcbWriteRegisters => write_registers(k, target, args),
        InvocationLabel::TcbCopyRegisters => copy_registers(k, args),
        InvocationLabel::TcbConfigure => configure(k, target, args),
        InvocationLabel::TcbSetPriority => Ok(TcbInvocation::SetPriority(authorised_priority(k, args)?)),
        InvocationLabel::TcbSetMcPriority => Ok(TcbInvocation::SetMcp(authorised_priority(k, args)?)),
        InvocationLabel::TcbSetSchedParams => set_sched_params(k, target, args),
        InvocationLabel::TcbSetTimeoutEndpoint => Ok(TcbInvocation::SetTimeoutEndpoint(handler(args.cap(k, 0)?, 1)?)),
        InvocationLabel::TcbSetIpcBuffer => {
            args.require(1, 1)?;
            let buffer = new_buffer(k, args.word(k, 0).any(), args.cap(k, 0)?)?;
            Ok(TcbInvocation::SetIpcBuffer(buffer))
        }
        InvocationLabel::TcbSetSpace => set_space(k, target, args),
        InvocationLabel::TcbSuspend => Ok(TcbInvocation::Suspend),
        InvocationLabel::TcbResume => Ok(TcbInvocation::Resume),
        InvocationLabel::TcbBindNotification => bind_notification(k, target, args),
        InvocationLabel::TcbUnbindNotification => match target.get(k).bound_notification.get() {
            Some(_) => Ok(TcbInvocation::UnbindNotification),
            None => Err(SyscallError::IllegalOperation),
        },
        InvocationLabel::TcbSetTlsBase => {
            args.require(1, 0)?;
            Ok(TcbInvocation::SetTlsBase(args.word(k, 0).any()))
        }
        InvocationLabel::TcbSetFlags => {
            args.require(2, 0)?;
            let (clear, set) = (args.word(k, 0).any(), args.word(k, 1).any());
            Ok(TcbInvocation::SetFlags(target.get(k).flags.get() & !clear | set & FLAGS_MASK))
        }
        _ => Err(SyscallError::IllegalOperation),
    }
}

/// | # | check | error |
/// |---|---|---|
/// | 1 | two words | `TruncatedMessage` |
/// | 2 | count is 1 to 36 | `RangeError(1, 36)` |
/// | 3 | not the current thread | `IllegalOperation` |
fn read_registers(k: &Kernel, target: KRef<Tcb>, args: &Args) -> Result<TcbInvocation, SyscallError> {
    args.require(2, 0)?;
    let count = args.word(k, 1).in_range(1, CONTEXT_REGISTERS as u64)? as usize;
    refuse_current(k, target)?;
    Ok(TcbInvocation::ReadRegisters { suspend: args.word(k, 0).any() & 1 != 0, count })
}

/// | # | check | error |
/// |---|---|---|
/// | 1 | two words | `TruncatedMessage` |
/// | 2 | as many more as count says | `TruncatedMessage` |
/// | 3 | not the current thread | `IllegalOperation` |
fn write_registers(k: &Kernel, target: KRef<Tcb>, args: &Args) -> Result<TcbInvocation, SyscallError> {
    args.require(2, 0)?;
    let count = args.word(k, 1).any();
    if ((args.length() - FIRST_VALUE) as u64) < count {
        return Err(SyscallError::TruncatedMessage);
    }
    refuse_current(k, target)?;
    let count = count.min(CONTEXT_REGISTERS as u64) as usize;
    Ok(TcbInvocation::WriteRegisters { resume: args.word(k, 0).any() & 1 != 0, count })
}

fn refuse_current(k: &Kernel, target: KRef<Tcb>) -> Result<(), SyscallError> {
    if k.current() == Some(target) { Err(SyscallError::IllegalOperation) } else { Ok(()) }
}

/// | # | check | error |
/// |---|---|---|
/// | 1 | a word and a capability | `TruncatedMessage` |
/// | 2 | it is a TCB | `InvalidCapability(1)` |
fn copy_registers(k: &Kernel, args: &Args) -> Result<TcbInvocation, SyscallError> {
    args.require(1, 1)?;
    let source = thread_of(args.cap(k, 0)?, 1)?;
    let bits = args.word(k, 0).any();
    let flags = CopyFlags {
        suspend_source: bits & 1 != 0,
        resume_target: bits & 2 != 0,
        frame: bits & 4 != 0,
        integer: bits & 8 != 0,
    };
    Ok(TcbInvocation::CopyRegisters { source, flags })
}

fn thread_of(extra: ExtraCap, index: u64) -> Result<KRef<Tcb>, SyscallError> {
    extra.cap.thread().ok_or(SyscallError::InvalidCapability { index })
}

/// | # | check | error |
/// |---|---|---|
/// | 1 | three words and three capabilities | `TruncatedMessage` |
/// | 2–5 | the buffer, see [`new_buffer`] | |
/// | 6 | the present roots can be removed at once | `IllegalOperation` |
/// | 7, 8 | the CSpace root, see [`new_cspace`] | |
/// | 9, 10 | the VSpace root, see [`new_vspace`] | |
fn configure(k: &Kernel, target: KRef<Tcb>, args: &Args) -> Result<TcbInvocation, SyscallError> {
    args.require(3, 3)?;
    let buffer = new_buffer(k, args.word(k, 2).any(), args.cap(k, 2)?)?;
    check_roots_removable(k, target)?;
    let cspace = new_cspace(k, args.word(k, 0).any(), args.cap(k, 0)?)?;
    let vspace = new_vspace(k, args.cap(k, 1)?)?;
    Ok(TcbInvocation::Configure { cspace, vspace, buffer })
}

/// | # | check | error |
/// |---|---|---|
/// | 1 | two words and three capabilities | `TruncatedMessage` |
/// | 2 | the present roots can be removed at once | `IllegalOperation` |
/// | 3 | the roots, see [`new_cspace`] and [`new_vspace`] | |
/// | 4 | the fault handler is valid | `InvalidCapability(1)` |
fn set_space(k: &Kernel, target: KRef<Tcb>, args: &Args) -> Result<TcbInvocation, SyscallError> {
    args.require(2, 3)?;
    check_roots_removable(k, target)?;
    let cspace = new_cspace(k, args.word(k, 0).any(), args.cap(k, 1)?)?;
    let vspace = new_vspace(k, args.cap(k, 2)?)?;
    let fault_handler = handler(args.cap(k, 0)?, 1)?;
    Ok(TcbInvocation::SetSpace { fault_handler, cspace, vspace })
}

/// Unless the address is 0, which removes the buffer:
///
/// | # | check | error |
/// |---|---|---|
/// | 2 | the capability can be derived | error of deriving |
/// | 3 | the result is a frame | `IllegalOperation` |
/// | 4 | it is no device memory | `IllegalOperation` |
/// | 5 | the address is a multiple of 1024 | `AlignmentError` |
fn new_buffer(k: &Kernel, vaddr: u64, source: ExtraCap) -> Result<NewBuffer, SyscallError> {
    let vaddr = UserVa(vaddr);
    if vaddr == UserVa(0) {
        return Ok(NewBuffer { vaddr, frame: None });
    }
    let cap = derive::derive(k, source.slot, source.cap)?;
    if cap.frame().is_none_or(|frame| frame.region.is_device()) {
        return Err(SyscallError::IllegalOperation);
    }
    if !vaddr.is_aligned(IPC_BUFFER_BITS) {
        return Err(SyscallError::AlignmentError);
    }
    Ok(NewBuffer { vaddr, frame: Some(NewCap { source, cap }) })
}

/// Checks that the removal of the present roots is no long operation.
fn check_roots_removable(k: &Kernel, target: KRef<Tcb>) -> Result<(), SyscallError> {
    for which in [TcbSlot::CSpaceRoot, TcbSlot::VSpaceRoot] {
        let slot = target.slot(k, which);
        if delete::is_long_running(k, slot) {
            return Err(SyscallError::IllegalOperation);
        }
    }
    Ok(())
}

/// | # | check | error |
/// |---|---|---|
/// | 7 | the capability, with the guard data unless that is 0, can be derived | error of deriving |
/// | 8 | the result is a CNode | `IllegalOperation` |
fn new_cspace(k: &Kernel, data: u64, source: ExtraCap) -> Result<NewCap, SyscallError> {
    let guarded = match source.cap.cnode() {
        Some(cnode) if data != 0 => derive::with_guard(cnode, CNodeCapData(data)),
        _ => source.cap,
    };
    let cap = derive::derive(k, source.slot, guarded)?;
    if cap.kind() == CapKind::CNode { Ok(NewCap { source, cap }) } else { Err(SyscallError::IllegalOperation) }
}

/// | # | check | error |
/// |---|---|---|
/// | 9 | the capability can be derived | error of deriving |
/// | 10 | the result is a VSpace with an ASID | `IllegalOperation` |
fn new_vspace(k: &Kernel, source: ExtraCap) -> Result<NewCap, SyscallError> {
    let cap = derive::derive(k, source.slot, source.cap)?;
    if cap.vspace().is_some_and(|vspace| vspace.asid.is_some()) {
        Ok(NewCap { source, cap })
    } else {
        Err(SyscallError::IllegalOperation)
    }
}

/// A fault handler: null, or an endpoint that can be sent to and that can reply. It is copied as it
/// is, not derived.
fn handler(source: ExtraCap, index: u64) -> Result<NewCap, SyscallError> {
    if source.cap.is_null() || source.cap.endpoint().is_some_and(EndpointCap::is_fault_handler) {
        Ok(NewCap { source, cap: source.cap })
    } else {
        Err(SyscallError::InvalidCapability { index })
    }
}

/// A priority that the authority, the first extra capability, allows.
///
/// | # | check | error |
/// |---|---|---|
/// | 1 | a word and a capability | `TruncatedMessage` |
/// | 2 | it is a TCB | `InvalidCapability(1)` |
/// | 3 | the value is not above its MCP | `RangeError(0, MCP)` |
fn authorised_priority(k: &Kernel, args: &Args) -> Result<Priority, SyscallError> {
    args.require(1, 1)?;
    let authority = thread_of(args.cap(k, 0)?, 1)?;
    checked_priority(k, authority, args, 0)
}

fn checked_priority(k: &Kernel, authority: KRef<Tcb>, args: &Args, word: usize) -> Result<Priority, SyscallError> {
    let mcp = authority.get(k).mcp.get();
    args.word(k, word).in_range(0, u64::from(mcp.0)).map(|value| Priority(value as u8))
}

/// | # | check | error |
/// |---|---|---|
/// | 1 | two words and three capabilities | `TruncatedMessage` |
/// | 2 | the first is a TCB, the authority | `InvalidCapability(1)` |
/// | 3 | the MCP is not above the authority's | `RangeError(0, MCP)` |
/// | 4 | nor is the priority | `RangeError(0, MCP)` |
/// | 5 | the second is a context that is not the target's: the target has none | `IllegalOperation` |
/// | 6 | and the context has no thread | `IllegalOperation` |
/// | 7 | it is a context: the target is not blocked, or the context is released | `IllegalOperation` |
/// | 8 | it is null: the target is not the current thread | `IllegalOperation` |
/// | 9 | it is a context or null | `InvalidCapability(2)` |
/// | 10 | the third is a valid fault handler | `InvalidCapability(3)` |
fn set_sched_params(k: &Kernel, target: KRef<Tcb>, args: &Args) -> Result<TcbInvocation, SyscallError> {
    args.require(2, 3)?;
    let authority = thread_of(args.cap(k, 0)?, 1)?;
    let mcp = checked_priority(k, authority, args, 0)?;
    let priority = checked_priority(k, authority, args, 1)?;
    let present = target.get(k).sched_context.get();
    let given = args.cap(k, 1)?.cap;
    let sched_context = match given.sched_context() {
        Some(cap) => {
            let sc = cap.sched_context;
            let own = present == Some(sc);
            if !own && (present.is_some() || sc.get(k).tcb.get().is_some()) {
                return Err(SyscallError::IllegalOperation);
            }
            if target.get(k).state.get().is_blocked() && !sched_context::is_released(k, sc) {
                return Err(SyscallError::IllegalOperation);
            }
            if own { NewSchedContext::Keep } else { NewSchedContext::Bind(sc) }
        }
        None if given.is_null() => {
            refuse_current(k, target)?;
            NewSchedContext::Unbind
        }
        None => return Err(SyscallError::InvalidCapability { index: 2 }),
    };
    let fault_handler = handler(args.cap(k, 2)?, 3)?;
    Ok(TcbInvocation::SetSchedParams { mcp, priority, sched_context, fault_handler })
}

/// | # | check | error |
/// |---|---|---|
/// | 1 | a capability | `TruncatedMessage` |
/// | 2 | the TCB has no bound notification | `IllegalOperation` |
/// | 3 | the capability is a notification | `IllegalOperation` |
/// | 4 | with the Read right | `IllegalOperation` |
/// | 5 | without waiters, and not bound to a TCB | `IllegalOperation` |
fn bind_notification(k: &Kernel, target: KRef<Tcb>, args: &Args) -> Result<TcbInvocation, SyscallError> {
    let cap = args.cap(k, 0)?.cap.notification().ok_or(SyscallError::IllegalOperation)?;
    let n = cap.notification.get(k);
    let is_free = target.get(k).bound_notification.get().is_none()
        && cap.rights.contains(CapRights::READ)
        && n.state.get() != NotificationState::Waiting
        && n.bound_tcb.get().is_none();
    if is_free { Ok(TcbInvocation::BindNotification(cap.notification)) } else { Err(SyscallError::IllegalOperation) }
}
