//! What the kernel answers when it refuses an invocation.

use core::fmt;

use sel4_abi::{ErrorCode, LookupFailure};

use crate::cap::Answer;

/// The outcome of an invocation.
pub type Result<T> = core::result::Result<T, Error>;

/// A refused invocation, which changed nothing. Corresponds to `seL4_Error` with its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// An argument has a value that is not allowed.
    InvalidArgument {
        /// Its number.
        index: u64,
    },
    /// A capability is of the wrong kind, stale or missing.
    InvalidCapability {
        /// Its number; 0 is the invoked one.
        index: u64,
    },
    /// The operation is unknown, or not allowed now.
    IllegalOperation,
    /// An argument is out of range.
    RangeError {
        /// The smallest value allowed.
        min: u64,
        /// The largest value allowed.
        max: u64,
    },
    /// An address is not aligned.
    AlignmentError,
    /// A slot was not found.
    FailedLookup {
        /// Whether the source was looked up.
        source: bool,
        /// Why it was not found; `None` if the kernel gave a reason that is not known here.
        failure: Option<LookupFailure>,
    },
    /// Words or capabilities are missing from the message.
    TruncatedMessage,
    /// A slot that must be empty is not.
    DeleteFirst,
    /// A capability that must not have children has some.
    RevokeFirst,
    /// An untyped has no room.
    NotEnoughMemory {
        /// Bytes left in it.
        left: u64,
    },
    /// The label is none that the interface defines.
    Unknown {
        /// The label.
        label: u64,
    },
}

impl Error {
    /// Reads the label and the payload of an answer.
    pub(crate) fn decode(answer: &Answer) -> Self {
        let word = |index| answer.word(index);
        match ErrorCode::from_label(answer.info.label()) {
            Some(ErrorCode::InvalidArgument) => Self::InvalidArgument { index: word(0) },
            Some(ErrorCode::InvalidCapability) => Self::InvalidCapability { index: word(0) },
            Some(ErrorCode::IllegalOperation) => Self::IllegalOperation,
            Some(ErrorCode::RangeError) => Self::RangeError { min: word(0), max: word(1) },
            Some(ErrorCode::AlignmentError) => Self::AlignmentError,
            Some(ErrorCode::FailedLookup) => {
                Self::FailedLookup { source: word(0) != 0, failure: lookup_failure(answer) }
            }
            Some(ErrorCode::TruncatedMessage) => Self::TruncatedMessage,
            Some(ErrorCode::DeleteFirst) => Self::DeleteFirst,
            Some(ErrorCode::RevokeFirst) => Self::RevokeFirst,
            Some(ErrorCode::NotEnoughMemory) => Self::NotEnoughMemory { left: word(0) },
            Some(ErrorCode::NoError) | None => Self::Unknown { label: answer.info.label() },
        }
    }
}

/// Reads the lookup failure that starts at message register 1.
fn lookup_failure(answer: &Answer) -> Option<LookupFailure> {
    let word = |index| answer.word(index);
    match word(1) {
        1 => Some(LookupFailure::InvalidRoot),
        2 => Some(LookupFailure::MissingCapability { bits_left: word(2) }),
        3 => Some(LookupFailure::DepthMismatch { bits_left: word(2), bits_found: word(3) }),
        4 => Some(LookupFailure::GuardMismatch { bits_left: word(2), guard_found: word(3), bits_found: word(4) }),
        _ => None,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl core::error::Error for Error {}
