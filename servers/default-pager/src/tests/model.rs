//! A world of arrays, which checks everything that the pager says to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use mach_protocol::KernReturn;
use mach_protocol::block::DiskName;

use crate::core::{Core, Extent};
use crate::held::CLUSTER;
use crate::world::{At, Backing, Io, Keep, NoRoom, ObjectId, Opened, Pages, Removal, Space, Wanted, World};

/// Words of a page here.
const WORDS: usize = 4;

/// Buffers of an area.
pub(super) const BUFFERS: usize = 6;

/// Returned pages.
#[derive(Debug)]
pub(crate) struct Data(Vec<Vec<AtomicU64>>);

impl Data {
    fn new(stamps: &[u64]) -> Self {
        Self(stamps.iter().map(|stamp| contents(*stamp).map(AtomicU64::new).into()).collect())
    }
}

impl Pages for Data {
    fn count(&self) -> u64 {
        self.0.len() as u64
    }

    fn words(&self, page: u64) -> &[AtomicU64] {
        &self.0[page as usize]
    }
}

/// What a page with that stamp holds.
fn contents(stamp: u64) -> [u64; WORDS] {
    [stamp, !stamp, stamp.rotate_left(32), 7]
}

fn stamp(words: &[AtomicU64]) -> Option<u64> {
    let words: Vec<u64> = words.iter().map(|word| word.load(Relaxed)).collect();
    (words == contents(words[0])).then_some(words[0])
}

/// Where a page is, as the kernel sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// With the pager, holding this.
    Out(u64),
    /// The same, and asked for.
    Asked(u64),
}

/// Disks and kernel.
#[derive(Debug, Default)]
pub(super) struct Model {
    disks: BTreeMap<usize, Vec<[u64; WORDS]>>,
    buffers: BTreeMap<(usize, usize, u32), Vec<AtomicU64>>,
    pub(super) pending: Vec<Io>,
    /// Pages that are not in memory.
    pub(super) pages: BTreeMap<(ObjectId, u64), Where>,
    /// Pages of which the pager may hold something, in memory or not.
    held: BTreeSet<(ObjectId, u64)>,
    pub(super) space: Option<Space>,
    pub(super) errors: u64,
    pub(super) given_back: u64,
    pub(super) supplied: u64,
    /// Of these, those of which nothing was kept.
    pub(super) handed_over: u64,
    pub(super) unavailable: u64,
    pub(super) drained: Vec<(Removal, Result<(), NoRoom>)>,
    /// Disks that areas can be opened on: name, other name, sectors, whether they can be written.
    pub(super) shelf: Vec<(&'static str, &'static str, u64, bool)>,
    /// What is open of them, by area: name and sectors.
    open: BTreeMap<usize, (DiskName, std::ops::Range<u64>)>,
    /// What can be open at a time.
    pub(super) sessions: usize,
    /// The Mach server takes nothing back.
    pub(super) takes_nothing: bool,
    /// Pages that were supplied to come back.
    pub(super) precious: u64,
    /// Objects that are terminated: nothing may be said of them.
    gone: BTreeSet<ObjectId>,
    /// Slots that were written since somebody looked.
    next_stamp: u64,
}

impl Model {
    /// A pager over areas of so many slots.
    pub(super) fn start(areas: &[u32]) -> (Core<Data>, Self) {
        let (mut core, mut model) = (Core::default(), Self::default());
        for slots in areas {
            model.add_area(&mut core, *slots);
        }
        (core, model)
    }

    pub(super) fn add_area(&mut self, core: &mut Core<Data>, slots: u32) -> usize {
        self.add_extent(core, Extent { slots, buffers: BUFFERS, priority: 0, cluster: CLUSTER as u32 })
    }

    pub(super) fn add_extent(&mut self, core: &mut Core<Data>, extent: Extent) -> usize {
        let index = core.free_area().expect("an area");
        self.make_disk(index, extent.slots, extent.buffers);
        assert_eq!(core.add_area(self, extent), Some(index));
        index
    }

    fn make_disk(&mut self, index: usize, slots: u32, buffers: usize) {
        self.disks.insert(index, vec![[0; WORDS]; slots as usize]);
        for buffer in 0..buffers {
            for page in 0..CLUSTER as u32 {
                self.buffers.insert((index, buffer, page), contents(0).map(AtomicU64::new).into());
            }
        }
    }

    /// Slots of an area that were ever written.
    pub(super) fn written(&self, area: usize) -> usize {
        self.disks[&area].iter().filter(|slot| **slot != [0; WORDS]).count()
    }

