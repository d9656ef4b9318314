//! Cases I.5, `vm_inherit`.

use mach_protocol::KernReturn;

use super::bench::*;
use crate::*;

#[test]
fn i05_01_share() {
    let (mut b, a) = Bench::with_pages(1);
    assert_eq!(b.inherit(a, P, SHARE), 0);
    b.store(a, 1);
    let child = b.fork();
    b.world.store(child, a, 2).unwrap();
    assert_eq!(b.load(a), 2);
    b.store(a, 3);
    assert_eq!(b.world.load(child, a), Ok(3));
}

#[test]
fn i05_02_copy() {
    let (mut b, a) = Bench::with_pages(1);
    b.store(a, 1);
    let child = b.fork();
    b.world.store(child, a, 2).unwrap();
    assert_eq!(b.load(a), 1);
    b.store(a, 3);
    assert_eq!(b.world.load(child, a), Ok(2));
}

#[test]
fn i05_03_none() {
    let (mut b, a) = Bench::with_pages(1);
    b.store(a, 1);
    b.inherit(a, P, NONE);
    let child = b.fork();
    assert_eq!(b.world.load(child, a), Err(KernReturn::INVALID_ADDRESS));
    let call = Allocate::new(Some(child), 0, P, flags::ANYWHERE, Family::Xnu);
    assert_eq!(b.world.run(call), Ok(a));
    assert_eq!(b.world.load(child, a), Ok(0));
}

#[test]
fn i05_04_bad_values() {
    let (mut b, a) = Bench::with_pages(1);
    assert_eq!((b.inherit(a, P, 3), b.inherit(a, P, u32::MAX)), (4, 4));
}

#[test]
fn i05_05_size_0_comes_before_the_value() {
    let (mut b, a) = Bench::with_pages(1);
    assert_eq!(b.inherit(a, 0, 3), 0);
}

#[test]
fn i05_06_holes_are_skipped() {
    let (mut b, a) = Bench::with_pages(3);
    b.deallocate(a + P, P);
    assert_eq!(b.inherit(a, 3 * P, NONE), 0);
    assert_eq!(b.region(a).inheritance, Inherit::None);
    assert_eq!(b.region(a + 2 * P).inheritance, Inherit::None);
}

#[test]
fn i05_07_wraps() {
    assert_eq!(Bench::new().inherit(0u64.wrapping_sub(P), 2 * P, COPY), 4);
    assert_eq!(Bench::new().inherit(P, u64::MAX - P, COPY), 4);
}

#[test]
fn i05_08_part_of_an_entry() {
    let (mut b, a) = Bench::with_pages(3);
    b.number(a, 3);
    b.inherit(a + P, P, SHARE);
    assert_eq!(b.regions(), [(a, P), (a + P, P), (a + 2 * P, P)]);
    let child = b.fork();
    for page in 0..3 {
        b.world.store(child, a + page * P, 77).unwrap();
    }
    assert_eq!([b.load(a), b.load(a + P), b.load(a + 2 * P)], [1, 77, 3]);
}

#[test]
fn i05_09_share_after_a_copy_is_between_the_new_parties_only() {
    let (mut b, a) = Bench::with_pages(1);
    b.store(a, 1);
    let first = b.fork();
    b.inherit(a, P, SHARE);
    let second = b.fork();
    b.world.store(second, a, 2).unwrap();
    assert_eq!(b.load(a), 2);
    b.store(a, 3);
    assert_eq!(b.world.load(second, a), Ok(3));
    assert_eq!(b.world.load(first, a), Ok(1));
}

#[test]
fn i05_10_a_grandchild_shares_with_both() {
    let (mut b, a) = Bench::with_pages(1);
    b.inherit(a, P, SHARE);
    let child = b.fork();
    let grandchild = b.world.run(Fork::new(child)).unwrap();
    b.world.store(grandchild, a, 4).unwrap();
    assert_eq!((b.load(a), b.world.load(child, a)), (4, Ok(4)));
    b.store(a, 5);
    assert_eq!(b.world.load(grandchild, a), Ok(5));
}
