//! CNodes: tables of capability slots (manual §3.1, §10.3.2).
//!
//! Layout: `2^radix` slots of `2^5` bytes. Guards belong to capabilities, not to the object.
//!
//! # Invariants
//!
//! - **CN-1** Every slot of a live CNode is valid memory: empty, or an entry of the derivation list.
//! - **CN-2** What a preemption point may leave half done is a zombie (`DEL-1`), or the last capability to something that
//!   threads still wait at (`DEL-4`); it is in a slot, and deleting that slot again, or revoking an ancestor, goes on.

use crate::cap::derive::{Preserve, derive, with_badge, with_rights};
use crate::cap::{Badge, EndpointCap, RawCap, SlotRef, cdt, delete, lookup};
use crate::error::{LookupFault, LookupSide, SyscallError};
use crate::kernel::Kernel;
use crate::object::endpoint;
use crate::syscall::{Invocation, InvokeResult, Outcome};
use sel4_abi::{CapRights, InvocationLabel};

/// Performs an operation on slots of the CNode that was invoked.
///
/// | # | check | error |
/// |---|---|---|
/// | 1 | label is one of CNode's | `IllegalOperation` |
/// | 2… | the destination, see [`decode_dest`] | |
/// | 4… | by operation: [`decode_transfer`], [`decode_rotate`], [`decode_cancel`] | |
///
/// # Errors
///
/// The table, checked in order; `Preempted` while deleting, revoking or cancelling: what is left is found by the next
/// attempt (CN-2).
pub fn invoke(k: &Kernel, inv: &Invocation<'_>) -> InvokeResult {
    let label = InvocationLabel::try_from(inv.label).map_err(|_| SyscallError::IllegalOperation)?;
    match label {
        InvocationLabel::CNodeRevoke => delete::revoke(k, decode_dest(k, inv)?)?,
        InvocationLabel::CNodeDelete => delete::delete(k, decode_dest(k, inv)?)?,
        InvocationLabel::CNodeCancelBadgedSends => {
            if let Some(EndpointCap { endpoint, badge, .. }) = decode_cancel(k, inv)? {
                endpoint::cancel_badged_sends(k, endpoint, badge)?;
            }
        }
        InvocationLabel::CNodeCopy | InvocationLabel::CNodeMint => {
            let Transfer { source, dest, cap } = decode_copy(k, inv, label)?;
            cdt::insert(k, source, dest, cap);
        }
        InvocationLabel::CNodeMove | InvocationLabel::CNodeMutate => {
            let Transfer { source, dest, cap } = decode_move(k, inv, label)?;
            cdt::move_cap(k, source, dest, cap);
        }
        InvocationLabel::CNodeRotate => rotate(k, decode_rotate(k, inv)?),
        _ => return Err(SyscallError::IllegalOperation.into()),
    }
    Ok(Outcome::Done)
}

/// The slot that is deleted, revoked or filled.
///
/// | # | check | error |
/// |---|---|---|
/// | 2 | two words | `TruncatedMessage` |
/// | 3 | the destination resolves | `RangeError { 1, 64 }`, `FailedLookup` |
#[inline]
fn decode_dest(k: &Kernel, inv: &Invocation<'_>) -> Result<SlotRef, SyscallError> {
    inv.args.require(2, 0)?;
    let (index, depth) = (inv.args.word(k, 0).any(), inv.args.word(k, 1).any());
    lookup::target_slot(k, inv.cap, index, depth, LookupSide::Destination)
}

/// A capability that is copied or moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Transfer {
    /// From.
    source: SlotRef,
    /// To this empty slot.
    dest: SlotRef,
    /// As.
    cap: RawCap,
}

/// Checks that Copy, Mint, Move and Mutate have in common; answers the slots, and what is in the source.
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
fn decode_transfer(k: &Kernel, inv: &Invocation<'_>) -> Result<Transfer, SyscallError> {
    let dest = decode_dest(k, inv)?;
    let args = inv.args;
    args.require(4, 1)?;
    if !dest.is_empty(k) {
        return Err(SyscallError::DeleteFirst);
    }
    let root = args.cap(k, 0)?.cap;
    let depth = args.word(k, 3).any();
    let source = lookup::target_slot(k, root, args.word(k, 2).any(), depth, LookupSide::Source)?;
    let cap = source.raw(k);
    if cap.is_null() {
        return Err(missing(LookupSide::Source, depth));
    }
    Ok(Transfer { source, dest, cap })
}

/// Checks 4 to 10 for a copy.
#[inline]
fn decode_copy(k: &Kernel, inv: &Invocation<'_>, label: InvocationLabel) -> Result<Transfer, SyscallError> {
    let Transfer { source, dest, mut cap } = decode_transfer(k, inv)?;
    let args = inv.args;
    args.require(label.words(), 1)?;
    cap = with_rights(cap, CapRights::from_word(args.word(k, 4).any()));
    if label == InvocationLabel::CNodeMint {
        cap = with_badge(cap, args.word(k, 5).any(), Preserve::No);
    }
    let cap = derive(k, source, cap)?;
    if cap.is_null() {
        return Err(SyscallError::IllegalOperation);
    }
    Ok(Transfer { source, dest, cap })
}

/// Checks 4 to 10 for a move.
#[inline]
fn decode_move(k: &Kernel, inv: &Invocation<'_>, label: InvocationLabel) -> Result<Transfer, SyscallError> {
    let Transfer { source, dest, mut cap } = decode_transfer(k, inv)?;
    if label == InvocationLabel::CNodeMutate {
        inv.args.require(label.words(), 1)?;
        cap = with_badge(cap, inv.args.word(k, 4).any(), Preserve::Yes);
        if cap.is_null() {
            return Err(SyscallError::IllegalOperation);
        }
    }
    Ok(Transfer { source, dest, cap })
}

const fn missing(side: LookupSide, bits_left: u64) -> SyscallError {
    SyscallError::FailedLookup { side, fault: LookupFault::MissingCapability { bits_left } }
}

/// Two capabilities that are moved: the pivot's to the destination, then the source's to the pivot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rotation {
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
#[inline(never)]
fn decode_rotate(k: &Kernel, inv: &Invocation<'_>) -> Result<Rotation, SyscallError> {
    let dest = decode_dest(k, inv)?;
    let args = inv.args;
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
    Ok(Rotation { source, pivot, dest, source_cap, pivot_cap })
}

fn rotate(k: &Kernel, rotation: Rotation) {
    let Rotation { source, pivot, dest, source_cap, pivot_cap } = rotation;
    if source == dest {
        cdt::swap(k, source, source_cap, pivot, pivot_cap);
    } else {
        cdt::move_cap(k, pivot, dest, pivot_cap);
        cdt::move_cap(k, source, pivot, source_cap);
    }
}

/// The endpoint and the badge whose senders are to be restarted; none if the badge is 0.
///
/// | # | check | error |
/// |---|---|---|
/// | 4 | an endpoint capability with all rights | `IllegalOperation` |
fn decode_cancel(k: &Kernel, inv: &Invocation<'_>) -> Result<Option<EndpointCap>, SyscallError> {
    let dest = decode_dest(k, inv)?;
    match dest.raw(k).endpoint() {
        Some(cap) if cap.rights == CapRights::ALL => Ok((cap.badge != Badge::NONE).then_some(cap)),
        _ => Err(SyscallError::IllegalOperation),
    }
}
