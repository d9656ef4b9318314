//! The tables of one space below its root, and what is mapped by the lowest of them.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;

use arena::SortedMap;

use crate::machine::{Access, Machine, Object, Slot};
use crate::memory::{Memory, Need, PAGE, Shortage, Unit};

/// How many address bits an entry of their parent covers, of the tables below the root but the lowest; and of those.
const UPPER: [u32; 2] = [39, 30];
const LOWEST: u32 = 21;
/// Pages in a group of a lowest table's record, and groups in a record.
const GROUP: usize = 16;
const GROUPS: usize = (1 << LOWEST) / (PAGE as usize * GROUP);

/// The end of what the lowest table for an address covers.
pub(super) const fn end_of_lowest(address: u64) -> u64 {
    (address | ((1 << LOWEST) - 1)).saturating_add(1)
}

/// What an upper table is kept under: the level in the top bits.
const fn upper(bits: u32, address: u64) -> u64 {
    (bits as u64) << 56 | address >> bits
}

/// Where a page is in the record of its lowest table: group, and place there.
const fn split(address: u64) -> (usize, usize) {
    let page = (address / PAGE) as usize % (GROUPS * GROUP);
    (page / GROUP, page % GROUP)
}

/// A page that a capability of the server maps, or did until its table was taken away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mapping {
    pub(super) unit: Unit,
    pub(super) slot: Slot,
    pub(super) access: Access,
    /// The life of its table in which it was made (PMAP-5).
    pub(super) life: u32,
}

#[derive(Debug)]
struct Group {
    /// A bit for each place that holds something.
    used: u16,
    places: [Option<Mapping>; GROUP],
}

#[derive(Debug)]
struct Upper {
    unit: Unit,
    children: u32,
}

#[derive(Debug)]
struct Lowest {
    unit: Unit,
    /// Pages in `groups`.
    children: u32,
    /// It is not in its parent.
    is_away: bool,
    /// How often it was taken away.
    life: u32,
    /// Pages that it maps.
    live: u32,
    /// Of these, writable ones.
    writable: u32,
    groups: [Option<Box<Group>>; GROUPS],
}

impl Lowest {
    const fn new(unit: Unit) -> Self {
        let groups = [const { None }; GROUPS];
        Self { unit, children: 0, is_away: false, life: 0, live: 0, writable: 0, groups }
    }

    #[inline]
    fn get(&self, address: u64) -> Option<&Mapping> {
        let (group, place) = split(address);
        self.groups.get(group)?.as_ref()?.places.get(place)?.as_ref()
    }

    /// Counts a mapping that begins or ends.
    #[inline]
    fn count(&mut self, mapping: &Mapping, by: i32) {
        self.children = self.children.wrapping_add_signed(by);
        if mapping.life == self.life {
            self.live = self.live.wrapping_add_signed(by);
            self.writable = self.writable.wrapping_add_signed(if mapping.access.write { by } else { 0 });
        }
    }

    /// Records a mapping that was carried out, in place of another.
    #[inline]
    fn record(&mut self, address: u64, mapping: Mapping) {
        let (group, place) = split(address);
        let Some(group) = self.groups.get_mut(group) else { return };
        let group = group.get_or_insert_with(|| Box::new(Group { used: 0, places: [None; GROUP] }));
        group.used |= 1 << place;
        let old = group.places.get_mut(place).and_then(|old| old.replace(mapping));
        if let Some(old) = old {
            self.count(&old, -1);
        }
        self.count(&mapping, 1);
    }

    /// The first page from `address` on, in the groups up to `end` or the end of the table.
    fn next(&self, address: u64, end: u64) -> Option<(u64, &Mapping)> {
        let (first, place) = split(address);
        let base = address & !((1 << LOWEST) - 1);
        let last = split(end_of_lowest(address).min(end).checked_sub(1)?).0;
        (first..=last).find_map(|number| {
            let group = self.groups.get(number)?.as_ref()?;
            let skipped = if number == first { u32::MAX << place } else { u32::MAX };
            let left = u32::from(group.used) & skipped;
            let place = left.trailing_zeros() as usize;
            let mapping = group.places.get(place)?.as_ref()?;
            Some((base + (number * GROUP + place) as u64 * PAGE, mapping))
        })
    }
}

/// The place of a page, in a table that stands.
pub(super) struct Place<'a> {
    table: &'a mut Lowest,
    address: u64,
}

