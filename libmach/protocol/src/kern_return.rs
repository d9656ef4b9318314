//! Return codes: `kern_return_t` and `mach_msg_return_t`, one number space.

use core::fmt;

/// A return code. Success is a code as well: calls turn it into `Ok`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KernReturn(pub i32);

/// What a call gives: its results, or the code that it failed with.
pub type KernResult<T> = Result<T, KernReturn>;

macro_rules! codes {
    ($($name:ident = $value:expr, $explanation:literal;)*) => {
        impl KernReturn {
            $(
                #[doc = concat!($explanation, ".")]
                pub const $name: Self = Self($value);
            )*

            /// The name of the code in Mach's headers, without the family's prefix for `KERN_`.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// What the code means, in a few words.
            #[must_use]
            pub const fn explanation(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($explanation),)*
                    _ => None,
                }
            }
        }

        #[cfg(test)]
        const ALL: &[KernReturn] = &[$(KernReturn::$name),*];
    };
}

codes! {
    SUCCESS = 0, "success";
    INVALID_ADDRESS = 1, "no memory is mapped there";
    PROTECTION_FAILURE = 2, "the memory's protection forbids it";
    NO_SPACE = 3, "no room in the address space, or a limit is reached";
    INVALID_ARGUMENT = 4, "an argument is not allowed";
    FAILURE = 5, "the call cannot be done now";
    RESOURCE_SHORTAGE = 6, "the system has not enough memory";
    NOT_RECEIVER = 7, "the task does not hold the receive right";
    NO_ACCESS = 8, "the caller lacks the privilege";
    MEMORY_FAILURE = 9, "the memory object was destroyed";
    MEMORY_ERROR = 10, "the memory manager did not give the data";
    ALREADY_IN_SET = 11, "the port is in the set already";
    NOT_IN_SET = 12, "the port is in no set";
    NAME_EXISTS = 13, "the name is in use";
    ABORTED = 14, "the call was aborted";
    INVALID_NAME = 15, "the name denotes nothing";
    INVALID_TASK = 16, "the target is no task";
    INVALID_RIGHT = 17, "the name denotes no such right";
    INVALID_VALUE = 18, "a value is out of range";
    UREFS_OVERFLOW = 19, "too many user references";
    INVALID_CAPABILITY = 20, "the right is null or dead";
    RIGHT_EXISTS = 21, "the task knows the port by another name";
    INVALID_HOST = 22, "the target is no host port, or not the privileged one";
    MEMORY_PRESENT = 23, "the page is there already";
    INVALID_OBJECT = 29, "the right is no memory object";
    TERMINATED = 37, "the target is being terminated";
    NOT_SUPPORTED = 46, "the call is not supported";
    OPERATION_TIMED_OUT = 49, "the time limit passed";
    MIG_TYPE_ERROR = -300, "the reply has the wrong shape";
    MIG_REPLY_MISMATCH = -301, "the reply is to another request";
    MIG_REMOTE_ERROR = -302, "the server found a wrong request";
    MIG_BAD_ID = -303, "the server does not know the request";
    MIG_BAD_ARGUMENTS = -304, "the request has the wrong shape";
    MIG_NO_REPLY = -305, "the server will not reply";
    MIG_SERVER_DIED = -308, "the server threw the request away";
    SEND_IN_PROGRESS = 0x1000_0001, "the message is being sent";
    SEND_INVALID_DATA = 0x1000_0002, "the message cannot be read";
    SEND_INVALID_DEST = 0x1000_0003, "the destination is no usable send right";
    SEND_TIMED_OUT = 0x1000_0004, "the queue stayed full";
    SEND_INTERRUPTED = 0x1000_0007, "sending was interrupted";
    SEND_MSG_TOO_SMALL = 0x1000_0008, "the message is shorter than its header, or misaligned";
    SEND_INVALID_REPLY = 0x1000_0009, "the reply port is no usable right";
    SEND_INVALID_RIGHT = 0x1000_000a, "the message carries a right that the sender lacks";
    SEND_INVALID_NOTIFY = 0x1000_000b, "the notify port is no receive right";
    SEND_INVALID_MEMORY = 0x1000_000c, "the sender's memory cannot be read";
    SEND_NO_BUFFER = 0x1000_000d, "no message buffer is left";
    SEND_INVALID_TYPE = 0x1000_000f, "the message carries an unknown kind of right";
    SEND_INVALID_HEADER = 0x1000_0010, "the message's header is malformed";
    SEND_TO_TASK = 0x1000_0f00, "the target is a port of a task's, to which the call goes as a message";
    RCV_IN_PROGRESS = 0x1000_4001, "the message is being received";
    RCV_INVALID_NAME = 0x1000_4002, "the name denotes no receive right";
    RCV_TIMED_OUT = 0x1000_4003, "no message came";
    RCV_TOO_LARGE = 0x1000_4004, "the message is larger than the buffer";
    RCV_INTERRUPTED = 0x1000_4005, "receiving was interrupted";
    RCV_PORT_CHANGED = 0x1000_4006, "the port was moved into a set";
    RCV_INVALID_NOTIFY = 0x1000_4007, "the notify port is no receive right";
    RCV_INVALID_DATA = 0x1000_4008, "the buffer cannot be written";
    RCV_PORT_DIED = 0x1000_4009, "the port died";
    RCV_IN_SET = 0x1000_400a, "the port is in a set";
    RCV_HEADER_ERROR = 0x1000_400b, "the header's rights do not fit";
    RCV_BODY_ERROR = 0x1000_400c, "some of the body did not fit";
}

