//! Calls to a port that a task receives from: the task may stand in for what is meant (`spec/mach-vm.md` 1.4).

use alloc::string::String;

use libmach::msg::{self, PortMessage, Timeout, mach_msg_destroy};
use libmach::port::ReceivePort;
use libmach::task::task_suspend;
use libmach::thread::spawn;
use libmach::vm::{self, VmFlags};
use libmach::{KernReturn, PortName};
use mach_protocol::Call;
use mach_protocol::service::reply_id;
use mach_protocol::table::pack_reply;
use mach_protocol::vm::{VmAllocateReply, VmDeallocateReply, VmRequest};

use crate::support::{P, fails, free, holds, is_mapped, me, ok, same};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("calls.to_a_task_that_stands_in", a_task_that_stands_in),
    ("calls.to_a_task_that_does_not_answer", a_task_that_throws_calls_away),
];

const LONG: Timeout = Timeout::Millis(20_000);

/// Receives a call and answers it: what is allocated is allocated, all else is refused.
fn stand_in(port: PortName) -> Result<(), String> {
    let request = ok("receive a call", msg::receive(port, LONG))?;
    let answer = match Call::decode_routine(request.header.id as u32, request.data_words()) {
        Ok(Call::Vm(VmRequest::VmAllocate(call))) => {
            let flags = VmFlags::from_bits_retain(call.flags);
            let allocated = vm::vm_allocate(me(), call.address, call.size, flags);
            pack_reply(&allocated.map(|address| VmAllocateReply { address }))
        }
        _ => pack_reply::<VmDeallocateReply>(&Err(KernReturn::NO_ACCESS)),
    };
    let answer = PortMessage::with_words(reply_id(request.header.id), answer.as_slice());
    ok("answer a call", msg::reply(&request, &answer))
}

fn a_task_that_stands_in() -> Outcome {
    let port = ok("make a port", ReceivePort::new())?;
    let name = port.name();
    let server = ok("spawn", spawn(move || (0..3).try_for_each(|_| stand_in(name))))?;
    let address = ok("vm_allocate", vm::vm_allocate(name, 0, P, VmFlags::ANYWHERE))?;
    holds("the memory is there", is_mapped(address))?;
    fails("vm_deallocate", KernReturn::NO_ACCESS, vm::vm_deallocate(name, address, P))?;
    fails("task_suspend", KernReturn::NO_ACCESS, task_suspend(name))?;
    same("the task that stands in", Ok(()), ok("join", server.join())?)?;
    holds("the memory is still there", is_mapped(address))?;
    free(address, P)
}

fn a_task_that_throws_calls_away() -> Outcome {
    let port = ok("make a port", ReceivePort::new())?;
    let name = port.name();
    let server = ok("spawn", spawn(move || msg::receive(name, LONG).map(|call| mach_msg_destroy(&call))))?;
    let thrown_away = vm::vm_allocate(name, 0, P, VmFlags::ANYWHERE);
    fails("vm_allocate", KernReturn::MIG_SERVER_DIED, thrown_away)?;
    same("the task that stands in", Ok(()), ok("join", server.join())?)
}
