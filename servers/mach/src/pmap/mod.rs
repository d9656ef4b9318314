//! Translations of tasks' addresses, kept beside the hardware's tables.
//!
//! For each space this module knows which pages are mapped by which capability, and which tables exist; for each
//! frame where it is mapped. So a mapping is found from both sides without asking the kernel, and a table goes as
//! soon as nothing is in it.
//!
//! A lowest table can be *taken away* with everything in it, by one call of the kernel's instead of one for each page: a
//! task that was copied loses write access so. What the server holds stays: the capabilities still say where they map
//! their frames, and the table is put back, empty, when a page is entered again. Mappings of before are *gone* then; each
//! carries the number of the table's life in which it was made.
//!
//! Invariants: **PMAP-1** a page is in its space's records if and only if a capability of the server maps it there, or
//! did until its table was taken away.
//! **PMAP-2** `(space, page)` is among the places of its frame if and only if PMAP-1's capability is of that frame.
//! **PMAP-3** a table's count is the number of its children; no table stands with a count of 0. **PMAP-4** the space
//! of a root table is destroyed only when it has no tables, so its address-space number never comes
//! back while a frame capability still believes to be mapped with it. **PMAP-5** a mapping is in the hardware's tables if and
//! only if its life is its table's, which then is not taken away; a table counts these, and those of them that are
//! writable.

mod asids;
mod places;
mod space;
mod tables;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use crate::machine::{Access, Machine, Object, Slot};
use crate::memory::{Memory, Need, PAGE, Shortage, Unit};
use asids::Asids;
use places::Places;
use space::{AtOnce, Root, Space};
use tables::{Mapping, Tables};
use vm::Others;

/// The first address that belongs to no map: IPC buffers lie from here on.
pub const IPC_BASE: u64 = 0x7f00_0000_0000;
/// Stands for a frame that is no unit: device memory.
const NO_UNIT: Unit = Unit(u32::MAX);
/// The number of a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpaceId(pub u32);

/// All spaces.
#[derive(Debug)]
pub struct Pmaps {
    spaces: Vec<Option<Space>>,
    free: Vec<u32>,
    places: Places,
    asids: Asids,
}

/// The page that holds an address.
const fn page_of(address: u64) -> u64 {
    address / PAGE
}

impl Pmaps {
    /// No space yet, over `frames` frames.
    #[must_use]
    pub fn new(frames: u32) -> Self {
        Self { spaces: Vec::new(), free: Vec::new(), places: Places::new(frames), asids: Asids::new() }
    }

    /// Makes an empty space.
    ///
    /// # Errors
    /// [`Shortage`]
    pub fn create(&mut self, memory: &mut Memory, machine: &mut impl Machine, need: Need) -> Result<SpaceId, Shortage> {
        let root = memory.take_table(machine, Object::VSpace, need)?;
        if let Err(shortage) = self.asids.assign(memory, machine, memory.layout().second(root), need) {
            memory.put_table(machine, root);
            return Err(shortage);
        }
        Ok(self.enlist(Root::Own(root)))
    }

    /// Enters a space whose root table exists already. The parts that are used through it have no tables yet.
    pub fn adopt(&mut self, root: Slot) -> SpaceId {
        self.enlist(Root::Adopted(root))
    }

    fn enlist(&mut self, root: Root) -> SpaceId {
        let space = Space { root, tables: Tables::default() };
        match self.free.pop() {
            Some(index) => {
                if let Some(place) = self.spaces.get_mut(index as usize) {
                    *place = Some(space);
                }
                SpaceId(index)
            }
            None => {
                self.spaces.push(Some(space));
                SpaceId(self.spaces.len() as u32 - 1)
            }
        }
    }

    /// Destroys an empty space, and removes what is still mapped in one that is not: at most `limit` pages. Answers
    /// whether there is more to do.
    pub fn destroy(&mut self, memory: &mut Memory, machine: &mut impl Machine, id: SpaceId, limit: usize) -> bool {
        self.remove(memory, machine, id, 0, u64::MAX, limit);
        let Some(place) = self.spaces.get_mut(id.0 as usize) else {
            return false;
        };
        match place.take_if(|space| space.tables.is_empty()) {
            Some(space) => {
                if let Root::Own(root) = space.root {
                    memory.put_table(machine, root);
                }
                self.free.push(id.0);
                false
            }
            None => place.is_some(),
        }
    }

    /// The capability of a space's root table.
    #[must_use]
    pub fn root(&self, memory: &Memory, id: SpaceId) -> Option<Slot> {
        self.space(id).map(|space| space.root.slot(memory))
    }

