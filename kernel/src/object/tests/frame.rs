//! Frames, one test per row of their error tables (spec §3.11).

use super::ROOT;
use super::space::*;
use crate::arch::record::{Event, record};
use crate::arch::types::Irq;
use crate::arch::{CacheOp, irq};
use crate::cap::{Cap, FrameCap, Mapping, VmRights, cdt, delete};
use crate::error::{InvocationError, SyscallError};
use crate::kobj::{MemRegion, TableEntry};
use crate::mem::{PhysAddr, UserVa};
use crate::syscall::invoke;
use crate::vspace::{Asid, walk};
use sel4_abi::InvocationLabel::{self, *};
use sel4_abi::object::USER_TOP;

// ---- PageMap ----

#[test]
fn page_map_writes_the_descriptor() {
    let mut b = bench_with_tables();
    let page = b.frame(FRAME).region.base().0;
    let events = record(|| b.done(FRAME, PageMap, &[VA, RW, DEFAULT], &[VSPACE]));
    assert_eq!(b.descriptor(VA), page | 0x0020_0000_0000_0c53);
    assert_eq!(events, [Event::Publish]);
    assert_eq!(b.frame(FRAME).mapping, Some(Mapping { asid: Asid(1), vaddr: UserVa(VA) }));
}

#[test]
fn page_map_again_changes_rights_and_attributes() {
    let mut b = bench_with_page();
    let page = b.frame(FRAME).region.base().0;
    let events = record(|| b.done(FRAME, PageMap, &[VA, 2, 4], &[VSPACE]));
    // Read-only, Device, never executed.
    assert_eq!(b.descriptor(VA), page | 0x0060_0000_0000_0cc3);
    assert_eq!(events, [Event::InvalidatePage(Asid(1), UserVa(VA)), Event::Publish]);
}

#[test]
fn page_map_masks_rights_with_the_capability() {
    let mut b = bench_with_tables();
    b.put(COPY, Cap::Frame(FrameCap { rights: VmRights::ReadOnly, mapping: None, ..b.frame(FRAME) }));
    b.done(COPY, PageMap, &[VA, RW, DEFAULT], &[VSPACE]);
    assert_eq!(b.descriptor(VA) & 0xc0, 0xc0);
    b.done(COPY, PageMap, &[VA, 1, DEFAULT], &[VSPACE]);
    assert_eq!(b.descriptor(VA) & 0xc0, 0);
}

#[test]
fn page_map_replaces_another_page_silently() {
    let mut b = bench_with_page();
    b.done(OTHER_FRAME, PageMap, &[VA, RW, DEFAULT], &[VSPACE]);
    let k = &b.m.kernel;
    let place = walk(k, b.root(VSPACE), UserVa(VA));
    assert_eq!(place.entry(k), TableEntry::Page(b.frame(OTHER_FRAME).region.base()));
    // The first keeps its belief, and unmapping it leaves the other's entry.
    assert!(b.frame(FRAME).mapping.is_some());
    b.done(FRAME, PageUnmap, &[], &[]);
    assert_ne!(b.descriptor(VA), 0);
    assert_eq!(b.frame(FRAME).mapping, None);
}

#[test]
fn page_map_maps_large_and_huge_pages_as_blocks() {
    let mut b = bench();
    b.put_big(30);
    b.done(TABLE, PageTableMap, &[0, DEFAULT], &[VSPACE]);
    b.done(BIG, PageMap, &[0x4000_0000, RW, 0], &[VSPACE]);
    assert_eq!(b.descriptor(0x4000_0000) & 3, 1);
    b.done(BIG, PageUnmap, &[], &[]);
    assert_eq!(b.descriptor(0x4000_0000), 0);
    let region = MemRegion::device(PhysAddr(0x4020_0000), 21);
    b.put(12, Cap::Frame(FrameCap { region, rights: VmRights::ReadWrite, mapping: None }));
    b.done(TABLE + 1, PageTableMap, &[0, DEFAULT], &[VSPACE]);
    b.done(12, PageMap, &[0x20_0000, RW, 0], &[VSPACE]);
    assert_eq!(b.descriptor(0x20_0000), 0x0020_0000_4020_0c41);
}

#[test]
fn page_map_err01_truncated() {
    let mut b = bench_with_tables();
    assert_eq!(b.refused(FRAME, PageMap, &[VA, RW], &[VSPACE]), TRUNCATED);
    assert_eq!(b.refused(FRAME, PageMap, &[VA, RW, DEFAULT], &[]), TRUNCATED);
}

#[test]
fn page_map_err02_no_vspace_with_an_asid() {
    let mut b = bench_with_tables();
    for other in [OTHER_SPACE, ROOT, 15] {
        assert_eq!(b.refused(FRAME, PageMap, &[VA + 1, RW, DEFAULT], &[other]), bad_cap(1));
    }
}

