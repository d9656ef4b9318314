//! Mapping a memory object: the association with its port is found, or made.

use mach_protocol::KernReturn;

use super::{Association, State};
use crate::object::{Object, Source};
use crate::step::{Env, WaitOn};
use crate::types::{AssocId, ManagerId, ObjectId};
use crate::vm::Vm;

/// Why there is no object to be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAcquired {
    /// An earlier association with the port is being terminated.
    Wait(WaitOn),
    Refused(KernReturn),
}

impl Vm {
    /// The association that an object has.
    #[must_use]
    pub fn association_of(&self, object: ObjectId) -> Option<AssocId> {
        match self.objects.get(object)?.source {
            Source::Manager(assoc) => Some(assoc),
            Source::Zero | Source::Gone(_) => None,
        }
    }

    /// The object of an association.
    #[must_use]
    pub fn object_of(&self, assoc: AssocId) -> Option<ObjectId> {
        Some(self.associations.get(assoc)?.object)
    }

    /// What to wait for before a manager's port can be mapped: the end of an earlier association with it.
    pub(crate) fn is_ending(&self, manager: ManagerId) -> Option<WaitOn> {
        let assoc = *self.managers.get(&manager)?;
        self.associations.get(assoc)?.is_terminating().then_some(WaitOn::Manager(assoc))
    }

    /// A reference to the object of a manager's port. At first there is none, and the manager is sent `init`, if
    /// it takes one.
    pub(crate) fn acquire<E: Env>(
        &mut self,
        env: &mut E,
        manager: ManagerId,
        takes_init: bool,
    ) -> Result<ObjectId, NotAcquired> {
        self.counters.lookups += 1;
        let Some(assoc) = self.managers.get(&manager).copied() else {
            if !takes_init {
                return Err(NotAcquired::Refused(KernReturn::RESOURCE_SHORTAGE));
            }
            return self.associate(env, manager).map_err(NotAcquired::Refused);
        };
        let Some(record) = self.associations.get_mut(assoc) else {
            return Err(NotAcquired::Refused(KernReturn::INVALID_ARGUMENT));
        };
        let object = record.object;
        match record.state {
            State::Terminating { .. } => return Err(NotAcquired::Wait(WaitOn::Manager(assoc))),
            State::Cached { since } => {
                record.state = State::Ready;
                self.cached.remove(&since);
            }
            State::Init | State::Ready => {}
        }
        self.counters.hits += 1;
        self.retain(object);
        Ok(object)
    }

    fn associate<E: Env>(&mut self, env: &mut E, manager: ManagerId) -> Result<ObjectId, KernReturn> {
        let object = self.objects.insert(Object { is_unique: false, ..Object::anonymous(0) });
        let assoc = self.associations.insert(Association::new(manager, object));
        if let Err(error) = env.init(manager, assoc) {
            self.associations.remove(assoc);
            self.objects.remove(object);
            return Err(error);
        }
        self.managers.insert(manager, assoc);
        if let Some(object) = self.objects.get_mut(object) {
            object.source = Source::Manager(assoc);
        }
        Ok(object)
    }

    /// Makes an object large enough for a mapping. What a manager has beyond is its own affair.
    pub(crate) fn grow_object(&mut self, id: ObjectId, size: u64) {
        if let Some(object) = self.objects.get_mut(id) {
            object.size = object.size.max(size);
        }
    }
}
