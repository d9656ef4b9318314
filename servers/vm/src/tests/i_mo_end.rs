//! Cases I-MO 39 to 58: caching, terminate, destroy, death.

use mach_protocol::KernReturn;

use super::bench::*;
use super::managed::*;
use crate::model::{Told, World};
use crate::*;

fn memory_error<T>() -> Option<Result<T, KernReturn>> {
    Some(Err(KernReturn::MEMORY_ERROR))
}

#[test]
fn i_mo_39_the_last_unmapping_returns_dirty_pages_and_terminates() {
    let (mut t, a, assoc) = Managed::ready(3);
    t.fill(assoc, a, &[1, 2, 3]);
    t.b.store(a + P, 9);
    t.unmap(a, 2 * P);
    assert_eq!(t.heard(), [], "one page is still mapped");
    t.unmap(a + 2 * P, P);
    assert_eq!(t.heard(), [Heard::Return(P, vec![9], true, false), Heard::Terminate]);
}

#[test]
fn i_mo_40_a_cached_object_is_found_again() {
    let (mut t, a, assoc) = Managed::ready(2);
    t.make_ready(assoc, true, COPY_DELAY);
    t.fill(assoc, a, &[1, 2]);
    t.b.store(a, 9);
    t.unmap(a, 2 * P);
    t.b.world.assert_valid();
    let a = t.map(0, 2 * P);
    assert_eq!((t.b.load(a), t.b.load(a + P)), (9, 2));
    assert_eq!(t.told(), []);
    t.make_ready(assoc, false, COPY_DELAY);
}

#[test]
fn an_object_without_resident_pages_is_not_cached() {
    let (mut t, a, assoc) = Managed::ready(2);
    t.make_ready(assoc, true, COPY_DELAY);
    let _fault = t.fault(a, Prot::READ);
    t.told();
    t.unmap(a, 2 * P);
    assert_eq!(t.told(), [Told::Terminate(assoc)]);
}

#[test]
fn i_mo_41_a_cached_object_that_may_not_be_cached_any_more() {
    let (mut t, a, assoc) = Managed::ready(1);
    t.make_ready(assoc, true, COPY_DELAY);
    t.fill(assoc, a, &[1]);
    t.unmap(a, P);
    let World { vm, machine, .. } = &mut t.b.world;
    assert_eq!(vm.ready(machine, assoc, false, COPY_DELAY), Ok(true));
    t.b.world.settle();
    assert_eq!(t.told(), [Told::Terminate(assoc)]);
    assert_eq!(t.b.world.vm.object_of(assoc), None);
}

#[test]
fn i_mo_42_a_temporary_object_returns_nothing() {
    let mut t = Managed::new();
    let a = t.map(0, P);
    let assoc = t.init();
    t.make_ready(assoc, false, COPY_TEMPORARY);
    assert_eq!(t.b.world.vm.attributes(assoc).unwrap().copy_strategy, COPY_DELAY);
    t.fill(assoc, a, &[1]);
    t.b.store(a, 9);
    t.unmap(a, P);
    assert_eq!(t.heard(), [Heard::Terminate]);
}

#[test]
fn i_mo_43_pressure_on_a_cached_object() {
    let (mut t, a, assoc) = Managed::ready(2);
    t.make_ready(assoc, true, COPY_DELAY);
    t.fill(assoc, a, &[1, 2]);
    t.b.store(a, 9);
    t.unmap(a, 2 * P);
    let World { vm, machine, .. } = &mut t.b.world;
    assert_eq!(vm.evict(machine, 1), Evicted { freed: 0, returned: 1 });
    assert_eq!(t.heard(), [Heard::Return(0, vec![9], true, false)]);
    // Without any memory left, the clean page goes, then the object.
    t.b.world.machine.fail_in = Some(0);
    let me = Some(t.b.me);
    let refused = t.b.world.run(Allocate::new(me, 0, P, flags::ANYWHERE, Family::Xnu));
    assert_eq!(refused, Err(KernReturn::RESOURCE_SHORTAGE), "allocation of addresses makes no room");
    t.b.world.machine.fail_in = None;
    let b = t.b.pages(1);
    t.b.world.machine.fail_in = Some(0);
    assert_eq!(t.b.store_code(b), 6);
    t.b.world.machine.fail_in = None;
    assert_eq!(t.heard(), [Heard::Terminate]);
}