#[test]
fn page_map_err03_asid_gone() {
    let mut b = bench_with_tables();
    b.lose_asid();
    assert_eq!(b.refused(FRAME, PageMap, &[VA + 1, RW, DEFAULT], &[VSPACE]), NO_ASID);
}

#[test]
fn page_map_err04_asid_of_another() {
    let mut b = bench_with_tables();
    b.give_asid_away();
    assert_eq!(b.refused(FRAME, PageMap, &[VA + 1, RW, DEFAULT], &[VSPACE]), bad_cap(1));
}

#[test]
fn page_map_err05_alignment() {
    let mut b = bench_with_page();
    assert_eq!(b.refused(FRAME, PageMap, &[VA + 8, RW, DEFAULT], &[VSPACE]), SyscallError::AlignmentError);
    b.put_big(21);
    assert_eq!(b.refused(BIG, PageMap, &[VA + 0x1000, RW, DEFAULT], &[VSPACE]), SyscallError::AlignmentError);
}

#[test]
fn page_map_err06_mapped_in_another_asid() {
    let mut b = bench_with_page();
    b.done(POOL, AsidPoolAssign, &[], &[OTHER_SPACE]);
    assert_eq!(b.refused(FRAME, PageMap, &[0, RW, DEFAULT], &[OTHER_SPACE]), bad_cap(1));
}

#[test]
fn page_map_err07_mapped_at_another_address() {
    let mut b = bench_with_page();
    assert_eq!(b.refused(FRAME, PageMap, &[1 << 60, RW, DEFAULT], &[VSPACE]), bad_arg(0));
}

#[test]
fn page_map_err08_beyond_user_space() {
    let mut b = bench_with_tables();
    for vaddr in [USER_TOP + 1, !0xfff, 1 << 60] {
        assert_eq!(b.refused(FRAME, PageMap, &[vaddr, RW, DEFAULT], &[VSPACE]), bad_arg(0));
    }
    // The last page is user space; only its tables are missing.
    assert_eq!(b.refused(FRAME, PageMap, &[USER_TOP & !0xfff, RW, DEFAULT], &[VSPACE]), missing(39));
}

#[test]
fn page_map_err09_tables_end_elsewhere() {
    let mut b = bench();
    for (table, bits_left) in [(TABLE, 39), (TABLE + 1, 30), (TABLE + 2, 21)] {
        assert_eq!(b.refused(FRAME, PageMap, &[VA, RW, DEFAULT], &[VSPACE]), missing(bits_left));
        b.done(table, PageTableMap, &[VA, DEFAULT], &[VSPACE]);
    }
    // The tables go deeper than a large and than a huge page.
    b.put_big(21);
    assert_eq!(b.refused(BIG, PageMap, &[VA, RW, DEFAULT], &[VSPACE]), missing(12));
    let region = MemRegion::device(PhysAddr(0x4000_0000), 30);
    b.put(12, Cap::Frame(FrameCap { region, rights: VmRights::ReadWrite, mapping: None }));
    assert_eq!(b.refused(12, PageMap, &[0, RW, DEFAULT], &[VSPACE]), missing(21));
    // A large page is in a small one's way.
    b.done(BIG, PageMap, &[0x20_0000, RW, DEFAULT], &[VSPACE]);
    assert_eq!(b.refused(FRAME, PageMap, &[0x20_1000, RW, DEFAULT], &[VSPACE]), missing(21));
}

// ---- PageUnmap, PageGetAddress, other labels ----

#[test]
fn page_unmap_removes_the_entry_and_its_translation() {
    let mut b = bench_with_page();
    let events = record(|| b.done(FRAME, PageUnmap, &[], &[]));
    assert_eq!(events, [Event::InvalidatePage(Asid(1), UserVa(VA))]);
    assert_eq!((b.descriptor(VA), b.frame(FRAME).mapping), (0, None));
    // Not mapped: nothing to do.
    assert!(record(|| b.done(FRAME, PageUnmap, &[], &[])).is_empty());
}

#[test]
fn page_unmap_with_a_stale_asid_touches_nothing() {
    let mut b = bench_with_page();
    let entry = b.descriptor(VA);
    b.give_asid_away();
    b.done(FRAME, PageUnmap, &[], &[]);
    assert_eq!((b.descriptor(VA), b.frame(FRAME).mapping), (entry, None));
}

#[test]
fn deleting_a_mapped_copy_unmaps_it() {
    let mut b = bench_with_page();
    let copy = Cap::Frame(FrameCap { mapping: None, ..b.frame(FRAME) });
    cdt::insert(&b.m.kernel, b.slot(FRAME), b.slot(COPY), copy);
    b.done(COPY, PageMap, &[VA + 0x1000, RW, DEFAULT], &[VSPACE]);
    delete::delete_one(&b.m.kernel, b.slot(COPY));
    assert_eq!(b.descriptor(VA + 0x1000), 0);
    assert_ne!(b.descriptor(VA), 0);
}

