//! Cases I.9, `vm_copy`.

use super::bench::*;

#[test]
fn i09_01_page_to_page() {
    let (mut b, a) = Bench::with_pages(2);
    b.number(a, 1);
    assert_eq!(b.copy(a, P, a + P), 0);
    assert!(b.holds(a + P, 1));
}

#[test]
fn i09_02_a_hundred_unaligned_bytes() {
    let (mut b, a) = Bench::with_pages(2);
    b.number(a, 1);
    assert_eq!(b.copy(a + 3, 100, a + P + 7), 0);
    assert_eq!([6, 7, 106, 107].map(|at| b.load(a + P + at)), [0, 1, 1, 0]);
}

#[test]
fn i09_03_overlapping_ranges_are_moved() {
    for shift in [P, 7] {
        for size in [5 * P, P + P / 2] {
            for is_forward in [true, false] {
                let (mut b, a) = Bench::with_pages(8);
                let mut bytes: Vec<u8> = (0..8 * P).map(|at| (at / 97) as u8).collect();
                assert_eq!(b.write_inline(a, &bytes), 0);
                let (from, to) = if is_forward { (0, shift) } else { (shift, 0) };
                assert_eq!(b.copy(a + from, size, a + to), 0);
                bytes.copy_within(from as usize..(from + size) as usize, to as usize);
                for (at, byte) in bytes.iter().enumerate() {
                    assert_eq!(b.load(a + at as u64), *byte, "{shift} {size} {at}");
                }
            }
        }
    }
}

#[test]
fn i09_04_size_0_with_wild_addresses() {
    assert_eq!(Bench::new().copy(u64::MAX, 0, 3), 0);
}

#[test]
fn i09_05_holes() {
    let (mut b, a) = Bench::with_pages(4);
    b.deallocate(a + P, P);
    assert_eq!(b.copy(a, 2 * P, a + 2 * P), 1);
    assert_eq!(b.copy(a + 2 * P, 2 * P, a), 1);
}

#[test]
fn i09_06_protections() {
    let (mut b, a) = Bench::with_pages(8);
    b.protect(a, 2 * P, false, WRITE);
    assert_eq!(b.copy(a, 2 * P - 1, a + 4 * P), 1);
    assert_eq!(b.copy(a, 2 * P, a + 4 * P), 2);
    b.protect(a, 2 * P, false, READ);
    assert_eq!(b.copy(a + 4 * P, 2 * P - 1, a), 1);
    assert_eq!(b.copy(a + 4 * P, 2 * P, a), 2);
}

#[test]
fn i09_07_source_wraps() {
    let (mut b, a) = Bench::with_pages(1);
    assert_eq!(b.copy(0u64.wrapping_sub(P), P, a), 1);
}

#[test]
fn i09_08_absurd_size() {
    let (mut b, a) = Bench::with_pages(1);
    assert_eq!(b.copy(a, u64::MAX, a), 1);
}

#[test]
fn i09_09_the_sides_are_independent_afterwards() {
    let (mut b, a) = Bench::with_pages(8);
    b.number(a, 4);
    assert_eq!(b.copy(a, 4 * P, a + 4 * P), 0);
    b.store(a, 70);
    b.store(a + 5 * P, 80);
    assert_eq!((b.load(a + 4 * P), b.load(a + P)), (1, 2));
}

#[test]
fn i09_10_a_sharer_of_the_destination_sees_it() {
    let (mut b, a) = Bench::with_pages(8);
    b.number(a, 4);
    b.inherit(a + 4 * P, 4 * P, SHARE);
    let child = b.fork();
    assert_eq!(b.copy(a, 4 * P, a + 4 * P), 0);
    assert_eq!(b.world.load(child, a + 7 * P), Ok(4));
}

#[test]
fn i09_11_zeros_are_copied() {
    let (mut b, a) = Bench::with_pages(8);
    b.number(a + 4 * P, 4);
    assert_eq!(b.copy(a, 4 * P, a + 4 * P), 0);
    assert!((4..8).all(|page| b.holds(a + page * P, 0)));
}

#[test]
fn i09_11b_untouched_to_untouched_takes_no_frame() {
    let (mut b, a) = Bench::with_pages(8);
    assert_eq!(b.copy(a, 4 * P, a + 4 * P), 0);
    assert_eq!(b.world.machine.used_frames(), 0);
}

#[test]
fn i09_12_onto_itself() {
    let (mut b, a) = Bench::with_pages(4);
    b.number(a, 4);
    assert_eq!(b.copy(a, 4 * P, a), 0);
    assert!((0..4).all(|page| b.holds(a + page * P, page as u8 + 1)));
}

#[test]
fn i09_09b_a_large_copy_takes_no_frame() {
    let (mut b, a) = Bench::with_pages(400);
    b.number(a, 200);
    let frames = b.world.machine.used_frames();
    assert_eq!(b.copy(a, 200 * P, a + 200 * P), 0);
    assert_eq!(b.world.machine.used_frames(), frames);
    b.store(a + 7 * P, 99);
    b.store(a + 208 * P, 77);
    assert_eq!((b.load(a + 207 * P), b.load(a + 8 * P)), (8, 9));
    assert_eq!(b.load(a + 399 * P), 200);
}
