//! Translation tables: the root of an address space and the levels below (manual §7.1; spec §3.12,
//! §7.1, §7.5).
//!
//! Layout: `2^12` bytes, 512 descriptors (`arch::pte`). A table becomes one of level 1, 2 or 3 when it
//! is mapped: it fills the first missing level for the address.
//!
//! Invariants: `VS-1` ([`crate::vspace`]): a table descriptor names a live table.

use core::cell::Cell;

use sel4_abi::InvocationLabel;
use sel4_abi::object::{TABLE_INDEX_BITS, USER_TOP};

use crate::arch::pte::Pte;
use crate::cap::{Mapping, PageTableCap, SlotRef, cdt};
use crate::error::SyscallError;
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::mem::UserVa;
use crate::syscall::{Args, Invocation, InvokeResult, Outcome};
use crate::vspace::{self, Place};

/// A translation table of any level.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct PageTable {
    /// The descriptors. Changed by [`crate::vspace`] only.
    entries: [Cell<Pte>; 1 << TABLE_INDEX_BITS],
}

impl PageTable {
    /// A descriptor.
    #[must_use]
    pub fn pte(&self, index: usize) -> Pte {
        self.entries.get(index).map_or(Pte::EMPTY, Cell::get)
    }

    /// Writes a descriptor. What is owed to the TLB is the caller's duty (`VS-3`).
    pub(crate) fn set_pte(&self, index: usize, pte: Pte) {
        if let Some(entry) = self.entries.get(index) {
            entry.set(pte);
        }
    }

    /// Makes all descriptors invalid.
    fn clear(&self) {
        self.entries.iter().for_each(|entry| entry.set(Pte::EMPTY));
    }
}

/// Performs an invocation of a page table. `PageTableUnmap` needs no arguments; its one check:
///
/// | # | check                        | error              |
/// |---|------------------------------|--------------------|
/// | 1 | the capability is final      | `RevokeFirst`      |
///
/// # Errors
/// That; `IllegalOperation` for a label that is none of a page table's; those of `PageTableMap` ([`decode_map`]).
pub fn invoke(k: &mut Kernel, inv: &Invocation<'_>, table: PageTableCap) -> InvokeResult {
    match InvocationLabel::try_from(inv.label) {
        Ok(InvocationLabel::PageTableUnmap) if cdt::is_final(k, inv.slot) => unmap(k, inv.slot, table),
        Ok(InvocationLabel::PageTableUnmap) => return Err(SyscallError::RevokeFirst.into()),
        Ok(InvocationLabel::PageTableMap) => map(k, inv.slot, decode_map(k, table, inv.args)?),
        _ => return Err(SyscallError::IllegalOperation.into()),
    }
    Ok(Outcome::Done)
}

/// A table to be entered into an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Map {
    /// The table.
    table: KRef<PageTable>,
    /// The entry to write.
    place: Place,
    /// The address space, and the first address that it covers.
    mapping: Mapping,
}

/// Decodes `PageTableMap` (spec §3.12). Checks in order:
///
/// | # | check                                                 | error                       |
/// |---|-------------------------------------------------------|-----------------------------|
/// | 1 | two words and the VSpace                              | `TruncatedMessage`          |
/// | 2 | the capability is not mapped                          | `InvalidCapability(0)`      |
/// | 3 | the extra capability is a VSpace with an ASID         | `InvalidCapability(1)`      |
/// | 4 | the address is within user space                      | `InvalidArgument(0)`        |
/// | 5 | that ASID exists                                      | `FailedLookup(InvalidRoot)` |
/// | 6 | and is that VSpace's                                  | `InvalidCapability(1)`      |
/// | 7 | a table is missing there, and no page is in its place | `DeleteFirst`               |
#[inline]
fn decode_map(k: &Kernel, table: PageTableCap, args: &Args) -> Result<Map, SyscallError> {
    args.require(2, 1)?;
    let vaddr = args.word(k, 0).any();
    if table.mapping.is_some() {
        return Err(SyscallError::InvalidCapability { index: 0 });
    }
    let vspace = vspace::with_asid(args.cap(k, 0)?.cap)?;
    if vaddr > USER_TOP {
        return Err(SyscallError::InvalidArgument { index: 0 });
    }
    let asid = vspace::usable(k, vspace, 1)?;
    let place = vspace::table_place(k, vspace.root, UserVa(vaddr)).ok_or(SyscallError::DeleteFirst)?;
    // The table covers what its parent's entry covers; the bits below are cut.
    let vaddr = UserVa(vaddr >> place.level.entry_bits() << place.level.entry_bits());
    Ok(Map { table: table.table, place, mapping: Mapping { asid, vaddr } })
}

/// Enters the table whose capability is in `slot`.
fn map(k: &Kernel, slot: SlotRef, map: Map) {
    slot.update(k, slot.raw(k).with_mapping(Some(map.mapping)));
    vspace::map_table(k, map.place, map.table);
}

/// Removes the table whose only capability is in `slot` from its parent, and clears it.
fn unmap(k: &Kernel, slot: SlotRef, table: PageTableCap) {
    if table.mapping.is_some() {
        vspace::unmap_table(k, table);
        table.table.get(k).clear();
    }
    slot.update(k, slot.raw(k).with_mapping(None));
}

/// Destroys a page table: it leaves its parent. Its memory is cleared with the untyped.
pub fn finalise(k: &Kernel, table: &PageTableCap) {
    vspace::unmap_table(k, *table);
}
