//! I-MO 44 to 58: termination, destruction, and the death of managers.

use libmach::memory_object::{
    CopyStrategy, ShouldReturn, memory_object_destroy, memory_object_get_attributes, memory_object_ready,
};
use libmach::msg::{CarriedRight, PortMessage, Timeout, receive, send};
use libmach::port::{
    Disposition, PortType, Right, mach_port_deallocate, mach_port_destroy, mach_port_insert_right, mach_port_mod_refs,
    mach_port_request_notification, notify,
};
use libmach::thread::{sleep, spawn};
use libmach::vm::{self, VmProt, VmSync};
use libmach::{KernReturn, PortName};

use super::{Access, LONG_MS, Manager, SOON_MS, type_of};
use crate::support::{EmptyTask, P, fails, free, holds, me, ok, reads, same, store};
use crate::{Case, Outcome};

pub(super) const CASES: &[Case] = &[
    ("memory_object.imo.44", terminate_hands_over_the_ports),
    ("memory_object.imo.45", send_rights_merge_with_what_comes),
    ("memory_object.imo.46", mapping_again_is_another_life),
    ("memory_object.imo.47", init_waits_for_terminate),
    ("memory_object.imo.48", unmapping_before_ready),
    ("memory_object.imo.49", no_senders_after_terminate),
    ("memory_object.imo.50", destroyed_with_resident_pages),
    ("memory_object.imo.51", saving_everything_before_destroying),
    ("memory_object.imo.52", destroying_twice),
    ("memory_object.imo.53", mapping_what_was_destroyed),
    ("memory_object.imo.54", the_manager_dies),
    ("memory_object.imo.55", the_object_port_dies),
    ("memory_object.imo.56", ports_of_a_dead_manager_are_dead_names),
    ("memory_object.imo.57", reading_what_a_dead_manager_had),
    ("memory_object.imo.58", writing_back_to_a_manager_that_dies),
];

fn destroy(manager: &Manager) -> Outcome {
    ok("memory_object_destroy", memory_object_destroy(manager.control(), KernReturn::SUCCESS))
}

/// Sends a message to a port and receives it there.
fn is_ours(port: PortName) -> Outcome {
    let mut message = PortMessage::with_words(4711, &[1]);
    message.header.remote = CarriedRight { name: port, disposition: Disposition::MAKE_SEND };
    ok("send to the port", send(&message, Timeout::Millis(LONG_MS)))?;
    let received = ok("receive from the port", receive(port, Timeout::Millis(LONG_MS)))?;
    same("what came", 4711, received.header.id)
}

fn terminate_hands_over_the_ports() -> Outcome {
    let (manager, region) = Manager::full(1, CopyStrategy::DELAY)?;
    free(region.address(), P)?;
    for port in manager.terminate_rights()? {
        holds("the port can be received from", type_of(port)?.contains(PortType::RECEIVE))?;
        is_ours(port)?;
    }
    Ok(())
}

fn send_rights_merge_with_what_comes() -> Outcome {
    let (manager, region) = Manager::full(1, CopyStrategy::DELAY)?;
    let before = type_of(manager.control())?;
    free(region.address(), P)?;
    let [control, name] = manager.terminate_rights()?;
    same("before", PortType::SEND, before)?;
    same("the control port", PortType::SEND_RECEIVE, type_of(control)?)?;
    same("the name port", PortType::SEND_RECEIVE, type_of(name)?)?;
    // The receive right goes; the send rights are a dead name then.
    ok("mod_refs", mach_port_mod_refs(me(), control, Right::RECEIVE, -1))?;
    same("without the receive right", PortType::DEAD_NAME, type_of(control)?)?;
    ok("deallocate", mach_port_deallocate(me(), control))
}

fn mapping_again_is_another_life() -> Outcome {
    let (manager, region) = Manager::full(1, CopyStrategy::DELAY)?;
    let old = manager.control();
    free(region.address(), P)?;
    manager.terminate_rights()?;
    let region = manager.map(1)?;
    manager.init()?;
    holds("another control port", manager.control() != old)?;
    manager.say_ready(false, CopyStrategy::DELAY)?;
    let reader = Access::read(region.address())?;
    manager.request(0)?;
    manager.supply(0, 8)?;
    reader.gives(8)?;
    manager.finish(region)?;
    ok("destroy the old port", mach_port_destroy(me(), old))
}

