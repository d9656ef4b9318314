//! Cases I-MO 25 to 38, return, lock, flush; and `vm_msync`, I.12.

use mach_protocol::KernReturn;

use super::bench::*;
use super::managed::*;
use crate::model::{Told, World};
use crate::*;

#[test]
fn i_mo_25_26_a_dirty_page_is_returned_and_stays() {
    let (mut t, a, assoc) = Managed::ready(3);
    t.fill(assoc, a, &[1, 2, 3]);
    t.b.store(a + P, 9);
    let args = Managed::lock_args(0, 3 * P, RETURN_DIRTY, KEEP, NO_CHANGE);
    t.lock(assoc, args);
    assert_eq!(t.heard(), [Heard::Return(P, vec![9], true, true)]);
    assert_eq!(t.b.load(a + P), 9);
    t.lock(assoc, args);
    assert_eq!(t.heard(), [], "nothing was written since");
    t.b.store(a + P, 10);
    t.lock(assoc, args);
    assert_eq!(t.heard(), [Heard::Return(P, vec![10], true, true)]);
}

#[test]
fn i_mo_27_28_flush_with_and_without_return() {
    for (should_return, wanted) in [(RETURN_DIRTY, vec![Heard::Return(0, vec![9], true, false)]), (RETURN_NONE, vec![])]
    {
        let (mut t, a, assoc) = Managed::ready(1);
        t.fill(assoc, a, &[1]);
        t.b.store(a, 9);
        t.lock(assoc, Managed::lock_args(0, P, should_return, FLUSH, NO_CHANGE));
        assert_eq!(t.heard(), wanted);
        let _fault = t.fault(a, Prot::READ);
        assert_eq!(t.told(), [Told::Request(assoc, 0, Prot::READ)]);
    }
}

#[test]
fn i_mo_29_30_locks_replace_each_other() {
    let (mut t, a, assoc) = Managed::ready(1);
    t.fill(assoc, a, &[1]);
    t.b.store(a, 2);
    t.lock(assoc, Managed::lock_args(0, P, RETURN_NONE, KEEP, WRITE));
    assert_eq!(t.b.load(a), 2);
    let mut write = t.fault(a, Prot::WRITE);
    assert_eq!(t.told(), [Told::Unlock(assoc, 0, Prot::WRITE)]);
    t.lock(assoc, Managed::lock_args(0, P, RETURN_NONE, KEEP, 4));
    assert_eq!(t.resume(&mut write), Some(Ok(())));
    t.b.store(a, 3);
    t.lock(assoc, Managed::lock_args(0, P, RETURN_DIRTY, KEEP, WRITE));
    assert_eq!(t.heard(), [Heard::Return(0, vec![3], true, true)]);
    let _write = t.fault(a, Prot::WRITE);
}

#[test]
fn i_mo_31_no_lock_is_remembered_for_what_is_not_resident() {
    let (mut t, a, assoc) = Managed::ready(1);
    let mut fault = t.fault(a, Prot::WRITE);
    t.lock(assoc, Managed::lock_args(0, P, RETURN_NONE, KEEP, ALL));
    t.supply(assoc, 0, &[1]);
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
    t.b.store(a, 2);
}

#[test]
fn i_mo_32_precious_pages() {
    let (mut t, a, assoc) = Managed::ready(1);
    let mut fault = t.fault(a, Prot::READ);
    let args = t.supply_args(0, &[4]);
    t.b.world.run(DataSupply::new(assoc, SupplyArgs { precious: true, ..args })).unwrap();
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
    t.told();
    t.lock(assoc, Managed::lock_args(0, P, RETURN_DIRTY, KEEP, NO_CHANGE));
    assert_eq!(t.heard(), []);
    for _ in 0..2 {
        t.lock(assoc, Managed::lock_args(0, P, RETURN_ALL, KEEP, NO_CHANGE));
        assert_eq!(t.heard(), [Heard::Return(0, vec![4], false, true)], "it stays precious");
    }
    t.unmap(a, P);
    assert_eq!(t.heard(), [Heard::Return(0, vec![4], false, false), Heard::Terminate]);
}

