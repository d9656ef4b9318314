//! I.13, I.16, and the cases of other calls that need wired memory, by the ids that the plain host port may use.

use alloc::string::String;
use core::cell::Cell;

use libmach::host::mach_host_self;
use libmach::port::mach_port_deallocate;
use libmach::task::task_events;
use libmach::vm::{self, VmFlags, VmProt, gnu_vm_wire, vm_get_size_limit, vm_set_size_limit, vm_statistics, vm_wire};
use libmach::{KernReturn, PortName, Region};

use crate::support::{
    EmptyTask, P, fails, holds, hole, in_child, kept, load, me, numbered, ok, pages, protect, region_at, same, store,
};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("vm_deallocate.i02.14", deallocating_unwires),
    ("vm_write.i08.11", a_wired_destination_stays_wired),
    ("vm_wire.i13.01", hosts),
    ("vm_wire.i13.02", tasks),
    ("vm_wire.i13.03", wired_pages_are_resident),
    ("vm_wire.i13.04", holes),
    ("vm_wire.i13.05", accesses_that_are_not_allowed),
    ("vm_wire.i13.06", unknown_accesses),
    ("vm_wire.i13.07", size_zero),
    ("vm_wire.i13.09", the_gnu_id_does_not_count),
    ("vm_wire.i13.10", unwiring_what_is_not_wired),
    ("vm_wire.i13.11", the_share_of_the_unprivileged),
    ("vm_wire.i13.15", children_are_not_wired),
    ("vm_size_limit.i16.01", limits_are_set_and_got),
    ("vm_size_limit.i16.02", raising_takes_privilege),
    ("vm_size_limit.i16.03", limits_hold),
    ("vm_size_limit.i16.10", what_can_never_be_touched_does_not_count),
    ("vm_size_limit.i16.12", a_current_limit_beyond_the_maximum),
    ("vm_size_limit.i16.13", tasks_of_limits),
    ("vm_size_limit.i16.14", hosts_of_limits),
    ("vm_size_limit.i16.15", children_inherit_limits),
];

/// The plain host port, as long as it is needed.
struct Host(PortName);

impl Host {
    fn new() -> Result<Self, String> {
        ok("mach_host_self", mach_host_self()).map(Self)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = mach_port_deallocate(me(), self.0);
    }
}

fn wire(address: u64, size: u64, access: VmProt) -> Result<(), KernReturn> {
    let host = Host::new().map_err(|_| KernReturn::RESOURCE_SHORTAGE)?;
    gnu_vm_wire(host.0, me(), address, size, access)
}

fn wired_pages() -> Result<u32, String> {
    Ok(ok("vm_statistics", vm_statistics(me()))?.wire_count)
}

fn wired_count(region: &Region) -> Result<u16, String> {
    Ok(region_at(region.address())?.user_wired_count)
}

/// Whether this task touches memory without a fault. It has done the same before, on memory that does not matter: so its
/// code and its stack are there.
fn without_fault(what: &str, other: &Region, region: &Region, touch: impl Fn(&Region)) -> Outcome {
    let faults = || ok("task_info", task_events(me())).map(|events| events.faults);
    let mut before = 0;
    for region in [other, region] {
        before = faults()?;
        touch(region);
    }
    same(what, before, faults()?)
}

fn deallocating_unwires() -> Outcome {
    let before = wired_pages()?;
    let region = pages(4)?;
    ok("vm_wire", wire(region.address(), 4 * P, VmProt::DEFAULT))?;
    same("wired", before + 4, wired_pages()?)?;
    ok("vm_deallocate", vm::vm_deallocate(me(), region.address(), 4 * P))?;
    same("unwired", before, wired_pages()?)
}

fn a_wired_destination_stays_wired() -> Outcome {
    let (region, source) = (numbered(8)?, numbered(8)?);
    ok("vm_wire", wire(region.address(), 8 * P, VmProt::DEFAULT))?;
    let before = wired_pages()?;
    ok("vm_write", vm::vm_write_from(me(), region.address(), source.address() + P, 7 * P))?;
    same("wired pages", before, wired_pages()?)?;
    same("the region", 1, wired_count(&region)?)?;
    let bytes = Cell::new([0; 4]);
    without_fault("resident and mapped", &source, &region, |region| {
        bytes.set([0, P, 6 * P, 7 * P].map(|at| load(region, at)));
    })?;
    same("contents", [2, 3, 8, 8], bytes.get())
}

fn hosts() -> Outcome {
    let address = pages(1)?.address();
    fails("null", KernReturn::SEND_INVALID_DEST, vm_wire(PortName::NULL, me(), address, P, VmProt::READ))?;
    fails("a task", KernReturn::INVALID_HOST, vm_wire(me(), me(), address, P, VmProt::READ))?;
    fails("a task, by the GNU id", KernReturn::INVALID_HOST, gnu_vm_wire(me(), me(), address, P, VmProt::READ))?;
    let host = Host::new()?;
    fails("the plain one", KernReturn::INVALID_HOST, vm_wire(host.0, me(), address, P, VmProt::READ))
}

