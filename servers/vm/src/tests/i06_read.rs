//! Cases I.6, `vm_read`. Case 13 needs a memory object.

use super::bench::*;
use crate::*;

#[test]
fn i06_01_one_page() {
    let (mut b, a) = Bench::with_pages(1);
    b.number(a, 1);
    let out = b.read(a, P).unwrap();
    assert_ne!(out.data, a);
    assert_eq!(out.count, P);
    assert!(b.holds(out.data, 1));
}

#[test]
fn i06_02_size_0() {
    let (mut b, a) = Bench::with_pages(1);
    let nothing = Ok(ReadOut { data: 0, count: 0 });
    assert_eq!(b.read(a, 0), nothing);
    assert_eq!(b.read(0x5000_0000, 0), nothing);
}

#[test]
fn i06_03_small_data_is_page_aligned() {
    let (mut b, a) = Bench::with_pages(1);
    b.number(a, 1);
    let out = b.read(a + 17, P / 2).unwrap();
    assert_eq!((out.data % P, out.count), (0, P / 2));
    assert_eq!((b.load(out.data + P / 2 - 1), b.load(out.data + P / 2)), (1, 0));
}

#[test]
fn i06_04_large_data_keeps_the_offset_in_the_page() {
    let (mut b, a) = Bench::with_pages(4);
    b.number(a, 4);
    let out = b.read(a + 17, 3 * P).unwrap();
    assert_eq!((out.data % P, out.count), (17, 3 * P));
    assert_eq!((b.load(out.data), b.load(out.data + 3 * P - 1)), (1, 4));
    // Nothing of the target shows beside the data.
    assert_eq!((b.load(out.data - 1), b.load(out.data + 3 * P)), (0, 0));
    assert_eq!((b.load(a), b.load(a + 4 * P - 1)), (1, 4));
}

#[test]
fn i06_05_a_hole_or_the_end_of_the_map() {
    let (mut b, a) = Bench::with_pages(3);
    b.deallocate(a + P, P);
    assert_eq!(code(b.read(a, 3 * P)), 1);
    assert_eq!(code(b.read(a, P + 1)), 1);
    assert_eq!(code(b.read(MAX - P, 2 * P)), 1);
}

#[test]
fn i06_06_a_page_without_read() {
    let (mut b, a) = Bench::with_pages(4);
    b.protect(a + P, P, false, 0);
    assert_eq!(code(b.read(a, 2 * P - 1)), 1);
    assert_eq!(code(b.read(a, 2 * P)), 2);
}

#[test]
fn i06_07_sizes_of_4_gib() {
    let (mut b, a) = Bench::with_pages(4);
    assert_eq!(code(b.read(a, 1 << 32)), 4);
    assert_eq!(code(b.read(a, (1 << 32) - 1)), 1);
}

#[test]
fn i06_08_wraps() {
    let mut b = Bench::new();
    assert_eq!(code(b.read(1, u64::MAX)), 4);
    assert_eq!(code(b.read(0u64.wrapping_sub(P), P)), 1);
}

#[test]
fn i06_09_it_is_a_snapshot() {
    for size in [P, 4 * P] {
        let (mut b, a) = Bench::with_pages(4);
        b.number(a, 4);
        let out = b.read(a, size).unwrap();
        b.store(a, 50);
        assert_eq!(b.load(out.data), 1);
        b.store(out.data + 1, 60);
        assert_eq!((b.load(a), b.load(a + 1)), (50, 1));
    }
}

#[test]
fn i06_10_from_another_task() {
    for size in [P, 4 * P] {
        let (mut b, a) = Bench::with_pages(4);
        b.number(a, 4);
        let other = b.world.task();
        let call = Read::new(Some(b.me), a, size, other);
        let out = b.world.run(call).unwrap();
        assert_eq!(b.world.load(other, out.data + size - 1), Ok((size / P) as u8));
        assert_eq!(b.regions(), [(a, 4 * P)]);
    }
}

#[test]
fn i06_11_attributes_of_the_data() {
    for size in [P, 4 * P] {
        let (mut b, a) = Bench::with_pages(4);
        b.number(a, 4);
        b.protect(a, 4 * P, true, READ);
        let out = b.read(a, size).unwrap();
        let region = b.region(out.data);
        assert_eq!((region.protection, region.max_protection), (Prot::DEFAULT, Prot::ALL));
        assert_eq!(region.inheritance, Inherit::Copy);
        b.store(out.data, 7);
        assert_eq!(b.load(a), 1);
    }
}

#[test]
fn i06_12_untouched_memory_reads_as_zeros() {
    for size in [P, 4 * P] {
        let (mut b, a) = Bench::with_pages(4);
        let out = b.read(a, size).unwrap();
        assert!(b.holds(out.data, 0) && b.holds(a, 0));
    }
}

#[test]
fn i06_a1_a_large_read_copies_no_page() {
    let (mut b, a) = Bench::with_pages(200);
    b.number(a, 200);
    let frames = b.world.machine.used_frames();
    b.read(a, 200 * P).unwrap();
    assert_eq!(b.world.machine.used_frames(), frames);
    assert_eq!(b.statistics().cow_faults, 0);
}

#[test]
fn i06_a2_no_room_in_the_caller() {
    let (mut b, a) = Bench::with_pages(4);
    for size in [P, 4 * P] {
        let tiny = Range { start: P, end: 2 * P };
        let other = b.world.vm.create_map(&mut b.world.machine, tiny).unwrap();
        let fill = Allocate::new(Some(other), P, P, flags::FIXED, Family::Xnu);
        b.world.run(fill).unwrap();
        let call = Read::new(Some(b.me), a, size, other);
        assert_eq!(code(b.world.run(call)), 3);
    }
}

#[test]
fn i06_a3_a_hole_is_told_before_a_protection() {
    let (mut b, a) = Bench::with_pages(4);
    b.protect(a, P, false, 0);
    assert_eq!(code(b.read(a, 4 * P)), 2);
    b.deallocate(a + 3 * P, P);
    assert_eq!(code(b.read(a, 4 * P)), 1);
}
