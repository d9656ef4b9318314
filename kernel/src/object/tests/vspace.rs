//! Frames, page tables and VSpace roots, one test per row of their error tables (spec §3.11–§3.13).

use super::{Bench, ROOT, UNTYPED};
use crate::arch::CacheOp;
use crate::arch::record::{Event, record};
use crate::cap::{AsidPoolCap, Cap, FrameCap, Mapping, VmRights, cdt, delete};
use crate::error::{LookupFault, LookupSide, SyscallError};
use crate::kobj::{KRef, MemRegion, TableEntry};
use crate::mem::{PhysAddr, UserVa};
use crate::object::{AsidPool, PageTable};
use crate::vspace::{Asid, walk};
use sel4_abi::InvocationLabel::{self, *};
use sel4_abi::ObjectType;
use sel4_abi::object::USER_TOP;

const VSPACE: usize = 2;
const POOL: usize = 3;
const FRAME: usize = 4;
const TABLE: usize = 5;
const OTHER_SPACE: usize = 8;
const OTHER_FRAME: usize = 9;
const BIG: usize = 10;
const COPY: usize = 11;

const VA: u64 = 0x40_0000;
const RW: u64 = 3;
const DEFAULT: u64 = 3;

const TRUNCATED: SyscallError = SyscallError::TruncatedMessage;
const ILLEGAL: SyscallError = SyscallError::IllegalOperation;

const fn bad_cap(index: u64) -> SyscallError {
    SyscallError::InvalidCapability { index }
}

const fn bad_arg(index: u64) -> SyscallError {
    SyscallError::InvalidArgument { index }
}

const fn missing(bits_left: u64) -> SyscallError {
    let fault = LookupFault::MissingCapability { bits_left };
    SyscallError::FailedLookup { side: LookupSide::Destination, fault }
}

const NO_ASID: SyscallError =
    SyscallError::FailedLookup { side: LookupSide::Destination, fault: LookupFault::InvalidRoot };

/// An address space with an ASID, a second one without, two frames, three tables.
fn bench() -> Bench {
    let mut b = Bench::new(17);
    let pool = b.m.take(12).place(&mut b.m.kernel).unwrap();
    b.m.kernel.asids.add_pool(Asid(0), pool);
    b.put(POOL, Cap::AsidPool(AsidPoolCap { pool, base: Asid(0) }));
    b.retype(ObjectType::VSpace, 0, VSPACE as u64, 1);
    b.retype(ObjectType::VSpace, 0, OTHER_SPACE as u64, 1);
    b.retype(ObjectType::SmallPage, 0, FRAME as u64, 1);
    b.retype(ObjectType::SmallPage, 0, OTHER_FRAME as u64, 1);
    b.retype(ObjectType::PageTable, 0, TABLE as u64, 3);
    b.done(POOL, AsidPoolAssign, &[], &[VSPACE]);
    b
}

/// The same, with the tables for [`VA`] in place.
fn bench_with_tables() -> Bench {
    let mut b = bench();
    for table in TABLE..TABLE + 3 {
        b.done(table, PageTableMap, &[VA, DEFAULT], &[VSPACE]);
    }
    b
}

/// The same, with a page mapped at [`VA`].
fn bench_with_page() -> Bench {
    let mut b = bench_with_tables();
    b.done(FRAME, PageMap, &[VA, RW, DEFAULT], &[VSPACE]);
    b
}

impl Bench {
    fn pool(&self) -> KRef<AsidPool> {
        self.m.kernel.asids.pool(Asid(0)).unwrap()
    }

    fn root(&self, slot: usize) -> KRef<PageTable> {
        match self.cap(slot) {
            Cap::VSpace(vspace) => vspace.root,
            other => panic!("{other:?} is no VSpace"),
        }
    }

    fn frame(&self, slot: usize) -> FrameCap {
        match self.cap(slot) {
            Cap::Frame(frame) => frame,
            other => panic!("{other:?} is no frame"),
        }
    }

    fn lose_asid(&self) {
        self.m.kernel.asids.remove_pool(&self.m.kernel, Asid(0), self.pool());
    }

    fn give_asid_away(&self) {
        self.pool().get(&self.m.kernel).assign(Asid(1), self.root(OTHER_SPACE));
    }

    /// The descriptor that the walk for `vaddr` ends at.
    fn descriptor(&self, vaddr: u64) -> u64 {
        let k = &self.m.kernel;
        walk(k, self.root(VSPACE), UserVa(vaddr)).pte(k).bits()
    }

    /// Puts a frame of the given size, of device memory that the test never touches, into `BIG`.
    fn put_big(&self, bits: u8) {
        let region = MemRegion::device(PhysAddr(0x4000_0000), bits);
        self.put(BIG, Cap::Frame(FrameCap { region, rights: VmRights::ReadWrite, mapping: None }));
    }
}

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
