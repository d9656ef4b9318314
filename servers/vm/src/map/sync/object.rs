//! `vm_object_sync`: the same for an object by its name.

use core::ops::ControlFlow;

use mach_protocol::{KernResult, KernReturn};

use super::part::{self, Part};
use super::{INVALIDATE, SYNCHRONOUS};
use crate::association::{Flush, Returns, Sweep};
use crate::range::{Range, is_aligned, trunc};
use crate::step::{Budget, Cancel, Env, Operation, Step};
use crate::types::{ObjectId, PAGE_SIZE};
use crate::vm::Vm;

/// What is done to the object's pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncHow {
    /// They are discarded.
    pub flush: bool,
    /// Dirty and precious ones are returned to the manager first; else what was changed is lost if they are discarded.
    pub returns: bool,
    /// The call waits until the manager has what was returned.
    pub waits: bool,
}

/// `vm_object_sync` (4208). Anonymous memory has nobody to be returned to, so nothing is done to it.
///
/// It waits for the manager as [`Msync`](super::Msync) does, if it waits.
///
/// # Errors
/// | # | check                                        | error             |
/// |---|----------------------------------------------|-------------------|
/// | 1 | the object exists                            | `InvalidArgument` |
/// | 2 | the offset is page aligned                   | `InvalidArgument` |
/// | 3 | the manager takes what is returned           | `MemoryError`     |
#[derive(Debug)]
pub struct ObjectSync {
    object: Option<ObjectId>,
    offset: u64,
    size: u64,
    how: SyncHow,
    part: Option<Part>,
    has_begun: bool,
}

impl ObjectSync {
    /// A call.
    #[must_use]
    pub fn new(object: Option<ObjectId>, offset: u64, size: u64, how: SyncHow) -> ObjectSync {
        ObjectSync { object, offset, size, how, part: None, has_begun: false }
    }

    fn begin(&self, vm: &Vm) -> KernResult<Option<Part>> {
        let object = self.object.filter(|id| vm.objects.get(*id).is_some()).ok_or(KernReturn::INVALID_ARGUMENT)?;
        if !is_aligned(self.offset) {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        // No page lies in the last one of all offsets, so the end may stop there.
        let end = self.offset.saturating_add(self.size).saturating_add(PAGE_SIZE - 1);
        let range = Range { start: self.offset, end: trunc(end).max(self.offset) };
        let returns = if self.how.returns { Returns::All } else { Returns::None };
        let flush = if self.how.flush { Flush::Yes } else { Flush::No };
        let sweep = Sweep { object, range, returns, flush, lock: None };
        Ok(vm.association_of(object).map(|assoc| Part::Sweeping(sweep, assoc)))
    }

    fn forget(&mut self, vm: &mut Vm) {
        if let Some(part) = self.part.take() {
            part.forget(vm);
        }
    }
}

impl Operation for ObjectSync {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        if let Some(error) = vm.failure.take() {
            self.forget(vm);
            return error.into();
        }
        if !self.has_begun {
            match self.begin(vm) {
                Ok(part) => self.part = part,
                Err(error) => return error.into(),
            }
            self.has_begun = true;
        }
        let flags = if self.how.flush { SYNCHRONOUS | INVALIDATE } else { SYNCHRONOUS };
        let waits = self.how.waits.then_some(flags);
        match part::advance(&mut self.part, vm, env, &mut Budget::step(), waits) {
            ControlFlow::Continue(()) => Step::Done(Ok(())),
            ControlFlow::Break(step) => step,
        }
    }

    fn cancel(&mut self, vm: &mut Vm) -> Cancel {
        self.forget(vm);
        Cancel::Dropped
    }
}
