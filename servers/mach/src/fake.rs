//! A machine of ordinary memory, for tests: it refuses what the kernel would refuse, and counts what is left.

use alloc::collections::btree_map::Entry::{Occupied, Vacant};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use crate::machine::{Access, Budget, Grade, Machine, Object, Refused, Registers, Slot, ThreadParts};
use crate::memory::{PAGE, Unit};

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cap {
    /// The untyped of a chunk, or a small one inside it.
    Untyped,
    /// An object, by number; copies have the same.
    Object(Object, u64),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    cap: Cap,
    /// The untyped that it was made of, directly or not: revoking that deletes it.
    parent: Option<Slot>,
    /// Where this capability maps its frame or table.
    mapped: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Space {
    /// Tables by the number of address bits that they leave, and the address above these.
    tables: BTreeSet<(u32, u64)>,
    pages: BTreeMap<u64, (u64, Access)>,
}

/// An answer that the server gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) reply: Slot,
    pub(crate) label: u64,
    pub(crate) words: Vec<u64>,
}

/// The machine.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    slots: BTreeMap<Slot, Entry>,
    spaces: BTreeMap<u64, Space>,
    /// The spaces with a number of each pool.
    pools: BTreeMap<u64, BTreeSet<u64>>,
    windows: BTreeMap<Unit, Vec<u8>>,
    registers: BTreeMap<Slot, Registers>,
    running: BTreeSet<Slot>,
    next_object: u64,
    /// Answers that nobody has looked at yet.
    pub(crate) replies: Vec<Reply>,
    /// Ticks that were asked for.
    pub(crate) wakes: u32,
    /// Capability tables of threads: which places of which are taken by a notification.
    given: BTreeMap<(Slot, u64), Slot>,
    /// Notifications that were signalled since somebody looked.
    pub(crate) signals: BTreeSet<Slot>,
    /// Bytes of heap that are said to be left.
    pub(crate) heap: usize,
    /// What the clock says, if there is one.
    pub(crate) uptime_ns: Option<u64>,
    /// Why nothing can go on.
    pub(crate) stopped: Option<alloc::string::String>,
}

const INVALID_CAPABILITY: Refused = Refused(2);
const FAILED_LOOKUP: Refused = Refused(6);
const DELETE_FIRST: Refused = Refused(8);

impl Fake {
    /// A machine whose slots from `first` on hold the untypeds of `chunks` chunks, and a root table in `root`.
    pub(crate) fn new(first: Slot, chunks: u32, root: Slot) -> Self {
        let mut fake = Self { heap: 1 << 30, ..Self::default() };
        for chunk in 0..chunks {
            let entry = Entry { cap: Cap::Untyped, parent: None, mapped: None };
            fake.slots.insert(first.plus(chunk), entry);
        }
        let number = fake.number();
        let entry = Entry { cap: Cap::Object(Object::VSpace, number), parent: None, mapped: None };
        fake.slots.insert(root, entry);
        fake.spaces.insert(number, Space::default());
        let pool = fake.number();
        let entry = Entry { cap: Cap::Object(Object::AsidPool, pool), parent: None, mapped: None };
        fake.slots.insert(Slot(mach_protocol::boot::slot::ASID_POOL), entry);
        fake.pools.insert(pool, BTreeSet::from([number]));
        fake
    }

    /// What the tables of a space map: by address, the number of the frame and the access.
    pub(crate) fn mapped(&self, vspace: Slot) -> BTreeMap<u64, (u64, Access)> {
        let space = self.space_of(vspace).ok().and_then(|number| self.spaces.get(&number));
        space.into_iter().flat_map(|space| &space.pages).map(|(page, found)| (page * PAGE, *found)).collect()
    }

    /// The number of a frame.
    pub(crate) fn frame(&self, slot: Slot) -> u64 {
        self.object_of(slot, Object::Frame).unwrap_or_default()
    }

    /// Slots that hold something.
    pub(crate) fn occupied(&self) -> usize {
        self.slots.len()
    }

    /// Whether a thread was let run and not stopped since.
    pub(crate) fn runs(&self, tcb: Slot) -> bool {
        self.running.contains(&tcb)
    }

    fn number(&mut self) -> u64 {
        self.next_object += 1;
        self.next_object
    }

    fn space_of(&self, vspace: Slot) -> Result<u64, Refused> {
        match self.slots.get(&vspace).map(|entry| entry.cap) {
            Some(Cap::Object(Object::VSpace, number)) => Ok(number),
            _ => Err(INVALID_CAPABILITY),
        }
    }

    fn object_of(&self, slot: Slot, object: Object) -> Result<u64, Refused> {
        match self.slots.get(&slot).map(|entry| entry.cap) {
            Some(Cap::Object(kind, number)) if kind == object => Ok(number),
            _ => Err(INVALID_CAPABILITY),
        }
    }

    /// The level at which tables end for an address: the bits that a missing table would leave.
    fn missing(space: &Space, address: u64) -> Option<u32> {
        [39, 30, 21].into_iter().find(|bits| !space.tables.contains(&(*bits, address >> bits)))
    }

