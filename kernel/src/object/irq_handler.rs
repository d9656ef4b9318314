//! IRQ handlers: one interrupt, and the notification that it signals (manual §8.1; spec §3.9, §8.2).
//!
//! Layout: none; the capability names an interrupt. The notification's capability is in the
//! kernel's table ([`crate::irq`]), where it is a child of the one that was given.

use sel4_abi::{CapRights, InvocationLabel};

use crate::arch;
use crate::cap::{RawCap, SlotRef, cdt, delete};
use crate::error::SyscallError;
use crate::irq::{Irq, IrqState};
use crate::kernel::Kernel;
use crate::syscall::{Args, ExtraCap, Invocation, InvokeResult, Outcome};

/// What a handler can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqHandlerInvocation {
    /// The interrupt has been dealt with: deliver the next.
    Ack,
    /// Signal this notification from now on.
    SetNotification {
        /// The slot of its capability.
        source: SlotRef,
        /// The capability.
        cap: RawCap,
    },
    /// Signal nobody from now on.
    Clear,
}

/// Decodes and performs an invocation of a handler.
///
/// # Errors
/// Those of [`decode`].
pub fn invoke(k: &mut Kernel, invocation: &Invocation, irq: Irq) -> InvokeResult {
    let decoded = decode(k, invocation.label, invocation.args)?;
    Ok(perform(k, irq, decoded))
}

/// Recognises the operation. `IRQSetIRQHandler` checks in order (spec §3.9):
///
/// | # | check                                | error                  |
/// |---|--------------------------------------|------------------------|
/// | 1 | one capability                       | `TruncatedMessage`     |
/// | 2 | it is a notification with Write      | `InvalidCapability(0)` |
///
/// # Errors
/// Those; `IllegalOperation` for a label that is none of a handler's.
pub fn decode(k: &Kernel, label: u64, args: &Args) -> Result<IrqHandlerInvocation, SyscallError> {
    match InvocationLabel::try_from(label) {
        Ok(InvocationLabel::IrqAckIrq) => Ok(IrqHandlerInvocation::Ack),
        Ok(InvocationLabel::IrqSetIrqHandler) => decode_notification(args.cap(k, 0)?),
        Ok(InvocationLabel::IrqClearIrqHandler) => Ok(IrqHandlerInvocation::Clear),
        _ => Err(SyscallError::IllegalOperation),
    }
}

fn decode_notification(extra: ExtraCap) -> Result<IrqHandlerInvocation, SyscallError> {
    match extra.cap.notification() {
        Some(cap) if cap.rights.contains(CapRights::WRITE) => {
            Ok(IrqHandlerInvocation::SetNotification { source: extra.slot, cap: extra.cap })
        }
        _ => Err(SyscallError::InvalidCapability { index: 0 }),
    }
}

/// Does what was decoded.
pub fn perform(k: &Kernel, irq: Irq, invocation: IrqHandlerInvocation) -> Outcome {
    match invocation {
        IrqHandlerInvocation::Ack => arch::irq::unmask(irq),
        IrqHandlerInvocation::SetNotification { source, cap } => {
            clear(k, irq);
            if let Some(slot) = k.irqs.slot(irq) {
                cdt::insert(k, source, slot, cap);
            }
        }
        IrqHandlerInvocation::Clear => clear(k, irq),
    }
    Outcome::Done
}

/// Empties the slot of `irq`'s notification.
fn clear(k: &Kernel, irq: Irq) {
    if let Some(slot) = k.irqs.slot(irq) {
        delete::delete_one(k, slot);
    }
}

/// Destroys the handler of `irq`: nobody is signalled, and the interrupt is masked and free.
pub fn finalise(k: &Kernel, irq: Irq) {
    clear(k, irq);
    arch::irq::mask(irq);
    k.irqs.set_state(irq, IrqState::Free);
}
