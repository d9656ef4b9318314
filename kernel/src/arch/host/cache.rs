//! Cache maintenance: nothing to do, a workstation's caches are coherent.

use crate::mem::KernelVa;

/// Cleans a range to the point of coherency.
pub fn clean_to_poc(_start: KernelVa, _bytes: usize) {}

/// Cleans a range to the point of unification, so that table walks see it.
pub fn clean_to_pou(_start: KernelVa, _bytes: usize) {}
