//! Removing areas: their pages move to the others, a cluster at a time, while everything goes on.
//!
//! | state | event | then |
//! |---|---|---|
//! | in use | [`Core::remove_areas`], and the others have room | being emptied: nothing new is written to them |
//! | being emptied | in none of them anything is held, and no transfer is under way | gone, all of them |
//! | being emptied | the others are full | in use again, all of them |

use alloc::vec::Vec;

use super::Core;
use super::areas::{For, Room};
use super::io::{Flight, Kind};
use crate::held::{CLUSTER, Held, Place};
use crate::sum;
use crate::world::{At, NoRoom, ObjectId, Pages, Removal, World};

/// How far the removal of an area has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    /// With which others it goes.
    removal: Removal,
    /// The first page that may still be there.
    cursor: (ObjectId, u64),
    /// A cluster is being read.
    is_moving: bool,
}

impl<D: Pages> Core<D> {
    /// Begins to remove areas; [`World::drained`] tells of the end.
    ///
    /// # Errors
    ///
    /// [`NoRoom`]: one of them is not in use, or the others have less room than they hold.
    pub fn remove_areas(&mut self, world: &mut impl World<Data = D>, areas: &[usize]) -> Result<Removal, NoRoom> {
        let in_use = |index: &usize| self.area(*index).filter(|area| area.drain.is_none());
        if !areas.iter().all(|index| in_use(index).is_some()) {
            return Err(NoRoom);
        }
        let held: u64 = areas.iter().filter_map(in_use).map(|area| u64::from(area.slots.held())).sum();
        let others = self.usable().filter(|(other, _)| !areas.contains(other));
        if others.map(|(_, area)| u64::from(area.slots.free())).sum::<u64>() < held {
            return Err(NoRoom);
        }
        let removal = self.next_removal;
        self.next_removal = removal.wrapping_add(1);
        for index in areas {
            self.set_drain(*index, Some(Drain { removal, cursor: (0, 0), is_moving: false }));
        }
        if areas.is_empty() {
            world.drained(removal, Ok(()));
        }
        self.advance(world);
        Ok(removal)
    }

    /// Takes a step of a removal. Answers whether anything was done.
    pub(super) fn move_one(&mut self, world: &mut impl World<Data = D>) -> bool {
        (0..self.areas.len()).any(|index| match self.area(index).and_then(|area| area.drain) {
            Some(drain) if self.is_empty(index) => self.finish(world, drain.removal),
            Some(drain) if !drain.is_moving => self.move_from(world, index, drain),
            _ => false,
        })
    }

    /// Whether nothing is in an area, or on the way there or from there.
    fn is_empty(&self, index: usize) -> bool {
        let is_used = || self.flights.values().any(|flight| flight.at.area == index);
        self.area(index).is_some_and(|area| area.slots.held() == 0) && !is_used()
    }

    /// The areas of a removal.
    fn removed_by(&self, removal: Removal) -> impl Iterator<Item = usize> {
        let is_it = move |index: &usize| {
            self.area(*index).and_then(|area| area.drain).is_some_and(|drain| drain.removal == removal)
        };
        (0..self.areas.len()).filter(is_it)
    }

    /// Ends a removal, if all its areas are empty.
    fn finish(&mut self, world: &mut impl World<Data = D>, removal: Removal) -> bool {
        let areas: Vec<usize> = self.removed_by(removal).collect();
        if !areas.iter().all(|index| self.is_empty(*index)) {
            return false;
        }
        for index in areas {
            if let Some(area) = self.areas.get_mut(index) {
                *area = None;
            }
        }
        world.drained(removal, Ok(()));
        true
    }

    /// Gives a removal up.
    fn give_up(&mut self, world: &mut impl World<Data = D>, removal: Removal) {
        let areas: Vec<usize> = self.removed_by(removal).collect();
        areas.into_iter().for_each(|index| self.set_drain(index, None));
        world.drained(removal, Err(NoRoom));
    }