impl Place<'_> {
    /// What is recorded of the page.
    #[inline]
    pub(super) fn old(&self) -> Option<Mapping> {
        self.table.get(self.address).copied()
    }

    /// Records a mapping of the page, which was carried out.
    #[inline]
    pub(super) fn fill(self, unit: Unit, slot: Slot, access: Access) {
        let life = self.table.life;
        self.table.record(self.address, Mapping { unit, slot, access, life });
    }
}

/// All tables.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// By address, without the bits that one covers.
    lowest: SortedMap<Box<Lowest>>,
    upper: BTreeMap<u64, Upper>,
}

impl Tables {
    #[inline]
    fn lowest(&self, address: u64) -> Option<&Lowest> {
        self.lowest.get(address >> LOWEST).map(|table| &**table)
    }

    #[inline]
    fn lowest_mut(&mut self, address: u64) -> Option<&mut Lowest> {
        self.lowest.get_mut(address >> LOWEST).map(|table| &mut **table)
    }

    /// Whether no page is mapped.
    pub(super) fn is_empty(&self) -> bool {
        self.lowest.is_empty()
    }

    /// Number of pages below an address that a lowest table begins at.
    pub(super) fn pages_below(&self, end: u64) -> u64 {
        self.lowest.range(0, end >> LOWEST).map(|(_, table)| u64::from(table.children)).sum()
    }

    /// The mapping of a page.
    #[inline]
    pub(super) fn get(&self, address: u64) -> Option<&Mapping> {
        self.lowest(address)?.get(address)
    }

    /// The first mapping in `[start, end)`.
    pub(super) fn next(&self, start: u64, end: u64) -> Option<(u64, Mapping)> {
        let here = self.lowest(start).filter(|_| start < end).and_then(|table| table.next(start, end));
        let (at, mapping) = match here {
            Some(found) => found,
            None if end <= end_of_lowest(start) => return None,
            None => {
                let (number, table) = self.lowest.range((start >> LOWEST) + 1, u64::MAX).next()?;
                table.next(number << LOWEST, end)?
            }
        };
        (at < end).then_some((at, *mapping))
    }

    /// Whether a mapping of a page is in the hardware's tables.
    pub(super) fn is_live(&self, address: u64, mapping: &Mapping) -> bool {
        self.lowest(address).is_some_and(|table| table.life == mapping.life)
    }

    /// Whether a page is in the hardware's tables.
    pub(super) fn is_mapped(&self, address: u64) -> bool {
        self.lowest(address).is_some_and(|table| table.get(address).is_some_and(|mapping| mapping.life == table.life))
    }

    /// Records a mapping that was carried out, in place of another.
    #[inline]
    pub(super) fn record(&mut self, address: u64, mapping: Mapping) {
        if let Some(table) = self.lowest_mut(address) {
            table.record(address, mapping);
        }
    }

