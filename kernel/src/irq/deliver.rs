//! From a pending interrupt to the thread that waits for it (spec §8.3).

use super::{Irq, IrqState};
use crate::arch;
use crate::cap::Cap;
use crate::kernel::Kernel;
use crate::object::notification;
use crate::sched;
use sel4_abi::CapRights;

/// Takes the most urgent pending interrupt, tells who waits for it, and completes it.
///
/// Finding none is no error: it may have gone away.
pub fn handle_interrupt(k: &Kernel) {
    arch::irq::take(|irq| deliver(k, irq));
}

/// Tells who waits for `irq`.
fn deliver(k: &Kernel, irq: Irq) {
    match k.irqs.state(irq) {
        IrqState::Timer => sched::timer_tick(k),
        IrqState::Handled => {
            arch::irq::mask(irq);
            signal_handler(k, irq);
        }
        IrqState::Free => arch::irq::mask(irq),
    }
}

/// Signals the notification of `irq`'s handler, if it has one that can be signalled.
fn signal_handler(k: &Kernel, irq: Irq) {
    let cap = k.irqs.slot(irq).map(|slot| slot.cap(k));
    if let Some(Cap::Notification(cap)) = cap
        && cap.rights.contains(CapRights::WRITE)
    {
        notification::signal(k, cap.notification, cap.badge);
    }
}