#[test]
fn page_get_address_needs_nothing() {
    let mut b = bench();
    let base = b.frame(FRAME).region.base().0;
    assert!(matches!(b.invoke(FRAME, PageGetAddress, &[], &[]), Ok(crate::syscall::Outcome::Word(w)) if w == base));
}

#[test]
fn frame_err_other_label() {
    let mut b = bench();
    assert_eq!(b.refused(FRAME, PageTableMap, &[], &[]), ILLEGAL);
}

// ---- cache operations on frames ----

const FRAME_OPS: [(InvocationLabel, CacheOp); 4] = [
    (PageCleanData, CacheOp::Clean),
    (PageInvalidateData, CacheOp::Invalidate),
    (PageCleanInvalidateData, CacheOp::CleanInvalidate),
    (PageUnifyInstruction, CacheOp::Unify),
];

#[test]
fn page_cache_operations_use_the_mapping() {
    let mut b = bench_with_page();
    for (label, operation) in FRAME_OPS {
        let events = record(|| b.done(FRAME, label, &[0x10, 0x1000], &[]));
        assert_eq!(events, [Event::Cache(operation, Asid(1), UserVa(VA + 0x10), UserVa(VA + 0x1000))]);
    }
}

#[test]
fn page_cache_err01_truncated() {
    let mut b = bench();
    for (label, _) in FRAME_OPS {
        assert_eq!(b.refused(FRAME, label, &[0], &[]), TRUNCATED);
    }
}

#[test]
fn page_cache_err02_not_mapped() {
    let mut b = bench();
    assert_eq!(b.refused(FRAME, PageCleanData, &[1, 0], &[]), ILLEGAL);
}

#[test]
fn page_cache_err03_asid_gone() {
    let mut b = bench_with_page();
    b.lose_asid();
    assert_eq!(b.refused(FRAME, PageCleanData, &[1, 0], &[]), NO_ASID);
}

#[test]
fn page_cache_err04_end_not_above_start() {
    let mut b = bench_with_page();
    assert_eq!(b.refused(FRAME, PageCleanData, &[0x2000, 0x2000], &[]), bad_arg(1));
}

#[test]
fn page_cache_err05_outside_the_page() {
    let mut b = bench_with_page();
    assert_eq!(b.refused(FRAME, PageCleanData, &[0, 0x1001], &[]), bad_arg(0));
    assert_eq!(b.refused(FRAME, PageCleanData, &[0x1000, 0x1001], &[]), bad_arg(0));
}

#[test]
fn page_cache_err06_another_page_is_there() {
    let mut b = bench_with_page();
    b.done(OTHER_FRAME, PageMap, &[VA, 0, DEFAULT], &[VSPACE]);
    assert_eq!(b.refused(FRAME, PageInvalidateData, &[0, 1], &[]), bad_cap(0));
}

#[test]
fn page_cache_err07_invalidate_needs_write() {
    let mut b = bench_with_page();
    b.done(FRAME, PageMap, &[VA, 2, DEFAULT], &[VSPACE]);
    assert_eq!(b.refused(FRAME, PageInvalidateData, &[0, 1], &[]), ILLEGAL);
    b.done(FRAME, PageCleanInvalidateData, &[0, 1], &[]);
}

#[test]
fn page_cache_operations_that_are_interrupted_go_on_where_they_stopped() {
    let mut b = bench_with_tables();
    const VA_LARGE: u64 = VA + (1 << 21);
    b.put_big(21);
    b.done(BIG, PageMap, &[VA_LARGE, RW, DEFAULT], &[VSPACE]);
    irq::raise(Irq(40));
    let mut args = b.args(&[0x10, 0x3_0000], &[]);
    let (mut attempts, mut next) = (0, 0x10);
    let events = record(|| {
        loop {
            let inv = b.invocation(BIG, PageCleanData, &args);
            match invoke(&mut b.m.kernel, &inv) {
                Ok(_) => break,
                Err(error) => assert_eq!(error, InvocationError::Preempted),
            }
            attempts += 1;
            // What the caller's registers say is what the next attempt is to do.
            let word = args.word(&b.m.kernel, 0).any();
            assert!(next < word && word <= next + 0x8000 && word % 0x1000 == 0, "{word:#x} after {next:#x}");
            next = word;
            if attempts == 3 {
                irq::take(|_| ());
            }
            args = b.args(&[next, 0x3_0000], &[]);
        }
    });
    assert_eq!(attempts, 3);
    let mut at = VA_LARGE + 0x10;
    for event in events {
        let Event::Cache(CacheOp::Clean, Asid(1), UserVa(start), UserVa(end)) = event else { continue };
        assert_eq!(start, at, "nothing is left out and nothing done twice");
        at = end;
    }
    assert_eq!(at, VA_LARGE + 0x3_0000);
}
