//! Interrupts: raised by tests, with a GICv2's limits.

use core::cell::Cell;

use super::record::{Event, note};
use crate::arch::types::{Irq, SgiTarget, Trigger};

std::thread_local! {
    static PENDING: Cell<Option<Irq>> = const { Cell::new(None) };
}

/// Makes `irq` pending, as a device would.
pub fn raise(irq: Irq) {
    PENDING.set(Some(irq));
}

/// The largest interrupt number.
#[must_use]
pub const fn max_irq() -> u32 {
    159
}

/// Stops `irq` from being taken.
pub fn mask(irq: Irq) {
    note(Event::Mask(irq));
}

/// Lets `irq` be taken.
pub fn unmask(irq: Irq) {
    note(Event::Unmask(irq));
}

/// Sets how `irq` is sensed.
pub fn set_trigger(irq: Irq, trigger: Trigger) {
    note(Event::Trigger(irq, trigger));
}

/// Takes the pending interrupt, if there is one, and calls `handle` with it.
pub fn take(handle: impl FnOnce(Irq)) -> bool {
    let irq = PENDING.take();
    irq.map(handle).is_some()
}

/// Raises the software-generated interrupt `number` at `target`.
pub fn send_sgi(number: u32, target: SgiTarget) {
    note(Event::Sgi(number, target));
}

/// Answers whether `target` can be the target of a software-generated interrupt.
#[must_use]
pub const fn accepts_sgi_target(target: u64) -> bool {
    target <= 7
}

/// Whether an interrupt waits to be taken.
#[must_use]
pub fn is_pending() -> bool {
    PENDING.get().is_some()
}

/// Sleeps until an interrupt is pending: here, not at all.
pub fn wait() {}