fn init_waits_for_terminate() -> Outcome {
    let (manager, region) = Manager::full(2, CopyStrategy::DELAY)?;
    store(region, P, 3);
    free(region.address(), 2 * P)?;
    let region = manager.map(1)?;
    manager.one_back(P, 3, true, false)?;
    let [old, _] = manager.terminate_rights()?;
    manager.init()?;
    holds("another control port", manager.control() != old)?;
    ok("destroy the old port", mach_port_destroy(me(), old))?;
    manager.finish(region)
}

fn unmapping_before_ready() -> Outcome {
    let manager = Manager::new()?;
    let region = manager.map(1)?;
    free(region.address(), P)?;
    manager.init()?;
    let [control, _] = manager.terminate_rights()?;
    let late = memory_object_ready(control, false, CopyStrategy::DELAY);
    holds("a late ready has no effect", late != Ok(()))?;
    manager.nothing()
}

fn no_senders_after_terminate() -> Outcome {
    let (manager, region) = Manager::full(1, CopyStrategy::DELAY)?;
    let asked = mach_port_request_notification(
        me(),
        manager.object(),
        notify::NO_SENDERS,
        0,
        manager.object(),
        Disposition::MAKE_SEND_ONCE,
    );
    ok("request_notification", asked)?;
    // The send right of this task goes; the server's is left.
    ok("mod_refs", mach_port_mod_refs(me(), manager.object(), Right::SEND, -1))?;
    manager.nothing()?;
    free(region.address(), P)?;
    manager.terminate_rights()?;
    let message = ok("no-senders", receive(manager.object(), Timeout::Millis(LONG_MS)))?;
    same("the notification", notify::NO_SENDERS as i32, message.header.id)?;
    // The manager's own send right, which its end drops.
    let object = manager.object();
    ok("insert_right", mach_port_insert_right(me(), object, object, Disposition::MAKE_SEND))
}

fn destroyed_with_resident_pages() -> Outcome {
    let (manager, region) = Manager::ready(2, CopyStrategy::DELAY)?;
    manager.fill(1)?;
    store(region, 0, 5);
    destroy(&manager)?;
    manager.terminated()?;
    reads(region.address(), 5)?;
    store(region, 0, 6);
    reads(region.address(), 6)?;
    for _ in 0..2 {
        Access::read(region.address() + P)?.fails(KernReturn::MEMORY_ERROR)?;
    }
    free(region.address(), 2 * P)
}

fn saving_everything_before_destroying() -> Outcome {
    let (manager, region) = Manager::full(2, CopyStrategy::DELAY)?;
    store(region, 0, 5);
    manager.lock((0, 2 * P), ShouldReturn::DIRTY, true, VmProt::WRITE)?;
    manager.one_back(0, 5, true, false)?;
    manager.locked(0, 2 * P)?;
    destroy(&manager)?;
    manager.terminated()?;
    Access::read(region.address())?.fails(KernReturn::MEMORY_ERROR)?;
    free(region.address(), 2 * P)
}

fn destroying_twice() -> Outcome {
    let (manager, region) = Manager::full(1, CopyStrategy::DELAY)?;
    destroy(&manager)?;
    // What the second one answers says nothing; that it has no effect is what counts.
    let _ = memory_object_destroy(manager.control(), KernReturn::SUCCESS);
    manager.terminated()?;
    reads(region.address(), 1)?;
    free(region.address(), P)
}

fn mapping_what_was_destroyed() -> Outcome {
    let (manager, old) = Manager::full(1, CopyStrategy::DELAY)?;
    destroy(&manager)?;
    manager.terminated()?;
    let new = manager.map(1)?;
    manager.init()?;
    manager.say_ready(false, CopyStrategy::DELAY)?;
    let reader = Access::read(new.address())?;
    manager.request(0)?;
    manager.supply(0, 9)?;
    reader.gives(9)?;
    store(new, 1, 10);
    reads(old.address(), 1)?;
    reads(old.address() + 1, 1)?;
    free(old.address(), P)?;
    manager.nothing()?;
    manager.finish_dirty(new, 1)
}

