//! I-MO 59 to 64: copies of managed memory, by each strategy.

use alloc::string::String;

use libmach::Region;
use libmach::memory_object::{CopyStrategy, ShouldReturn, Upcall, memory_object_data_unavailable};
use libmach::thread::spawn;
use libmach::vm::{self, MapRequest, VmInherit, VmProt};

use super::{Access, Manager};
use crate::support::{EmptyTask, P, free, in_child, load, ok, reads, same, store};
use crate::{Case, Outcome};

pub(super) const CASES: &[Case] = &[
    ("memory_object.imo.59", a_write_to_the_copy_is_its_own),
    ("memory_object.imo.60", a_write_to_the_object_is_not_in_the_copy),
    ("memory_object.imo.61", the_copy_asks_the_object),
    ("memory_object.imo.62", a_manager_that_is_asked),
    ("memory_object.imo.63", a_fork_is_a_copy),
    ("memory_object.imo.64", without_promise_all_is_read_at_once),
];

/// A snapshot of the first pages, mapped. Its manager must not have to answer.
fn copy_of(manager: &Manager, count: u64) -> Result<&'static Region, String> {
    manager.map_by(&MapRequest { copy: true, ..MapRequest::object(manager.object(), count * P) })
}

fn a_write_to_the_copy_is_its_own() -> Outcome {
    let (manager, region) = Manager::full(2, CopyStrategy::DELAY)?;
    let copy = copy_of(&manager, 2)?;
    store(copy, 0, 50);
    reads(copy.address(), 50)?;
    reads(copy.address() + 1, 1)?;
    reads(region.address(), 1)?;
    free(copy.address(), 2 * P)?;
    manager.nothing()?;
    // The object itself is clean: nothing comes back.
    manager.finish(region)
}

fn a_write_to_the_object_is_not_in_the_copy() -> Outcome {
    let (manager, region) = Manager::full(2, CopyStrategy::DELAY)?;
    let copy = copy_of(&manager, 2)?;
    store(region, 0, 60);
    reads(copy.address(), 1)?;
    reads(region.address(), 60)?;
    reads(copy.address() + P, 2)?;
    free(copy.address(), 2 * P)?;
    manager.finish_dirty(region, 1)
}

fn the_copy_asks_the_object() -> Outcome {
    let (manager, region) = Manager::ready(2, CopyStrategy::DELAY)?;
    let copy = copy_of(&manager, 2)?;
    let reader = Access::read(copy.address() + P)?;
    same("access", VmProt::READ, manager.request(P)?)?;
    manager.supply(P, 61)?;
    reader.gives(61)?;
    // A write to the copy asks for reading only: the object's page is not to be written.
    let writer = Access::write(copy, 0, 62)?;
    same("access", VmProt::READ, manager.request(0)?)?;
    manager.supply(0, 63)?;
    writer.gives(62)?;
    reads(copy.address() + 1, 63)?;
    reads(region.address(), 63)?;
    free(copy.address(), 2 * P)?;
    manager.finish(region)
}

fn a_manager_that_is_asked() -> Outcome {
    let (manager, region) = Manager::full(2, CopyStrategy::CALL)?;
    let copy = copy_of(&manager, 2)?;
    let new = manager.copied(0, 2 * P)?;
    new.init()?;
    let reader = Access::read(copy.address() + P)?;
    // Nothing is asked before the new object is ready.
    new.nothing()?;
    new.say_ready(false, CopyStrategy::DELAY)?;
    same("access", VmProt::READ, new.request(P)?)?;
    ok("data_unavailable", memory_object_data_unavailable(new.control(), P, P))?;
    reader.gives(2)?;
    // Who writes to the old page waits until the snapshot has what it needs.
    let writer = Access::write(region, P, 70)?;
    same("access", VmProt::WRITE, manager.unlock_wanted(P)?)?;
    new.supply(P, 2)?;
    manager.lock_done((P, P), ShouldReturn::NONE, false, VmProt::NONE)?;
    writer.gives(70)?;
    reads(copy.address() + P, 2)?;
    reads(region.address() + P, 70)?;
    free(copy.address(), 2 * P)?;
    new.terminated()?;
    manager.finish_dirty(region, 1)
}

fn a_fork_is_a_copy() -> Outcome {
    let (manager, region) = Manager::full(3, CopyStrategy::DELAY)?;
    ok("vm_inherit", region.inherit(VmInherit::COPY))?;
    let steps = crate::support::shared_page()?;
    let writer = ok(
        "spawn",
        spawn(move || {
            while steps.words()[0].load(core::sync::atomic::Ordering::SeqCst) == 0 {
                libmach::thread::sleep(1);
            }
            store(region, P, 80);
            steps.words()[0].store(2, core::sync::atomic::Ordering::SeqCst);
        }),
    )?;
    in_child(move || {
        store(region, 0, 90);
        steps.words()[0].store(1, core::sync::atomic::Ordering::SeqCst);
        while steps.words()[0].load(core::sync::atomic::Ordering::SeqCst) == 1 {
            libmach::thread::sleep(1);
        }
        reads(region.address(), 90)?;
        reads(region.address() + P, 2)?;
        reads(region.address() + 2 * P, 3)
    })?;
    ok("join", writer.join())?;
    reads(region.address(), 1)?;
    reads(region.address() + P, 80)?;
    // What this task wrote is in a copy of its own as well: inheritance COPY copies both sides.
    free(region.address(), 3 * P)?;
    loop {
        match manager.next()?.0 {
            Upcall::Terminate(_) => return Ok(()),
            Upcall::DataReturn(_) => {}
            other => return Err(alloc::format!("wanted the end, got {other:?}")),
        }
    }
}

fn without_promise_all_is_read_at_once() -> Outcome {
    let (manager, region) = Manager::ready(4, CopyStrategy::NONE)?;
    // Into another task: its map is in use until the copy is complete, and this one's thread is the manager.
    let other = EmptyTask::new()?;
    let (task, object) = (other.0, manager.object());
    let copy = MapRequest { copy: true, ..MapRequest::object(object, 4 * P) };
    let mapper = ok("spawn", spawn(move || vm::vm_map(task, &copy)))?;
    for page in 0..4 {
        same("access", VmProt::READ, manager.request(page * P)?)?;
        manager.supply(page * P, page as u8 + 1)?;
    }
    let address = ok("vm_map", ok("join", mapper.join())?)?;
    store(region, 0, 99);
    let seen = ok("read the copy", Region::read_from(task, address, 4 * P))?;
    for page in 0..4 {
        same("the page's byte", page as u8 + 1, load(&seen, page * P))?;
    }
    drop(other);
    manager.finish_dirty(region, 1)
}
