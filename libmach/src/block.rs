//! Disks: a session with the block server (`mach_protocol::block`).
//!
//! ```ignore
//! let mut disk = block::Disk::open("disk0p1", 16)?;
//! let request = Request { op: Op::Read, tag: 7, sector: 0, offset: 0, length: 4096 };
//! disk.submit(&request).unwrap();
//! disk.kick();
//! while disk.complete().is_none() {
//!     disk.wait(Timeout::Never)?;
//! }
//! let first = disk.data()[0].load(Relaxed);
//! ```
//!
//! A range of the data pages that a request names belongs to the device until the request is complete. A thread that waits
//! for other things as well lets [`Disk::notify_port`] ring a doorbell, and calls [`Disk::rearm`] when
//! [`Disk::complete`] has nothing more. If it calls [`Disk::ring`] first, driver and client ring each other's bells and
//! send no messages.

use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicU8, AtomicU64};

pub use mach_protocol::block::ring::{Completion, ENTRIES, Full, Op, Request, Status};
pub use mach_protocol::block::{DISK, DiskInfo, DiskName, MAX_DATA_PAGES, MAX_REQUEST, PAGING_AREA, SECTOR};

use mach_protocol::block::ring::ClientEnd;
use mach_protocol::block::{
    BLOCK, BLOCK_INFO, BLOCK_KICK, BLOCK_OPEN, BLOCK_RING, DISKS, OpenReply, OpenRequest, body, message as packed,
};
use mach_protocol::service::answer_code;

use crate::memory_object::{Ring, port_ring};
use crate::msg::{self, CarriedRight, PortMessage, Timeout};
use crate::port::{Disposition, ReceivePort, mach_port_deallocate};
use crate::task::mach_task_self;
use crate::vm::{MapRequest, PAGE_SIZE, VmInherit};
use crate::{KernReturn, PortName, Region, Result, names};

/// The disks and partitions that there are.
///
/// # Errors
///
/// `INVALID_NAME` without a block server; those of sending.
pub fn list() -> Result<Vec<DiskInfo>> {
    let server = Right(names::lookup(BLOCK)?);
    list_of(server.0)
}

/// The same, by a right to the server.
///
/// # Errors
///
/// Those of sending.
pub fn list_of(server: PortName) -> Result<Vec<DiskInfo>> {
    let mut disks = Vec::new();
    loop {
        let answer = msg::rpc(server, &PortMessage::with_words(BLOCK_INFO, &[disks.len() as u64]))?;
        match answer_code(BLOCK_INFO, &answer) {
            Ok(()) => disks.push(body(&answer, 1).ok_or(KernReturn::MIG_TYPE_ERROR)?),
            Err(KernReturn::INVALID_ARGUMENT) => return Ok(disks),
            Err(code) => return Err(code),
        }
    }
}

/// A send right that goes with the value.
#[derive(Debug)]
struct Right(PortName);

impl Drop for Right {
    fn drop(&mut self) {
        // The right is the value's own.
        let _ = mach_port_deallocate(mach_task_self(), self.0);
    }
}

/// An open disk or partition. The session ends when the value goes.
#[derive(Debug)]
pub struct Disk {
    session: Right,
    /// What rings the driver's bell.
    ring: Option<Ring>,
    notify: ReceivePort,
    memory: Region,
    end: ClientEnd,
    sectors: u64,
    is_read_only: bool,
}

impl Disk {
    /// Opens a disk by its name, with so many data pages, 1 to [`MAX_DATA_PAGES`].
    ///
    /// # Errors
    ///
    /// As [`Disk::open_part`].
    pub fn open(name: &str, pages: u64) -> Result<Self> {
        Self::open_part(name, 0, 0, pages)
    }

