//! Paging areas: slots on a disk, and the buffers through which pages go there and come back.

use alloc::vec;
use alloc::vec::Vec;

use super::Core;
use crate::held::{CLUSTER, MAX_AREAS};
use crate::slots::Slots;
use crate::world::{At, Pages, Space, World};

/// One of so many buffers of an area only reading uses: who waits for a page waits for no write.
const READERS: usize = 4;

/// So many writes in a row fail on a disk that has failed as a whole.
const DEAD: u32 = 2 * CLUSTER as u32;

/// What an area is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Pages on the disk.
    pub slots: u32,
    /// Buffers.
    pub buffers: usize,
    /// Areas of a higher priority are filled first.
    pub priority: i32,
    /// The most pages that are written at once, up to [`CLUSTER`].
    pub cluster: u32,
}

/// An area.
#[derive(Debug)]
pub(super) struct Area {
    pub(super) slots: Slots,
    priority: i32,
    pub(super) cluster: u32,
    /// How many transfers use each buffer (CORE-2).
    users: Vec<u8>,
    /// What is to be moved out, if the area is being removed.
    pub(super) drain: Option<super::drain::Drain>,
    /// Writes that failed since one was well.
    pub(super) failures: u32,
    pub(super) counts: AreaCounts,
}

/// What happened to an area so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AreaCounts {
    /// Pages read.
    pub pages_in: u64,
    /// Pages that could not be read, or came back damaged.
    pub pages_in_failed: u64,
    /// Pages written.
    pub pages_out: u64,
    /// Pages that could not be written.
    pub pages_out_failed: u64,
}

/// What is told of an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaInfo {
    /// Its pages.
    pub total: u64,
    /// Those that are free.
    pub free: u64,
    /// What happened.
    pub counts: AreaCounts,
}

/// What a buffer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    Reading,
    Writing,
}

impl Area {
    /// A buffer that nobody uses.
    pub(super) fn free_buffer(&self, purpose: For) -> Option<usize> {
        let kept = if purpose == For::Writing { self.users.len() / READERS } else { 0 };
        self.users.iter().skip(kept).position(|users| *users == 0).map(|index| index + kept)
    }

    /// Counts users of a buffer in.
    pub(super) fn use_buffer(&mut self, buffer: usize, count: u8) {
        if let Some(users) = self.users.get_mut(buffer) {
            *users += count;
        }
    }

    /// Counts one out.
    pub(super) fn leave_buffer(&mut self, buffer: usize) {
        if let Some(users) = self.users.get_mut(buffer) {
            *users = users.saturating_sub(1);
        }
    }
}

impl<D: Pages> Core<D> {
    /// A new area. `None`: there are as many areas as there can be.
    pub fn add_area(&mut self, world: &mut impl World<Data = D>, extent: Extent) -> Option<usize> {
        let Extent { slots, buffers, priority, cluster } = extent;
        let cluster = cluster.clamp(1, CLUSTER as u32);
        let (slots, users) = (Slots::new(slots), vec![0; buffers]);
        let area = Area { slots, priority, cluster, users, drain: None, failures: 0, counts: AreaCounts::default() };
        let index = self.free_area()?;
        if index == self.areas.len() {
            self.areas.push(Some(area));
        } else if let Some(place) = self.areas.get_mut(index) {
            *place = Some(area);
        }
        self.advance(world);
        Some(index)
    }

    /// The number that the next area will have.
    #[must_use]
    pub fn free_area(&self) -> Option<usize> {
        let index = self.areas.iter().position(Option::is_none).unwrap_or(self.areas.len());
        (index < MAX_AREAS).then_some(index)
    }

    /// What is known of an area.
    #[must_use]
    pub fn area_info(&self, index: usize) -> Option<AreaInfo> {
        let area = self.area(index)?;
        let (total, free) = (u64::from(area.slots.total()), u64::from(area.slots.free()));
        Some(AreaInfo { total, free, counts: area.counts })
    }

    /// The pages of all areas, and those of them that are free.
    #[must_use]
    pub fn space(&self) -> (u64, u64) {
        let slots = self.usable().map(|(_, area)| &area.slots);
        slots.fold((0, 0), |(total, free), slots| (total + u64::from(slots.total()), free + u64::from(slots.free())))
    }

    pub(super) fn area(&self, index: usize) -> Option<&Area> {
        self.areas.get(index)?.as_ref()
    }

    pub(super) fn area_mut(&mut self, index: usize) -> Option<&mut Area> {
        self.areas.get_mut(index)?.as_mut()
    }

    /// The areas into which pages may be written: none that is being removed, and none whose disk has failed, or all that could go
    /// there would be lost.
    pub(super) fn usable(&self) -> impl Iterator<Item = (usize, &Area)> {
        let areas = self.areas.iter().enumerate().filter_map(|(index, area)| area.as_ref().map(|area| (index, area)));
        areas.filter(|(_, area)| area.drain.is_none() && area.failures < DEAD)
    }

    /// Where pages can be written now: in one of the areas of the highest priority that has a slot left. One that fails comes last:
    /// what is written there may be lost.
    pub(super) fn room(&self) -> Room {
        let roomy = || self.usable().filter(|(_, area)| area.slots.free() > 0);
        let rank = |area: &Area| (area.failures == 0, area.priority);
        let Some(highest) = roomy().map(|(_, area)| rank(area)).max() else {
            // A slot that is free as soon as a transfer is over is worth waiting for.
            let is_promised = self.flights.values().any(|flight| flight.orphans != 0);
            return if is_promised { Room::Later } else { Room::None };
        };
        let mut best = roomy().filter(|(_, area)| rank(area) == highest);
        let found = best.find_map(|(area, at)| Some(At { area, buffer: at.free_buffer(For::Writing)?, page: 0 }));
        found.map_or(Room::Later, Room::Here)
    }

    /// Tells how much space is left, if that has changed.
    pub(super) fn tell_space(&mut self, world: &mut impl World<Data = D>) {
        /// Slots that must be free before the space is said to be no longer full.
        const ENOUGH: u64 = 64;
        let (total, free) = self.space();
        if free >= ENOUGH.min(total / 16).max(1) {
            self.is_full = false;
        }
        let space = match free {
            0 => Space::Full,
            _ if self.is_full => Space::Full,
            free if free < total / 20 => Space::Low,
            _ => Space::Ok,
        };
        if self.told != Some(space) {
            self.told = Some(space);
            world.space(space);
        }
    }
}

/// Whether pages can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Through this buffer.
    Here(At),
    /// When a transfer is over.
    Later,
    /// Not at all.
    None,
}
