//! Interrupts, whatever the controller: who is told of which (spec §8).
//!
//! An interrupt is free, has a handler capability, or is the kernel's timer. One that is delivered
//! is masked until its handler acknowledges it.
//!
//! Invariants:
//!
//! - **IRQ-1** An interrupt is unmasked only while it has a handler capability or is the timer.
//! - **IRQ-2** The slot of an interrupt is empty or holds a notification capability; it is empty
//!   unless the interrupt has a handler.

mod deliver;

use core::cell::Cell;

pub use deliver::handle_interrupt;

pub use crate::arch::types::{Irq, SgiTarget, Trigger};

use crate::cap::SlotRef;
use crate::kobj::SlotArray;

/// Interrupts that a controller can have; the numbers above mean something else.
pub const MAX_IRQS: usize = 1020;

/// What an interrupt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqState {
    /// Nobody's: no handler capability exists.
    Free,
    /// A handler capability exists.
    Handled,
    /// The kernel's timer.
    Timer,
}

/// What is known of every interrupt.
#[derive(Debug)]
pub struct IrqTable {
    /// The notification capability of each interrupt's handler.
    slots: SlotArray,
    /// What each interrupt is for.
    states: [Cell<IrqState>; MAX_IRQS],
}

impl IrqTable {
    /// A table without handlers; `slots` are empty, one an interrupt.
    #[must_use]
    pub const fn new(slots: SlotArray) -> Self {
        IrqTable { slots, states: [const { Cell::new(IrqState::Free) }; MAX_IRQS] }
    }

    /// What `irq` is for.
    #[must_use]
    pub fn state(&self, irq: Irq) -> IrqState {
        self.states.get(irq.index()).map_or(IrqState::Free, Cell::get)
    }

    /// Says what `irq` is for.
    pub(crate) fn set_state(&self, irq: Irq, state: IrqState) {
        if let Some(entry) = self.states.get(irq.index()) {
            entry.set(state);
        }
    }

    /// The slot of `irq`'s notification capability.
    #[must_use]
    pub fn slot(&self, irq: Irq) -> Option<SlotRef> {
        self.slots.slot(irq.index())
    }
}
