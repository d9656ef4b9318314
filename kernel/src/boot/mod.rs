//! From the boot stage's hand-over to the initial thread (spec §6.4–§6.8).
//!
//! [`make_kernel`] makes the objects of the initial task out of RAM, fills its CSpace and its boot
//! information, and hands everything else out as untypeds. What can be decided without touching
//! memory is in [`paging`] (which tables), [`ranges`] (what is free) and [`untypeds`] (how ranges are
//! cut); it is tested on the host.

mod cspace;
mod info;
mod memory;
pub mod paging;
pub mod ranges;
mod task;
#[cfg(test)]
mod tests;
pub mod untypeds;

use handoff::Handoff;

use self::ranges::TooManyRanges;
use crate::arch;
use crate::irq::{Irq, IrqState, MAX_IRQS};
use crate::kernel::{Config, Kernel, Parts};

/// Why the initial task cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootError {
    /// There is not enough free RAM for the objects of the initial task.
    NoMemory,
    /// RAM and reservations form more ranges than boot keeps track of.
    TooManyRanges,
    /// The image, or what is mapped behind it, is not inside user space.
    ImageOutsideUserSpace,
    /// The timer's interrupt has no number that an interrupt can have.
    NoTimer,
    /// The kernel was made already.
    Twice,
    /// A slot is needed that the initial CNode does not have.
    NoSlot,
}

/// Makes the kernel and its initial task out of what the boot stage handed over.
///
/// # Errors
///
/// [`BootError`] says what is missing.
pub fn make_kernel(handoff: &Handoff) -> Result<Kernel, BootError> {
    let irq_slots = memory::take_irq_slots().ok_or(BootError::Twice)?;
    let timer_irq = u16::try_from(handoff.timer_irq).map_err(|_| BootError::NoTimer)?;
    let max_irq = max_irq(arch::irq::max_irq(), handoff.max_irq);
    let config = Config { timer_hz: arch::timer::frequency(), max_irq, timer_irq };
    let mut kernel = Kernel::new(Parts { irq_slots, config });
    kernel.irqs.set_state(Irq(timer_irq), IrqState::Timer);
    arch::irq::unmask(Irq(timer_irq));
    task::start(&mut kernel, handoff)?;
    Ok(kernel)
}

/// The largest interrupt that is handed out: of what the controller has, what the board lets pass.
fn max_irq(controller: u32, board: u64) -> u16 {
    /// The largest number that there can be.
    const LAST: u16 = (MAX_IRQS - 1) as u16;
    u16::try_from(board.min(u64::from(controller))).map_or(LAST, |max| max.min(LAST))
}

impl From<TooManyRanges> for BootError {
    fn from(_: TooManyRanges) -> Self {
        BootError::TooManyRanges
    }
}