    /// Opens a part of a disk, from sector `start` on; 0 sectors are all that are left behind it.
    ///
    /// # Errors
    ///
    /// `INVALID_CAPABILITY` for a task to which the disks are not granted; `INVALID_ARGUMENT` for the number of pages;
    /// `RESOURCE_SHORTAGE`; `INVALID_NAME` if there is no such disk, or no block server; `INVALID_ARGUMENT` for a part
    /// that does not lie on it; `NO_ACCESS` while some of it is open; those of sending and of `vm_map`.
    pub fn open_part(name: &str, start: u64, sectors: u64, pages: u64) -> Result<Self> {
        let server = Right(names::lookup(DISKS)?);
        let notify = ReceivePort::new()?;
        let mut request = packed(BLOCK_OPEN, &OpenRequest { name: DiskName::new(name), start, sectors, pages });
        let right = CarriedRight { name: notify.name(), disposition: Disposition::COPY_SEND };
        request.push_right(right).map_err(|_| KernReturn::FAILURE)?;
        let answer = msg::rpc(server.0, &request)?;
        answer_code(BLOCK_OPEN, &answer)?;
        let &[session, memory] = answer.rights() else { return Err(KernReturn::MIG_TYPE_ERROR) };
        let (session, memory) = (Right(session.name), Right(memory.name));
        let reply: OpenReply = body(&answer, 1).ok_or(KernReturn::MIG_TYPE_ERROR)?;
        let mapping = MapRequest::object(memory.0, (pages + 1) * PAGE_SIZE);
        let memory = Region::map(&MapRequest { inheritance: VmInherit::NONE, ..mapping })?;
        let (sectors, is_read_only) = (reply.sectors, reply.is_read_only);
        Ok(Self { session, ring: None, notify, memory, end: ClientEnd::default(), sectors, is_read_only })
    }

    /// The size in sectors of what is open.
    #[must_use]
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// Whether writing is refused.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// The data pages, which the device reads and writes.
    #[must_use]
    pub fn data(&self) -> &[AtomicU8] {
        self.memory.bytes().get(PAGE_SIZE as usize..).unwrap_or_default()
    }

    /// The same as words.
    #[must_use]
    pub fn data_words(&self) -> &[AtomicU64] {
        self.memory.words().get(PAGE_SIZE as usize / 8..).unwrap_or_default()
    }

    /// Where the data pages begin.
    #[must_use]
    pub fn data_address(&self) -> u64 {
        self.memory.address() + PAGE_SIZE
    }

