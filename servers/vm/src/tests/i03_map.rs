//! Cases I.3, `vm_map` of anonymous memory.

use mach_protocol::KernResult;

use super::bench::*;
use crate::*;

const TWO_MIB: u64 = 2 << 20;

/// The arguments of case 1.
fn args() -> MapArgs {
    MapArgs {
        address: 0,
        size: P,
        mask: 0,
        flags: flags::ANYWHERE,
        object: MapObject::Null,
        offset: 0,
        copy: false,
        prot: RW,
        max: ALL,
        inherit: COPY,
        family: Family::Xnu,
    }
}

fn fixed(address: u64) -> MapArgs {
    MapArgs { address, flags: flags::FIXED, ..args() }
}

fn map(b: &mut Bench, args: MapArgs) -> KernResult<u64> {
    let me = Some(b.me);
    b.world.run(MapMemory::new(me, args))
}

#[test]
fn i03_01_zero_filled_memory() {
    let mut b = Bench::new();
    let a = map(&mut b, args()).unwrap();
    assert!(b.holds(a, 0));
}

#[test]
fn i03_02_size_0_is_an_error() {
    let mut b = Bench::new();
    assert_eq!(code(map(&mut b, MapArgs { size: 0, ..args() })), 4);
    assert_eq!(code(map(&mut b, MapArgs { size: 0, ..fixed(0x5000_0000) })), 4);
}

#[test]
fn i03_03_absurd_sizes() {
    let mut b = Bench::new();
    assert_eq!(code(map(&mut b, MapArgs { size: u64::MAX, ..args() })), 4);
    assert_eq!(code(map(&mut b, MapArgs { size: 0u64.wrapping_sub(P), ..args() })), 3);
}

#[test]
fn i03_04_fixed_range_that_wraps() {
    assert_eq!(code(map(&mut Bench::new(), fixed(0u64.wrapping_sub(P)))), 4);
}

#[test]
fn i03_05_bad_protections_come_before_an_occupied_range() {
    let (mut b, a) = Bench::with_pages(1);
    for args in [args(), fixed(a)] {
        for bad in [8, u32::MAX, 0x7fff_ffff] {
            assert_eq!(code(map(&mut b, MapArgs { prot: bad, ..args })), 4);
            assert_eq!(code(map(&mut b, MapArgs { max: bad, ..args })), 4);
        }
    }
}

#[test]
fn i03_06_bad_inheritance() {
    let (mut b, a) = Bench::with_pages(1);
    for args in [args(), fixed(a)] {
        for bad in [3, u32::MAX] {
            assert_eq!(code(map(&mut b, MapArgs { inherit: bad, ..args })), 4);
        }
    }
}

#[test]
fn i03_07_current_protection_is_reduced_to_the_maximum() {
    let mut b = Bench::new();
    let a = map(&mut b, MapArgs { prot: ALL, max: READ, ..args() }).unwrap();
    let region = b.region(a);
    assert_eq!((region.protection, region.max_protection), (Prot::READ, Prot::READ));
}

#[test]
fn i03_08_mask_aligns() {
    let mut b = Bench::new();
    let a = map(&mut b, MapArgs { mask: TWO_MIB - 1, ..args() }).unwrap();
    assert_eq!(a % TWO_MIB, 0);
}

#[test]
fn i03_09_fixed_at_a_masked_address() {
    let mut b = Bench::new();
    assert_eq!(code(map(&mut b, MapArgs { mask: TWO_MIB - 1, ..fixed(TWO_MIB + P) })), 3);
    // The mask comes before the bounds.
    assert_eq!(code(map(&mut b, MapArgs { mask: TWO_MIB - 1, ..fixed(MAX + P) })), 3);
    assert_eq!(code(map(&mut b, MapArgs { mask: TWO_MIB - 1, ..fixed(MAX + TWO_MIB) })), 1);
}

