//! Cases I-MO 1 to 9, first mapping.

use mach_protocol::KernReturn;

use super::bench::*;
use super::managed::*;
use crate::model::{Told, World};
use crate::*;

#[test]
fn i_mo_01_a_mapping_is_made_before_the_manager_answers() {
    let mut t = Managed::new();
    t.map(0, 2 * P);
    t.init();
}

#[test]
fn i_mo_02_a_second_task_sends_no_second_init() {
    let mut t = Managed::new();
    t.map(0, 2 * P);
    t.init();
    let other = t.b.world.task();
    t.b.world.run(MapMemory::new(Some(other), map_args(0, P))).unwrap();
    assert_eq!(t.told(), []);
}

#[test]
fn i_mo_03_faults_wait_for_ready() {
    let mut t = Managed::new();
    let a = t.map(0, 2 * P);
    let assoc = t.init();
    let mut fault = t.fault(a + 5, Prot::READ);
    assert_eq!(t.told(), []);
    t.make_ready(assoc, false, COPY_DELAY);
    assert_eq!(t.resume(&mut fault), None);
    assert_eq!(t.told(), [Told::Request(assoc, 0, Prot::READ)]);
    t.supply(assoc, 0, &[7]);
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
    assert_eq!(t.b.load(a), 7);
    t.unmap(a, 2 * P);
    assert_eq!(t.told(), [Told::Terminate(assoc)]);
}

#[test]
fn i_mo_04_attributes_before_and_after_ready() {
    let mut t = Managed::new();
    t.map(0, P);
    let assoc = t.init();
    assert!(!t.b.world.vm.attributes(assoc).unwrap().is_ready);
    t.make_ready(assoc, true, COPY_NONE);
    let wanted = Attributes { is_ready: true, may_cache: true, copy_strategy: COPY_NONE, is_temporary: false };
    assert_eq!(t.b.world.vm.attributes(assoc), Ok(wanted));
    // A later change of the strategy is ignored.
    t.make_ready(assoc, false, COPY_DELAY);
    let wanted = Attributes { may_cache: false, ..wanted };
    assert_eq!(t.b.world.vm.attributes(assoc), Ok(wanted));
}

#[test]
fn i_mo_05_ready_with_an_unknown_strategy() {
    let mut t = Managed::new();
    t.map(0, P);
    let assoc = t.init();
    let World { vm, machine, .. } = &mut t.b.world;
    assert_eq!(vm.ready(machine, assoc, false, 7), Err(KernReturn::INVALID_ARGUMENT));
    assert!(!vm.attributes(assoc).unwrap().is_ready);
}

#[test]
fn i_mo_06_destroy_instead_of_ready() {
    let mut t = Managed::new();
    let a = t.map(0, P);
    let assoc = t.init();
    let mut fault = t.fault(a, Prot::READ);
    t.destroy(assoc);
    assert_eq!(t.resume(&mut fault), Some(Err(KernReturn::MEMORY_ERROR)));
    assert_eq!(t.told(), [Told::Terminate(assoc)]);
    assert_eq!(t.b.load_code(a), 10);
}

#[test]
fn i_mo_07_a_snapshot_waits_for_ready() {
    for (strategy, wanted) in [(COPY_DELAY, 1), (COPY_NONE, 2)] {
        let mut t = Managed::new();
        let me = t.b.me;
        let mut call = t.begin(MapMemory::new(Some(me), MapArgs { copy: true, ..map_args(P, 2 * P) }));
        let assoc = t.init();
        assert_eq!(t.resume(&mut call), None);
        t.make_ready(assoc, false, strategy);
        let copy = match t.resume(&mut call) {
            Some(address) => address.unwrap(),
            None => {
                // All is read at once.
                assert_eq!(t.told(), [Told::Request(assoc, P, Prot::READ)]);
                t.supply(assoc, P, &[2, 3]);
                t.resume(&mut call).expect("both pages are there").unwrap()
            }
        };
        if strategy == COPY_DELAY {
            let mut fault = t.fault(copy, Prot::WRITE);
            assert_eq!(t.told(), [Told::Request(assoc, P, Prot::READ)]);
            t.supply(assoc, P, &[1]);
            assert_eq!(t.resume(&mut fault), Some(Ok(())));
        }
        assert_eq!(t.b.load(copy), wanted);
        t.b.store(copy, 9);
        t.unmap(copy, 2 * P);
        assert_eq!(t.told(), [Told::Terminate(assoc)], "writing to a snapshot never reaches the manager");
    }
}

