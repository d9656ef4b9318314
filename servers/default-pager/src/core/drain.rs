//! Removing an area: its pages move to the others, a cluster at a time, while everything goes on.
//!
//! | state | event | then |
//! |---|---|---|
//! | in use | [`Core::remove_area`], and the others have room | being emptied: nothing new is written to it |
//! | being emptied | nothing is held and no transfer is under way | gone |
//! | being emptied | the others are full | in use again |

use super::Core;
use super::areas::{For, Room};
use super::io::{Flight, Kind};
use crate::held::{CLUSTER, Held, Place};
use crate::sum;
use crate::world::{At, NoRoom, ObjectId, Pages, World};

/// How far the removal of an area has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Drain {
    /// The first page that may still be there.
    cursor: (ObjectId, u64),
    /// A cluster is being read.
    is_moving: bool,
}

impl<D: Pages> Core<D> {
    /// Begins to remove an area; [`World::drained`] tells of the end.
    ///
    /// # Errors
    ///
    /// [`NoRoom`]: there is no such area in use, or the others have less room than it holds.
    pub fn remove_area(&mut self, world: &mut impl World<Data = D>, index: usize) -> Result<(), NoRoom> {
        let held = self.area(index).filter(|area| area.drain.is_none()).map(|area| area.slots.held()).ok_or(NoRoom)?;
        let others = self.usable().filter(|(other, _)| *other != index).map(|(_, area)| u64::from(area.slots.free()));
        if others.sum::<u64>() < u64::from(held) {
            return Err(NoRoom);
        }
        if let Some(area) = self.area_mut(index) {
            area.drain = Some(Drain::default());
        }
        self.advance(world);
        Ok(())
    }

    /// Takes a step of a removal. Answers whether anything was done.
    pub(super) fn move_one(&mut self, world: &mut impl World<Data = D>) -> bool {
        let mut draining = (0..self.areas.len()).filter_map(|index| Some((index, self.area(index)?.drain?)));
        let Some((index, drain)) = draining.find(|(_, drain)| !drain.is_moving) else { return false };
        let is_used = self.flights.values().any(|flight| flight.at.area == index);
        let Some(area) = self.area(index) else { return false };
        if area.slots.held() == 0 && !is_used {
            if let Some(area) = self.areas.get_mut(index) {
                *area = None;
            }
            world.drained(index, Ok(()));
            return true;
        }
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
        self.set_drain(index, Drain { cursor: (object, page), is_moving: true });
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

    fn set_drain(&mut self, index: usize, drain: Drain) {
        if let Some(area) = self.area_mut(index)
            && area.drain.is_some()
        {
            area.drain = Some(drain);
        }
    }

    /// Pages were read that shall move.
    pub(super) fn move_done(&mut self, world: &mut impl World<Data = D>, flight: &Flight, is_well: bool) {
        let Flight { object, page, at, count, .. } = *flight;
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
                Room::None => {
                    if let Some(area) = self.area_mut(at.area) {
                        area.drain = None;
                    }
                    return world.drained(at.area, Err(NoRoom));
                }
            };
            let good =
                (index..count).take_while(|index| is_same(self, *index) && flight.is_right(world, *index)).count();
            let run = self.area_mut(to.area).and_then(|area| area.slots.take(good as u32));
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
        self.set_drain(at.area, Drain { cursor, is_moving });
    }
}