fn tasks() -> Outcome {
    let (host, address) = (Host::new()?, pages(1)?.address());
    let thread = ok("mach_thread_self", libmach::thread::mach_thread_self())?;
    for task in [thread, PortName::NULL] {
        fails("vm_wire", KernReturn::INVALID_TASK, gnu_vm_wire(host.0, task, address, P, VmProt::READ))?;
    }
    ok("deallocate", mach_port_deallocate(me(), thread))
}

fn wired_pages_are_resident() -> Outcome {
    let region = pages(3)?;
    ok("vm_wire", wire(region.address(), 3 * P, VmProt::DEFAULT))?;
    without_fault("no fault", &pages(3)?, &region, |region| (0..3).for_each(|page| store(region, page * P, 9)))
}

fn holes() -> Outcome {
    let (region, before) = (pages(3)?, wired_pages()?);
    ok("the hole", vm::vm_deallocate(me(), region.address() + P, P))?;
    fails("a hole", KernReturn::NO_SPACE, wire(region.address(), 3 * P, VmProt::READ))?;
    same("nothing is wired", before, wired_pages()?)
}

fn accesses_that_are_not_allowed() -> Outcome {
    let (region, before) = (pages(2)?, wired_pages()?);
    ok("vm_protect", protect(region.address() + P, P, VmProt::READ))?;
    fails("WRITE", KernReturn::NO_SPACE, wire(region.address(), 2 * P, VmProt::DEFAULT))?;
    same("nothing is wired", before, wired_pages()?)?;
    ok("READ", wire(region.address(), 2 * P, VmProt::READ))
}

fn unknown_accesses() -> Outcome {
    let region = pages(1)?;
    let access = VmProt::from_bits_retain(8);
    fails("access 8", KernReturn::INVALID_ARGUMENT, wire(region.address(), P, access))?;
    fails("before the size", KernReturn::INVALID_ARGUMENT, wire(region.address(), 0, access))
}

fn size_zero() -> Outcome {
    ok("vm_wire", wire(hole(1)?, 0, VmProt::READ))
}

fn the_gnu_id_does_not_count() -> Outcome {
    let (region, before) = (pages(2)?, wired_pages()?);
    ok("vm_wire", wire(region.address(), 2 * P, VmProt::READ))?;
    ok("again", wire(region.address(), 2 * P, VmProt::READ))?;
    same("wired once", (before + 2, 1), (wired_pages()?, wired_count(&region)?))?;
    ok("unwire", wire(region.address(), 2 * P, VmProt::NONE))?;
    same("free", (before, 0), (wired_pages()?, wired_count(&region)?))
}

fn unwiring_what_is_not_wired() -> Outcome {
    let (region, before) = (pages(2)?, wired_pages()?);
    ok("vm_wire", wire(region.address(), 2 * P, VmProt::NONE))?;
    same("nothing is changed", before, wired_pages()?)
}

fn the_share_of_the_unprivileged() -> Outcome {
    const SHARE: u64 = 8 << 20;
    let child = EmptyTask::new()?;
    let host = Host::new()?;
    let size = SHARE + P;
    let address = ok("vm_allocate", vm::vm_allocate(child.0, 0, size, VmFlags::ANYWHERE))?;
    let before = wired_pages()?;
    fails("8 MiB and a page", KernReturn::NO_ACCESS, gnu_vm_wire(host.0, child.0, address, size, VmProt::READ))?;
    same("nothing is wired", before, wired_pages()?)?;
    ok("a part", gnu_vm_wire(host.0, child.0, address, 16 * P, VmProt::READ))?;
    let rest = gnu_vm_wire(host.0, child.0, address + 16 * P, SHARE - 15 * P, VmProt::READ);
    fails("together too much", KernReturn::NO_ACCESS, rest)?;
    ok("what is wired does not count twice", gnu_vm_wire(host.0, child.0, address, 32 * P, VmProt::READ))?;
    drop(child);
    same("and it comes back", before, wired_pages()?)
}

fn children_are_not_wired() -> Outcome {
    let region = kept(numbered(2)?);
    ok("vm_wire", wire(region.address(), 2 * P, VmProt::DEFAULT))?;
    let before = wired_pages()?;
    in_child(move || {
        same("the child's region", 0, wired_count(region)?)?;
        store(region, 0, 42);
        same("the child", [42, 2], [load(region, 0), load(region, P)])
    })?;
    let seen = Cell::new([0; 2]);
    without_fault("its pages stay", &numbered(2)?, region, |region| {
        seen.set([load(region, 0), load(region, P)]);
        store(region, P, 43);
    })?;
    same("the parent", [1, 2], seen.get())?;
    same("wired", (before, 1), (wired_pages()?, wired_count(region)?))?;
    ok("unwire", wire(region.address(), 2 * P, VmProt::NONE))
}