#[test]
fn i_mo_07_a_snapshot_of_what_is_destroyed_or_never_ready() {
    for is_destroyed in [true, false] {
        let mut t = Managed::new();
        let me = t.b.me;
        let mut call = t.begin(MapMemory::new(Some(me), MapArgs { copy: true, ..map_args(0, P) }));
        let assoc = t.init();
        if is_destroyed {
            t.destroy(assoc);
        } else {
            let World { vm, machine, .. } = &mut t.b.world;
            vm.overdue(machine, assoc);
        }
        assert_eq!(t.resume(&mut call), Some(Err(KernReturn::MEMORY_ERROR)));
        t.b.world.settle();
        assert_eq!(t.told(), [Told::Terminate(assoc)]);
    }
}

#[test]
fn i_mo_08_offsets_count_from_the_start_of_the_object() {
    let mut t = Managed::new();
    let a = t.map(3 * P, 2 * P);
    let assoc = t.init();
    t.make_ready(assoc, false, COPY_DELAY);
    let mut fault = t.fault(a + P, Prot::READ);
    assert_eq!(t.told(), [Told::Request(assoc, 4 * P, Prot::READ)]);
    t.supply(assoc, 4 * P, &[5]);
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
    assert_eq!(t.b.load(a + P), 5);
}

#[test]
fn i_mo_09_two_mappings_are_the_same_memory() {
    let (mut t, a, assoc) = Managed::ready(2);
    let again = t.map(P, P);
    t.fill(assoc, a, &[1, 2]);
    assert_eq!(t.b.load(again), 2);
    t.b.store(again, 7);
    assert_eq!(t.b.load(a + P), 7);
}

#[test]
fn a_port_that_takes_no_init_is_not_mapped() {
    let mut t = Managed::new();
    t.b.world.machine.refuses_init = Some(KernReturn::RESOURCE_SHORTAGE);
    let me = t.b.me;
    let refused = t.b.world.run(MapMemory::new(Some(me), map_args(0, P)));
    assert_eq!(refused, Err(KernReturn::RESOURCE_SHORTAGE));
    assert_eq!(t.told(), []);
    assert!(t.b.regions().is_empty());
}

/// I-MO 71 to 73, as far as the map sees them; and an offset that is not of whole pages.
#[test]
fn i_mo_71_to_73_proxies() {
    let mut t = Managed::new();
    let me = Some(t.b.me);
    let window = Some(Range { start: 2 * P, end: 4 * P });
    let proxy = |max_prot| MapObject::Manager { manager: O, takes_init: true, max_prot, window };
    let args = MapArgs { object: proxy(Prot::READ), ..map_args(P, P) };
    let a = t.b.world.run(MapMemory::new(me, args)).unwrap();
    let region = t.b.region(a);
    assert_eq!((region.protection, region.max_protection), (Prot::READ, Prot::READ));
    let assoc = t.init();
    t.make_ready(assoc, false, COPY_DELAY);
    let _fault = t.fault(a, Prot::READ);
    assert_eq!(t.told(), [Told::Request(assoc, 3 * P, Prot::READ)]);
    let copy = MapArgs { object: proxy(Prot::WRITE), copy: true, ..map_args(P, P) };
    assert_eq!(code(t.b.world.run(MapMemory::new(me, copy))), 2);
    let beyond = MapArgs { object: proxy(Prot::ALL), ..map_args(P, 2 * P) };
    assert_eq!(code(t.b.world.run(MapMemory::new(me, beyond))), 4);
    assert_eq!(code(t.b.world.run(MapMemory::new(me, map_args(5, P)))), 4);
}
