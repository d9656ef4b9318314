//! I.8: `vm_write`.

use libmach::KernReturn;
use libmach::memory_object::{CopyStrategy, ShouldReturn};
use libmach::vm::{self, VmInherit, VmProt, vm_write, vm_write_from};

use crate::memory_object::Manager;
use crate::support::{
    EmptyTask, LAST_PAGE, P, byte, fails, free, holds, hole, in_child, load, me, numbered, ok, page_is, pages, protect,
    region_at, same, shared_page, store, wrong_targets,
};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("vm_write.i08.01", a_page),
    ("vm_write.i08.02", ten_bytes),
    ("vm_write.i08.03", count_zero),
    ("vm_write.i08.04", a_buffer_that_is_not_there),
    ("vm_write.i08.05", a_hole_changes_nothing),
    ("vm_write.i08.06", a_destination_that_is_read_only),
    ("vm_write.i08.07", attributes_stay),
    ("vm_write.i08.08", a_child_that_shares_sees_it),
    ("vm_write.i08.09", into_another_task),
    ("vm_write.i08.10", a_manager_gets_it),
    ("vm_write.i08.12", targets_that_are_no_task),
];

fn a_page() -> Outcome {
    let (source, region) = (numbered(1)?, pages(1)?);
    ok("vm_write", vm_write_from(me(), region.address(), source.address(), P))?;
    holds("contents", page_is(&region, 0, 1))
}

fn ten_bytes() -> Outcome {
    let region = numbered(1)?;
    ok("vm_write", vm_write(me(), region.address() + 5, &[7; 10]))?;
    let around = [4, 5, 14, 15].map(|index| load(&region, index));
    same("bytes at the edges", [1, 7, 7, 1], around)
}

fn count_zero() -> Outcome {
    ok("unmapped", vm_write_from(me(), hole(1)?, hole(1)?, 0))
}

fn a_buffer_that_is_not_there() -> Outcome {
    let (region, source) = (numbered(1)?, pages(1)?);
    let write = |from| vm_write_from(me(), region.address(), from, P);
    fails("unmapped", KernReturn::SEND_INVALID_MEMORY, write(hole(1)?))?;
    ok("vm_protect", source.protect(VmProt::NONE))?;
    fails("unreadable", KernReturn::SEND_INVALID_MEMORY, write(source.address()))?;
    holds("nothing written", page_is(&region, 0, 1))
}

fn a_hole_changes_nothing() -> Outcome {
    let (source, region) = (pages(3)?, numbered(3)?);
    ok("the hole", vm::vm_deallocate(me(), region.address() + P, P))?;
    let write = |size| vm_write_from(me(), region.address(), source.address(), size);
    fails("large", KernReturn::INVALID_ADDRESS, write(3 * P))?;
    fails("small", KernReturn::INVALID_ADDRESS, write(P + 1))?;
    fails("wrapping", KernReturn::INVALID_ADDRESS, vm_write_from(me(), LAST_PAGE, source.address(), P))?;
    holds("nothing written", page_is(&region, 0, 1))
}

fn a_destination_that_is_read_only() -> Outcome {
    let (source, region) = (pages(3)?, numbered(3)?);
    ok("vm_protect", protect(region.address() + P, P, VmProt::READ))?;
    let write = |size| vm_write_from(me(), region.address(), source.address(), size);
    fails("small", KernReturn::INVALID_ADDRESS, write(2 * P - 1))?;
    fails("large", KernReturn::PROTECTION_FAILURE, write(2 * P))?;
    holds("nothing written", page_is(&region, 0, 1))
}

fn attributes_stay() -> Outcome {
    let (source, region) = (numbered(2)?, pages(2)?);
    ok("vm_protect", region.protect(VmProt::ALL))?;
    ok("vm_inherit", region.inherit(VmInherit::NONE))?;
    ok("vm_write", vm_write_from(me(), region.address(), source.address(), 2 * P))?;
    let info = region_at(region.address())?;
    same("attributes", (VmProt::ALL, VmInherit::NONE), (info.protection, info.inheritance))?;
    holds("contents", page_is(&region, 0, 1) && page_is(&region, 1, 2))
}

fn a_child_that_shares_sees_it() -> Outcome {
    let page = shared_page()?;
    in_child(move || {
        ok("vm_write", vm_write(me(), page.address(), &[5; 100]))?;
        same("the writer's byte", 5, load(page, 99))
    })?;
    same("the other's byte", 5, load(page, 99))?;
    store(page, 0, 6);
    let source = numbered(1)?;
    ok("vm_write of a page", vm_write_from(me(), page.address(), source.address(), P))?;
    in_child(move || holds("the child sees a whole page", page_is(page, 0, 1)))
}

fn into_another_task() -> Outcome {
    let child = EmptyTask::new()?;
    let address = ok("vm_allocate", vm::vm_allocate(child.0, 0, 2 * P, vm::VmFlags::ANYWHERE))?;
    ok("vm_write", vm_write(child.0, address + P - 1, &[3, 4]))?;
    let (data, count) = ok("vm_read", vm::vm_read(child.0, address + P - 1, 2))?;
    same("bytes", [3, 4], [byte(data)?, byte(data + 1)?])?;
    free(data, count)
}

fn targets_that_are_no_task() -> Outcome {
    let region = pages(1)?;
    wrong_targets(|target| vm_write(target, region.address(), &[1]))
}

fn a_manager_gets_it() -> Outcome {
    let (manager, region) = Manager::full(2, CopyStrategy::DELAY)?;
    ok("vm_write", vm_write(me(), region.address() + P + 5, &[7; 10]))?;
    manager.lock((0, 2 * P), ShouldReturn::DIRTY, false, VmProt::NO_CHANGE)?;
    let back = manager.back()?;
    let got = (back.offset, back.data.size(), back.dirty, back.kernel_copy);
    same("offset, size, dirty and kernel_copy", (P, P, true, true), got)?;
    let around = [4, 5, 14, 15].map(|index| load(&back.data, index));
    same("bytes at the edges", [2, 7, 7, 2], around)?;
    manager.locked(0, 2 * P)?;
    manager.finish(region)
}
