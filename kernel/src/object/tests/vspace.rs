//! Page tables and VSpace roots, one test per row of their error tables (spec §3.12, §3.13).

use super::space::*;
use super::{ROOT, UNTYPED};
use crate::arch::CacheOp;
use crate::arch::record::{Event, record};
use crate::cap::{Cap, Mapping, cdt, delete};
use crate::error::SyscallError;
use crate::mem::UserVa;
use crate::vspace::{Asid, walk};
use sel4_abi::InvocationLabel::{self, *};
use sel4_abi::ObjectType;
use sel4_abi::object::USER_TOP;

// ---- page tables ----

#[test]
fn page_table_map_fills_the_first_missing_level() {
    let mut b = bench();
    for (table, cut) in [(TABLE, 39), (TABLE + 1, 30), (TABLE + 2, 21)] {
        b.done(table, PageTableMap, &[VA + 0x1234, DEFAULT], &[VSPACE]);
        let vaddr = UserVa((VA + 0x1234) >> cut << cut);
        match b.cap(table) {
            Cap::PageTable(cap) => assert_eq!(cap.mapping, Some(Mapping { asid: Asid(1), vaddr })),
            other => panic!("{other:?}"),
        }
    }
    let k = &b.m.kernel;
    assert_eq!(walk(k, b.root(VSPACE), UserVa(VA)).index, 0);
}

#[test]
fn page_table_map_err01_truncated() {
    let mut b = bench_with_tables();
    assert_eq!(b.refused(TABLE, PageTableMap, &[VA], &[VSPACE]), TRUNCATED);
    assert_eq!(b.refused(TABLE, PageTableMap, &[VA, DEFAULT], &[]), TRUNCATED);
}

#[test]
fn page_table_map_err02_already_mapped() {
    let mut b = bench_with_tables();
    assert_eq!(b.refused(TABLE, PageTableMap, &[VA, DEFAULT], &[ROOT]), bad_cap(0));
}

#[test]
fn page_table_map_err03_no_vspace_with_an_asid() {
    let mut b = bench();
    for other in [OTHER_SPACE, FRAME, 15] {
        assert_eq!(b.refused(TABLE, PageTableMap, &[USER_TOP + 1, DEFAULT], &[other]), bad_cap(1));
    }
}

#[test]
fn page_table_map_err04_beyond_user_space() {
    let mut b = bench();
    b.lose_asid();
    assert_eq!(b.refused(TABLE, PageTableMap, &[USER_TOP + 1, DEFAULT], &[VSPACE]), bad_arg(0));
}

#[test]
fn page_table_map_err05_asid_gone() {
    let mut b = bench();
    b.lose_asid();
    assert_eq!(b.refused(TABLE, PageTableMap, &[VA, DEFAULT], &[VSPACE]), NO_ASID);
}

#[test]
fn page_table_map_err06_asid_of_another() {
    let mut b = bench();
    b.give_asid_away();
    assert_eq!(b.refused(TABLE, PageTableMap, &[VA, DEFAULT], &[VSPACE]), bad_cap(1));
}

#[test]
fn page_table_map_err07_nothing_missing() {
    let mut b = bench_with_tables();
    b.retype(ObjectType::PageTable, 0, 12, 1);
    assert_eq!(b.refused(12, PageTableMap, &[VA, DEFAULT], &[VSPACE]), SyscallError::DeleteFirst);
    // A large page where the table would go.
    b.put_big(21);
    b.done(BIG, PageMap, &[0x60_0000, RW, DEFAULT], &[VSPACE]);
    assert_eq!(b.refused(12, PageTableMap, &[0x60_1000, DEFAULT], &[VSPACE]), SyscallError::DeleteFirst);
}

#[test]
fn page_table_unmap_err01_not_final() {
    let mut b = bench_with_tables();
    cdt::insert(&b.m.kernel, b.slot(TABLE), b.slot(COPY), b.cap(TABLE));
    assert_eq!(b.refused(TABLE, PageTableUnmap, &[], &[]), SyscallError::RevokeFirst);
}

#[test]
fn page_table_unmap_unlinks_and_clears() {
    let mut b = bench_with_page();
    let last = TABLE + 2;
    let events = record(|| b.done(last, PageTableUnmap, &[], &[]));
    assert_eq!(events, [Event::InvalidateAsid(Asid(1))]);
    let (Cap::PageTable(cap), k) = (b.cap(last), &b.m.kernel) else { panic!() };
    assert_eq!(cap.mapping, None);
    assert!((0..512).all(|i| cap.table.get(k).pte(i).bits() == 0));
    assert_eq!(b.descriptor(VA), 0);
    // Not mapped: success. And it can be mapped again.
    b.done(last, PageTableUnmap, &[], &[]);
    b.done(last, PageTableMap, &[VA, DEFAULT], &[VSPACE]);
    // The frame believed to be mapped all the time; unmapping it does nothing.
    b.done(FRAME, PageUnmap, &[], &[]);
}

#[test]
fn deleting_a_table_takes_it_out_of_its_parent() {
    let b = bench_with_page();
    delete::delete_one(&b.m.kernel, b.slot(TABLE + 2));
    assert_eq!(b.descriptor(VA), 0);
}

#[test]
fn revoking_the_untyped_takes_everything_apart() {
    let b = bench_with_page();
    delete::revoke(&b.m.kernel, b.slot(UNTYPED)).unwrap();
    assert_eq!(b.m.kernel.asids.root(&b.m.kernel, Asid(1)), None);
    for slot in [VSPACE, FRAME, TABLE, TABLE + 2] {
        assert_eq!(b.cap(slot), Cap::Null);
    }
}

