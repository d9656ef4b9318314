//! The effects of the virtual memory on hardware: address spaces and frames.
//!
//! `servers/mach` implements these traits over capabilities, `crate::model` over ordinary memory.
//! No method waits, and none calls back into the virtual memory.

use crate::range::Range;
use crate::types::{FrameId, Prot, SpaceId};

/// There is no memory left for the request. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage;

/// How far a bounded walk over a range came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The first address not yet treated; the end of the range when the walk is complete.
    pub next: u64,
    /// How many mappings the walk changed.
    pub changed: usize,
}

/// What may become of mappings that lose no right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// They may be forgotten.
    MayGo,
    /// They stay: the task has memory that it must be able to touch without a fault.
    Stay,
}

/// Hardware address spaces.
///
/// A mapping is a triple (space, page address, frame) with a protection. The implementation keeps, per
/// space, which addresses are mapped and, per frame, where it is mapped. It may forget any mapping at any
/// time, as the task faults again; it must never keep one that it was told to remove. Addresses
/// and range ends are multiples of the page size.
pub trait Pmap {
    /// Makes an empty space.
    ///
    /// # Errors
    /// [`Shortage`]
    fn create_space(&mut self) -> Result<SpaceId, Shortage>;

    /// Takes a space down. The virtual memory has removed every mapping before. Returns whether there is
    /// more to do: then it is called again, with other work in between.
    fn destroy_space(&mut self, space: SpaceId) -> bool;

    /// Maps `frame` at `address`, in place of what is mapped there. `prot` is what the task may do from
    /// now on: never empty, and never WRITE without READ. EXECUTE without READ is mapped execute-only
    /// where the hardware can. The first executable mapping after the contents changed makes
    /// the instruction cache see them.
    ///
    /// # Errors
    /// [`Shortage`]: no memory for a translation table or a slot. What was mapped there may be gone.
    fn enter(&mut self, space: SpaceId, address: u64, frame: FrameId, prot: Prot) -> Result<(), Shortage>;

    /// Removes the mappings in `[start, end)`, at most `limit` of them. Parts without mappings cost next
    /// to nothing, however large they are.
    fn remove(&mut self, space: SpaceId, start: u64, end: u64, limit: usize) -> Progress;

    /// Takes every right outside `prot` from the mappings in `[start, end)`, changing about `limit` of
    /// them. Never adds a right. A mapping that keeps nothing usable is removed. Where many lose a right it may be cheaper
    /// to forget them all, and others around them: `others` says whether those may go.
    fn protect(&mut self, space: SpaceId, range: Range, prot: Prot, limit: usize, others: Others) -> Progress;

    /// Takes every right outside `prot` from all mappings of a frame, in all spaces; with
    /// [`Prot::NONE`] removes them.
    fn page_protect(&mut self, frame: FrameId, prot: Prot);

    /// Whether a frame is mapped at this address of a space, and nowhere else. One that was mapped there until its mapping
    /// was forgotten may count.
    fn is_only_mapped_at(&self, frame: FrameId, space: SpaceId, address: u64) -> bool;

    /// Whether nobody has a frame mapped: then a mapping of it costs no more than itself. One that was mapped at this address
    /// until its mapping was forgotten counts as such, one that is mapped there does not.
    fn is_free_to_map(&self, frame: FrameId, space: SpaceId, address: u64) -> bool;

    /// How many pages are mapped in a row that ends in front of `address`: `most` at the most.
    fn mapped_before(&self, space: SpaceId, address: u64, most: u64) -> u64;

    /// How many pages are mapped in a space.
    fn resident_pages(&self, space: SpaceId) -> u64;

    /// Makes instruction fetches see what was written to the frame.
    fn sync_instructions(&mut self, frame: FrameId);
}

/// What a new frame must contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Zeros.
    Zero,
    /// Anything: the caller overwrites the whole frame at once. It never reaches a task before that.
    Any,
}

/// Frames of ordinary memory, and access to their bytes.
pub trait FramePool {
    /// Takes a frame.
    ///
    /// # Errors
    /// [`Shortage`]
    fn allocate_frame(&mut self, fill: Fill) -> Result<FrameId, Shortage>;

    /// Gives a frame back. It is mapped nowhere.
    fn free_frame(&mut self, frame: FrameId);

    /// How many frames can still be taken.
    fn free_frames(&self) -> u64;

    /// Keeps a frame for a page that is on its way in, until [`FramePool::redeem_frame`]: requests that may not use the
    /// reserve do not get it. With `may_use_floor` it may be one of those that new memory does not get.
    ///
    /// # Errors
    /// [`Shortage`]: there is no frame beside the reserve and those that were promised.
    fn promise_frame(&mut self, may_use_floor: bool) -> Result<(), Shortage>;

    /// The page is here, or will not come.
    fn redeem_frame(&mut self);

    /// Makes sure that the next step of an operation, of at most [`crate::STEP_PAGES`] pages, finds the
    /// heap memory for its records ([`crate::STEP_HEAP`] bytes at the most). Asked at the start of each step that may
    /// grow something; steps that only give memory back do not ask, and live off a small emergency part.
    ///
    /// # Errors
    /// [`Shortage`]: the operation fails with `KERN_RESOURCE_SHORTAGE`.
    fn prepare_step(&mut self) -> Result<(), Shortage>;

    /// Copies a whole frame.
    fn copy_frame(&mut self, from: FrameId, to: FrameId);

    /// Copies bytes between frames (which may be the same one: then as `memmove`). Both ranges lie within a page.
    fn copy_bytes(&mut self, from: FrameId, from_offset: usize, to: FrameId, to_offset: usize, count: usize);

    /// Reads bytes of a frame. The range lies within the page.
    fn read_bytes(&mut self, frame: FrameId, offset: usize, bytes: &mut [u8]);

    /// Writes bytes of a frame. The range lies within the page.
    fn write_bytes(&mut self, frame: FrameId, offset: usize, bytes: &[u8]);

    /// Zeroes bytes of a frame. The range lies within the page.
    fn zero_bytes(&mut self, frame: FrameId, offset: usize, count: usize);
}
