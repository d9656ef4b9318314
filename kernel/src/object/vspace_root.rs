//! VSpace roots: the top table of an address space (manual §7.1; spec §3.13, §7.4).
//!
//! Layout: a [`PageTable`](super::PageTable) whose entries are of level 0. Invariants: `VS-*`
//! ([`crate::vspace`]). A root is of use only once it has an ASID (`AsidPool`).

use sel4_abi::InvocationLabel;
use sel4_abi::object::USER_TOP;

use super::frame::CacheRange;
use crate::arch::CacheOp;
use crate::cap::VSpaceCap;
use crate::error::SyscallError;
use crate::kernel::Kernel;
use crate::mem::UserVa;
use crate::syscall::{Args, Invocation, InvokeResult, Outcome};
use crate::vspace;

/// What a VSpace can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VSpaceInvocation {
    /// Maintain the caches for a range of it.
    Maintain(CacheRange),
    /// Nothing is mapped there, so nothing is to be done.
    Nothing,
}

/// Decodes and performs an invocation of a VSpace.
///
/// # Errors
/// Those of [`decode`]; `Preempted` ([`CacheRange::perform`]).
pub fn invoke(k: &mut Kernel, invocation: &Invocation, vspace: VSpaceCap) -> InvokeResult {
    match decode(k, invocation.label, vspace, invocation.args)? {
        VSpaceInvocation::Maintain(range) => range.perform(k, invocation.args)?,
        VSpaceInvocation::Nothing => {}
    }
    Ok(Outcome::Done)
}

/// Decodes the cache operations (spec §3.13). Checks in order:
///
/// | #  | check                                             | error                          |
/// |----|---------------------------------------------------|--------------------------------|
/// | 1  | the label is one of the four                      | `IllegalOperation`             |
/// | 2  | two words                                         | `TruncatedMessage`             |
/// | 3  | end is above start                                | `InvalidArgument(1)`           |
/// | 4  | end is within user space                          | `IllegalOperation`             |
/// | 5  | the capability has an ASID                        | `InvalidCapability(0)`         |
/// | 6  | the ASID exists                                   | `FailedLookup(InvalidRoot)`    |
/// | 7  | and is this VSpace's                              | `InvalidCapability(0)`         |
/// | 8  | a page is mapped at start                         | none: success, nothing is done |
/// | 9  | the range lies within that page                   | `RangeError(start, last byte)` |
/// | 10 | to invalidate, the mapping is writable            | `IllegalOperation`             |
///
/// # Errors
/// As the table says.
pub fn decode(k: &Kernel, label: u64, vspace: VSpaceCap, args: &Args) -> Result<VSpaceInvocation, SyscallError> {
    let operation = match InvocationLabel::try_from(label) {
        Ok(InvocationLabel::VSpaceCleanData) => CacheOp::Clean,
        Ok(InvocationLabel::VSpaceInvalidateData) => CacheOp::Invalidate,
        Ok(InvocationLabel::VSpaceCleanInvalidateData) => CacheOp::CleanInvalidate,
        Ok(InvocationLabel::VSpaceUnifyInstruction) => CacheOp::Unify,
        _ => return Err(SyscallError::IllegalOperation),
    };
    args.require(2, 0)?;
    let (start, end) = (args.word(k, 0).any(), args.word(k, 1).any());
    if end <= start {
        return Err(SyscallError::InvalidArgument { index: 1 });
    }
    if end > USER_TOP {
        return Err(SyscallError::IllegalOperation);
    }
    let asid = vspace::usable(k, vspace, 0)?;
    let Some(page) = vspace::page_at(k, vspace.root, UserVa(start)) else {
        return Ok(VSpaceInvocation::Nothing);
    };
    let last = start | ((1 << page.size_bits) - 1);
    if end - 1 > last {
        return Err(SyscallError::RangeError { min: start, max: last });
    }
    if operation == CacheOp::Invalidate && !page.is_writable {
        return Err(SyscallError::IllegalOperation);
    }
    Ok(VSpaceInvocation::Maintain(CacheRange {
        operation,
        root: vspace.root,
        asid,
        start: UserVa(start),
        end: UserVa(end),
    }))
}

/// Destroys a VSpace: its ASID is free again and its translations are forgotten.
pub fn finalise(k: &Kernel, vspace: &VSpaceCap) {
    k.asids.release(k, *vspace);
}
