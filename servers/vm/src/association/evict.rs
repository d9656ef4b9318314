//! Taking pages of managed objects when memory is short. Anonymous memory is not touched: it has nowhere to go.

use core::ops::Bound;

use super::returned::Keep;
use crate::page::Page;
use crate::step::{Env, STEP_PAGES};
use crate::types::{AssocId, ManagerId, PAGE_SIZE, PageId};
use crate::vm::Vm;

/// What an eviction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Frames that are free now.
    pub freed: usize,
    /// Pages that were returned: their frames are free when the manager has let them go.
    pub returned: usize,
}

/// Where the next eviction goes on: a clock over all managers and their pages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hand {
    manager: Option<ManagerId>,
    /// From where on in its object; nothing when the object is done.
    offset: Option<u64>,
}

impl Vm {
    /// Takes up to `wanted` pages of managed objects, after looking at no more than a step's worth: clean ones go
    /// silently, dirty and precious ones to their manager if it takes messages; wired ones, and those of objects that
    /// are terminating, stay.
    pub fn evict<E: Env>(&mut self, env: &mut E, wanted: usize) -> Evicted {
        let mut done = Evicted::default();
        for _ in 0..STEP_PAGES {
            if done.freed + done.returned >= wanted {
                break;
            }
            let Some((assoc, offset, page)) = self.next_victim() else { continue };
            let (freed, returned) = self.take_page(env, assoc, offset, page, wanted - done.freed - done.returned);
            done.freed += freed;
            done.returned += returned;
        }
        done
    }

    /// Takes a page, and what goes into the same message with it. Gives what was freed and what returned.
    pub(crate) fn take_page<E: Env>(
        &mut self,
        env: &mut E,
        assoc: AssocId,
        offset: u64,
        page: PageId,
        limit: usize,
    ) -> (usize, usize) {
        let Some(record) = self.pages.get(page) else { return (0, 0) };
        let Some(object) = self.object_of(assoc) else { return (0, 0) };
        if record.wired > 0 || record.state.frame().is_none() {
            return (0, 0);
        }
        if !record.must_be_returned() {
            self.drop_page(env, object, offset);
            return (1, 0);
        }
        if !env.has_room(assoc) {
            return (0, 0);
        }
        let is_wanted = |page: &Page| page.wired == 0 && page.must_be_returned();
        let Some(run) = self.find_run(object, offset, limit, is_wanted) else { return (0, 0) };
        let range = self.return_run(env, assoc, object, run, Keep::Move);
        if let Some(next) = &mut self.hand.offset {
            *next = (*next).max(range.end);
        }
        (0, (range.size() / PAGE_SIZE) as usize)
    }

    /// Moves the hand to the next page, or to the next manager: then there is no page.
    fn next_victim(&mut self) -> Option<(AssocId, u64, PageId)> {
        let Hand { manager, offset } = core::mem::take(&mut self.hand);
        let (manager, assoc, start) = match (manager, offset) {
            (Some(manager), Some(offset)) => (manager, *self.managers.get(&manager)?, offset),
            (from, _) => {
                let after = from.map_or(Bound::Unbounded, Bound::Excluded);
                let (manager, assoc) = self.managers.range((after, Bound::Unbounded)).next()?;
                (*manager, *assoc, 0)
            }
        };
        let record = self.associations.get(assoc)?;
        let object = self.objects.get(record.object).filter(|_| !record.is_terminating());
        let found = object.and_then(|object| object.pages.range(start..).next());
        let found = found.map(|(offset, page)| (assoc, offset, *page));
        self.hand = Hand { manager: Some(manager), offset: found.map(|(_, offset, _)| offset + PAGE_SIZE) };
        found
    }
}
