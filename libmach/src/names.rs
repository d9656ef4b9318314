//! The name service: ports by their names. It is behind every task's bootstrap port.

use mach_protocol::service;

use crate::msg::{self, CarriedRight};
use crate::port::Disposition;
use crate::task::{TASK_BOOTSTRAP_PORT, mach_task_self, task_get_special_port};
use crate::{KernReturn, PortName, Result};

/// A send right to the port that `name` stands for; the caller deallocates it.
///
/// # Errors
///
/// `INVALID_CAPABILITY` for the name of something that is not granted to the task, `INVALID_NAME` if there is none,
/// `SEND_INVALID_DEST` for a task without bootstrap port.
pub fn lookup(name: &str) -> Result<PortName> {
    let answer = ask(&service::names_lookup(name))?;
    service::answer_code(service::NAMES_LOOKUP, &answer)?;
    service::answered_right(&answer)
}

/// Gives the port behind the send right `right` a name, copying the right.
///
/// # Errors
///
/// `INVALID_ARGUMENT` for an empty name or a right that is dead, `NO_ACCESS` for a name of the system's, `NAME_EXISTS`,
/// `RESOURCE_SHORTAGE` if the task, and those that share its bootstrap port, have too many names.
pub fn register(name: &str, right: PortName) -> Result<()> {
    let right = CarriedRight { name: right, disposition: Disposition::COPY_SEND };
    let message = service::names_register(name, right).map_err(|_| KernReturn::INVALID_ARGUMENT)?;
    service::answer_code(service::NAMES_REGISTER, &ask(&message)?)
}

/// Writes a line to the system's log, which a run shows with `-v`; what is too long is cut. For servers, whose clients own the
/// console.
pub fn note(text: &str) {
    let mut message = msg::PortMessage::new(service::NAMES_NOTE);
    message.push_bytes(text.as_bytes().get(..msg::MAX_DATA_BYTES).unwrap_or(text.as_bytes()));
    // A note that nobody takes is lost: there is no place to report it to.
    let _ = ask(&message);
}

/// A name service of its own for a task that the caller starts: a send right to it, for the task's bootstrap port. The
/// names that are registered by it go with the last right. For the system's servers.
///
/// # Errors
///
/// `NO_ACCESS`; those of making ports.
pub fn divide() -> Result<PortName> {
    let answer = ask(&msg::PortMessage::new(service::NAMES_DIVIDE))?;
    service::answer_code(service::NAMES_DIVIDE, &answer)?;
    service::answered_right(&answer)
}

fn ask(message: &msg::PortMessage) -> Result<msg::PortMessage> {
    let task = mach_task_self();
    let bootstrap = task_get_special_port(task, TASK_BOOTSTRAP_PORT)?;
    let answer = msg::rpc(bootstrap, message);
    // The right was asked for this message alone.
    let _ = crate::port::mach_port_deallocate(task, bootstrap);
    answer
}
