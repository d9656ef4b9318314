//! Entering and removing pages and tables.
//!
//! Nothing here decides whether a user may; the invocations of frames and page tables do.

use super::walk::{parent_of, walk};
use super::{Asid, Place, level_of_size};
use crate::arch::pte::{Access, Entry, Execute, MemoryType, Pte};
use crate::arch::tlb;
use crate::cap::{Mapping, PageTableCap, VmRights};
use crate::kernel::Kernel;
use crate::kobj::{KRef, MemRegion, TableEntry};
use crate::mem::{PhysAddr, UserVa};
use crate::object::PageTable;

/// How a page is mapped (spec §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageAttributes {
    /// What EL0 may do with its data.
    pub rights: VmRights,
    /// Normal or Device memory.
    pub memory: MemoryType,
    /// Whether EL0 may execute it.
    pub execute: Execute,
}

/// A page as the tables show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedPage {
    /// The physical address of its first byte.
    pub base: PhysAddr,
    /// Its size is two to this power.
    pub size_bits: u32,
    /// Whether EL0 may write it.
    pub is_writable: bool,
}

/// The page that is mapped at `vaddr`.
#[must_use]
pub fn page_at(k: &Kernel, root: KRef<PageTable>, vaddr: UserVa) -> Option<MappedPage> {
    let place = walk(k, root, vaddr);
    let TableEntry::Page(base) = place.entry(k) else { return None };
    Some(MappedPage { base, size_bits: place.level.entry_bits(), is_writable: place.pte(k).is_user_writable() })
}

/// Writes the entry at `place` so that it maps `page`; whatever page was there is replaced.
///
/// The place is of the level that the page's size asks for, and holds no table.
#[inline]
pub fn map_page(k: &Kernel, place: Place, mapping: Mapping, page: PhysAddr, attributes: PageAttributes) {
    let access = match attributes.rights {
        VmRights::ReadWrite => Access::UserReadWrite,
        VmRights::ReadOnly => Access::UserReadOnly,
        VmRights::KernelOnly => Access::KernelOnly,
    };
    let pte = Pte::user_page(place.level, page, access, attributes.memory, attributes.execute);
    clear_page(k, place, mapping.asid, mapping.vaddr);
    place.set_pte(k, pte);
    tlb::publish();
}

/// Removes the mapping that a capability to the frame `frame` remembers, if the tables still show it.
pub fn unmap_page(k: &Kernel, frame: MemRegion, mapping: Mapping) {
    let Some(root) = k.asids.root(k, mapping.asid) else { return };
    let place = walk(k, root, mapping.vaddr);
    let is_ours =
        place.level == level_of_size(frame.size_bits()) && place.pte(k).entry(place.level) == Entry::Page(frame.base());
    if is_ours {
        clear_page(k, place, mapping.asid, mapping.vaddr);
    }
}

/// Makes the entry of a page invalid, and forgets its translation.
#[inline]
fn clear_page(k: &Kernel, place: Place, asid: Asid, vaddr: UserVa) {
    if place.pte(k) != Pte::EMPTY {
        place.set_pte(k, Pte::EMPTY);
        tlb::invalidate_page(asid, vaddr);
    }
}

/// Where the next table for `vaddr` goes; `None` if all exist or a page is in the way.
#[must_use]
pub fn table_place(k: &Kernel, root: KRef<PageTable>, vaddr: UserVa) -> Option<Place> {
    let place = walk(k, root, vaddr);
    let is_free = place.level.next().is_some() && place.entry(k) == TableEntry::Empty;
    is_free.then_some(place)
}

/// Enters `table` at an empty place.
pub fn map_table(k: &Kernel, place: Place, table: KRef<PageTable>) {
    place.set_pte(k, Pte::table(table.addr().to_phys()));
    tlb::publish();
}

/// Removes a table from its parent, if it is still there.
pub fn unmap_table(k: &Kernel, cap: PageTableCap) {
    let Some(mapping) = cap.mapping else { return };
    let Some(root) = k.asids.root(k, mapping.asid) else { return };
    if let Some(place) = parent_of(k, root, mapping.vaddr, cap.table) {
        place.set_pte(k, Pte::EMPTY);
        tlb::invalidate_asid(mapping.asid);
    }
}
