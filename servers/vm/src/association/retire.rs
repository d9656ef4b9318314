//! The last reference to a managed object went: it is cached, or its data is returned and the association terminated.

use super::returned::Keep;
use super::{MAX_CACHED, State};
use crate::object::Source;
use crate::page::Page;
use crate::step::{Budget, Env, STEP_PAGES, WaitOn, Wake};
use crate::types::{AssocId, ObjectId, PAGE_SIZE};
use crate::vm::Vm;

/// What becomes of an object without references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retired {
    /// It is freed.
    Freed,
    /// It stays: cached, or until its manager takes messages.
    Kept,
    /// There is more to do.
    More,
}

impl Vm {
    /// Brings an association without references to where it belongs. `Freed`: it is over, and the object can go.
    pub(crate) fn retire<E: Env>(
        &mut self,
        env: &mut E,
        assoc: AssocId,
        object: ObjectId,
        budget: &mut Budget,
    ) -> Retired {
        let Some(record) = self.associations.get(assoc) else { return Retired::Freed };
        match record.state {
            State::Cached { .. } => return Retired::Kept,
            State::Terminating { .. } => {}
            State::Init | State::Ready => {
                let may_cache = record.may_cache && record.is_ready();
                // What was asked for is of no use any more; a late answer has no effect.
                self.give_up(env, assoc, Wake::Retry);
                if may_cache && self.has_resident(object) {
                    self.cache(assoc);
                    self.note_waiting(env, assoc);
                    return Retired::Kept;
                }
                self.set_terminating(assoc);
            }
        }
        self.finish(env, assoc, object, budget)
    }

    /// Whether a page is among the first ones of an object; beyond these it is not looked for.
    fn has_resident(&self, object: ObjectId) -> bool {
        let Some(object) = self.objects.get(object) else { return false };
        let mut pages = object.pages.values().take(STEP_PAGES);
        pages.any(|page| self.pages.get(*page).is_some_and(|page| page.state.frame().is_some()))
    }

    /// Keeps an association although nobody maps it. One that was kept longest may have to go for it.
    fn cache(&mut self, assoc: AssocId) {
        let since = self.new_alloc_id();
        if let Some(record) = self.associations.get_mut(assoc) {
            record.state = State::Cached { since };
            self.cached.insert(since, assoc);
        }
        if self.cached.len() > MAX_CACHED {
            self.uncache_oldest();
        }
    }

    /// Terminates the association that has been cached longest. Returns whether there is one.
    pub(crate) fn uncache_oldest(&mut self) -> bool {
        let oldest = self.cached.first_key_value().map(|(_, assoc)| *assoc);
        oldest.is_some_and(|assoc| self.uncache(assoc))
    }

    /// Terminates a cached association. Returns whether it was one.
    pub(super) fn uncache(&mut self, assoc: AssocId) -> bool {
        let Some(record) = self.associations.get(assoc) else { return false };
        let State::Cached { since } = record.state else { return false };
        let object = record.object;
        self.cached.remove(&since);
        self.set_terminating(assoc);
        self.queue_object(object);
        true
    }

    fn set_terminating(&mut self, assoc: AssocId) {
        if let Some(record) = self.associations.get_mut(assoc) {
            record.state = State::Terminating { discards: record.is_temporary };
            record.awaits_ready = false;
            record.lingers = false;
            // Lock requests have no effect any more.
            self.wake(WaitOn::Manager(assoc), Wake::Retry);
            self.wake(WaitOn::Room(assoc), Wake::Retry);
        }
    }

    /// Returns what the manager has not, then says good-bye.
    fn finish<E: Env>(&mut self, env: &mut E, assoc: AssocId, object: ObjectId, budget: &mut Budget) -> Retired {
        loop {
            let Some(record) = self.associations.get(assoc) else { return Retired::Freed };
            let State::Terminating { discards } = record.state else { return Retired::Kept };
            let first = self.objects.get(object).and_then(|object| object.pages.iter().next());
            let Some((offset, id)) = first else { break };
            let Some(page) = self.pages.get(*id) else { break };
            if discards || !page.must_be_returned() {
                if !budget.take(1) {
                    return Retired::More;
                }
                self.drop_page(env, object, offset);
                continue;
            }
            if !env.has_room(assoc) {
                self.await_room(env, assoc);
                return Retired::Kept;
            }
            if !budget.take(1) {
                return Retired::More;
            }
            let run = self.find_run(object, offset, budget.left() + 1, Page::must_be_returned);
            let Some(run) = run else { break };
            self.return_run(env, assoc, object, run, Keep::Move);
            budget.take((run.range.size() / PAGE_SIZE) as usize - 1);
        }
        let Some(record) = self.associations.remove(assoc) else { return Retired::Freed };
        record.manager.map(|manager| self.managers.remove(&manager));
        if record.is_waited_for {
            env.waiting(assoc, false);
        }
        env.terminate(assoc);
        self.wake(WaitOn::Manager(assoc), Wake::Retry);
        if let Some(object) = self.objects.get_mut(object) {
            object.source = Source::Gone(record.strategy);
        }
        Retired::Freed
    }
}
