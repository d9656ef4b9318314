//! ASID pools: 512 address-space identifiers and the roots that they stand for (manual §7.1.3;
//! spec §3.14, §7.4).
//!
//! Layout: `2^12` bytes, one word an ASID.
//!
//! Invariants:
//!
//! - **AP-1** An entry names a live root: destroying the root's last capability empties it (`VS-2`).
//! - **AP-2** ASID 0 is never assigned.

use core::cell::Cell;

use sel4_abi::InvocationLabel;
use sel4_abi::object::ASID_POOL_INDEX_BITS;

use super::{Finalised, PageTable};
use crate::cap::{AsidPoolCap, SlotRef, VSpaceCap};
use crate::error::{LookupFault, SyscallError};
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::syscall::{Args, Invocation, InvokeResult, Outcome};
use crate::vspace::{self, Asid};

/// An ASID pool.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct AsidPool {
    /// The root of each ASID. Changed by assigning an ASID and by destroying roots.
    pub(crate) roots: [Cell<Option<KRef<PageTable>>>; 1 << ASID_POOL_INDEX_BITS],
}

impl AsidPool {
    /// The lowest ASID that can be assigned, if this is the pool of those from `base` on.
    fn lowest_free(&self, base: Asid) -> Option<Asid> {
        let numbers = base.0..=base.0 + ((1 << ASID_POOL_INDEX_BITS) - 1);
        numbers
            .zip(&self.roots)
            .find(|(number, root)| *number != 0 && root.get().is_none())
            .map(|(number, _)| Asid(number))
    }

    /// Makes `asid` stand for `root`.
    pub(crate) fn assign(&self, asid: Asid, root: KRef<PageTable>) {
        if let Some(entry) = self.roots.get(asid.index()) {
            entry.set(Some(root));
        }
    }
}

/// An ASID to be assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assign {
    pool: KRef<AsidPool>,
    vspace: VSpaceCap,
    slot: SlotRef,
    asid: Asid,
}

/// Decodes and performs an invocation of an ASID pool.
///
/// # Errors
/// Those of [`decode`].
pub fn invoke(k: &mut Kernel, invocation: &Invocation, pool: AsidPoolCap) -> InvokeResult {
    let decoded = decode(k, invocation.label, pool, invocation.args)?;
    Ok(perform(k, decoded))
}

/// Decodes `ASIDPoolAssign` (spec §3.14). Checks in order:
///
/// | # | check                                             | error                       |
/// |---|---------------------------------------------------|-----------------------------|
/// | 1 | the label                                         | `IllegalOperation`          |
/// | 2 | one capability                                    | `TruncatedMessage`          |
/// | 3 | which is a VSpace without an ASID                 | `InvalidCapability(1)`      |
/// | 4 | the pool's number exists                          | `FailedLookup(InvalidRoot)` |
/// | 5 | and is this pool's                                | `InvalidCapability(0)`      |
/// | 6 | an ASID is free                                   | `DeleteFirst`               |
///
/// # Errors
/// As the table says.
pub fn decode(k: &Kernel, label: u64, pool: AsidPoolCap, args: &Args) -> Result<Assign, SyscallError> {
    if label != InvocationLabel::AsidPoolAssign.number() {
        return Err(SyscallError::IllegalOperation);
    }
    let extra = args.cap(k, 0)?;
    let vspace = match extra.cap.vspace() {
        Some(vspace) if vspace.asid.is_none() => vspace,
        _ => return Err(SyscallError::InvalidCapability { index: 1 }),
    };
    match k.asids.pool(pool.base) {
        None => return Err(vspace::lookup_failed(LookupFault::InvalidRoot)),
        Some(present) if present != pool.pool => {
            return Err(SyscallError::InvalidCapability { index: 0 });
        }
        Some(_) => {}
    }
    let asid = pool.pool.get(k).lowest_free(pool.base).ok_or(SyscallError::DeleteFirst)?;
    Ok(Assign { pool: pool.pool, vspace, slot: extra.slot, asid })
}

/// Assigns the ASID; the capability that was passed has it from now on.
pub fn perform(k: &Kernel, invocation: Assign) -> Outcome {
    let Assign { pool, vspace, slot, asid } = invocation;
    pool.get(k).assign(asid, vspace.root);
    slot.update(k, VSpaceCap { asid: Some(asid), ..vspace });
    Outcome::Done
}

/// Destroys a pool, in bounded steps: all its VSpaces lose their ASIDs, and then a new pool may take its number.
pub fn finalise(k: &Kernel, pool: &AsidPoolCap) -> Finalised {
    Finalised::when(k.asids.remove_pool(k, pool.base, pool.pool))
}