    /// Maps a frame, in place of what is mapped at the address.
    ///
    /// # Errors
    /// [`Shortage`]: no table or no slot was left, or the kernel refused.
    pub fn enter(
        &mut self,
        memory: &mut Memory,
        machine: &mut impl Machine,
        id: SpaceId,
        address: u64,
        unit: Unit,
        access: Access,
    ) -> Result<(), Shortage> {
        let page = page_of(address);
        // Mostly the tables are there, and nothing is mapped at the address and the frame nowhere, or they are each other's.
        if let Some(Some(space)) = self.spaces.get_mut(id.0 as usize)
            && let Some(place) = space.tables.place(page * PAGE)
        {
            let root = space.root.slot(memory);
            match place.old() {
                None => {
                    if let Some(frame) = self.places.unmapped(unit) {
                        let slot = memory.layout().second(unit);
                        machine.map_frame(slot, root, page * PAGE, access).map_err(|_| Shortage)?;
                        place.fill(unit, slot, access);
                        let is_stale = frame.is_stale();
                        if access.execute && is_stale {
                            machine.unify(slot);
                        }
                        frame.map_at(id, page, access.write || (is_stale && !access.execute));
                        return Ok(());
                    }
                }
                Some(old) if old.unit == unit => {
                    machine.map_frame(old.slot, root, page * PAGE, access).map_err(|_| Shortage)?;
                    place.fill(unit, old.slot, access);
                    self.note_access(machine, unit, old.slot, access);
                    return Ok(());
                }
                Some(_) => {}
            }
        }
        let (ready, old) = self.space(id).ok_or(Shortage)?.tables.look(page * PAGE);
        if let Some(old) = old.filter(|old| old.unit != unit) {
            self.forget(machine, memory, id, page, old);
        }
        let life = match ready {
            Some(life) => life,
            None => self.grow(memory, machine, id, address)?,
        };
        if let Some(old) = old.filter(|old| old.unit == unit) {
            return self.change(memory, machine, id, page, Mapping { access, life, ..old });
        }
        let first = self.places.is_unmapped(unit);
        let slot = if first {
            Some(memory.layout().second(unit))
        } else {
            memory.take_slot().filter(|&slot| {
                let copied = machine.copy(memory.layout().first(unit), slot).is_ok();
                if !copied {
                    memory.put_slot(machine, slot);
                }
                copied
            })
        };
        let entered = slot.ok_or(Shortage).and_then(|slot| {
            let mapping = Mapping { unit, slot, access, life };
            self.change(memory, machine, id, page, mapping).inspect_err(|_| {
                if !first {
                    memory.put_slot(machine, slot);
                }
            })
        });
        match entered {
            Ok(()) => self.places.insert(unit, id, page, first),
            Err(Shortage) => self.drop_empty(memory, machine, id, address),
        }
        entered
    }

    /// Maps a page of device memory, of which the server holds a capability in `slot`. The slot is given back with the
    /// mapping, or at once if there is none.
    ///
    /// # Errors
    /// [`Shortage`]: no table was left, or the kernel refused.
    pub fn enter_device(
        &mut self,
        memory: &mut Memory,
        machine: &mut impl Machine,
        id: SpaceId,
        address: u64,
        slot: Slot,
        access: Access,
    ) -> Result<(), Shortage> {
        let entered = self.grow(memory, machine, id, address).and_then(|life| {
            let space = self.space_mut(id).ok_or(Shortage)?;
            let root = space.root.slot(memory);
            machine.map_device(slot, root, address, access).map_err(|_| Shortage)?;
            space.tables.record(page_of(address) * PAGE, Mapping { unit: NO_UNIT, slot, access, life });
            Ok(())
        });
        if entered.is_err() {
            memory.put_slot(machine, slot);
            self.drop_empty(memory, machine, id, address);
        }
        entered
    }

    /// Removes at most `limit` of the mappings in `[start, end)`. Answers the first address not treated, and how many
    /// mappings went.
    pub fn remove(
        &mut self,
        memory: &mut Memory,
        machine: &mut impl Machine,
        id: SpaceId,
        start: u64,
        end: u64,
        limit: usize,
    ) -> (u64, usize) {
        for removed in 0..limit {
            let Some((page, _)) = self.next(id, start, end) else {
                return (end, removed);
            };
            self.remove_page(memory, machine, id, page);
        }
        (self.next(id, start, end).map_or(end, |(page, _)| page * PAGE), limit)
    }

