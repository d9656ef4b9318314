//! I-MO 1 to 9: the first mapping.

use libmach::KernReturn;
use libmach::memory_object::{
    CopyStrategy, Upcall, memory_object_destroy, memory_object_get_attributes, memory_object_ready,
};
use libmach::port::PortType;
use libmach::thread::{sleep, spawn};
use libmach::vm::{self, MapRequest, VmProt};

use super::{Access, Manager, SOON_MS, type_of};
use crate::support::{EmptyTask, P, fails, free, holds, me, ok, reads, same, store};
use crate::{Case, Outcome};

pub(super) const CASES: &[Case] = &[
    ("memory_object.imo.01", init_comes_with_two_ports),
    ("memory_object.imo.02", a_second_mapping_is_no_news),
    ("memory_object.imo.03", requests_wait_for_ready),
    ("memory_object.imo.04", attributes_before_and_after),
    ("memory_object.imo.05", an_unknown_strategy),
    ("memory_object.imo.06", refusing_by_destroy),
    ("memory_object.imo.07", a_copy_waits_for_ready),
    ("memory_object.imo.08", offsets_are_those_of_the_object),
    ("memory_object.imo.09", two_mappings_are_one_memory),
];

fn init_comes_with_two_ports() -> Outcome {
    let manager = Manager::new()?;
    // The call returns before the manager has answered anything: it is this very thread.
    let region = manager.map(1)?;
    let (upcall, message) = manager.next()?;
    let Upcall::Init(init) = upcall else { return Err(alloc::format!("wanted init, got {upcall:?}")) };
    same("page size", P, init.page_size)?;
    same("the port it came to", manager.object(), message.header.local.name)?;
    let &[control, name] = message.rights() else { return Err("two rights".into()) };
    holds("the ports differ", control.name != name.name && control.name != manager.object())?;
    for right in [control.name, name.name] {
        same("what each right is", PortType::SEND, type_of(right)?)?;
    }
    manager.control.set(control.name);
    manager.name.set(name.name);
    manager.finish(region)
}

fn a_second_mapping_is_no_news() -> Outcome {
    let manager = Manager::new()?;
    let region = manager.map(1)?;
    manager.init()?;
    let other = EmptyTask::new()?;
    ok("vm_map in another task", vm::vm_map(other.0, &MapRequest::object(manager.object(), P)))?;
    manager.nothing()?;
    free(region.address(), P)?;
    manager.nothing()?;
    drop(other);
    manager.terminated()
}

fn requests_wait_for_ready() -> Outcome {
    let manager = Manager::new()?;
    let region = manager.map(2)?;
    manager.init()?;
    let reader = Access::read(region.address() + P + 123)?;
    manager.nothing()?;
    manager.say_ready(false, CopyStrategy::DELAY)?;
    same("access", VmProt::READ, manager.request(P)?)?;
    manager.nothing()?;
    reader.waits()?;
    manager.supply(P, 9)?;
    reader.gives(9)?;
    manager.finish(region)
}

fn attributes_before_and_after() -> Outcome {
    let manager = Manager::new()?;
    let region = manager.map(1)?;
    manager.init()?;
    let get = || ok("memory_object_get_attributes", memory_object_get_attributes(manager.control()));
    same("ready at first", false, get()?.0)?;
    manager.say_ready(true, CopyStrategy::NONE)?;
    let (ready, attributes) = get()?;
    let got = (ready, attributes.may_cache, attributes.copy_strategy);
    same("after ready", (true, true, CopyStrategy::NONE), got)?;
    manager.finish(region)
}

fn an_unknown_strategy() -> Outcome {
    let manager = Manager::new()?;
    let region = manager.map(1)?;
    manager.init()?;
    let unknown = memory_object_ready(manager.control(), false, CopyStrategy(7));
    fails("memory_object_ready", KernReturn::INVALID_ARGUMENT, unknown)?;
    let (ready, _) = ok("memory_object_get_attributes", memory_object_get_attributes(manager.control()))?;
    same("ready", false, ready)?;
    let reader = Access::read(region.address())?;
    manager.nothing()?;
    manager.say_ready(false, CopyStrategy::DELAY)?;
    manager.request(0)?;
    manager.supply(0, 3)?;
    reader.gives(3)?;
    manager.finish(region)
}

fn refusing_by_destroy() -> Outcome {
    let manager = Manager::new()?;
    let region = manager.map(1)?;
    manager.init()?;
    let reader = Access::read(region.address() + 5)?;
    reader.waits()?;
    ok("memory_object_destroy", memory_object_destroy(manager.control(), KernReturn::FAILURE))?;
    reader.fails(KernReturn::MEMORY_ERROR)?;
    manager.terminated()?;
    free(region.address(), P)
}

fn a_copy_waits_for_ready() -> Outcome {
    let manager = Manager::new()?;
    let object = manager.object();
    let mapper =
        ok("spawn", spawn(move || vm::vm_map(me(), &MapRequest { copy: true, ..MapRequest::object(object, P) })))?;
    manager.init()?;
    sleep(SOON_MS);
    holds("the mapper waits", !mapper.is_finished())?;
    manager.say_ready(false, CopyStrategy::DELAY)?;
    let address = ok("vm_map", ok("join", mapper.join())?)?;
    let reader = Access::read(address)?;
    manager.request(0)?;
    manager.supply(0, 5)?;
    reader.gives(5)?;
    free(address, P)?;
    manager.terminated()
}

fn offsets_are_those_of_the_object() -> Outcome {
    let manager = Manager::new()?;
    let region = manager.map_by(&MapRequest { offset: 3 * P, ..MapRequest::object(manager.object(), 2 * P) })?;
    manager.init()?;
    manager.say_ready(false, CopyStrategy::DELAY)?;
    let reader = Access::read(region.address() + P + 1)?;
    manager.request(4 * P)?;
    manager.supply(4 * P, 44)?;
    reader.gives(44)?;
    manager.finish(region)
}

fn two_mappings_are_one_memory() -> Outcome {
    let (manager, one) = Manager::full(1, CopyStrategy::DELAY)?;
    let two = manager.map(1)?;
    reads(two.address(), 1)?;
    store(one, 7, 77);
    reads(two.address() + 7, 77)?;
    store(two, 8, 88);
    reads(one.address() + 8, 88)?;
    free(two.address(), P)?;
    manager.finish_dirty(one, 1)
}
