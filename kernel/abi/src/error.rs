//! Error numbers of kernel replies, and the words that describe a failed lookup.

/// An error that the kernel replies with. Corresponds to `seL4_Error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum ErrorCode {
    /// Corresponds to `seL4_NoError`.
    NoError = 0,
    /// MR0: number of the argument. Corresponds to `seL4_InvalidArgument`.
    InvalidArgument = 1,
    /// MR0: number of the capability. Corresponds to `seL4_InvalidCapability`.
    InvalidCapability = 2,
    /// Corresponds to `seL4_IllegalOperation`.
    IllegalOperation = 3,
    /// MR0, MR1: smallest and largest value. Corresponds to `seL4_RangeError`.
    RangeError = 4,
    /// Corresponds to `seL4_AlignmentError`.
    AlignmentError = 5,
    /// MR0: was it the source; MR1…: the lookup failure. Corresponds to `seL4_FailedLookup`.
    FailedLookup = 6,
    /// Corresponds to `seL4_TruncatedMessage`.
    TruncatedMessage = 7,
    /// Corresponds to `seL4_DeleteFirst`.
    DeleteFirst = 8,
    /// Corresponds to `seL4_RevokeFirst`.
    RevokeFirst = 9,
    /// MR0: bytes left. Corresponds to `seL4_NotEnoughMemory`.
    NotEnoughMemory = 10,
}

impl ErrorCode {
    /// All errors, in the order of their numbers.
    pub const ALL: &'static [ErrorCode] = &[
        ErrorCode::NoError,
        ErrorCode::InvalidArgument,
        ErrorCode::InvalidCapability,
        ErrorCode::IllegalOperation,
        ErrorCode::RangeError,
        ErrorCode::AlignmentError,
        ErrorCode::FailedLookup,
        ErrorCode::TruncatedMessage,
        ErrorCode::DeleteFirst,
        ErrorCode::RevokeFirst,
        ErrorCode::NotEnoughMemory,
    ];

    /// Recognises the label of a kernel reply.
    #[must_use]
    pub fn from_label(label: u64) -> Option<ErrorCode> {
        usize::try_from(label).ok().and_then(|n| Self::ALL.get(n).copied())
    }

    /// The number, as it stands in the label of a reply.
    #[must_use]
    pub const fn number(self) -> u64 {
        self as u64
    }
}

/// Why a capability address did not resolve. Corresponds to `seL4_LookupFailureType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupFailure {
    /// The root is no CNode.
    InvalidRoot,
    /// The slot is empty, or holds something else than needed.
    MissingCapability {
        /// Address bits not resolved.
        bits_left: u64,
    },
    /// The address ends within a level, or goes on behind the last one.
    DepthMismatch {
        /// Address bits not resolved.
        bits_left: u64,
        /// Bits that the level wanted.
        bits_found: u64,
    },
    /// The address differs from the guard.
    GuardMismatch {
        /// Address bits not resolved.
        bits_left: u64,
        /// The guard.
        guard_found: u64,
        /// Bits of the guard.
        bits_found: u64,
    },
}

impl LookupFailure {
    /// The type number. Corresponds to `seL4_InvalidRoot` and its neighbours.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            LookupFailure::InvalidRoot => 1,
            LookupFailure::MissingCapability { .. } => 2,
            LookupFailure::DepthMismatch { .. } => 3,
            LookupFailure::GuardMismatch { .. } => 4,
        }
    }

    /// Type number and words as they stand in messages, and how many of the four are used.
    #[must_use]
    pub const fn words(self) -> ([u64; 4], usize) {
        let n = self.number();
        match self {
            LookupFailure::InvalidRoot => ([n, 0, 0, 0], 1),
            LookupFailure::MissingCapability { bits_left } => ([n, bits_left, 0, 0], 2),
            LookupFailure::DepthMismatch { bits_left, bits_found } => ([n, bits_left, bits_found, 0], 3),
            LookupFailure::GuardMismatch { bits_left, guard_found, bits_found } => {
                ([n, bits_left, guard_found, bits_found], 4)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_numbered_in_order() {
        for (i, e) in ErrorCode::ALL.iter().enumerate() {
            assert_eq!(e.number(), i as u64);
            assert_eq!(ErrorCode::from_label(i as u64), Some(*e));
        }
        assert_eq!(ErrorCode::from_label(11), None);
    }

    #[test]
    fn guard_mismatch_words_as_measured() {
        let f = LookupFailure::GuardMismatch { bits_left: 64, guard_found: 0, bits_found: 51 };
        assert_eq!(f.words(), ([4, 64, 0, 51], 4));
    }
}
