//! Cases I.4, `vm_protect`. Cases 17, 19 and 20 need threads, 18 a memory object.

use super::bench::*;
use crate::*;

#[test]
fn i04_01_read_only() {
    let (mut b, a) = Bench::with_pages(1);
    b.store(a, 5);
    assert_eq!(b.protect(a, P, false, READ), 0);
    assert_eq!(b.store_code(a), 2);
    assert_eq!(b.load(a), 5);
}

#[test]
fn i04_02_and_writable_again() {
    let (mut b, a) = Bench::with_pages(1);
    b.store(a, 5);
    b.protect(a, P, false, READ);
    assert_eq!(b.protect(a, P, false, RW), 0);
    b.store(a, 6);
    assert_eq!(b.load(a), 6);
}

#[test]
fn i04_03_no_access_and_write_only() {
    let (mut b, a) = Bench::with_pages(1);
    b.store(a, 5);
    assert_eq!(b.protect(a, P, false, 0), 0);
    assert_eq!(b.load_code(a), 2);
    assert_eq!(b.protect(a, P, false, WRITE), 0);
    assert_eq!((b.load_code(a), b.store_code(a)), (2, 2));
    // The server only asks for WRITE.
    assert_eq!(b.write_inline(a, &[9]), 0);
    b.protect(a, P, false, READ);
    assert_eq!(b.load(a), 9);
}

#[test]
fn i04_04_size_0() {
    assert_eq!(Bench::new().protect(0x5000_0000, 0, false, 0xff), 0);
}

#[test]
fn i04_05_bad_protection() {
    let (mut b, a) = Bench::with_pages(1);
    assert_eq!(b.protect(a, P, false, 0x80), 4);
}

#[test]
fn i04_06_the_maximum_only_shrinks() {
    let (mut b, a) = Bench::with_pages(1);
    assert_eq!(b.protect(a, P, true, READ), 0);
    let region = b.region(a);
    assert_eq!((region.protection, region.max_protection), (Prot::READ, Prot::READ));
    assert_eq!(b.protect(a, P, false, RW), 2);
    assert_eq!(b.protect(a, P, true, RW), 2);
    assert_eq!(b.protect(a, P, true, READ), 0);
}

#[test]
fn i04_07_nothing_is_regained_from_none() {
    let (mut b, a) = Bench::with_pages(1);
    assert_eq!(b.protect(a, P, true, 0), 0);
    assert_eq!(b.protect(a, P, true, ALL), 2);
}

#[test]
fn i04_08_a_hole_changes_nothing() {
    let (mut b, a) = Bench::with_pages(3);
    b.deallocate(a + P, P);
    assert_eq!(b.protect(a, 3 * P, false, READ), 1);
    assert_eq!(b.region(a).protection, Prot::DEFAULT);
    assert_eq!(b.region(a + 2 * P).protection, Prot::DEFAULT);
}

#[test]
fn i04_09_start_unmapped_or_beyond_the_end() {
    let (mut b, a) = Bench::with_pages(2);
    assert_eq!(b.protect(a - P, P, false, READ), 1);
    assert_eq!(b.protect(MAX, P, false, READ), 1);
    assert_eq!(b.protect(MAX + 5 * P, P, false, READ), 1);
}

#[test]
fn i04_10_ranges_that_wrap() {
    let mut b = Bench::new();
    let top = 0u64.wrapping_sub(P);
    for (address, size) in [(1, u64::MAX), (P, top), (top, P), (u64::MAX, 1)] {
        assert_eq!(b.protect(address, size, false, READ), 4);
    }
}

#[test]
fn i04_11_an_end_that_rounds_to_zero() {
    let mut b = Bench::new();
    assert_eq!(b.protect(0, u64::MAX, false, READ), 1);
    assert_eq!(b.protect(P, u64::MAX - P, false, READ), 4);
}

#[test]
fn i04_12_the_second_entry_refuses() {
    let (mut b, a) = Bench::with_pages(2);
    b.protect(a + P, P, true, READ);
    b.protect(a, P, false, READ);
    assert_eq!(b.protect(a, 2 * P, false, RW), 2);
    assert_eq!(b.region(a).protection, Prot::READ);
}

#[test]
fn i04_13_exactly_the_pages_that_are_touched() {
    let (mut b, a) = Bench::with_pages(4);
    assert_eq!(b.protect(a + P + 1, 1, false, READ), 0);
    assert_eq!(b.regions(), [(a, P), (a + P, P), (a + 2 * P, 2 * P)]);
    b.protect(a, 4 * P, false, RW);
    assert_eq!(b.regions(), [(a, 4 * P)]);
    assert_eq!(b.protect(a + P - 1, 2, false, READ), 0);
    assert_eq!(b.regions(), [(a, 2 * P), (a + 2 * P, 2 * P)]);
}

#[test]
fn i04_14_the_childs_protection_is_its_own() {
    let (mut b, a) = Bench::with_pages(1);
    b.inherit(a, P, SHARE);
    let child = b.fork();
    b.protect(a, P, false, READ);
    b.world.store(child, a, 3).unwrap();
    assert_eq!(b.load(a), 3);
    assert_eq!(b.store_code(a), 2);
}

#[test]
fn i04_16_protected_and_restored_is_still_zero() {
    let (mut b, a) = Bench::with_pages(1);
    b.protect(a, P, false, 0);
    b.protect(a, P, false, RW);
    assert!(b.holds(a, 0));
}

#[test]
fn i04_18_private_copy_of_shared_memory_for_a_debugger() {
    let (mut b, a) = Bench::with_pages(2);
    b.inherit(a, 2 * P, SHARE);
    b.number(a, 2);
    let child = b.fork();
    b.protect(a, 2 * P, true, READ);
    assert_eq!(b.protect(a, P, false, 0x10 | RW), 0);
    b.store(a, 99);
    assert_eq!(b.load(a), 99);
    assert_eq!(b.world.load(child, a), Ok(1));
    assert_eq!(b.store_code(a + P), 2);
}

#[test]
fn i04_19_execute_only() {
    let (mut b, a) = Bench::with_pages(1);
    b.store(a, 1);
    let me = b.me;
    assert_eq!(code(b.world.fetch(me, a)), 2);
    b.protect(a, P, false, 4);
    assert_eq!(code(b.world.fetch(me, a)), 0);
    assert_eq!((b.load_code(a), b.store_code(a)), (2, 2));
}

#[test]
fn i04_20_no_write_lands_after_the_reply() {
    let (mut b, a) = Bench::with_pages(300);
    b.number(a, 250);
    assert_eq!(b.protect(a, 300 * P, false, READ), 0);
    let space = b.world.vm.space_of(b.me).unwrap();
    assert!(b.world.machine.spaces[&space].values().all(|(_, prot)| *prot == Prot::READ));
}
