//! The world of the core: sessions with the block server, and the objects of the Mach server.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;

use default_pager::held::CLUSTER;
use default_pager::world::{
    At, Backing, Io, Keep, NoRoom, ObjectId, Opened, Pages, Removal, SECTORS_A_PAGE, Space, Wanted, World,
};
use libmach::block::{self, Completion, Disk, DiskName, Op, Request, Status};
use libmach::memory_object::{Object, Supply, default_pager_space};
use libmach::port::mach_port_move_member;
use libmach::task::mach_task_self;
use libmach::vm::PAGE_SIZE;
use libmach::{KernReturn, PortName, Region};
use mach_protocol::boot::HOST_PRIV;
use mach_protocol::private::PagingSpace;

use super::landing::Landed;

const WORDS_A_PAGE: usize = PAGE_SIZE as usize / 8;
/// The fewest buffers of an area: with fewer, reading and writing wait for each other.
const FEWEST_BUFFERS: usize = 2;

/// A paging area: a session with its disk.
pub(crate) struct Area {
    disk: Disk,
    /// Transfers that found no room in the ring.
    waiting: VecDeque<Io>,
}

impl Area {
    /// Opens a part of a disk, with as many buffers as are wanted, or with half of them again and again.
    ///
    /// # Errors
    ///
    /// Those of [`Disk::open_part`]; `FAILURE` for a disk that cannot be written.
    fn open(wanted: &Wanted) -> Result<(Self, usize), KernReturn> {
        let name: String = wanted.disk.bytes().map(char::from).collect();
        let mut buffers = wanted.buffers;
        let disk = loop {
            match Disk::open_part(&name, wanted.start, wanted.sectors, buffers as u64 * CLUSTER) {
                Err(KernReturn::RESOURCE_SHORTAGE) if buffers / 2 >= FEWEST_BUFFERS => buffers /= 2,
                opened => break opened?,
            }
        };
        if disk.is_read_only() {
            return Err(KernReturn::FAILURE);
        }
        Ok((Self { disk, waiting: VecDeque::new() }, buffers))
    }

    /// Fills the ring.
    fn submit_waiting(&mut self) {
        while let Some(io) = self.waiting.pop_front() {
            let request = Request {
                op: if io.is_write { Op::Write } else { Op::Read },
                tag: io.tag,
                sector: u64::from(io.slot) * SECTORS_A_PAGE,
                offset: page_in_data(io.at) as u32 * PAGE_SIZE as u32,
                length: io.count * PAGE_SIZE as u32,
            };
            if self.disk.submit(&request).is_err() {
                self.waiting.push_front(io);
                break;
            }
        }
        self.disk.kick();
    }
}

/// The page of the data pages that a page of a buffer is.
fn page_in_data(at: At) -> u64 {
    at.buffer as u64 * CLUSTER + u64::from(at.page)
}

/// Pages that the Mach server returned.
pub(crate) enum Returned {
    /// As memory of their own.
    Mapped(Region),
    /// In a place that was free for them.
    Landed(Landed),
}

impl Pages for Returned {
    fn count(&self) -> u64 {
        match self {
            Self::Mapped(region) => region.size() / PAGE_SIZE,
            Self::Landed(landed) => landed.count,
        }
    }

    fn words(&self, page: u64) -> &[AtomicU64] {
        let (words, first) = match self {
            Self::Mapped(region) => (region.words(), page),
            Self::Landed(landed) => (landed.zone.memory.words(), landed.first_page() + page),
        };
        let first = first as usize * WORDS_A_PAGE;
        words.get(first..first + WORDS_A_PAGE).unwrap_or_default()
    }
}

impl Returned {
    fn address(&self) -> u64 {
        match self {
            Self::Mapped(region) => region.address(),
            Self::Landed(landed) => landed.zone.memory.address() + landed.first_page() * PAGE_SIZE,
        }
    }

    /// What supplies the first so many bytes that are left, which are at this address.
    fn supply_first(&mut self, address: u64, size: u64) -> Supply {
        match self {
            Self::Mapped(rest) => {
                let later = rest.split_off(size);
                Supply::region(core::mem::replace(rest, later))
            }
            Self::Landed(_) => Supply::copy_at(address, size),
        }
    }
}

/// Disks and objects.
#[derive(Default)]
pub(crate) struct Disks {
    /// By the core's numbers.
    pub(crate) areas: Vec<Option<Area>>,
    pub(crate) objects: BTreeMap<ObjectId, Object>,
    /// Removals that are over, for whoever asked for them.
    pub(crate) drained: Vec<(Removal, Result<(), NoRoom>)>,
    /// The set of ports by which the pager hears that transfers are over.
    pub(crate) set: PortName,
}

impl Disks {
    /// Gives the disks what found no room, and wakes their driver.
    pub(crate) fn kick(&mut self) {
        self.areas.iter_mut().flatten().for_each(Area::submit_waiting);
    }

    /// The next transfer that is over. `None`: there is none now, and the notify ports will tell of the next one.
    pub(crate) fn finished(&mut self) -> Option<(u64, bool)> {
        loop {
            let mut has_more = false;
            for area in self.areas.iter_mut().flatten() {
                if let Some(Completion { tag, status }) = area.disk.complete() {
                    return Some((tag, status == Status::Ok));
                }
                has_more |= area.disk.in_flight() > 0 && area.disk.rearm();
            }
            if !has_more {
                return None;
            }
        }
    }

