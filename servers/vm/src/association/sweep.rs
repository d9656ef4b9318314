//! Going over the resident pages of an object: returning, flushing, locking them.

use super::Settled;
use super::returned::Keep;
use crate::fault::resume::Access;
use crate::page::{Page, PageState};
use crate::range::Range;
use crate::step::{Budget, Env, WaitOn, Wake};
use crate::types::{AssocId, ObjectId, PAGE_SIZE, PageId, Prot};
use crate::vm::Vm;

/// Which pages go back to the manager (`MEMORY_OBJECT_RETURN_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returns {
    None,
    Dirty,
    /// Dirty and precious ones.
    All,
    /// Precious ones only.
    Precious,
    /// Every resident one.
    Anything,
}

impl Returns {
    /// Whether a resident page goes back.
    fn wants(self, page: &Page) -> bool {
        let is_dirty = matches!(page.state, PageState::Dirty { .. });
        match self {
            Returns::None => false,
            Returns::Dirty => is_dirty,
            Returns::All => is_dirty || page.is_precious,
            Returns::Precious => page.is_precious,
            Returns::Anything => true,
        }
    }
}

/// Whether pages stay resident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    Yes,
    No,
}

/// How far a sweep came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swept {
    Done,
    Again,
    Wait(WaitOn),
}

/// What is done to the resident pages of a range, from the first to the last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    pub(crate) object: ObjectId,
    /// What is still to be done.
    pub(crate) range: Range,
    pub(crate) returns: Returns,
    pub(crate) flush: Flush,
    /// Accesses that are forbidden from now on, in place of those that were.
    pub(crate) lock: Option<Prot>,
}

impl Sweep {
    /// Goes on. Pages that are not resident are skipped, and nothing is remembered for them.
    pub(crate) fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E, budget: &mut Budget) -> Swept {
        loop {
            let Some(assoc) = vm.association_of(self.object) else { return Swept::Done };
            let Some(object) = vm.objects.get(self.object) else { return Swept::Done };
            let Some((offset, &id)) = object.pages.range(self.range.start..self.range.end).next() else {
                return Swept::Done;
            };
            if !budget.take(1) {
                return Swept::Again;
            }
            self.range.start = offset;
            let Some(page) = vm.pages.get(id) else { return Swept::Done };
            let Some(frame) = page.state.frame() else {
                self.range.start = offset + PAGE_SIZE;
                continue;
            };
            if self.is_blocked(page) {
                return Swept::Wait(WaitOn::Page(id));
            }
            if self.returns.wants(page) {
                if !env.has_room(assoc) {
                    vm.await_room(env, assoc);
                    return Swept::Wait(WaitOn::Room(assoc));
                }
                let done = match self.return_pages(vm, env, assoc, budget) {
                    Ok(done) => done,
                    Err(Access::Wait(what)) => return Swept::Wait(what),
                    Err(_) => return Swept::Again,
                };
                self.lock_range(vm, env, done);
                self.range.start = done.end;
                continue;
            }
            match self.flush {
                Flush::Yes => vm.drop_page(env, self.object, offset),
                Flush::No => {
                    if let Some(lock) = self.lock {
                        if !(lock - page.lock).is_empty() {
                            env.page_protect(frame, Prot::ALL - lock);
                        }
                        vm.set_lock(env, assoc, id, lock);
                    }
                }
            }
            self.range.start = offset + PAGE_SIZE;
        }
    }

    /// A wired page stays as it is until it is unwired.
    fn is_blocked(&self, page: &Page) -> bool {
        let loses = self.lock.is_some_and(|lock| !(lock - page.lock).is_empty());
        page.wired > 0 && (self.flush == Flush::Yes || loses)
    }

    /// Returns the pages from the start of the range on that go into one message. An error if memory for copies must be
    /// had first.
    fn return_pages<E: Env>(
        &self,
        vm: &mut Vm,
        env: &mut E,
        assoc: AssocId,
        budget: &mut Budget,
    ) -> Result<Range, Access> {
        let Range { start, end } = self.range;
        let left = usize::try_from((end - start).div_ceil(PAGE_SIZE)).unwrap_or(usize::MAX);
        let limit = left.min(budget.left() + 1);
        let run = vm.find_run(self.object, start, limit, |page| {
            page.state.frame().is_some() && self.returns.wants(page) && !self.is_blocked(page)
        });
        let Some(run) = run else { return Err(Access::Again) };
        let keep = if self.flush == Flush::Yes { Keep::Move } else { Keep::Copy };
        let done = vm.return_run(env, assoc, self.object, run, keep);
        if done.is_empty() {
            // Wired, and no memory for a copy.
            budget.take(budget.left());
            return Err(vm.shortage(env));
        }
        budget.take((done.size() / PAGE_SIZE) as usize - 1);
        Ok(done)
    }

    /// Sets the lock of what stayed of a range that was returned.
    fn lock_range<E: Env>(&self, vm: &mut Vm, env: &mut E, range: Range) {
        let (Some(lock), Some(assoc)) = (self.lock, vm.association_of(self.object)) else { return };
        let Some(object) = vm.objects.get(self.object) else { return };
        let mut next = object.pages.range(range.start..range.end).next();
        while let Some((offset, &id)) = next {
            if let Some(frame) = vm.pages.get(id).and_then(|page| page.state.frame()) {
                env.page_protect(frame, Prot::ALL - lock);
                vm.set_lock(env, assoc, id, lock);
            }
            next = vm.objects.get(self.object).and_then(|object| object.pages.range(offset + 1..range.end).next());
        }
    }
}

impl Vm {
    /// Replaces the lock of a page, whose mappings have lost what it forbids. Who waits for an unlock tries again.
    fn set_lock<E: Env>(&mut self, env: &mut E, assoc: AssocId, id: PageId, lock: Prot) {
        let Some(page) = self.pages.get_mut(id) else { return };
        page.lock = lock;
        let offset = page.offset;
        let asked = core::mem::replace(&mut page.unlock_requested, Prot::NONE);
        if !asked.is_empty() {
            let why = if (asked & lock).is_empty() { Settled::Answered } else { Settled::AsksAgain };
            self.wake(WaitOn::Page(id), Wake::Retry);
            self.settle(env, assoc, offset, why);
        }
        self.wake_others(assoc);
    }
}
