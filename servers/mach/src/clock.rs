//! Time as the server knows it: ticks, which come only while somebody asks for them.

/// Milliseconds that a tick takes at the least.
pub const TICK_MS: u64 = 5;

/// How many ticks have come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    ticks: u64,
}

impl Clock {
    /// A tick came.
    pub fn tick(&mut self) {
        self.ticks += 1;
    }

    /// Ticks so far.
    #[must_use]
    pub const fn now(self) -> u64 {
        self.ticks
    }

    /// The tick by which so many milliseconds have passed, counted from any moment before the next tick.
    #[must_use]
    pub fn after_ms(self, milliseconds: u32) -> u64 {
        self.ticks + u64::from(milliseconds).div_ceil(TICK_MS) + 1
    }
}
