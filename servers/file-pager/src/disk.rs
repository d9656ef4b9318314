//! The disk that the volume is on, by the block server: several requests in flight.

use alloc::collections::VecDeque;

use file_pager::volume::{DiskFailed, SECTOR, Sectors};
use libmach::block::{self, Completion, Disk, MAX_REQUEST, Op, Request, Status};
use libmach::msg::Timeout;
use libmach::thread::sleep;
use libmach::vm::PAGE_SIZE;
use libmach::{KernReturn, Result};

/// Requests that are in flight at most. Each has data pages of its own, for as much as a request can move.
const SLOTS: usize = 4;
/// How often, and after how many milliseconds, a disk is asked for again that somebody else has.
const PATIENCE: u32 = 100;
const PAUSE_MS: u32 = 20;
const SLOT_BYTES: usize = MAX_REQUEST as usize;
const SLOT_SECTORS: u64 = (SLOT_BYTES / SECTOR) as u64;

/// What a slot is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Free,
    /// Its request is in flight.
    Busy,
    /// Its request is done.
    Done(Status),
}

/// Sectors that were read before anybody wanted them, or are being read.
#[derive(Clone, Copy, Debug)]
struct Ahead {
    slot: usize,
    sector: u64,
    count: u64,
}

/// A session with a disk.
pub(crate) struct Session {
    disk: Disk,
    slots: [Slot; SLOTS],
    ahead: Option<Ahead>,
}

type Outcome = core::result::Result<(), DiskFailed>;

impl Session {
    /// Opens the first disk or partition that is a volume.
    ///
    /// # Errors
    ///
    /// `INVALID_NAME` if there is none; those of [`Disk::open`].
    pub(crate) fn open() -> Result<Self> {
        let disks = block::list()?;
        let volume = disks.iter().find(|disk| disk.is_volume()).ok_or(KernReturn::INVALID_NAME)?;
        let pages = SLOTS as u64 * MAX_REQUEST / PAGE_SIZE;
        let name = alloc::format!("{}", volume.name);
        let mut left = PATIENCE;
        let disk = loop {
            match Disk::open(&name, pages) {
                // A pager before this one had it, of which the driver has not let go yet.
                Err(KernReturn::NO_ACCESS) if left > 0 => sleep(PAUSE_MS),
                opened => break opened?,
            }
            left -= 1;
        };
        Ok(Self { disk, slots: [Slot::Free; SLOTS], ahead: None })
    }

    /// A slot that is used for nothing.
    fn free_slot(&self) -> Option<usize> {
        self.slots.iter().position(|slot| *slot == Slot::Free)
    }

    fn set(&mut self, slot: usize, is: Slot) {
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = is;
        }
    }

    /// Begins a request in a free slot.
    fn begin(&mut self, slot: usize, op: Op, sector: u64, length: usize) {
        let request =
            Request { op, tag: slot as u64, sector, offset: (slot * SLOT_BYTES) as u32, length: length as u32 };
        // There are fewer slots than places in the ring.
        let is_submitted = self.disk.submit(&request).is_ok();
        self.set(slot, if is_submitted { Slot::Busy } else { Slot::Done(Status::Invalid) });
        self.disk.kick();
    }

    /// Waits for the request of a slot, which is free then.
    fn end(&mut self, slot: usize) -> Outcome {
        loop {
            match self.slots.get(slot) {
                Some(Slot::Busy) => {}
                Some(Slot::Done(status)) => {
                    let outcome = if *status == Status::Ok { Ok(()) } else { Err(DiskFailed) };
                    self.set(slot, Slot::Free);
                    return outcome;
                }
                Some(Slot::Free) | None => return Err(DiskFailed),
            }
            match self.disk.complete() {
                Some(Completion { tag, status }) => self.set(tag as usize, Slot::Done(status)),
                // Without a driver there is no disk.
                None => self.disk.wait(Timeout::Never).map_err(|_| DiskFailed)?,
            }
        }
    }

    /// Sectors that are being read ahead, if all of these are among them: the offset of the first.
    fn find_ahead(&self, sector: u64, len: usize) -> Option<(usize, usize)> {
        let Ahead { slot, sector: first, count } = self.ahead?;
        let before = sector.checked_sub(first)?;
        let is_in = before + (len / SECTOR) as u64 <= count;
        is_in.then_some((slot, before as usize * SECTOR))
    }

    /// Gives up what was read ahead, of these sectors or of any.
    fn drop_ahead(&mut self, among: Option<(u64, u64)>) {
        let is_meant = |ahead: &Ahead| {
            among.is_none_or(|(sector, count)| sector < ahead.sector + ahead.count && ahead.sector < sector + count)
        };
        if let Some(Ahead { slot, .. }) = self.ahead.filter(is_meant) {
            self.ahead = None;
            // Nobody wants it, whatever it came to.
            let _ = self.end(slot);
        }
    }

    /// Reads what was read ahead, if it is these sectors.
    fn take_ahead(&mut self, sector: u64, bytes: &mut [u8]) -> bool {
        let Some((slot, offset)) = self.find_ahead(sector, bytes.len()) else { return false };
        self.ahead = None;
        if self.end(slot).is_err() {
            return false;
        }
        self.disk.get(slot * SLOT_BYTES + offset, bytes);
        true
    }
}

