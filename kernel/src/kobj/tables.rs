//! Following the descriptors of translation tables.

use super::KRef;
use crate::arch::pte::{Entry, Level};
use crate::kernel::Kernel;
use crate::mem::PhysAddr;
use crate::object::PageTable;

/// What an entry of a translation table leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableEntry {
    /// Nothing.
    Empty,
    /// The table of the next level.
    Table(KRef<PageTable>),
    /// A page of this level's size.
    Page(PhysAddr),
}

impl KRef<PageTable> {
    /// The table that entry `index` leads to, in a table above the last level that an ASID leads to.
    #[inline]
    #[must_use]
    pub fn next(self, k: &Kernel, index: usize) -> Option<KRef<PageTable>> {
        let table = self.get(k).pte(index).next_table()?;
        // SAFETY: VS-1: a table descriptor that can be walked to names a live PageTable; its address came from a KRef,
        // exposed when the capability to it was packed, and is not 0.
        Some(unsafe { KRef::recover(table.to_kernel().0) })
    }

    /// What entry `index` leads to, in a table of `level` that an ASID leads to.
    #[must_use]
    pub fn entry(self, k: &Kernel, level: Level, index: usize) -> TableEntry {
        match self.get(k).pte(index).entry(level) {
            Entry::Empty => TableEntry::Empty,
            Entry::Page(base) => TableEntry::Page(base),
            Entry::Table(_) => self.next(k, index).map_or(TableEntry::Empty, TableEntry::Table),
        }
    }
}