#[test]
fn i_mo_33_34_eviction() {
    let (mut t, a, assoc) = Managed::ready(4);
    t.fill(assoc, a, &[1, 2]);
    let args = t.supply_args(2 * P, &[3]);
    t.b.world.run(DataSupply::new(assoc, SupplyArgs { precious: true, ..args })).unwrap();
    t.b.store(a + P, 8);
    let wired = Wire::new(Host::Privileged, Some(t.b.me), a + P, P, RW, Family::Xnu);
    t.b.world.run(wired).unwrap();
    let World { vm, machine, .. } = &mut t.b.world;
    assert_eq!(vm.evict(machine, 100), Evicted { freed: 1, returned: 1 });
    assert_eq!(t.heard(), [Heard::Return(2 * P, vec![3], false, false)]);
    assert_eq!(t.b.load(a + P), 8, "wired pages stay");
    let _fault = t.fault(a, Prot::READ);
    assert_eq!(t.told(), [Told::Request(assoc, 0, Prot::READ)], "a clean page goes silently");
    let unwire = Wire::new(Host::Privileged, Some(t.b.me), a + P, P, 0, Family::Xnu);
    t.b.world.run(unwire).unwrap();
}

#[test]
fn i_mo_35_38_checks_of_lock_request() {
    let (mut t, a, assoc) = Managed::ready(1);
    t.fill(assoc, a, &[1]);
    t.b.store(a, 2);
    t.lock(assoc, Managed::lock_args(0, 0, RETURN_DIRTY, FLUSH, NO_CHANGE));
    assert_eq!(t.heard(), []);
    assert_eq!(t.b.load(a), 2);
    let args = Managed::lock_args(0, P, RETURN_DIRTY, FLUSH, NO_CHANGE);
    for bad in
        [LockArgs { lock_value: 0x18, ..args }, LockArgs { should_return: 4, ..args }, LockArgs { offset: 7, ..args }]
    {
        assert_eq!(t.b.world.run(LockRequest::new(assoc, bad)), Err(KernReturn::INVALID_ARGUMENT));
    }
    assert_eq!(t.heard(), []);
    t.lock(assoc, LockArgs { lock_value: 0x0100_0000, size: 1, ..args });
    assert_eq!(t.heard(), [Heard::Return(0, vec![2], true, false)], "the size is rounded up");
}

#[test]
fn i_mo_36_a_wired_page_is_waited_for() {
    let (mut t, a, assoc) = Managed::ready(2);
    t.fill(assoc, a, &[1, 2]);
    t.b.store(a, 5);
    let me = Some(t.b.me);
    t.b.world.run(Wire::new(Host::Privileged, me, a + P, P, RW, Family::Xnu)).unwrap();
    let args = Managed::lock_args(0, 2 * P, RETURN_DIRTY, FLUSH, NO_CHANGE);
    let mut first = t.begin(LockRequest::new(assoc, args));
    assert_eq!(t.heard(), [Heard::Return(0, vec![5], true, false)], "what was gathered is sent before");
    let mut second = t.begin(LockRequest::new(assoc, Managed::lock_args(0, P, RETURN_DIRTY, FLUSH, NO_CHANGE)));
    assert_eq!(t.resume(&mut second), None, "one after the other");
    // A blocked request does not hold up supplies.
    let mut fault = t.fault(a, Prot::READ);
    t.supply(assoc, 0, &[6]);
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
    t.told();
    t.b.world.run(Wire::new(Host::Privileged, me, a + P, P, 0, Family::Xnu)).unwrap();
    assert_eq!(t.resume(&mut first), Some(Ok(())));
    assert_eq!(t.resume(&mut second), Some(Ok(())));
    assert_eq!(t.heard(), [Heard::Return(P, vec![2], true, false)]);
}

