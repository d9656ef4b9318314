//! The tables of one space, below its root.

use alloc::collections::BTreeMap;

use crate::machine::{Access, Machine, Object, Slot};
use crate::memory::{Memory, Need, Shortage, Unit};

/// Levels of tables below the root, and how many address bits an entry of their parent covers.
const LEVELS: [u32; 3] = [39, 30, 21];
/// The same of the lowest.
const LOWEST: u32 = LEVELS[LEVELS.len() - 1];

/// The end of what the lowest table for an address covers.
pub(super) const fn end_of_lowest(address: u64) -> u64 {
    (address | ((1 << LOWEST) - 1)).saturating_add(1)
}

/// What a table is kept under: the level in the top bits.
const fn key(bits: u32, address: u64) -> u64 {
    (bits as u64) << 56 | address >> bits
}

#[derive(Debug)]
struct Table {
    unit: Unit,
    children: u32,
    /// Of the lowest level: it is not in its parent.
    is_away: bool,
    /// How often it was taken away.
    life: u32,
    /// Pages that it maps.
    live: u32,
    /// Of these, writable ones.
    writable: u32,
}

/// All tables, by level and address.
#[derive(Debug)]
pub(super) struct Tables(BTreeMap<u64, Table>);

impl Tables {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    fn lowest(&self, address: u64) -> Option<&Table> {
        self.0.get(&key(LOWEST, address))
    }

    fn lowest_mut(&mut self, address: u64) -> Option<&mut Table> {
        self.0.get_mut(&key(LOWEST, address))
    }

    /// The life of the lowest table for an address, if it is there.
    pub(super) fn ready(&self, address: u64) -> Option<u32> {
        self.lowest(address).filter(|table| !table.is_away).map(|table| table.life)
    }

    /// The life of the lowest table for an address, there or taken away.
    pub(super) fn life(&self, address: u64) -> Option<u32> {
        self.lowest(address).map(|table| table.life)
    }

    /// How many pages the lowest table for an address maps, and how many of them writable.
    pub(super) fn mapped(&self, address: u64) -> (u32, u32) {
        self.lowest(address).map_or((0, 0), |table| (table.live, table.writable))
    }

    /// Notes that a page of a table's `life` allowed something and is no more, or is new and allows something. Answers how
    /// many pages the table has.
    pub(super) fn note(&mut self, address: u64, life: u32, before: Option<Access>, now: Option<Access>) -> u32 {
        let Some(table) = self.lowest_mut(address) else { return 0 };
        let (is_new, was_there) = (u32::from(now.is_some()), u32::from(before.is_some()));
        table.children = table.children + is_new - was_there;
        if table.life == life {
            let is_writable = |access: Option<Access>| u32::from(access.is_some_and(|access| access.write));
            table.live = table.live + is_new - was_there;
            table.writable = table.writable + is_writable(now) - is_writable(before);
        }
        table.children
    }

    /// Notes that the lowest table for an address is taken out of its parent, empty. Answers which it is.
    pub(super) fn take_away(&mut self, address: u64) -> Option<Unit> {
        let table = self.lowest_mut(address).filter(|table| !table.is_away)?;
        (table.is_away, table.live, table.writable) = (true, 0, 0);
        table.life = table.life.wrapping_add(1);
        Some(table.unit)
    }

    /// Makes the tables for an address, and puts back one that was taken away. Answers the life of the lowest.
    pub(super) fn grow(
        &mut self,
        memory: &mut Memory,
        machine: &mut impl Machine,
        root: Slot,
        address: u64,
    ) -> Result<u32, Shortage> {
        for (depth, bits) in LEVELS.into_iter().enumerate() {
            match self.0.get_mut(&key(bits, address)) {
                Some(table) if table.is_away => {
                    machine.map_table(memory.layout().second(table.unit), root, address).map_err(|_| Shortage)?;
                    table.is_away = false;
                }
                Some(_) => {}
                None => {
                    let unit = memory.take_table(machine, Object::PageTable, Need::Reserved)?;
                    if machine.map_table(memory.layout().second(unit), root, address).is_err() {
                        memory.put_table(machine, unit);
                        return Err(Shortage);
                    }
                    let table = Table { unit, children: 0, is_away: false, life: 0, live: 0, writable: 0 };
                    self.0.insert(key(bits, address), table);
                    self.count_at(depth.checked_sub(1), address, 1);
                }
            }
        }
        self.ready(address).ok_or(Shortage)
    }

    /// Removes the tables for an address that have nothing in them, from the lowest up.
    pub(super) fn drop_empty(&mut self, memory: &mut Memory, machine: &mut impl Machine, address: u64) {
        for (depth, bits) in LEVELS.into_iter().enumerate().rev() {
            match self.0.get(&key(bits, address)) {
                Some(table) if table.children == 0 => memory.put_table(machine, table.unit),
                Some(_) => return,
                None => continue,
            }
            self.0.remove(&key(bits, address));
            self.count_at(depth.checked_sub(1), address, -1);
        }
    }

    /// Changes the number of children of the table at a depth.
    fn count_at(&mut self, depth: Option<usize>, address: u64, by: i32) {
        let bits = depth.and_then(|depth| LEVELS.get(depth));
        if let Some(table) = bits.and_then(|bits| self.0.get_mut(&key(*bits, address))) {
            table.children = table.children.saturating_add_signed(by);
        }
    }
}

#[cfg(test)]
impl Tables {
    /// Children, mapped pages and writable ones of each lowest table, by what it covers.
    pub(super) fn lowest_counts(&self) -> BTreeMap<u64, (u32, u32, u32)> {
        let lowest = self.0.iter().filter(|(at, _)| **at >> 56 == u64::from(LOWEST));
        lowest.map(|(at, table)| (at & ((1 << 56) - 1), (table.children, table.live, table.writable))).collect()
    }
}
