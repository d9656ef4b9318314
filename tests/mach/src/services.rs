//! What the first servers do with clients that err or die: the name service in root, and the console.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use libmach::block::Disk;
use libmach::msg::{CarriedRight, PortMessage, Timeout, receive, rpc, send};
use libmach::names::{divide, lookup, register};
use libmach::port::{Disposition, PortType, ReceivePort, mach_port_deallocate};
use libmach::task::{TASK_BOOTSTRAP_PORT, fork, task_get_special_port, task_terminate};
use libmach::thread::sleep;
use libmach::{KernReturn, PortName, console};
use mach_protocol::service::{
    CONSOLE, CONSOLE_READ, CONSOLE_WRITE, NAMES_LOOKUP, NAMES_REGISTER, answer_code, names_lookup, names_register,
};

use crate::memory_object::{nothing_at, send_once_unused, type_of};
use crate::support::{fails, holds, me, ok, same};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("names.dead_ones_make_room", dead_names_make_room),
    ("names.live_ones_are_limited", live_names_are_limited),
    ("names.of_a_dead_port_is_free", the_name_of_a_dead_port_is_free),
    ("names.keeps_send_rights_only", only_send_rights_are_kept),
    ("names.of_the_system_are_reserved", the_systems_names_are_reserved),
    ("names.grants_are_asked_for", what_is_not_granted_is_not_found),
    ("console.keeps_no_rights", the_console_keeps_no_rights),
    ("console.forgets_a_dead_reader", a_dead_reader_blocks_nobody),
];

/// Names that root keeps for a task at a time, and some more.
const MANY: usize = 100;

fn port() -> Result<ReceivePort, String> {
    ok("make a port", ReceivePort::new())
}

fn dead_names_make_room() -> Outcome {
    for number in 0..MANY {
        let mortal = port()?;
        ok(&format!("register the {number}th name"), register(&format!("mortal {number}"), mortal.name()))?;
    }
    Ok(())
}

fn live_names_are_limited() -> Outcome {
    let mut ports = Vec::new();
    let refused = loop {
        let port = port()?;
        let registered = register(&format!("alive {}", ports.len()), port.name());
        match registered {
            Ok(()) if ports.len() < MANY => ports.push(port),
            other => break other,
        }
    };
    fails("one name too many", KernReturn::RESOURCE_SHORTAGE, refused)?;
    ports.pop();
    let late = port()?;
    ok("a name in the place of a dead one", register("late", late.name()))
}

fn the_name_of_a_dead_port_is_free() -> Outcome {
    let (first, second) = (port()?, port()?);
    ok("register", register("a name", first.name()))?;
    let found = ok("lookup", lookup("a name"))?;
    same("what is found", first.name(), found)?;
    ok("drop what was found", mach_port_deallocate(me(), found))?;
    fails("register again", KernReturn::NAME_EXISTS, register("a name", second.name()))?;
    drop(first);
    fails("lookup of the dead", KernReturn::INVALID_NAME, lookup("a name"))?;
    ok("register after that", register("a name", second.name()))
}

/// Those of servers that run, and of servers that do not.
fn the_systems_names_are_reserved() -> Outcome {
    let port = port()?;
    for name in ["console", "block", "disks", "default-pager", "file-pager", "mach", "shell"] {
        fails(&format!("register {name}"), KernReturn::NO_ACCESS, register(name, port.name()))?;
    }
    fails("lookup of a server that does not run", KernReturn::INVALID_NAME, lookup("default-pager"))
}

fn what_is_not_granted_is_not_found() -> Outcome {
    fails("lookup of the disks", KernReturn::INVALID_CAPABILITY, lookup("disks"))?;
    fails("opening a disk", KernReturn::INVALID_CAPABILITY, Disk::open("disk0", 1))?;
    fails("a name service of its own", KernReturn::NO_ACCESS, divide())
}

/// Sends a request to a server; answers the return code.
fn ask(server: PortName, request: i32, message: &PortMessage) -> Result<Result<(), KernReturn>, String> {
    Ok(answer_code(request, &ok("mach_msg", rpc(server, message))?))
}

