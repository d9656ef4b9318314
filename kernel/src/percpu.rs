//! The state of one core.

use core::cell::Cell;

use crate::kobj::KRef;
use crate::object::Tcb;
use crate::sched::Scheduler;
use crate::sched::time::Clock;

/// The state of one core.
pub struct PerCpu {
    /// Who runs, who waits to run, and the time.
    pub(crate) sched: Scheduler,
    /// The thread whose floating-point registers are in the core. Changed when another's are put
    /// there; cleared when the thread is destroyed.
    pub(crate) fpu_owner: Cell<Option<KRef<Tcb>>>,
}

impl PerCpu {
    /// An idle core.
    #[must_use]
    pub const fn new(clock: Clock) -> Self {
        PerCpu { sched: Scheduler::new(clock), fpu_owner: Cell::new(None) }
    }
}

impl core::fmt::Debug for PerCpu {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PerCpu").field("current", &self.sched.current()).finish_non_exhaustive()
    }
}
