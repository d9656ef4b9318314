//! An address space to test on: what the tests of frames, tables and roots share.

use super::Bench;
use crate::cap::{AsidPoolCap, Cap, FrameCap, VmRights};
use crate::error::{LookupFault, LookupSide, SyscallError};
use crate::kobj::{KRef, MemRegion};
use crate::mem::{PhysAddr, UserVa};
use crate::object::{AsidPool, PageTable};
use crate::vspace::{Asid, walk};
use sel4_abi::InvocationLabel::*;
use sel4_abi::ObjectType;

pub(super) const VSPACE: usize = 2;
pub(super) const POOL: usize = 3;
pub(super) const FRAME: usize = 4;
pub(super) const TABLE: usize = 5;
pub(super) const OTHER_SPACE: usize = 8;
pub(super) const OTHER_FRAME: usize = 9;
pub(super) const BIG: usize = 10;
pub(super) const COPY: usize = 11;

pub(super) const VA: u64 = 0x40_0000;
pub(super) const RW: u64 = 3;
pub(super) const DEFAULT: u64 = 3;

pub(super) const TRUNCATED: SyscallError = SyscallError::TruncatedMessage;
pub(super) const ILLEGAL: SyscallError = SyscallError::IllegalOperation;

pub(super) const fn bad_cap(index: u64) -> SyscallError {
    SyscallError::InvalidCapability { index }
}

pub(super) const fn bad_arg(index: u64) -> SyscallError {
    SyscallError::InvalidArgument { index }
}

pub(super) const fn missing(bits_left: u64) -> SyscallError {
    let fault = LookupFault::MissingCapability { bits_left };
    SyscallError::FailedLookup { side: LookupSide::Destination, fault }
}

pub(super) const NO_ASID: SyscallError =
    SyscallError::FailedLookup { side: LookupSide::Destination, fault: LookupFault::InvalidRoot };

/// An address space with an ASID, a second one without, two frames, three tables.
pub(super) fn bench() -> Bench {
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
pub(super) fn bench_with_tables() -> Bench {
    let mut b = bench();
    for table in TABLE..TABLE + 3 {
        b.done(table, PageTableMap, &[VA, DEFAULT], &[VSPACE]);
    }
    b
}

/// The same, with a page mapped at [`VA`].
pub(super) fn bench_with_page() -> Bench {
    let mut b = bench_with_tables();
    b.done(FRAME, PageMap, &[VA, RW, DEFAULT], &[VSPACE]);
    b
}

impl Bench {
    pub(super) fn pool(&self) -> KRef<AsidPool> {
        self.m.kernel.asids.pool(Asid(0)).unwrap()
    }

    pub(super) fn root(&self, slot: usize) -> KRef<PageTable> {
        match self.cap(slot) {
            Cap::VSpace(vspace) => vspace.root,
            other => panic!("{other:?} is no VSpace"),
        }
    }

    pub(super) fn frame(&self, slot: usize) -> FrameCap {
        match self.cap(slot) {
            Cap::Frame(frame) => frame,
            other => panic!("{other:?} is no frame"),
        }
    }

    pub(super) fn lose_asid(&self) {
        assert!(self.m.kernel.asids.remove_pool(&self.m.kernel, Asid(0), self.pool()));
    }

    pub(super) fn give_asid_away(&self) {
        self.pool().get(&self.m.kernel).assign(Asid(1), self.root(OTHER_SPACE));
    }

    /// The descriptor that the walk for `vaddr` ends at.
    pub(super) fn descriptor(&self, vaddr: u64) -> u64 {
        let k = &self.m.kernel;
        walk(k, self.root(VSPACE), UserVa(vaddr)).pte(k).bits()
    }

    /// Puts a frame of the given size, of device memory that the test never touches, into `BIG`.
    pub(super) fn put_big(&self, bits: u8) {
        let region = MemRegion::device(PhysAddr(0x4000_0000), bits);
        self.put(BIG, Cap::Frame(FrameCap { region, rights: VmRights::ReadWrite, mapping: None }));
    }
}