/// Moves the object's receive right into a task, as if that were the manager, and ends the task.
fn die(manager: &Manager) -> Outcome {
    let task = EmptyTask::new()?;
    let object = manager.object();
    ok("give the object away", mach_port_insert_right(task.0, object, object, Disposition::MOVE_RECEIVE))
}

fn the_manager_dies() -> Outcome {
    let (manager, region) = Manager::ready(3, CopyStrategy::DELAY)?;
    manager.fill(1)?;
    let readers = [Access::read(region.address() + P)?, Access::read(region.address() + 2 * P)?];
    for _ in &readers {
        manager.next()?;
    }
    die(&manager)?;
    for reader in readers {
        reader.fails(KernReturn::MEMORY_ERROR)?;
    }
    reads(region.address(), 1)?;
    store(region, 0, 2);
    Access::read(region.address() + P)?.fails(KernReturn::MEMORY_ERROR)?;
    free(region.address(), 3 * P)
}

fn the_object_port_dies() -> Outcome {
    let (manager, region) = Manager::ready(2, CopyStrategy::DELAY)?;
    manager.fill(1)?;
    let reader = Access::read(region.address() + P)?;
    manager.request(P)?;
    ok("mod_refs", mach_port_mod_refs(me(), manager.object(), Right::RECEIVE, -1))?;
    reader.fails(KernReturn::MEMORY_ERROR)?;
    reads(region.address(), 1)?;
    free(region.address(), 2 * P)
}

fn ports_of_a_dead_manager_are_dead_names() -> Outcome {
    let (manager, region) = Manager::full(1, CopyStrategy::DELAY)?;
    die(&manager)?;
    // The end of the task is noticed in its time; a touch that fails shows that it was.
    for port in [manager.control(), manager.name()] {
        let mut is_dead = false;
        for _ in 0..LONG_MS / 10 {
            is_dead = type_of(port)? == PortType::DEAD_NAME;
            if is_dead {
                break;
            }
            libmach::thread::sleep(10);
        }
        holds("the port is a dead name", is_dead)?;
    }
    let attributes = memory_object_get_attributes(manager.control());
    fails("get_attributes", KernReturn::SEND_INVALID_DEST, attributes)?;
    free(region.address(), P)
}

fn reading_what_a_dead_manager_had() -> Outcome {
    let (manager, region) = Manager::ready(2, CopyStrategy::NONE)?;
    manager.fill(1)?;
    ok("mod_refs", mach_port_mod_refs(me(), manager.object(), Right::RECEIVE, -1))?;
    fails("vm_read, NONE", KernReturn::MEMORY_ERROR, vm::vm_read(me(), region.address(), 2 * P))?;
    free(region.address(), 2 * P)?;

    let (manager, region) = Manager::ready(2, CopyStrategy::DELAY)?;
    manager.fill(1)?;
    ok("mod_refs", mach_port_mod_refs(me(), manager.object(), Right::RECEIVE, -1))?;
    let (copy, size) = ok("vm_read, DELAY", vm::vm_read(me(), region.address(), 2 * P))?;
    reads(copy, 1)?;
    Access::read(copy + P)?.fails(KernReturn::MEMORY_ERROR)?;
    free(copy, size)?;
    free(region.address(), 2 * P)
}

fn writing_back_to_a_manager_that_dies() -> Outcome {
    let (manager, region) = Manager::full(1, CopyStrategy::DELAY)?;
    store(region, 0, 5);
    let address = region.address();
    let syncing = ok("spawn", spawn(move || vm::vm_msync(me(), address, P, VmSync::SYNCHRONOUS)))?;
    sleep(SOON_MS);
    holds("vm_msync waits until the manager has the data", !syncing.is_finished())?;
    ok("mod_refs", mach_port_mod_refs(me(), manager.object(), Right::RECEIVE, -1))?;
    fails("vm_msync", KernReturn::MEMORY_ERROR, ok("join", syncing.join())?)?;
    free(address, P)
}
