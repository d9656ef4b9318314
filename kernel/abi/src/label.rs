//! Labels of object invocations: one table that yields the enum, its names and argument counts.

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident = $number:literal, words $words:literal, caps $caps:literal;)*) => {
        /// The operation that an invocation asks for. Corresponds to `enum invocation_label`,
        /// `enum arch_invocation_label` and `enum sel4_arch_invocation_label` together.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u64)]
        pub enum InvocationLabel {
            $($(#[$doc])* $name = $number,)*
        }

        impl InvocationLabel {
            /// All labels, in the order of their numbers.
            pub const ALL: &'static [InvocationLabel] = &[$(InvocationLabel::$name,)*];

            /// The name of the operation, without its C prefix.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(InvocationLabel::$name => stringify!($name),)*
                }
            }

            /// The number of message words that the operation reads at least.
            #[must_use]
            pub const fn words(self) -> usize {
                match self {
                    $(InvocationLabel::$name => $words,)*
                }
            }

            /// The number of extra capabilities that the operation needs.
            #[must_use]
            pub const fn extra_caps(self) -> usize {
                match self {
                    $(InvocationLabel::$name => $caps,)*
                }
            }
        }

        impl TryFrom<u64> for InvocationLabel {
            type Error = UnknownLabel;

            fn try_from(label: u64) -> Result<Self, UnknownLabel> {
                match label {
                    $($number => Ok(InvocationLabel::$name),)*
                    other => Err(UnknownLabel(other)),
                }
            }
        }
    };
}