#[test]
fn i03_10_mask_of_all_ones() {
    assert_eq!(code(map(&mut Bench::new(), MapArgs { mask: u64::MAX, ..args() })), 3);
}

#[test]
fn i03_10b_high_mask_bits_bound_the_address() {
    let mut b = Bench::new();
    let high = MapArgs { mask: u64::MAX << 32, ..args() };
    assert!(map(&mut b, high).unwrap() < 1 << 32);
    let above = MapArgs { address: 1 << 32, ..high };
    assert_eq!(code(map(&mut b, above)), 3);
}

#[test]
fn i03_11_the_hint_is_the_starting_point() {
    let mut b = Bench::new();
    let hint = 0x5000_0000;
    assert_eq!(map(&mut b, MapArgs { address: hint + 5, ..args() }), Ok(hint));
    assert_eq!(map(&mut b, MapArgs { address: hint + 5, ..args() }), Ok(hint + P));
    // Not for id 2089.
    let gnu = MapArgs { address: hint, family: Family::Gnu, ..args() };
    assert_eq!(map(&mut b, gnu), Ok(crate::model::BOUNDS.start));
}

#[test]
fn i03_12_no_gap_above_the_hint() {
    let mut b = Bench::new();
    b.allocate(MAX - P, P, flags::FIXED).unwrap();
    assert_eq!(code(map(&mut b, MapArgs { address: MAX - P, ..args() })), 3);
}

#[test]
fn i03_13_fixed_at_an_occupied_address() {
    let (mut b, a) = Bench::with_pages(1);
    b.store(a, 1);
    assert_eq!(code(map(&mut b, fixed(a))), 3);
    assert_eq!(b.load(a), 1);
    let over = MapArgs { flags: flags::OVERWRITE, ..fixed(a) };
    assert_eq!(map(&mut b, over), Ok(a));
    assert_eq!(b.load(a), 0);
}

#[test]
fn i03_14_unknown_flag() {
    assert_eq!(code(map(&mut Bench::new(), MapArgs { flags: 0x101, ..args() })), 4);
}

#[test]
fn i03_15_inheritance_is_visible() {
    let mut b = Bench::new();
    for (inherit, wanted) in [(SHARE, Inherit::Share), (COPY, Inherit::Copy), (NONE, Inherit::None)] {
        let a = map(&mut b, MapArgs { inherit, ..args() }).unwrap();
        assert_eq!(b.region(a).inheritance, wanted);
    }
}

#[test]
fn i03_16_protection_none() {
    let mut b = Bench::new();
    let a = map(&mut b, MapArgs { prot: 0, ..args() }).unwrap();
    assert_eq!((b.load_code(a), b.store_code(a)), (2, 2));
}

#[test]
fn i03_17_dead_object_and_null_object_with_an_offset() {
    let mut b = Bench::new();
    assert_eq!(code(map(&mut b, MapArgs { object: MapObject::Dead, ..args() })), 4);
    assert_eq!(code(map(&mut b, MapArgs { offset: 12345, copy: true, ..args() })), 0);
}

#[test]
fn i03_18_an_object_that_can_not_be_mapped() {
    let mut b = Bench::new();
    let invalid = MapArgs { object: MapObject::Invalid, ..args() };
    assert_eq!(code(map(&mut b, invalid)), 29);
    assert_eq!(code(map(&mut b, MapArgs { family: Family::Gnu, ..invalid })), 4);
}

#[test]
fn i03_20_offset_and_size_that_wrap() {
    let offset = 0u64.wrapping_sub(P);
    let bad = MapArgs { object: MapObject::Invalid, offset, size: 2 * P, ..args() };
    assert_eq!(code(map(&mut Bench::new(), bad)), 4);
}

#[test]
fn i03_21_never_page_0() {
    let mut b = Bench::new();
    for _ in 0..10 {
        assert_ne!(map(&mut b, args()), Ok(0));
    }
}
