//! Returned pages: into slots, or back to where they came from.

use super::areas::Room;
use super::io::{Flight, Kind};
use super::{Core, MAX_RETURN, Return};
use crate::held::{CLUSTER, Held, Place};
use crate::sum;
use crate::world::{Pages, World};

/// A cluster of which nothing is held.
const NOTHING: [Held; CLUSTER as usize] = [Held::Nothing; CLUSTER as usize];

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
        let mut from = done;
        while from < count {
            let is_new = |index: &u64| !waiting.is_old(*index);
            let run = (from..count.min(from + CLUSTER)).take_while(is_new).count();
            self.set_run(object, page + from, NOTHING.get(..run).unwrap_or_default());
            from += (run as u64).max(1);
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
                let mut stored = NOTHING;
                for (index, held) in (0..run.count).zip(&mut stored) {
                    let (from, to) = (waiting.data.words(done + u64::from(index)), world.buffer(at.plus(index)));
                    let page = page + done + u64::from(index);
                    let sum = sum::copy(object, page, from, to);
                    let place = Place { area: at.area, slot: run.first + index };
                    *held = Held::Stored(place, sum);
                    flight.set_sum(index, sum);
                }
                self.set_run(object, page + done, stored.get(..run.count as usize).unwrap_or_default());
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
