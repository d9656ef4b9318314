//! Labels and message layouts of faults.

/// The label of a fault message. Corresponds to `seL4_Fault_tag_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum FaultLabel {
    /// Corresponds to `seL4_Fault_NullFault`.
    None = 0,
    /// Corresponds to `seL4_Fault_CapFault`.
    CapFault = 1,
    /// Corresponds to `seL4_Fault_UnknownSyscall`.
    UnknownSyscall = 2,
    /// Corresponds to `seL4_Fault_UserException`.
    UserException = 3,
    /// Corresponds to `seL4_Fault_Timeout`.
    Timeout = 5,
    /// Corresponds to `seL4_Fault_VMFault`.
    VmFault = 6,
}

impl FaultLabel {
    /// Recognises the label of a fault message.
    #[must_use]
    pub const fn from_label(label: u64) -> Option<FaultLabel> {
        match label {
            0 => Some(FaultLabel::None),
            1 => Some(FaultLabel::CapFault),
            2 => Some(FaultLabel::UnknownSyscall),
            3 => Some(FaultLabel::UserException),
            5 => Some(FaultLabel::Timeout),
            6 => Some(FaultLabel::VmFault),
            _ => None,
        }
    }

    /// The number of the label.
    #[must_use]
    pub const fn number(self) -> u64 {
        self as u64
    }
}

/// Message registers of a capability fault. Corresponds to `seL4_CapFault_Msg`.
pub mod cap_fault {
    /// Restart PC: the address of the `svc`.
    pub const IP: usize = 0;
    /// The address that failed.
    pub const ADDR: usize = 1;
    /// 1 in the receive phase.
    pub const IN_RECV_PHASE: usize = 2;
    /// Lookup failure type; its words follow.
    pub const LOOKUP_FAILURE_TYPE: usize = 3;
}

/// Message registers of an unknown system call. Corresponds to `seL4_UnknownSyscall_Msg`.
pub mod unknown_syscall {
    /// `x0`; `x1` to `x7` follow.
    pub const X0: usize = 0;
    /// Restart PC.
    pub const FAULT_IP: usize = 8;
    /// Stack pointer.
    pub const SP: usize = 9;
    /// Resume PC (libsel4 calls it LR).
    pub const LR: usize = 10;
    /// Saved program state.
    pub const SPSR: usize = 11;
    /// The number of the system call.
    pub const SYSCALL: usize = 12;
    /// Length of the message.
    pub const LENGTH: usize = 13;
    /// Registers that a reply can set.
    pub const REPLY_LENGTH: usize = 12;
}

/// Message registers of a user exception. Corresponds to `seL4_UserException_Msg`.
pub mod user_exception {
    /// Address of the instruction.
    pub const FAULT_IP: usize = 0;
    /// Stack pointer.
    pub const SP: usize = 1;
    /// Saved program state.
    pub const SPSR: usize = 2;
    /// The syndrome register.
    pub const NUMBER: usize = 3;
    /// Always 0.
    pub const CODE: usize = 4;
    /// Length of the message.
    pub const LENGTH: usize = 5;
    /// Registers that a reply can set.
    pub const REPLY_LENGTH: usize = 3;
}

/// Message registers of a VM fault. Corresponds to `seL4_VMFault_Msg`.
pub mod vm_fault {
    /// Restart PC.
    pub const IP: usize = 0;
    /// The address that faulted.
    pub const ADDR: usize = 1;
    /// 1 for instruction aborts.
    pub const PREFETCH_FAULT: usize = 2;
    /// The syndrome register.
    pub const FSR: usize = 3;
    /// Length of the message.
    pub const LENGTH: usize = 4;
}

/// Message registers of a timeout fault. Corresponds to `seL4_Timeout_Msg`.
pub mod timeout {
    /// Badge of the scheduling context.
    pub const DATA: usize = 0;
    /// Consumed time in microseconds.
    pub const CONSUMED: usize = 1;
    /// Length of the message if the thread has a scheduling context.
    pub const LENGTH: usize = 2;
    /// Registers that a reply can set. Corresponds to `seL4_TimeoutReply_Length`.
    pub const REPLY_LENGTH: usize = 34;
}
