//! Calls that take the privileged host port: these cases run in a task to which it is granted.

use libmach::exception::{host_get_exception_ports, host_set_exception_ports, host_swap_exception_ports};
use libmach::host::mach_host_self;
use libmach::msg::{Timeout, receive, reply_or_destroy};
use libmach::port::{ReceivePort, mach_port_deallocate};
use libmach::task::{TaskEnd, fork};
use libmach::vm::{VmProt, vm_pages_phys, vm_wire};
use libmach::{KernReturn, PortName};
use mach_protocol::boot::HOST_PRIV;
use mach_protocol::private::{PHYSICAL_PAGES, TaskPhysicalPages};

use crate::support::{EmptyTask, LAST_PAGE, P, fails, holds, me, ok, pages, same, store};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("host_exception_ports.handles", the_host_handles_what_nobody_else_does),
    ("host_exception_ports.codes", codes_of_exception_ports),
    ("vm_pages_phys.agrees", where_wired_pages_are),
    ("vm_pages_phys.codes", codes_of_pages_phys),
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

/// Wired pages are where drivers are told; others are somewhere, or nowhere.
fn where_wired_pages_are() -> Outcome {
    let region = pages(4)?;
    ok("vm_wire", vm_wire(HOST_PRIV, me(), region.address(), 2 * P, VmProt::DEFAULT))?;
    store(&region, 2 * P, 1);
    let found = ok("vm_pages_phys", vm_pages_phys(HOST_PRIV, me(), region.address(), 4 * P))?;
    let request = TaskPhysicalPages { host_priv: HOST_PRIV, address: region.address(), count: 2 };
    let wired = ok("7102", libmach::rpc::call(me(), &request))?.pages;
    let _: [u64; PHYSICAL_PAGES] = wired;
    same("the wired ones", wired.get(..2), found.get(..2))?;
    let [_, _, touched, untouched] = found[..] else { return Err("not four pages".into()) };
    holds("a page that is there is page-aligned, and not 0", touched != 0 && touched.is_multiple_of(P))?;
    same("a page that is not there", 0, untouched)?;
    ok("vm_wire", vm_wire(HOST_PRIV, me(), region.address(), 2 * P, VmProt::NONE))
}

fn codes_of_pages_phys() -> Outcome {
    let plain = ok("mach_host_self", mach_host_self())?;
    fails("no privilege", KernReturn::INVALID_HOST, vm_pages_phys(plain, me(), 0, P))?;
    fails("no task", KernReturn::INVALID_TASK, vm_pages_phys(HOST_PRIV, plain, 0, P))?;
    for (address, size) in [(1, P), (0, 1), (LAST_PAGE, P)] {
        fails("a range", KernReturn::INVALID_ARGUMENT, vm_pages_phys(HOST_PRIV, me(), address, size))?;
    }
    fails("too many", KernReturn::RESOURCE_SHORTAGE, vm_pages_phys(HOST_PRIV, me(), 0, 16_385 * P))?;
    let other = EmptyTask::new()?;
    let none = ok("of an empty task", vm_pages_phys(HOST_PRIV, other.0, P, 100 * P))?;
    same("pages", alloc::vec![0; 100], none)?;
    same("of nothing", 0, ok("size 0", vm_pages_phys(HOST_PRIV, me(), 0, 0))?.len())?;
    ok("drop the host port", mach_port_deallocate(me(), plain))
}
