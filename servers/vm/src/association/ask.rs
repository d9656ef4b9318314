//! What is asked of a manager, and what it owes an answer for.

use super::{MAX_OWED, State};
use crate::fault::resume::Access;
use crate::page::{Page, PageState};
use crate::range::Range;
use crate::step::{Env, FrameFor, WaitOn, Wake};
use crate::types::{AssocId, ObjectId, PAGE_SIZE, PageId, Prot};
use crate::vm::Vm;

/// Why a manager owes no answer for a page any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It gave one.
    Answered,
    /// It asked to be asked again: the lock was set anew, and still forbids what somebody wants. That is no answer, and
    /// its time goes on.
    AsksAgain,
    /// The page went.
    Gone,
}

impl Vm {
    /// Waits, unless the wait that has just ended failed: then that is the answer.
    pub(crate) fn wait<E: Env>(&mut self, env: &mut E, what: WaitOn) -> Access {
        if let Some(error) = self.failure.take() {
            return Access::Fail(error);
        }
        match what {
            WaitOn::Manager(assoc) => self.await_ready(env, assoc),
            WaitOn::Room(assoc) => self.await_room(env, assoc),
            WaitOn::Map(_) | WaitOn::Page(_) | WaitOn::Frames(_) => {}
        }
        Access::Wait(what)
    }

    /// Somebody waits for the manager to take a message.
    pub(crate) fn await_room<E: Env>(&mut self, env: &mut E, assoc: AssocId) {
        if let Some(record) = self.associations.get_mut(assoc) {
            record.awaits_room = true;
        }
        self.note_waiting(env, assoc);
    }

    fn await_ready<E: Env>(&mut self, env: &mut E, assoc: AssocId) {
        if let Some(record) = self.associations.get_mut(assoc) {
            record.awaits_ready |= record.state == State::Init;
        }
        self.note_waiting(env, assoc);
    }

    /// Whether one page more may be asked for.
    fn may_ask<E: Env>(&mut self, env: &mut E, assoc: AssocId, offset: u64) -> Result<(), Access> {
        let Some(record) = self.associations.get(assoc) else { return Ok(()) };
        if record.owed.len() >= MAX_OWED && !record.owed.contains(offset) {
            return Err(self.wait(env, WaitOn::Manager(assoc)));
        }
        if !env.has_room(assoc) {
            return Err(self.wait(env, WaitOn::Room(assoc)));
        }
        if let Some(error) = self.failure.take() {
            return Err(Access::Fail(error));
        }
        Ok(())
    }

    /// Whether a page more of an object may be asked for without waiting, by who does not need it yet.
    pub(crate) fn can_ask<E: Env>(&self, env: &E, id: ObjectId) -> bool {
        let managed = self.association_of(id);
        let Some(assoc) = managed.or_else(|| self.pager_of(id)) else { return false };
        // What comes back from the default pager has a frame promised to it.
        let has_frame = managed.is_some() || env.free_frames() > self.pageout.targets.low;
        let owed = self.associations.get(assoc).map_or(MAX_OWED, |record| record.owed.len());
        has_frame && owed < MAX_OWED && env.has_room(assoc)
    }

    /// Asks for a page that was paged out, and for those behind it that a task will want next. A frame is kept for each.
    fn request_paged<E: Env>(
        &mut self,
        env: &mut E,
        id: ObjectId,
        offset: u64,
        access: Prot,
    ) -> Result<Option<PageId>, Access> {
        let Some(assoc) = self.pager_of(id) else { return Ok(None) };
        self.may_ask(env, assoc, offset)?;
        // While there is space who has memory already waits in one line with who wants more.
        let may_use_floor = !self.can_grow();
        if env.promise_frame(may_use_floor).is_err() {
            self.rouse_page_out();
            return Err(self.shortage_of(env, FrameFor::PageIn));
        }
        let Some(object) = self.objects.get_mut(id) else { return Ok(None) };
        let owed = self.associations.get(assoc).map_or(0, |record| record.owed.len());
        let most = object.pages_ahead(offset).min(MAX_OWED.saturating_sub(owed) as u64);
        let is_plenty = |env: &E| env.free_frames() > self.pageout.targets.low;
        let mut end = offset + PAGE_SIZE;
        while end < offset + most * PAGE_SIZE && is_plenty(env) && env.promise_frame(false).is_ok() {
            end += PAGE_SIZE;
        }
        env.data_request(assoc, offset, end - offset, access);
        self.counters.requests += 1;
        let mut first = None;
        for at in (offset..end).step_by(PAGE_SIZE as usize) {
            let page = self.pages.insert(Page::new(id, at, PageState::Requested { access }));
            first = first.or(Some(page));
            if let Some(object) = self.objects.get_mut(id) {
                object.paged.remove(at);
                object.pages.insert(at, page);
            }
            self.owe(env, assoc, at);
        }
        Ok(first)
    }

    /// Asks the manager for a page; a placeholder keeps others from asking again. Answers the placeholder, unless there is no
    /// manager any more.
    pub(crate) fn request<E: Env>(
        &mut self,
        env: &mut E,
        id: ObjectId,
        offset: u64,
        access: Prot,
    ) -> Result<Option<PageId>, Access> {
        let Some(assoc) = self.association_of(id) else { return self.request_paged(env, id, offset, access) };
        self.may_ask(env, assoc, offset)?;
        let page = self.pages.insert(Page::new(id, offset, PageState::Requested { access }));
        if let Some(object) = self.objects.get_mut(id) {
            object.pages.insert(offset, page);
        }
        env.data_request(assoc, offset, PAGE_SIZE, access);
        self.counters.requests += 1;
        self.owe(env, assoc, offset);
        Ok(Some(page))
    }

