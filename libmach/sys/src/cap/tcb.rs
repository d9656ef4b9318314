//! Threads.

use sel4_abi::InvocationLabel;
use sel4_abi::registers::CONTEXT_REGISTERS;
pub use sel4_abi::registers::UserContext;

use super::{CNode, Cap, Domain, Endpoint, Frame, Notification, SchedContext, Tcb, VSpace};
use crate::arch;
use crate::error::Result;
use crate::ipc_buffer::IpcBuffer;

/// The words of a register file, in the order in which the kernel passes them.
#[must_use]
pub fn context_words(context: &UserContext) -> [u64; CONTEXT_REGISTERS] {
    let mut words = [0; CONTEXT_REGISTERS];
    let all = [context.pc, context.sp, context.spsr]
        .into_iter()
        .chain(context.x0_to_x8)
        .chain(context.x16_to_x18)
        .chain(context.x29_x30)
        .chain(context.x9_to_x15)
        .chain(context.x19_to_x28)
        .chain([context.tpidr_el0, context.tpidrro_el0]);
    words.iter_mut().zip(all).for_each(|(word, value)| *word = value);
    words
}

/// The register file whose words these are.
#[must_use]
pub fn context_from_words(words: &[u64; CONTEXT_REGISTERS]) -> UserContext {
    let mut rest = words.iter().copied();
    let mut next = || rest.next().unwrap_or_default();
    UserContext {
        pc: next(),
        sp: next(),
        spsr: next(),
        x0_to_x8: core::array::from_fn(|_| next()),
        x16_to_x18: core::array::from_fn(|_| next()),
        x29_x30: core::array::from_fn(|_| next()),
        x9_to_x15: core::array::from_fn(|_| next()),
        x19_to_x28: core::array::from_fn(|_| next()),
        tpidr_el0: next(),
        tpidrro_el0: next(),
    }
}

/// The place of general register `number` (0 to 30) among the fields of a register file.
fn place(context: &mut UserContext, number: usize) -> Option<&mut u64> {
    match number {
        0..=8 => context.x0_to_x8.get_mut(number),
        9..=15 => context.x9_to_x15.get_mut(number - 9),
        16..=18 => context.x16_to_x18.get_mut(number - 16),
        19..=28 => context.x19_to_x28.get_mut(number - 19),
        29..=30 => context.x29_x30.get_mut(number - 29),
        _ => None,
    }
}

/// General register `number`, 0 to 30.
#[must_use]
pub fn general_register(context: &UserContext, number: usize) -> Option<u64> {
    let mut context = *context;
    place(&mut context, number).copied()
}

/// Sets general register `number`, 0 to 30; nothing for other numbers.
pub fn set_general_register(context: &mut UserContext, number: usize, value: u64) {
    if let Some(register) = place(context, number) {
        *register = value;
    }
}

/// What happens to a thread whose registers are read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It stays as it is.
    Leave,
    /// Reading: it is suspended first. Writing: it is resumed afterwards.
    SwitchState,
}

impl Then {
    const fn flag(self) -> u64 {
        match self {
            Self::Leave => 0,
            Self::SwitchState => 1,
        }
    }
}

/// The spaces and the buffer of a thread, for [`Cap::configure`].
#[derive(Clone, Copy, Debug)]
pub struct Spaces {
    /// The root of its CSpace.
    pub cspace: Cap<CNode>,
    /// The guard of that root; 0 leaves it as it is.
    pub cspace_data: u64,
    /// The root of its address space.
    pub vspace: Cap<VSpace>,
    /// The frame of its IPC buffer.
    pub buffer_frame: Cap<Frame>,
    /// The address of its IPC buffer; 0 for none.
    pub buffer_address: u64,
}

impl Cap<Tcb> {
    /// Reads all registers.
    ///
    /// Corresponds to `seL4_TCB_ReadRegisters`.
    ///
    /// # Errors
    ///
    /// `IllegalOperation` for the calling thread itself.
    pub fn read_registers(self, then: Then) -> Result<UserContext> {
        let answer = self.invoke(InvocationLabel::TcbReadRegisters, &[then.flag(), CONTEXT_REGISTERS as u64], &[])?;
        Ok(context_from_words(&core::array::from_fn(|index| answer.word(index))))
    }

