//! Anonymous memory and the default pager: an association is made when an object is paged out for the first time, and
//! ends with the object. It has no manager's port of its own before, is ready from the start, and nothing is returned at
//! its end.

use alloc::vec::Vec;

use mach_protocol::KernReturn;

use super::CLUSTER;
use crate::association::{Association, Keep, Run};
use crate::fault::plan::walk;
use crate::object::Source;
use crate::page::queue::Queue;
use crate::page::{Page, PageState};
use crate::range::Range;
use crate::step::{Budget, Env, WaitOn, Wake};
use crate::types::{AssocId, MapId, ObjectId, PAGE_SIZE, PageId, Prot};
use crate::vm::Vm;

impl Vm {
    /// Whether there is somebody who keeps the pages of anonymous memory. Only objects that had nobody so far get it.
    pub fn set_default_pager(&mut self, is_there: bool) {
        self.pageout.has_pager = is_there;
        self.set_paging_full(false);
    }

    /// Whether the default pager has no space. While it has none, only pages for which it has a slot are taken.
    pub fn set_paging_full(&mut self, is_full: bool) {
        if is_full && !self.pageout.is_full {
            self.pageout.credit = 0;
        }
        self.pageout.is_full = is_full;
        self.pageout.idle_steps = 0;
    }

    /// The default pager has given a page back for which it had no slot.
    pub(crate) fn page_given_back(&mut self) {
        (self.pageout.is_full, self.pageout.credit) = (true, 0);
    }

    /// A page came in for good: the default pager has set its slot free.
    pub(crate) fn slot_came_free(&mut self) {
        self.pageout.credit += u64::from(self.pageout.is_full);
    }

    /// Somebody wants a page back and there is no frame for it: page-out that rests looks once more for pages that have
    /// come in since.
    pub(crate) fn rouse_page_out(&mut self) {
        self.pageout.idle_steps = 0;
    }

    /// Whether there may be more pages than there are frames and slots now.
    #[must_use]
    pub fn can_grow(&self) -> bool {
        self.pageout.has_pager && !self.pageout.is_full
    }

    /// Whether somebody waits for a frame: then page-out frees some, however many are free.
    pub fn set_frames_awaited(&mut self, is_awaited: bool) {
        self.pageout.is_awaited = is_awaited;
    }

    /// What this map has, and what its task touches from now on, stays resident: others' pages are brought in and out by
    /// it. Goes over all its pages, once for each such task.
    pub fn keep_resident(&mut self, id: MapId) {
        let Some(map) = self.maps.get_mut(id) else { return };
        map.is_kept = true;
        let parts =
            map.entries.overlapping(map.bounds).filter_map(|(start, entry)| Some((entry.backing?, entry.end - start)));
        let parts: Vec<_> = parts.collect();
        for (backing, size) in parts {
            let (mut offset, end) = (backing.offset, backing.offset + size);
            while let Some(at) = self.next_page_in_chain(backing.object, offset, end) {
                let page = walk(self, backing.object, at, Prot::NONE).ok().map(|found| found.id);
                page.into_iter().for_each(|page| self.keep_page(page));
                offset = at + PAGE_SIZE;
            }
        }
    }

    /// Who is asked for pages of an object that are not here, if he is still there.
    pub(crate) fn pager_of(&self, object: ObjectId) -> Option<AssocId> {
        let object = self.objects.get(object)?;
        match object.source {
            Source::Manager(assoc) => Some(assoc),
            Source::Zero | Source::Gone(_) => object.paging.filter(|assoc| self.associations.get(*assoc).is_some()),
        }
    }

    /// Whether an association is one with the default pager.
    pub(crate) fn is_paging(&self, assoc: AssocId) -> bool {
        self.associations.get(assoc).is_some_and(|record| record.manager.is_none())
    }

    /// The association by which an object without a manager is paged out; it is made if there was never one.
    fn paging<E: Env>(&mut self, env: &mut E, id: ObjectId) -> Option<AssocId> {
        let object = self.objects.get(id)?;
        if let Some(assoc) = object.paging {
            return self.associations.get(assoc).map(|_| assoc);
        }
        let size = object.size;
        if !self.pageout.has_pager {
            return None;
        }
        let assoc = self.associations.insert(Association::of_anonymous(id));
        if env.create(assoc, size).is_err() {
            self.associations.remove(assoc);
            return None;
        }
        self.pageout.paged_objects += 1;
        self.objects.get_mut(id)?.paging = Some(assoc);
        Some(assoc)
    }