    fn unmap(&mut self, slot: Slot) {
        let Some(entry) = self.slots.get_mut(&slot) else { return };
        let (cap, mapped) = (entry.cap, entry.mapped.take());
        let (Cap::Object(kind, number), Some((space, address))) = (cap, mapped) else { return };
        let Some(space) = self.spaces.get_mut(&space) else { return };
        match kind {
            Object::Frame => {
                if space.pages.get(&(address / PAGE)).is_some_and(|(frame, _)| *frame == number) {
                    space.pages.remove(&(address / PAGE));
                }
            }
            _ => {
                let bits = (address & 0xff) as u32;
                space.tables.remove(&(bits, address >> 8));
            }
        }
    }

    fn is_descendant(&self, slot: Slot, ancestor: Slot) -> bool {
        let mut at = slot;
        while let Some(parent) = self.slots.get(&at).and_then(|entry| entry.parent) {
            if parent == ancestor {
                return true;
            }
            at = parent;
        }
        false
    }
}

impl Machine for Fake {
    fn retype(&mut self, untyped: Slot, object: Object, first: Slot, count: u32) -> Result<(), Refused> {
        if self.slots.get(&untyped).map(|entry| entry.cap) != Some(Cap::Untyped) {
            return Err(INVALID_CAPABILITY);
        }
        if (0..count).any(|index| self.slots.contains_key(&first.plus(index))) {
            return Err(DELETE_FIRST);
        }
        for index in 0..count {
            let cap = if object == Object::SmallUntyped { Cap::Untyped } else { Cap::Object(object, self.number()) };
            if let Cap::Object(Object::VSpace, number) = cap {
                self.spaces.insert(number, Space::default());
            }
            self.slots.insert(first.plus(index), Entry { cap, parent: Some(untyped), mapped: None });
        }
        Ok(())
    }

    fn revoke(&mut self, slot: Slot) {
        let children: Vec<Slot> = self.slots.keys().copied().filter(|other| self.is_descendant(*other, slot)).collect();
        children.into_iter().for_each(|child| self.delete(child));
    }

    fn delete(&mut self, slot: Slot) {
        self.unmap(slot);
        if let Some(Entry { cap: Cap::Object(Object::VSpace, number), .. }) = self.slots.remove(&slot) {
            for pool in self.pools.values_mut() {
                pool.remove(&number);
            }
            let space = self.spaces.remove(&number);
            assert!(space.is_none_or(|space| space.pages.is_empty()), "PMAP-4: pages outlive their space");
        }
        self.running.remove(&slot);
        self.registers.remove(&slot);
        self.signals.remove(&slot);
        self.given.retain(|(cnode, _), notification| *cnode != slot && *notification != slot);
    }

    fn copy(&mut self, from: Slot, to: Slot) -> Result<(), Refused> {
        let entry = *self.slots.get(&from).ok_or(FAILED_LOOKUP)?;
        if self.slots.contains_key(&to) {
            return Err(DELETE_FIRST);
        }
        self.slots.insert(to, Entry { mapped: None, ..entry });
        Ok(())
    }

    fn assign_asid(&mut self, pool: Slot, vspace: Slot) -> Result<(), Refused> {
        const POOL_SIZE: usize = 512;
        let (number, space) = (self.object_of(pool, Object::AsidPool)?, self.space_of(vspace)?);
        let pool = self.pools.entry(number).or_default();
        if pool.len() == POOL_SIZE {
            return Err(DELETE_FIRST);
        }
        pool.insert(space);
        Ok(())
    }

    fn map_table(&mut self, table: Slot, vspace: Slot, address: u64) -> Result<(), Refused> {
        self.object_of(table, Object::PageTable)?;
        let number = self.space_of(vspace)?;
        let space = self.spaces.get_mut(&number).ok_or(FAILED_LOOKUP)?;
        let bits = Self::missing(space, address).ok_or(DELETE_FIRST)?;
        space.tables.insert((bits, address >> bits));
        if let Some(entry) = self.slots.get_mut(&table) {
            entry.mapped = Some((number, address >> bits << 8 | u64::from(bits)));
        }
        Ok(())
    }

    fn unmap_table(&mut self, table: Slot) -> Result<(), Refused> {
        self.object_of(table, Object::PageTable)?;
        let (number, place) = self.slots.get(&table).and_then(|entry| entry.mapped).ok_or(FAILED_LOOKUP)?;
        let (bits, above) = (place as u32 & 0xff, place >> 8);
        if let Some(space) = self.spaces.get_mut(&number) {
            space.pages.retain(|page, _| (page * PAGE) >> bits != above);
        }
        self.unmap(table);
        Ok(())
    }

    fn map_frame(&mut self, frame: Slot, vspace: Slot, address: u64, access: Access) -> Result<(), Refused> {
        let object = self.object_of(frame, Object::Frame)?;
        let number = self.space_of(vspace)?;
        let space = self.spaces.get_mut(&number).ok_or(FAILED_LOOKUP)?;
        if Self::missing(space, address).is_some() {
            return Err(FAILED_LOOKUP);
        }
        let entry = self.slots.get_mut(&frame).ok_or(FAILED_LOOKUP)?;
        if entry.mapped.is_some_and(|mapped| mapped != (number, address)) {
            return Err(INVALID_CAPABILITY);
        }
        entry.mapped = Some((number, address));
        space.pages.insert(address / PAGE, (object, access));
        Ok(())
    }

