//! Cases I-MO 59 to 64, copies; I.18 7 and 8; and cases 65 to 70, lies.

use mach_protocol::KernReturn;

use super::bench::*;
use super::managed::*;
use crate::model::{Told, World};
use crate::*;

#[test]
fn i_mo_59_60_a_snapshot_and_its_original() {
    for is_fork in [false, true] {
        let (mut t, a, assoc) = Managed::ready(3);
        t.fill(assoc, a, &[1, 2]);
        let (owner, copy) = if is_fork {
            (t.b.fork(), a)
        } else {
            let me = t.b.me;
            let args = MapArgs { copy: true, ..map_args(0, 3 * P) };
            (me, t.b.world.run(MapMemory::new(Some(me), args)).unwrap())
        };
        t.b.world.store(owner, copy, 9).unwrap();
        assert_eq!(t.b.load(a), 1);
        t.b.store(a + P, 8);
        assert_eq!(t.b.world.load(owner, copy + P), Ok(2));
        assert_eq!(t.told(), [], "nobody asks the manager");
        // 61: what was not resident is asked for from the object, for reading.
        let mut fault = t.begin(Fault::new(owner, copy + 2 * P, Prot::WRITE));
        assert_eq!(t.told(), [Told::Request(assoc, 2 * P, Prot::READ)]);
        t.supply(assoc, 2 * P, &[3]);
        assert_eq!(t.resume(&mut fault), Some(Ok(())));
        t.b.world.store(owner, copy + 2 * P, 7).unwrap();
        assert_eq!((t.b.load(a + 2 * P), t.b.world.load(owner, copy + 2 * P)), (3, Ok(7)));
        t.lock(assoc, Managed::lock_args(0, 3 * P, RETURN_DIRTY, KEEP, NO_CHANGE));
        assert_eq!(t.heard(), [Heard::Return(P, vec![8], true, true)]);
    }
}

/// An eviction between the steps changes nothing that a client can see.
#[test]
fn an_eviction_does_not_disturb_a_snapshot() {
    let (mut t, a, assoc) = Managed::ready(2);
    t.fill(assoc, a, &[1, 2]);
    t.b.store(a, 5);
    let child = t.b.fork();
    t.b.store(a, 6);
    let World { vm, machine, .. } = &mut t.b.world;
    assert_eq!(vm.evict(machine, 100), Evicted { freed: 1, returned: 1 });
    assert_eq!(t.heard(), [Heard::Return(0, vec![6], true, false)]);
    assert_eq!(t.b.world.load(child, a), Ok(5), "pushed before it changed");
    let mut fault = t.begin(Fault::new(child, a + P, Prot::READ));
    t.supply(assoc, P, &[2]);
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
    let mut fault = t.fault(a, Prot::READ);
    t.supply(assoc, 0, &[6]);
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
    assert_eq!((t.b.load(a), t.b.world.load(child, a + P)), (6, Ok(2)));
}

#[test]
fn i_mo_64_without_a_promise_every_page_is_asked_for() {
    let mut t = Managed::new();
    let a = t.map(0, 3 * P);
    let assoc = t.init();
    t.make_ready(assoc, false, COPY_NONE);
    t.fill(assoc, a, &[1]);
    let me = t.b.me;
    let mut fork = t.begin(Fork::new(me));
    for page in 1..3 {
        assert_eq!(t.told(), [Told::Request(assoc, page * P, Prot::READ)]);
        t.supply(assoc, page * P, &[page as u8 + 1]);
        let out = t.resume(&mut fork);
        assert_eq!(out.is_some(), page == 2);
        if let Some(child) = out {
            let child = child.unwrap();
            assert_eq!([0, 1, 2].map(|page| t.b.world.load(child, a + page * P).unwrap()), [1, 2, 3]);
        }
    }
}

/// A cancelled fork must not hold its parent's map for as long as the manager likes.
#[test]
fn an_aborted_copy_lets_the_maps_go() {
    let mut t = Managed::new();
    t.map(0, 3 * P);
    let assoc = t.init();
    t.make_ready(assoc, false, COPY_NONE);
    let me = t.b.me;
    let mut fork = Fork::new(me);
    assert!(matches!(t.b.world.step(&mut fork), Step::Wait(WaitOn::Page(_))));
    assert_eq!(fork.cancel(&mut t.b.world.vm), Cancel::RunOn);
    let World { vm, machine, .. } = &mut t.b.world;
    let mut step = fork.resume(vm, machine, Wake::Failed(KernReturn::ABORTED));
    while step == Step::Again {
        step = t.b.world.step(&mut fork);
    }
    assert_eq!(step, Step::Done(Err(KernReturn::ABORTED)));
    t.b.world.assert_valid();
}