#[test]
fn a_thousand_cached_objects_and_no_more() {
    let mut t = Managed::new();
    let me = Some(t.b.me);
    for number in 0..1030 {
        let manager = ManagerId(number + 100);
        let object = MapObject::Manager { manager, takes_init: true, max_prot: Prot::ALL, window: None };
        let args = MapArgs { object, ..map_args(0, P) };
        let a = t.b.world.run(MapMemory::new(me, args)).unwrap();
        let [Told::Init(_, assoc)] = t.told()[..] else { panic!("init") };
        t.make_ready(assoc, true, COPY_DELAY);
        t.fill(assoc, a, &[1]);
        t.unmap(a, P);
        let told = t.told();
        assert_eq!(told.len(), usize::from(number >= 1024), "{told:?}");
        t.b.world.woken.clear();
    }
    while t.b.world.vm.uncache_oldest() {
        t.b.world.settle();
    }
    assert_eq!(t.told().len(), 1024);
}

#[test]
fn i_mo_46_a_new_association_after_terminate() {
    let (mut t, a, assoc) = Managed::ready(1);
    t.unmap(a, P);
    assert_eq!(t.told(), [Told::Terminate(assoc)]);
    t.map(0, P);
    assert_ne!(t.init(), assoc);
}

#[test]
fn i_mo_47_mapping_waits_for_the_end_of_a_termination() {
    let (mut t, a, assoc) = Managed::ready(1);
    t.fill(assoc, a, &[1]);
    t.b.store(a, 9);
    t.b.world.machine.room = 0;
    t.unmap(a, P);
    assert_eq!(t.told(), []);
    let me = Some(t.b.me);
    let mut call = t.begin(MapMemory::new(me, map_args(0, P)));
    assert_eq!(t.resume(&mut call), None);
    let World { vm, machine, .. } = &mut t.b.world;
    machine.room = 1;
    vm.room(machine, assoc);
    t.b.world.settle();
    assert!(matches!(t.resume(&mut call), Some(Ok(_))));
    assert_eq!(t.heard(), [Heard::Return(0, vec![9], true, false), Heard::Terminate, Heard::Init]);
}

#[test]
fn a_termination_whose_manager_takes_nothing_discards_in_the_end() {
    let (mut t, a, assoc) = Managed::ready(1);
    t.fill(assoc, a, &[1]);
    t.b.store(a, 9);
    t.b.world.machine.room = 0;
    t.unmap(a, P);
    let me = Some(t.b.me);
    let mut call = t.begin(MapMemory::new(me, map_args(0, P)));
    let World { vm, machine, .. } = &mut t.b.world;
    vm.overdue(machine, assoc);
    t.b.world.settle();
    assert!(matches!(t.resume(&mut call), Some(Ok(_))));
    assert_eq!(t.heard(), [Heard::Terminate, Heard::Init]);
}

#[test]
fn i_mo_48_unmapping_before_ready() {
    let mut t = Managed::new();
    let a = t.map(0, P);
    let assoc = t.init();
    let mut fault = t.fault(a, Prot::READ);
    t.unmap(a, P);
    assert_eq!(t.told(), [Told::Terminate(assoc)]);
    let World { vm, machine, .. } = &mut t.b.world;
    assert_eq!(vm.ready(machine, assoc, true, COPY_DELAY), Err(KernReturn::INVALID_ARGUMENT));
    assert_eq!(t.resume(&mut fault), Some(Err(KernReturn::INVALID_ADDRESS)));
}

#[test]
fn i_mo_50_destroy_keeps_what_is_resident() {
    let (mut t, a, assoc) = Managed::ready(3);
    t.fill(assoc, a, &[1, 2]);
    t.b.store(a, 9);
    t.lock(assoc, Managed::lock_args(P, P, RETURN_NONE, KEEP, ALL));
    let mut missing = t.fault(a + 2 * P, Prot::READ);
    let mut locked = t.fault(a + P, Prot::WRITE);
    t.told();
    t.destroy(assoc);
    assert_eq!(t.heard(), [Heard::Terminate], "nothing is returned");
    assert_eq!(t.resume(&mut missing), memory_error());
    assert_eq!(t.resume(&mut locked), memory_error());
    assert_eq!((t.b.load(a), t.b.load(a + P)), (9, 2));
    t.b.store(a, 10);
    t.b.store(a + P, 11);
    for _ in 0..2 {
        assert_eq!(t.b.load_code(a + 2 * P), 10);
    }
    t.unmap(a, 3 * P);
    assert_eq!(t.heard(), []);
}