    /// Takes the rights outside `allowed` from about `limit` mappings in `[start, end)`; how many tables are taken away for
    /// that, and so others' mappings, is up to `others`. The answer is as for [`remove`](Self::remove).
    pub fn protect(
        &mut self,
        memory: &mut Memory,
        machine: &mut impl Machine,
        id: SpaceId,
        (start, end): (u64, u64),
        allowed: Access,
        (limit, others): (usize, Others),
    ) -> (u64, usize) {
        // One page makes no table go.
        if end.checked_sub(start) == Some(PAGE) {
            let found = self.space(id).and_then(|space| space.tables.get(start)).copied();
            let page = page_of(start);
            let is_changed = found.is_some_and(|found| self.narrow(memory, machine, id, page, found, allowed));
            return (end, usize::from(is_changed));
        }
        let (mut at, mut changed, mut seen) = (start, 0, 0);
        // Up to here pages are looked at one by one.
        let mut singly = start;
        while let Some((page, mapping)) = self.next(id, at, end) {
            let address = page * PAGE;
            if changed >= limit || seen >= SCAN * limit {
                return (address, changed);
            }
            seen += 1;
            if address >= singly {
                singly = tables::end_of_lowest(address).min(end);
                let how = self.space(id).map_or(AtOnce::Nothing, |space| space.at_once(address, singly, allowed));
                let may_go = how == AtOnce::TakeAway && others == Others::MayGo;
                let is_taken = may_go && self.take_away(memory, machine, id, address);
                changed += if is_taken { TABLE_COST } else { 0 };
                if is_taken || how == AtOnce::Nothing {
                    at = singly;
                    continue;
                }
            }
            if self.narrow(memory, machine, id, page, mapping, allowed) {
                changed += 1;
            }
            at = address + PAGE;
        }
        (end, changed)
    }

    /// Takes the rights outside `allowed` from all mappings of a frame.
    pub fn page_protect(&mut self, memory: &mut Memory, machine: &mut impl Machine, unit: Unit, allowed: Access) {
        for (id, page) in self.places.of(unit) {
            let found = self.space(id).and_then(|space| space.tables.get(page * PAGE)).copied();
            match found {
                Some(_) if allowed.is_nothing() => self.remove_page(memory, machine, id, page),
                Some(mapping) => {
                    self.narrow(memory, machine, id, page, mapping, allowed);
                }
                None => {}
            }
        }
    }

    /// Notes that a frame's contents changed, so that instructions fetched from it could be old ones.
    pub fn contents_changed(&mut self, unit: Unit) {
        self.places.set_stale(unit, true);
    }

    /// Makes instruction fetch see what was written to a frame, wherever it is mapped.
    pub fn sync_instructions(&mut self, machine: &mut impl Machine, unit: Unit) {
        for (id, page) in self.places.of(unit) {
            if let Some(space) = self.space(id)
                && let Some(mapping) =
                    space.tables.get(page * PAGE).filter(|mapping| space.tables.is_live(page * PAGE, mapping))
            {
                machine.unify(mapping.slot);
            }
        }
        self.places.set_stale(unit, true);
    }

    /// Whether a frame is mapped at this address of a space, or was until its table was taken away, and nowhere else.
    #[must_use]
    pub fn is_only_mapped_at(&self, unit: Unit, id: SpaceId, address: u64) -> bool {
        self.places.is_only(unit, id, page_of(address))
    }

    /// Whether a frame's own second capability can map it at an address, where nothing is mapped: it maps it nowhere, or did
    /// there until the table was taken away.
    #[must_use]
    pub fn is_free_to_map(&self, unit: Unit, id: SpaceId, address: u64) -> bool {
        let is_mapped = || self.space(id).is_none_or(|space| space.tables.is_mapped(page_of(address) * PAGE));
        (self.places.is_unmapped(unit) || self.places.is_first(unit, id, page_of(address))) && !is_mapped()
    }

    /// How many pages are mapped in a row that ends in front of `address`: `most` at the most.
    #[must_use]
    pub fn mapped_before(&self, id: SpaceId, address: u64, most: u64) -> u64 {
        let Some(space) = self.space(id) else { return 0 };
        let end = page_of(address);
        let is_mapped = |back: &u64| end.checked_sub(*back).is_some_and(|page| space.tables.is_mapped(page * PAGE));
        (1..=most).take_while(is_mapped).count() as u64
    }

    /// Number of pages mapped in a space below the IPC buffers.
    #[must_use]
    pub fn resident_pages(&self, id: SpaceId) -> u64 {
        self.space(id).map_or(0, |space| space.tables.pages_below(IPC_BASE))
    }

    fn space(&self, id: SpaceId) -> Option<&Space> {
        self.spaces.get(id.0 as usize)?.as_ref()
    }

    fn space_mut(&mut self, id: SpaceId) -> Option<&mut Space> {
        self.spaces.get_mut(id.0 as usize)?.as_mut()
    }