const MIB: u64 = 1 << 20;

/// A task whose map may hold 128 MiB, and at most 512.
fn limited() -> Result<(EmptyTask, Host), String> {
    let (task, host) = (EmptyTask::new()?, Host::new()?);
    ok("vm_set_size_limit", vm_set_size_limit(host.0, task.0, 128 * MIB, 512 * MIB))?;
    Ok((task, host))
}

fn allocate(task: &EmptyTask, size: u64) -> Result<u64, KernReturn> {
    vm::vm_allocate(task.0, 0, size, VmFlags::ANYWHERE)
}

fn limits_are_set_and_got() -> Outcome {
    let (task, _host) = limited()?;
    same("limits", Ok((128 * MIB, 512 * MIB)), vm_get_size_limit(task.0))
}

fn raising_takes_privilege() -> Outcome {
    let (task, host) = limited()?;
    fails("1 GiB", KernReturn::NO_ACCESS, vm_set_size_limit(host.0, task.0, 128 * MIB, 1024 * MIB))?;
    same("limits", Ok((128 * MIB, 512 * MIB)), vm_get_size_limit(task.0))
}

/// I.16-3, 4 and, as far as an unprivileged task may raise its limit, 6, 8 and 9.
fn limits_hold() -> Outcome {
    let (task, host) = limited()?;
    ok("128 KiB", allocate(&task, 128 << 10))?;
    fails("256 MiB", KernReturn::NO_SPACE, allocate(&task, 256 * MIB))?;
    ok("raise it", vm_set_size_limit(host.0, task.0, 512 * MIB, 512 * MIB))?;
    let address = ok("256 MiB", allocate(&task, 256 * MIB))?;
    fails("and 256 MiB", KernReturn::NO_SPACE, allocate(&task, 256 * MIB))?;
    ok("vm_deallocate", vm::vm_deallocate(task.0, address, 256 * MIB))?;
    ok("256 MiB again", allocate(&task, 256 * MIB)).map(drop)
}

/// I.16-7, 10 and 11.
fn what_can_never_be_touched_does_not_count() -> Outcome {
    let (task, _host) = limited()?;
    let nothing = vm::MapRequest {
        protection: VmProt::NONE,
        max_protection: VmProt::NONE,
        ..vm::MapRequest::anonymous(1536 * MIB)
    };
    let reserved = ok("1.5 GiB of nothing", vm::vm_map(task.0, &nothing))?;
    let first = ok("128 MiB", allocate(&task, 128 * MIB))?;
    fails("a page more", KernReturn::NO_SPACE, allocate(&task, P))?;
    ok("vm_protect", vm::vm_protect(task.0, first, 128 * MIB, vm::Which::Maximum, VmProt::NONE))?;
    ok("128 MiB", allocate(&task, 128 * MIB))?;
    let regain = vm::vm_protect(task.0, reserved, P, vm::Which::Maximum, VmProt::ALL);
    fails("a maximum of nothing stays", KernReturn::PROTECTION_FAILURE, regain)
}

fn a_current_limit_beyond_the_maximum() -> Outcome {
    let (task, host) = limited()?;
    fails("current > maximum", KernReturn::INVALID_ARGUMENT, vm_set_size_limit(host.0, task.0, 2 * MIB, MIB))
}

fn tasks_of_limits() -> Outcome {
    let host = Host::new()?;
    fails("null", KernReturn::INVALID_TASK, vm_set_size_limit(host.0, PortName::NULL, MIB, MIB))?;
    fails("null", KernReturn::SEND_INVALID_DEST, vm_get_size_limit(PortName::NULL))?;
    fails("a host", KernReturn::INVALID_TASK, vm_get_size_limit(host.0))
}

fn hosts_of_limits() -> Outcome {
    let task = EmptyTask::new()?;
    fails("a task", KernReturn::INVALID_HOST, vm_set_size_limit(me(), task.0, MIB, MIB))
}

fn children_inherit_limits() -> Outcome {
    use libmach::task::{Memory, task_create, task_terminate};
    let (task, _host) = limited()?;
    for memory in [Memory::Empty, Memory::Inherited] {
        let child = ok("task_create", task_create(task.0, memory))?;
        same("limits", Ok((128 * MIB, 512 * MIB)), vm_get_size_limit(child))?;
        ok("task_terminate", task_terminate(child))?;
        ok("deallocate", mach_port_deallocate(me(), child))?;
    }
    holds("the parent has others", vm_get_size_limit(me()) != Ok((128 * MIB, 512 * MIB)))
}
