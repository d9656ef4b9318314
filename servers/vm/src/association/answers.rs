//! The manager's short answers, its end, and its silence.
//!
//! All calls on an association that is over answer `INVALID_ARGUMENT`, but for destroy, which has nothing left to do.
//! On one that is terminating they are accepted, and have no effect.

use mach_protocol::{KernResult, KernReturn};

use super::{Association, CopyStrategy, Settled, State};
use crate::object::Source;
use crate::page::PageState;
use crate::range::{Range, is_aligned};
use crate::step::{Env, WaitOn, Wake};
use crate::types::{AssocId, ManagerId, ObjectId, PageId, Prot};
use crate::vm::Vm;

/// `MEMORY_OBJECT_COPY_TEMPORARY`
const COPY_TEMPORARY: u32 = 3;

/// What `memory_object_get_attributes` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The manager said that it is ready.
    pub is_ready: bool,
    /// The object is kept when nobody maps it.
    pub may_cache: bool,
    /// `MEMORY_OBJECT_COPY_*`
    pub copy_strategy: u32,
    /// Pages are thrown away at the end.
    pub is_temporary: bool,
}

/// The range of an answer.
///
/// # Errors
/// `InvalidArgument`: not of whole pages, or beyond the end of all objects.
pub(super) fn pages(offset: u64, size: u64) -> KernResult<Range> {
    match offset.checked_add(size) {
        Some(end) if is_aligned(offset | size) => Ok(Range { start: offset, end }),
        _ => Err(KernReturn::INVALID_ARGUMENT),
    }
}

impl Vm {
    fn answered(&mut self, assoc: AssocId) -> KernResult<&mut Association> {
        self.associations.get_mut(assoc).ok_or(KernReturn::INVALID_ARGUMENT)
    }

    /// `memory_object_ready` (2094), `_set_attributes` (2091) and `_change_attributes` (2095). The first call makes the
    /// object ready. A later change of the copy strategy is ignored: there may be copies already.
    ///
    /// Whether the association has to go because of the change; the completion of 2095 waits for its end.
    ///
    /// # Errors
    /// `InvalidArgument`: the association is over, or there is no such strategy.
    pub fn ready<E: Env>(
        &mut self,
        env: &mut E,
        assoc: AssocId,
        may_cache: bool,
        copy_strategy: u32,
    ) -> KernResult<bool> {
        let record = self.answered(assoc)?;
        let strategy = match copy_strategy {
            0 => Some(CopyStrategy::None),
            1 => Some(CopyStrategy::Call),
            2 => Some(CopyStrategy::Delay),
            COPY_TEMPORARY => None,
            _ => return Err(KernReturn::INVALID_ARGUMENT),
        };
        if record.is_terminating() {
            return Ok(false);
        }
        record.may_cache = may_cache;
        record.is_temporary |= strategy.is_none();
        if record.state == State::Init {
            record.state = State::Ready;
            record.strategy = strategy.unwrap_or(record.strategy);
            self.wake(WaitOn::Manager(assoc), Wake::Retry);
            self.note_waiting(env, assoc);
        }
        Ok(!may_cache && self.uncache(assoc))
    }

    /// `memory_object_get_attributes` (2040).
    ///
    /// # Errors
    /// `InvalidArgument`: the association is over.
    pub fn attributes(&self, assoc: AssocId) -> KernResult<Attributes> {
        let record = self.associations.get(assoc).ok_or(KernReturn::INVALID_ARGUMENT)?;
        Ok(Attributes {
            is_ready: record.is_ready(),
            may_cache: record.may_cache,
            copy_strategy: record.strategy as u32,
            is_temporary: record.is_temporary,
        })
    }

    /// `memory_object_data_unavailable` (2039): the requested ones of these pages are what is below the object, or zeros.
    ///
    /// # Errors
    /// `InvalidArgument`: the association is over, or the range is not of whole pages.
    ///
    /// The default pager is asked only for what it was given: for it this is [`Vm::data_error`].
    pub fn data_unavailable<E: Env>(&mut self, env: &mut E, assoc: AssocId, offset: u64, size: u64) -> KernResult<()> {
        if self.is_paging(assoc) {
            return self.data_error(env, assoc, offset, size);
        }
        self.answer(env, assoc, pages(offset, size)?, Some(PageState::Absent), Wake::Retry)
    }

    /// `memory_object_data_error` (2090): whoever waits for the requested ones of these pages gets `MemoryError`. The next
    /// access asks again.
    ///
    /// # Errors
    /// As for [`Vm::data_unavailable`].
    pub fn data_error<E: Env>(&mut self, env: &mut E, assoc: AssocId, offset: u64, size: u64) -> KernResult<()> {
        self.answer(env, assoc, pages(offset, size)?, None, Wake::Failed(KernReturn::MEMORY_ERROR))
    }

    /// Gives the requested pages of a range a state, or removes them.
    fn answer<E: Env>(
        &mut self,
        env: &mut E,
        assoc: AssocId,
        range: Range,
        state: Option<PageState>,
        wake: Wake,
    ) -> KernResult<()> {
        let record = self.answered(assoc)?;
        let object = record.object;
        let mut next = range.start;
        while let Some(record) = self.associations.get(assoc)
            && let Some(offset) = record.owed.first(next, range.end)
        {
            next = offset + 1;
            let page = self.objects.get(object).and_then(|object| object.pages.get(&offset).copied());
            let Some(id) = page else { continue };
            let Some(page) = self.pages.get_mut(id) else { continue };
            if !matches!(page.state, PageState::Requested { .. }) {
                continue;
            }
            match state {
                Some(state) => page.state = state,
                None => self.remove_request(assoc, object, offset, id),
            }
            self.wake(WaitOn::Page(id), wake);
            self.settle(env, assoc, offset, Settled::Answered);
        }
        Ok(())
    }

