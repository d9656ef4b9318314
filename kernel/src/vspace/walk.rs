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
    pub index: usize,
}

impl Place {
    /// What the entry leads to.
    #[must_use]
    pub fn entry(self, k: &Kernel) -> TableEntry {
        self.table.entry(k, self.level, self.index)
    }

    /// The descriptor itself.
    #[must_use]
    pub fn pte(self, k: &Kernel) -> Pte {
        self.table.get(k).pte(self.index)
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
        let index = level.index(vaddr.0);
        match table.next(k, index) {
            Some(next) => table = next,
            None => return Place { table, level, index },
        }
    }
    Place { table, level: Level::L3, index: Level::L3.index(vaddr.0) }
}

/// Finds the entry for `vaddr` that leads to `table`, if the tables do.
#[must_use]
pub(super) fn parent_of(k: &Kernel, root: KRef<PageTable>, vaddr: UserVa, table: KRef<PageTable>) -> Option<Place> {
    let mut place = Place { table: root, level: Level::L0, index: Level::L0.index(vaddr.0) };
    loop {
        let TableEntry::Table(child) = place.entry(k) else { return None };
        if child == table {
            return Some(place);
        }
        let level = place.level.next()?;
        place = Place { table: child, level, index: level.index(vaddr.0) };
    }
}
