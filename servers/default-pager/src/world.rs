//! What the core asks of disks and of the Mach server. Nothing here waits.

use ::core::sync::atomic::AtomicU64;

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

/// The area's contents could not be moved: there is no room elsewhere.
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
    /// Supplies pages that have just come back, from the one with the index `from` on; they are copied.
    fn supply_returned(&mut self, object: ObjectId, page: u64, data: &Self::Data, from: u64, count: u64);
    /// Gives pages back for which there is no slot: those from the index `from` on, but for the ones whose bits are in
    /// `old`. The one with index 0 is `page`.
    fn give_back(&mut self, object: ObjectId, page: u64, data: Self::Data, from: u64, old: u64);
    /// Says that pages cannot be had.
    fn error(&mut self, object: ObjectId, page: u64, count: u64);
    /// Says that pages hold nothing yet.
    fn unavailable(&mut self, object: ObjectId, page: u64, count: u64);
    /// Says how much space is left, when that has changed.
    fn space(&mut self, space: Space);
    /// An area that was to be removed is empty and gone, or stays in use.
    fn drained(&mut self, area: usize, outcome: Result<(), NoRoom>);
}
