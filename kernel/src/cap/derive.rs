//! Changing a capability on its way into another slot: fewer rights, a badge, a copy.

use super::{Badge, CNodeCap, RawCap, SlotRef, cdt};
use crate::error::SyscallError;
use crate::kernel::Kernel;
use sel4_abi::{CNodeCapData, CapKind, CapRights};

/// Whether a badge may be set, or has to stay as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preserve {
    /// `Mutate` and `Rotate`: an endpoint's or notification's badge is not changed.
    Yes,
    /// `Mint`: an unbadged endpoint or notification gets the badge.
    No,
}

/// Makes what a copy of the capability in `slot` would be; `cap` is that capability, perhaps with
/// fewer rights already. Null where a copy is not possible and the caller says so in its own way.
///
/// # Errors
///
/// | kind | error |
/// |---|---|
/// | untyped with children | `RevokeFirst` |
/// | VSpace root without ASID, page table not mapped | `IllegalOperation` |
#[inline]
pub fn derive(k: &Kernel, slot: SlotRef, cap: impl Into<RawCap>) -> Result<RawCap, SyscallError> {
    let cap = cap.into();
    match cap.kind() {
        CapKind::Untyped if cdt::has_children(k, slot) => Err(SyscallError::RevokeFirst),
        CapKind::IrqControl | CapKind::Zombie => Ok(RawCap::NULL),
        CapKind::VSpace if cap.vspace().is_some_and(|c| c.asid.is_none()) => Err(SyscallError::IllegalOperation),
        CapKind::PageTable if cap.mapping().is_none() => Err(SyscallError::IllegalOperation),
        CapKind::Frame => Ok(cap.with_mapping(None)),
        _ => Ok(cap),
    }
}

/// Takes away the rights that `mask` lacks.
#[inline]
#[must_use]
pub fn with_rights(cap: RawCap, mask: CapRights) -> RawCap {
    match cap.kind() {
        CapKind::Endpoint | CapKind::Notification => cap.with_rights(mask),
        CapKind::Reply if !mask.contains(CapRights::GRANT) => cap.without_grant(),
        CapKind::Frame => match cap.frame() {
            Some(frame) => cap.with_vm_rights(frame.rights.masked(mask)),
            None => cap,
        },
        _ => cap,
    }
}

/// Applies the data word of `Mint`, `Mutate` and `Rotate`: a badge, or a guard. Null if the word is not valid for this
/// capability.
#[inline]
#[must_use]
pub fn with_badge(cap: RawCap, data: u64, preserve: Preserve) -> RawCap {
    match cap.kind() {
        CapKind::Endpoint | CapKind::Notification => {
            if preserve == Preserve::No && cap.badge() == Badge::NONE {
                cap.with_badge(Badge(data))
            } else {
                RawCap::NULL
            }
        }
        CapKind::CNode => cap.cnode().map_or(RawCap::NULL, |cnode| with_guard(cnode, CNodeCapData(data))),
        _ => cap,
    }
}

/// Sets the guard of a CNode capability; null if guard and radix exceed a word.
#[must_use]
pub fn with_guard(cnode: CNodeCap, data: CNodeCapData) -> RawCap {
    let guard_size = data.guard_size();
    if guard_size + cnode.radix() > 64 {
        return RawCap::NULL;
    }
    let guard = data.guard() & ((1 << guard_size) - 1);
    CNodeCap { guard, guard_size, ..cnode }.into()
}
