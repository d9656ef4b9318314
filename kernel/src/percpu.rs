//! The state of one core.

use core::cell::Cell;

use crate::kobj::KRef;
use crate::object::Tcb;

/// The state of one core.
#[derive(Debug)]
pub struct PerCpu {
    /// The thread that entered the kernel, or that will leave it.
    pub(crate) current: Cell<KRef<Tcb>>,
    /// The thread that runs when no other can.
    pub(crate) idle: KRef<Tcb>,
}

impl PerCpu {
    /// A core that runs its idle thread.
    #[must_use]
    pub const fn new(idle: KRef<Tcb>) -> Self {
        PerCpu { current: Cell::new(idle), idle }
    }
}
