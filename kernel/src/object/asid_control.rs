//! ASID control: the right to make ASID pools (manual §7.1.3; spec §3.14).
//!
//! Layout: none; the capability names no object. There are at most 128 pools; the first exists at
//! boot.

use sel4_abi::InvocationLabel;
use sel4_abi::object::ASID_POOL_BITS;

use crate::cap::{AsidPoolCap, SlotRef, UntypedCap, cdt, lookup};
use crate::error::SyscallError;
use crate::kernel::Kernel;
use crate::kobj::MemRegion;
use crate::object::AsidPool;
use crate::syscall::{Args, Invocation, InvokeResult, Outcome};
use crate::vspace::Asid;

/// A pool to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MakePool {
    /// The slot of the untyped that becomes the pool.
    untyped: SlotRef,
    /// Its memory.
    region: MemRegion,
    /// Where the pool's capability goes.
    destination: SlotRef,
    /// The first ASID of the pool.
    base: Asid,
}

/// Decodes and performs an invocation of ASID control.
///
/// # Errors
/// Those of [`decode`].
pub fn invoke(k: &mut Kernel, invocation: &Invocation) -> InvokeResult {
    let decoded = decode(k, invocation.label, invocation.args)?;
    Ok(perform(k, decoded))
}

/// Decodes `ASIDControlMakePool` (spec §3.14). Checks in order:
///
/// | # | check                                                    | error                         |
/// |---|----------------------------------------------------------|-------------------------------|
/// | 1 | the label                                                | `IllegalOperation`            |
/// | 2 | two words, two capabilities                              | `TruncatedMessage`            |
/// | 3 | a pool is missing                                        | `DeleteFirst`                 |
/// | 4 | the first is an untyped of 4 KiB, no device memory       | `InvalidCapability(1)`        |
/// | 5 | without children                                         | `RevokeFirst`                 |
/// | 6 | the destination exists                                   | `RangeError` / `FailedLookup` |
/// | 7 | and is empty                                             | `DeleteFirst`                 |
///
/// # Errors
/// As the table says.
pub fn decode(k: &Kernel, label: u64, args: &Args) -> Result<MakePool, SyscallError> {
    if label != InvocationLabel::AsidControlMakePool.number() {
        return Err(SyscallError::IllegalOperation);
    }
    args.require(2, 2)?;
    let base = k.asids.free_pool().ok_or(SyscallError::DeleteFirst)?;
    let untyped = args.cap(k, 0)?;
    let region = match untyped.cap.untyped() {
        Some(cap) if cap.region.size_bits() == ASID_POOL_BITS && !cap.region.is_device() => cap.region,
        _ => return Err(SyscallError::InvalidCapability { index: 1 }),
    };
    if cdt::has_children(k, untyped.slot) {
        return Err(SyscallError::RevokeFirst);
    }
    let root = args.cap(k, 1)?.cap;
    let destination = lookup::empty_slot(k, root, args.word(k, 0).any(), args.word(k, 1).any())?;
    Ok(MakePool { untyped: untyped.slot, region, destination, base })
}

/// Makes the pool: the untyped is full from now on, the pool its child.
pub fn perform(k: &mut Kernel, invocation: MakePool) -> Outcome {
    let MakePool { untyped, region, destination, base } = invocation;
    untyped.update(k, UntypedCap::full(region));
    region.clear(k, 0, region.bytes());
    // `decode` saw that the region has a pool's size and is no device's.
    if let Some(pool) = region.place::<AsidPool>(k) {
        let cap = AsidPoolCap { pool, base };
        cdt::insert_child(k, untyped, destination, cap, cdt::Original::No);
        k.asids.add_pool(base, pool);
    }
    Outcome::Done
}