#[test]
fn i_mo_37_runs_of_dirty_pages() {
    let (mut t, a, assoc) = Managed::ready(103);
    let values: Vec<u8> = (0..103).collect();
    t.fill(assoc, a, &values);
    for page in (0..103).filter(|page| *page != 50 && *page != 51) {
        t.b.store(a + page * P, page as u8 + 100);
    }
    t.lock(assoc, Managed::lock_args(0, 103 * P, RETURN_DIRTY, KEEP, NO_CHANGE));
    let mut next = 0;
    for heard in t.heard() {
        let Heard::Return(offset, data, true, true) = heard else { panic!("{heard:?}") };
        assert!(data.len() <= 32);
        next = if next == 50 * P { 52 * P } else { next };
        assert_eq!(offset, next, "each page exactly once, in order");
        for value in data {
            assert_eq!(value, (next / P) as u8 + 100);
            next += P;
        }
    }
    assert_eq!(next, 103 * P);
}

#[test]
fn without_memory_for_a_copy_the_page_itself_goes() {
    let (mut t, a, assoc) = Managed::ready(2);
    t.fill(assoc, a, &[1, 2]);
    t.b.store(a, 5);
    t.b.store(a + P, 6);
    t.b.world.machine.fail_in = Some(1);
    t.lock(assoc, Managed::lock_args(0, 2 * P, RETURN_DIRTY, KEEP, NO_CHANGE));
    t.b.world.machine.fail_in = None;
    let mut heard = t.heard();
    let last = heard.pop();
    assert_eq!(heard, [Heard::Return(0, vec![5], true, true)]);
    assert_eq!(last, Some(Heard::Return(P, vec![6], true, false)));
    let _fault = t.fault(a + P, Prot::READ);
}

#[test]
fn a_manager_that_takes_nothing_holds_up_its_own_requests_only() {
    let (mut t, a, assoc) = Managed::ready(64);
    t.fill(assoc, a, &[1; 64]);
    for page in 0..64 {
        t.b.store(a + page * P, 9);
    }
    t.b.world.machine.room = 1;
    let args = Managed::lock_args(0, 64 * P, RETURN_DIRTY, KEEP, NO_CHANGE);
    let mut first = t.begin(LockRequest::new(assoc, args));
    let World { vm, machine, .. } = &mut t.b.world;
    machine.room = 1;
    vm.room(machine, assoc);
    assert_eq!(t.resume(&mut first), Some(Ok(())));
    assert_eq!(t.heard().len(), 2);
    for page in 0..64 {
        t.b.store(a + page * P, 10);
    }
    let mut second = t.begin(LockRequest::new(assoc, args));
    let World { vm, machine, .. } = &mut t.b.world;
    vm.overdue(machine, assoc);
    assert_eq!(t.resume(&mut second), Some(Err(KernReturn::MEMORY_ERROR)));
    t.b.world.machine.room = 100;
    t.lock(assoc, args);
    assert_eq!(t.heard().len(), 2, "nothing was lost");
}

#[test]
fn i12_05_to_07_msync() {
    for (flags, wanted, stays) in [
        (2, vec![Heard::Return(0, vec![9], true, true)], true),
        (1, vec![Heard::Return(0, vec![9], true, true)], true),
        (4, vec![], false),
        (6, vec![Heard::Return(0, vec![9], true, false)], false),
        (8, vec![], false),
        (0x10, vec![], true),
    ] {
        let (mut t, a, assoc) = Managed::ready(1);
        t.fill(assoc, a, &[1]);
        t.b.store(a, 9);
        t.b.world.machine.returns_taken.insert(assoc, 1);
        let me = Some(t.b.me);
        assert_eq!(t.b.world.run(Msync::new(me, a, P, flags, Family::Xnu)), Ok(()));
        assert_eq!(t.heard(), wanted);
        if stays {
            assert_eq!(t.b.load(a), 9);
        } else {
            let _fault = t.fault(a, Prot::READ);
        }
    }
}