    /// The object that was paged out is gone: the default pager forgets what it has of it.
    pub(crate) fn end_paging<E: Env>(&mut self, env: &mut E, assoc: AssocId) {
        let Some(record) = self.associations.remove(assoc) else { return };
        self.pageout.paged_objects -= 1;
        if record.is_waited_for {
            env.waiting(assoc, false);
        }
        env.terminate(assoc);
        self.wake(WaitOn::Manager(assoc), Wake::Retry);
        self.wake(WaitOn::Room(assoc), Wake::Retry);
    }

    /// A default pager is dead, or its port for one object. What it had is lost; what is resident is not.
    pub(crate) fn paging_died<E: Env>(&mut self, env: &mut E, assoc: AssocId) {
        let failed = Wake::Failed(KernReturn::MEMORY_ERROR);
        self.give_up(env, assoc, failed);
        let Some(record) = self.associations.remove(assoc) else { return };
        self.pageout.paged_objects -= 1;
        if record.is_waited_for {
            env.waiting(assoc, false);
        }
        self.wake(WaitOn::Manager(assoc), failed);
        self.wake(WaitOn::Room(assoc), failed);
    }

    /// Whether the default pager has the same contents as this page.
    fn has_copy(&self, page: &Page) -> bool {
        let is_clean = matches!(page.state, PageState::Clean { .. });
        let object = self.objects.get(page.object).filter(|object| is_clean && object.is_internal());
        object.and_then(|object| object.paging).is_some_and(|assoc| self.associations.get(assoc).is_some())
    }

    /// Frees a page without a manager of which the default pager has a copy. False: it has none.
    pub(super) fn drop_copied<E: Env>(&mut self, env: &mut E, id: PageId) -> bool {
        let Some(page) = self.pages.get(id) else { return false };
        let (object, offset) = (page.object, page.offset);
        if !self.has_copy(page) {
            return false;
        }
        self.drop_page(env, object, offset);
        self.set_paged(object, offset);
        true
    }

    /// Returns a page without a manager to the default pager, with inactive neighbours. Gives how many went.
    pub(super) fn return_cluster<E: Env>(&mut self, env: &mut E, id: PageId) -> usize {
        let Some(page) = self.pages.get(id) else { return 0 };
        let (object, offset) = (page.object, page.offset);
        let mut slots = if self.pageout.is_full { self.pageout.credit } else { u64::MAX };
        if !takes_slot(page, &mut slots) || env.prepare_step().is_err() {
            return 0;
        }
        let Some(assoc) = self.paging(env, object).filter(|assoc| env.has_room(*assoc)) else { return 0 };
        let range = self.cluster(object, offset, &mut slots);
        if self.pageout.is_full {
            self.pageout.credit = slots;
        }
        let run = Run { range, is_dirty: true };
        (self.return_run(env, assoc, object, run, Keep::Move).size() / PAGE_SIZE) as usize
    }

    /// The pages around an inactive one that go with it, as long as there are slots for them.
    fn cluster(&self, object: ObjectId, offset: u64, slots: &mut u64) -> Range {
        let mut goes = |offset: u64| {
            let page = self.objects.get(object).and_then(|object| object.pages.get(&offset));
            page.and_then(|page| self.pages.get(*page)).is_some_and(|page| {
                let is_inactive = matches!(page.links.queue, Queue::Inactive(_)) && page.can_be_queued();
                is_inactive && !self.has_copy(page) && takes_slot(page, slots)
            })
        };
        let before = |page: &u64| offset.checked_sub(page * PAGE_SIZE).is_some_and(&mut goes);
        let start = offset - (1..CLUSTER).take_while(before).count() as u64 * PAGE_SIZE;
        let mut end = offset + PAGE_SIZE;
        while end - start < CLUSTER * PAGE_SIZE && goes(end) {
            end += PAGE_SIZE;
        }
        Range { start, end }
    }

    /// The contents of a page are with the default pager from now on, and nowhere else.
    pub(crate) fn set_paged(&mut self, object: ObjectId, offset: u64) {
        if let Some(object) = self.objects.get_mut(object) {
            object.paged.insert(offset);
        }
    }

    /// Forgets what was paged out of a part of an object. Returns whether nothing is left.
    pub(crate) fn forget_paged(&mut self, id: ObjectId, offset: u64, end: u64, budget: &mut Budget) -> bool {
        while let Some(object) = self.objects.get_mut(id)
            && object.paged.first(offset, end).is_some()
        {
            if !budget.take(1) {
                return false;
            }
            object.paged.remove_some(offset, end);
        }
        true
    }
}

/// Whether there is a slot for a page that goes: its own, or one of `slots`, which is one less then.
fn takes_slot(page: &Page, slots: &mut u64) -> bool {
    let is_there = page.has_slot || *slots > 0;
    if is_there && !page.has_slot {
        *slots -= 1;
    }
    is_there
}
