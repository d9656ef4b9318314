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

/// What a page table can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageTableInvocation {
    /// Enter it into an address space.
    Map {
        /// The table.
        table: KRef<PageTable>,
        /// The entry to write.
        place: Place,
        /// The address space, and the first address that it covers.
        mapping: Mapping,
    },
    /// Remove it and clear it.
    Unmap(PageTableCap),
}

/// Decodes and performs an invocation of a page table.
///
/// # Errors
/// Those of [`decode`].
pub fn invoke(k: &mut Kernel, invocation: &Invocation, table: PageTableCap) -> InvokeResult {
    let decoded = decode(k, invocation.label, table, invocation.slot, invocation.args)?;
    Ok(perform(k, invocation.slot, decoded))
}

/// Recognises the operation. `PageTableUnmap` needs no arguments; its one check:
///
/// | # | check                        | error              |
/// |---|------------------------------|--------------------|
/// | 1 | the capability is final      | `RevokeFirst`      |
///
/// # Errors
/// That; `IllegalOperation` for a label that is none of a page table's; those of `PageTableMap`.
pub fn decode(
    k: &Kernel,
    label: u64,
    table: PageTableCap,
    slot: SlotRef,
    args: &Args,
) -> Result<PageTableInvocation, SyscallError> {
    match InvocationLabel::try_from(label) {
        Ok(InvocationLabel::PageTableUnmap) if cdt::is_final(k, slot) => Ok(PageTableInvocation::Unmap(table)),
        Ok(InvocationLabel::PageTableUnmap) => Err(SyscallError::RevokeFirst),
        Ok(InvocationLabel::PageTableMap) => decode_map(k, table, args),
        _ => Err(SyscallError::IllegalOperation),
    }
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
fn decode_map(k: &Kernel, table: PageTableCap, args: &Args) -> Result<PageTableInvocation, SyscallError> {
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
    Ok(PageTableInvocation::Map { table: table.table, place, mapping: Mapping { asid, vaddr } })
}

/// Does what was decoded to the table whose capability is in `slot`.
pub fn perform(k: &Kernel, slot: SlotRef, invocation: PageTableInvocation) -> Outcome {
    let cap = slot.raw(k);
    match invocation {
        PageTableInvocation::Map { table, place, mapping } => {
            slot.update(k, cap.with_mapping(Some(mapping)));
            vspace::map_table(k, place, table);
        }
        PageTableInvocation::Unmap(table) => {
            if table.mapping.is_some() {
                vspace::unmap_table(k, table);
                table.table.get(k).clear();
            }
            slot.update(k, cap.with_mapping(None));
        }
    }
    Outcome::Done
}

/// Destroys a page table: it leaves its parent. Its memory is cleared with the untyped.
pub fn finalise(k: &Kernel, table: &PageTableCap) {
    vspace::unmap_table(k, *table);
}