fn object_of(t: &mut Managed, address: u64) -> Option<ObjectId> {
    t.b.world.vm.region(Some(t.b.me), address).expect("a region").object_name
}

#[test]
fn i12_object_sync_returns_and_flushes_as_it_is_told() {
    for (flush, returns, wanted, stays) in [
        (false, false, vec![], true),
        (false, true, vec![Heard::Return(P, vec![9], true, true)], true),
        (true, true, vec![Heard::Return(P, vec![9], true, false)], false),
        (true, false, vec![], false),
    ] {
        let (mut t, a, assoc) = Managed::ready(3);
        t.fill(assoc, a, &[1, 2, 3]);
        t.b.store(a + P, 9);
        t.b.store(a + 2 * P, 8);
        let object = object_of(&mut t, a);
        let how = SyncHow { flush, returns, waits: false };
        assert_eq!(t.b.world.run(ObjectSync::new(object, P, P, how)), Ok(()));
        assert_eq!(t.heard(), wanted, "{how:?}");
        assert_eq!((t.b.load(a), t.b.load(a + 2 * P)), (1, 8), "only the range is treated");
        if stays {
            assert_eq!(t.b.load(a + P), 9);
        } else {
            let _fault = t.fault(a + P, Prot::READ);
        }
    }
}

#[test]
fn i12_object_sync_checks_its_arguments() {
    let (mut t, a, assoc) = Managed::ready(2);
    t.fill(assoc, a, &[1, 2]);
    t.b.store(a, 9);
    let object = object_of(&mut t, a);
    let how = SyncHow { returns: true, ..SyncHow::default() };
    let mut sync = |object, offset, size| code(t.b.world.run(ObjectSync::new(object, offset, size, how)));
    assert_eq!(sync(None, 0, P), 4);
    assert_eq!(sync(object, 1, P), 4);
    assert_eq!(sync(object, 0, 0), 0);
    assert_eq!(sync(object, u64::MAX - P + 1, u64::MAX), 0, "there is no page");
    assert_eq!(t.heard(), []);
    assert_eq!(code(t.b.world.run(ObjectSync::new(object, 0, u64::MAX, how))), 0);
    assert_eq!(t.heard(), [Heard::Return(0, vec![9], true, true)]);
}

#[test]
fn i12_object_sync_of_anonymous_memory_keeps_it() {
    let (mut b, a) = Bench::with_pages(2);
    b.number(a, 2);
    let object = b.world.vm.region(Some(b.me), a).expect("a region").object_name;
    let how = SyncHow { flush: true, returns: false, waits: true };
    assert_eq!(b.world.run(ObjectSync::new(object, 0, 2 * P, how)), Ok(()));
    assert!(b.holds(a, 1) && b.holds(a + P, 2));
    b.world.assert_valid();
}

#[test]
fn i12_object_sync_waits_for_the_manager_if_it_is_told_to() {
    for synchronizes in [false, true] {
        for dies in [false, true] {
            let (mut t, assoc, a) = told_of_msync();
            t.b.world.vm.set_synchronizes(assoc, synchronizes).unwrap();
            let object = object_of(&mut t, a);
            let how = SyncHow { flush: false, returns: true, waits: true };
            let mut sync = t.begin(ObjectSync::new(object, 0, 2 * P, how));
            let returned = Heard::Return(P, vec![9], true, true);
            match synchronizes {
                true => assert_eq!(t.heard(), [returned, Heard::Synchronize(0, 2 * P)]),
                false => assert_eq!(t.heard(), [returned]),
            }
            let World { vm, machine, .. } = &mut t.b.world;
            if dies {
                assert_eq!(vm.manager_died(machine, O), Some(assoc));
            } else if synchronizes {
                vm.synchronized(machine, assoc, 0, 2 * P, Ok(())).unwrap();
            } else {
                machine.returns_taken.insert(assoc, 1);
                vm.room(machine, assoc);
            }
            let wanted = if dies { Err(KernReturn::MEMORY_ERROR) } else { Ok(()) };
            assert_eq!(t.resume(&mut sync), Some(wanted));
        }
    }
}