    /// Writes all registers.
    ///
    /// Corresponds to `seL4_TCB_WriteRegisters`.
    ///
    /// # Errors
    ///
    /// `IllegalOperation` for the calling thread itself.
    pub fn write_registers(self, then: Then, context: &UserContext) -> Result<()> {
        let mut words = [0; CONTEXT_REGISTERS + 2];
        let head = [then.flag(), CONTEXT_REGISTERS as u64];
        words.iter_mut().zip(head.into_iter().chain(context_words(context))).for_each(|(word, value)| *word = value);
        self.perform(InvocationLabel::TcbWriteRegisters, &words, &[])
    }

    /// Gives the thread its spaces and its IPC buffer.
    ///
    /// Corresponds to `seL4_TCB_Configure`.
    ///
    /// # Errors
    ///
    /// The table of `TCBConfigure`, kernel ABI 3.3.
    pub fn configure(self, spaces: &Spaces) -> Result<()> {
        self.perform(
            InvocationLabel::TcbConfigure,
            &[spaces.cspace_data, 0, spaces.buffer_address],
            &[spaces.cspace.cptr(), spaces.vspace.cptr(), spaces.buffer_frame.cptr()],
        )
    }

    /// Sets the priority, up to the maximum of `authority`.
    ///
    /// Corresponds to `seL4_TCB_SetPriority`.
    ///
    /// # Errors
    ///
    /// `RangeError` above the maximum of `authority`.
    pub fn set_priority(self, authority: Cap<Tcb>, priority: u64) -> Result<()> {
        self.perform(InvocationLabel::TcbSetPriority, &[priority], &[authority.cptr()])
    }

    /// Sets the maximum controlled priority, up to that of `authority`.
    ///
    /// Corresponds to `seL4_TCB_SetMCPriority`.
    ///
    /// # Errors
    ///
    /// `RangeError` above the maximum of `authority`.
    pub fn set_mc_priority(self, authority: Cap<Tcb>, mcp: u64) -> Result<()> {
        self.perform(InvocationLabel::TcbSetMcPriority, &[mcp], &[authority.cptr()])
    }

    /// Sets maximum controlled priority, priority, scheduling context (null: none) and fault handler.
    ///
    /// Corresponds to `seL4_TCB_SetSchedParams`.
    ///
    /// # Errors
    ///
    /// The table of `TCBSetSchedParams`, kernel ABI 3.3.
    pub fn set_sched_params(
        self,
        authority: Cap<Tcb>,
        mcp: u64,
        priority: u64,
        context: Cap<SchedContext>,
        fault_handler: Cap<Endpoint>,
    ) -> Result<()> {
        self.perform(
            InvocationLabel::TcbSetSchedParams,
            &[mcp, priority],
            &[authority.cptr(), context.cptr(), fault_handler.cptr()],
        )
    }

    /// Sets the handler that is told when a budget ends.
    ///
    /// Corresponds to `seL4_TCB_SetTimeoutEndpoint`.
    ///
    /// # Errors
    ///
    /// `InvalidCapability(1)` unless it is null or an endpoint that may be sent to and answered.
    pub fn set_timeout_endpoint(self, handler: Cap<Endpoint>) -> Result<()> {
        self.perform(InvocationLabel::TcbSetTimeoutEndpoint, &[], &[handler.cptr()])
    }

    /// Sets the IPC buffer.
    ///
    /// Corresponds to `seL4_TCB_SetIPCBuffer`.
    ///
    /// # Errors
    ///
    /// Checks 2 to 5 of `TCBConfigure`, kernel ABI 3.3.
    pub fn set_ipc_buffer(self, address: u64, frame: Cap<Frame>) -> Result<()> {
        self.perform(InvocationLabel::TcbSetIpcBuffer, &[address], &[frame.cptr()])
    }

    /// Sets fault handler, CSpace and address space.
    ///
    /// Corresponds to `seL4_TCB_SetSpace`.
    ///
    /// # Errors
    ///
    /// The table of `TCBSetSpace`, kernel ABI 3.3.
    pub fn set_space(
        self,
        fault_handler: Cap<Endpoint>,
        cspace: Cap<CNode>,
        cspace_data: u64,
        vspace: Cap<VSpace>,
    ) -> Result<()> {
        self.perform(
            InvocationLabel::TcbSetSpace,
            &[cspace_data, 0],
            &[fault_handler.cptr(), cspace.cptr(), vspace.cptr()],
        )
    }

