//! Walking the tables of an address space as the MMU does.

use sel4_abi::object::{HUGE_PAGE_BITS, LARGE_PAGE_BITS};

use crate::arch::pte::{Level, Pte};
use crate::kernel::Kernel;
use crate::kobj::{KRef, TableEntry};
use crate::mem::UserVa;
use crate::object::PageTable;

/// An entry of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The table.
    pub table: KRef<PageTable>,
    /// The level of its entries.
    pub level: Level,
    /// Which entry.
    pub index: u16,
}

impl Place {
    /// The entry for `vaddr` of a table of `level`.
    #[inline]
    const fn of(table: KRef<PageTable>, level: Level, vaddr: UserVa) -> Self {
        Place { table, level, index: level.index(vaddr.0) as u16 }
    }

    /// What the entry leads to.
    #[must_use]
    pub fn entry(self, k: &Kernel) -> TableEntry {
        self.table.entry(k, self.level, self.index.into())
    }

    /// The table that the entry leads to, in a table above the last level.
    #[inline]
    fn next(self, k: &Kernel) -> Option<KRef<PageTable>> {
        self.table.next(k, self.index.into())
    }

    /// The descriptor itself.
    #[inline]
    #[must_use]
    pub fn pte(self, k: &Kernel) -> Pte {
        self.table.get(k).pte(self.index.into())
    }

    /// Writes the descriptor. What is owed to the TLB is the caller's duty (`VS-3`).
    #[inline]
    pub(super) fn set_pte(self, k: &Kernel, pte: Pte) {
        self.table.get(k).set_pte(self.index.into(), pte);
    }
}

/// The level whose entries map pages of `2^size_bits` bytes.
#[must_use]
pub const fn level_of_size(size_bits: u32) -> Level {
    match size_bits {
        HUGE_PAGE_BITS => Level::L1,
        LARGE_PAGE_BITS => Level::L2,
        _ => Level::L3,
    }
}

/// Follows the tables for `vaddr` to the deepest that exists; answers its entry for `vaddr`, which
/// is empty or a page.
#[inline]
#[must_use]
pub fn walk(k: &Kernel, root: KRef<PageTable>, vaddr: UserVa) -> Place {
    let mut table = root;
    for level in [Level::L0, Level::L1, Level::L2] {
        let place = Place::of(table, level, vaddr);
        match place.next(k) {
            Some(next) => table = next,
            None => return place,
        }
    }
    Place::of(table, Level::L3, vaddr)
}

/// Finds the entry for `vaddr` that leads to `table`, if the tables do.
#[must_use]
pub(super) fn parent_of(k: &Kernel, root: KRef<PageTable>, vaddr: UserVa, table: KRef<PageTable>) -> Option<Place> {
    let mut parent = root;
    for level in [Level::L0, Level::L1, Level::L2] {
        let place = Place::of(parent, level, vaddr);
        parent = place.next(k)?;
        if parent == table {
            return Some(place);
        }
    }
    None
}
