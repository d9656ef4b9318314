//! The domain schedule: which domain's threads may run, and for how long (spec §4.12).
//!
//! With one domain the table has two entries and nothing ever changes; the code is the same for more.

use core::cell::Cell;

use super::time::Ticks;

/// Number of domains.
pub const DOMAINS: usize = sel4_abi::object::NUM_DOMAINS;
/// Entries of the schedule, the end marker included.
pub const SCHEDULE_ENTRIES: usize = sel4_abi::object::NUM_DOMAIN_SCHEDULES;
/// Durations are below this.
pub const MAX_DURATION: u64 = 1 << 56;

/// One entry of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose turn it is.
    pub domain: u8,
    /// For how long; an entry of domain 0 with no duration ends the schedule.
    pub duration: Ticks,
}

impl Entry {
    /// The end of the schedule.
    pub const END: Entry = Entry { domain: 0, duration: Ticks::ZERO };

    /// Whether the schedule ends here.
    #[must_use]
    pub fn is_end(self) -> bool {
        self == Entry::END
    }
}

/// The schedule, and where in it the kernel is.
pub struct DomainSchedule {
    entries: [Cell<Entry>; SCHEDULE_ENTRIES],
    start: Cell<usize>,
    index: Cell<usize>,
    domain: Cell<u8>,
    left: Cell<Ticks>,
}

impl DomainSchedule {
    /// Domain 0 for as long as an entry can say.
    #[must_use]
    pub const fn new() -> Self {
        const FIRST: Entry = Entry { domain: 0, duration: Ticks(MAX_DURATION - 1) };
        let entries = [const { Cell::new(Entry::END) }; SCHEDULE_ENTRIES];
        let schedule = DomainSchedule {
            entries,
            start: Cell::new(0),
            index: Cell::new(0),
            domain: Cell::new(0),
            left: Cell::new(FIRST.duration),
        };
        schedule.entries[0].replace(FIRST);
        schedule
    }

    /// The entry at `index`, or an end marker beyond the table.
    #[must_use]
    pub fn entry(&self, index: usize) -> Entry {
        self.entries.get(index).map_or(Entry::END, Cell::get)
    }

    /// Where the schedule starts again at its end.
    #[must_use]
    pub fn start(&self) -> usize {
        self.start.get()
    }

    /// The domain whose threads run.
    #[must_use]
    pub fn current(&self) -> u8 {
        self.domain.get()
    }

    /// What is left of the current entry's duration.
    #[must_use]
    pub fn left(&self) -> Ticks {
        self.left.get()
    }

    /// Writes an entry; it counts when it is next reached.
    pub fn configure(&self, index: usize, entry: Entry) {
        if let Some(cell) = self.entries.get(index) {
            cell.set(entry);
        }
    }

    /// Lets the schedule start at `index`, and ends the current entry.
    pub fn set_start(&self, index: usize) {
        self.start.set(index);
        // One before the start, so that the advance reaches it even from the table's last entry.
        self.index.set(SCHEDULE_ENTRIES);
        self.left.set(Ticks::ZERO);
    }

    /// Counts time that has passed.
    pub fn account(&self, passed: Ticks) {
        self.left.set(self.left.get() - passed);
    }

    /// Whether the current entry's time is over: less is left than one kernel operation may take.
    #[must_use]
    pub fn is_over(&self, min_budget: Ticks) -> bool {
        self.left.get() < min_budget
    }

    /// Goes to the next entry, or back to the start at the end of the schedule.
    pub fn advance(&self) {
        let mut index = self.index.get() + 1;
        if self.entry(index).is_end() {
            index = self.start.get();
        }
        let entry = self.entry(index);
        self.index.set(index);
        self.domain.set(entry.domain);
        self.left.set(entry.duration);
    }
}

impl Default for DomainSchedule {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_schedule_repeats_domain_zero() {
        let s = DomainSchedule::new();
        assert_eq!((s.current(), s.left()), (0, Ticks((1 << 56) - 1)));
        assert!(s.entry(1).is_end() && s.entry(99).is_end());
        s.account(Ticks((1 << 56) - 1000));
        assert!(s.is_over(Ticks(1000)) && !s.is_over(Ticks(999)));
        s.advance();
        assert_eq!((s.current(), s.left()), (0, Ticks((1 << 56) - 1)));
    }

    #[test]
    fn setting_the_start_ends_the_entry_and_begins_there() {
        let s = DomainSchedule::new();
        s.configure(0, Entry { domain: 0, duration: Ticks(5000) });
        assert_eq!(s.left(), Ticks((1 << 56) - 1), "an entry counts when it is next reached");
        s.set_start(0);
        assert!(s.is_over(Ticks(1)));
        s.advance();
        assert_eq!(s.left(), Ticks(5000));
        s.advance();
        assert_eq!(s.left(), Ticks(5000));
    }
}
