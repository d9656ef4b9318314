//! CNodes: tables of capability slots (manual §3.1, §10.3.2).
//!
//! Layout: `2^radix` slots of `2^5` bytes. Guards belong to capabilities, not to the object.
//!
//! # Invariants
//!
//! - **CN-1** Every slot of a live CNode is valid memory: empty, or an entry of the derivation list.
//! - **CN-2** What a preemption point may leave half done is a zombie (`DEL-1`); it is in a slot, and
//!   deleting that slot again, or revoking an ancestor, goes on.

use crate::cap::derive::{Preserve, derive, with_badge, with_rights};
use crate::cap::{Badge, EndpointCap, RawCap, SlotRef, cdt, delete, lookup};
use crate::error::{InvocationError, LookupFault, LookupSide, SyscallError};
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::object::{Endpoint, endpoint};
use crate::syscall::{Args, Invocation, InvokeResult, Outcome};
use sel4_abi::{CapRights, InvocationLabel};

/// An operation on slots that passed all checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CNodeInvocation {
    /// Delete all that was derived from the capability in the slot.
    Revoke(SlotRef),
    /// Delete the capability in the slot.
    Delete(SlotRef),
    /// Restart the threads that send with this badge.
    CancelBadgedSends {
        /// On this endpoint.
        endpoint: KRef<Endpoint>,
        /// The badge, not 0.
        badge: Badge,
    },
    /// Put a copy into an empty slot.
    Insert {
        /// What it is a copy of.
        source: SlotRef,
        /// The empty slot.
        dest: SlotRef,
        /// The copy.
        cap: RawCap,
    },
    /// Move a capability to an empty slot.
    Move {
        /// From.
        source: SlotRef,
        /// To.
        dest: SlotRef,
        /// As.
        cap: RawCap,
    },
    /// Move the pivot's capability to the destination, then the source's to the pivot.
    Rotate {
        /// Where the second comes from.
        source: SlotRef,
        /// Where the first comes from, and the second goes.
        pivot: SlotRef,
        /// Where the first goes; may be the source.
        dest: SlotRef,
        /// What the source's capability becomes.
        source_cap: RawCap,
        /// What the pivot's capability becomes.
        pivot_cap: RawCap,
    },
    /// Nothing: the badge to cancel is 0.
    Nothing,
}

/// Performs an operation on slots of the CNode that was invoked.
///
/// # Errors
///
/// As [`decode`]; `Preempted` while deleting or revoking.
pub fn invoke(k: &Kernel, inv: &Invocation<'_>) -> InvokeResult {
    let operation = decode(k, inv)?;
    perform(k, operation)
}

/// Checks run in this order; the first to fail is what the caller sees.
///
/// | # | check | error |
/// |---|---|---|
/// | 1 | label is one of CNode's | `IllegalOperation` |
/// | 2 | two words | `TruncatedMessage` |
/// | 3 | the destination resolves | `RangeError { 1, 64 }`, `FailedLookup` |
/// | 4… | by operation: `decode_transfer`, `decode_rotate`, `decode_cancel` | |
///
/// # Errors
///
/// The table.
#[inline]
pub fn decode(k: &Kernel, inv: &Invocation<'_>) -> Result<CNodeInvocation, SyscallError> {
    if !(InvocationLabel::CNodeRevoke.number()..=InvocationLabel::CNodeRotate.number()).contains(&inv.label) {
        return Err(SyscallError::IllegalOperation);
    }
    let Ok(label) = InvocationLabel::try_from(inv.label) else {
        return Err(SyscallError::IllegalOperation);
    };
    let args = inv.args;
    args.require(2, 0)?;
    let (index, depth) = (args.word(k, 0).any(), args.word(k, 1).any());
    let dest = lookup::target_slot(k, inv.cap, index, depth, LookupSide::Destination)?;
    match label {
        InvocationLabel::CNodeRevoke => Ok(CNodeInvocation::Revoke(dest)),
        InvocationLabel::CNodeDelete => Ok(CNodeInvocation::Delete(dest)),
        InvocationLabel::CNodeCancelBadgedSends => decode_cancel(k, dest),
        InvocationLabel::CNodeRotate => decode_rotate(k, args, dest),
        InvocationLabel::CNodeCopy => {
            decode_transfer(k, args, dest, 5, |cap| with_rights(cap, CapRights::from_word(args.word(k, 4).any())))
                .and_then(|t| t.copied(k, dest))
        }
        InvocationLabel::CNodeMint => decode_transfer(k, args, dest, 6, |cap| {
            let cap = with_rights(cap, CapRights::from_word(args.word(k, 4).any()));
            with_badge(cap, args.word(k, 5).any(), Preserve::No)
        })
        .and_then(|t| t.copied(k, dest)),
        InvocationLabel::CNodeMove => decode_transfer(k, args, dest, 4, |cap| cap).and_then(|t| t.moved(dest)),
        InvocationLabel::CNodeMutate => {
            decode_transfer(k, args, dest, 5, |cap| with_badge(cap, args.word(k, 4).any(), Preserve::Yes))
                .and_then(|t| t.moved(dest))
        }
        _ => Err(SyscallError::IllegalOperation),
    }
}