    /// Asks the manager to allow an access that it forbids.
    pub(crate) fn request_unlock<E: Env>(&mut self, env: &mut E, id: PageId, access: Prot) -> Result<(), Access> {
        let Some(page) = self.pages.get(id) else { return Ok(()) };
        let (object, offset) = (page.object, page.offset);
        let Some(assoc) = self.association_of(object) else { return Ok(()) };
        self.may_ask(env, assoc, offset)?;
        if let Some(page) = self.pages.get_mut(id) {
            page.unlock_requested = access;
        }
        env.data_unlock(assoc, offset, PAGE_SIZE, access);
        self.owe(env, assoc, offset);
        Ok(())
    }

    fn owe<E: Env>(&mut self, env: &mut E, assoc: AssocId, offset: u64) {
        if let Some(record) = self.associations.get_mut(assoc) {
            record.owed.insert(offset);
        }
        self.note_waiting(env, assoc);
    }

    /// The manager owes nothing for a page any more, for this reason.
    pub(crate) fn settle<E: Env>(&mut self, env: &mut E, assoc: AssocId, offset: u64, why: Settled) {
        let Some(record) = self.associations.get_mut(assoc) else { return };
        let was_full = record.owed.len() >= MAX_OWED;
        if !record.owed.remove(offset) {
            return;
        }
        record.lingers |= why == Settled::AsksAgain;
        if record.manager.is_none() {
            env.redeem_frame();
        }
        if was_full {
            self.wake(WaitOn::Manager(assoc), Wake::Retry);
        }
        match why {
            Settled::Answered => self.note_progress(env, assoc),
            Settled::AsksAgain | Settled::Gone => self.note_waiting(env, assoc),
        }
    }

    /// A page changed that nobody was waiting for as such. Who waits for the manager in general may have wanted it.
    pub(crate) fn wake_others(&mut self, assoc: AssocId) {
        let Some(record) = self.associations.get(assoc) else { return };
        let awaits_manager = (record.awaits_ready && record.state == State::Init) || record.owed.len() >= MAX_OWED;
        if record.awaits_room {
            self.wake(WaitOn::Room(assoc), Wake::Retry);
        }
        if awaits_manager {
            self.wake(WaitOn::Manager(assoc), Wake::Retry);
        }
    }

    /// A part of an object left a map. Who waited there for the manager that is behind the object looks again, and finds
    /// that there is nothing any more; others go on waiting.
    pub(crate) fn wake_part(&mut self, id: ObjectId, part: Range) {
        let (mut id, mut part) = (id, part);
        while let Some(shadow) = self.objects.get(id).and_then(|object| object.shadow) {
            id = shadow.object;
            part = Range { start: part.start.wrapping_add(shadow.offset), end: part.end.wrapping_add(shadow.offset) };
        }
        let Some(assoc) = self.association_of(id) else { return };
        // Nothing is waited for but pages that are owed, of which there are not many, and the manager in general.
        let next_owed = |vm: &Vm, from: u64| vm.associations.get(assoc)?.owed.first(from, part.end);
        let mut from = part.start;
        while let Some(offset) = next_owed(self, from) {
            if let Some(page) = self.objects.get(id).and_then(|object| object.pages.get(&offset)).copied() {
                self.wake(WaitOn::Page(page), Wake::Retry);
            }
            from = offset + PAGE_SIZE;
        }
        self.wake_others(assoc);
    }

    /// Tells the pager when somebody begins to wait for a manager, or nobody does any more.
    pub(crate) fn note_waiting<E: Env>(&mut self, env: &mut E, assoc: AssocId) {
        let Some(record) = self.associations.get_mut(assoc) else { return };
        let is_waited_for = !record.owed.is_empty()
            || record.lingers
            || record.owes_synchronize()
            || record.awaits_room
            || (record.awaits_ready && record.state == State::Init);
        if record.is_waited_for != is_waited_for {
            record.is_waited_for = is_waited_for;
            env.waiting(assoc, is_waited_for);
        }
    }

    /// One of those who wait for a manager waits no more: if there are others, the pager is told that they do so from now
    /// on. So a manager has not been silent only if it gave an answer that somebody waited for.
    pub(crate) fn note_progress<E: Env>(&mut self, env: &mut E, assoc: AssocId) {
        if let Some(record) = self.associations.get_mut(assoc) {
            record.lingers = false;
        }
        self.note_waiting(env, assoc);
        if self.associations.get(assoc).is_some_and(|record| record.is_waited_for) {
            env.waiting(assoc, true);
        }
    }

    /// A page that came unasked is used, or goes.
    pub(crate) fn forget_unsolicited<E: Env>(&mut self, env: &mut E, id: PageId) {
        let Some(page) = self.pages.get_mut(id) else { return };
        if !core::mem::take(&mut page.is_unsolicited) {
            return;
        }
        let object = page.object;
        if let Some(assoc) = self.association_of(object)
            && let Some(record) = self.associations.get_mut(assoc)
        {
            record.unsolicited -= 1;
            env.used_unasked(assoc);
        }
    }
}
