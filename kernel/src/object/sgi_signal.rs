//! SGI signals: the right to raise one software-generated interrupt (spec §3.10, §8.4).
//!
//! Layout: none; number and target are in the capability. Every invocation raises it, whatever its
//! label and words, and none is refused.

use crate::arch;
use crate::cap::SgiSignalCap;
use crate::irq::SgiTarget;
use crate::kernel::Kernel;
use crate::syscall::{Invocation, InvokeResult, Outcome};

/// Raises the interrupt.
///
/// # Errors
/// None.
pub fn invoke(_: &mut Kernel, _: &Invocation, signal: SgiSignalCap) -> InvokeResult {
    arch::irq::send_sgi(signal.number.into(), SgiTarget(signal.target));
    Ok(Outcome::Done)
}