    fn map_device(&mut self, _: Slot, _: Slot, _: u64, _: Access) -> Result<(), Refused> {
        Err(INVALID_CAPABILITY)
    }

    fn unmap_frame(&mut self, frame: Slot) {
        self.unmap(frame);
    }

    fn unify(&mut self, frame: Slot) {
        assert!(self.slots.get(&frame).is_some_and(|entry| entry.mapped.is_some()));
    }

    fn map_window(&mut self, frame: Slot, unit: Unit) -> Result<(), Refused> {
        self.object_of(frame, Object::Frame)?;
        self.windows.insert(unit, vec![0; PAGE as usize]);
        Ok(())
    }

    fn zero(&mut self, unit: Unit, offset: usize, len: usize) {
        self.write(unit, offset, &vec![0; len]);
    }

    fn uptime_ns(&self) -> Option<u64> {
        self.uptime_ns
    }

    fn physical_address(&self, frame: Slot) -> Result<u64, Refused> {
        self.object_of(frame, Object::Frame).map(|object| object * PAGE)
    }

    fn read(&self, unit: Unit, offset: usize, out: &mut [u8]) {
        let page = &self.windows[&unit];
        out.iter_mut().zip(&page[offset..]).for_each(|(to, from)| *to = *from);
    }

    fn write(&mut self, unit: Unit, offset: usize, bytes: &[u8]) {
        let page = self.windows.get_mut(&unit).expect("WINDOW-1: the unit is a frame");
        page[offset..].iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    }

    fn copy_bytes(&mut self, from: (Unit, usize), to: (Unit, usize), len: usize) {
        let mut bytes = vec![0; len];
        self.read(from.0, from.1, &mut bytes);
        self.write(to.0, to.1, &bytes);
    }

    fn assemble(&mut self, parts: &ThreadParts, _: u8, _: Budget) -> Result<(), Refused> {
        self.object_of(parts.tcb, Object::Tcb)?;
        self.object_of(parts.cnode, Object::CNode)?;
        self.object_of(parts.sched_context, Object::SchedContext)?;
        self.object_of(parts.ipc_frame, Object::Frame)?;
        self.space_of(parts.vspace).map(drop)
    }

    fn set_budget(&mut self, context: Slot, _: Budget) -> Result<(), Refused> {
        self.object_of(context, Object::SchedContext).map(drop)
    }

    fn set_priority(&mut self, _: Slot, _: u8) -> Result<(), Refused> {
        Ok(())
    }

    fn suspend(&mut self, tcb: Slot) {
        self.running.remove(&tcb);
    }

    fn resume(&mut self, tcb: Slot) {
        self.running.insert(tcb);
    }

    fn read_registers(&mut self, tcb: Slot) -> Result<Registers, Refused> {
        Ok(self.registers.get(&tcb).copied().unwrap_or([0; crate::machine::REGISTERS]))
    }

    fn write_registers(&mut self, tcb: Slot, registers: &Registers) -> Result<(), Refused> {
        self.registers.insert(tcb, *registers);
        Ok(())
    }

    fn consumed_us(&mut self, _: Slot) -> u64 {
        0
    }

    fn reply(&mut self, reply: Slot, label: u64, words: &[u64]) {
        self.replies.push(Reply { reply, label, words: words.to_vec() });
    }

    fn wake_ticker(&mut self) {
        self.wakes += 1;
    }

    fn heap_room(&self) -> usize {
        self.heap
    }

    fn grant(&mut self, _: u64, _: Slot, _: u64) -> Result<(), Refused> {
        Err(INVALID_CAPABILITY)
    }

    fn give_notification(&mut self, notification: Slot, to: (Slot, u64), _: Grade) -> Result<(), Refused> {
        self.object_of(notification, Object::Notification)?;
        self.object_of(to.0, Object::CNode)?;
        match self.given.entry(to) {
            Occupied(_) => Err(DELETE_FIRST),
            Vacant(place) => {
                place.insert(notification);
                Ok(())
            }
        }
    }

    fn badge_notification(&mut self, notification: Slot, to: Slot, _: u64) -> Result<(), Refused> {
        self.object_of(notification, Object::Notification)?;
        self.copy(notification, to)
    }

    fn signal(&mut self, notification: Slot) {
        assert!(self.object_of(notification, Object::Notification).is_ok(), "a bell that is rung exists");
        self.signals.insert(notification);
    }

    fn adopt(&mut self, _: u64, _: Slot) -> Result<(), Refused> {
        Err(INVALID_CAPABILITY)
    }

    fn log(&mut self, _: core::fmt::Arguments<'_>) {}

    fn stop(&mut self, why: core::fmt::Arguments<'_>) {
        self.stopped = Some(alloc::format!("{why}"));
    }
}
