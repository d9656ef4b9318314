//! Address spaces: the rules of mapping, and which address space an ASID stands for (spec §7).
//!
//! A VSpace root and the tables below it hold what was mapped and nothing else; the kernel's own
//! mappings are elsewhere. Capabilities remember where they are mapped as (ASID, address), and that
//! memory can be *stale*: the ASID may be gone or belong to another VSpace, the entry may show
//! another page. So nothing is removed from a table without looking whether it is still there.
//!
//! # Invariants
//!
//! - **VS-1** A table descriptor names a live `PageTable`: destroying a table, or the root that
//!   leads to it, removes it from what can be walked first.
//! - **VS-2** An ASID leads to a root exactly while some VSpace capability carries both; deleting the
//!   last one frees the ASID.
//! - **VS-3** After every change no stale translation is usable (`arch::tlb` says what each owes).
//! - **VS-4** ASID 0 is never assigned; it tags the empty address space.

mod asid;
mod map;
mod walk;

pub use asid::{AsidTable, StaleVSpace};
pub use map::{MappedPage, PageAttributes, map_page, map_table, page_at, table_place, unmap_page, unmap_table};
pub use walk::{Place, level_of_size, walk};

pub use crate::arch::types::Asid;

use crate::arch;
use crate::cap::{RawCap, SlotRef, VSpaceCap};
use crate::error::{LookupFault, LookupSide, SyscallError};
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::object::{PageTable, Tcb, TcbSlot};

/// The VSpace that an invocation names as its first extra capability, if it has an ASID.
///
/// # Errors
/// `InvalidCapability(1)` for anything else.
pub fn with_asid(cap: RawCap) -> Result<VSpaceCap, SyscallError> {
    match cap.vspace() {
        Some(vspace) if vspace.asid.is_some() => Ok(vspace),
        _ => Err(SyscallError::InvalidCapability { index: 1 }),
    }
}

/// The ASID of the VSpace that is capability `index` of an invocation, if it is not stale.
///
/// # Errors
/// `FailedLookup(InvalidRoot)` if its ASID is gone; `InvalidCapability(index)` if it has none, or
/// the ASID is another's.
pub fn usable(k: &Kernel, vspace: VSpaceCap, index: u64) -> Result<Asid, SyscallError> {
    k.asids.check(k, vspace).map_err(|stale| match stale {
        StaleVSpace::AsidGone => lookup_failed(LookupFault::InvalidRoot),
        StaleVSpace::NoAsid | StaleVSpace::AsidReused => SyscallError::InvalidCapability { index },
    })
}

/// The error of a walk that did not find what it needs; it never speaks of a source.
#[must_use]
pub const fn lookup_failed(fault: LookupFault) -> SyscallError {
    SyscallError::FailedLookup { side: LookupSide::Destination, fault }
}

/// A VSpace root that an ASID leads to: what user mode can run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRoot {
    root: KRef<PageTable>,
    asid: Asid,
}

/// The VSpace root of a thread, if it has one that is not stale.
#[inline(always)]
#[must_use]
pub fn root_of(k: &Kernel, t: KRef<Tcb>) -> Option<UserRoot> {
    root_in(k, t.slot(k, TcbSlot::VSpaceRoot))
}

/// The VSpace root in a slot, if there is one that is not stale.
#[inline(always)]
#[must_use]
pub fn root_in(k: &Kernel, slot: SlotRef) -> Option<UserRoot> {
    let VSpaceCap { root, asid } = slot.get(k).vspace()?;
    let asid = asid?;
    (k.asids.root(k, asid) == Some(root)).then_some(UserRoot { root, asid })
}

/// Makes `root` the address space of user mode.
///
/// A thread without a valid VSpace runs in an empty one: its first instruction faults.
#[inline(always)]
pub fn activate(_: &Kernel, root: Option<UserRoot>) {
    match root {
        Some(UserRoot { root, asid }) => arch::set_user_root(root.addr().to_phys(), asid),
        None => arch::set_no_user_root(),
    }
}