    /// Pages leave memory; those that are out already are left out.
    pub(super) fn page_out(&mut self, core: &mut Core<Data>, object: ObjectId, page: u64, count: u64) {
        let count = (page..page + count).take_while(|page| !self.pages.contains_key(&(object, *page))).count() as u64;
        let stamps: Vec<u64> = (0..count).map(|index| self.next_stamp + 1 + index).collect();
        if stamps.is_empty() {
            return;
        }
        self.next_stamp += count;
        for (page, stamp) in (page..).zip(&stamps) {
            self.pages.insert((object, page), Where::Out(*stamp));
            self.held.insert((object, page));
        }
        core.data_return(self, object, page, Data::new(&stamps));
    }

    /// Pages of a copy that its shadow had, up to one that is in memory: those that the pager has already stay as they are.
    pub(super) fn initialize(&mut self, core: &mut Core<Data>, object: ObjectId, page: u64, count: u64) {
        let is_out = |page: &u64| {
            let page = (object, *page);
            self.pages.contains_key(&page) || !self.held.contains(&page)
        };
        let count = (page..page + count).take_while(is_out).count() as u64;
        if count == 0 {
            return;
        }
        let stamps: Vec<u64> = (0..count).map(|index| self.next_stamp + 1 + index).collect();
        self.next_stamp += count;
        for (page, stamp) in (page..).zip(&stamps) {
            self.pages.entry((object, page)).or_insert(Where::Out(*stamp));
            self.held.insert((object, page));
        }
        core.data_initialize(self, object, page, Data::new(&stamps));
    }

    /// Pages are wanted; only those that are out and not asked for.
    pub(super) fn page_in(&mut self, core: &mut Core<Data>, object: ObjectId, page: u64, count: u64) {
        let out = |page: &u64| matches!(self.pages.get(&(object, *page)), Some(Where::Out(_)));
        let count = (page..page + count).take_while(out).count() as u64;
        for page in page..page + count {
            if let Some(Where::Out(stamp)) = self.pages.get(&(object, page)).copied() {
                self.pages.insert((object, page), Where::Asked(stamp));
            }
        }
        if count > 0 {
            core.data_request(self, object, page, count);
        }
    }

    pub(super) fn terminate(&mut self, core: &mut Core<Data>, object: ObjectId) {
        self.pages.retain(|(of, _), _| *of != object);
        self.held.retain(|(of, _)| *of != object);
        self.gone.insert(object);
        core.terminate(self, object);
    }

    /// One transfer ends.
    pub(super) fn finish(&mut self, core: &mut Core<Data>, pick: usize, is_well: bool) {
        if self.pending.is_empty() {
            return;
        }
        let io = self.pending.swap_remove(pick % self.pending.len());
        for index in 0..io.count * u32::from(is_well) {
            let At { area, buffer, page } = io.at.plus(index);
            let slot = &mut self.disks.get_mut(&area).expect("a disk")[(io.slot + index) as usize];
            let words = &self.buffers[&(area, buffer, page)];
            if io.is_write {
                slot.iter_mut().zip(words).for_each(|(to, from)| *to = from.load(Relaxed));
            } else {
                slot.iter().zip(words).for_each(|(from, to)| to.store(*from, Relaxed));
            }
        }
        core.complete(self, io.tag, is_well);
    }

    pub(super) fn finish_all(&mut self, core: &mut Core<Data>) {
        for pick in 0..5_000 {
            if self.pending.is_empty() {
                return;
            }
            self.finish(core, pick, true);
        }
        panic!("transfers go on for ever");
    }

    /// Changes a word of a slot.
    pub(super) fn corrupt(&mut self, area: usize, slot: usize) {
        if let Some(disk) = self.disks.get_mut(&area) {
            let slot = slot % disk.len();
            disk[slot][1] ^= 4;
        }
    }

    /// A page comes back into memory.
    fn arrives(&mut self, object: ObjectId, page: u64, found: Option<u64>, must_be_asked: bool) {
        assert!(!self.gone.contains(&object), "{object} is terminated");
        match self.pages.remove(&(object, page)) {
            Some(Where::Asked(stamp)) => assert_eq!(found, Some(stamp), "page {page} of {object}"),
            Some(Where::Out(stamp)) if !must_be_asked => assert_eq!(found, Some(stamp), "page {page} of {object}"),
            other => panic!("page {page} of {object} was not asked for: {other:?}"),
        }
    }
}

impl World for Model {
    type Data = Data;

    fn submit(&mut self, io: &Io) {
        assert!((1..=CLUSTER as u32).contains(&io.count) && io.at.page + io.count <= CLUSTER as u32, "{io:?}");
        assert!((io.slot + io.count) as usize <= self.disks[&io.at.area].len(), "{io:?}");
        let overlap = |other: &Io| {
            other.at.area == io.at.area && other.slot < io.slot + io.count && io.slot < other.slot + other.count
        };
        let clash = |other: &&Io| overlap(other) && (other.is_write || io.is_write);
        assert_eq!(
            self.pending.iter().find(clash),
            None,
            "{io:?}: a slot is written while something else is under way"
        );
        self.pending.push(*io);
    }

