//! The plain values that cross the architecture line.

/// An interrupt: the number that the interrupt controller gives it (INTID).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Irq(u32);

impl Irq {
    /// The interrupt `number`.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Its number, as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An address-space identifier, the tag of TLB entries. 0 is never a thread's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asid(u16);

impl Asid {
    /// The identifier `number`.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u16 {
        self.0
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
pub struct SgiTarget(u32);

impl SgiTarget {
    /// The target `value`, which the controller accepts (`arch::irq::accepts_sgi_target`).
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

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
