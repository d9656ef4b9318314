//! The state of one core.

use crate::fpu::Fpu;
use crate::sched::Scheduler;
use crate::sched::time::Clock;

/// The state of one core.
#[repr(C)]
pub struct PerCpu {
    /// Whose floating-point registers are in the core.
    pub(crate) fpu: Fpu,
    /// Who runs, who waits to run, and the time.
    pub(crate) sched: Scheduler,
}

impl PerCpu {
    /// An idle core.
    #[must_use]
    pub const fn new(clock: Clock) -> Self {
        PerCpu { sched: Scheduler::new(clock), fpu: Fpu::new() }
    }
}

impl core::fmt::Debug for PerCpu {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PerCpu").field("current", &self.sched.current()).finish_non_exhaustive()
    }
}
