//! Cache maintenance: a workstation's caches are coherent; what users ask for is recorded.

pub use super::arena::zero_to_poc;
use super::record::{Event, note};
use crate::arch::types::{Asid, CacheOp};
use crate::mem::{KernelVa, PhysAddr, UserVa};

/// Cleans a range to the point of unification, so that table walks see it.
pub fn clean_to_pou(_start: KernelVa, _bytes: usize) {}

/// Does what a user asked for on `[start, end)` of the address space of `root` and `asid`.
pub fn user_range(operation: CacheOp, _root: PhysAddr, asid: Asid, start: UserVa, end: UserVa) {
    note(Event::Cache(operation, asid, start, end));
}
