//! Cases I.17, faults: the codes that an exception carries, and the counts. The rest needs threads and managers.

use super::bench::*;
use crate::*;

#[test]
fn i17_01_unmapped() {
    let mut b = Bench::new();
    assert_eq!((b.load_code(0x5000_0123), b.store_code(0)), (1, 1));
}

#[test]
fn i17_02_write_to_read_only() {
    let (mut b, a) = Bench::with_pages(1);
    b.protect(a, P, false, READ);
    assert_eq!(b.store_code(a), 2);
}

#[test]
fn i17_03_execute_without_permission() {
    let (mut b, a) = Bench::with_pages(1);
    let me = b.me;
    assert_eq!(code(b.world.fetch(me, a)), 2);
}

#[test]
fn i17_04_memory_mapped_by_a_handler_is_there_at_the_restart() {
    let mut b = Bench::new();
    assert_eq!(b.load_code(0x5000_0123), 1);
    b.allocate(0x5000_0000, P, flags::FIXED).unwrap();
    assert_eq!(b.load_code(0x5000_0123), 0);
}

#[test]
fn i17_09_zero_fills_are_counted_one_by_one() {
    let (mut b, a) = Bench::with_pages(50);
    let before = b.statistics();
    for page in [0, 1, 5, 20, 49, 5, 0] {
        b.store(a + page * P, 1);
        b.load(a + page * P + 1);
    }
    let after = b.statistics();
    assert_eq!(after.zero_fill_count - before.zero_fill_count, 5);
    assert_eq!(after.faults - before.faults, 5);
    assert_eq!(before.free_count - after.free_count, 5);
    assert_eq!((after.pagesize, after.active_count, after.wire_count), (P, 5, 0));
    assert_eq!(after.words()[5], 5);
    assert_eq!(code(b.world.vm.vm_statistics(&b.world.machine, None)), 4);
}

#[test]
fn i17_a1_no_frame_is_an_orderly_failure() {
    let (mut b, a) = Bench::with_pages(2);
    b.world.machine.fail_in = Some(1);
    assert_eq!(b.store_code(a), 6);
    b.world.machine.fail_in = None;
    b.world.assert_valid();
    b.store(a, 1);
}