    /// Removes the placeholder of a page that did not come. One that was paged out is so as before.
    fn remove_request(&mut self, assoc: AssocId, object: ObjectId, offset: u64, id: PageId) {
        self.pages.remove(id);
        let is_paging = self.is_paging(assoc);
        if let Some(object) = self.objects.get_mut(object) {
            object.pages.remove(&offset);
            if is_paging {
                object.paged.insert(offset);
            }
        }
    }

    /// `memory_object_destroy` (2092): the association ends at once, nothing is returned, mappings keep what is resident.
    /// Everybody who waits gets `MemoryError`. A second one, or a late one, does nothing.
    pub fn destroy<E: Env>(&mut self, env: &mut E, assoc: AssocId) {
        // The default pager's are the server's to end.
        let is_there = |record: &Association| !record.is_terminating() && record.manager.is_some();
        if self.associations.get(assoc).is_some_and(is_there) {
            self.dissociate(env, assoc);
            env.terminate(assoc);
        }
    }

    /// The object port of an association is dead. Nothing more is sent to it.
    pub fn port_died<E: Env>(&mut self, env: &mut E, assoc: AssocId) {
        if self.is_paging(assoc) {
            self.paging_died(env, assoc);
        } else if self.associations.get(assoc).is_some() {
            self.dissociate(env, assoc);
        }
    }

    /// The object port is dead. Nothing more is sent to it; the association that is over now is returned.
    pub fn manager_died<E: Env>(&mut self, env: &mut E, manager: ManagerId) -> Option<AssocId> {
        let assoc = *self.managers.get(&manager)?;
        self.dissociate(env, assoc);
        Some(assoc)
    }

    /// Takes object and manager apart. What is resident stays.
    fn dissociate<E: Env>(&mut self, env: &mut E, assoc: AssocId) {
        let failed = Wake::Failed(KernReturn::MEMORY_ERROR);
        self.give_up(env, assoc, failed);
        let Some(record) = self.associations.remove(assoc) else { return };
        record.manager.map(|manager| self.managers.remove(&manager));
        if let State::Cached { since } = record.state {
            self.cached.remove(&since);
        }
        // Who waits for the end of a termination maps the port anew, and is told then that it is dead.
        let wake = if record.is_terminating() { Wake::Retry } else { failed };
        self.wake(WaitOn::Manager(assoc), wake);
        self.wake(WaitOn::Room(assoc), failed);
        if record.is_waited_for {
            env.waiting(assoc, false);
        }
        if let Some(object) = self.objects.get_mut(record.object) {
            object.source = Source::Gone(record.strategy);
            if object.refs == 0 {
                self.queue_object(record.object);
            }
        }
    }

    /// Forgets what the manager owes.
    pub(crate) fn give_up<E: Env>(&mut self, env: &mut E, assoc: AssocId, wake: Wake) {
        let Some(record) = self.associations.get_mut(assoc) else { return };
        let object = record.object;
        let is_paging = record.manager.is_none();
        for offset in core::mem::take(&mut record.owed).iter() {
            if is_paging {
                env.redeem_frame();
            }
            let page = self.objects.get(object).and_then(|object| object.pages.get(&offset).copied());
            if let Some(id) = page
                && let Some(page) = self.pages.get_mut(id)
            {
                page.unlock_requested = Prot::NONE;
                if let PageState::Requested { .. } = page.state {
                    self.remove_request(assoc, object, offset, id);
                }
                self.wake(WaitOn::Page(id), wake);
            }
        }
        self.note_waiting(env, assoc);
    }

    /// The manager let its time pass: everybody who waits for it now gets `MemoryError`, and a termination that waits for
    /// it to take its data discards the rest. The association lives on; a later access asks again.
    pub fn overdue<E: Env>(&mut self, env: &mut E, assoc: AssocId) {
        let failed = Wake::Failed(KernReturn::MEMORY_ERROR);
        self.give_up(env, assoc, failed);
        let Some(record) = self.associations.get_mut(assoc) else { return };
        record.awaits_ready = false;
        record.awaits_room = false;
        record.lingers = false;
        record.syncs.clear();
        let object = record.object;
        if let State::Terminating { discards } = &mut record.state {
            *discards = true;
            self.queue_object(object);
        } else {
            self.wake(WaitOn::Manager(assoc), failed);
        }
        self.wake(WaitOn::Room(assoc), failed);
        self.note_waiting(env, assoc);
    }

    /// The manager took a message: what waited for room goes on.
    pub fn room<E: Env>(&mut self, env: &mut E, assoc: AssocId) {
        let Some(record) = self.associations.get_mut(assoc) else { return };
        if !core::mem::take(&mut record.awaits_room) {
            return;
        }
        let object = record.object;
        if record.is_terminating() {
            self.queue_object(object);
        }
        self.wake(WaitOn::Room(assoc), Wake::Retry);
        // Taking messages is no answer to those that were to be answered.
        let is_owed = self
            .associations
            .get(assoc)
            .is_some_and(|record| !record.owed.is_empty() || record.lingers || record.owes_synchronize());
        if is_owed {
            self.note_waiting(env, assoc);
        } else {
            self.note_progress(env, assoc);
        }
    }
}