#[test]
fn i_mo_65_a_flood_of_pages_is_bounded() {
    let (mut t, a, assoc) = Managed::ready(1000);
    let mut accepted = 0;
    for batch in 0..100 {
        let done = t.supply(assoc, batch * 100 * P, &[1; 100]);
        assert_eq!(done.result, KernReturn::RESOURCE_SHORTAGE);
        accepted += (done.error_offset - batch * 100 * P) / P;
    }
    assert_eq!(accepted, 64);
    // What is used makes room for more.
    assert_eq!(t.b.load(a), 1);
    assert_eq!(t.supply(assoc, 500 * P, &[1; 2]).error_offset, 501 * P);
    // The task that serves the object has a limit as well.
    assert_eq!(t.b.load(a + P), 1);
    t.b.world.machine.most_unasked = 63;
    assert_eq!(t.supply(assoc, 600 * P, &[1]).result, KernReturn::RESOURCE_SHORTAGE);
    t.b.world.machine.most_unasked = 64;
    assert_eq!(t.supply(assoc, 600 * P, &[1]).result, KernReturn::SUCCESS);
}

#[test]
fn i_mo_66_a_silent_manager() {
    let (mut t, a, assoc) = Managed::ready(3);
    t.fill(assoc, a, &[1]);
    t.lock(assoc, Managed::lock_args(0, P, RETURN_NONE, KEEP, WRITE));
    let mut faults = [t.fault(a + P, Prot::READ), t.fault(a + P, Prot::WRITE), t.fault(a, Prot::WRITE)];
    assert!(t.b.world.machine.waited_for.contains(&assoc));
    let World { vm, machine, .. } = &mut t.b.world;
    vm.overdue(machine, assoc);
    assert!(machine.waited_for.is_empty());
    for fault in &mut faults {
        assert_eq!(t.resume(fault), Some(Err(KernReturn::MEMORY_ERROR)), "every one, not only the first");
    }
    t.told();
    let mut again = t.fault(a + P, Prot::READ);
    assert_eq!(t.told(), [Told::Request(assoc, P, Prot::READ)]);
    t.supply(assoc, P, &[2]);
    assert_eq!(t.resume(&mut again), Some(Ok(())));
}

#[test]
fn i_mo_66_a_manager_that_is_never_ready() {
    let mut t = Managed::new();
    let a = t.map(0, P);
    let assoc = t.init();
    assert!(t.b.world.machine.waited_for.is_empty());
    let mut fault = t.fault(a, Prot::READ);
    let World { vm, machine, .. } = &mut t.b.world;
    assert!(machine.waited_for.contains(&assoc));
    vm.overdue(machine, assoc);
    assert_eq!(t.resume(&mut fault), Some(Err(KernReturn::MEMORY_ERROR)));
    t.make_ready(assoc, false, COPY_DELAY);
    t.fill(assoc, a, &[1]);
}

#[test]
fn i_mo_67_at_most_fifty_requests() {
    let (mut t, a, assoc) = Managed::ready(1000);
    let mut faults: Vec<_> = (0..1000).map(|page| t.fault(a + page * P, Prot::READ)).collect();
    assert_eq!(t.told().len(), 50);
    for page in 0..1000 {
        t.supply(assoc, page * P, &[1]);
        for fault in &mut faults {
            if t.resume(fault).is_some() {
                // Whoever is done is not asked again.
                *fault = t.begin(Fault::new(t.b.me, a + 999 * P, Prot::READ));
                break;
            }
        }
        t.b.world.woken.clear();
        if page == 5 {
            break;
        }
    }
    assert!(t.told().len() <= 6);
}

