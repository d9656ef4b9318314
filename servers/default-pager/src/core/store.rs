//! Returned pages: into slots, or back to where they came from.

use super::areas::Room;
use super::io::{Flight, Kind};
use super::{Core, MAX_RETURN, Return};
use crate::held::{Held, Place};
use crate::sum;
use crate::world::{Pages, World};

impl<D: Pages> Core<D> {
    /// Stores a part of the oldest pages that wait. Answers whether anything was done.
    pub(super) fn store_one(&mut self, world: &mut impl World<Data = D>) -> bool {
        let Some(waiting) = self.returns.pop_front() else { return false };
        let Return { object, page, old, .. } = waiting;
        let count = waiting.data.count();
        let Some(done) = (waiting.done..count).find(|index| !waiting.is_old(*index)) else { return true };
        if !self.objects.contains_key(&object) {
            return true;
        }
        // What is held of these pages is older than what came.
        for index in (done..count).filter(|index| !waiting.is_old(*index)) {
            let held = self.set_held(object, page + index, Held::Nothing);
            self.release(held);
        }
        match self.room() {
            Room::Later => {
                self.returns.push_front(waiting);
                false
            }
            Room::None => {
                self.is_full = true;
                // Whoever takes the pages back takes the space as full, whatever was told before.
                self.told = None;
                let refused = world.give_back(object, page, waiting.data, done, old);
                // Of anonymous memory nothing is refused but what nobody wants any more.
                if self.is_external(object) {
                    for index in (done..count).filter(|index| *index < MAX_RETURN && refused & 1 << index != 0) {
                        self.set_held(object, page + index, Held::Lost);
                    }
                }
                true
            }
            Room::Here(at) => {
                let left = (done..count).take_while(|index| !waiting.is_old(*index)).count() as u32;
                let run = self.area_mut(at.area).and_then(|area| area.slots.take(left.min(area.cluster)));
                let Some(run) = run else { return true };
                let mut flight = Flight::new(Kind::Write, at, run.first, (object, page + done), run.count);
                for index in 0..run.count {
                    let (from, to) = (waiting.data.words(done + u64::from(index)), world.buffer(at.plus(index)));
                    let page = page + done + u64::from(index);
                    let sum = sum::copy(object, page, from, to);
                    let place = Place { area: at.area, slot: run.first + index };
                    self.set_held(object, page, Held::Stored(place, sum));
                    flight.set_sum(index, sum);
                }
                self.start(world, flight);
                let done = done + u64::from(run.count);
                if done < count {
                    self.returns.push_front(Return { done, ..waiting });
                }
                true
            }
        }
    }
}