/// A source slot, and what its capability becomes.
#[derive(Clone, Copy)]
struct Transfer {
    source: SlotRef,
    cap: RawCap,
}

/// Checks that Copy, Mint, Move and Mutate have in common.
///
/// | # | check | error |
/// |---|---|---|
/// | 4 | four words and one extra cap | `TruncatedMessage` |
/// | 5 | destination empty | `DeleteFirst` |
/// | 6 | the source resolves | `RangeError { 1, 64 }`, `FailedLookup { Source }` |
/// | 7 | source not empty | `FailedLookup { Source, MissingCapability }` |
/// | 8 | Copy, Mutate: five words; Mint: six | `TruncatedMessage` |
/// | 9 | Copy, Mint: the capability can be derived | `RevokeFirst`, `IllegalOperation` |
/// | 10 | the result is a capability | `IllegalOperation` |
#[inline]
fn decode_transfer(
    k: &Kernel,
    args: &Args,
    dest: SlotRef,
    words: usize,
    change: impl FnOnce(RawCap) -> RawCap,
) -> Result<Transfer, SyscallError> {
    args.require(4, 1)?;
    if !dest.is_empty(k) {
        return Err(SyscallError::DeleteFirst);
    }
    let root = args.cap(k, 0)?.cap;
    let depth = args.word(k, 3).any();
    let source = lookup::target_slot(k, root, args.word(k, 2).any(), depth, LookupSide::Source)?;
    let cap = source.raw(k);
    if cap.is_null() {
        return Err(SyscallError::FailedLookup {
            side: LookupSide::Source,
            fault: LookupFault::MissingCapability { bits_left: depth },
        });
    }
    args.require(words, 1)?;
    Ok(Transfer { source, cap: change(cap) })
}

impl Transfer {
    /// Checks 9 and 10 for a copy.
    fn copied(self, k: &Kernel, dest: SlotRef) -> Result<CNodeInvocation, SyscallError> {
        let cap = derive(k, self.source, self.cap)?;
        if cap.is_null() {
            return Err(SyscallError::IllegalOperation);
        }
        Ok(CNodeInvocation::Insert { source: self.source, dest, cap })
    }

    /// Check 10 for a move.
    fn moved(self, dest: SlotRef) -> Result<CNodeInvocation, SyscallError> {
        if self.cap.is_null() {
            return Err(SyscallError::IllegalOperation);
        }
        Ok(CNodeInvocation::Move { source: self.source, dest, cap: self.cap })
    }
}

