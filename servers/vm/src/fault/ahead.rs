//! Pages ahead of a task that goes upwards through memory: zeros, where it is fresh, and what is there already, where it is
//! not mapped.
//!
//! A page of zeros that continues a run of resident pages is followed by as many more as the run is long, up to 16: a
//! task that fills a large piece faults once for 17 pages, one that touches pages here and there gets just those, and
//! nobody holds more than twice what it touched. Nothing is filled ahead while memory is not plenty, so the last frames
//! go to who needs them.
//!
//! A page that was there, and continues a run of mapped pages, is followed likewise by as many more that are there: so a
//! task that was copied, and lost its mappings with that, gets them back, and one that reads what was paged out faults once for
//! the pages that come in together. While memory is not plenty only pages are mapped that are in use, so that page-out still
//! sees who uses what; and never those that somebody else has mapped: a second mapping costs another capability, and whoever
//! wants one shall have asked for it.

use super::plan::{By, Plan, plan};
use crate::object::Object;
use crate::page::queue::Queue;
use crate::pmap::Fill;
use crate::step::Env;
use crate::types::{MapId, ObjectId, PAGE_SIZE, PageId, Prot, SpaceId};
use crate::vm::Vm;

/// The shortest run of pages that is continued.
const LEAST_RUN: u64 = 4;
/// Pages that are filled ahead at a time.
const MOST: u64 = 16;
/// Frames that must be free before any is taken ahead.
const PLENTY: u64 = 1024;

/// Where pages may follow: an object with nothing below it, the offset of the page, and the end of the entry's part.
pub(super) struct Run {
    pub(super) object: ObjectId,
    pub(super) offset: u64,
    pub(super) end: u64,
    pub(super) len: u64,
}

impl Object {
    /// The length of the run of pages that ends in front of `offset`, in an entry's part that begins at `start`, if it is to be
    /// continued.
    #[inline]
    pub(super) fn run_before(&self, offset: u64, start: u64) -> Option<u64> {
        // Mostly there is none.
        let run = Some(self.pages.run_before(offset, MOST)).filter(|run| *run >= LEAST_RUN)?;
        let len = run.min(offset.checked_sub(start)? / PAGE_SIZE);
        (len >= LEAST_RUN).then_some(len)
    }
}

impl Vm {
    /// Fills and maps pages behind `page` at `address`, which was just filled with zeros and mapped with `prot`.
    pub(crate) fn fill_ahead<E: Env>(
        &mut self,
        env: &mut E,
        map: MapId,
        place: (SpaceId, u64),
        page: PageId,
        prot: Prot,
    ) {
        // While memory is short this is asked at each page, so the cheap question comes first.
        if !self.is_plenty(env) {
            return;
        }
        let Some(run) = self.run_to(map, place.1, page) else { return };
        let is_kept = self.maps.get(map).is_some_and(|map| map.is_kept);
        self.counters.zero_fills += self.fill_run(env, &run, place, prot, is_kept);
    }

    /// Whether there is memory for pages that nobody asked for yet.
    #[inline]
    pub(super) fn is_plenty<E: Env>(&self, env: &E) -> bool {
        env.free_frames() >= PLENTY.max(self.pageout.targets.high)
    }

    /// Fills and maps the pages that follow a run. Answers how many were filled.
    pub(super) fn fill_run<E: Env>(
        &mut self,
        env: &mut E,
        run: &Run,
        (space, address): (SpaceId, u64),
        prot: Prot,
        is_kept: bool,
    ) -> u64 {
        let pages = run.len.min((run.end - run.offset) / PAGE_SIZE - 1);
        for number in 1..=pages {
            let distance = number * PAGE_SIZE;
            let at = (run.object, run.offset + distance);
            let Some(object) = self.objects.get_mut(run.object) else { return number - 1 };
            // A page that cannot be had now is had when it is wanted.
            let zeros = || env.allocate_frame(Fill::Zero).ok();
            let Some((frame, _)) = object.add_page(&mut self.queues, &mut self.pages, at, zeros) else {
                return number - 1;
            };
            self.counters.resident += 1;
            if is_kept && let Some(page) = object.pages.get(&at.1).copied() {
                self.keep_page(page);
            }
            if env.enter(space, address + distance, frame, prot).is_err() {
                self.drop_page(env, at.0, at.1);
                return number;
            }
        }
        pages
    }

    /// Maps pages behind the one at `address`, which was there and is mapped now, for the same access.
    pub(crate) fn map_ahead<E: Env>(&mut self, env: &mut E, map: MapId, space: SpaceId, address: u64, access: Prot) {
        let run = env.mapped_before(space, address, MOST);
        if run < LEAST_RUN {
            return;
        }
        // What a driver or a server has is kept when it touches it, so it gets nothing that could go.
        let is_kept = self.maps.get(map).is_some_and(|map| map.is_kept);
        let is_plenty = !is_kept && self.is_plenty(env);
        for at in (1..=run).map(|page| address + page * PAGE_SIZE) {
            let Plan::Use { page, frame, prot, becomes_dirty: false } = plan(self, map, at, access, By::Task) else {
                return;
            };
            let (may_be_mapped, is_inactive) = match self.pages.get(page).map(|page| page.links.queue) {
                Some(Queue::Active(_)) => (true, false),
                Some(Queue::Inactive(_)) => (is_plenty, true),
                _ => (false, false),
            };
            // A page that cannot be mapped now is when it is wanted.
            if !may_be_mapped || !env.is_free_to_map(frame, space, at) || env.enter(space, at, frame, prot).is_err() {
                return;
            }
            if is_inactive {
                self.forget_unsolicited(env, page);
                self.activate(page);
            }
        }
    }

    /// The run of pages that ends in front of `page` at `address`, if it is to be continued.
    fn run_to(&self, map: MapId, address: u64, page: PageId) -> Option<Run> {
        let (id, offset) = self.pages.get(page).map(|page| (page.object, page.offset))?;
        let object = self.objects.get(id).filter(|object| object.is_plain())?;
        let (start, entry) = self.maps.get(map)?.entries.lookup(address)?;
        let backing = entry.backing.filter(|backing| backing.object == id && !entry.needs_copy)?;
        let len = object.run_before(offset, backing.offset)?;
        Some(Run { object: id, offset, end: backing.offset + (entry.end - start), len })
    }
}
