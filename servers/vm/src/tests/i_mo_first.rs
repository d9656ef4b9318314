//! Cases I-MO 1 to 9, first mapping.

use super::bench::*;
use super::managed::*;
use crate::model::Told;
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
