//! Cases I.2, `vm_deallocate`. Case 12 is the client's.

use mach_protocol::KernReturn;

use super::bench::*;
use crate::*;

#[test]
fn i02_01_a_freed_page_faults() {
    let (mut b, a) = Bench::with_pages(1);
    b.store(a, 1);
    assert_eq!(b.deallocate(a, P), 0);
    assert_eq!(b.load_code(a), 1);
}

#[test]
fn i02_02_twice() {
    let (mut b, a) = Bench::with_pages(1);
    assert_eq!((b.deallocate(a, P), b.deallocate(a, P)), (0, 1));
    let a = b.pages(1);
    assert_eq!((b.mach_vm_deallocate(a, P), b.mach_vm_deallocate(a, P)), (0, 0));
}

#[test]
fn i02_03_size_0_changes_nothing() {
    let (mut b, a) = Bench::with_pages(1);
    for address in [a, a + 5, a + 100 * P, 0, u64::MAX] {
        assert_eq!((b.deallocate(address, 0), b.mach_vm_deallocate(address, 0)), (0, 0));
    }
    assert_eq!(b.regions(), [(a, P)]);
}

#[test]
fn i02_04_a_hole_in_the_middle() {
    let (mut b, a) = Bench::with_pages(4);
    b.number(a, 4);
    assert_eq!(b.deallocate(a + P, P), 0);
    assert_eq!(b.regions(), [(a, P), (a + 2 * P, 2 * P)]);
    assert!(b.holds(a, 1) && b.holds(a + 2 * P, 3) && b.holds(a + 3 * P, 4));
    // The page is given back although its object lives on.
    assert_eq!(b.world.machine.used_frames(), 3);
}

#[test]
fn i02_05_unaligned_start_covers_two_pages() {
    let (mut b, a) = Bench::with_pages(4);
    assert_eq!(b.deallocate(a + P + 1, P), 0);
    assert_eq!(b.regions(), [(a, P), (a + 3 * P, P)]);
}

#[test]
fn i02_06_two_bytes_across_a_boundary_cover_two_pages() {
    let (mut b, a) = Bench::with_pages(4);
    assert_eq!(b.deallocate(a + P - 1, 2), 0);
    assert_eq!(b.regions(), [(a + 2 * P, 2 * P)]);
}

#[test]
fn i02_07_a_range_with_a_hole() {
    let (mut b, a) = Bench::with_pages(4);
    b.deallocate(a + P, P);
    assert_eq!(b.deallocate(a, 4 * P), 0);
    assert_eq!(b.regions(), []);
}

#[test]
fn i02_08_nothing_there() {
    let mut b = Bench::new();
    assert_eq!(b.deallocate(0x5000_0000, P), 1);
    assert_eq!(b.mach_vm_deallocate(0x5000_0000, P), 0);
    assert_eq!(b.deallocate(MAX, P), 1);
}

#[test]
fn i02_09_ranges_that_wrap() {
    let (mut b, a) = Bench::with_pages(1);
    let top = 0u64.wrapping_sub(P);
    for (address, size) in [(1, u64::MAX), (P, top), (top, P), (u64::MAX, 1)] {
        assert_eq!(b.deallocate(address, size), 4);
        assert_eq!(b.mach_vm_deallocate(address, size), 4);
    }
    assert_eq!(b.regions(), [(a, P)]);
}

#[test]
fn i02_10_an_end_that_rounds_to_zero_removes_nothing() {
    let (mut b, a) = Bench::with_pages(1);
    for (address, size) in [(0, u64::MAX), (P, u64::MAX - P)] {
        assert_eq!(b.deallocate(address, size), 0);
        assert_eq!(b.mach_vm_deallocate(address, size), 0);
    }
    assert_eq!(b.regions(), [(a, P)]);
}

#[test]
fn i02_11_everything() {
    let (mut b, a) = Bench::with_pages(4);
    b.allocate(0x5000_0000, P, flags::FIXED).unwrap();
    assert_eq!(b.deallocate(0, 0u64.wrapping_sub(P)), 0);
    assert_eq!(b.regions(), []);
    assert_eq!(b.load_code(a), 1);
}

#[test]
fn i02_13_memory_from_vm_read_with_its_unaligned_address() {
    let (mut b, a) = Bench::with_pages(4);
    b.number(a, 4);
    let out = b.read(a + 17, 3 * P).unwrap();
    assert_eq!(b.deallocate(out.data, out.count), 0);
    assert_eq!(b.regions(), [(a, 4 * P)]);
}

#[test]
fn i02_15_a_thread_that_waits_in_the_range_faults() {
    let (mut b, a) = Bench::with_pages(200);
    b.number(a, 200);
    let mut deallocate = Deallocate::new(Some(b.me), a, 200 * P, Holes::Refused);
    assert_eq!(b.world.step(&mut deallocate), Step::Again);
    let mut fault = Fault::new(b.me, a + 150 * P, Prot::READ);
    assert_eq!(b.world.step(&mut fault), Step::Wait(WaitOn::Map(b.me)));
    assert_eq!(b.world.vm.next_wakeup(), None);
    let mut steps = 1;
    while b.world.step(&mut deallocate) == Step::Again {
        steps += 1;
    }
    assert!(steps >= 3, "200 pages are no single step");
    assert_eq!(b.world.vm.next_wakeup(), Some((WaitOn::Map(b.me), Wake::Retry)));
    assert_eq!(b.world.step(&mut fault), Step::Done(Err(KernReturn::INVALID_ADDRESS)));
}

#[test]
fn i02_a1_permanent_memory_keeps_its_range() {
    let mut b = Bench::new();
    let a = b.allocate(0, 2 * P, flags::ANYWHERE | flags::PERMANENT).unwrap();
    b.number(a, 2);
    assert_eq!(b.deallocate(a, P), 0);
    assert_eq!(b.region(a).max_protection, Prot::NONE);
    assert_eq!(b.load_code(a), 2);
    assert!(b.holds(a + P, 2));
    assert_eq!(b.world.machine.used_frames(), 1);
    assert_eq!(code(b.allocate(a, P, flags::FIXED)), 3);
}
