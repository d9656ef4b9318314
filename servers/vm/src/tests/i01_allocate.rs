//! Cases I.1, `vm_allocate`. Case 21's transport codes are the client's.

use super::bench::*;
use crate::*;

const FIXED: u32 = flags::FIXED;
const ANYWHERE: u32 = flags::ANYWHERE;
const GARBAGE: u64 = 0xdead_beef_dead_beef;

#[test]
fn i01_01_one_page_anywhere() {
    let mut b = Bench::new();
    let a = b.allocate(GARBAGE, P, ANYWHERE).unwrap();
    assert!(a != 0 && is_aligned(a));
    assert!(b.holds(a, 0));
    let region = b.region(a);
    assert_eq!((region.address, region.size), (a, P));
    assert_eq!((region.protection, region.max_protection), (Prot::DEFAULT, Prot::ALL));
    assert_eq!(region.inheritance, Inherit::Copy);
}

#[test]
fn i01_02_size_1_gives_the_whole_page() {
    let mut b = Bench::new();
    let a = b.allocate(0, 1, ANYWHERE).unwrap();
    b.store(a + P - 1, 9);
    assert_eq!(b.load(a + P - 1), 9);
}

#[test]
fn i01_03_a_page_and_a_byte_is_two_pages() {
    let mut b = Bench::new();
    let a = b.allocate(0, P + 1, ANYWHERE).unwrap();
    assert_eq!(b.regions(), [(a, 2 * P)]);
}

#[test]
fn i01_04_size_0_anywhere_zeroes_the_address() {
    assert_eq!(Bench::new().allocate(GARBAGE, 0, ANYWHERE), Ok(0));
}

#[test]
fn i01_05_size_0_fixed_at_an_occupied_address_zeroes_the_address() {
    let (mut b, a) = Bench::with_pages(1);
    assert_eq!(b.allocate(a, 0, FIXED), Ok(0));
}

#[test]
fn i01_06_fixed_at_a_free_address_is_exactly_there() {
    assert_eq!(Bench::new().allocate(0x5000_0000, P, FIXED), Ok(0x5000_0000));
}

#[test]
fn i01_07_fixed_unaligned_start_takes_one_page() {
    let mut b = Bench::new();
    let x = 0x5000_0000;
    assert_eq!(b.allocate(x + 1, P, FIXED), Ok(x));
    assert_eq!(b.load_code(x), 0);
    assert_eq!(b.load_code(x + P), 1);
}

#[test]
fn i01_08_fixed_two_bytes_across_a_boundary_take_one_page() {
    let mut b = Bench::new();
    let x = 0x5000_0000;
    assert_eq!(b.allocate(x + P - 1, 2, FIXED), Ok(x));
    assert_eq!(b.regions(), [(x, P)]);
}

#[test]
fn i01_09_fixed_at_0_is_an_invalid_address() {
    assert_eq!(code(Bench::new().allocate(0, P, FIXED)), 1);
}

#[test]
fn i01_10_fixed_over_an_existing_page() {
    let (mut b, a) = Bench::with_pages(4);
    b.number(a, 4);
    for page in 0..4 {
        assert_eq!(code(b.allocate(a + page * P, P, FIXED)), 3);
        assert!(b.holds(a + page * P, page as u8 + 1));
    }
}

#[test]
fn i01_11_fixed_with_a_taken_page_in_the_middle_allocates_nothing() {
    let mut b = Bench::new();
    let x = 0x5000_0000;
    b.allocate(x + P, P, FIXED).unwrap();
    assert_eq!(code(b.allocate(x, 3 * P, FIXED)), 3);
    assert_eq!(b.regions(), [(x + P, P)]);
}

#[test]
fn i01_12_fixed_beyond_the_end_of_the_map() {
    assert_eq!(code(Bench::new().allocate(MAX - P, 2 * P, FIXED)), 1);
}

#[test]
fn i01_13_fixed_ranges_that_wrap() {
    let mut b = Bench::new();
    let top = 0u64.wrapping_sub(P);
    assert_eq!(code(b.allocate(top, P, FIXED)), 1);
    assert_eq!(code(b.allocate(P, top, FIXED)), 1);
}

#[test]
fn i01_14_absurd_sizes_anywhere() {
    let mut b = Bench::new();
    assert_eq!(code(b.allocate(0, u64::MAX, ANYWHERE)), 4);
    assert_eq!(code(b.allocate(0, 0u64.wrapping_sub(P), ANYWHERE)), 3);
}

#[test]
fn i01_15_absurd_size_fixed() {
    assert_eq!(code(Bench::new().allocate(0x5000_0000, u64::MAX, FIXED)), 4);
}

#[test]
fn i01_16_unknown_flag() {
    let mut b = Bench::new();
    assert_eq!(code(b.allocate(0, P, 0x100)), 4);
    assert_eq!(code(b.allocate(0, 0, 0x100)), 4);
}

#[test]
fn i01_17_purgable_superpage() {
    let mut b = Bench::new();
    let flags = flags::PURGABLE | 0x1_0000;
    assert_eq!(code(b.allocate(0, P, flags)), 4);
    assert_eq!(code(b.allocate(0, 0, flags)), 4);
}

#[test]
fn i01_18_anywhere_ignores_the_hint() {
    let (mut b, a) = Bench::with_pages(1);
    assert_eq!(b.allocate(0x5000_0000, P, ANYWHERE), Ok(a + P));
}

#[test]
fn i01_19_a_freed_range_is_used_again() {
    let (mut b, _) = Bench::with_pages(1);
    let a = b.pages(3);
    assert_eq!(b.deallocate(a, 3 * P), 0);
    assert_eq!(b.pages(3), a);
}

#[test]
fn i01_20_a_thousand_pages_are_disjoint() {
    let mut b = Bench::new();
    let mut all: Vec<u64> = (0..1000).map(|_| b.pages(1)).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 1000);
    assert!(all.iter().all(|a| is_aligned(*a)));
}

#[test]
fn i01_21_target_that_is_no_task() {
    let mut b = Bench::new();
    let call = Allocate::new(None, 0, P, ANYWHERE, Family::Xnu);
    assert_eq!(code(b.world.run(call)), 4);
    // A task that died while the call was on its way.
    let dead = b.fork();
    b.world.end(dead);
    let call = Allocate::new(Some(dead), 0, P, ANYWHERE, Family::Xnu);
    assert_eq!(code(b.world.run(call)), 4);
}

#[test]
fn i01_22_overwrite_replaces_one_page() {
    let (mut b, a) = Bench::with_pages(4);
    b.number(a, 4);
    assert_eq!(b.allocate(a + P, P, flags::OVERWRITE), Ok(a + P));
    for (page, value) in [(0, 1), (1, 0), (2, 3), (3, 4)] {
        assert!(b.holds(a + page * P, value), "page {page}");
    }
}

#[test]
fn i01_23_allocation_in_a_child_is_the_childs() {
    let mut b = Bench::new();
    let child = b.fork();
    let call = Allocate::new(Some(child), 0, P, ANYWHERE, Family::Xnu);
    let a = b.world.run(call).unwrap();
    b.world.store(child, a, 1).unwrap();
    assert_eq!(b.load_code(a), 1);
}

#[test]
fn i01_24_gnu_form_with_an_uninitialised_address() {
    let mut b = Bench::new();
    let call = Allocate::new(Some(b.me), GARBAGE, P, 0x100, Family::Gnu);
    assert_eq!(b.world.run(call), Ok(BOUNDS_START));
}

const BOUNDS_START: u64 = crate::model::BOUNDS.start;
