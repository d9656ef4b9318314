//! IRQ control: the right to make interrupt handlers and SGI signals (manual §8.1; spec §3.8).
//!
//! Layout: none; there is one such capability, it names no object and cannot be copied.

use sel4_abi::InvocationLabel;

use crate::arch;
use crate::cap::{Cap, SgiSignalCap, SlotRef, cdt, lookup};
use crate::error::SyscallError;
use crate::irq::{Irq, IrqState, Trigger};
use crate::kernel::Kernel;
use crate::syscall::{Args, ExtraCap, Invocation, InvokeResult, Outcome};

/// The largest number of a software-generated interrupt.
const LAST_SGI: u64 = 15;

/// What IRQ control can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqControlInvocation {
    /// Make the handler of an interrupt.
    IssueHandler {
        /// The interrupt.
        irq: Irq,
        /// How to sense it from now on; `None` leaves that.
        trigger: Option<Trigger>,
        /// Where the handler goes.
        destination: SlotRef,
    },
    /// Make the right to raise a software-generated interrupt.
    IssueSgiSignal {
        /// What to raise, and at whom.
        signal: SgiSignalCap,
        /// Where the capability goes.
        destination: SlotRef,
    },
}

/// Decodes and performs an invocation of IRQ control.
///
/// # Errors
/// Those of [`decode`].
pub fn invoke(k: &mut Kernel, invocation: &Invocation) -> InvokeResult {
    let decoded = decode(k, invocation.label, invocation.args)?;
    Ok(perform(k, invocation.slot, decoded))
}

/// Recognises the operation.
///
/// # Errors
/// `IllegalOperation` for a label that is none of IRQ control's; else those of the operation.
pub fn decode(k: &Kernel, label: u64, args: &Args) -> Result<IrqControlInvocation, SyscallError> {
    match InvocationLabel::try_from(label) {
        Ok(InvocationLabel::IrqIssueIrqHandler) => {
            args.require(3, 1)?;
            decode_handler(k, args, None, 1)
        }
        Ok(InvocationLabel::IrqIssueIrqHandlerTrigger) => {
            args.require(4, 1)?;
            let trigger = match args.word(k, 1).any() {
                0 => Trigger::Level,
                _ => Trigger::Edge,
            };
            decode_handler(k, args, Some(trigger), 2)
        }
        Ok(InvocationLabel::IrqIssueSgiSignal) => decode_sgi(k, args),
        _ => Err(SyscallError::IllegalOperation),
    }
}

/// Decodes `IRQIssueIRQHandler` and `IRQIssueIRQHandlerTrigger` (spec §3.8). Checks in order:
///
/// | # | check                                                   | error                         |
/// |---|---------------------------------------------------------|-------------------------------|
/// | 1 | three (four) words and the root                         | `TruncatedMessage`            |
/// | 2 | the interrupt exists                                    | `RangeError(0, maximum)`      |
/// | 3 | it has no handler and is not the kernel's timer         | `RevokeFirst`                 |
/// | 4 | the destination exists                                  | `RangeError` / `FailedLookup` |
/// | 5 | and is empty                                            | `DeleteFirst`                 |
fn decode_handler(
    k: &Kernel,
    args: &Args,
    trigger: Option<Trigger>,
    index_word: usize,
) -> Result<IrqControlInvocation, SyscallError> {
    let max = u64::from(k.config.max_irq);
    let number = args.word(k, 0).in_range(0, max)?;
    let irq = u16::try_from(number).map(Irq).map_err(|_| SyscallError::RangeError { min: 0, max })?;
    if k.irqs.state(irq) != IrqState::Free {
        return Err(SyscallError::RevokeFirst);
    }
    let destination = destination(k, args.cap(k, 0)?, args, index_word)?;
    Ok(IrqControlInvocation::IssueHandler { irq, trigger, destination })
}

/// Decodes `IRQIssueSGISignal` (spec §3.8). Checks in order:
///
/// | # | check                                     | error                         |
/// |---|-------------------------------------------|-------------------------------|
/// | 1 | four words and the root                   | `TruncatedMessage`            |
/// | 2 | the number is below 16                    | `RangeError(0, 15)`           |
/// | 3 | the controller knows such a target        | `InvalidArgument(1)`          |
/// | 4 | the destination exists                    | `RangeError` / `FailedLookup` |
/// | 5 | and is empty                              | `DeleteFirst`                 |
fn decode_sgi(k: &Kernel, args: &Args) -> Result<IrqControlInvocation, SyscallError> {
    args.require(4, 1)?;
    let number = args.word(k, 0).in_range(0, LAST_SGI)?;
    let target = args.word(k, 1).any();
    let (Ok(number), Ok(target), true) =
        (u8::try_from(number), u32::try_from(target), arch::irq::accepts_sgi_target(target))
    else {
        return Err(SyscallError::InvalidArgument { index: 1 });
    };
    let destination = destination(k, args.cap(k, 0)?, args, 2)?;
    let signal = SgiSignalCap { number, target };
    Ok(IrqControlInvocation::IssueSgiSignal { signal, destination })
}

/// The empty slot that the words from `index_word` on name: index, then depth.
fn destination(k: &Kernel, root: ExtraCap, args: &Args, index_word: usize) -> Result<SlotRef, SyscallError> {
    let (index, depth) = (args.word(k, index_word).any(), args.word(k, index_word + 1).any());
    lookup::empty_slot(k, root.cap, index, depth)
}

/// Does what was decoded; `control` is the slot of the invoked capability.
pub fn perform(k: &Kernel, control: SlotRef, invocation: IrqControlInvocation) -> Outcome {
    match invocation {
        IrqControlInvocation::IssueHandler { irq, trigger, destination } => {
            if let Some(trigger) = trigger {
                arch::irq::set_trigger(irq, trigger);
            }
            k.irqs.set_state(irq, IrqState::Handled);
            cdt::insert(k, control, destination, Cap::IrqHandler(irq));
            arch::irq::unmask(irq);
        }
        IrqControlInvocation::IssueSgiSignal { signal, destination } => {
            cdt::insert(k, control, destination, Cap::SgiSignal(signal));
        }
    }
    Outcome::Done
}