impl KernReturn {
    /// `Ok` for success, else the code as the error.
    ///
    /// # Errors
    ///
    /// The code itself unless it is [`KernReturn::SUCCESS`].
    pub const fn ok(self) -> Result<(), Self> {
        match self {
            Self::SUCCESS => Ok(()),
            code => Err(code),
        }
    }

    /// Whether a message could not be sent: the server never saw it.
    #[must_use]
    pub const fn is_send_error(self) -> bool {
        self.0 & 0x7fff_c000 == 0x1000_0000
    }

    /// Whether receiving failed.
    #[must_use]
    pub const fn is_receive_error(self) -> bool {
        self.0 & 0x7fff_c000 == 0x1000_4000
    }
}

impl fmt::Debug for KernReturn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.0 {
            0..=0x100 => "KERN_",
            0x1000_0000..0x1001_0000 => "MACH_",
            _ => "",
        };
        match self.name() {
            Some(name) => write!(f, "{family}{name}"),
            None => write!(f, "return code {:#x}", self.0),
        }
    }
}

impl fmt::Display for KernReturn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.explanation() {
            Some(explanation) => write!(f, "{self:?}: {explanation}"),
            None => write!(f, "{self:?}"),
        }
    }
}

impl core::error::Error for KernReturn {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct() {
        for (index, code) in ALL.iter().enumerate() {
            assert!(!ALL.iter().skip(index + 1).any(|other| other == code), "{code:?}");
        }
    }

    #[test]
    fn names_carry_the_prefix_of_their_header() {
        assert_eq!(format!("{:?}", KernReturn::NO_SPACE), "KERN_NO_SPACE");
        assert_eq!(format!("{:?}", KernReturn::SEND_INVALID_DEST), "MACH_SEND_INVALID_DEST");
        assert_eq!(format!("{:?}", KernReturn::MIG_BAD_ID), "MIG_BAD_ID");
        assert_eq!(format!("{:?}", KernReturn(77)), "return code 0x4d");
    }

    #[test]
    fn only_success_is_ok() {
        for code in ALL {
            assert_eq!(code.ok().is_ok(), code.0 == 0);
        }
    }

    #[test]
    fn message_codes_know_their_side() {
        assert!(KernReturn::SEND_INVALID_DEST.is_send_error());
        assert!(!KernReturn::SEND_INVALID_DEST.is_receive_error());
        assert!(KernReturn::RCV_BODY_ERROR.is_receive_error());
        assert!(KernReturn(0x1000_500c).0 & 0x3fff == 0x100c);
    }
}
