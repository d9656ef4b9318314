//! I-MO 25 to 38: returning, flushing and locking.

use alloc::vec;

use libmach::KernReturn;
use libmach::host::mach_host_self;
use libmach::memory_object::{CopyStrategy, ShouldReturn, memory_object_lock_request};
use libmach::port::mach_port_deallocate;
use libmach::thread::spawn;
use libmach::vm::{self, ObjectSync, VmProt};

use super::{Access, Manager, WRITES, filled, one_of, send_once_unused};
use crate::pressure::evict_everything;
use crate::support::{P, fails, holds, me, ok, reads, same, store};
use crate::{Case, Outcome};

pub(super) const CASES: &[Case] = &[
    ("memory_object.imo.25", dirty_pages_come_back_and_stay),
    ("memory_object.imo.26", clean_pages_do_not_come_back),
    ("memory_object.imo.27", flushed_pages_are_asked_for_again),
    ("memory_object.imo.28", flushing_without_return_loses),
    ("memory_object.imo.29", locking_writes_out),
    ("memory_object.imo.30", locks_replace_each_other),
    ("memory_object.imo.31", no_lock_is_kept_for_later),
    ("memory_object.imo.32", precious_pages_come_back_clean),
    ("memory_object.imo.33", precious_pages_are_evicted_by_returning),
    ("memory_object.imo.34", clean_pages_are_evicted_silently),
    ("memory_object.imo.35", size_zero_is_just_completed),
    ("memory_object.imo.36", a_wired_page_is_not_flushed),
    ("memory_object.imo.37", many_pages_each_once),
    ("memory_object.imo.38", an_unknown_lock),
    ("vm_object_sync.returns", syncing_an_object_by_its_name),
    ("vm_object_sync.flushes", flushing_an_object_by_its_name),
    ("vm_object_sync.waits", syncing_waits_for_the_manager),
    ("vm_object_sync.codes", codes_of_object_sync),
];

const PAGE: (u64, u64) = (0, P);

/// A ready object with one page of ones that K has written a 9 to.
fn written() -> Result<(Manager, &'static libmach::Region), alloc::string::String> {
    let (manager, region) = Manager::full(1, CopyStrategy::DELAY)?;
    store(region, 0, 9);
    Ok((manager, region))
}

fn dirty_pages_come_back_and_stay() -> Outcome {
    let (manager, region) = written()?;
    manager.lock(PAGE, ShouldReturn::DIRTY, false, VmProt::NO_CHANGE)?;
    let back = manager.back()?;
    same("offset, dirty, kernel_copy", (0, true, true), (back.offset, back.dirty, back.kernel_copy))?;
    same("size", P, back.data.size())?;
    let bytes = |byte| crate::support::load(&back.data, byte);
    same("bytes", (9, 1, 1), (bytes(0), bytes(1), bytes(P - 1)))?;
    manager.locked(0, P)?;
    reads(region.address(), 9)?;
    manager.nothing()?;
    manager.finish(region)
}

fn clean_pages_do_not_come_back() -> Outcome {
    let (manager, region) = written()?;
    manager.lock(PAGE, ShouldReturn::DIRTY, false, VmProt::NO_CHANGE)?;
    manager.one_back(0, 9, true, true)?;
    manager.locked(0, P)?;
    manager.lock_done(PAGE, ShouldReturn::DIRTY, false, VmProt::NO_CHANGE)?;
    // A write after the return makes it dirty again.
    store(region, 0, 10);
    manager.lock(PAGE, ShouldReturn::DIRTY, false, VmProt::NO_CHANGE)?;
    manager.one_back(0, 10, true, true)?;
    manager.locked(0, P)?;
    manager.finish(region)
}

fn flushed_pages_are_asked_for_again() -> Outcome {
    let (manager, region) = written()?;
    manager.lock(PAGE, ShouldReturn::DIRTY, true, VmProt::NO_CHANGE)?;
    manager.one_back(0, 9, true, false)?;
    manager.locked(0, P)?;
    let reader = Access::read(region.address())?;
    manager.request(0)?;
    manager.supply(0, 4)?;
    reader.gives(4)?;
    manager.finish(region)
}

fn flushing_without_return_loses() -> Outcome {
    let (manager, region) = written()?;
    manager.lock_done(PAGE, ShouldReturn::NONE, true, VmProt::NO_CHANGE)?;
    let reader = Access::read(region.address())?;
    manager.request(0)?;
    manager.supply(0, 2)?;
    reader.gives(2)?;
    manager.finish(region)
}

