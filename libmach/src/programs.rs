//! The programs that root can start, those of the boot archive. Root offers them to the shell alone, which has the right
//! [`PROGRAMS`](service::PROGRAMS) from its start.

use alloc::string::String;
use alloc::vec::Vec;

use mach_protocol::service;

use crate::msg::{self, CarriedRight, PortMessage};
use crate::port::Disposition;
use crate::{KernReturn, PortName, Result};

/// Who is told of a started task's end, and with which word.
#[derive(Clone, Copy, Debug)]
pub struct Notify {
    /// A port that the caller receives from. The message is a [`TaskEnded`](crate::task::TaskEnded).
    pub port: PortName,
    /// The word.
    pub cookie: u64,
}

/// The names of the programs.
///
/// # Errors
///
/// Those of sending; `SEND_INVALID_DEST` in a task without the right.
pub fn list() -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let answer =
            msg::rpc(service::PROGRAMS, &PortMessage::with_words(service::PROGRAM_LIST, &[names.len() as u64]))?;
        service::answer_code(service::PROGRAM_LIST, &answer)?;
        let all = answer.data_words().get(1).copied().ok_or(KernReturn::MIG_TYPE_ERROR)?;
        let bytes: Vec<u8> = answer.data_bytes_from(2).collect();
        let before = names.len();
        let new = bytes.split_inclusive(|byte| *byte == 0).filter_map(|name| name.strip_suffix(&[0]));
        names.extend(new.map(|name| String::from_utf8_lossy(name).into_owned()));
        if names.len() as u64 >= all || names.len() == before {
            return Ok(names);
        }
    }
}

/// Starts a program; the first argument is its name. `bootstrap` is the port of the task's name service, which the caller
/// receives from; null for root's. Answers a send right to the task's port.
///
/// # Errors
///
/// `INVALID_NAME` if there is no such program, `INVALID_ARGUMENT` if it is none, `NO_SPACE` for arguments that are too
/// long; those of making a task, and of sending.
pub fn start(arguments: &[&str], notify: Notify, bootstrap: PortName) -> Result<PortName> {
    let mut request = PortMessage::with_words(service::PROGRAM_START, &[notify.cookie]);
    for name in [notify.port, bootstrap].into_iter().filter(|name| name.is_valid()) {
        let right = CarriedRight { name, disposition: Disposition::MAKE_SEND };
        request.push_right(right).map_err(|_| KernReturn::NO_SPACE)?;
    }
    let bytes: Vec<u8> = arguments.iter().flat_map(|argument| argument.bytes().chain([0])).collect();
    if request.push_bytes(&bytes) < bytes.len() {
        return Err(KernReturn::NO_SPACE);
    }
    let answer = msg::rpc(service::PROGRAMS, &request)?;
    service::answer_code(service::PROGRAM_START, &answer)?;
    service::answered_right(&answer)
}
