//! Address spaces: the rules of mapping, and which address space an ASID stands for.

use core::cell::Cell;

use crate::kobj::KRef;
use crate::object::AsidPool;
use sel4_abi::object::{ASID_POOL_INDEX_BITS, ASID_POOLS_BITS};

/// An address-space identifier. 0 is never given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asid(pub u16);

impl Asid {
    /// The index of its pool.
    #[must_use]
    pub const fn pool(self) -> usize {
        (self.0 >> ASID_POOL_INDEX_BITS) as usize
    }

    /// The index within its pool.
    #[must_use]
    pub const fn index(self) -> usize {
        (self.0 & ((1 << ASID_POOL_INDEX_BITS) - 1)) as usize
    }
}

/// All ASID pools.
#[derive(Debug)]
pub struct AsidTable {
    /// The pools by number. Changed by making and destroying pools.
    pub(crate) pools: [Cell<Option<KRef<AsidPool>>>; 1 << ASID_POOLS_BITS],
}

impl AsidTable {
    /// A table without pools.
    #[must_use]
    pub const fn new() -> Self {
        AsidTable { pools: [const { Cell::new(None) }; 1 << ASID_POOLS_BITS] }
    }
}

impl Default for AsidTable {
    fn default() -> Self {
        Self::new()
    }
}
