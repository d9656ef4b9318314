//! Changing a capability on its way into another slot: fewer rights, a badge, a copy.

use super::{Badge, CNodeCap, Cap, FrameCap, SlotRef, cdt};
use crate::error::SyscallError;
use crate::kernel::Kernel;
use sel4_abi::{CNodeCapData, CapRights};

/// Whether a badge may be set, or has to stay as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preserve {
    /// `Mutate` and `Rotate`: an endpoint's or notification's badge is not changed.
    Yes,
    /// `Mint`: an unbadged endpoint or notification gets the badge.
    No,
}

/// Makes what a copy of the capability in `slot` would be; `cap` is that capability, perhaps with
/// fewer rights already. `Null` where a copy is not possible and the caller says so in its own way.
///
/// # Errors
///
/// | kind | error |
/// |---|---|
/// | untyped with children | `RevokeFirst` |
/// | VSpace root without ASID, page table not mapped | `IllegalOperation` |
pub fn derive(k: &Kernel, slot: SlotRef, cap: Cap) -> Result<Cap, SyscallError> {
    match cap {
        Cap::Untyped(_) if cdt::has_children(k, slot) => Err(SyscallError::RevokeFirst),
        Cap::IrqControl | Cap::Zombie(_) => Ok(Cap::Null),
        Cap::VSpace(c) if c.asid.is_none() => Err(SyscallError::IllegalOperation),
        Cap::PageTable(c) if c.mapping.is_none() => Err(SyscallError::IllegalOperation),
        Cap::Frame(c) => Ok(Cap::Frame(FrameCap { mapping: None, ..c })),
        other => Ok(other),
    }
}

/// Takes away the rights that `mask` lacks.
#[must_use]
pub fn with_rights(cap: Cap, mask: CapRights) -> Cap {
    match cap {
        Cap::Endpoint(mut c) => {
            c.rights &= mask;
            Cap::Endpoint(c)
        }
        Cap::Notification(mut c) => {
            c.rights &= mask;
            Cap::Notification(c)
        }
        Cap::Reply(mut c) => {
            c.can_grant &= mask.contains(CapRights::GRANT);
            Cap::Reply(c)
        }
        Cap::Frame(mut c) => {
            c.rights = c.rights.masked(mask);
            Cap::Frame(c)
        }
        other => other,
    }
}

/// Applies the data word of `Mint`, `Mutate` and `Rotate`: a badge, or a guard. `Null` if the word
/// is not valid for this capability.
#[must_use]
pub fn with_badge(cap: Cap, data: u64, preserve: Preserve) -> Cap {
    let may_badge = |badge: Badge| preserve == Preserve::No && badge == Badge::NONE;
    match cap {
        Cap::Endpoint(mut c) if may_badge(c.badge) => {
            c.badge = Badge(data);
            Cap::Endpoint(c)
        }
        Cap::Notification(mut c) if may_badge(c.badge) => {
            c.badge = Badge(data);
            Cap::Notification(c)
        }
        Cap::Endpoint(_) | Cap::Notification(_) => Cap::Null,
        Cap::CNode(c) => with_guard(c, CNodeCapData(data)),
        other => other,
    }
}

/// Sets the guard of a CNode capability; `Null` if guard and radix exceed a word.
#[must_use]
pub fn with_guard(cnode: CNodeCap, data: CNodeCapData) -> Cap {
    let guard_size = data.guard_size();
    if guard_size + cnode.radix() > 64 {
        return Cap::Null;
    }
    let guard = data.guard() & ((1 << guard_size) - 1);
    Cap::CNode(CNodeCap { guard, guard_size, ..cnode })
}