#[test]
fn i_mo_69_a_stale_control_has_no_effect() {
    let (mut t, a, old) = Managed::ready(1);
    t.unmap(a, P);
    t.told();
    let a = t.map(0, P);
    let new = t.init();
    let World { vm, machine, .. } = &mut t.b.world;
    const STALE: Result<(), KernReturn> = Err(KernReturn::INVALID_ARGUMENT);
    assert_eq!(vm.ready(machine, old, true, COPY_DELAY).map(|_| ()), STALE);
    assert_eq!(vm.data_error(machine, old, 0, P), STALE);
    assert_eq!(vm.data_unavailable(machine, old, 0, P), STALE);
    vm.destroy(machine, old);
    vm.overdue(machine, old);
    vm.room(machine, old);
    let lock = LockRequest::new(old, Managed::lock_args(0, P, RETURN_NONE, FLUSH, NO_CHANGE));
    assert_eq!(t.b.world.run(lock), STALE);
    let args = t.supply_args(0, &[1]);
    assert_eq!(t.b.world.run(DataSupply::new(old, args)).map(|_| ()), STALE);
    assert_eq!(t.told(), []);
    t.make_ready(new, false, COPY_DELAY);
    t.fill(new, a, &[1]);
}

#[test]
fn i_mo_70_a_lock_request_over_everything() {
    let (mut t, a, assoc) = Managed::ready(2);
    t.fill(assoc, a, &[1, 2]);
    t.b.store(a + P, 9);
    let size = 0u64.wrapping_sub(P);
    let mut call = LockRequest::new(assoc, Managed::lock_args(0, size, RETURN_DIRTY, FLUSH, NO_CHANGE));
    assert_eq!(t.b.world.step(&mut call), Step::Done(Ok(())), "in one step");
    assert_eq!(t.heard(), [Heard::Return(P, vec![9], true, false)]);
    t.lock(assoc, Managed::lock_args(5 * P, u64::MAX, RETURN_DIRTY, FLUSH, NO_CHANGE));
}

/// A manager that answers without taking its messages cannot fill its queue without bound.
#[test]
fn requests_need_room_in_the_queue() {
    let (mut t, a, assoc) = Managed::ready(3);
    t.b.world.machine.room = 1;
    let mut first = t.fault(a, Prot::READ);
    let mut second = t.fault(a + P, Prot::READ);
    t.supply(assoc, 0, &[1]);
    assert_eq!(t.resume(&mut first), Some(Ok(())));
    assert_eq!(t.told().len(), 1);
    let World { vm, machine, .. } = &mut t.b.world;
    machine.room = 1;
    vm.room(machine, assoc);
    assert_eq!(t.resume(&mut second), None);
    assert_eq!(t.told(), [Told::Request(assoc, P, Prot::READ)]);
    let mut third = t.fault(a + 2 * P, Prot::READ);
    let World { vm, machine, .. } = &mut t.b.world;
    vm.overdue(machine, assoc);
    assert_eq!(t.resume(&mut third), Some(Err(KernReturn::MEMORY_ERROR)));
}

/// Only what somebody waited for starts the manager's time anew.
#[test]
fn noise_is_no_answer() {
    let (mut t, a, assoc) = Managed::ready(4);
    t.fill(assoc, a, &[1]);
    t.lock(assoc, Managed::lock_args(0, P, RETURN_NONE, KEEP, WRITE));
    let mut write = t.fault(a, Prot::WRITE);
    let mut read = t.fault(a + P, Prot::READ);
    t.b.world.machine.starts.clear();
    for _ in 0..3 {
        t.lock(assoc, Managed::lock_args(0, P, RETURN_NONE, KEEP, WRITE));
        assert_eq!(t.resume(&mut write), None, "it asks again");
        t.b.world.woken.clear();
    }
    t.supply(assoc, 2 * P, &[3]);
    t.make_ready(assoc, false, COPY_DELAY);
    let World { vm, machine, .. } = &mut t.b.world;
    vm.data_error(machine, assoc, 3 * P, P).unwrap();
    vm.room(machine, assoc);
    assert_eq!(t.b.world.machine.starts, []);
    t.lock(assoc, Managed::lock_args(0, P, RETURN_NONE, KEEP, 0));
    assert_eq!(t.b.world.machine.starts, [assoc], "an answer to one; the other still waits");
    t.supply(assoc, P, &[2]);
    assert!(t.b.world.machine.waited_for.is_empty());
    assert_eq!((t.resume(&mut write), t.resume(&mut read)), (Some(Ok(())), Some(Ok(()))));
}
