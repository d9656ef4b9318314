//! Translation tables: the root of an address space and the levels below (manual §7.1).
//!
//! Layout: `2^12` bytes, 512 descriptors.

use core::cell::Cell;

use sel4_abi::object::TABLE_INDEX_BITS;

/// A translation table of any level.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct PageTable {
    /// The descriptors. Changed by [`crate::vspace`] only.
    pub(crate) entries: [Cell<u64>; 1 << TABLE_INDEX_BITS],
}

impl PageTable {
    /// A table of invalid descriptors.
    #[must_use]
    pub const fn initial() -> Self {
        PageTable { entries: [const { Cell::new(0) }; 1 << TABLE_INDEX_BITS] }
    }
}