    fn area(&self, index: usize) -> Option<&Area> {
        self.areas.get(index)?.as_ref()
    }

    /// Supplies pages, and fails those who wait for them if that fails. Answers whether they were taken.
    fn give(&self, object: ObjectId, page: u64, count: u64, supply: Supply) -> bool {
        let Some(object) = self.objects.get(&object) else { return false };
        let is_taken = object.supply(page * PAGE_SIZE, supply).is_ok();
        if !is_taken {
            // An object that was terminated meanwhile has nobody who waits.
            let _ = object.error(page * PAGE_SIZE, count * PAGE_SIZE, KernReturn::MEMORY_ERROR);
        }
        is_taken
    }

    /// What supplies pages of a buffer.
    fn buffer_supply(&self, at: At, count: u64) -> Option<Supply> {
        let address = self.area(at.area)?.disk.data_address() + page_in_data(at) * PAGE_SIZE;
        Some(Supply::copy_at(address, count * PAGE_SIZE))
    }
}

impl World for Disks {
    type Data = Returned;

    fn submit(&mut self, io: &Io) {
        if let Some(Some(area)) = self.areas.get_mut(io.at.area) {
            area.waiting.push_back(*io);
        }
    }

    fn buffer(&self, at: At) -> &[AtomicU64] {
        let words = self.area(at.area).map(|area| area.disk.data_words()).unwrap_or_default();
        let first = page_in_data(at) as usize * WORDS_A_PAGE;
        words.get(first..first + WORDS_A_PAGE).unwrap_or_default()
    }

    fn supply(&mut self, object: ObjectId, page: u64, at: At, count: u64) {
        if let Some(supply) = self.buffer_supply(at, count) {
            self.give(object, page, count, supply);
        }
    }

    fn hand_over(&mut self, object: ObjectId, page: u64, at: At, count: u64) -> bool {
        self.buffer_supply(at, count).is_some_and(|supply| self.give(object, page, count, supply.precious()))
    }

    fn supply_returned(&mut self, object: ObjectId, page: u64, (data, index): (&Returned, u64), keep: Keep) {
        let supply = Supply::copy_at(data.address() + index * PAGE_SIZE, PAGE_SIZE);
        self.give(object, page, 1, if keep == Keep::Precious { supply.precious() } else { supply });
    }

    fn give_back(&mut self, object: ObjectId, page: u64, mut data: Returned, from: u64, old: u64) -> u64 {
        let Some(object) = self.objects.get(&object) else { return u64::MAX };
        let (count, address) = (data.count(), data.address());
        let (mut at, mut refused) = (0, 0);
        while at < count {
            // Pages in a row that go the same way.
            let is_kept = |index: u64| index >= from && old & 1 << index == 0;
            let count = (at..count).take_while(|index| is_kept(*index) == is_kept(at)).count() as u64;
            let supply = data.supply_first(address + at * PAGE_SIZE, count * PAGE_SIZE);
            // Anonymous memory always takes them, unless it is gone.
            if is_kept(at) && object.supply((page + at) * PAGE_SIZE, supply.precious()).is_err() {
                refused |= (at..at + count).fold(0, |bits, index| bits | 1 << index);
            }
            at += count;
        }
        refused
    }

    fn error(&mut self, object: ObjectId, page: u64, count: u64) {
        if let Some(object) = self.objects.get(&object) {
            // An object that was terminated meanwhile has nobody who waits.
            let _ = object.error(page * PAGE_SIZE, count * PAGE_SIZE, KernReturn::MEMORY_ERROR);
        }
    }

    fn unavailable(&mut self, object: ObjectId, page: u64, count: u64) {
        if let Some(object) = self.objects.get(&object) {
            // An object that was terminated meanwhile has nobody who waits.
            let _ = object.unavailable(page * PAGE_SIZE, count * PAGE_SIZE);
        }
    }

    fn space(&mut self, space: Space) {
        let state = match space {
            Space::Ok => PagingSpace::Ok,
            Space::Low => PagingSpace::Low,
            Space::Full => PagingSpace::Full,
        };
        // Refused only without the privileged host port, and then the pager could not have started. (It says nothing on the
        // console from now on, whose memory it may have to bring back first.)
        let _ = default_pager_space(HOST_PRIV, state);
    }

    fn drained(&mut self, removal: Removal, outcome: Result<(), NoRoom>) {
        self.drained.push((removal, outcome));
    }
}

impl Backing for Disks {
    fn open(&mut self, area: usize, wanted: &Wanted) -> Result<Opened, KernReturn> {
        let (mut opened, buffers) = Area::open(wanted)?;
        mach_port_move_member(mach_task_self(), opened.disk.notify_port(), self.set)?;
        opened.disk.ring();
        let sectors = opened.disk.sectors();
        if self.areas.len() <= area {
            self.areas.resize_with(area + 1, || None);
        }
        if let Some(place) = self.areas.get_mut(area) {
            *place = Some(opened);
        }
        Ok(Opened { sectors, buffers })
    }

    fn close(&mut self, area: usize) {
        if let Some(place) = self.areas.get_mut(area) {
            *place = None;
        }
    }

    fn canonical(&self, name: &DiskName) -> Option<DiskName> {
        let disks = block::list().ok()?;
        disks.iter().find(|disk| disk.name == *name || disk.serial == *name).map(|disk| disk.name)
    }
}