#[test]
fn i12_08_msync_with_a_hole() {
    let (mut t, a, assoc) = Managed::ready(3);
    t.fill(assoc, a, &[1, 2, 3]);
    t.b.store(a + 2 * P, 9);
    t.b.deallocate(a + P, P);
    t.b.world.machine.returns_taken.insert(assoc, 1);
    let me = Some(t.b.me);
    assert_eq!(code(t.b.world.run(Msync::new(me, a, 3 * P, 0x22, Family::Xnu))), 1);
    assert_eq!(t.heard(), [Heard::Return(2 * P, vec![9], true, true)], "all the work is done first");
    assert_eq!(code(t.b.world.run(Msync::new(me, a, 3 * P, 2, Family::Xnu))), 0);
}

#[test]
fn i_mo_58_i12_10_the_manager_dies_during_msync() {
    for ending in 0..3 {
        let (mut t, a, assoc) = Managed::ready(1);
        t.fill(assoc, a, &[1]);
        t.b.store(a, 9);
        let me = Some(t.b.me);
        let mut sync = t.begin(Msync::new(me, a, P, 2, Family::Xnu));
        assert_eq!(t.heard(), [Heard::Return(0, vec![9], true, true)], "sent, but not taken yet");
        let World { vm, machine, .. } = &mut t.b.world;
        match ending {
            0 => assert_eq!(vm.manager_died(machine, O), Some(assoc)),
            1 => vm.overdue(machine, assoc),
            _ => {
                machine.returns_taken.insert(assoc, 1);
                vm.room(machine, assoc);
            }
        }
        let wanted = if ending < 2 { Err(KernReturn::MEMORY_ERROR) } else { Ok(()) };
        assert_eq!(t.resume(&mut sync), Some(wanted));
    }
}

/// A manager that wants to be told, of whose pages one is dirty, and an msync of its two that waits.
fn told_of_msync() -> (Managed, AssocId, u64) {
    let (mut t, a, assoc) = Managed::ready(2);
    t.b.world.vm.set_synchronizes(assoc, true).unwrap();
    t.fill(assoc, a, &[1, 2]);
    t.b.store(a + P, 9);
    (t, assoc, a)
}

#[test]
fn i12_msync_waits_until_a_manager_that_wants_to_be_told_says_that_all_is_safe() {
    let (mut t, assoc, a) = told_of_msync();
    let me = Some(t.b.me);
    let mut sync = t.begin(Msync::new(me, a, 2 * P, 2, Family::Xnu));
    assert_eq!(t.heard(), [Heard::Return(P, vec![9], true, true), Heard::Synchronize(0, 2 * P)]);
    t.b.world.machine.returns_taken.insert(assoc, 1);
    assert_eq!(t.resume(&mut sync), None, "that it took the pages is not enough");
    let World { vm, machine, .. } = &mut t.b.world;
    for (offset, length) in [(0, P), (P, 2 * P), (u64::MAX, 2 * P)] {
        assert_eq!(vm.synchronized(machine, assoc, offset, length, Ok(())), Err(KernReturn::INVALID_ARGUMENT));
    }
    vm.synchronized(machine, assoc, 0, 2 * P, Ok(())).unwrap();
    assert_eq!(vm.synchronized(machine, assoc, 0, 2 * P, Ok(())), Err(KernReturn::INVALID_ARGUMENT), "answered");
    assert_eq!(t.resume(&mut sync), Some(Ok(())));
    // Nothing is dirty; what was evicted before may not be safe all the same.
    let mut again = t.begin(Msync::new(me, a, P, 2, Family::Xnu));
    assert_eq!(t.heard(), [Heard::Synchronize(0, P)]);
    let World { vm, machine, .. } = &mut t.b.world;
    vm.synchronized(machine, assoc, 0, P, Err(KernReturn::MEMORY_ERROR)).unwrap();
    assert_eq!(t.resume(&mut again), Some(Err(KernReturn::MEMORY_ERROR)));
    // Who does not wait has nobody told.
    for flags in [1, 4, 8] {
        assert_eq!(t.b.world.run(Msync::new(me, a, P, flags, Family::Xnu)), Ok(()));
        assert_eq!(t.heard(), []);
    }
}

