//! References to objects, and what happens when the last one goes.
//!
//! Freeing is never done on the spot: an object without references goes into the queue of things to be
//! tidied, and [`Vm::reap`] frees its pages a bounded number at a time.

use super::{Object, Shadow, Source};
use crate::association::{Retired, Settled};
use crate::step::{Budget, Env, Wake};
use crate::types::{ObjectId, PageId, Prot};
use crate::vm::Vm;
use crate::{Page, PageState, WaitOn};

impl Vm {
    /// Makes an anonymous object with one reference.
    pub(crate) fn new_object(&mut self, size: u64) -> ObjectId {
        self.objects.insert(Object::anonymous(size))
    }

    /// Whether an anonymous object has no other user than the one that asks.
    pub(crate) fn is_alone(&self, id: ObjectId) -> bool {
        self.objects.get(id).is_some_and(|object| object.refs == 1 && object.is_internal())
    }

    /// One more reference.
    pub(crate) fn retain(&mut self, id: ObjectId) {
        if let Some(object) = self.objects.get_mut(id) {
            object.refs += 1;
        }
    }

    /// One reference less. What this makes possible is left to [`Vm::reap`].
    pub(crate) fn release(&mut self, id: ObjectId) {
        let Some(object) = self.objects.get_mut(id) else {
            return;
        };
        object.refs -= 1;
        match (object.refs, object.child) {
            (0, _) => self.queue_object(id),
            (1, Some(child)) => self.queue_object(child),
            (1, None) => object.is_unique = object.is_internal(),
            _ => {}
        }
    }

    /// Puts `shadow` under an object, which takes over the caller's reference to it.
    pub(crate) fn link_shadow(&mut self, id: ObjectId, shadow: Shadow) {
        let Some(below) = self.objects.get_mut(shadow.object) else {
            return;
        };
        below.is_unique = false;
        let next = below.child.replace(id);
        if let Some(next) = next.and_then(|next| self.objects.get_mut(next)) {
            next.siblings.0 = Some(id);
        }
        if let Some(object) = self.objects.get_mut(id) {
            object.siblings = (None, next);
            object.shadow = Some(shadow);
        }
    }

    /// Takes an object off its shadow. The reference passes to the caller.
    pub(crate) fn unlink_shadow(&mut self, id: ObjectId) -> Option<Shadow> {
        let object = self.objects.get_mut(id)?;
        let shadow = object.shadow.take()?;
        let (previous, next) = core::mem::take(&mut object.siblings);
        if let Some(next) = next.and_then(|next| self.objects.get_mut(next)) {
            next.siblings.0 = previous;
        }
        match previous.and_then(|previous| self.objects.get_mut(previous)) {
            Some(previous) => previous.siblings.1 = next,
            None => {
                if let Some(below) = self.objects.get_mut(shadow.object) {
                    below.child = next;
                }
            }
        }
        if let Some(below) = self.objects.get_mut(shadow.object)
            && below.copy == Some(id)
        {
            below.copy = None;
        }
        Some(shadow)
    }

    /// Ends an object without references, if it is not kept. Returns whether nothing is left to do.
    pub(crate) fn end_object<E: Env>(&mut self, env: &mut E, id: ObjectId, budget: &mut Budget) -> bool {
        if let Some(assoc) = self.association_of(id) {
            match self.retire(env, assoc, id, budget) {
                Retired::Freed => {}
                Retired::Kept => return true,
                Retired::More => return false,
            }
        }
        self.free_object(env, id, budget)
    }

    /// Frees an object without references, page by page. Returns whether it is gone.
    fn free_object<E: Env>(&mut self, env: &mut E, id: ObjectId, budget: &mut Budget) -> bool {
        if !self.drop_pages(env, id, 0, u64::MAX, budget) {
            return false;
        }
        if let Some(assoc) = self.objects.get(id).and_then(|object| object.paging) {
            self.end_paging(env, assoc);
        }
        if let Some(shadow) = self.unlink_shadow(id) {
            self.release(shadow.object);
        }
        if let Some(object) = self.objects.remove(id)
            && object.is_named
        {
            env.name_dead(id);
        }
        true
    }

    /// Drops the pages of an object from `offset` on, up to `end`, wherever they are. Returns whether all are gone.
    pub(crate) fn drop_pages<E: Env>(
        &mut self,
        env: &mut E,
        id: ObjectId,
        offset: u64,
        end: u64,
        budget: &mut Budget,
    ) -> bool {
        loop {
            let Some(object) = self.objects.get(id) else {
                return true;
            };
            let Some((at, _)) = object.pages.first(offset, end) else {
                return self.forget_paged(id, offset, end, budget);
            };
            if !budget.take(1) {
                return false;
            }
            self.drop_page(env, id, at);
        }
    }

    /// Drops one page: its mappings, its frame, its record.
    pub(crate) fn drop_page<E: Env>(&mut self, env: &mut E, id: ObjectId, offset: u64) {
        let Some(object) = self.objects.get_mut(id) else {
            return;
        };
        let Some(page) = object.pages.remove(&offset) else {
            return;
        };
        self.forget_unsolicited(env, page);
        self.dequeue(page);
        self.forget_laundry(page);
        let Some(record) = self.pages.remove(page) else {
            return;
        };
        if record.wired > 0 {
            self.counters.wired -= 1;
        }
        if let Some(frame) = record.state.frame() {
            env.page_protect(frame, Prot::NONE);
            env.free_frame(frame);
            self.counters.resident -= 1;
        }
        if let Some(assoc) = self.pager_of(id) {
            self.wake(WaitOn::Page(page), Wake::Retry);
            if record.is_owed() {
                self.settle(env, assoc, offset, Settled::Gone);
            }
        }
    }

    /// Puts a resident page that came from nowhere else into an object, in place of what the manager said it lacks.
    pub(crate) fn insert_page(&mut self, id: ObjectId, offset: u64, state: PageState) -> PageId {
        let object = self.objects.get_mut(id);
        let source = object.as_ref().map_or(Source::Zero, |object| object.source);
        let page = self.queues.enter_active(&mut self.pages, Page::new(id, offset, state), source);
        self.counters.resident += 1;
        if let Some(old) = object.and_then(|object| object.pages.insert(offset, page)) {
            debug_assert!(
                self.pages.get(old).is_none_or(|old| old.state == PageState::Absent),
                "OBJ-5: only a page known to be absent is replaced"
            );
            self.pages.remove(old);
        }
        page
    }

    /// A page that was returned to the default pager goes another way.
    pub(crate) fn forget_laundry(&mut self, id: PageId) {
        if let Some(page) = self.pages.get_mut(id)
            && core::mem::take(&mut page.is_laundry)
        {
            self.pageout.laundry -= 1;
        }
    }
}
