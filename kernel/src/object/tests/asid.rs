//! ASID control and pools, one test per row of their error tables (spec §3.14).

use super::{Bench, ROOT, UNTYPED};
use crate::arch::irq;
use crate::arch::record::{Event, record};
use crate::arch::types::Irq;
use crate::cap::{AsidPoolCap, Cap, UntypedCap, cdt, delete};
use crate::error::{LookupFault, LookupSide, SyscallError};
use crate::kobj::{KRef, MemRegion};
use crate::mem::PhysAddr;
use crate::object::AsidPool;
use crate::vspace::Asid;
use sel4_abi::InvocationLabel::*;
use sel4_abi::ObjectType;

const CONTROL: usize = 2;
const SMALL: usize = 3;
const POOL: usize = 4;
const VSPACE: usize = 5;
const DEPTH: u64 = 64;
const FREE: usize = 8;

/// ASID control, a 4 KiB untyped, two VSpaces without ASIDs; no pool.
fn bench() -> Bench {
    let mut b = Bench::new(17);
    b.put(CONTROL, Cap::AsidControl);
    b.retype(ObjectType::Untyped, 12, SMALL as u64, 1);
    b.retype(ObjectType::VSpace, 0, VSPACE as u64, 2);
    b
}

/// The same with the first pool made.
fn bench_with_pool() -> Bench {
    let mut b = bench();
    b.done(CONTROL, AsidControlMakePool, &[POOL as u64, DEPTH], &[SMALL, ROOT]);
    b
}

impl Bench {
    fn made_pool(&self) -> AsidPoolCap {
        match self.cap(POOL) {
            Cap::AsidPool(pool) => pool,
            other => panic!("{other:?} is no pool"),
        }
    }

    /// Makes a pool of the arena behind the kernel's back.
    fn place_pool(&mut self) -> KRef<AsidPool> {
        self.m.take(12).place(&mut self.m.kernel).unwrap()
    }
}

// ---- MakePool ----

#[test]
fn make_pool_takes_the_lowest_number_and_the_whole_untyped() {
    let mut b = bench_with_pool();
    let pool = b.made_pool();
    assert_eq!(pool.base, Asid(0));
    assert_eq!(b.m.kernel.asids.pool(Asid(0)), Some(pool.pool));
    assert!(matches!(b.cap(SMALL), Cap::Untyped(u) if u.free_bytes() == 0));
    assert!(cdt::is_parent_of(&b.m.kernel, b.slot(SMALL), b.slot(POOL)));
    b.retype(ObjectType::Untyped, 12, 9, 1);
    b.done(CONTROL, AsidControlMakePool, &[10, DEPTH], &[9, ROOT]);
    assert!(matches!(b.cap(10), Cap::AsidPool(p) if p.base == Asid(512)));
}

#[test]
fn make_pool_err01_other_label() {
    assert_eq!(bench().refused(CONTROL, AsidPoolAssign, &[], &[]), SyscallError::IllegalOperation);
}

#[test]
fn make_pool_err02_truncated() {
    let mut b = bench();
    assert_eq!(b.refused(CONTROL, AsidControlMakePool, &[8], &[SMALL, ROOT]), SyscallError::TruncatedMessage);
    assert_eq!(b.refused(CONTROL, AsidControlMakePool, &[8, DEPTH], &[SMALL]), SyscallError::TruncatedMessage);
}

#[test]
fn make_pool_err03_all_pools_exist() {
    let mut b = bench();
    let pool = b.place_pool();
    for number in 0..128 {
        b.m.kernel.asids.add_pool(Asid(number << 9), pool);
    }
    assert_eq!(b.refused(CONTROL, AsidControlMakePool, &[8, DEPTH], &[CONTROL, ROOT]), SyscallError::DeleteFirst);
}

#[test]
fn make_pool_err04_no_untyped_of_a_pools_size() {
    let mut b = bench();
    let device = UntypedCap::full(MemRegion::device(PhysAddr(0x1000), 12));
    b.put(9, Cap::Untyped(device));
    for other in [UNTYPED, VSPACE, 9, 15] {
        let error = b.refused(CONTROL, AsidControlMakePool, &[8, DEPTH], &[other, ROOT]);
        assert_eq!(error, SyscallError::InvalidCapability { index: 1 });
    }
}

#[test]
fn make_pool_err05_untyped_has_children() {
    let mut b = bench();
    b.done(SMALL, UntypedRetype, &[ObjectType::Endpoint.number(), 0, 0, 0, 9, 1], &[ROOT]);
    assert_eq!(b.refused(CONTROL, AsidControlMakePool, &[8, 99], &[SMALL, ROOT]), SyscallError::RevokeFirst);
}

#[test]
fn make_pool_err06_no_destination() {
    let mut b = bench();
    let error = b.refused(CONTROL, AsidControlMakePool, &[8, 65], &[SMALL, ROOT]);
    assert_eq!(error, SyscallError::RangeError { min: 1, max: 64 });
    let error = b.refused(CONTROL, AsidControlMakePool, &[8, DEPTH], &[SMALL, SMALL]);
    let fault = LookupFault::InvalidRoot;
    assert_eq!(error, SyscallError::FailedLookup { side: LookupSide::Destination, fault });
}

