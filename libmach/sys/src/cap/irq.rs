//! Interrupts.

use sel4_abi::InvocationLabel;

use super::{Cap, IrqControl, IrqHandler, Notification};
use crate::cap::cnode::SlotPath;
use crate::error::Result;

/// How an interrupt line is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// While it is asserted.
    Level,
    /// When it becomes asserted.
    Edge,
}

impl Cap<IrqControl> {
    /// Puts the handler capability of interrupt `irq` into `dest` and unmasks the interrupt.
    ///
    /// Corresponds to `seL4_IRQControl_Get`.
    ///
    /// # Errors
    ///
    /// The table of `IRQIssueIRQHandler`, kernel ABI 3.8.
    pub fn issue_handler(self, irq: u64, dest: SlotPath) -> Result<()> {
        self.perform(InvocationLabel::IrqIssueIrqHandler, &[irq, dest.index, dest.depth], &[dest.root.cptr()])
    }

    /// The same, and sets how the line is read.
    ///
    /// Corresponds to `seL4_IRQControl_GetTrigger`.
    ///
    /// # Errors
    ///
    /// The table of `ARMIRQIssueIRQHandlerTrigger`, kernel ABI 3.8.
    pub fn issue_handler_with_trigger(self, irq: u64, trigger: Trigger, dest: SlotPath) -> Result<()> {
        self.perform(
            InvocationLabel::IrqIssueIrqHandlerTrigger,
            &[irq, u64::from(trigger == Trigger::Edge), dest.index, dest.depth],
            &[dest.root.cptr()],
        )
    }
}

impl Cap<IrqControl> {
    /// Puts a capability that raises software-generated interrupt `irq` on core `target` into `dest`: any message to it does.
    ///
    /// Corresponds to `seL4_IRQControl_IssueSGISignal`.
    ///
    /// # Errors
    ///
    /// The table of `ARMIRQIssueSGISignal`, kernel ABI 3.8.
    pub fn issue_sgi_signal(self, irq: u64, target: u64, dest: SlotPath) -> Result<()> {
        self.perform(InvocationLabel::IrqIssueSgiSignal, &[irq, target, dest.index, dest.depth], &[dest.root.cptr()])
    }
}

impl Cap<IrqHandler> {
    /// Lets the interrupt come again.
    ///
    /// Corresponds to `seL4_IRQHandler_Ack`.
    ///
    /// # Errors
    ///
    /// None on an interrupt handler's capability.
    pub fn ack(self) -> Result<()> {
        self.perform(InvocationLabel::IrqAckIrq, &[], &[])
    }

    /// Lets the interrupt signal `notification`, with the badge of this capability of it.
    ///
    /// Corresponds to `seL4_IRQHandler_SetNotification`.
    ///
    /// # Errors
    ///
    /// `InvalidCapability(0)` unless it is a notification that may be signalled.
    pub fn set_notification(self, notification: Cap<Notification>) -> Result<()> {
        self.perform(InvocationLabel::IrqSetIrqHandler, &[], &[notification.cptr()])
    }

    /// Lets the interrupt signal nothing.
    ///
    /// Corresponds to `seL4_IRQHandler_Clear`.
    ///
    /// # Errors
    ///
    /// None on an interrupt handler's capability.
    pub fn clear(self) -> Result<()> {
        self.perform(InvocationLabel::IrqClearIrqHandler, &[], &[])
    }
}
