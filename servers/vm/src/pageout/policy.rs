//! The choice: which pages go when frames get few.
//!
//! Page-out runs as a chore, a step at a time, from when there are fewer free frames than the low target until there are
//! as many as the high one. It counts those that are on their way to be freed. A third of the pages is kept inactive, so
//! that a page has time to show that it is used before it goes.

use super::{CLUSTER, MAX_LAUNDRY, Targets};
use crate::association::Keep;
use crate::page::Page;
use crate::page::queue::{Kind, Queue};
use crate::step::{Env, STEP_PAGES};
use crate::types::{AssocId, PAGE_SIZE, PageId};
use crate::vm::Vm;

/// Pages of managers that stay while only such pages can go and nobody waits for a frame.
const WORKING_SET: u64 = 64;

/// What an eviction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Frames that are free now.
    pub freed: usize,
    /// Pages that were returned: their frames are free when the manager has let them go.
    pub returned: usize,
}

impl Evicted {
    const fn total(self) -> usize {
        self.freed + self.returned
    }
}

/// What became of a page that was chosen.
enum Taken {
    Pages(Evicted),
    /// It cannot go now, others may.
    Stays,
    /// Pages of its kind cannot go now.
    Blocked,
}

impl Vm {
    /// Has page-out begin below `low` free frames and end at `high`; with 0 for `high` as is standard.
    pub fn set_free_targets(&mut self, low: u64, high: u64) {
        self.pageout.targets = if high == 0 { self.pageout.standard } else { Targets { low, high } };
    }

    /// Whether there are fewer free frames than page-out keeps.
    pub fn is_short<E: Env>(&self, env: &E) -> bool {
        let Targets { low, high } = self.pageout.targets;
        self.pageout.is_awaited || env.free_frames() < if self.pageout.is_running { high } else { low }
    }

    /// Takes a step of page-out. Returns whether another one is worthwhile before something else happened.
    pub fn page_out<E: Env>(&mut self, env: &mut E) -> bool {
        self.pageout.is_running = self.is_short(env);
        if !self.pageout.is_running {
            return false;
        }
        let coming = env.free_frames() + u64::from(self.pageout.laundry);
        let mut wanted = self.pageout.targets.high.saturating_sub(coming);
        if self.pageout.is_awaited {
            wanted = wanted.max(CLUSTER.saturating_sub(u64::from(self.pageout.laundry)));
        }
        if wanted == 0 {
            return false;
        }
        // Who runs next would find each page that just came gone again, for ever, while memory stays short.
        if !self.pageout.is_awaited && !self.anonymous_goes() && self.managed() <= WORKING_SET {
            return false;
        }
        let pages = self.queues.active() + self.queues.inactive();
        let is_full = self.pageout.is_full;
        // A round looks at each page twice: when it becomes inactive, and when it may go.
        let round = 2 * pages / STEP_PAGES as u64;
        let rests = is_full && self.pageout.idle_steps > round;
        if rests && self.pageout.credit < if self.pageout.is_awaited { 1 } else { CLUSTER } {
            // What is left is dirty and has no slot, and looking at it again and again would keep everybody else waiting.
            return false;
        }
        let done = self.evict(env, wanted.min(STEP_PAGES as u64) as usize);
        if done.total() > 0 && !is_full {
            self.pageout.idle_steps = 0;
            return true;
        }
        // A round over all pages without taking one, and that is that. One round alone while the default pager has no space.
        self.pageout.idle_steps += 1;
        if rests {
            // There was a slot for something: no more than that is looked for.
            return done.total() > 0;
        }
        is_full || self.pageout.idle_steps <= 2 * round
    }

    /// Takes up to about `wanted` pages, after looking at no more than a step's worth. Those of which somebody has a copy
    /// go silently, others to their manager or the default pager, if that takes messages.
    pub fn evict<E: Env>(&mut self, env: &mut E, wanted: usize) -> Evicted {
        let mut done = Evicted::default();
        let mut is_blocked = false;
        let mut left = STEP_PAGES;
        while left > 0 && done.total() < wanted {
            left -= 1;
            let Some(kind) = self.next_kind(is_blocked) else { break };
            let (active, inactive) = (Queue::Active(kind), Queue::Inactive(kind));
            let is_few = 2 * self.queues.len(inactive) < self.queues.len(active);
            if let Some(page) = self.queues.first(active).filter(|_| is_few) {
                self.deactivate(env, page);
                continue;
            }
            let Some(page) = self.queues.first(inactive) else { break };
            match self.take(env, page, wanted - done.total()) {
                Taken::Pages(pages) => {
                    done.freed += pages.freed;
                    done.returned += pages.returned;
                    left = left.saturating_sub(pages.total() - 1);
                }
                Taken::Stays => self.activate(page),
                Taken::Blocked => is_blocked = true,
            }
        }
        done
    }

    fn len(&self, kind: Kind) -> u64 {
        self.queues.len(Queue::Active(kind)) + self.queues.len(Queue::Inactive(kind))
    }

    /// Pages of memory managers.
    fn managed(&self) -> u64 {
        self.len(Kind::Managed)
    }

    /// Whether there is somebody to whom anonymous memory can go.
    fn anonymous_goes(&self) -> bool {
        self.pageout.has_pager || self.pageout.paged_objects > 0
    }

    /// The kind that the next page is taken from: each in proportion to its pages.
    fn next_kind(&mut self, is_blocked: bool) -> Option<Kind> {
        let is_open = !is_blocked && self.anonymous_goes();
        let (managed, anonymous) = (self.managed(), if is_open { self.len(Kind::Anonymous) } else { 0 });
        if managed == 0 || anonymous == 0 {
            let kind = if managed > 0 { Kind::Managed } else { Kind::Anonymous };
            return (managed + anonymous > 0).then_some(kind);
        }
        self.pageout.turn += managed;
        if self.pageout.turn < managed + anonymous {
            return Some(Kind::Anonymous);
        }
        self.pageout.turn = (self.pageout.turn - managed - anonymous).min(managed);
        Some(Kind::Managed)
    }

    /// Takes an inactive page, and what goes into the same message with it.
    fn take<E: Env>(&mut self, env: &mut E, id: PageId, limit: usize) -> Taken {
        let Some(page) = self.pages.get(id) else { return Taken::Stays };
        let offset = page.offset;
        let evicted = match self.association_of(page.object) {
            Some(assoc) => {
                let is_ending = self.associations.get(assoc).is_none_or(|record| record.is_terminating());
                let (freed, returned) = if is_ending { (0, 0) } else { self.take_page(env, assoc, offset, id, limit) };
                Evicted { freed, returned }
            }
            None if self.drop_copied(env, id) => Evicted { freed: 1, returned: 0 },
            None if self.pageout.laundry >= MAX_LAUNDRY => return Taken::Blocked,
            None => {
                let returned = self.return_cluster(env, id);
                self.counters.pageouts += returned as u64;
                Evicted { freed: 0, returned }
            }
        };
        if evicted.total() > 0 { Taken::Pages(evicted) } else { Taken::Stays }
    }

    /// Takes a manager's page, and what goes into the same message with it. Gives what was freed and what returned.
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
        let returned = (range.size() / PAGE_SIZE) as usize;
        self.counters.pageouts += returned as u64;
        (0, returned)
    }
}
