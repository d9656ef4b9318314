//! Transfers under way, and their ends.

use core::ops::Range;

use super::Core;
use crate::held::{CLUSTER, Held, Place};
use crate::sum;
use crate::world::{At, Io, ObjectId, Pages, Space, World};

/// What a transfer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Somebody wants the pages.
    Read,
    /// The pages came.
    Write,
    /// The area is being removed.
    Move,
}

/// A transfer of pages in a row, in their object, in the area and in the buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) kind: Kind,
    pub(super) at: At,
    pub(super) slot: u32,
    pub(super) object: ObjectId,
    pub(super) page: u64,
    pub(super) count: u32,
    /// What the pages' sums must be.
    sums: [u32; CLUSTER as usize],
    /// Which of the slots nobody holds any more (CORE-3).
    pub(super) orphans: u16,
    /// Nobody waits for the pages any more: they may be old when they are there.
    pub(super) is_vain: bool,
}

impl Flight {
    pub(super) const fn new(kind: Kind, at: At, slot: u32, (object, page): (ObjectId, u64), count: u32) -> Self {
        Self { kind, at, slot, object, page, count, sums: [0; CLUSTER as usize], orphans: 0, is_vain: false }
    }

    pub(super) fn set_sum(&mut self, index: u32, sum: u32) {
        if let Some(place) = self.sums.get_mut(index as usize) {
            *place = sum;
        }
    }

    /// The index of a slot among those of the transfer.
    pub(super) fn index_of(&self, place: Place) -> Option<u32> {
        let index = place.slot.checked_sub(self.slot).filter(|_| place.area == self.at.area)?;
        (index < self.count).then_some(index)
    }

    pub(super) fn place(&self, index: u32) -> Place {
        Place { area: self.at.area, slot: self.slot + index }
    }

    /// A transfer of one of its pages alone.
    fn part(&self, index: u32) -> Self {
        let mut part = Self::new(
            self.kind,
            self.at.plus(index),
            self.slot + index,
            (self.object, self.page + u64::from(index)),
            1,
        );
        part.sums[0] = self.sums.get(index as usize).copied().unwrap_or_default();
        part.orphans = self.orphans >> index & 1;
        part.is_vain = self.is_vain;
        part
    }

    /// Whether a page in the buffer is what it must be.
    pub(super) fn is_right(&self, world: &impl World, index: u32) -> bool {
        let page = self.page + u64::from(index);
        Some(&sum::of(self.object, page, world.buffer(self.at.plus(index)))) == self.sums.get(index as usize)
    }

    pub(super) const fn is_orphan(&self, index: u32) -> bool {
        self.orphans & 1 << index != 0
    }
}

impl<D: Pages> Core<D> {
    /// Starts a transfer.
    pub(super) fn start(&mut self, world: &mut impl World<Data = D>, flight: Flight) {
        if let Some(area) = self.area_mut(flight.at.area) {
            area.use_buffer(flight.at.buffer, 1);
        }
        let tag = self.next_tag;
        self.next_tag = tag.wrapping_add(1);
        let Flight { kind, at, slot, count, .. } = flight;
        self.flights.insert(tag, flight);
        world.submit(&Io { tag, is_write: kind == Kind::Write, slot, at, count });
    }

    /// A transfer is over.
    pub fn complete(&mut self, world: &mut impl World<Data = D>, tag: u64, is_well: bool) {
        let Some(flight) = self.flights.remove(&tag) else { return };
        if let Some(area) = self.area_mut(flight.at.area).filter(|_| flight.kind == Kind::Write) {
            area.failures = if is_well { 0 } else { area.failures.saturating_add(1) };
        }
        if !is_well && flight.count > 1 {
            // Each page for itself: only what fails alone is lost.
            (0..flight.count).for_each(|index| self.start(world, flight.part(index)));
        } else {
            match flight.kind {
                Kind::Read => self.read_done(world, &flight, is_well),
                Kind::Write => self.write_done(&flight, is_well),
                Kind::Move => self.move_done(world, &flight, is_well),
            }
            let retired = flight.kind == Kind::Write && !is_well;
            for index in (0..flight.count).filter(|index| flight.is_orphan(*index) && !retired) {
                self.release_place(flight.place(index));
            }
        }
        if let Some(area) = self.area_mut(flight.at.area) {
            area.leave_buffer(flight.at.buffer);
        }
        self.advance(world);
    }

    fn read_done(&mut self, world: &mut impl World<Data = D>, flight: &Flight, is_well: bool) {
        let Flight { object, page, at, count, .. } = *flight;
        let is_wanted = !flight.is_vain && self.objects.contains_key(&object);
        let mut good = 0;
        // Good pages in a row go in one supply.
        let mut flush = |world: &mut _, end: u32, good: &mut u32| {
            let first = end - *good;
            if *good > 0 && is_wanted {
                self.supply_read(world, flight, first..end);
            }
            *good = 0;
        };
        let mut failed = 0;
        for index in 0..count {
            if is_well && flight.is_right(world, index) {
                good += 1;
                continue;
            }
            flush(world, index, &mut good);
            failed += 1;
            if is_wanted {
                world.error(object, page + u64::from(index), 1);
            }
        }
        flush(world, count, &mut good);
        let read = u64::from(count) - failed;
        self.counts.pages_in += read;
        if let Some(area) = self.area_mut(at.area) {
            area.counts.pages_in += read;
            area.counts.pages_in_failed += failed;
        }
    }

    /// Supplies a part of what was read. While there is no space the pages go for good, so that others can come for them.
    fn supply_read(&mut self, world: &mut impl World<Data = D>, flight: &Flight, part: Range<u32>) {
        let Flight { object, page, at, .. } = *flight;
        let (first, at, count) = (page + u64::from(part.start), at.plus(part.start), u64::from(part.end - part.start));
        let is_anonymous = self.objects.get(&object).is_some_and(|object| object.limit.is_none());
        if !is_anonymous || self.told != Some(Space::Full) {
            return world.supply(object, first, at, count);
        }
        if world.hand_over(object, first, at, count) {
            for index in part {
                // It may have moved to another area while it was read; its sum goes with it.
                let page = page + u64::from(index);
                if matches!(self.held(object, page), Held::Stored(_, sum) if Some(&sum) == flight.sums.get(index as usize))
                {
                    let held = self.set_held(object, page, Held::Nothing);
                    self.release(held);
                }
            }
        }
    }

    /// Whether a page is in this slot.
    fn is_held_at(&self, object: ObjectId, page: u64, place: Place) -> bool {
        matches!(self.held(object, page), Held::Stored(is, _) if is == place)
    }

    fn write_done(&mut self, flight: &Flight, is_well: bool) {
        let Some(area) = self.area_mut(flight.at.area) else { return };
        if is_well {
            area.counts.pages_out += u64::from(flight.count);
            return;
        }
        area.counts.pages_out_failed += 1;
        area.slots.retire();
        if !flight.is_orphan(0) && self.is_held_at(flight.object, flight.page, flight.place(0)) {
            self.set_held(flight.object, flight.page, Held::Lost);
        }
    }
}
