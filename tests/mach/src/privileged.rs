//! Calls that take the privileged host port: these cases run in a task to which it is granted.

use libmach::exception::{host_get_exception_ports, host_set_exception_ports, host_swap_exception_ports};
use libmach::host::mach_host_self;
use libmach::msg::{Timeout, receive, reply_or_destroy};
use libmach::port::{ReceivePort, mach_port_deallocate};
use libmach::task::{TaskEnd, fork};
use libmach::{KernReturn, PortName};
use mach_protocol::boot::HOST_PRIV;

use crate::support::{fails, me, ok, same};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("host_exception_ports.handles", the_host_handles_what_nobody_else_does),
    ("host_exception_ports.codes", codes_of_exception_ports),
];

/// `EXC_MASK_BAD_ACCESS`, and `EXCEPTION_DEFAULT` with 64-bit codes.
const BAD_ACCESS: u32 = 1 << 1;
const WIDE: u32 = 0x8000_0001;

/// A child reads memory that it lacks: the host's handler sees it, answers, and the child ends or goes on accordingly.
fn the_host_handles_what_nobody_else_does() -> Outcome {
    const AT: u64 = 0x5000_0000_0000;
    let port = ok("make a port", ReceivePort::new())?;
    ok("host_set_exception_ports", host_set_exception_ports(HOST_PRIV, BAD_ACCESS, port.name(), WIDE))?;
    let child = ok("fork", fork(|| i32::from(libmach::region::touch(AT))))?;
    let raised = ok("the exception", receive(port.name(), Timeout::Millis(5_000)))?;
    same("id", 2405, raised.header.id)?;
    same("exception, code, subcode", &[1, 1, AT][..], raised.data_words())?;
    for right in raised.rights() {
        ok("drop a right", mach_port_deallocate(me(), right.name))?;
    }
    // Memory where there was none: the instruction is restarted and reads a zero.
    let page = libmach::vm::vm_allocate(child.task(), AT, 4096, libmach::vm::VmFlags::FIXED);
    ok("vm_allocate in the child", page)?;
    reply_or_destroy(&raised, &libmach::msg::PortMessage::with_words(2505, &[0]));
    let end = ok("wait", child.wait(Timeout::Millis(5_000)))?;
    same("the child's end", TaskEnd::Exited { status: 0 }, end)?;
    let old = host_swap_exception_ports(HOST_PRIV, BAD_ACCESS, PortName::NULL, WIDE);
    let old = ok("host_swap_exception_ports", old)?;
    same(
        "what was set",
        [(BAD_ACCESS, port.name())].as_slice(),
        &old.iter().map(|of| (of.mask, of.port)).collect::<alloc::vec::Vec<_>>(),
    )?;
    ok("drop the old right", mach_port_deallocate(me(), port.name()))?;
    let child = ok("fork", fork(|| i32::from(libmach::region::touch(AT))))?;
    let end = ok("wait", child.wait(Timeout::Millis(5_000)))?;
    same("killed without a handler", true, matches!(end, TaskEnd::Killed { exception: 1, .. }))
}

fn codes_of_exception_ports() -> Outcome {
    let plain = ok("mach_host_self", mach_host_self())?;
    let port = ok("make a port", ReceivePort::new())?;
    for target in [plain, me()] {
        let set = host_set_exception_ports(target, BAD_ACCESS, port.name(), WIDE);
        fails("set", KernReturn::INVALID_ARGUMENT, set)?;
        fails("get", KernReturn::INVALID_ARGUMENT, host_get_exception_ports(target, BAD_ACCESS))?;
        let swap = host_swap_exception_ports(target, BAD_ACCESS, port.name(), WIDE);
        fails("swap", KernReturn::INVALID_ARGUMENT, swap)?;
    }
    let get = ok("get", host_get_exception_ports(HOST_PRIV, BAD_ACCESS))?;
    same("nothing is set", PortName::NULL, get.first().ok_or("no element")?.port)?;
    ok("drop the host port", mach_port_deallocate(me(), plain))
}
