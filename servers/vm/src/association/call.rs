//! `memory_object_copy`: a manager that wants to be asked gets a new object for each snapshot (strategy CALL).
//!
//! The new object stands on the old one: for what its manager has not it is what the old one is. So that nobody changes
//! the old one unnoticed, its resident pages are locked against writing, and whoever wants to write asks the manager: it
//! gives the snapshot what it needs, and unlocks then. What the manager was asked for before it heard of the copy it may
//! answer without a lock, so the copy waits for these answers.

use mach_protocol::KernReturn;

use super::{Association, CopyStrategy};
use crate::fault::plan::walk;
use crate::fault::resume::Access;
use crate::object::{Object, Shadow, Source};
use crate::range::Range;
use crate::step::{Env, WaitOn};
use crate::types::{AssocId, ObjectId, PAGE_SIZE, Prot};
use crate::vm::Vm;

impl Vm {
    /// The association whose manager wants to be asked for copies of this object.
    pub(crate) fn asks_for_copies(&self, object: ObjectId) -> Option<AssocId> {
        let assoc = self.association_of(object)?;
        let record = self.associations.get(assoc)?;
        (record.is_ready() && record.strategy == CopyStrategy::Call).then_some(assoc)
    }

    /// Makes the object that is a snapshot of a part of a manager's object, with a reference for the caller, who locks
    /// the part against writing.
    ///
    /// # Errors
    /// The manager owes answers or takes no message; or only one such object can be made in a step.
    pub(crate) fn call_copy<E: Env>(&mut self, env: &mut E, assoc: AssocId, part: Range) -> Result<ObjectId, Access> {
        let failed = Access::Fail(KernReturn::MEMORY_ERROR);
        let Some(record) = self.associations.get(assoc) else { return Err(failed) };
        let old = record.object;
        if let Some(offset) = record.owed.first(part.start, part.end) {
            let page = self.objects.get(old).and_then(|object| object.pages.get(&offset).copied());
            // That others do not get their page is no reason not to copy; that nobody wants the copy is one.
            self.failure = self.failure.filter(|error| *error == KernReturn::ABORTED);
            return Err(page.map_or(failed, |page| self.wait(env, WaitOn::Page(page))));
        }
        if !env.has_room(assoc) {
            return Err(self.wait(env, WaitOn::Room(assoc)));
        }
        let new = self.objects.insert(Object { is_unique: false, ..Object::anonymous(part.size()) });
        let record = Association::new(super::ManagerId(0), new);
        let copy = self.associations.insert(record);
        let Some(manager) = env.copy(assoc, copy, part.start, part.size()) else {
            self.associations.remove(copy);
            self.objects.remove(new);
            return Err(Access::Again);
        };
        if let Some(record) = self.associations.get_mut(copy) {
            record.manager = Some(manager);
        }
        self.managers.insert(manager, copy);
        if let Some(object) = self.objects.get_mut(new) {
            object.source = Source::Manager(copy);
        }
        self.retain(old);
        self.link_shadow(new, Shadow { object: old, offset: part.start });
        Ok(new)
    }

    /// Locks the first resident page of an object in `[offset, end)` against writing. Returns where to go on.
    pub(crate) fn lock_copied<E: Env>(&mut self, env: &mut E, object: ObjectId, offset: u64, end: u64) -> Option<u64> {
        let (at, page) = self.objects.get(object)?.pages.first(offset, end)?;
        if let Some(page) = self.pages.get_mut(*page)
            && let Some(frame) = page.state.frame()
        {
            page.lock |= Prot::WRITE;
            env.page_protect(frame, Prot::ALL - Prot::WRITE);
        }
        Some(at + PAGE_SIZE)
    }

    /// A page comes to an object that showed what is below it there: nobody may see that any more.
    pub(super) fn hide_below<E: Env>(&mut self, env: &mut E, object: ObjectId, offset: u64) {
        let Some(shadow) = self.objects.get(object).and_then(|object| object.shadow) else { return };
        let below = walk(self, shadow.object, offset.wrapping_add(shadow.offset), Prot::NONE);
        if let Ok(frame) = below.map(|found| found.frame) {
            env.page_protect(frame, Prot::NONE);
        }
    }
}