fn locking_writes_out() -> Outcome {
    let (manager, region) = written()?;
    manager.lock_done(PAGE, ShouldReturn::NONE, false, VmProt::WRITE)?;
    reads(region.address(), 9)?;
    let writer = Access::write(region, 0, 10)?;
    one_of("access", &WRITES, &manager.unlock_wanted(0)?)?;
    writer.waits()?;
    manager.lock_done(PAGE, ShouldReturn::NONE, false, VmProt::NONE)?;
    writer.gives(10)?;
    manager.finish_dirty(region, 1)
}

fn locks_replace_each_other() -> Outcome {
    let (manager, region) = written()?;
    manager.lock_done(PAGE, ShouldReturn::NONE, false, VmProt::WRITE)?;
    manager.lock_done(PAGE, ShouldReturn::NONE, false, VmProt::EXECUTE)?;
    Access::write(region, 0, 11)?.gives(11)?;
    manager.nothing()?;
    manager.finish_dirty(region, 1)
}

fn no_lock_is_kept_for_later() -> Outcome {
    let (manager, region) = Manager::ready(1, CopyStrategy::DELAY)?;
    manager.lock_done(PAGE, ShouldReturn::NONE, false, VmProt::ALL)?;
    let writer = Access::write(region, 0, 12)?;
    manager.request(0)?;
    manager.supply(0, 1)?;
    writer.gives(12)?;
    manager.nothing()?;
    manager.finish_dirty(region, 1)
}

fn precious_pages_come_back_clean() -> Outcome {
    let (manager, region) = Manager::ready(1, CopyStrategy::DELAY)?;
    ok("supply", manager.supply_from(0, &filled(3)?, VmProt::NONE, true, None))?;
    manager.lock_done(PAGE, ShouldReturn::DIRTY, false, VmProt::NO_CHANGE)?;
    manager.lock(PAGE, ShouldReturn::ALL, false, VmProt::NO_CHANGE)?;
    manager.one_back(0, 3, false, true)?;
    manager.locked(0, P)?;
    // It stays precious: the end returns it once more.
    manager.finish_dirty(region, 1)
}

fn precious_pages_are_evicted_by_returning() -> Outcome {
    let (manager, region) = Manager::ready(1, CopyStrategy::DELAY)?;
    ok("supply", manager.supply_from(0, &filled(3)?, VmProt::NONE, true, None))?;
    reads(region.address(), 3)?;
    evict_everything()?;
    manager.one_back(0, 3, false, false)?;
    let reader = Access::read(region.address())?;
    manager.request(0)?;
    manager.supply(0, 4)?;
    reader.gives(4)?;
    manager.finish(region)
}

fn clean_pages_are_evicted_silently() -> Outcome {
    let (manager, region) = Manager::full(1, CopyStrategy::DELAY)?;
    reads(region.address(), 1)?;
    evict_everything()?;
    manager.nothing()?;
    let reader = Access::read(region.address())?;
    manager.request(0)?;
    manager.supply(0, 4)?;
    reader.gives(4)?;
    manager.finish(region)
}

fn size_zero_is_just_completed() -> Outcome {
    let (manager, region) = written()?;
    manager.lock_done((0, 0), ShouldReturn::ALL, true, VmProt::ALL)?;
    reads(region.address(), 9)?;
    manager.finish_dirty(region, 1)
}

fn a_wired_page_is_not_flushed() -> Outcome {
    let (manager, region) = Manager::full(1, CopyStrategy::DELAY)?;
    let host = ok("mach_host_self", mach_host_self())?;
    let wire = |access| ok("vm_wire", vm::gnu_vm_wire(host, me(), region.address(), P, access));
    wire(VmProt::READ)?;
    manager.lock(PAGE, ShouldReturn::NONE, true, VmProt::NO_CHANGE)?;
    manager.nothing()?;
    reads(region.address(), 1)?;
    wire(VmProt::NONE)?;
    manager.locked(0, P)?;
    ok("deallocate", mach_port_deallocate(me(), host))?;
    let reader = Access::read(region.address())?;
    manager.request(0)?;
    manager.supply(0, 2)?;
    reader.gives(2)?;
    manager.finish(region)
}

