//! Interrupts as the rest of the kernel sees them: by number, on whichever controller there is.

use core::arch::asm;

use super::gic::{Gic, Taken};
use crate::arch::types::{Irq, SgiTarget, Trigger};

/// The controller, from `init` on.
static GIC: spin::Once<Gic> = spin::Once::new();

/// Uses `gic` from now on.
pub(super) fn init(gic: Gic) {
    GIC.call_once(|| gic);
}

/// The largest interrupt number.
pub fn max_irq() -> u32 {
    GIC.get().map_or(0, Gic::max_irq)
}

/// Stops `irq` from being taken.
pub fn mask(irq: Irq) {
    if let Some(gic) = GIC.get() {
        gic.mask(irq);
    }
}

/// Lets `irq` be taken.
pub fn unmask(irq: Irq) {
    if let Some(gic) = GIC.get() {
        gic.unmask(irq);
    }
}

/// Sets how `irq` is sensed.
pub fn set_trigger(irq: Irq, trigger: Trigger) {
    if let Some(gic) = GIC.get() {
        gic.set_trigger(irq, trigger);
    }
}

/// Takes the most urgent pending interrupt, if there is one, and calls `handle` with it before it
/// is completed at the controller.
pub fn take(handle: impl FnOnce(Irq)) -> bool {
    let Some((gic, taken)) = GIC.get().and_then(|gic| Some((gic, gic.acknowledge()?))) else {
        return false;
    };
    let Taken { irq, .. } = taken;
    handle(irq);
    gic.complete(taken);
    true
}

/// Raises the software-generated interrupt `number` at `target`.
pub fn send_sgi(number: u32, target: SgiTarget) {
    if let Some(gic) = GIC.get() {
        gic.send_sgi(number, target);
    }
}

/// Answers whether `target` can be the target of a software-generated interrupt.
pub fn accepts_sgi_target(target: u64) -> bool {
    GIC.get().is_some_and(|gic| gic.accepts_sgi_target(target))
}

/// Whether an interrupt waits to be taken (`ISR_EL1.I`).
pub fn is_pending() -> bool {
    let isr: u64;
    // SAFETY: reading the interrupt status register has no effect.
    unsafe { asm!("mrs {}, isr_el1", out(reg) isr, options(nomem, nostack, preserves_flags)) }
    isr & (1 << 7) != 0
}

/// Sleeps until an interrupt is pending. Interrupts stay masked; they are taken by [`take`].
pub fn wait() {
    // SAFETY: `wfi` changes no state; the barrier completes what devices or the walker wait for.
    unsafe { asm!("dsb sy", "wfi", options(nostack, preserves_flags)) }
}
