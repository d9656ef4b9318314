//! What can go wrong, one type per audience.

use sel4_abi::ErrorCode;

/// Why a capability address did not resolve. Goes into error replies and into capability faults.
pub use sel4_abi::LookupFailure as LookupFault;

/// Which address of an invocation was being looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupSide {
    /// The address of the source.
    Source,
    /// Any other address.
    Destination,
}

/// A user mistake: the kernel refuses the invocation, changes nothing, and says this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyscallError {
    /// An argument has a value that is not allowed.
    InvalidArgument {
        /// Number of the argument.
        index: u64,
    },
    /// A capability is of the wrong kind.
    InvalidCapability {
        /// Number of the capability; 0 is the invoked one.
        index: u64,
    },
    /// The operation is not possible, in general or now.
    IllegalOperation,
    /// An argument is outside its range.
    RangeError {
        /// Smallest value allowed.
        min: u64,
        /// Largest value allowed.
        max: u64,
    },
    /// An address is not aligned.
    AlignmentError,
    /// A capability address did not resolve.
    FailedLookup {
        /// Which address.
        side: LookupSide,
        /// Why.
        fault: LookupFault,
    },
    /// Too few message words or extra capabilities.
    TruncatedMessage,
    /// Something is in the way.
    DeleteFirst,
    /// The capability has children.
    RevokeFirst,
    /// The untyped has not enough room.
    NotEnoughMemory {
        /// Bytes left, without regard to alignment.
        bytes_left: u64,
    },
}

impl SyscallError {
    /// The error number.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            SyscallError::InvalidArgument { .. } => ErrorCode::InvalidArgument,
            SyscallError::InvalidCapability { .. } => ErrorCode::InvalidCapability,
            SyscallError::IllegalOperation => ErrorCode::IllegalOperation,
            SyscallError::RangeError { .. } => ErrorCode::RangeError,
            SyscallError::AlignmentError => ErrorCode::AlignmentError,
            SyscallError::FailedLookup { .. } => ErrorCode::FailedLookup,
            SyscallError::TruncatedMessage => ErrorCode::TruncatedMessage,
            SyscallError::DeleteFirst => ErrorCode::DeleteFirst,
            SyscallError::RevokeFirst => ErrorCode::RevokeFirst,
            SyscallError::NotEnoughMemory { .. } => ErrorCode::NotEnoughMemory,
        }
    }
}

/// A long operation met a preemption point where something else is due. The thread executes its
/// system call again from the start when it next runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preempted;

/// Why an invocation did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvocationError {
    /// It is refused; the caller is told, if it called.
    Refused(SyscallError),
    /// It is to be executed again.
    Preempted,
}

impl From<SyscallError> for InvocationError {
    fn from(error: SyscallError) -> Self {
        InvocationError::Refused(error)
    }
}

impl From<Preempted> for InvocationError {
    fn from(_: Preempted) -> Self {
        InvocationError::Preempted
    }
}

/// Whether a capability fault happened while sending or while receiving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPhase {
    /// Looking up what to send to.
    Send,
    /// Looking up what to receive from, or the reply object.
    Receive,
}

/// A mistake of a thread that its fault handler is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A capability address did not resolve.
    Cap {
        /// The address.
        addr: u64,
        /// When.
        phase: FaultPhase,
        /// Why.
        lookup: LookupFault,
    },
    /// `x7` held no known number.
    UnknownSyscall {
        /// The number.
        number: u64,
    },
    /// A synchronous exception that is neither a system call nor an abort.
    UserException {
        /// The syndrome register.
        number: u64,
        /// Always 0.
        code: u64,
    },
    /// The budget is exhausted.
    Timeout {
        /// The badge of the scheduling context.
        badge: u64,
    },
    /// A data or instruction abort.
    Vm {
        /// The address that was accessed.
        addr: u64,
        /// The syndrome register.
        fsr: u64,
        /// Was it an instruction fetch?
        is_instruction: bool,
    },
}
