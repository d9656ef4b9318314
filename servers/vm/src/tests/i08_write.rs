//! Cases I.8, `vm_write`. Case 10 needs a memory object, 11 is with the wiring, 12 is the client's.

use super::bench::*;
use crate::*;

#[test]
fn i08_01_a_whole_page() {
    let (mut b, a) = Bench::with_pages(2);
    b.number(a, 1);
    assert_eq!(b.write(a + P, a, P), 0);
    assert!(b.holds(a + P, 1));
}

#[test]
fn i08_02_ten_bytes_at_an_odd_address() {
    let (mut b, a) = Bench::with_pages(1);
    b.number(a, 1);
    assert_eq!(b.write_inline(a + 5, &[9; 10]), 0);
    let wanted = [1, 9, 9, 1];
    assert_eq!([4, 5, 14, 15].map(|at| b.load(a + at)), wanted);
}

#[test]
fn i08_03_count_0() {
    let mut b = Bench::new();
    assert_eq!(b.write_inline(0x5000_0000, &[]), 0);
    assert_eq!(b.write(0x5000_0000, 0x6000_0000, 0), 0);
}

#[test]
fn i08_04_local_buffer_unmapped_or_unreadable() {
    let (mut b, a) = Bench::with_pages(2);
    assert_eq!(b.write(a, 0x5000_0000, P), 0x1000_000c);
    b.protect(a + P, P, false, 0);
    assert_eq!(b.write(a, a + P, P), 0x1000_000c);
}

#[test]
fn i08_05_a_hole_in_the_destination() {
    let (mut b, a) = Bench::with_pages(6);
    b.number(a, 3);
    b.deallocate(a + 4 * P, P);
    assert_eq!(b.write(a + 3 * P, a, 3 * P), 1);
    assert!(b.holds(a + 3 * P, 0));
}

#[test]
fn i08_06_a_read_only_destination() {
    let (mut b, a) = Bench::with_pages(6);
    b.protect(a + 3 * P, 3 * P, false, READ);
    assert_eq!(b.write(a + 3 * P, a, 2 * P - 1), 1);
    assert_eq!(b.write(a + 3 * P, a, 2 * P), 2);
}

#[test]
fn i08_07_attributes_of_the_destination_stay() {
    let (mut b, a) = Bench::with_pages(6);
    b.number(a, 3);
    b.inherit(a + 3 * P, 3 * P, NONE);
    b.protect(a + 3 * P, 3 * P, true, RW);
    assert_eq!(b.write(a + 3 * P, a, 3 * P), 0);
    let region = b.region(a + 3 * P);
    assert_eq!((region.protection, region.max_protection), (Prot::DEFAULT, Prot::DEFAULT));
    assert_eq!(region.inheritance, Inherit::None);
    assert!(b.holds(a + 5 * P, 3));
}

#[test]
fn i08_08_a_sharer_sees_the_data() {
    let (mut b, a) = Bench::with_pages(6);
    b.number(a, 3);
    b.inherit(a + 3 * P, 3 * P, SHARE);
    let child = b.fork();
    assert_eq!(b.write(a + 3 * P, a, 3 * P), 0);
    assert_eq!(b.world.load(child, a + 5 * P), Ok(3));
}

#[test]
fn i08_09_into_another_task() {
    let (mut b, a) = Bench::with_pages(3);
    b.number(a, 3);
    let child = b.world.task();
    let call = Allocate::new(Some(child), 0x5000_0000, 3 * P, flags::FIXED, Family::Xnu);
    b.world.run(call).unwrap();
    let source = WriteSource::Memory { map: b.me, address: a, size: 3 * P };
    b.world.run(Write::new(Some(child), 0x5000_0000, source)).unwrap();
    assert_eq!(b.world.load(child, 0x5000_0000 + 2 * P), Ok(3));
}

#[test]
fn i08_09b_null_map() {
    let (mut b, a) = Bench::with_pages(1);
    let source = WriteSource::Memory { map: b.me, address: a, size: P };
    assert_eq!(code(b.world.run(Write::new(None, a, source))), 4);
}
