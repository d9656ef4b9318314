//! The clock: it stands still until a test moves it. One per test thread.

use core::cell::Cell;
use std::thread_local;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
    static DEADLINE: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// The present time, in ticks.
#[must_use]
pub fn now() -> u64 {
    NOW.get()
}

/// Records when the timer would interrupt.
pub fn set_deadline(deadline: u64) {
    DEADLINE.set(deadline);
}

/// For tests: when the timer would interrupt.
#[must_use]
pub fn deadline() -> u64 {
    DEADLINE.get()
}

/// For tests: lets time pass.
pub fn advance(ticks: u64) {
    NOW.set(NOW.get() + ticks);
}

/// Ticks per second.
#[must_use]
pub const fn frequency() -> u64 {
    62_500_000
}