labels! {
    /// Corresponds to `UntypedRetype`.
    UntypedRetype = 1, words 6, caps 1;
    /// Corresponds to `TCBReadRegisters`.
    TcbReadRegisters = 2, words 2, caps 0;
    /// Corresponds to `TCBWriteRegisters`.
    TcbWriteRegisters = 3, words 2, caps 0;
    /// Corresponds to `TCBCopyRegisters`.
    TcbCopyRegisters = 4, words 1, caps 1;
    /// Corresponds to `TCBConfigure`.
    TcbConfigure = 5, words 3, caps 3;
    /// Corresponds to `TCBSetPriority`.
    TcbSetPriority = 6, words 1, caps 1;
    /// Corresponds to `TCBSetMCPriority`.
    TcbSetMcPriority = 7, words 1, caps 1;
    /// Corresponds to `TCBSetSchedParams`.
    TcbSetSchedParams = 8, words 2, caps 3;
    /// Corresponds to `TCBSetTimeoutEndpoint`.
    TcbSetTimeoutEndpoint = 9, words 0, caps 1;
    /// Corresponds to `TCBSetIPCBuffer`.
    TcbSetIpcBuffer = 10, words 1, caps 1;
    /// Corresponds to `TCBSetSpace`.
    TcbSetSpace = 11, words 2, caps 3;
    /// Corresponds to `TCBSuspend`.
    TcbSuspend = 12, words 0, caps 0;
    /// Corresponds to `TCBResume`.
    TcbResume = 13, words 0, caps 0;
    /// Corresponds to `TCBBindNotification`.
    TcbBindNotification = 14, words 0, caps 1;
    /// Corresponds to `TCBUnbindNotification`.
    TcbUnbindNotification = 15, words 0, caps 0;
    /// Corresponds to `TCBSetTLSBase`.
    TcbSetTlsBase = 16, words 1, caps 0;
    /// Corresponds to `TCBSetFlags`.
    TcbSetFlags = 17, words 2, caps 0;
    /// Corresponds to `CNodeRevoke`.
    CNodeRevoke = 18, words 2, caps 0;
    /// Corresponds to `CNodeDelete`.
    CNodeDelete = 19, words 2, caps 0;
    /// Corresponds to `CNodeCancelBadgedSends`.
    CNodeCancelBadgedSends = 20, words 2, caps 0;
    /// Corresponds to `CNodeCopy`.
    CNodeCopy = 21, words 5, caps 1;
    /// Corresponds to `CNodeMint`.
    CNodeMint = 22, words 6, caps 1;
    /// Corresponds to `CNodeMove`.
    CNodeMove = 23, words 4, caps 1;
    /// Corresponds to `CNodeMutate`.
    CNodeMutate = 24, words 5, caps 1;
    /// Corresponds to `CNodeRotate`.
    CNodeRotate = 25, words 8, caps 2;
    /// Corresponds to `IRQIssueIRQHandler`.
    IrqIssueIrqHandler = 26, words 3, caps 1;
    /// Corresponds to `IRQAckIRQ`.
    IrqAckIrq = 27, words 0, caps 0;
    /// Corresponds to `IRQSetIRQHandler`.
    IrqSetIrqHandler = 28, words 0, caps 1;
    /// Corresponds to `IRQClearIRQHandler`.
    IrqClearIrqHandler = 29, words 0, caps 0;
    /// Corresponds to `DomainSetSet`.
    DomainSetSet = 30, words 1, caps 1;
    /// Corresponds to `DomainScheduleConfigure`.
    DomainScheduleConfigure = 31, words 3, caps 0;
    /// Corresponds to `DomainScheduleSetStart`.
    DomainScheduleSetStart = 32, words 1, caps 0;
    /// Corresponds to `SchedControlConfigureFlags`.
    SchedControlConfigureFlags = 33, words 5, caps 1;
    /// Corresponds to `SchedContextBind`.
    SchedContextBind = 34, words 0, caps 1;
    /// Corresponds to `SchedContextUnbind`.
    SchedContextUnbind = 35, words 0, caps 0;
    /// Corresponds to `SchedContextUnbindObject`.
    SchedContextUnbindObject = 36, words 0, caps 1;
    /// Corresponds to `SchedContextConsumed`.
    SchedContextConsumed = 37, words 0, caps 0;
    /// Corresponds to `SchedContextYieldTo`.
    SchedContextYieldTo = 38, words 0, caps 0;
    /// Corresponds to `ARMVSpaceClean_Data`.
    VSpaceCleanData = 39, words 2, caps 0;
    /// Corresponds to `ARMVSpaceInvalidate_Data`.
    VSpaceInvalidateData = 40, words 2, caps 0;
    /// Corresponds to `ARMVSpaceCleanInvalidate_Data`.
    VSpaceCleanInvalidateData = 41, words 2, caps 0;
    /// Corresponds to `ARMVSpaceUnify_Instruction`.
    VSpaceUnifyInstruction = 42, words 2, caps 0;
    /// Corresponds to `ARMSMCCall`.
    SmcCall = 43, words 8, caps 0;
    /// Corresponds to `ARMPageTableMap`.
    PageTableMap = 44, words 2, caps 1;
    /// Corresponds to `ARMPageTableUnmap`.
    PageTableUnmap = 45, words 0, caps 0;
    /// Corresponds to `ARMPageMap`.
    PageMap = 46, words 3, caps 1;
    /// Corresponds to `ARMPageUnmap`.
    PageUnmap = 47, words 0, caps 0;
    /// Corresponds to `ARMPageClean_Data`.
    PageCleanData = 48, words 2, caps 0;
    /// Corresponds to `ARMPageInvalidate_Data`.
    PageInvalidateData = 49, words 2, caps 0;
    /// Corresponds to `ARMPageCleanInvalidate_Data`.
    PageCleanInvalidateData = 50, words 2, caps 0;
    /// Corresponds to `ARMPageUnify_Instruction`.
    PageUnifyInstruction = 51, words 2, caps 0;
    /// Corresponds to `ARMPageGetAddress`.
    PageGetAddress = 52, words 0, caps 0;
    /// Corresponds to `ARMASIDControlMakePool`.
    AsidControlMakePool = 53, words 2, caps 2;
    /// Corresponds to `ARMASIDPoolAssign`.
    AsidPoolAssign = 54, words 0, caps 1;
    /// Corresponds to `ARMIRQIssueIRQHandlerTrigger`.
    IrqIssueIrqHandlerTrigger = 55, words 4, caps 1;
    /// Corresponds to `ARMIRQIssueSGISignal`.
    IrqIssueSgiSignal = 56, words 4, caps 1;
}

/// A label that names no operation of this configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownLabel(pub u64);

impl InvocationLabel {
    /// The number, as it stands in a message-info word.
    #[must_use]
    pub const fn number(self) -> u64 {
        self as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_consecutive_from_one() {
        for (i, label) in InvocationLabel::ALL.iter().enumerate() {
            let number = 1 + u64::try_from(i).unwrap();
            assert_eq!(label.number(), number);
            assert_eq!(InvocationLabel::try_from(number), Ok(*label));
        }
        assert_eq!(InvocationLabel::ALL.len(), 56);
    }

    #[test]
    fn zero_and_beyond_are_unknown() {
        for n in [0, 57, 1 << 32 | 1, u64::MAX] {
            assert_eq!(InvocationLabel::try_from(n), Err(UnknownLabel(n)));
        }
    }
}