/// | # | check | error |
/// |---|---|---|
/// | 4 | eight words and two extra caps | `TruncatedMessage` |
/// | 5 | the source resolves | `RangeError { 1, 64 }`, `FailedLookup { Source }` |
/// | 6 | the pivot resolves | `RangeError { 1, 64 }`, `FailedLookup { Source }` |
/// | 7 | the pivot is neither source nor destination | `IllegalOperation` |
/// | 8 | destination empty, unless it is the source | `DeleteFirst` |
/// | 9 | source not empty | `FailedLookup { Source, MissingCapability }` |
/// | 10 | pivot not empty | `FailedLookup { Destination, MissingCapability }` |
/// | 11 | the source's capability takes the pivot's data | `IllegalOperation` |
/// | 12 | the pivot's capability takes the destination's data | `IllegalOperation` |
fn decode_rotate(k: &Kernel, args: &Args, dest: SlotRef) -> Result<CNodeInvocation, SyscallError> {
    args.require(8, 2)?;
    let word = |i| args.word(k, i).any();
    let (dest_badge, pivot_index, pivot_depth, pivot_badge) = (word(2), word(3), word(4), word(5));
    let (source_index, source_depth) = (word(6), word(7));
    let (pivot_root, source_root) = (args.cap(k, 0)?.cap, args.cap(k, 1)?.cap);
    let source = lookup::target_slot(k, source_root, source_index, source_depth, LookupSide::Source)?;
    let pivot = lookup::target_slot(k, pivot_root, pivot_index, pivot_depth, LookupSide::Source)?;
    if pivot == source || pivot == dest {
        return Err(SyscallError::IllegalOperation);
    }
    if source != dest && !dest.is_empty(k) {
        return Err(SyscallError::DeleteFirst);
    }
    let missing =
        |side, bits_left| SyscallError::FailedLookup { side, fault: LookupFault::MissingCapability { bits_left } };
    if source.is_empty(k) {
        return Err(missing(LookupSide::Source, source_depth));
    }
    if pivot.is_empty(k) {
        return Err(missing(LookupSide::Destination, pivot_depth));
    }
    let source_cap = with_badge(source.raw(k), pivot_badge, Preserve::Yes);
    let pivot_cap = with_badge(pivot.raw(k), dest_badge, Preserve::Yes);
    if source_cap.is_null() || pivot_cap.is_null() {
        return Err(SyscallError::IllegalOperation);
    }
    Ok(CNodeInvocation::Rotate { source, pivot, dest, source_cap, pivot_cap })
}

/// | # | check | error |
/// |---|---|---|
/// | 4 | an endpoint capability with all rights | `IllegalOperation` |
fn decode_cancel(k: &Kernel, dest: SlotRef) -> Result<CNodeInvocation, SyscallError> {
    match dest.raw(k).endpoint() {
        Some(EndpointCap { endpoint, badge, rights }) if rights == CapRights::ALL => {
            if badge == Badge::NONE {
                return Ok(CNodeInvocation::Nothing);
            }
            Ok(CNodeInvocation::CancelBadgedSends { endpoint, badge })
        }
        _ => Err(SyscallError::IllegalOperation),
    }
}

/// Performs what [`decode`] found possible.
///
/// # Errors
///
/// `Preempted` while deleting or revoking; what is left is found by the next attempt (CN-2).
#[inline]
pub fn perform(k: &Kernel, operation: CNodeInvocation) -> InvokeResult {
    match operation {
        CNodeInvocation::Revoke(slot) => {
            delete::revoke(k, slot).map_err(InvocationError::from)?;
        }
        CNodeInvocation::Delete(slot) => {
            delete::delete(k, slot).map_err(InvocationError::from)?;
        }
        CNodeInvocation::CancelBadgedSends { endpoint, badge } => {
            endpoint::cancel_badged_sends(k, endpoint, badge);
        }
        CNodeInvocation::Insert { source, dest, cap } => cdt::insert(k, source, dest, cap),
        CNodeInvocation::Move { source, dest, cap } => cdt::move_cap(k, source, dest, cap),
        CNodeInvocation::Rotate { source, pivot, dest, source_cap, pivot_cap } => {
            if source == dest {
                cdt::swap(k, source, source_cap, pivot, pivot_cap);
            } else {
                cdt::move_cap(k, pivot, dest, pivot_cap);
                cdt::move_cap(k, source, pivot, source_cap);
            }
        }
        CNodeInvocation::Nothing => {}
    }
    Ok(Outcome::Done)
}
