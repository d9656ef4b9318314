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
use crate::page::queue::Queue;
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
struct Run {
    object: ObjectId,
    offset: u64,
    end: u64,
    len: u64,
}

impl Vm {
    /// Fills and maps pages behind `page` at `address`, which was just filled with zeros and mapped with `prot`.
    pub(crate) fn fill_ahead<E: Env>(
        &mut self,
        env: &mut E,
        map: MapId,
        (space, address): (SpaceId, u64),
        page: PageId,
        prot: Prot,
    ) {
        // While memory is short this is asked at each page, so the cheap question comes first.
        if env.free_frames() < PLENTY.max(self.pageout.targets.high) {
            return;
        }
        let Some(run) = self.run_before(map, address, page) else { return };
        let is_kept = self.maps.get(map).is_some_and(|map| map.is_kept);
        for distance in (1..=run.len).map(|page| page * PAGE_SIZE) {
            let offset = run.offset + distance;
            let is_fresh = self.objects.get(run.object).is_some_and(|object| !object.knows(offset));
            if offset >= run.end || !is_fresh {
                return;
            }
            // A page that cannot be had now is had when it is wanted.
            let Ok((page, frame)) = self.zero_fill(env, run.object, offset) else { return };
            if is_kept {
                self.keep_page(page);
            }
            if env.enter(space, address + distance, frame, prot).is_err() {
                return self.drop_page(env, run.object, offset);
            }
        }
    }

    /// Maps pages behind the one at `address`, which was there and is mapped now, for the same access.
    pub(crate) fn map_ahead<E: Env>(&mut self, env: &mut E, map: MapId, space: SpaceId, address: u64, access: Prot) {
        let run = env.mapped_before(space, address, MOST);
        if run < LEAST_RUN {
            return;
        }
        // What a driver or a server has is kept when it touches it, so it gets nothing that could go.
        let is_kept = self.maps.get(map).is_some_and(|map| map.is_kept);
        let is_plenty = !is_kept && env.free_frames() >= PLENTY.max(self.pageout.targets.high);
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
    fn run_before(&self, map: MapId, address: u64, page: PageId) -> Option<Run> {
        let (id, offset) = self.pages.get(page).map(|page| (page.object, page.offset))?;
        let object = self.objects.get(id)?;
        // Mostly there is none, and nothing else is looked at.
        let run = object.pages.run_before(offset, MOST);
        if run < LEAST_RUN || !object.is_internal() || object.shadow.is_some() || object.copy.is_some() {
            return None;
        }
        let (start, entry) = self.maps.get(map)?.entries.lookup(address)?;
        let backing = entry.backing.filter(|backing| backing.object == id && !entry.needs_copy)?;
        let len = run.min(offset.checked_sub(backing.offset)? / PAGE_SIZE);
        let end = backing.offset + (entry.end - start);
        (len >= LEAST_RUN).then_some(Run { object: id, offset, end, len })
    }
}
