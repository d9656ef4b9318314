//! `Kernel`: all state that is not in kernel objects.

use core::cell::Cell;

use crate::arch;
use crate::error::Preempted;
use crate::irq::IrqTable;
use crate::kobj::{KRef, SlotArray};
use crate::object::Tcb;
use crate::percpu::PerCpu;
use crate::sched::{self, time::Clock};
use crate::vspace::AsidTable;

/// The state of the kernel, and the proof of having entered it.
///
/// A `&Kernel` is what one needs to look at kernel objects and to change them; a `&mut Kernel`
/// is what one needs to make new ones out of memory. Both come from the entry code, which holds the
/// kernel lock, and from nowhere else.
///
/// What every entry looks at comes first, so that one instruction reaches it.
#[derive(Debug)]
#[repr(C)]
pub struct Kernel {
    /// The address spaces.
    pub(crate) asids: AsidTable,
    /// The state of this core.
    pub(crate) cpu: PerCpu,
    /// The interrupts.
    pub(crate) irqs: IrqTable,
    /// What a fast path has left to the slow path of the same entry.
    pub(crate) unfinished: Cell<Unfinished>,
    /// What boot found out.
    pub(crate) config: Config,
    /// Preemption points passed since the last check.
    pub(crate) work_units: Cell<u32>,
}

/// What is left of an entry that a fast path has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// Nothing: there was no fast path, or it was not open.
    Nothing,
    /// All was done, and another thread may have to run.
    Switch,
    /// An invocation was preempted.
    Preempted,
}

/// Units of work between two looks at what else is due. A unit is 50 to 250 instructions.
const WORK_UNITS: u32 = 32;

/// What boot found out and never changes.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Frequency of the virtual counter, in Hz.
    pub timer_hz: u64,
    /// The largest interrupt number that can be handed out.
    pub max_irq: u16,
    /// The interrupt of the kernel's timer.
    pub timer_irq: u16,
}

/// What the kernel is made of.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// A slot for each interrupt, `max_irq + 1` at least.
    pub irq_slots: SlotArray,
    /// What boot found out.
    pub config: Config,
}

impl Kernel {
    /// A kernel without user threads.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Kernel {
            cpu: PerCpu::new(Clock::new(parts.config.timer_hz)),
            asids: AsidTable::new(),
            irqs: IrqTable::new(parts.irq_slots),
            unfinished: Cell::new(Unfinished::Nothing),
            config: parts.config,
            work_units: Cell::new(0),
        }
    }

    /// Counts work that is done in one go, in units: it brings the next look at what else is due nearer.
    pub fn spend(&self, units: u32) {
        self.work_units.set(self.work_units.get() + units);
    }

    /// Marks a place where a long operation may stop, after one unit of work.
    ///
    /// # Errors
    ///
    /// As [`Kernel::preemption_point_after`].
    pub fn preemption_point(&self) -> Result<(), Preempted> {
        self.preemption_point_after(1)
    }

    /// Marks a place where a long operation may stop, after `units` of work.
    ///
    /// # Errors
    ///
    /// [`Preempted`] if, after every 32 units of work, something else is due: an interrupt, the end
    /// of the budget, the end of the domain's time.
    pub fn preemption_point_after(&self, units: u32) -> Result<(), Preempted> {
        let units = self.work_units.get() + units;
        if units < WORK_UNITS {
            self.work_units.set(units);
            return Ok(());
        }
        self.work_units.set(0);
        if arch::irq::is_pending() || sched::must_preempt(self) { Err(Preempted) } else { Ok(()) }
    }

    /// The thread that entered the kernel, or that will leave it; none if the core is idle.
    #[must_use]
    pub fn current(&self) -> Option<KRef<Tcb>> {
        self.cpu.sched.current()
    }
}