fn many_pages_each_once() -> Outcome {
    const PAGES: u64 = 100;
    let (manager, region) = Manager::ready(PAGES, CopyStrategy::DELAY)?;
    let writer = spawn(move || (0..PAGES).for_each(|page| store(region, page * P, page as u8 + 100)));
    let writer = ok("spawn", writer)?;
    for page in 0..PAGES {
        manager.request(page * P)?;
        manager.supply(page * P, 1)?;
    }
    ok("join", writer.join())?;
    manager.lock((0, PAGES * P), ShouldReturn::DIRTY, false, VmProt::NO_CHANGE)?;
    let mut seen = vec![0; PAGES as usize];
    while seen.iter().sum::<u32>() < PAGES as u32 {
        let back = manager.back()?;
        holds("dirty, and kept", back.dirty && back.kernel_copy)?;
        for page in 0..back.data.size() / P {
            let number = back.offset / P + page;
            same("the page's byte", number as u8 + 100, crate::support::load(&back.data, page * P))?;
            *seen.get_mut(number as usize).ok_or("a page beyond the object")? += 1;
        }
    }
    holds("each page once", seen.iter().all(|count| *count == 1))?;
    manager.locked(0, PAGES * P)?;
    reads(region.address() + 99 * P, 199)?;
    manager.finish(region)
}

fn an_unknown_lock() -> Outcome {
    let (manager, region) = written()?;
    let (control, reply) = (manager.control(), manager.by_reply());
    let lock = VmProt::from_bits_retain(0x18);
    let asked = memory_object_lock_request(control, 0, P, ShouldReturn::DIRTY, true, lock, reply);
    fails("lock_request", KernReturn::INVALID_ARGUMENT, asked)?;
    send_once_unused(manager.reply_port())?;
    manager.nothing()?;
    reads(region.address(), 9)?;
    manager.finish_dirty(region, 1)
}

/// The name of the object behind an address; the caller deallocates it.
fn name_at(address: u64) -> Result<libmach::PortName, alloc::string::String> {
    Ok(ok("vm_region", vm::gnu_vm_region(me(), address))?.object_name)
}

fn syncing_an_object_by_its_name() -> Outcome {
    let (manager, region) = written()?;
    let name = name_at(region.address())?;
    same("the name that the manager was told", manager.name(), name)?;
    let how = ObjectSync { returns: true, ..ObjectSync::default() };
    ok("vm_object_sync", vm::vm_object_sync(name, 0, P, how))?;
    manager.one_back(0, 9, true, true)?;
    ok("vm_object_sync of clean pages", vm::vm_object_sync(name, 0, P, how))?;
    manager.nothing()?;
    reads(region.address(), 9)?;
    ok("deallocate the name", mach_port_deallocate(me(), name))?;
    manager.finish(region)
}

fn flushing_an_object_by_its_name() -> Outcome {
    let (manager, region) = written()?;
    let name = manager.name();
    ok("vm_object_sync", vm::vm_object_sync(name, 0, P, ObjectSync { flush: true, ..ObjectSync::default() }))?;
    manager.nothing()?;
    let access = Access::read(region.address())?;
    same("access", VmProt::READ, manager.request(0)?)?;
    manager.supply(0, 4)?;
    access.gives(4)?;
    manager.finish(region)
}

fn syncing_waits_for_the_manager() -> Outcome {
    let (manager, region) = written()?;
    let name = manager.name();
    let how = ObjectSync { flush: true, returns: true, waits: true };
    let syncing = ok("spawn", spawn(move || vm::vm_object_sync(name, 0, P, how)))?;
    libmach::thread::sleep(60);
    holds("it waits until the manager has the data", !syncing.is_finished())?;
    manager.one_back(0, 9, true, false)?;
    ok("vm_object_sync", ok("join", syncing.join())?)?;
    manager.finish(region)
}

fn codes_of_object_sync() -> Outcome {
    let (manager, region) = written()?;
    let how = ObjectSync { flush: true, ..ObjectSync::default() };
    let sync = |name, offset| vm::vm_object_sync(name, offset, P, how);
    fails("null", KernReturn::SEND_INVALID_DEST, sync(libmach::PortName::NULL, 0))?;
    fails("a task", KernReturn::INVALID_ARGUMENT, sync(me(), 0))?;
    fails("a control port", KernReturn::INVALID_ARGUMENT, sync(manager.control(), 0))?;
    fails("an offset in a page", KernReturn::INVALID_ARGUMENT, sync(manager.name(), 1))?;
    reads(region.address(), 9)?;
    let anonymous = crate::support::numbered(1)?;
    let name = name_at(anonymous.address())?;
    ok("anonymous memory", sync(name, 0))?;
    reads(anonymous.address(), 1)?;
    ok("deallocate the name", mach_port_deallocate(me(), name))?;
    manager.finish_dirty(region, 1)
}