#[test]
fn page_table_err_other_label() {
    let mut b = bench();
    assert_eq!(b.refused(TABLE, PageMap, &[], &[]), ILLEGAL);
}

// ---- VSpace roots ----

const VSPACE_OPS: [(InvocationLabel, CacheOp); 4] = [
    (VSpaceCleanData, CacheOp::Clean),
    (VSpaceInvalidateData, CacheOp::Invalidate),
    (VSpaceCleanInvalidateData, CacheOp::CleanInvalidate),
    (VSpaceUnifyInstruction, CacheOp::Unify),
];

#[test]
fn vspace_cache_operations_run_on_user_addresses() {
    let mut b = bench_with_page();
    for (label, operation) in VSPACE_OPS {
        let events = record(|| b.done(VSPACE, label, &[VA + 8, VA + 0x1000], &[]));
        assert_eq!(events, [Event::Cache(operation, Asid(1), UserVa(VA + 8), UserVa(VA + 0x1000))]);
    }
}

#[test]
fn vspace_cache_err01_other_label() {
    let mut b = bench();
    assert_eq!(b.refused(VSPACE, PageCleanData, &[], &[]), ILLEGAL);
}

#[test]
fn vspace_cache_err02_truncated() {
    let mut b = bench();
    for (label, _) in VSPACE_OPS {
        assert_eq!(b.refused(VSPACE, label, &[1], &[]), TRUNCATED);
    }
}

#[test]
fn vspace_cache_err03_end_not_above_start() {
    let mut b = bench();
    assert_eq!(b.refused(VSPACE, VSpaceCleanData, &[u64::MAX, u64::MAX], &[]), bad_arg(1));
}

#[test]
fn vspace_cache_err04_beyond_user_space() {
    let mut b = bench();
    assert_eq!(b.refused(OTHER_SPACE, VSpaceCleanData, &[VA, USER_TOP + 1], &[]), ILLEGAL);
}

#[test]
fn vspace_cache_err05_no_asid() {
    let mut b = bench();
    assert_eq!(b.refused(OTHER_SPACE, VSpaceCleanData, &[VA, VA + 1], &[]), bad_cap(0));
}

#[test]
fn vspace_cache_err06_asid_gone() {
    let mut b = bench_with_page();
    b.lose_asid();
    assert_eq!(b.refused(VSPACE, VSpaceCleanData, &[VA, VA + 1], &[]), NO_ASID);
}

#[test]
fn vspace_cache_err07_asid_of_another() {
    let mut b = bench_with_page();
    b.give_asid_away();
    assert_eq!(b.refused(VSPACE, VSpaceCleanData, &[VA, VA + 1], &[]), bad_cap(0));
}

#[test]
fn vspace_cache_row08_no_page_is_success() {
    let mut b = bench_with_page();
    assert!(record(|| b.done(VSPACE, VSpaceInvalidateData, &[VA + 0x1000, VA + 0x9000], &[])).is_empty());
}

#[test]
fn vspace_cache_err09_range_leaves_the_page() {
    let mut b = bench_with_page();
    let error = SyscallError::RangeError { min: VA + 8, max: VA + 0xfff };
    assert_eq!(b.refused(VSPACE, VSpaceCleanData, &[VA + 8, VA + 0x1001], &[]), error);
}

#[test]
fn vspace_cache_err10_invalidate_needs_write() {
    let mut b = bench_with_page();
    b.done(FRAME, PageMap, &[VA, 2, DEFAULT], &[VSPACE]);
    assert_eq!(b.refused(VSPACE, VSpaceInvalidateData, &[VA, VA + 1], &[]), ILLEGAL);
}

#[test]
fn deleting_the_last_vspace_capability_frees_its_asid() {
    let mut b = bench_with_page();
    let events = record(|| delete::delete_one(&b.m.kernel, b.slot(VSPACE)));
    assert_eq!(events, [Event::RetireAsid(Asid(1))]);
    b.done(POOL, AsidPoolAssign, &[], &[OTHER_SPACE]);
    assert!(matches!(b.cap(OTHER_SPACE), Cap::VSpace(v) if v.asid == Some(Asid(1))));
}

// ---- which address space user mode has ----

fn activate_slot(b: &super::Bench, slot: usize) {
    let k = &b.m.kernel;
    crate::vspace::activate(k, crate::vspace::root_in(k, b.slot(slot)));
}

#[test]
fn a_thread_runs_in_its_vspace() {
    let b = bench();
    let events = record(|| activate_slot(&b, VSPACE));
    assert_eq!(events, [Event::UserRoot(Some((b.root(VSPACE).addr().to_phys(), Asid(1))))]);
}

#[test]
fn a_thread_without_a_valid_vspace_runs_in_an_empty_one() {
    let b = bench();
    let activate = |slot| record(|| activate_slot(&b, slot));
    // No VSpace at all, one that never had an ASID, one whose ASID is another's, one whose ASID is gone.
    assert_eq!(activate(COPY), [Event::UserRoot(None)]);
    assert_eq!(activate(OTHER_SPACE), [Event::UserRoot(None)]);
    b.give_asid_away();
    assert_eq!(activate(VSPACE), [Event::UserRoot(None)]);
    b.lose_asid();
    assert_eq!(activate(VSPACE), [Event::UserRoot(None)]);
}
