//! Requests: pages from where they are.

use super::areas::For;
use super::io::{Flight, Kind};
use super::{Ask, Core};
use crate::held::{CLUSTER, Held, Place};
use crate::world::{At, Keep, Pages, World};

impl<D: Pages> Core<D> {
    /// Answers a part of the oldest request, or has it read. Answers whether anything was done.
    pub(super) fn answer_one(&mut self, world: &mut impl World<Data = D>) -> bool {
        let Some(ask) = self.asks.pop_front() else { return false };
        let answered = self.answer_start(world, ask);
        let left = Ask { page: ask.page + answered, count: ask.count - answered, ..ask };
        if left.count > 0 {
            self.asks.push_front(left);
        }
        answered > 0
    }

    /// Answers the first pages of a request, alike in where they are. Answers how many; 0 if they must wait.
    fn answer_start(&mut self, world: &mut impl World<Data = D>, ask: Ask) -> u64 {
        let Ask { object, page, count } = ask;
        let Some(known) = self.objects.get(&object) else { return count };
        if known.limit.is_some_and(|limit| page >= limit) {
            world.error(object, page, count);
            return count;
        }
        // The newest is the last that came.
        let waiting = self.returns.iter().rev().find_map(|waiting| Some((waiting, waiting.index_of(object, page)?)));
        if let Some((waiting, index)) = waiting {
            // A later page may have come once more since: one at a time, so that each is the newest. If it cannot be stored in
            // the end, the Mach server has it already: of anonymous memory it knows that it must keep it.
            let keep = if known.limit.is_some() { Keep::Precious } else { Keep::Copy };
            world.supply_returned(object, page, (&waiting.data, index), keep);
            self.counts.pages_in += 1;
            return 1;
        }
        let is_external = known.limit.is_some();
        match known.pages.get(page) {
            Held::Lost => {
                world.error(object, page, 1);
                1
            }
            Held::Nothing => {
                // An anonymous page that is asked for and not here was given back: that was the answer.
                if is_external {
                    world.unavailable(object, page, 1);
                }
                self.counts.pages_unavailable += 1;
                1
            }
            Held::Stored(place, _) => match self.written(place) {
                Some(at) => {
                    world.supply(object, page, at, 1);
                    self.counts.pages_in += 1;
                    1
                }
                None => self.read(world, ask, place),
            },
        }
    }

    /// The buffer from which a slot is being written.
    fn written(&self, place: Place) -> Option<At> {
        let writes = self.flights.values().filter(|flight| flight.kind == Kind::Write);
        let mut found = writes.filter_map(|flight| Some(flight.at.plus(flight.index_of(place)?)));
        found.next()
    }

    /// Has the first pages of a request read that are in a row of slots. Answers how many.
    fn read(&mut self, world: &mut impl World<Data = D>, ask: Ask, first: Place) -> u64 {
        let Ask { object, page, count } = ask;
        let Some(buffer) = self.area(first.area).and_then(|area| area.free_buffer(For::Reading)) else { return 0 };
        let at = At { area: first.area, buffer, page: 0 };
        let mut flight = Flight::new(Kind::Read, at, first.slot, (object, page), 0);
        for index in 0..count.min(CLUSTER) as u32 {
            let page = page + u64::from(index);
            let place = Place { area: first.area, slot: first.slot + index };
            let is_newer = || self.returns.iter().any(|waiting| waiting.index_of(object, page).is_some());
            match self.held(object, page) {
                Held::Stored(is, sum) if is == place && (index == 0 || !is_newer() && self.written(is).is_none()) => {
                    flight.set_sum(index, sum);
                    flight.count += 1;
                }
                _ => break,
            }
        }
        let count = u64::from(flight.count);
        self.start(world, flight);
        count
    }
}
