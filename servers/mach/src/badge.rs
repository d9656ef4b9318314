//! The badges of the server's endpoint: who speaks, and through which kind of capability.
//!
//! | bits   | field                                                            |
//! |--------|------------------------------------------------------------------|
//! | 60–63  | kind: 1 a thread's call, 2 a thread's fault, 4 the ticker's signal |
//! | 32–59  | generation of the thread's id                                    |
//! | 0–31   | index of the thread's id                                         |
//!
//! Invariant **BADGE-1**: the badge of a stale capability never names a later thread: its id is one of an arena's
//! (ARENA-1, ARENA-2), and a badge holds an id whole.
//!
//! A notification's signals arrive in the same register as the badge of a message. The ticker's is the only one,
//! and its badge is a kind of its own, so the two cannot be confused.

use arena::MAX_GENERATION;

use crate::thread::ThreadId;

/// The badge of the ticker's notification.
pub const TICKER: u64 = 4 << 60;

/// What a badge says, once it was checked for shape. It still has to be looked up (BADGE-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Badge {
    /// A message that a thread sent through its call capability.
    Call(ThreadId),
    /// A fault message of a thread.
    Fault(ThreadId),
    /// The ticker's signal.
    Ticker,
}

impl Badge {
    /// Reads a badge word. `None`: no capability with such a badge was ever made.
    #[must_use]
    pub fn unpack(word: u64) -> Option<Self> {
        let id = ThreadId::new(word as u32, (word >> 32) as u32 & MAX_GENERATION);
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
        let word = |kind: u64, id: ThreadId| kind << 60 | u64::from(id.generation()) << 32 | u64::from(id.index());
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
        for id in [ThreadId::new(0, 1), ThreadId::new(u32::MAX, MAX_GENERATION), ThreadId::new(7, 0x0abc_def0)] {
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
        let id = ThreadId::new(3, 9);
        assert_ne!(Badge::Call(id).pack(), Badge::Fault(id).pack());
    }
}
