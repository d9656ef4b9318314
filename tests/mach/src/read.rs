//! I.6: `vm_read`.

use libmach::KernReturn;
use libmach::memory_object::{CopyStrategy, memory_object_data_error};
use libmach::thread::spawn;
use libmach::vm::{self, MapRequest, VmInherit, VmProt, vm_read};

use crate::memory_object::Manager;
use crate::support::{
    EmptyTask, LAST_PAGE, P, byte, fails, free, holds, hole, load, map_end, me, numbered, ok, pages, protect, reads,
    region_at, same, store, wrong_targets,
};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("vm_read.i06.01", a_page),
    ("vm_read.i06.02", size_zero),
    ("vm_read.i06.03", small_data_are_page_aligned),
    ("vm_read.i06.04", large_data_keep_their_offset),
    ("vm_read.i06.05", holes),
    ("vm_read.i06.06", unreadable_pages),
    ("vm_read.i06.07", sizes_of_four_gigabytes),
    ("vm_read.i06.08", wrapping),
    ("vm_read.i06.09", a_snapshot),
    ("vm_read.i06.10", from_another_task),
    ("vm_read.i06.11", attributes_are_those_of_new_memory),
    ("vm_read.i06.12", untouched_memory),
    ("vm_read.i06.13", a_manager_that_has_no_data),
    ("vm_read.i06.14", targets_that_are_no_task),
];

fn a_page() -> Outcome {
    let region = numbered(1)?;
    store(&region, 100, 42);
    let (data, count) = ok("vm_read", vm_read(me(), region.address(), P))?;
    same("count", P, count)?;
    holds("other memory", data != region.address())?;
    same("bytes", [1, 42, 1], [byte(data)?, byte(data + 100)?, byte(data + P - 1)?])?;
    free(data, count)
}

fn size_zero() -> Outcome {
    same("mapped", Ok((0, 0)), vm_read(me(), pages(1)?.address(), 0))?;
    same("unmapped", Ok((0, 0)), vm_read(me(), hole(1)?, 0))
}

fn small_data_are_page_aligned() -> Outcome {
    let region = numbered(1)?;
    store(&region, 17, 42);
    let (data, count) = ok("vm_read", vm_read(me(), region.address() + 17, P / 2))?;
    same("count and alignment", (P / 2, 0), (count, data % P))?;
    reads(data, 42)?;
    free(data, count)
}

fn large_data_keep_their_offset() -> Outcome {
    let region = numbered(4)?;
    let (data, count) = ok("vm_read", vm_read(me(), region.address() + 17, 3 * P))?;
    same("count and offset", (3 * P, 17), (count, data % P))?;
    same("bytes", [1, 2, 4], [byte(data)?, byte(data + P - 17)?, byte(data + 3 * P - 1)?])?;
    free(data, count)
}

fn holes() -> Outcome {
    let region = numbered(3)?;
    ok("the hole", vm::vm_deallocate(me(), region.address() + P, P))?;
    fails("a hole", KernReturn::INVALID_ADDRESS, vm_read(me(), region.address(), 3 * P))?;
    fails("beyond the map", KernReturn::INVALID_ADDRESS, vm_read(me(), map_end()? - P, 2 * P))
}

fn unreadable_pages() -> Outcome {
    let region = numbered(4)?;
    ok("vm_protect", protect(region.address() + P, P, VmProt::NONE))?;
    fails("small", KernReturn::INVALID_ADDRESS, vm_read(me(), region.address(), 2 * P - 1))?;
    fails("large", KernReturn::PROTECTION_FAILURE, vm_read(me(), region.address(), 2 * P))
}

fn sizes_of_four_gigabytes() -> Outcome {
    let region = pages(1)?;
    fails("2^32", KernReturn::INVALID_ARGUMENT, vm_read(me(), region.address(), 1 << 32))?;
    fails("2^32-1", KernReturn::INVALID_ADDRESS, vm_read(me(), region.address(), (1 << 32) - 1))
}

fn wrapping() -> Outcome {
    fails("by size", KernReturn::INVALID_ARGUMENT, vm_read(me(), 1, u64::MAX))?;
    fails("the last page", KernReturn::INVALID_ADDRESS, vm_read(me(), LAST_PAGE, P))
}

fn a_snapshot() -> Outcome {
    let region = numbered(3)?;
    let (data, count) = ok("vm_read", vm_read(me(), region.address(), 3 * P))?;
    store(&region, 0, 9);
    ok("vm_write", vm::vm_write(me(), data + P, &[8]))?;
    same("the data", 1, byte(data)?)?;
    same("the source", [9, 2], [load(&region, 0), load(&region, P)])?;
    free(data, count)
}

fn from_another_task() -> Outcome {
    let child = EmptyTask::new()?;
    let address = ok("vm_allocate", vm::vm_allocate(child.0, 0, P, vm::VmFlags::ANYWHERE))?;
    ok("vm_write", vm::vm_write(child.0, address + 3, &[1, 2, 3]))?;
    let (data, count) = ok("vm_read", vm_read(child.0, address + 3, 3))?;
    same("bytes", [1, 2, 3], [byte(data)?, byte(data + 1)?, byte(data + 2)?])?;
    free(data, count)
}

fn attributes_are_those_of_new_memory() -> Outcome {
    let region = numbered(1)?;
    ok("vm_protect", region.protect(VmProt::READ))?;
    let (data, count) = ok("vm_read", vm_read(me(), region.address(), P))?;
    let info = region_at(data)?;
    free(data, count)?;
    let attributes = (info.protection, info.max_protection, info.inheritance);
    same("attributes", (VmProt::DEFAULT, VmProt::ALL, VmInherit::COPY), attributes)
}

fn untouched_memory() -> Outcome {
    let region = pages(2)?;
    let (data, count) = ok("vm_read", vm_read(me(), region.address(), 2 * P))?;
    same("zeros", [0, 0], [byte(data)?, byte(data + 2 * P - 1)?])?;
    free(data, count)
}

fn targets_that_are_no_task() -> Outcome {
    let region = pages(1)?;
    wrong_targets(|target| vm_read(target, region.address(), P).map(drop))
}

fn a_manager_that_has_no_data() -> Outcome {
    let manager = Manager::new()?;
    // In another task: its map is in use until the data are there, and this one's thread is the manager.
    let other = EmptyTask::new()?;
    let task = other.0;
    let address = ok("vm_map", vm::vm_map(task, &MapRequest::object(manager.object(), 2 * P)))?;
    manager.init()?;
    manager.say_ready(false, CopyStrategy::NONE)?;
    let reader = ok("spawn", spawn(move || vm_read(task, address + P, P)))?;
    same("access", VmProt::READ, manager.request(P)?)?;
    ok("data_error", memory_object_data_error(manager.control(), P, P, KernReturn::FAILURE))?;
    fails("vm_read", KernReturn::MEMORY_ERROR, ok("join", reader.join())?)?;
    // The error is told once: the next read asks again.
    let reader = ok("spawn", spawn(move || vm_read(task, address + P, P)))?;
    manager.request(P)?;
    manager.supply(P, 6)?;
    let (data, count) = ok("vm_read", ok("join", reader.join())?)?;
    reads(data, 6)?;
    free(data, count)?;
    drop(other);
    manager.terminated()
}