/// A request with the receive right of a port and a send-once right to another: both die with the request.
fn loses_rights(server: PortName, request: i32, mut message: PortMessage, want: Result<(), KernReturn>) -> Outcome {
    let (lost, told) = (port()?, port()?);
    for right in [
        CarriedRight { name: lost.name(), disposition: Disposition::MOVE_RECEIVE },
        CarriedRight { name: told.name(), disposition: Disposition::MAKE_SEND_ONCE },
    ] {
        holds("the right fits", message.push_right(right).is_ok())?;
    }
    same("the answer", want, ask(server, request, &message)?)?;
    send_once_unused(told.name())?;
    same("what is left of the port", PortType::DEAD_NAME, type_of(lost.name())?)
}

fn only_send_rights_are_kept() -> Outcome {
    let names = ok("task_get_special_port", task_get_special_port(me(), TASK_BOOTSTRAP_PORT))?;
    let refused = Err(KernReturn::INVALID_CAPABILITY);
    let lost = port()?;
    let right = CarriedRight { name: lost.name(), disposition: Disposition::MOVE_RECEIVE };
    let message = names_register("a receive right", right).map_err(|_| "the right does not fit")?;
    same("register a receive right", refused, ask(names, NAMES_REGISTER, &message)?)?;
    same("what is left of the port", PortType::DEAD_NAME, type_of(lost.name())?)?;
    fails("lookup", KernReturn::INVALID_NAME, lookup("a receive right"))?;
    loses_rights(names, NAMES_LOOKUP, names_lookup("nobody"), Err(KernReturn::INVALID_NAME))?;
    ok("drop the right to the name service", mach_port_deallocate(me(), names))
}

fn the_console_keeps_no_rights() -> Outcome {
    let console = ok("lookup", lookup(CONSOLE))?;
    loses_rights(console, CONSOLE_WRITE, PortMessage::new(CONSOLE_WRITE), Ok(()))?;
    loses_rights(console, 1, PortMessage::new(1), Err(KernReturn::MIG_BAD_ID))?;
    ok("drop the right to the console", mach_port_deallocate(me(), console))
}

/// Asks the console for a line, and does not wait for it.
fn read_later(console: PortName) -> Result<ReceivePort, String> {
    let reply = port()?;
    let mut message = PortMessage::with_words(CONSOLE_READ, &[1]);
    message.header.remote = CarriedRight { name: console, disposition: Disposition::COPY_SEND };
    message.header.local = CarriedRight { name: reply.name(), disposition: Disposition::MAKE_SEND_ONCE };
    ok("mach_msg", send(&message, Timeout::Never))?;
    Ok(reply)
}

/// How many the console lets wait for a line.
const CONSOLE_READERS: usize = 16;

fn a_dead_reader_blocks_nobody() -> Outcome {
    let child = ok("fork", fork(|| i32::from(console::read(&mut [0; 8]).is_err())))?;
    sleep(100);
    ok("task_terminate", task_terminate(child.task()))?;
    ok("wait", child.wait(Timeout::Millis(5_000)))?;
    let console = ok("lookup", lookup(CONSOLE))?;
    // Nothing is typed: as many may wait as the console lets, and the dead one is the first to be turned away.
    let readers = (0..CONSOLE_READERS).map(|_| read_later(console)).collect::<Result<Vec<_>, _>>()?;
    for reader in &readers {
        nothing_at(reader.name(), 10)?;
    }
    let last = read_later(console)?;
    let (first, others) = readers.split_first().ok_or("there are readers")?;
    let answer = ok("the longest waiting reader's answer", receive(first.name(), Timeout::Millis(5_000)))?;
    same("who waited longest", Err(KernReturn::RESOURCE_SHORTAGE), answer_code(CONSOLE_READ, &answer))?;
    for reader in others.iter().chain([&last]) {
        nothing_at(reader.name(), 10)?;
    }
    ok("drop the right to the console", mach_port_deallocate(me(), console))
}