    /// The place of a page, if its lowest table stands.
    #[inline]
    pub(super) fn place(&mut self, address: u64) -> Option<Place<'_>> {
        let table = self.lowest_mut(address).filter(|table| !table.is_away)?;
        Some(Place { table, address })
    }

    /// Forgets the mapping of a page. Answers how many its table has left.
    pub(super) fn forget(&mut self, address: u64) -> u32 {
        let Some(table) = self.lowest_mut(address) else { return 0 };
        let (number, place) = split(address);
        let Some(entry) = table.groups.get_mut(number) else { return 0 };
        let old = entry.as_mut().and_then(|group| {
            group.used &= !(1 << place);
            group.places.get_mut(place)?.take()
        });
        entry.take_if(|group| group.used == 0);
        if let Some(old) = old {
            table.count(&old, -1);
        }
        table.children
    }

    /// The life of the lowest table for an address, if it is there, and the mapping of the page.
    #[inline]
    pub(super) fn look(&self, address: u64) -> (Option<u32>, Option<Mapping>) {
        let Some(table) = self.lowest(address) else { return (None, None) };
        (Some(table.life).filter(|_| !table.is_away), table.get(address).copied())
    }

    /// The life of the lowest table for an address, if it is there.
    #[inline]
    pub(super) fn ready(&self, address: u64) -> Option<u32> {
        self.lowest(address).filter(|table| !table.is_away).map(|table| table.life)
    }

    /// How many pages the lowest table for an address maps, and how many of them writable.
    pub(super) fn mapped(&self, address: u64) -> (u32, u32) {
        self.lowest(address).map_or((0, 0), |table| (table.live, table.writable))
    }

    /// Number of pages in `[start, end)`, a part of what one table covers.
    pub(super) fn count(&self, start: u64, end: u64) -> u32 {
        let Some(table) = self.lowest(start).filter(|_| start < end) else { return 0 };
        let ((first, from), (last, to)) = (split(start), split(end - 1));
        let groups = table.groups.iter().enumerate().take(last + 1).skip(first);
        let used = groups.filter_map(|(number, group)| Some((number, u32::from(group.as_ref()?.used))));
        used.map(|(number, used)| {
            let above = if number == first { u32::MAX << from } else { u32::MAX };
            let below = if number == last { u32::MAX >> (31 - to) } else { u32::MAX };
            (used & above & below).count_ones()
        })
        .sum()
    }

    /// The lowest table for an address, if it is there.
    pub(super) fn present(&self, address: u64) -> Option<Unit> {
        self.lowest(address).filter(|table| !table.is_away).map(|table| table.unit)
    }

    /// Notes that the lowest table for an address was taken out of its parent, empty.
    pub(super) fn take_away(&mut self, address: u64) {
        if let Some(table) = self.lowest_mut(address) {
            (table.is_away, table.live, table.writable) = (true, 0, 0);
            table.life = table.life.wrapping_add(1);
        }
    }

    /// Makes the tables for an address, and puts back one that was taken away. Answers the life of the lowest.
    pub(super) fn grow(
        &mut self,
        memory: &mut Memory,
        machine: &mut impl Machine,
        root: Slot,
        address: u64,
    ) -> Result<u32, Shortage> {
        for (depth, bits) in UPPER.into_iter().enumerate() {
            if let Entry::Vacant(place) = self.upper.entry(upper(bits, address)) {
                place.insert(Upper { unit: made(memory, machine, root, address)?, children: 0 });
                self.count_child(depth, address, 1);
            }
        }
        match self.lowest_mut(address) {
            Some(table) if table.is_away => {
                machine.map_table(memory.layout().second(table.unit), root, address).map_err(|_| Shortage)?;
                table.is_away = false;
            }
            Some(_) => {}
            None => {
                let unit = made(memory, machine, root, address)?;
                self.lowest.insert(address >> LOWEST, Box::new(Lowest::new(unit)));
                self.count_child(UPPER.len(), address, 1);
            }
        }
        self.ready(address).ok_or(Shortage)
    }

    /// Removes the tables for an address that have nothing in them, from the lowest up.
    pub(super) fn drop_empty(&mut self, memory: &mut Memory, machine: &mut impl Machine, address: u64) {
        if let Some(table) = self.lowest(address) {
            if table.children > 0 {
                return;
            }
            memory.put_table(machine, table.unit);
            self.lowest.remove(address >> LOWEST);
            self.count_child(UPPER.len(), address, -1);
        }
        for (depth, bits) in UPPER.into_iter().enumerate().rev() {
            match self.upper.get(&upper(bits, address)) {
                Some(table) if table.children == 0 => memory.put_table(machine, table.unit),
                Some(_) => return,
                None => continue,
            }
            self.upper.remove(&upper(bits, address));
            self.count_child(depth, address, -1);
        }
    }

    /// Changes the number of children of the parent of the table at a depth, if that is not the root.
    fn count_child(&mut self, depth: usize, address: u64, by: i32) {
        let parent = depth.checked_sub(1).and_then(|depth| UPPER.get(depth));
        if let Some(table) = parent.and_then(|bits| self.upper.get_mut(&upper(*bits, address))) {
            table.children = table.children.saturating_add_signed(by);
        }
    }
}

/// Makes a table and maps it at the first level that is missing.
fn made(memory: &mut Memory, machine: &mut impl Machine, root: Slot, address: u64) -> Result<Unit, Shortage> {
    let unit = memory.take_table(machine, Object::PageTable, Need::Reserved)?;
    let mapped = machine.map_table(memory.layout().second(unit), root, address);
    mapped.map(|()| unit).map_err(|_| {
        memory.put_table(machine, unit);
        Shortage
    })
}

#[cfg(test)]
impl Tables {
    /// Pages, mapped pages and writable ones of each lowest table, by what it covers.
    pub(super) fn lowest_counts(&self) -> BTreeMap<u64, (u32, u32, u32)> {
        self.lowest.iter().map(|(at, table)| (at, (table.children, table.live, table.writable))).collect()
    }

    /// All mappings in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Mapping)> {
        core::iter::successors(self.next(0, u64::MAX), |(at, _)| self.next(at + PAGE, u64::MAX))
    }
}
