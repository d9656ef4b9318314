//! Kernel time: ticks of the virtual counter, and their conversion from and to microseconds.
//!
//! `Ticks` and `Micros` never convert silently: the only way is through a [`Clock`], which knows the
//! frequency of the counter. User programs speak microseconds, scheduling contexts hold ticks.

use core::ops::{Add, AddAssign, Sub, SubAssign};

/// A point in time or a length of time, in ticks of the virtual counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Ticks(pub u64);

/// A length of time in microseconds, as user programs give and read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Micros(pub u64);

impl Ticks {
    /// No time at all; as a point in time, the start of the counter.
    pub const ZERO: Ticks = Ticks(0);
    /// The end of time: a deadline that never comes.
    pub const NEVER: Ticks = Ticks(u64::MAX);

    /// `self - other`, or zero where that would be negative.
    #[must_use]
    pub fn saturating_sub(self, other: Ticks) -> Ticks {
        Ticks(self.0.saturating_sub(other.0))
    }
}

// `MAX_PERIOD_US` keeps every sum of a point in time and a period below 2^63 for the first centuries
// after a reset, so saturation is never seen; it replaces an overflow check that could panic.
impl Add for Ticks {
    type Output = Ticks;
    fn add(self, other: Ticks) -> Ticks {
        Ticks(self.0.saturating_add(other.0))
    }
}

impl Sub for Ticks {
    type Output = Ticks;
    fn sub(self, other: Ticks) -> Ticks {
        self.saturating_sub(other)
    }
}

impl AddAssign for Ticks {
    fn add_assign(&mut self, other: Ticks) {
        *self = *self + other;
    }
}

impl SubAssign for Ticks {
    fn sub_assign(&mut self, other: Ticks) {
        *self = *self - other;
    }
}

/// The virtual counter's frequency, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// So many ticks ...
    ticks: u64,
    /// ... in so many microseconds: the frequency in megahertz and 1 if that is a whole number, else the frequency in
    /// kilohertz and 1000.
    micros: u64,
    /// `MIN_BUDGET`, which every kernel entry looks at.
    min_budget: Ticks,
}

impl Clock {
    /// The smallest budget that a scheduling context may have.
    pub const MIN_BUDGET_US: Micros = Micros(20);

    /// A clock that ticks `frequency_hz` times a second. Frequencies below 1 kHz count as 1 kHz.
    #[must_use]
    pub const fn new(frequency_hz: u64) -> Clock {
        let hz = if frequency_hz < 1000 { 1000 } else { frequency_hz };
        let (ticks, micros) = if hz.is_multiple_of(1_000_000) { (hz / 1_000_000, 1) } else { (hz / 1000, 1000) };
        let clock = Clock { ticks, micros, min_budget: Ticks::ZERO };
        Clock { min_budget: clock.to_ticks(Self::MIN_BUDGET_US), ..clock }
    }

    /// Converts a length of time to ticks, rounding down.
    #[must_use]
    pub const fn to_ticks(self, us: Micros) -> Ticks {
        Ticks(us.0.saturating_mul(self.ticks) / self.micros)
    }

    /// Converts ticks to microseconds, rounding down.
    #[must_use]
    pub const fn to_micros(self, ticks: Ticks) -> Micros {
        let Clock { ticks: mul, micros: div, .. } = self;
        Micros((ticks.0 / mul).saturating_mul(div).saturating_add(ticks.0 % mul * div / mul))
    }

    /// `MIN_BUDGET`: what a kernel operation may cost at most, twice.
    #[must_use]
    pub const fn min_budget(self) -> Ticks {
        self.min_budget
    }

    /// The largest budget and period that a scheduling context may be given.
    #[must_use]
    pub const fn max_period_us(self) -> Micros {
        Micros(u64::MAX / self.ticks / 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QEMU: Clock = Clock::new(62_500_000);
    const PI4: Clock = Clock::new(54_000_000);

    #[test]
    fn constants_are_those_of_the_specification() {
        assert_eq!(QEMU.min_budget(), Ticks(1250));
        assert_eq!(PI4.min_budget(), Ticks(1080));
        assert_eq!(QEMU.max_period_us(), Micros(0x218d_ef41_6bdb));
        assert_eq!(PI4.max_period_us(), Micros(0x97_b425_ed09_7b42));
    }

    #[test]
    fn conversions_round_down() {
        assert_eq!(QEMU.to_ticks(Micros(1)), Ticks(62));
        assert_eq!(QEMU.to_ticks(Micros(2)), Ticks(125));
        assert_eq!(QEMU.to_micros(Ticks(124)), Micros(1));
        assert_eq!(QEMU.to_micros(Ticks(125)), Micros(2));
        assert_eq!(PI4.to_micros(Ticks(53)), Micros(0));
        assert_eq!(PI4.to_micros(PI4.to_ticks(Micros(12_345))), Micros(12_345));
    }

    #[test]
    fn the_largest_period_does_not_overflow() {
        for clock in [QEMU, PI4] {
            let Clock { ticks: mul, micros: div, .. } = clock;
            let exact = u128::from(clock.max_period_us().0) * u128::from(mul) / u128::from(div);
            assert_eq!(u128::from(clock.to_ticks(clock.max_period_us()).0), exact);
            assert!(exact <= u128::from(u64::MAX / 8));
        }
    }
}
