//! Exceptions (`spec/mach-ports-tasks.md` E.3): the message to a handler, and its answer.

use core::fmt;

use crate::message::{CarriedRight, Full, PortMessage};
use crate::port::Disposition;
use crate::table::REPLY_OFFSET;
use crate::{KernReturn, PortName};

/// The id of `exception_raise`.
pub const EXCEPTION_RAISE: i32 = 2400;
/// The id of its reply.
pub const EXCEPTION_RAISE_REPLY: i32 = EXCEPTION_RAISE + REPLY_OFFSET as i32;

/// A kind of exception, `exception_type_t`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExceptionType(pub i32);

impl ExceptionType {
    /// An access to memory failed: code is a return code, subcode the address.
    pub const BAD_ACCESS: Self = Self(1);
    /// An instruction is undefined or not allowed.
    pub const BAD_INSTRUCTION: Self = Self(2);
    /// An arithmetic error.
    pub const ARITHMETIC: Self = Self(3);
    /// An emulated instruction.
    pub const EMULATION: Self = Self(4);
    /// Raised by software.
    pub const SOFTWARE: Self = Self(5);
    /// A breakpoint or a step.
    pub const BREAKPOINT: Self = Self(6);

    /// The name in Mach's headers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BAD_ACCESS => "EXC_BAD_ACCESS",
            Self::BAD_INSTRUCTION => "EXC_BAD_INSTRUCTION",
            Self::ARITHMETIC => "EXC_ARITHMETIC",
            Self::EMULATION => "EXC_EMULATION",
            Self::SOFTWARE => "EXC_SOFTWARE",
            Self::BREAKPOINT => "EXC_BREAKPOINT",
            _ => "EXC_UNKNOWN",
        }
    }
}

impl fmt::Debug for ExceptionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// GNU's code of `EXC_BAD_ACCESS` for a misaligned access.
pub const EXC_AARCH64_ALIGNMENT: i32 = 100;
/// GNU's code of `EXC_BAD_ACCESS` for a misaligned program counter.
pub const EXC_AARCH64_PC_ALIGNMENT: i32 = 101;
/// GNU's code of `EXC_BAD_ACCESS` for a misaligned stack pointer.
pub const EXC_AARCH64_SP_ALIGNMENT: i32 = 102;

/// `exception_raise`: a thread waits for its handler. Two rights (thread, task), three words of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExceptionRaise {
    /// A send right to the thread's port; the handler deallocates it.
    pub thread: PortName,
    /// A send right to the task's port; the handler deallocates it.
    pub task: PortName,
    /// What happened.
    pub exception: ExceptionType,
    /// More about it.
    pub code: i32,
    /// More about it; for a bad access the address.
    pub subcode: u64,
}

impl ExceptionRaise {
    /// The message, with the rights moved along. The header's rights are the sender's to set.
    ///
    /// # Errors
    ///
    /// None in practice: two rights and three words fit.
    pub fn to_message(&self) -> Result<PortMessage, Full> {
        let mut message = PortMessage::new(EXCEPTION_RAISE);
        for name in [self.thread, self.task] {
            message.push_right(CarriedRight { name, disposition: Disposition::MOVE_SEND })?;
        }
        for word in [i64::from(self.exception.0) as u64, i64::from(self.code) as u64, self.subcode] {
            message.push_word(word)?;
        }
        Ok(message)
    }

    /// The exception that `message` tells of.
    #[must_use]
    pub fn from_message(message: &PortMessage) -> Option<Self> {
        let [thread, task] = *message.rights().first_chunk()?;
        let [exception, code, subcode] = *message.data_words().first_chunk()?;
        if message.header.id != EXCEPTION_RAISE {
            return None;
        }
        Some(Self {
            thread: thread.name,
            task: task.name,
            exception: ExceptionType(i32::try_from(exception as i64).ok()?),
            code: i32::try_from(code as i64).ok()?,
            subcode,
        })
    }
}

/// The answer of a handler: success restarts the thread, anything else passes the exception on.
#[must_use]
pub fn reply_message(code: KernReturn) -> PortMessage {
    PortMessage::with_words(EXCEPTION_RAISE_REPLY, &[i64::from(code.0) as u64])
}

/// The code in a handler's answer; `None` if the message is none.
#[must_use]
pub fn reply_code(message: &PortMessage) -> Option<KernReturn> {
    let [code] = *message.data_words().first_chunk()?;
    if message.header.id != EXCEPTION_RAISE_REPLY {
        return None;
    }
    Some(KernReturn(i32::try_from(code as i64).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_and_answer_come_back() {
        let raise = ExceptionRaise {
            thread: PortName(3),
            task: PortName(4),
            exception: ExceptionType::BAD_ACCESS,
            code: 2,
            subcode: 0xffff_ffff_ffff_fffe,
        };
        let message = raise.to_message().unwrap();
        assert_eq!(ExceptionRaise::from_message(&message), Some(raise));
        for code in [KernReturn::SUCCESS, KernReturn::FAILURE, KernReturn::MIG_BAD_ID] {
            assert_eq!(reply_code(&reply_message(code)), Some(code));
        }
        assert_eq!(reply_code(&message), None);
        assert_eq!(ExceptionRaise::from_message(&PortMessage::new(EXCEPTION_RAISE)), None);
    }
}
