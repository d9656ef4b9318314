//! Cases I.11, `vm_remap`.

use mach_protocol::KernResult;

use super::bench::*;
use crate::*;

fn args(b: &Bench, source_address: u64, size: u64) -> RemapArgs {
    RemapArgs {
        address: 0,
        size,
        mask: 0,
        flags: flags::ANYWHERE,
        source: Some(b.me),
        source_address,
        copy: false,
        protections: None,
        inherit: COPY,
    }
}

fn remap(b: &mut Bench, args: RemapArgs) -> KernResult<RemapOut> {
    let me = Some(b.me);
    b.world.run(Remap::new(me, args))
}

#[test]
fn i11_01_one_memory_at_two_addresses() {
    let (mut b, a) = Bench::with_pages(3);
    b.number(a, 2);
    let out = args(&b, a, 3 * P);
    let out = remap(&mut b, out).unwrap();
    assert_eq!((out.protection, out.max_protection), (Prot::DEFAULT, Prot::ALL));
    b.store(out.address + P, 50);
    b.store(a + 2 * P, 60);
    assert_eq!((b.load(a + P), b.load(out.address + 2 * P)), (50, 60));
}

#[test]
fn i11_02_a_snapshot() {
    let (mut b, a) = Bench::with_pages(3);
    b.number(a, 3);
    let copy = RemapArgs { copy: true, ..args(&b, a, 3 * P) };
    let out = remap(&mut b, copy).unwrap();
    b.store(a, 50);
    b.store(out.address + P, 60);
    assert_eq!((b.load(out.address), b.load(a + P)), (1, 2));
}

#[test]
fn i11_03_to_05_bad_arguments() {
    let (mut b, a) = Bench::with_pages(3);
    let good = args(&b, a, P);
    assert_eq!(code(remap(&mut b, RemapArgs { size: 0, ..good })), 4);
    assert_eq!(code(remap(&mut b, RemapArgs { inherit: 3, ..good })), 4);
    assert_eq!(code(remap(&mut b, RemapArgs { source: None, ..good })), 4);
    assert_eq!(code(remap(&mut b, RemapArgs { size: u64::MAX, ..good })), 4);
    assert_eq!(code(remap(&mut b, RemapArgs { flags: 0x80, ..good })), 4);
    b.deallocate(a + P, P);
    assert_eq!(code(remap(&mut b, RemapArgs { size: 3 * P, ..good })), 1);
}

#[test]
fn i11_06_fixed() {
    let (mut b, a) = Bench::with_pages(3);
    b.number(a, 3);
    let fixed = RemapArgs { address: a + 2 * P, flags: flags::FIXED, ..args(&b, a, P) };
    assert_eq!(code(remap(&mut b, fixed)), 3);
    let out = remap(&mut b, RemapArgs { flags: flags::OVERWRITE, ..fixed }).unwrap();
    assert_eq!(out.address, a + 2 * P);
    assert_eq!(b.load(a + 2 * P), 1);
    b.store(a, 9);
    assert_eq!(b.load(a + 2 * P), 9);
}

#[test]
fn i11_07_protections_are_the_intersection() {
    let (mut b, a) = Bench::with_pages(2);
    b.protect(a, P, false, READ);
    let all = args(&b, a, 2 * P);
    assert_eq!(remap(&mut b, all).unwrap().protection, Prot::READ);
}

#[test]
fn i11_08_the_new_form() {
    let (mut b, a) = Bench::with_pages(2);
    b.store(a, 1);
    let with = |prot, max| RemapArgs { protections: Some((prot, max)), ..args(&b, a, P) };
    let [narrow, wx, beyond, write] = [with(READ, RW), with(READ, ALL), with(RW, READ), with(RW, RW)];
    let out = remap(&mut b, narrow).unwrap();
    assert_eq!((out.protection, out.max_protection), (Prot::READ, Prot::DEFAULT));
    assert_eq!(b.region(out.address).protection, Prot::READ);
    assert_eq!((b.load(out.address), b.store_code(out.address)), (1, 2));
    assert_eq!(code(remap(&mut b, wx)), 2);
    assert_eq!(code(remap(&mut b, beyond)), 4);
    b.protect(a, P, false, READ);
    assert_eq!(code(remap(&mut b, write)), 2);
}

#[test]
fn i11_09_the_source_goes() {
    let (mut b, a) = Bench::with_pages(2);
    b.number(a, 2);
    let whole = args(&b, a, 2 * P);
    let out = remap(&mut b, whole).unwrap();
    b.deallocate(a, 2 * P);
    assert_eq!((b.load(out.address), b.load(out.address + P)), (1, 2));
}

#[test]
fn i11_10_across_tasks() {
    let (mut b, a) = Bench::with_pages(2);
    let other = b.world.task();
    let call = Allocate::new(Some(other), 0, 2 * P, flags::ANYWHERE, Family::Xnu);
    let there = b.world.run(call).unwrap();
    b.world.store(other, there, 5).unwrap();
    let from_other = RemapArgs { source: Some(other), ..args(&b, there, 2 * P) };
    let out = remap(&mut b, from_other).unwrap();
    assert_ne!(out.address, a);
    b.store(out.address, 6);
    assert_eq!(b.world.load(other, there), Ok(6));
    b.world.end(other);
    assert_eq!(b.load(out.address), 6);
}

#[test]
fn i11_12_unaligned_source() {
    let (mut b, a) = Bench::with_pages(3);
    b.number(a, 3);
    // The size alone is rounded.
    let plain = args(&b, a + 5, P);
    let out = remap(&mut b, plain).unwrap();
    assert_eq!((out.address % P, b.region(out.address).size), (0, P));
    let exact = RemapArgs { flags: flags::ANYWHERE | flags::RETURN_DATA_ADDR, ..plain };
    let out = remap(&mut b, exact).unwrap();
    assert_eq!((out.address % P, b.load(out.address), b.load(out.address + P)), (5, 1, 2));
}