    fn buffer(&self, at: At) -> &[AtomicU64] {
        &self.buffers[&(at.area, at.buffer, at.page)]
    }

    fn supply(&mut self, object: ObjectId, page: u64, at: At, count: u64) {
        for index in 0..count {
            let found = stamp(self.buffer(at.plus(index as u32)));
            self.arrives(object, page + index, found, true);
            self.supplied += 1;
        }
    }

    fn hand_over(&mut self, object: ObjectId, page: u64, at: At, count: u64) -> bool {
        self.supply(object, page, at, count);
        // The pager holds nothing of them any more.
        self.held.retain(|(of, held)| *of != object || !(page..page + count).contains(held));
        self.handed_over += count;
        true
    }

    fn supply_returned(&mut self, object: ObjectId, page: u64, (data, index): (&Data, u64), keep: Keep) {
        self.arrives(object, page, stamp(data.words(index)), true);
        self.supplied += 1;
        self.precious += u64::from(keep == Keep::Precious);
    }

    fn give_back(&mut self, object: ObjectId, page: u64, data: Data, from: u64, old: u64) -> u64 {
        if self.takes_nothing {
            return u64::MAX;
        }
        for index in (from..data.count()).filter(|index| old & 1 << index == 0) {
            let found = stamp(data.words(index));
            // A page that was supplied from the queue meanwhile is here already: the kernel skips it.
            if self.pages.contains_key(&(object, page + index)) {
                self.arrives(object, page + index, found, false);
            }
            self.given_back += 1;
            self.held.remove(&(object, page + index));
        }
        0
    }

    fn error(&mut self, object: ObjectId, page: u64, count: u64) {
        assert!(!self.gone.contains(&object), "{object} is terminated");
        for page in page..page + count {
            match self.pages.get(&(object, page)).copied() {
                Some(Where::Asked(stamp)) => self.pages.insert((object, page), Where::Out(stamp)),
                other => panic!("page {page} of {object} was not asked for: {other:?}"),
            };
            self.errors += 1;
        }
    }

    fn unavailable(&mut self, object: ObjectId, _: u64, count: u64) {
        assert!(!self.gone.contains(&object), "{object} is terminated");
        self.unavailable += count;
    }

    fn space(&mut self, space: Space) {
        self.space = Some(space);
    }

    fn drained(&mut self, removal: Removal, outcome: Result<(), NoRoom>) {
        self.drained.push((removal, outcome));
    }
}

impl Backing for Model {
    fn open(&mut self, area: usize, wanted: &Wanted) -> Result<Opened, KernReturn> {
        let is_it = |disk: &&(&str, &str, u64, bool)| DiskName::new(disk.0) == wanted.disk;
        let (_, _, sectors, can_be_written) = *self.shelf.iter().find(is_it).ok_or(KernReturn::INVALID_NAME)?;
        let left = sectors.checked_sub(wanted.start).filter(|left| *left > 0 && wanted.sectors <= *left);
        let length = left.map(|left| if wanted.sectors == 0 { left } else { wanted.sectors });
        let length = length.ok_or(KernReturn::INVALID_ARGUMENT)?;
        let range = wanted.start..wanted.start + length;
        let overlaps = |(name, open): &(DiskName, std::ops::Range<u64>)| {
            *name == wanted.disk && open.start < range.end && range.start < open.end
        };
        if self.open.values().any(overlaps) {
            return Err(KernReturn::NO_ACCESS);
        }
        if self.open.len() >= self.sessions {
            return Err(KernReturn::RESOURCE_SHORTAGE);
        }
        if !can_be_written {
            return Err(KernReturn::FAILURE);
        }
        self.make_disk(area, (length / 8) as u32, BUFFERS);
        assert!(self.open.insert(area, (wanted.disk, range)).is_none());
        Ok(Opened { sectors: length, buffers: BUFFERS })
    }

    fn close(&mut self, area: usize) {
        assert!(self.open.remove(&area).is_some());
        assert!(self.pending.iter().all(|io| io.at.area != area), "something is under way");
    }

    fn canonical(&self, name: &DiskName) -> Option<DiskName> {
        let is_it = |disk: &&(&str, &str, u64, bool)| [disk.0, disk.1].map(DiskName::new).contains(name);
        self.shelf.iter().find(is_it).map(|disk| DiskName::new(disk.0))
    }
}
