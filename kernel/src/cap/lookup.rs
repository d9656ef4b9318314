//! Resolving capability addresses (manual §3.3).
//!
//! There are two uses with different rules. A *CPtr* (what a thread invokes, sends or receives on)
//! resolves 64 bits from the thread's root, and bits that no level uses are ignored. A *CNode
//! operation* names root, index and depth, and must use the depth up exactly.

use super::{CNodeCap, RawCap, SlotRef};
use crate::error::{LookupFault, LookupSide, SyscallError};
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::object::{Tcb, TcbSlot};
use sel4_abi::object::WORD_BITS;

/// Where an address led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The slot.
    pub slot: SlotRef,
    /// Address bits that no level used.
    pub bits_left: u32,
}

/// `2^bits − 1`, for up to 64 bits.
const fn mask(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

/// One level: the slot that a CNode has for the top of the address's low `bits` bits, and the bits
/// left.
fn step(cnode: CNodeCap, addr: u64, bits: u32) -> Result<(SlotRef, u32), LookupFault> {
    let guard_size = cnode.guard_size;
    let guard = addr.checked_shr(bits.saturating_sub(guard_size)).unwrap_or(0) & mask(guard_size);
    if guard_size > bits || guard != cnode.guard {
        return Err(LookupFault::GuardMismatch {
            bits_left: bits.into(),
            guard_found: cnode.guard,
            bits_found: guard_size.into(),
        });
    }
    let radix = cnode.radix();
    let too_short = LookupFault::DepthMismatch { bits_left: bits.into(), bits_found: (guard_size + radix).into() };
    let Some(left) = bits.checked_sub(guard_size + radix) else {
        return Err(too_short);
    };
    let index = addr.checked_shr(left).unwrap_or(0) & mask(radix);
    // The index has radix bits, so the slot exists.
    let slot = usize::try_from(index).ok().and_then(|i| cnode.slots.slot(i)).ok_or(too_short)?;
    Ok((slot, left))
}

/// Follows the low `bits` bits of an address from a root, as far as there are CNodes.
///
/// # Errors
///
/// | # | check, at each level | fault |
/// |---|---|---|
/// | 1 | the root is a CNode | `InvalidRoot` |
/// | 2 | the guard matches | `GuardMismatch` |
/// | 3 | the level does not use more bits than are left | `DepthMismatch` |
pub fn resolve(k: &Kernel, root: impl Into<RawCap>, addr: u64, bits: u32) -> Result<Resolved, LookupFault> {
    let cnode = root.into().cnode().ok_or(LookupFault::InvalidRoot)?;
    descend(k, cnode, addr, bits)
}

/// [`resolve`] from a CNode.
fn descend(k: &Kernel, root: CNodeCap, addr: u64, bits: u32) -> Result<Resolved, LookupFault> {
    let (mut cnode, mut bits_left) = (root, bits);
    loop {
        let (slot, left) = step(cnode, addr, bits_left)?;
        match slot.get(k).cnode() {
            Some(next) if left > 0 => cnode = next,
            _ => return Ok(Resolved { slot, bits_left: left }),
        }
        bits_left = left;
    }
}

/// Finds the slot that a CPtr of a thread names. Bits that no level uses are ignored.
///
/// # Errors
///
/// As [`resolve`].
#[inline]
pub fn lookup_slot(k: &Kernel, thread: KRef<Tcb>, cptr: u64) -> Result<SlotRef, LookupFault> {
    match find_slot(k, thread, cptr) {
        Some(slot) => Ok(slot),
        None => failure(k, thread, cptr),
    }
}

/// [`lookup_slot`] for those who need not know what is wrong: `None` exactly where that fails.
#[inline(always)]
#[must_use]
pub fn find_slot(k: &Kernel, thread: KRef<Tcb>, cptr: u64) -> Option<SlotRef> {
    let root = thread.slot(k, TcbSlot::CSpaceRoot).get(k).cnode()?;
    let (slot, left) = level(root, cptr, WORD_BITS)?;
    // Most CSpaces have one level.
    if left == 0 { Some(slot) } else { find_below(k, slot, cptr, left) }
}

/// Goes on from a slot with the low `left` bits, as far as there are CNodes.
#[inline(never)]
fn find_below(k: &Kernel, mut slot: SlotRef, cptr: u64, mut left: u32) -> Option<SlotRef> {
    while left > 0
        && let Some(cnode) = slot.get(k).cnode()
    {
        (slot, left) = level(cnode, cptr, left)?;
    }
    Some(slot)
}

/// [`descend`] for those who need not know what is wrong; `bits` is 1 to 64.
#[inline]
fn follow(k: &Kernel, root: CNodeCap, cptr: u64, bits: u32) -> Option<Resolved> {
    let (mut slot, mut left) = level(root, cptr, bits)?;
    while left > 0
        && let Some(cnode) = slot.get(k).cnode()
    {
        (slot, left) = level(cnode, cptr, left)?;
    }
    Some(Resolved { slot, bits_left: left })
}

/// One level, as [`step`] says it, for 1 to 64 bits of an address.
#[inline(always)]
fn level(cnode: CNodeCap, cptr: u64, bits: u32) -> Option<(SlotRef, u32)> {
    let left = bits.checked_sub(cnode.guard_size + cnode.radix())?;
    let rest = cptr.wrapping_shl(WORD_BITS - bits);
    // In two steps, because a guard can have no bits; it never has all, as no CNode has just one slot.
    let guard = (rest >> 1).wrapping_shr(WORD_BITS - 1 - cnode.guard_size);
    (guard == cnode.guard).then(|| (cnode.slots.wrapping_slot(cptr.wrapping_shr(left) as usize), left))
}

/// Says why a CPtr does not resolve.
#[cold]
#[inline(never)]
fn failure(k: &Kernel, thread: KRef<Tcb>, cptr: u64) -> Result<SlotRef, LookupFault> {
    let root = thread.slot(k, TcbSlot::CSpaceRoot).get(k).cnode().ok_or(LookupFault::InvalidRoot)?;
    descend(k, root, cptr, WORD_BITS).map(|found| found.slot)
}

/// Finds the slot that a CNode operation names. All bits must be used.
///
/// # Errors
///
/// | # | check | error |
/// |---|---|---|
/// | 1 | the root is a CNode | `FailedLookup` (`InvalidRoot`) |
/// | 2 | the depth is 1 to 64 | `RangeError { 1, 64 }` |
/// | 3 | the address resolves | `FailedLookup` with the cause |
/// | 4 | no bits are left | `FailedLookup` (`DepthMismatch`, 0 bits found) |
#[inline]
pub fn target_slot(
    k: &Kernel,
    root: impl Into<RawCap>,
    index: u64,
    depth: u64,
    side: LookupSide,
) -> Result<SlotRef, SyscallError> {
    let root = root.into();
    if (1..=u64::from(WORD_BITS)).contains(&depth)
        && let Some(cnode) = root.cnode()
        && let Some(Resolved { slot, bits_left: 0 }) = follow(k, cnode, index, depth as u32)
    {
        return Ok(slot);
    }
    target_failure(k, root, index, depth, side)
}

/// Says why a CNode operation names no slot.
#[cold]
#[inline(never)]
fn target_failure(k: &Kernel, root: RawCap, index: u64, depth: u64, side: LookupSide) -> Result<SlotRef, SyscallError> {
    let failed = |fault| SyscallError::FailedLookup { side, fault };
    let cnode = root.cnode().ok_or(failed(LookupFault::InvalidRoot))?;
    let bits = u32::try_from(depth)
        .ok()
        .filter(|d| (1..=WORD_BITS).contains(d))
        .ok_or(SyscallError::RangeError { min: 1, max: WORD_BITS.into() })?;
    let found = descend(k, cnode, index, bits).map_err(failed)?;
    if found.bits_left != 0 {
        return Err(failed(LookupFault::DepthMismatch { bits_left: found.bits_left.into(), bits_found: 0 }));
    }
    Ok(found.slot)
}

/// Finds the empty slot that a CNode operation names as its destination.
///
/// # Errors
///
/// As [`target_slot`]; then `DeleteFirst` if the slot is not empty.
pub fn empty_slot(k: &Kernel, root: impl Into<RawCap>, index: u64, depth: u64) -> Result<SlotRef, SyscallError> {
    let slot = target_slot(k, root, index, depth, LookupSide::Destination)?;
    if !slot.is_empty(k) {
        return Err(SyscallError::DeleteFirst);
    }
    Ok(slot)
}
