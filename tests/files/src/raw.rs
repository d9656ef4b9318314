//! Requests that `libmach::fs` does not make: with rights that nobody asked for, without a receiver of the answer, two at
//! once.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use libmach::fs::{self, File};
use libmach::host::mach_host_self;
use libmach::msg::{self, CarriedRight, PortMessage, Timeout};
use libmach::port::{
    Disposition, PortType, ReceivePort, Right, mach_port_allocate, mach_port_deallocate, mach_port_get_receive_status,
    mach_port_mod_refs, mach_port_set_qlimit, mach_port_type,
};
use libmach::task::mach_task_self;
use libmach::vm::{VmProt, gnu_vm_wire};
use libmach::{KernReturn, PortName, names};
use mach_protocol::file::{FILE_RESIZE, FILE_SIZE, FILE_VOLUME, FILES};
use mach_protocol::service::answer_code;

use crate::{During, Outcome, are, check, set};

/// A receive right in a request dies with it; a reply port without room is given up.
pub(crate) fn keeps_no_rights() -> Outcome {
    let me = mach_task_self();
    let pager = names::lookup(FILES).during("looking the pager up")?;
    for id in [FILE_VOLUME, FILE_SIZE, 1] {
        let lost = ReceivePort::new().during("making a port")?;
        let mut request = PortMessage::new(id);
        let right = CarriedRight { name: lost.name(), disposition: Disposition::MOVE_RECEIVE };
        request.push_right(right).map_err(|_| "a right does not fit")?;
        msg::rpc(pager, &request).during("asking")?;
        let left = mach_port_type(me, lost.name()).during("asking about a port")?;
        check(left == PortType::DEAD_NAME, &format!("the pager keeps the receive right of a request {id}"))?;
    }
    let deaf = mach_port_allocate(me, Right::RECEIVE).during("making a port")?;
    mach_port_set_qlimit(me, deaf, 0).during("closing its queue")?;
    let mut request = PortMessage::new(FILE_VOLUME);
    request.header.remote = CarriedRight { name: pager, disposition: Disposition::COPY_SEND };
    request.header.local = CarriedRight { name: deaf, disposition: Disposition::MAKE_SEND };
    msg::send(&request, Timeout::Never).during("asking")?;
    // Requests are served one after the other.
    fs::volume().during("asking about the volume")?;
    let status = mach_port_get_receive_status(me, deaf).during("asking about a port")?;
    check(!status.srights, "the pager keeps a right to answer")?;
    mach_port_mod_refs(me, deaf, Right::RECEIVE, -1).during("destroying a port")?;
    mach_port_deallocate(me, pager).during("dropping the pager")
}

/// Sends a request to change a file's size. Answers the port that the answer comes to.
fn begin_resize(pager: PortName, file: &File, size: u64) -> Result<ReceivePort, String> {
    let reply = ReceivePort::new().during("making a port")?;
    let mut request = PortMessage::with_words(FILE_RESIZE, &[size]);
    let right = CarriedRight { name: file.object(), disposition: Disposition::COPY_SEND };
    request.push_right(right).map_err(|_| "a right does not fit")?;
    request.header.remote = CarriedRight { name: pager, disposition: Disposition::COPY_SEND };
    request.header.local = CarriedRight { name: reply.name(), disposition: Disposition::MAKE_SEND_ONCE };
    msg::send(&request, Timeout::Never).during("asking")?;
    Ok(reply)
}

/// What a request came to, and whether the answer has a text.
fn answered(port: &ReceivePort) -> Result<(libmach::Result<()>, bool), String> {
    let answer = msg::receive(port.name(), Timeout::Never).during("receiving")?;
    Ok((answer_code(FILE_RESIZE, &answer), answer.data_bytes_from(1).next().is_some()))
}

