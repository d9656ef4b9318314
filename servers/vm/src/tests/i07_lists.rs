//! Cases I.7, `vm_read_list` and `vm_read_overwrite`.

use mach_protocol::{KernResult, KernReturn};

use super::bench::*;
use crate::*;

fn read_list(b: &mut Bench, list: &[(u64, u64)]) -> KernResult<ReadListOut> {
    let me = b.me;
    b.world.run(ReadList::new(Some(me), list.to_vec(), me))
}

#[test]
fn i07_01_three_good_elements() {
    let (mut b, a) = Bench::with_pages(4);
    b.number(a, 4);
    let out = read_list(&mut b, &[(a, P), (a + P, 3 * P), (a + 2 * P, 5)]).unwrap();
    assert_eq!(out.last, Ok(()));
    let firsts: Vec<u8> = out.list.iter().map(|(data, _)| b.load(*data)).collect();
    assert_eq!(firsts, [1, 2, 3]);
}

#[test]
fn i07_02_a_bad_one_in_the_middle_is_hidden() {
    let (mut b, a) = Bench::with_pages(4);
    let out = read_list(&mut b, &[(a, P), (0x5000_0000, P), (a, P)]).unwrap();
    assert_eq!((out.last, out.list[1]), (Ok(()), (0, 0)));
}

#[test]
fn i07_03_a_bad_one_at_the_end_gives_its_code() {
    let (mut b, a) = Bench::with_pages(4);
    b.store(a, 9);
    let out = read_list(&mut b, &[(a, P), (0x5000_0000, P)]).unwrap();
    assert_eq!(out.last, Err(KernReturn::INVALID_ADDRESS));
    assert_eq!(b.load(out.list[0].0), 9);
}

#[test]
fn i07_04_counts() {
    let mut b = Bench::new();
    assert_eq!(code(read_list(&mut b, &[(0, 0); 257])), 4);
    assert_eq!(read_list(&mut b, &[]).unwrap().last, Ok(()));
    let null = ReadList::new(None, Vec::new(), b.me);
    assert_eq!(code(b.world.run(null)), 4);
}

#[test]
fn i07_05_elements_of_size_0_do_not_count() {
    let mut b = Bench::new();
    let out = read_list(&mut b, &[(0x5000_0000, P), (77, 0)]).unwrap();
    assert_eq!((out.last, out.list[1]), (Err(KernReturn::INVALID_ADDRESS), (0, 0)));
}

#[test]
fn i07_06_read_overwrite() {
    let (mut b, a) = Bench::with_pages(6);
    b.number(a, 3);
    let me = b.me;
    let call = |b: &mut Bench, from, size, to| code(b.world.run(Copy::to_caller(Some(me), from, size, me, to)));
    assert_eq!(call(&mut b, a, 3 * P, a + 3 * P), 0);
    assert_eq!(b.load(a + 5 * P), 3);
    assert_eq!(call(&mut b, a, P, 0x5000_0000), 1);
    b.protect(a + 3 * P, 3 * P, false, READ);
    assert_eq!(call(&mut b, a, 2 * P, a + 3 * P), 2);
    assert_eq!(call(&mut b, a, 2 * P - 1, a + 3 * P), 1);
}
