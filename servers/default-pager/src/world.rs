//! What the core asks of disks and of the Mach server. Nothing here waits.

use ::core::sync::atomic::AtomicU64;

use mach_protocol::KernReturn;
use mach_protocol::block::{DiskName, SECTOR};

use crate::PAGE_SIZE;

/// Sectors of a page.
pub const SECTORS_A_PAGE: u64 = PAGE_SIZE / SECTOR;

/// The number of an object.
pub type ObjectId = u64;

/// What a disk is asked to do: `count` pages from a slot on, to or from a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Io {
    /// The number by which [`Core::complete`](crate::core::Core::complete) is told of its end.
    pub tag: u64,
    /// Whether the slots are written, rather than read.
    pub is_write: bool,
    /// The first slot.
    pub slot: u32,
    /// The first page of memory.
    pub at: At,
    /// How many pages.
    pub count: u32,
}

/// A page of a buffer. A buffer has [`CLUSTER`](crate::held::CLUSTER) pages; each area has buffers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The area.
    pub area: usize,
    /// The buffer.
    pub buffer: usize,
    /// The page in it.
    pub page: u32,
}

impl At {
    /// The page that lies `count` behind this one.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self { page: self.page + count, ..self }
    }
}

/// How much space is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Enough.
    Ok,
    /// Less than a twentieth.
    Low,
    /// None.
    Full,
}

/// The number of a removal of areas.
pub type Removal = u32;

/// Whether the pager keeps what it supplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It does.
    Copy,
    /// It may not be able to: the pages come back in any case.
    Precious,
}

/// The areas' contents could not be moved: there is no room elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// Pages that came from the Mach server. Dropping them gives their memory back.
pub trait Pages {
    /// How many.
    fn count(&self) -> u64;
    /// The words of one.
    fn words(&self, page: u64) -> &[AtomicU64];
}

/// Disks, and the Mach server.
pub trait World {
    /// Returned pages.
    type Data: Pages;
    /// Starts a transfer. It cannot be refused: an area has no more buffers than its disk takes requests.
    fn submit(&mut self, io: &Io);
    /// The words of a page of a buffer.
    fn buffer(&self, at: At) -> &[AtomicU64];
    /// Supplies pages out of a buffer; they are copied before this returns.
    fn supply(&mut self, object: ObjectId, page: u64, at: At, count: u64);
    /// The same, but the pager keeps nothing of them, if this answers that they were taken.
    fn hand_over(&mut self, object: ObjectId, page: u64, at: At, count: u64) -> bool;
    /// Supplies a page that has just come back, the one with that index; it is copied.
    fn supply_returned(&mut self, object: ObjectId, page: u64, from: (&Self::Data, u64), keep: Keep);
    /// Gives pages back for which there is no slot: those from the index `from` on, but for the ones whose bits are in
    /// `old`. The one with index 0 is `page`. Answers the bits of those that were not taken.
    fn give_back(&mut self, object: ObjectId, page: u64, data: Self::Data, from: u64, old: u64) -> u64;
    /// Says that pages cannot be had.
    fn error(&mut self, object: ObjectId, page: u64, count: u64);
    /// Says that pages hold nothing yet.
    fn unavailable(&mut self, object: ObjectId, page: u64, count: u64);
    /// Says how much space is left, when that has changed.
    fn space(&mut self, space: Space);
    /// The areas of a removal are empty and gone, or stay in use. The removal's number may not have been answered yet.
    fn drained(&mut self, removal: Removal, outcome: Result<(), NoRoom>);
}

/// What is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The disk or partition.
    pub disk: DiskName,
    /// The first sector.
    pub start: u64,
    /// How many; 0 for all that are left.
    pub sectors: u64,
    /// The buffers that are wanted; fewer may be had.
    pub buffers: usize,
}

/// What was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its size.
    pub sectors: u64,
    /// Its buffers.
    pub buffers: usize,
}

/// Disks on which areas can be.
pub trait Backing: World {
    /// Opens a part of a disk as the area of a number that is free.
    ///
    /// # Errors
    ///
    /// `INVALID_NAME`, there is no such disk; `INVALID_ARGUMENT`, it has no such part; `NO_ACCESS`, some of it is in use;
    /// `RESOURCE_SHORTAGE`, there are too many already; any other for a disk that cannot be written.
    fn open(&mut self, area: usize, wanted: &Wanted) -> Result<Opened, KernReturn>;
    /// Closes an area.
    fn close(&mut self, area: usize);
    /// The one name of a disk that may have two. `None`: there is no such disk.
    fn canonical(&self, name: &DiskName) -> Option<DiskName>;
}
