//! The badges of the server's endpoint: who speaks, and through which kind of capability.
//!
//! | bits   | field                                                            |
//! |--------|------------------------------------------------------------------|
//! | 60–63  | kind: 1 a thread's call, 2 a thread's fault, 4 the ticker's signal |
//! | 32–59  | generation of the thread's table entry                           |
//! | 0–31   | index of the thread's table entry                                |
//!
//! Invariant **BADGE-1**: a table entry's generation is raised before its index is used again, and an index is
//! retired when its generations are used up; so the badge of a stale capability never names a later thread.
//!
//! A notification's signals arrive in the same register as the badge of a message. The ticker's is the only one,
//! and its badge is a kind of its own, so the two cannot be confused.

use crate::table::Id;

/// Number of bits of the generation field.
pub const GENERATION_BITS: u32 = 28;
/// The largest generation a badge can carry.
pub const MAX_GENERATION: u32 = (1 << GENERATION_BITS) - 1;
/// The badge of the ticker's notification.
pub const TICKER: u64 = 4 << 60;

/// What a badge says, once it was checked for shape. It still has to be compared with the table (BADGE-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Badge {
    /// A message that a thread sent through its call capability.
    Call(Id),
    /// A fault message of a thread.
    Fault(Id),
    /// The ticker's signal.
    Ticker,
}

impl Badge {
    /// Reads a badge word. `None`: no capability with such a badge was ever made.
    #[must_use]
    pub fn unpack(word: u64) -> Option<Self> {
        let id = Id::new(word as u32, (word >> 32) as u32 & MAX_GENERATION);
        match word >> 60 {
            1 => Some(Self::Call(id)),
            2 => Some(Self::Fault(id)),
            4 if word == TICKER => Some(Self::Ticker),
            _ => None,
        }
    }

    /// The badge word.
    #[must_use]
    pub fn pack(self) -> u64 {
        let word = |kind: u64, id: Id| kind << 60 | u64::from(id.generation()) << 32 | u64::from(id.index());
        match self {
            Self::Call(id) => word(1, id),
            Self::Fault(id) => word(2, id),
            Self::Ticker => TICKER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_and_unpacks() {
        for id in [Id::new(0, 1), Id::new(u32::MAX, MAX_GENERATION), Id::new(7, 0x0abc_def0)] {
            for badge in [Badge::Call(id), Badge::Fault(id)] {
                assert_eq!(Badge::unpack(badge.pack()), Some(badge));
            }
        }
        assert_eq!(Badge::unpack(TICKER), Some(Badge::Ticker));
    }

    #[test]
    fn refuses_words_that_were_never_minted() {
        for word in [0, 1, 3 << 60, TICKER | 1, 5 << 60, 15 << 60] {
            assert_eq!(Badge::unpack(word), None, "{word:#x}");
        }
    }

    #[test]
    fn call_and_fault_of_one_thread_differ() {
        let id = Id::new(3, 9);
        assert_ne!(Badge::Call(id).pack(), Badge::Fault(id).pack());
    }
}
