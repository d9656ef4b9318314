//! Cases I-MO 10 to 24, requests and answers.

use mach_protocol::KernReturn;

use super::bench::*;
use super::managed::*;
use crate::model::{Told, World};
use crate::*;

const SUCCESS: KernReturn = KernReturn::SUCCESS;
const PRESENT: KernReturn = KernReturn::MEMORY_PRESENT;

#[test]
fn i_mo_10_a_supplied_page_is_read() {
    let (mut t, a, assoc) = Managed::ready(1);
    let mut fault = t.fault(a, Prot::READ);
    assert_eq!(t.supply(assoc, 0, &[3]), SupplyDone { result: SUCCESS, error_offset: P });
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
    assert!(t.b.holds(a, 3));
}

#[test]
fn i_mo_11_more_than_was_asked_for() {
    let (mut t, a, assoc) = Managed::ready(4);
    let mut fault = t.fault(a, Prot::READ);
    t.told();
    t.supply(assoc, 0, &[1, 2, 3, 4]);
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
    for page in 0..4 {
        assert!(t.b.holds(a + page * P, page as u8 + 1));
    }
    assert_eq!(t.told(), []);
}

#[test]
fn i_mo_12_half_a_page_is_refused() {
    let (mut t, a, assoc) = Managed::ready(1);
    let mut fault = t.fault(a, Prot::READ);
    let args = t.supply_args(0, &[1]);
    let half = DataSupply::new(assoc, SupplyArgs { size: P / 2, ..args });
    assert_eq!(t.b.world.run(half), Err(KernReturn::INVALID_ARGUMENT));
    let askew = SupplyArgs { offset: 5, ..t.supply_args(0, &[1]) };
    assert_eq!(t.b.world.run(DataSupply::new(assoc, askew)), Err(KernReturn::INVALID_ARGUMENT));
    assert_eq!(t.resume(&mut fault), None);
    t.supply(assoc, 0, &[4]);
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
}

#[test]
fn i_mo_13_14_a_present_page_stops_a_supply() {
    let (mut t, a, assoc) = Managed::ready(2);
    t.fill(assoc, a, &[1]);
    t.b.store(a, 9);
    let mut fault = t.fault(a + P, Prot::READ);
    assert_eq!(t.supply(assoc, 0, &[5, 6]), SupplyDone { result: PRESENT, error_offset: 0 });
    assert_eq!(t.b.load(a), 9);
    assert_eq!(t.resume(&mut fault), None, "the requested one after it is dropped, too");
    t.supply(assoc, P, &[6]);
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
}

#[test]
fn i_mo_15_what_the_manager_does_not_have_is_zero() {
    let (mut t, a, assoc) = Managed::ready(2);
    for (page, access) in [(0, Prot::READ), (1, Prot::WRITE)] {
        let mut fault = t.fault(a + page * P, access);
        let World { vm, machine, .. } = &mut t.b.world;
        vm.data_unavailable(machine, assoc, 0, 2 * P).unwrap();
        assert_eq!(t.resume(&mut fault), Some(Ok(())));
    }
    t.told();
    assert!(t.b.holds(a, 0));
    t.b.store(a + P, 7);
    t.lock(assoc, Managed::lock_args(0, 2 * P, RETURN_DIRTY, FLUSH, NO_CHANGE));
    assert_eq!(t.heard(), [Heard::Return(P, vec![7], true, false)]);
    let mut fault = t.fault(a, Prot::READ);
    assert_eq!(t.told(), [Told::Request(assoc, 0, Prot::READ)]);
    t.supply(assoc, 0, &[1]);
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
}

#[test]
fn i_mo_16_17_an_error_is_reported_once() {
    let (mut t, a, assoc) = Managed::ready(2);
    t.fill(assoc, a, &[1]);
    let mut fault = t.fault(a + P, Prot::READ);
    t.told();
    let World { vm, machine, .. } = &mut t.b.world;
    vm.data_error(machine, assoc, 0, P).unwrap();
    assert_eq!(t.resume(&mut fault), None, "a page that is there has no error");
    let World { vm, machine, .. } = &mut t.b.world;
    vm.data_error(machine, assoc, P, P).unwrap();
    assert_eq!(t.resume(&mut fault), Some(Err(KernReturn::MEMORY_ERROR)));
    assert_eq!(t.b.load(a), 1);
    let _fault = t.fault(a + P, Prot::READ);
    assert_eq!(t.told(), [Told::Request(assoc, P, Prot::READ)]);
}

#[test]
fn i_mo_18_two_faults_one_request() {
    let (mut t, a, assoc) = Managed::ready(1);
    let mut faults = [t.fault(a, Prot::READ), t.fault(a, Prot::READ)];
    assert_eq!(t.told(), [Told::Request(assoc, 0, Prot::READ)]);
    t.supply(assoc, 0, &[1]);
    for fault in &mut faults {
        assert_eq!(t.resume(fault), Some(Ok(())));
    }
}

