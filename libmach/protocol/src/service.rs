//! What the first servers offer over ports: the name service in root, the console, and root's starting of programs.
//!
//! Each request is a message with these words as data; the answer has the id + 100 and the return code as its
//! first word. Clients send with a reply port of their own (RPC).

use crate::message::{CarriedRight, Full, PortMessage};
use crate::table::REPLY_OFFSET;
use crate::wire::{Reader, Text, Wire, Words};
use crate::{KernReturn, PortName};

/// Gives a port a name: data the [`ServiceName`], one right, the send right. No outs. A name is free again when its
/// port has died. Codes: INVALID_ARGUMENT (no name, a dead right), INVALID_CAPABILITY (another right, or none),
/// NO_ACCESS (a name of the system's), NAME_EXISTS, RESOURCE_SHORTAGE (too many names of the caller's, and of the tasks that
/// have its bootstrap port).
pub const NAMES_REGISTER: i32 = 7200;
/// Finds a port by its name: data the [`ServiceName`]. Outs: one right, the send right.
/// Codes: INVALID_CAPABILITY (a name of something that is not granted to the caller), INVALID_NAME.
pub const NAMES_LOOKUP: i32 = 7201;
/// Writes the data's bytes to the system's log, as a line that begins with `note: `. No outs. What does not print is shown
/// as `?`.
pub const NAMES_NOTE: i32 = 7202;
/// Makes a name service of its own for a task that the caller starts: the same names, and room for as many as a task may
/// register. Outs: one right, the send right to it; the names go with the last right. For the system's servers.
/// Codes: NO_ACCESS, those of making ports.
pub const NAMES_DIVIDE: i32 = 7203;
/// Writes the data's bytes to the console. Outs: none; the answer comes when they are written.
pub const CONSOLE_WRITE: i32 = 7300;
/// Reads a line that is typed, which the console shows and lets the user correct: data the most bytes. Outs: the bytes,
/// from the second word on, up to the end of the line; none at the end of the input.
/// Codes: RESOURCE_SHORTAGE if too many others read.
pub const CONSOLE_READ: i32 = 7301;
/// Reads bytes as they are typed, of which nothing is shown: data the most bytes. Outs: at least one, from the second
/// word on, up to the end of a line. This reader comes before those of lines, and there is one: another request ends it.
/// Codes: ABORTED if another reads so.
pub const CONSOLE_READ_KEYS: i32 = 7302;
/// Waits until the interrupt key, ^C, is typed; what was typed before is thrown away then. While nobody waits it is a
/// byte like others. There is one who waits: another request ends it.
/// Codes: ABORTED if another waits.
pub const CONSOLE_AWAIT_INTERRUPT: i32 = 7303;

/// Names the programs that root can start: data the index of the first one wanted. Outs: how many there are; then, from
/// the third word on, as many names as fit, each closed by a NUL.
pub const PROGRAM_LIST: i32 = 7210;
/// Makes a program into a task and starts it: data the word that comes back in
/// [`TaskEnded`](crate::private::TaskEnded), then the arguments, the program's name first, each closed by a NUL; rights:
/// where the end is told, and the task's name service, or null for root's. Outs: one right, the task's port.
/// Codes: INVALID_NAME if there is no such program, INVALID_ARGUMENT if it is none, those of making a task.
pub const PROGRAM_START: i32 = 7211;

/// The shell's name of root's port for programs. Only the shell gets the right: what is started by it has root's own name
/// service, unless the request brings another.
pub const PROGRAMS: PortName = PortName(2);

/// The console's name at the name service.
pub const CONSOLE: &str = "console";

/// The name of a service: at most 32 bytes.
pub type ServiceName = Text<4>;

/// The id of the answer to a message with this id.
#[must_use]
pub const fn reply_id(id: i32) -> i32 {
    id + REPLY_OFFSET as i32
}

/// The request [`NAMES_LOOKUP`].
#[must_use]
pub fn names_lookup(name: &str) -> PortMessage {
    named(NAMES_LOOKUP, name)
}

/// The request [`NAMES_REGISTER`].
///
/// # Errors
///
/// None in practice: a name and a right fit.
pub fn names_register(name: &str, right: CarriedRight) -> Result<PortMessage, Full> {
    let mut message = named(NAMES_REGISTER, name);
    message.push_right(right)?;
    Ok(message)
}

fn named(id: i32, name: &str) -> PortMessage {
    let mut words = Words::new();
    ServiceName::new(name).pack(&mut words);
    PortMessage::with_words(id, words.as_slice())
}

/// The name that a request of the name service carries.
#[must_use]
pub fn requested_name(message: &PortMessage) -> Option<ServiceName> {
    ServiceName::unpack(&mut Reader::new(message.data_words())).ok()
}

/// An answer without outs, or the start of one with outs.
#[must_use]
pub fn answer(request_id: i32, code: KernReturn) -> PortMessage {
    PortMessage::with_words(reply_id(request_id), &[i64::from(code.0) as u64])
}

/// Reads the return code of an answer to `request_id`.
///
/// # Errors
///
/// The code, unless it is success; `MIG_REPLY_MISMATCH` for another's answer; `MIG_SERVER_DIED` if the
/// request was thrown away; `MIG_TYPE_ERROR` for a malformed one.
pub fn answer_code(request_id: i32, message: &PortMessage) -> Result<(), KernReturn> {
    if message.header.id == crate::port::notify::SEND_ONCE as i32 {
        return Err(KernReturn::MIG_SERVER_DIED);
    }
    if message.header.id != reply_id(request_id) {
        return Err(KernReturn::MIG_REPLY_MISMATCH);
    }
    let code = message.data_words().first().ok_or(KernReturn::MIG_TYPE_ERROR)?;
    KernReturn(i32::try_from(*code as i64).map_err(|_| KernReturn::MIG_TYPE_ERROR)?).ok()
}

/// The right in an answer.
///
/// # Errors
///
/// `MIG_TYPE_ERROR` if there is none.
pub fn answered_right(message: &PortMessage) -> Result<PortName, KernReturn> {
    message.rights().first().map(|right| right.name).ok_or(KernReturn::MIG_TYPE_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Disposition;

    #[test]
    fn names_come_back_whole_or_cut() {
        for (given, kept) in [("console", "console"), ("", ""), (&"x".repeat(40), &"x".repeat(32))] {
            let message = names_lookup(given);
            let name: Vec<u8> = requested_name(&message).unwrap().bytes().collect();
            assert_eq!(name, kept.as_bytes());
        }
    }

    #[test]
    fn a_registration_carries_its_right() {
        let right = CarriedRight { name: PortName(7), disposition: Disposition::MAKE_SEND };
        assert_eq!(names_register("disk", right).unwrap().rights(), [right]);
    }

    #[test]
    fn answers_say_what_went_wrong() {
        assert_eq!(answer_code(7200, &answer(7200, KernReturn::SUCCESS)), Ok(()));
        let refused = answer(7200, KernReturn::NAME_EXISTS);
        assert_eq!(answer_code(7200, &refused), Err(KernReturn::NAME_EXISTS));
        assert_eq!(answer_code(7201, &refused), Err(KernReturn::MIG_REPLY_MISMATCH));
        assert_eq!(answer_code(7200, &PortMessage::new(71)), Err(KernReturn::MIG_SERVER_DIED));
        assert_eq!(answer_code(7200, &PortMessage::new(7300)), Err(KernReturn::MIG_TYPE_ERROR));
        assert_eq!(answered_right(&refused), Err(KernReturn::MIG_TYPE_ERROR));
    }
}
