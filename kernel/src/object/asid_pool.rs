//! ASID pools: 512 address-space identifiers and the roots that they stand for (manual §7.1.3).
//!
//! Layout: `2^12` bytes, one word an ASID.

use core::cell::Cell;

use super::PageTable;
use crate::kobj::KRef;
use sel4_abi::object::ASID_POOL_INDEX_BITS;

/// An ASID pool.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct AsidPool {
    /// The root of each ASID. Changed by assigning an ASID and by destroying roots.
    pub(crate) roots: [Cell<Option<KRef<PageTable>>>; 1 << ASID_POOL_INDEX_BITS],
}

impl AsidPool {
    /// A pool whose ASIDs are all free.
    #[must_use]
    pub const fn initial() -> Self {
        AsidPool { roots: [const { Cell::new(None) }; 1 << ASID_POOL_INDEX_BITS] }
    }
}