#[test]
fn i_mo_51_saving_everything_before_destroy() {
    let (mut t, a, assoc) = Managed::ready(3);
    t.fill(assoc, a, &[1, 2, 3]);
    t.b.store(a, 7);
    t.b.store(a + 2 * P, 8);
    t.lock(assoc, Managed::lock_args(0, 3 * P, RETURN_DIRTY, FLUSH, WRITE));
    t.destroy(assoc);
    let wanted = [Heard::Return(0, vec![7], true, false), Heard::Return(2 * P, vec![8], true, false), Heard::Terminate];
    assert_eq!(t.heard(), wanted);
}

#[test]
fn i_mo_52_destroy_twice_terminates_once() {
    let (mut t, _, assoc) = Managed::ready(1);
    t.destroy(assoc);
    t.destroy(assoc);
    assert_eq!(t.told(), [Told::Terminate(assoc)]);
}

#[test]
fn i_mo_53_mapping_again_after_destroy() {
    let (mut t, a, assoc) = Managed::ready(1);
    t.fill(assoc, a, &[1]);
    t.destroy(assoc);
    t.told();
    let other = t.b.world.task();
    let b = t.b.world.run(MapMemory::new(Some(other), map_args(0, P))).unwrap();
    let new = t.init();
    assert_ne!(new, assoc);
    t.make_ready(new, false, COPY_DELAY);
    let mut fault = t.begin(Fault::new(other, b, Prot::READ));
    t.supply(new, 0, &[2]);
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
    assert_eq!((t.b.load(a), t.b.world.load(other, b)), (1, Ok(2)));
}

#[test]
fn i_mo_54_55_the_manager_dies() {
    let (mut t, a, assoc) = Managed::ready(2);
    t.fill(assoc, a, &[1]);
    let mut fault = t.fault(a + P, Prot::READ);
    t.told();
    let World { vm, machine, .. } = &mut t.b.world;
    assert_eq!(vm.manager_died(machine, O), Some(assoc));
    assert_eq!(vm.manager_died(machine, O), None);
    assert_eq!(t.resume(&mut fault), memory_error());
    assert_eq!(t.b.load(a), 1);
    assert_eq!(t.b.load_code(a + P), 10);
    assert_eq!(t.told(), [], "there is nobody to be told");
}

#[test]
fn i_mo_57_reading_a_missing_page_after_death() {
    for strategy in [COPY_NONE, COPY_DELAY] {
        let mut t = Managed::new();
        let a = t.map(0, 3 * P);
        let assoc = t.init();
        t.make_ready(assoc, false, strategy);
        t.fill(assoc, a, &[1]);
        let World { vm, machine, .. } = &mut t.b.world;
        vm.manager_died(machine, O);
        let (me, other) = (Some(t.b.me), t.b.world.task());
        let out = t.b.world.run(Read::new(me, a, 3 * P, other));
        if strategy == COPY_NONE {
            assert_eq!(code(out), 10, "its bytes would be copied now");
            continue;
        }
        let out = out.unwrap();
        assert_eq!(t.b.world.load(other, out.data), Ok(1));
        assert_eq!(code(t.b.world.load(other, out.data + P)), 10, "whoever reads it finds out");
    }
}

#[test]
fn a_copy_of_bytes_fails_with_the_manager() {
    let mut t = Managed::new();
    let a = t.map(0, 3 * P);
    let assoc = t.init();
    t.make_ready(assoc, false, COPY_NONE);
    t.fill(assoc, a, &[1]);
    let (me, other) = (Some(t.b.me), t.b.world.task());
    let mut read = t.begin(Read::new(me, a, 3 * P, other));
    assert_eq!(t.told(), [Told::Request(assoc, P, Prot::READ)]);
    let World { vm, machine, .. } = &mut t.b.world;
    vm.data_error(machine, assoc, P, P).unwrap();
    assert_eq!(t.resume(&mut read), memory_error());
}