/// Pieces of a disk that fit into a slot each.
fn cut<T>(sector: u64, pieces: impl Iterator<Item = T>) -> impl Iterator<Item = (u64, T)> {
    (sector..).step_by(SLOT_SECTORS as usize).zip(pieces)
}

impl Sectors for Session {
    fn count(&self) -> u64 {
        self.disk.sectors()
    }

    fn is_read_only(&self) -> bool {
        self.disk.is_read_only()
    }

    fn read(&mut self, sector: u64, bytes: &mut [u8]) -> Outcome {
        self.read_all(&mut [(sector, bytes)])
    }

    fn read_all(&mut self, pieces: &mut [(u64, &mut [u8])]) -> Outcome {
        let all = pieces.iter_mut().flat_map(|(sector, bytes)| cut(*sector, bytes.chunks_mut(SLOT_BYTES)));
        let mut flying: VecDeque<(usize, &mut [u8])> = VecDeque::new();
        let mut outcome = Ok(());
        for (sector, bytes) in all {
            if self.take_ahead(sector, bytes) {
                continue;
            }
            let slot = match self.free_slot() {
                Some(slot) => slot,
                None => match flying.pop_front() {
                    Some((slot, bytes)) => {
                        outcome = outcome.and(self.end(slot));
                        self.disk.get(slot * SLOT_BYTES, bytes);
                        slot
                    }
                    None => return Err(DiskFailed),
                },
            };
            self.begin(slot, Op::Read, sector, bytes.len());
            flying.push_back((slot, bytes));
        }
        for (slot, bytes) in flying {
            outcome = outcome.and(self.end(slot));
            self.disk.get(slot * SLOT_BYTES, bytes);
        }
        outcome
    }

    fn write(&mut self, sector: u64, bytes: &[u8]) -> Outcome {
        self.write_all(&[(sector, bytes)])
    }

    fn write_all(&mut self, pieces: &[(u64, &[u8])]) -> Outcome {
        let mut flying = VecDeque::new();
        let mut outcome = Ok(());
        for (sector, bytes) in pieces.iter().flat_map(|(sector, bytes)| cut(*sector, bytes.chunks(SLOT_BYTES))) {
            self.drop_ahead(Some((sector, (bytes.len() / SECTOR) as u64)));
            let slot = match self.free_slot() {
                Some(slot) => slot,
                None => match flying.pop_front() {
                    Some(slot) => {
                        outcome = outcome.and(self.end(slot));
                        slot
                    }
                    None => return Err(DiskFailed),
                },
            };
            self.disk.put(slot * SLOT_BYTES, bytes);
            self.begin(slot, Op::Write, sector, bytes.len());
            flying.push_back(slot);
        }
        for slot in flying {
            outcome = outcome.and(self.end(slot));
        }
        outcome
    }

    fn read_ahead(&mut self, sector: u64, count: u64) {
        let count = count.min(SLOT_SECTORS);
        if count == 0 || self.find_ahead(sector, count as usize * SECTOR).is_some() {
            return;
        }
        self.drop_ahead(None);
        if let Some(slot) = self.free_slot() {
            self.begin(slot, Op::Read, sector, count as usize * SECTOR);
            self.ahead = Some(Ahead { slot, sector, count });
        }
    }

    fn flush(&mut self) -> Outcome {
        self.drop_ahead(None);
        self.disk.flush().map_err(|_| DiskFailed)
    }
}
