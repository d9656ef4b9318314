//! Domains: which group of threads may run when (manual §6.2, §10.3.4).
//!
//! There is no object; the capability is the right to assign threads to domains and to write the
//! schedule ([`crate::sched::domain`]). Its invocations always succeed once they are decoded.

use crate::error::SyscallError;
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::object::Tcb;
use crate::sched::domain::{DOMAINS, Entry, MAX_DURATION, SCHEDULE_ENTRIES};
use crate::sched::{self, Ticks};
use crate::syscall::{Args, Invocation, InvokeResult, Outcome};
use sel4_abi::InvocationLabel;

/// An operation on domains that passed all checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainInvocation {
    /// Move a thread to a domain.
    Set {
        /// The thread.
        thread: KRef<Tcb>,
        /// The domain.
        domain: u8,
    },
    /// Write an entry of the schedule.
    Configure {
        /// Which entry.
        index: usize,
        /// What it becomes.
        entry: Entry,
    },
    /// Let the schedule start at an entry, now.
    SetStart {
        /// Which entry.
        index: usize,
    },
}

/// Assigns a domain, or writes the schedule.
///
/// # Errors
///
/// As [`decode`].
pub fn invoke(k: &Kernel, inv: &Invocation) -> InvokeResult {
    perform(k, decode(k, inv)?);
    Ok(Outcome::Done)
}

/// Checks run in this order; the first to fail is what the caller sees.
///
/// `DomainSetSet`:
///
/// | # | check | error |
/// |---|---|---|
/// | 1 | one word | `TruncatedMessage` |
/// | 2 | domain exists | `InvalidArgument { 0 }` |
/// | 3 | one extra cap | `TruncatedMessage` |
/// | 4 | it is a thread | `InvalidArgument { 1 }` |
///
/// `DomainScheduleConfigure`:
///
/// | # | check | error |
/// |---|---|---|
/// | 1 | three words | `TruncatedMessage` |
/// | 2 | index below the last entry | `RangeError { 0, entries − 2 }` |
/// | 3 | domain exists | `RangeError { 0, domains − 1 }` |
/// | 4 | duration below `2^56` | `InvalidArgument { 2 }` |
/// | 5 | no duration only with domain 0 | `InvalidArgument { 1 }` |
/// | 6 | the start entry has a duration | `InvalidArgument { 2 }` |
///
/// `DomainScheduleSetStart`:
///
/// | # | check | error |
/// |---|---|---|
/// | 1 | one word | `TruncatedMessage` |
/// | 2 | index inside the table | `RangeError { 0, entries − 1 }` |
/// | 3 | the entry is no end marker | `InvalidArgument { 0 }` |
///
/// # Errors
///
/// The tables; `IllegalOperation` for other labels.
pub fn decode(k: &Kernel, inv: &Invocation) -> Result<DomainInvocation, SyscallError> {
    match InvocationLabel::try_from(inv.label) {
        Ok(InvocationLabel::DomainSetSet) => decode_set(k, inv.args),
        Ok(InvocationLabel::DomainScheduleConfigure) => decode_configure(k, inv.args),
        Ok(InvocationLabel::DomainScheduleSetStart) => decode_set_start(k, inv.args),
        _ => Err(SyscallError::IllegalOperation),
    }
}

fn decode_set(k: &Kernel, args: &Args) -> Result<DomainInvocation, SyscallError> {
    args.require(1, 0)?;
    let domain = u8::try_from(args.word(k, 0).any())
        .ok()
        .filter(|d| usize::from(*d) < DOMAINS)
        .ok_or(SyscallError::InvalidArgument { index: 0 })?;
    let thread = args.cap(k, 0)?.cap.thread().ok_or(SyscallError::InvalidArgument { index: 1 })?;
    Ok(DomainInvocation::Set { thread, domain })
}

fn decode_configure(k: &Kernel, args: &Args) -> Result<DomainInvocation, SyscallError> {
    args.require(3, 0)?;
    let index = args.word(k, 0).in_range(0, SCHEDULE_ENTRIES as u64 - 2)? as usize;
    let domain = args.word(k, 1).in_range(0, DOMAINS as u64 - 1)? as u8;
    let duration = args.word(k, 2).any();
    if duration >= MAX_DURATION {
        return Err(SyscallError::InvalidArgument { index: 2 });
    }
    if duration == 0 && domain != 0 {
        return Err(SyscallError::InvalidArgument { index: 1 });
    }
    if duration == 0 && index == k.cpu.sched.domains.start() {
        return Err(SyscallError::InvalidArgument { index: 2 });
    }
    Ok(DomainInvocation::Configure { index, entry: Entry { domain, duration: Ticks(duration) } })
}

fn decode_set_start(k: &Kernel, args: &Args) -> Result<DomainInvocation, SyscallError> {
    args.require(1, 0)?;
    let index = args.word(k, 0).in_range(0, SCHEDULE_ENTRIES as u64 - 1)? as usize;
    if k.cpu.sched.domains.entry(index).is_end() {
        return Err(SyscallError::InvalidArgument { index: 0 });
    }
    Ok(DomainInvocation::SetStart { index })
}

/// Performs what [`decode`] found possible.
pub fn perform(k: &Kernel, operation: DomainInvocation) {
    match operation {
        DomainInvocation::Set { thread, domain } => sched::set_domain(k, thread, domain),
        DomainInvocation::Configure { index, entry } => {
            k.cpu.sched.domains.configure(index, entry);
        }
        DomainInvocation::SetStart { index } => {
            k.cpu.sched.domains.set_start(index);
            sched::reschedule(k);
        }
    }
}