#[test]
fn i12_msync_fails_when_the_manager_that_was_told_dies_or_lets_its_time_pass() {
    for dies in [true, false] {
        let (mut t, assoc, a) = told_of_msync();
        let me = Some(t.b.me);
        let mut sync = t.begin(Msync::new(me, a, 2 * P, 2, Family::Xnu));
        t.heard();
        let World { vm, machine, .. } = &mut t.b.world;
        assert!(machine.waited_for.contains(&assoc), "its time runs");
        if dies {
            assert_eq!(vm.manager_died(machine, O), Some(assoc));
        } else {
            vm.overdue(machine, assoc);
            assert!(!machine.waited_for.contains(&assoc));
        }
        assert_eq!(t.resume(&mut sync), Some(Err(KernReturn::MEMORY_ERROR)));
        let World { vm, machine, .. } = &mut t.b.world;
        assert_eq!(vm.synchronized(machine, assoc, 0, 2 * P, Ok(())), Err(KernReturn::INVALID_ARGUMENT));
    }
}

#[test]
fn i12_an_msync_that_is_given_up_leaves_nothing_when_the_manager_has_answered() {
    let (mut t, assoc, a) = told_of_msync();
    let me = Some(t.b.me);
    for answered_first in [false, true] {
        let mut sync = Msync::new(me, a, 2 * P, 2, Family::Xnu);
        assert!(matches!(t.b.world.step(&mut sync), Step::Wait(WaitOn::Manager(_))));
        t.heard();
        let World { vm, machine, .. } = &mut t.b.world;
        if answered_first {
            vm.synchronized(machine, assoc, 0, 2 * P, Ok(())).unwrap();
        }
        assert_eq!(sync.cancel(vm), Cancel::Dropped);
        if !answered_first {
            vm.synchronized(machine, assoc, 0, 2 * P, Ok(())).unwrap();
        }
        assert!(vm.associations.get(assoc).unwrap().syncs.is_empty());
        assert!(!machine.waited_for.contains(&assoc));
        t.b.world.drain();
    }
}

#[test]
fn i12_a_manager_owes_no_more_than_fifty_answers_to_msync() {
    let (mut t, assoc, a) = told_of_msync();
    let me = Some(t.b.me);
    t.b.world.machine.room = 1000;
    let mut waiting: Vec<_> = (0..51).map(|_| t.begin(Msync::new(me, a, P, 2, Family::Xnu))).collect();
    assert_eq!(t.heard().iter().filter(|heard| **heard == Heard::Synchronize(0, P)).count(), 50);
    for _ in 0..50 {
        let World { vm, machine, .. } = &mut t.b.world;
        vm.synchronized(machine, assoc, 0, P, Ok(())).unwrap();
    }
    let mut last = waiting.pop().unwrap();
    waiting.iter_mut().for_each(|sync| assert_eq!(t.resume(sync), Some(Ok(()))));
    assert_eq!(t.resume(&mut last), None);
    assert_eq!(t.heard(), [Heard::Synchronize(0, P)]);
    let World { vm, machine, .. } = &mut t.b.world;
    vm.synchronized(machine, assoc, 0, P, Ok(())).unwrap();
    assert_eq!(t.resume(&mut last), Some(Ok(())));
}
