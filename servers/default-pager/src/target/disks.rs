//! The world of the core: sessions with the block server, and the objects of the Mach server.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;

use default_pager::held::CLUSTER;
use default_pager::world::{At, Io, NoRoom, ObjectId, Pages, Space, World};
use libmach::block::{Completion, Disk, Op, Request, SECTOR, Status};
use libmach::memory_object::{Object, Supply, default_pager_space};
use libmach::vm::PAGE_SIZE;
use libmach::{KernReturn, PortName, Region};
use mach_protocol::boot::HOST_PRIV;
use mach_protocol::private::PagingSpace;

/// Buffers of an area: as many data pages as a session can have.
pub(crate) const BUFFERS: usize = 16;
const SECTORS_A_PAGE: u64 = PAGE_SIZE / SECTOR;
const WORDS_A_PAGE: usize = PAGE_SIZE as usize / 8;

/// A paging area: a session with its disk.
pub(crate) struct Area {
    /// The disk's name.
    pub(crate) name: String,
    disk: Disk,
    /// Transfers that found no room in the ring.
    waiting: VecDeque<Io>,
}

impl Area {
    /// Opens a disk. Answers the number of its slots as well.
    ///
    /// # Errors
    ///
    /// Those of [`Disk::open`]; `FAILURE` for a disk that cannot be written, or holds no page.
    pub(crate) fn open(name: &str) -> Result<(Self, u32), KernReturn> {
        let disk = Disk::open(name, BUFFERS as u64 * CLUSTER)?;
        let slots = u32::try_from(disk.sectors() / SECTORS_A_PAGE).unwrap_or(u32::MAX);
        if disk.is_read_only() || slots == 0 {
            return Err(KernReturn::FAILURE);
        }
        Ok((Self { name: name.into(), disk, waiting: VecDeque::new() }, slots))
    }

    /// Where the block server says that transfers are over.
    pub(crate) fn notify_port(&self) -> PortName {
        self.disk.notify_port()
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
pub(crate) struct Returned(pub(crate) Region);

impl Pages for Returned {
    fn count(&self) -> u64 {
        self.0.size() / PAGE_SIZE
    }

    fn words(&self, page: u64) -> &[AtomicU64] {
        let first = page as usize * WORDS_A_PAGE;
        self.0.words().get(first..first + WORDS_A_PAGE).unwrap_or_default()
    }
}

/// Disks and objects.
#[derive(Default)]
pub(crate) struct Disks {
    /// By the core's numbers.
    pub(crate) areas: Vec<Option<Area>>,
    pub(crate) objects: BTreeMap<ObjectId, Object>,
    /// Areas whose removal is over, for whoever asked for it.
    pub(crate) drained: Vec<(usize, Result<(), NoRoom>)>,
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

    fn supply_returned(&mut self, object: ObjectId, page: u64, data: &Returned, from: u64, count: u64) {
        let address = data.0.address() + from * PAGE_SIZE;
        self.give(object, page, count, Supply::copy_at(address, count * PAGE_SIZE));
    }

    fn give_back(&mut self, object: ObjectId, page: u64, data: Returned, from: u64, old: u64) {
        let Some(object) = self.objects.get(&object) else { return };
        let mut rest = data.0;
        let mut at = 0;
        while rest.size() > 0 {
            // Pages in a row that go the same way.
            let is_kept = |index: u64| index >= from && old & 1 << index == 0;
            let left = rest.size() / PAGE_SIZE;
            let count = (at..at + left).take_while(|index| is_kept(*index) == is_kept(at)).count() as u64;
            let later = rest.split_off(count * PAGE_SIZE);
            let part = core::mem::replace(&mut rest, later);
            if is_kept(at) {
                // Always taken, unless the object is gone: then the pages are of no use.
                let _ = object.supply((page + at) * PAGE_SIZE, Supply::region(part).precious());
            }
            at += count;
        }
    }

    fn error(&mut self, object: ObjectId, page: u64, count: u64) {
        if let Some(object) = self.objects.get(&object) {
            // An object that was terminated meanwhile has nobody who waits.
            let _ = object.error(page * PAGE_SIZE, count * PAGE_SIZE, KernReturn::MEMORY_ERROR);
        }
    }

    fn unavailable(&mut self, object: ObjectId, page: u64, count: u64) {
        if let Some(object) = self.objects.get(&object) {
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

    fn drained(&mut self, area: usize, outcome: Result<(), NoRoom>) {
        self.drained.push((area, outcome));
    }
}
