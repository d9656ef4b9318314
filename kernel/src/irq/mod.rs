//! Interrupts, whatever the controller: who is told of which.

use crate::kobj::SlotArray;

/// The number of an interrupt, as the GIC counts (INTID).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Irq(pub u16);

/// What is known of every interrupt.
#[derive(Debug)]
pub struct IrqTable {
    /// The notification capability of each interrupt's handler.
    pub(crate) slots: SlotArray,
}

impl IrqTable {
    /// A table without handlers; `slots` are empty, one an interrupt.
    #[must_use]
    pub const fn new(slots: SlotArray) -> Self {
        IrqTable { slots }
    }
}

/// Takes the most urgent pending interrupt, tells who waits for it, and completes it.
pub fn handle_interrupt(_k: &crate::Kernel) {}
