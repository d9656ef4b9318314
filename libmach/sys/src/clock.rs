//! The processor's counter, as a clock.
//!
//! seL4's default configuration keeps it from user code: a read raises a user exception in the calling thread. Whoever
//! takes that fault may let the thread go on at the next instruction; then there is no clock, and nothing else has
//! happened. [`is_read`] recognises the fault.

use core::num::NonZeroU64;

use crate::arch;

/// The syndromes of refused reads of `CNTVCT_EL0` and `CNTFRQ_EL0` into register 0.
const REFUSED: [u64; 2] = [0x6234_f801, 0x6230_f801];
/// Where a syndrome says into which register.
const REGISTER: u64 = 0x1f << 5;

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Ticks since the counter was started, at the latest with the machine.
    pub ticks: u64,
    /// Ticks in a second.
    pub frequency: NonZeroU64,
}

/// The present moment; `None` if there is no clock.
#[must_use]
pub fn now() -> Option<Moment> {
    let (ticks, frequency) = arch::clock();
    Some(Moment { ticks, frequency: NonZeroU64::new(frequency).filter(|_| ticks != 0)? })
}

/// Whether a user exception with this syndrome (its number) is a refused read of the clock: one instruction long.
#[must_use]
pub const fn is_read(syndrome: u64) -> bool {
    let into_first = syndrome & !REGISTER;
    into_first == REFUSED[0] || into_first == REFUSED[1]
}

impl Moment {
    /// Nanoseconds from an earlier moment to this one, by this one's frequency.
    #[must_use]
    pub const fn nanoseconds_since(self, earlier: Self) -> u64 {
        const SECOND: u64 = 1_000_000_000;
        let (ticks, frequency) = (self.ticks.saturating_sub(earlier.ticks), self.frequency.get());
        // The rest of a second has no more than 32 bits on any machine: the frequency is a 32-bit number.
        (ticks / frequency)
            .saturating_mul(SECOND)
            .saturating_add((ticks % frequency).saturating_mul(SECOND) / frequency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_of_the_clock_are_told_from_other_refusals() {
        for register in 0..32 {
            assert!(is_read(0x6234_f801 | register << 5) && is_read(0x6230_f801 | register << 5));
        }
        // As measured: `mrs x3, cntvct_el0`; then a write, another counter, a breakpoint, a data abort.
        assert!(is_read(0x6234_f861));
        for other in [0x6234_f860, 0x6232_f861, 0xf200_0003, 0x9200_0046, 0x0200_0000] {
            assert!(!is_read(other), "{other:#x}");
        }
    }

    #[test]
    fn ticks_become_nanoseconds() {
        let at = |ticks, frequency| Moment { ticks, frequency: NonZeroU64::new(frequency).unwrap() };
        let since = |ticks: u64, frequency| at(1000 + ticks, frequency).nanoseconds_since(at(1000, frequency));
        assert_eq!(since(62_500_000, 62_500_000), 1_000_000_000);
        assert_eq!(since(1, 62_500_000), 16);
        assert_eq!(since(54_000_001, 54_000_000), 1_000_000_018);
        assert_eq!(since(4_294_967_294, 4_294_967_295), 999_999_999);
        // A century, to the nanosecond.
        assert_eq!(since(3_155_760_000_u64 * 54_000_000 + 27, 54_000_000), 3_155_760_000_000_000_500);
        assert_eq!(at(1, 1).nanoseconds_since(at(2, 1)), 0);
    }

    #[test]
    fn a_workstation_has_none() {
        assert_eq!(now(), None);
    }
}
