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
    /// What entry `index` leads to, in a table of `level` that an ASID leads to.
    #[must_use]
    pub fn entry(self, k: &Kernel, level: Level, index: usize) -> TableEntry {
        match self.get(k).pte(index).entry(level) {
            Entry::Empty => TableEntry::Empty,
            Entry::Page(base) => TableEntry::Page(base),
            Entry::Table(table) => {
                // SAFETY: VS-1: a table descriptor that can be walked to names a live PageTable; its
                // address came from a KRef, exposed when the capability to it was packed.
                let child = unsafe { KRef::from_exposed(table.to_kernel().0) };
                child.map_or(TableEntry::Empty, TableEntry::Table)
            }
        }
    }
}
