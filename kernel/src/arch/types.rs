//! The plain values that cross the architecture line.

use sel4_abi::object::ASID_POOL_INDEX_BITS;

/// An interrupt: the number that the interrupt controller gives it (INTID).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Irq(pub u16);

impl Irq {
    /// Its number, as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An address-space identifier, the tag of TLB entries. 0 is never given out.
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

/// How an interrupt is sensed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Pending while the line is high.
    Level,
    /// Pending once the line has risen.
    Edge,
}

/// Where a software-generated interrupt goes: a CPU interface (GICv2) or an affinity (GICv3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SgiTarget(pub u32);

/// What to do to the caches for a range of user memory (spec §7.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheOp {
    /// Clean to the point of coherency.
    Clean,
    /// Invalidate to the point of coherency.
    Invalidate,
    /// Clean and invalidate to the point of coherency.
    CleanInvalidate,
    /// Clean data to the point of unification and invalidate instructions.
    Unify,
}