#[test]
fn i_mo_19_a_write_fault_asks_for_write() {
    let (mut t, a, assoc) = Managed::ready(1);
    let _fault = t.fault(a, Prot::WRITE);
    assert_eq!(t.told(), [Told::Request(assoc, 0, Prot::DEFAULT)]);
}

#[test]
fn i_mo_20_a_page_locked_against_writing() {
    let (mut t, a, assoc) = Managed::ready(1);
    let mut read = t.fault(a, Prot::READ);
    t.supply_locked(assoc, 0, &[1], WRITE);
    assert_eq!(t.resume(&mut read), Some(Ok(())));
    assert_eq!(t.b.load(a), 1);
    t.told();
    let mut writes = [t.fault(a, Prot::WRITE), t.fault(a, Prot::WRITE)];
    assert_eq!(t.told(), [Told::Unlock(assoc, 0, Prot::WRITE)], "once");
    t.lock(assoc, Managed::lock_args(0, P, RETURN_NONE, KEEP, 0));
    for write in &mut writes {
        assert_eq!(t.resume(write), Some(Ok(())));
    }
    t.b.store(a, 2);
    assert_eq!(t.told(), []);
}

#[test]
fn i_mo_21_a_page_locked_against_everything() {
    let (mut t, a, assoc) = Managed::ready(1);
    let mut read = t.fault(a, Prot::READ);
    t.told();
    t.supply_locked(assoc, 0, &[1], ALL);
    assert_eq!(t.resume(&mut read), None);
    assert_eq!(t.told(), [Told::Unlock(assoc, 0, Prot::READ)]);
    // A wider access is asked for as well.
    let mut write = t.fault(a, Prot::WRITE);
    assert_eq!(t.told(), [Told::Unlock(assoc, 0, Prot::DEFAULT)]);
    t.lock(assoc, Managed::lock_args(0, P, RETURN_NONE, KEEP, 0));
    assert_eq!(t.resume(&mut write), Some(Ok(())));
    assert_eq!(t.resume(&mut read), Some(Ok(())));
}

#[test]
fn i_mo_22_23_the_managers_memory_moves_or_is_copied() {
    for (values, deallocate, wanted) in [(&[1u8; 8][..], true, 1), (&[1; 2], true, 1), (&[1; 8], false, 0)] {
        let (mut t, a, assoc) = Managed::ready(8);
        let mut fault = t.fault(a, Prot::READ);
        let args = t.supply_args(0, values);
        let used = t.b.world.machine.used_frames();
        let call = DataSupply::new(assoc, SupplyArgs { deallocate, ..args });
        t.b.world.run(call).unwrap();
        let m = t.m;
        assert_eq!(code(t.b.world.load(m, args.address)), wanted);
        let more = if deallocate { 0 } else { values.len() };
        assert_eq!(t.b.world.machine.used_frames(), used + more);
        if !deallocate {
            t.b.world.store(m, args.address, 99).unwrap();
        }
        assert_eq!(t.resume(&mut fault), Some(Ok(())));
        for page in 0..values.len() as u64 {
            assert!(t.b.holds(a + page * P, 1));
        }
    }
}

/// Data need not start at a page boundary of the manager's, and may be partly untouched or shared.
#[test]
fn data_is_taken_from_wherever_it_lies() {
    let (mut t, a, assoc) = Managed::ready(4);
    let mut fault = t.fault(a, Prot::READ);
    let args = t.supply_args(0, &[1, 2, 3]);
    let call = DataSupply::new(assoc, SupplyArgs { address: args.address + 10, size: 2 * P, ..args });
    t.b.world.run(call).unwrap();
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
    assert_eq!((t.b.load(a), t.b.load(a + P - 11), t.b.load(a + P - 10), t.b.load(a + 2 * P - 1)), (1, 1, 2, 3));
    let m = t.m;
    let child = t.b.world.run(Fork::new(m)).unwrap();
    let nowhere = SupplyArgs { address: 0x7000_0000, ..args };
    assert_eq!(code(t.b.world.run(DataSupply::new(assoc, nowhere))), 0x1000_000c);
    t.b.world.end(child);
}

#[test]
fn i_mo_24_an_unknown_lock_value_is_refused() {
    let (mut t, a, assoc) = Managed::ready(1);
    let mut fault = t.fault(a, Prot::READ);
    let args = t.supply_args(0, &[1]);
    let call = DataSupply::new(assoc, SupplyArgs { lock_value: 8, ..args });
    assert_eq!(t.b.world.run(call), Err(KernReturn::INVALID_ARGUMENT));
    let m = t.m;
    assert_eq!(code(t.b.world.load(m, args.address)), 1, "the message is destroyed, its data with it");
    assert_eq!(t.resume(&mut fault), None);
}