    fn next(&self, id: SpaceId, start: u64, end: u64) -> Option<(u64, Mapping)> {
        self.space(id)?.tables.next(start, end).map(|(address, mapping)| (page_of(address), mapping))
    }

    /// Carries a mapping out and records it; the tables exist.
    #[inline]
    fn change(
        &mut self,
        memory: &Memory,
        machine: &mut impl Machine,
        id: SpaceId,
        page: u64,
        mapping: Mapping,
    ) -> Result<(), Shortage> {
        let space = self.space_mut(id).ok_or(Shortage)?;
        let (address, root) = (page * PAGE, space.root.slot(memory));
        machine.map_frame(mapping.slot, root, address, mapping.access).map_err(|_| Shortage)?;
        space.tables.record(address, mapping);
        self.note_access(machine, mapping.unit, mapping.slot, mapping.access);
        Ok(())
    }

    /// Makes instruction fetch see what was written to a frame that is mapped for it, and notes that it may be written to.
    #[inline]
    fn note_access(&mut self, machine: &mut impl Machine, unit: Unit, slot: Slot, access: Access) {
        if access.execute && self.places.is_stale(unit) {
            machine.unify(slot);
            self.places.set_stale(unit, false);
        }
        if access.write {
            self.places.set_stale(unit, true);
        }
    }

    /// Reduces a mapping to the rights in `allowed`. Answers whether that changed anything.
    fn narrow(
        &mut self,
        memory: &mut Memory,
        machine: &mut impl Machine,
        id: SpaceId,
        page: u64,
        mapping: Mapping,
        allowed: Access,
    ) -> bool {
        let access = mapping.access.and(allowed);
        // One that is gone already gives no access.
        if access == mapping.access || !self.space(id).is_some_and(|space| space.tables.is_live(page * PAGE, &mapping))
        {
            return false;
        }
        // A mapping that the kernel will not change is removed: the task faults again, and nothing is granted.
        if access.is_nothing() || self.change(memory, machine, id, page, Mapping { access, ..mapping }).is_err() {
            self.remove_page(memory, machine, id, page);
        }
        true
    }

    fn remove_page(&mut self, memory: &mut Memory, machine: &mut impl Machine, id: SpaceId, page: u64) {
        if let Some(mapping) = self.space(id).and_then(|space| space.tables.get(page * PAGE)).copied()
            && self.forget(machine, memory, id, page, mapping) == 0
        {
            self.drop_empty(memory, machine, id, page * PAGE);
        }
    }

    /// Ends a mapping and forgets it. Answers how many pages its table has left.
    fn forget(
        &mut self,
        machine: &mut impl Machine,
        memory: &mut Memory,
        id: SpaceId,
        page: u64,
        mapping: Mapping,
    ) -> u32 {
        if self.places.remove(mapping.unit, id, page) {
            machine.unmap_frame(mapping.slot);
        } else {
            memory.put_slot(machine, mapping.slot);
        }
        self.space_mut(id).map_or(0, |space| space.tables.forget(page * PAGE))
    }

    /// Takes the lowest table for an address away, with all that it maps. Answers whether the kernel did.
    fn take_away(&mut self, memory: &Memory, machine: &mut impl Machine, id: SpaceId, address: u64) -> bool {
        let Some(space) = self.space_mut(id) else { return false };
        let table = space.tables.present(address).map(|unit| memory.layout().second(unit));
        let is_taken = table.is_some_and(|table| machine.unmap_table(table).is_ok());
        if is_taken {
            space.tables.take_away(address);
        }
        is_taken
    }

    /// Makes the tables for an address that are missing, and answers the life of the lowest. On failure those that were
    /// made for it are gone again.
    fn grow(
        &mut self,
        memory: &mut Memory,
        machine: &mut impl Machine,
        id: SpaceId,
        address: u64,
    ) -> Result<u32, Shortage> {
        let space = self.space_mut(id).ok_or(Shortage)?;
        if let Some(life) = space.tables.ready(address) {
            return Ok(life);
        }
        let root = space.root.slot(memory);
        space.tables.grow(memory, machine, root, address).inspect_err(|_| {
            self.drop_empty(memory, machine, id, address);
        })
    }

    /// Removes the tables for an address that have nothing in them.
    fn drop_empty(&mut self, memory: &mut Memory, machine: &mut impl Machine, id: SpaceId, address: u64) {
        if let Some(space) = self.space_mut(id) {
            space.tables.drop_empty(memory, machine, address);
        }
    }
}

/// Mappings that [`Pmaps::protect`] looks at for each that it may change.
const SCAN: usize = 16;
/// Mappings that may be changed for as much as it costs to take a table away.
const TABLE_COST: usize = 4;
