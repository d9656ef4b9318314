//! One space: its root table, and how rights are taken from many of its pages.

use super::IPC_BASE;
use super::tables::Tables;
use crate::machine::{Access, Slot};
use crate::memory::{Memory, Unit};

/// The root table of a space.
#[derive(Clone, Copy, Debug)]
pub(super) enum Root {
    /// Made here.
    Own(Unit),
    /// There before; it stays when the space goes.
    Adopted(Slot),
}

impl Root {
    pub(super) const fn slot(self, memory: &Memory) -> Slot {
        match self {
            Self::Own(unit) => memory.layout().second(unit),
            Self::Adopted(slot) => slot,
        }
    }
}

#[derive(Debug)]
pub(super) struct Space {
    pub(super) root: Root,
    pub(super) tables: Tables,
}

/// How rights are taken from the mappings of one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtOnce {
    /// None has a right to lose.
    Nothing,
    /// The table is taken away.
    TakeAway,
    /// One after the other.
    PageByPage,
}

impl Space {
    /// How to take the rights outside `allowed` from the mappings in `[address, end)`, a part of what one table covers.
    ///
    /// A table goes as a whole if most of what it maps is to lose a right, and it is more than a few pages: the rest is
    /// faulted in again. IPC buffers and devices, of which no fault is served, stay.
    pub(super) fn at_once(&self, address: u64, end: u64, allowed: Access) -> AtOnce {
        /// Fewer mappings are changed one by one.
        const FEW: u32 = 16;
        let (live, writable) = self.tables.mapped(address);
        let losing = if allowed.read && allowed.execute { writable } else { live };
        if losing == 0 || allowed == Access::ALL {
            return AtOnce::Nothing;
        }
        if losing < FEW || address >= IPC_BASE {
            return AtOnce::PageByPage;
        }
        let inside = self.tables.count(address, end);
        let keeping = live.saturating_sub(inside) + (live - losing);
        if inside >= FEW && keeping <= inside / 2 { AtOnce::TakeAway } else { AtOnce::PageByPage }
    }
}
