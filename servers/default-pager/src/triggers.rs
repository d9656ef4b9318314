//! Alerts: who wants to be told when space runs short, and when there is enough again.

use mach_protocol::default_pager::{HI_WAT_ALERT, LO_WAT_ALERT};

/// The bounds that somebody has set. By default there are none.
///
/// An alert is due once each time that a bound is crossed. Which side of it the space is on at first is no crossing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Triggers {
    /// Below so many free bytes there is an alert.
    high: Option<u64>,
    /// Above so many free bytes there is another.
    low: Option<u64>,
    free: u64,
}

impl Triggers {
    /// Sets the bounds whose alerts `flags` names, while so many bytes are free; there are no others any more.
    #[must_use]
    pub fn new(high: u64, low: u64, flags: u32, free: u64) -> Self {
        let of = |flag: u32, bound: u64| (flags & flag != 0).then_some(bound);
        Self { high: of(HI_WAT_ALERT, high), low: of(LO_WAT_ALERT, low), free }
    }

    /// So many bytes are free now. Answers the flags of the alerts that are due.
    pub fn look(&mut self, free: u64) -> u32 {
        let before = core::mem::replace(&mut self.free, free);
        let falls = self.high.is_some_and(|bound| before >= bound && free < bound);
        let rises = self.low.is_some_and(|bound| before <= bound && free > bound);
        (if falls { HI_WAT_ALERT } else { 0 }) | (if rises { LO_WAT_ALERT } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i_dp_20_an_alert_once_a_crossing() {
        let mut triggers = Triggers::new(100, 200, HI_WAT_ALERT | LO_WAT_ALERT, 300);
        let told: Vec<u32> = [100, 99, 50, 99, 150, 200, 201, 300, 90, 201, 201].map(|free| triggers.look(free)).into();
        assert_eq!(told, [0, HI_WAT_ALERT, 0, 0, 0, 0, LO_WAT_ALERT, 0, HI_WAT_ALERT, LO_WAT_ALERT, 0]);
    }

    #[test]
    fn i_dp_20_only_what_was_asked_for() {
        let both = [50, 300, 50, 300];
        let mut high = Triggers::new(100, 200, HI_WAT_ALERT, 150);
        assert_eq!(both.map(|free| high.look(free)), [HI_WAT_ALERT, 0, HI_WAT_ALERT, 0]);
        let mut low = Triggers::new(100, 200, LO_WAT_ALERT, 150);
        assert_eq!(both.map(|free| low.look(free)), [0, LO_WAT_ALERT, 0, LO_WAT_ALERT]);
        assert_eq!(both.map(|free| Triggers::default().look(free)), [0; 4]);
    }

    #[test]
    fn i_dp_20_the_side_at_first_is_no_crossing() {
        assert_eq!(Triggers::new(100, 200, HI_WAT_ALERT, 50).look(40), 0);
        assert_eq!(Triggers::new(100, 200, LO_WAT_ALERT, 250).look(260), 0);
    }
}
