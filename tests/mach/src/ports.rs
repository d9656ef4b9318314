//! Ports: the cases of I-PT that show best from a task, by number.

use libmach::msg::{self, CarriedRight, PortMessage, Timeout};
use libmach::port::{
    Disposition, ReceivePort, Right, mach_port_clear_protected_payload, mach_port_set_protected_payload,
};
use libmach::{KernReturn, PortName};

use crate::support::{EmptyTask, fails, me, ok, same};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("mach_port.ipt.52", a_payload_in_place_of_the_name),
    ("mach_port.payload.codes", codes_of_payloads),
    ("mach_port.payload.moves", a_payload_does_not_move),
];

const PAYLOAD: u64 = 0xfedc_ba98_7654_3210;

/// Sends an empty message to a port and receives it: what its header says of the port.
fn seen(send_to: PortName, from: PortName) -> Result<(Option<u64>, CarriedRight), alloc::string::String> {
    let mut message = PortMessage::new(1);
    message.header.remote = CarriedRight { name: send_to, disposition: Disposition::COPY_SEND };
    ok("send", msg::send(&message, Timeout::Millis(0)))?;
    let header = ok("receive", msg::receive(from, Timeout::Millis(0)))?.header;
    Ok((header.payload, header.local))
}

fn a_payload_in_place_of_the_name() -> Outcome {
    let port = ok("make a port", ReceivePort::new())?;
    let name = port.name();
    let named = (None, CarriedRight { name, disposition: Disposition::PORT_SEND });
    same("before", named, seen(name, name)?)?;
    for payload in [PAYLOAD, 0, u64::MAX] {
        ok("mach_port_set_protected_payload", mach_port_set_protected_payload(me(), name, payload))?;
        let none = CarriedRight { name: PortName::NULL, disposition: Disposition::PROTECTED_PAYLOAD };
        same("with a payload", (Some(payload), none), seen(name, name)?)?;
    }
    ok("mach_port_clear_protected_payload", mach_port_clear_protected_payload(me(), name))?;
    same("after", named, seen(name, name)?)
}

fn codes_of_payloads() -> Outcome {
    let set = |task, name| mach_port_set_protected_payload(task, name, 1);
    for call in [set, mach_port_clear_protected_payload] {
        fails("a name of nothing", KernReturn::INVALID_NAME, call(me(), PortName(0x7777)))?;
        fails("a send right", KernReturn::INVALID_RIGHT, call(me(), me()))?;
        fails("a task null", KernReturn::SEND_INVALID_DEST, call(PortName::NULL, me()))?;
        let thread = ok("mach_thread_self", libmach::thread::mach_thread_self())?;
        fails("a thread for a task", KernReturn::INVALID_TASK, call(thread, me()))?;
        ok("drop the thread's port", libmach::port::mach_port_deallocate(me(), thread))?;
    }
    let other = EmptyTask::new()?;
    let theirs = ok("a port of another's", libmach::port::mach_port_allocate(other.0, Right::RECEIVE))?;
    ok("in another task", set(other.0, theirs))
}

/// A receive right that is given away and taken back says the port's name again.
fn a_payload_does_not_move() -> Outcome {
    let port = ok("make a port", ReceivePort::new())?;
    let name = port.name();
    ok("mach_port_set_protected_payload", mach_port_set_protected_payload(me(), name, PAYLOAD))?;
    let other = EmptyTask::new()?;
    let away = PortName(0x111);
    ok("give", libmach::port::mach_port_insert_right(other.0, away, name, Disposition::MOVE_RECEIVE))?;
    let back = ok("take", libmach::port::mach_port_extract_right(other.0, away, Disposition::MOVE_RECEIVE))?;
    same("the name that it comes back by", name, back)?;
    same("the payload", None, seen(name, name)?.0)
}
