//! System-call numbers, as passed in `x7`.

macro_rules! syscalls {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        /// A system call of this configuration. Corresponds to `seL4_Syscall_ID`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(i64)]
        pub enum Syscall {
            $($(#[$doc])* $name = $number,)*
        }

        impl Syscall {
            /// All calls, in the order of their numbers.
            pub const ALL: &'static [Syscall] = &[$(Syscall::$name,)*];

            /// Recognises the value of `x7`; `None` is an unknown system call.
            #[must_use]
            pub const fn from_number(number: i64) -> Option<Syscall> {
                match number {
                    $($number => Some(Syscall::$name),)*
                    _ => None,
                }
            }

            /// The value for `x7`.
            #[must_use]
            pub const fn number(self) -> i64 {
                self as i64
            }

            /// The name without its C prefix.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Syscall::$name => stringify!($name),)*
                }
            }
        }
    };
}

syscalls! {
    /// Corresponds to `seL4_SysCall`.
    Call = -1;
    /// Corresponds to `seL4_SysReplyRecv`.
    ReplyRecv = -2;
    /// Corresponds to `seL4_SysNBSendRecv`.
    NbSendRecv = -3;
    /// Corresponds to `seL4_SysNBSendWait`.
    NbSendWait = -4;
    /// Corresponds to `seL4_SysSend`.
    Send = -5;
    /// Corresponds to `seL4_SysNBSend`.
    NbSend = -6;
    /// Corresponds to `seL4_SysRecv`.
    Recv = -7;
    /// Corresponds to `seL4_SysNBRecv`.
    NbRecv = -8;
    /// Corresponds to `seL4_SysWait`.
    Wait = -9;
    /// Corresponds to `seL4_SysNBWait`.
    NbWait = -10;
    /// Corresponds to `seL4_SysYield`.
    Yield = -11;
    /// Corresponds to `seL4_SysDebugPutChar`.
    DebugPutChar = -12;
    /// Corresponds to `seL4_SysDebugDumpScheduler`.
    DebugDumpScheduler = -13;
    /// Corresponds to `seL4_SysDebugHalt`.
    DebugHalt = -14;
    /// Corresponds to `seL4_SysDebugCapIdentify`.
    DebugCapIdentify = -15;
    /// Corresponds to `seL4_SysDebugSnapshot`.
    DebugSnapshot = -16;
    /// Corresponds to `seL4_SysDebugNameThread`.
    DebugNameThread = -17;
}

impl Syscall {
    /// Is the call one of those that only debug kernels have?
    #[must_use]
    pub const fn is_debug(self) -> bool {
        (self as i64) <= Syscall::DebugPutChar as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_consecutive_from_minus_one() {
        for (i, call) in Syscall::ALL.iter().enumerate() {
            assert_eq!(call.number(), -1 - i64::try_from(i).unwrap());
            assert_eq!(Syscall::from_number(call.number()), Some(*call));
        }
    }

    #[test]
    fn absent_calls_are_unknown() {
        for n in [0, 1, -18, -19, -20, -32, -33, 0xffff_fff5, i64::MIN, i64::MAX] {
            assert_eq!(Syscall::from_number(n), None);
        }
    }
}