/// Changes of a size are made in the order of their requests; those that come after them are refused when too many wait.
///
/// What they wait for is that pages behind the new end come back, which wired ones do not.
pub(crate) fn resized_twice() -> Outcome {
    /// Changes that the pager lets wait.
    const MOST: usize = 64;
    let me = mach_task_self();
    let host = mach_host_self().during("naming the host")?;
    let pager = names::lookup(FILES).during("looking the pager up")?;
    let mut file = File::create_new("twice").during("making")?;
    file.set_size(12_288).during("growing")?;
    let memory = file.map(0, 20_480).during("mapping")?;
    for at in [4999, 5000, 12_287] {
        set(&memory, at, 0x55);
    }
    let last = memory.address() + 8192;
    gnu_vm_wire(host, me, last, 4096, VmProt::READ).during("wiring a page")?;
    let mut waiting = Vec::new();
    for number in 0..MOST {
        let size = if number == 0 { 5000 } else { 20_000 + number as u64 % 2 };
        waiting.push(begin_resize(pager, &file, size)?);
    }
    let refused = answered(&begin_resize(pager, &file, 1)?)?;
    check(refused == (Err(KernReturn::RESOURCE_SHORTAGE), true), &format!("one too many: {refused:?}"))?;
    check(file.size().during("asking")? == 12_288, "the first did not wait")?;
    gnu_vm_wire(host, me, last, 4096, VmProt::NONE).during("unwiring the page")?;
    for (number, port) in waiting.iter().enumerate() {
        let answer = answered(port)?;
        check(answer == (Ok(()), false), &format!("change {number}: {answer:?}"))?;
    }
    let is = file.size().during("asking")?;
    check(is == 20_001, &format!("{is} bytes: the last change is not the last"))?;
    check(are(&memory, 4999..5000, 0x55), "a byte was lost")?;
    check(are(&memory, 5000..20_480, 0), "what was cut off is still there")?;
    drop((file, memory));
    fs::remove("twice").during("removing")?;
    mach_port_deallocate(me, pager).during("dropping the pager")
}

/// A request for a change that names no size is refused, and changes nothing; so is one about no file.
pub(crate) fn resized_to_nothing() -> Outcome {
    let pager = names::lookup(FILES).during("looking the pager up")?;
    let mut file = File::create_new("sized").during("making")?;
    file.set_size(5000).during("growing")?;
    let right = CarriedRight { name: file.object(), disposition: Disposition::COPY_SEND };
    let mut sizeless = PortMessage::new(FILE_RESIZE);
    sizeless.push_right(right).map_err(|_| "a right does not fit")?;
    let fileless = PortMessage::with_words(FILE_RESIZE, &[0]);
    for (request, what) in [(sizeless, "no size"), (fileless, "no file")] {
        let answer = msg::rpc(pager, &request).during("asking")?;
        let code = answer_code(FILE_RESIZE, &answer);
        check(code == Err(KernReturn::INVALID_ARGUMENT), &format!("{what}: {code:?}"))?;
    }
    check(file.size().during("asking")? == 5000, "the file is another size")?;
    drop(file);
    fs::remove("sized").during("removing")?;
    mach_port_deallocate(mach_task_self(), pager).during("dropping the pager")
}

/// A file that grows by much does so in pieces, between which others are served: here who asks for its size.
pub(crate) fn grows_in_pieces() -> Outcome {
    const MUCH: u64 = 13 << 20;
    let pager = names::lookup(FILES).during("looking the pager up")?;
    let file = File::create_new("grows in pieces").during("making")?;
    let waiting = begin_resize(pager, &file, MUCH)?;
    let meanwhile = file.size().during("asking while it grows")?;
    check(meanwhile < MUCH, "nobody was served before it had grown")?;
    let answer = answered(&waiting)?;
    check(answer == (Ok(()), false), &format!("growing: {answer:?}"))?;
    let is = file.size().during("asking")?;
    check(is == MUCH, &format!("{is} bytes"))?;
    let memory = file.map(MUCH - 4096, 4096).during("mapping")?;
    check(are(&memory, 0..4096, 0), "new bytes are not zeros")?;
    drop(memory);
    fs::remove("grows in pieces").during("removing")?;
    mach_port_deallocate(mach_task_self(), pager).during("dropping the pager")
}