    /// Begins to move the next pages of an area.
    fn move_from(&mut self, world: &mut impl World<Data = D>, index: usize, drain: Drain) -> bool {
        let Some(area) = self.area(index) else { return false };
        // Without a buffer to write from there is no use in reading.
        let buffer = area.free_buffer(For::Reading).filter(|_| self.room() != Room::Later);
        let Some(buffer) = buffer else { return false };
        let found = self.next_in(index, drain.cursor).or_else(|| self.next_in(index, (0, 0)));
        // What is there and not found is on its way.
        let Some((object, page, first)) = found else { return false };
        if self.flights.values().any(|flight| flight.index_of(first).is_some()) {
            return false;
        }
        let at = At { area: index, buffer, page: 0 };
        let mut flight = Flight::new(Kind::Move, at, first.slot, (object, page), 0);
        for index in 0..CLUSTER as u32 {
            let place = flight.place(index);
            let is_busy = self.flights.values().any(|flight| flight.index_of(place).is_some());
            match self.held(object, page + u64::from(index)) {
                Held::Stored(is, sum) if is == place && !is_busy => {
                    flight.set_sum(index, sum);
                    flight.count += 1;
                }
                _ => break,
            }
        }
        self.set_drain(index, Some(Drain { cursor: (object, page), is_moving: true, ..drain }));
        self.start(world, flight);
        true
    }

    /// The first page from a cursor on that is in an area.
    fn next_in(&self, area: usize, (object, page): (ObjectId, u64)) -> Option<(ObjectId, u64, Place)> {
        self.objects.range(object..).find_map(|(id, known)| {
            let from = if *id == object { page } else { 0 };
            known.pages.from(from).find_map(|(page, held)| match held {
                Held::Stored(place, _) if place.area == area => Some((*id, page, place)),
                _ => None,
            })
        })
    }

    fn set_drain(&mut self, index: usize, drain: Option<Drain>) {
        if let Some(area) = self.area_mut(index) {
            area.drain = drain;
        }
    }

    /// Pages were read that shall move.
    pub(super) fn move_done(&mut self, world: &mut impl World<Data = D>, flight: &Flight, is_well: bool) {
        let Flight { object, page, at, count, .. } = *flight;
        let drain = self.area(at.area).and_then(|area| area.drain);
        let mut cursor = (object, page);
        // Another part of the same cluster may be under way still.
        let is_moving = self.flights.values().any(|other| other.kind == Kind::Move && other.at.area == at.area);
        let mut index = 0;
        while index < count {
            let is_same = |core: &Self, index: u32| {
                let held = core.held(object, page + u64::from(index));
                matches!(held, Held::Stored(place, _) if place == flight.place(index)) && !flight.is_orphan(index)
            };
            if !is_same(self, index) {
                index += 1;
                continue;
            }
            if !is_well || !flight.is_right(world, index) {
                if let Some(area) = self.area_mut(at.area) {
                    area.counts.pages_in_failed += 1;
                }
                let old = self.set_held(object, page + u64::from(index), Held::Lost);
                self.release(old);
                index += 1;
                continue;
            }
            let to = match self.room() {
                Room::Here(to) => to,
                // Read once more when there is a buffer.
                Room::Later => break,
                Room::None => return drain.into_iter().for_each(|drain| self.give_up(world, drain.removal)),
            };
            let is_good = |index: &u32| is_same(self, *index) && flight.is_right(world, *index);
            let good = (index..count).take_while(is_good).count() as u32;
            let run = self.area_mut(to.area).and_then(|area| area.slots.take(good.min(area.cluster)));
            let Some(run) = run else { break };
            let mut write = Flight::new(Kind::Write, to, run.first, (object, page + u64::from(index)), run.count);
            for part in 0..run.count {
                let page = page + u64::from(index + part);
                let sum = sum::copy(object, page, world.buffer(at.plus(index + part)), world.buffer(to.plus(part)));
                let new = Held::Stored(write.place(part), sum);
                write.set_sum(part, sum);
                let old = self.set_held(object, page, new);
                self.release(old);
            }
            self.start(world, write);
            index += run.count;
            cursor = (object, page + u64::from(index));
        }
        // A removal that was given up meanwhile stays so.
        self.set_drain(at.area, drain.map(|drain| Drain { cursor, is_moving, ..drain }));
    }
}
