//! Where each frame is mapped, and whether its instructions may be stale.
//!
//! Most frames are mapped once. That first place sits in an array beside the frame's own second capability; further
//! places are in an ordered set. Invariant **PLACE-1**: `first` of a frame is set if and only if the frame's second
//! capability is mapped there.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use super::SpaceId;
use crate::memory::Unit;

const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Page of the first place; the top bit says that instructions may be stale.
    page: u64,
    space: u32,
    /// Number of further places.
    more: u32,
}

const STALE: u64 = 1 << 63;

/// A frame whose second capability is unused.
pub(super) struct Unmapped<'a>(&'a mut Frame);

impl Unmapped<'_> {
    /// Whether instructions fetched from the frame may be old ones.
    pub(super) fn is_stale(&self) -> bool {
        self.0.page & STALE != 0
    }

    /// Records the frame's first place, and whether instructions fetched from it may be old ones.
    #[inline]
    pub(super) fn map_at(self, space: SpaceId, page: u64, is_stale: bool) {
        *self.0 = Frame { page: page | if is_stale { STALE } else { 0 }, space: space.0, ..*self.0 };
    }
}

/// The places of all frames.
#[derive(Debug)]
pub(super) struct Places {
    frames: Vec<Frame>,
    more: BTreeSet<(Unit, SpaceId, u64)>,
}

impl Places {
    /// `count` frames, mapped nowhere, with instructions that were never made visible.
    pub(super) fn new(count: u32) -> Self {
        Self { frames: vec![Frame { page: STALE, space: NOWHERE, more: 0 }; count as usize], more: BTreeSet::new() }
    }

    /// Whether the frame's second capability is unused.
    pub(super) fn is_unmapped(&self, unit: Unit) -> bool {
        self.frame(unit).is_some_and(|frame| frame.space == NOWHERE)
    }

    /// A frame whose second capability is unused.
    #[inline]
    pub(super) fn unmapped(&mut self, unit: Unit) -> Option<Unmapped<'_>> {
        self.frames.get_mut(unit.0 as usize).filter(|frame| frame.space == NOWHERE).map(Unmapped)
    }

    /// Records a place; `first` if the frame's second capability makes it.
    pub(super) fn insert(&mut self, unit: Unit, space: SpaceId, page: u64, first: bool) {
        let Some(frame) = self.frames.get_mut(unit.0 as usize) else { return };
        if first {
            *frame = Frame { page: page | frame.page & STALE, space: space.0, ..*frame };
        } else {
            frame.more += u32::from(self.more.insert((unit, space, page)));
        }
    }

    /// Removes a place. Answers whether the frame's second capability had made it.
    pub(super) fn remove(&mut self, unit: Unit, space: SpaceId, page: u64) -> bool {
        match self.frames.get_mut(unit.0 as usize) {
            Some(frame) if frame.space == space.0 && frame.page & !STALE == page => {
                frame.space = NOWHERE;
                true
            }
            Some(frame) => {
                frame.more -= u32::from(self.more.remove(&(unit, space, page)));
                false
            }
            None => false,
        }
    }

    /// Whether this is the first place of a frame.
    pub(super) fn is_first(&self, unit: Unit, space: SpaceId, page: u64) -> bool {
        self.frame(unit).is_some_and(|frame| (frame.space, frame.page & !STALE) == (space.0, page))
    }

    /// Whether this is the first place of a frame, and its only one.
    pub(super) fn is_only(&self, unit: Unit, space: SpaceId, page: u64) -> bool {
        self.is_first(unit, space, page) && self.frame(unit).is_some_and(|frame| frame.more == 0)
    }

    /// All places of a frame.
    pub(super) fn of(&self, unit: Unit) -> Vec<(SpaceId, u64)> {
        let first = self.frame(unit).filter(|frame| frame.space != NOWHERE);
        let range = (unit, SpaceId(0), 0)..=(unit, SpaceId(u32::MAX), u64::MAX);
        let more = self.frame(unit).filter(|frame| frame.more > 0).map(|_| self.more.range(range));
        first
            .map(|frame| (SpaceId(frame.space), frame.page & !STALE))
            .into_iter()
            .chain(more.into_iter().flatten().map(|&(_, space, page)| (space, page)))
            .collect()
    }

    /// Whether instructions fetched from the frame may be old ones.
    pub(super) fn is_stale(&self, unit: Unit) -> bool {
        self.frame(unit).is_some_and(|frame| frame.page & STALE != 0)
    }

    /// Says whether instructions fetched from the frame may be old ones.
    pub(super) fn set_stale(&mut self, unit: Unit, stale: bool) {
        if let Some(frame) = self.frames.get_mut(unit.0 as usize) {
            frame.page = frame.page & !STALE | if stale { STALE } else { 0 };
        }
    }

    fn frame(&self, unit: Unit) -> Option<&Frame> {
        self.frames.get(unit.0 as usize)
    }
}