    /// Stops the thread.
    ///
    /// Corresponds to `seL4_TCB_Suspend`.
    ///
    /// # Errors
    ///
    /// None on a thread's capability.
    pub fn suspend(self) -> Result<()> {
        self.perform(InvocationLabel::TcbSuspend, &[], &[])
    }

    /// Lets the thread run.
    ///
    /// Corresponds to `seL4_TCB_Resume`.
    ///
    /// # Errors
    ///
    /// None on a thread's capability.
    pub fn resume(self) -> Result<()> {
        self.perform(InvocationLabel::TcbResume, &[], &[])
    }

    /// Lets signals of `notification` reach the thread while it receives on an endpoint.
    ///
    /// Corresponds to `seL4_TCB_BindNotification`.
    ///
    /// # Errors
    ///
    /// `IllegalOperation`: kernel ABI 3.3.
    pub fn bind_notification(self, notification: Cap<Notification>) -> Result<()> {
        self.perform(InvocationLabel::TcbBindNotification, &[], &[notification.cptr()])
    }

    /// Undoes [`Cap::bind_notification`].
    ///
    /// Corresponds to `seL4_TCB_UnbindNotification`.
    ///
    /// # Errors
    ///
    /// `IllegalOperation` if none is bound.
    pub fn unbind_notification(self) -> Result<()> {
        self.perform(InvocationLabel::TcbUnbindNotification, &[], &[])
    }

    /// Sets the thread register.
    ///
    /// Corresponds to `seL4_TCB_SetTLSBase`.
    ///
    /// # Errors
    ///
    /// None on a thread's capability.
    pub fn set_tls_base(self, address: u64) -> Result<()> {
        self.perform(InvocationLabel::TcbSetTlsBase, &[address], &[])
    }

    /// Clears, then sets flags; answers the new value. Flag bit 0 switches floating point off.
    ///
    /// Corresponds to `seL4_TCB_SetFlags`.
    ///
    /// # Errors
    ///
    /// None on a thread's capability.
    pub fn set_flags(self, clear: u64, set: u64) -> Result<u64> {
        Ok(self.invoke(InvocationLabel::TcbSetFlags, &[clear, set], &[])?.word(0))
    }

    /// Gives the thread a name for diagnostics. Only debug kernels have this call: others raise a fault.
    pub fn debug_name(self, name: &str) {
        if let Some(buffer) = IpcBuffer::current() {
            buffer.set_name(name);
            arch::debug_name_thread(self.word());
        }
    }
}

impl Cap<Domain> {
    /// Moves a thread to a scheduling domain.
    ///
    /// Corresponds to `seL4_DomainSet_Set`.
    ///
    /// # Errors
    ///
    /// The table of `DomainSetSet`, kernel ABI 3.7.
    pub fn set(self, domain: u64, thread: Cap<Tcb>) -> Result<()> {
        self.perform(InvocationLabel::DomainSetSet, &[domain], &[thread.cptr()])
    }
}

#[cfg(test)]
mod tests {
    use sel4_abi::registers::{CONTEXT, Register};

    use super::*;

    #[test]
    fn registers_keep_their_place_in_the_message() {
        let words = core::array::from_fn(|index| index as u64);
        let context = context_from_words(&words);
        assert_eq!(context_words(&context), words);
        for (index, register) in CONTEXT.iter().enumerate() {
            let value = match register {
                Register::Pc => Some(context.pc),
                Register::Sp => Some(context.sp),
                Register::Spsr => Some(context.spsr),
                Register::X(number) => general_register(&context, usize::from(*number)),
                Register::Tpidr => Some(context.tpidr_el0),
                Register::Tpidrro => Some(context.tpidrro_el0),
            };
            assert_eq!(value, Some(index as u64), "{register:?}");
        }
        assert_eq!(general_register(&context, 31), None);
    }

    #[test]
    fn setting_a_register_changes_that_one() {
        for number in 0..31 {
            let mut context = UserContext::default();
            set_general_register(&mut context, number, 7);
            let set = context_words(&context).iter().filter(|word| **word == 7).count();
            assert_eq!((general_register(&context, number), set), (Some(7), 1), "x{number}");
        }
    }
}