#[test]
fn make_pool_err07_destination_not_empty() {
    let mut b = bench();
    let words = [VSPACE as u64, DEPTH];
    assert_eq!(b.refused(CONTROL, AsidControlMakePool, &words, &[SMALL, ROOT]), SyscallError::DeleteFirst);
}

// ---- Assign ----

#[test]
fn assign_gives_the_lowest_free_asid_but_never_0() {
    let mut b = bench_with_pool();
    b.done(POOL, AsidPoolAssign, &[], &[VSPACE]);
    b.done(POOL, AsidPoolAssign, &[], &[VSPACE + 1]);
    assert!(matches!(b.cap(VSPACE), Cap::VSpace(v) if v.asid == Some(Asid(1))));
    assert!(matches!(b.cap(VSPACE + 1), Cap::VSpace(v) if v.asid == Some(Asid(2))));
}

#[test]
fn assign_err01_other_label() {
    let mut b = bench_with_pool();
    assert_eq!(b.refused(POOL, AsidControlMakePool, &[], &[]), SyscallError::IllegalOperation);
}

#[test]
fn assign_err02_truncated() {
    let mut b = bench_with_pool();
    assert_eq!(b.refused(POOL, AsidPoolAssign, &[], &[]), SyscallError::TruncatedMessage);
}

#[test]
fn assign_err03_no_vspace_without_an_asid() {
    let mut b = bench_with_pool();
    b.done(POOL, AsidPoolAssign, &[], &[VSPACE]);
    for other in [VSPACE, SMALL, 15] {
        let error = b.refused(POOL, AsidPoolAssign, &[], &[other]);
        assert_eq!(error, SyscallError::InvalidCapability { index: 1 });
    }
}

#[test]
fn assign_err04_pool_number_gone() {
    let mut b = bench_with_pool();
    assert!(b.m.kernel.asids.remove_pool(&b.m.kernel, Asid(0), b.made_pool().pool));
    let fault = LookupFault::InvalidRoot;
    let error = SyscallError::FailedLookup { side: LookupSide::Destination, fault };
    assert_eq!(b.refused(POOL, AsidPoolAssign, &[], &[VSPACE]), error);
}

#[test]
fn assign_err05_pool_replaced() {
    let mut b = bench_with_pool();
    let other = b.place_pool();
    b.m.kernel.asids.add_pool(Asid(0), other);
    assert_eq!(b.refused(POOL, AsidPoolAssign, &[], &[VSPACE]), SyscallError::InvalidCapability { index: 0 });
}

#[test]
fn assign_err06_no_free_asid() {
    let mut b = bench_with_pool();
    let Cap::VSpace(vspace) = b.cap(VSPACE) else { panic!() };
    for number in 1..512 {
        b.made_pool().pool.get(&b.m.kernel).assign(Asid(number), vspace.root);
    }
    assert_eq!(b.refused(POOL, AsidPoolAssign, &[], &[VSPACE]), SyscallError::DeleteFirst);
}

#[test]
fn deleting_a_pool_takes_the_asids_of_all_its_spaces() {
    let mut b = bench_with_pool();
    b.done(POOL, AsidPoolAssign, &[], &[VSPACE]);
    let events = record(|| delete::delete_one(&b.m.kernel, b.slot(POOL)));
    assert_eq!(events, [Event::RetireAsid(Asid(1))]);
    assert_eq!(b.m.kernel.asids.free_pool(), Some(Asid(0)));
    // A new pool may take the number; the old VSpace stays stale.
    b.retype(ObjectType::Untyped, 12, FREE as u64, 1);
    b.done(CONTROL, AsidControlMakePool, &[POOL as u64, DEPTH], &[FREE, ROOT]);
    assert_eq!(b.refused(POOL, AsidPoolAssign, &[], &[VSPACE]), SyscallError::InvalidCapability { index: 1 });
}

#[test]
fn deleting_a_pool_with_many_spaces_is_preempted_and_goes_on() {
    let b = bench_with_pool();
    let Cap::VSpace(vspace) = b.cap(VSPACE) else { panic!() };
    let pool = b.made_pool().pool;
    (1..512).for_each(|number| pool.get(&b.m.kernel).assign(Asid(number), vspace.root));
    irq::raise(Irq(40));
    let mut attempts = 0;
    let events = record(|| {
        while delete::delete(&b.m.kernel, b.slot(POOL)).is_err() {
            attempts += 1;
            assert_eq!(b.m.kernel.asids.pool(Asid(0)), Some(pool), "its number is taken until its ASIDs are retired");
        }
    });
    irq::take(|_| ());
    assert_eq!(attempts, 511 / 32);
    assert_eq!(events.len(), 511);
    assert_eq!((b.m.kernel.asids.pool(Asid(0)), b.cap(POOL)), (None, Cap::Null));
}