    /// Copies what the data pages hold from `offset` on. Both are multiples of 8: a rest is left out.
    pub fn get(&self, offset: usize, bytes: &mut [u8]) {
        let words = self.data_words().get(offset / 8..).unwrap_or_default();
        for (to, from) in bytes.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&from.load(Relaxed).to_ne_bytes());
        }
    }

    /// Copies bytes into the data pages, from `offset` on, as [`Disk::get`].
    pub fn put(&mut self, offset: usize, bytes: &[u8]) {
        let words = self.data_words().get(offset / 8..).unwrap_or_default();
        let (bytes, _) = bytes.as_chunks::<8>();
        for (to, from) in words.iter().zip(bytes) {
            to.store(u64::from_ne_bytes(*from), Relaxed);
        }
    }

    /// Puts a request into the ring. [`Disk::kick`] says so to the driver.
    ///
    /// # Errors
    ///
    /// [`Full`]: [`ENTRIES`] requests are not completed, or their completions not taken.
    pub fn submit(&mut self, request: &Request) -> core::result::Result<(), Full> {
        self.end.submit(self.memory.words(), request)
    }

    /// Wakes the driver, if it sleeps.
    pub fn kick(&self) {
        if ClientEnd::must_kick(self.memory.words()) {
            match self.ring {
                Some(bell) => bell.ring(),
                None => self.say(BLOCK_KICK),
            }
        }
    }

    /// Makes driver and client ring bells in place of sending messages. The calling thread has a doorbell for
    /// [`Disk::notify_port`], or for the set that this is in, and no other thread uses this value from then on.
    pub fn ring(&mut self) {
        // A driver without a bell, or no room for what rings it: the messages go on.
        self.ring = port_ring(self.session.0).ok();
        self.say(BLOCK_RING);
    }

    /// Sends the driver a message without anything in it.
    fn say(&self, id: i32) {
        let mut message = PortMessage::new(id);
        message.header.remote = CarriedRight { name: self.session.0, disposition: Disposition::COPY_SEND };
        // Not sent is only what the full queue of the port makes superfluous, or what a driver that is gone makes vain.
        let _ = msg::send(&message, Timeout::Millis(0));
    }

    /// The next completion, if there is one.
    pub fn complete(&mut self) -> Option<Completion> {
        self.end.take(self.memory.words())
    }

    /// Requests whose completions were not taken.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.end.in_flight()
    }

    /// Waits until there is a completion.
    ///
    /// # Errors
    ///
    /// `RCV_TIMED_OUT`, when the time is over.
    pub fn wait(&self, timeout: Timeout) -> Result<()> {
        // A message may be one of an earlier completion: then there is another wait.
        while !self.rearm() {
            msg::receive(self.notify.name(), timeout)?;
        }
        Ok(())
    }

    /// The port on which [`BLOCK_DONE`](mach_protocol::block::BLOCK_DONE) comes after a [`Disk::rearm`].
    #[must_use]
    pub fn notify_port(&self) -> PortName {
        self.notify.name()
    }

    /// Asks for a message at the next completion. Answers whether there is one already.
    #[must_use]
    pub fn rearm(&self) -> bool {
        self.end.sleeps(self.memory.words())
    }

    /// Reads sectors into `bytes`, a multiple of [`SECTOR`]. Nothing else may be in flight.
    ///
    /// # Errors
    ///
    /// The status of the request that failed; `Invalid` while others are in flight.
    pub fn read(&mut self, sector: u64, bytes: &mut [u8]) -> core::result::Result<(), Status> {
        let most = self.piece();
        for (piece, sector) in bytes.chunks_mut(most).zip((sector..).step_by(most / SECTOR as usize)) {
            self.one(Op::Read, sector, piece.len())?;
            self.get(0, piece);
        }
        Ok(())
    }

    /// Writes `bytes`, a multiple of [`SECTOR`], to sectors. Nothing else may be in flight.
    ///
    /// # Errors
    ///
    /// As [`Disk::read`].
    pub fn write(&mut self, sector: u64, bytes: &[u8]) -> core::result::Result<(), Status> {
        let most = self.piece();
        for (piece, sector) in bytes.chunks(most).zip((sector..).step_by(most / SECTOR as usize)) {
            self.put(0, piece);
            self.one(Op::Write, sector, piece.len())?;
        }
        Ok(())
    }

    /// Waits until what was written would survive a loss of power. Nothing else may be in flight.
    ///
    /// # Errors
    ///
    /// As [`Disk::read`].
    pub fn flush(&mut self) -> core::result::Result<(), Status> {
        self.one(Op::Flush, 0, 0)
    }

    /// Bytes that go in one request of [`Disk::read`] or [`Disk::write`].
    fn piece(&self) -> usize {
        self.data().len().min(MAX_REQUEST as usize)
    }

    fn one(&mut self, op: Op, sector: u64, length: usize) -> core::result::Result<(), Status> {
        if self.in_flight() != 0 {
            return Err(Status::Invalid);
        }
        let length = u32::try_from(length).map_err(|_| Status::Invalid)?;
        self.submit(&Request { op, tag: 0, sector, offset: 0, length }).map_err(|_| Status::Invalid)?;
        self.kick();
        loop {
            match self.complete() {
                Some(Completion { status: Status::Ok, .. }) => return Ok(()),
                Some(Completion { status, .. }) => return Err(status),
                // Without a driver there is no disk.
                None => self.wait(Timeout::Never).map_err(|_| Status::Io)?,
            }
        }
    }
}
