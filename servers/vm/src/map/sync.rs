//! `vm_msync`: what a range of memory objects has changed goes to their managers.

use mach_protocol::{KernResult, KernReturn};

use crate::association::{Flush, Returns, Sweep, Swept, Synchronized};
use crate::object::{Object, Source};
use crate::range::{self, Range};
use crate::step::{Budget, Cancel, Env, Operation, Step, WaitOn};
use crate::types::{AssocId, Family, MapId, ObjectId};
use crate::vm::Vm;

/// `VM_SYNC_ASYNCHRONOUS`
const ASYNCHRONOUS: u32 = 1;
/// `VM_SYNC_SYNCHRONOUS`
const SYNCHRONOUS: u32 = 2;
/// `VM_SYNC_INVALIDATE`
const INVALIDATE: u32 = 4;
/// `VM_SYNC_KILLPAGES`
const KILLPAGES: u32 = 8;
/// `VM_SYNC_CONTIGUOUS`
const CONTIGUOUS: u32 = 0x20;

/// What is being done to the part of an object behind one entry.
#[derive(Debug)]
enum Part {
    Sweeping(Sweep, AssocId),
    /// Until the manager can be told that somebody waits.
    Telling(AssocId, ObjectId, Range),
    /// Until it has answered that.
    Told(AssocId, ObjectId, u64),
    /// Until the manager has taken this many data_returns.
    Taking(AssocId, ObjectId, u64),
}

#[derive(Debug)]
struct Work {
    map: MapId,
    /// What is still to be done.
    range: Range,
    has_hole: bool,
    part: Option<Part>,
}

/// `vm_msync` (4209; 3810, 4809). Anonymous memory has nobody to be returned to, so nothing is done to it.
///
/// | flags                       | pages of memory objects                                             |
/// |-----------------------------|---------------------------------------------------------------------|
/// | SYNC or ASYNC               | dirty and precious ones are returned, and stay                      |
/// | the same with INVALIDATE    | returned, then discarded                                            |
/// | INVALIDATE                  | discarded, only precious ones are returned: dirty data is lost      |
/// | KILLPAGES                   | discarded, up to the first hole                                     |
///
/// SYNC waits until the managers have received what was returned; those that want to be told, with
/// `memory_object_synchronize`, until they have answered that.
///
/// # Errors
/// | # | check                                      | error                                |
/// |---|--------------------------------------------|--------------------------------------|
/// | 1 | not both ASYNCHRONOUS and SYNCHRONOUS      | `InvalidArgument`                    |
/// | 2 | the target is a task                       | `InvalidTask`, GNU `InvalidArgument` |
/// | 3 | size 0: success                            |                                      |
/// | 4 | does not wrap or round to zero             | `InvalidAddress`                     |
/// | 5 | the managers take what is returned         | `MemoryError`                        |
/// | 6 | CONTIGUOUS: no hole, after all is done     | `InvalidAddress`                     |
#[derive(Debug)]
pub struct Msync {
    target: Option<MapId>,
    address: u64,
    size: u64,
    flags: u32,
    family: Family,
    work: Option<Work>,
}

impl Msync {
    /// A call.
    #[must_use]
    pub fn new(target: Option<MapId>, address: u64, size: u64, flags: u32, family: Family) -> Msync {
        Msync { target, address, size, flags, family, work: None }
    }

    fn check(&self, vm: &Vm) -> KernResult<Option<Work>> {
        if self.flags & ASYNCHRONOUS != 0 && self.flags & SYNCHRONOUS != 0 {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let map = vm.target(self.target).map_err(|_| match self.family {
            Family::Gnu => KernReturn::INVALID_ARGUMENT,
            Family::Xnu => KernReturn::INVALID_TASK,
        })?;
        if self.size == 0 {
            return Ok(None);
        }
        let range = range::cover(self.address, self.size).map_err(|_| KernReturn::INVALID_ADDRESS)?;
        Ok(Some(Work { map, range, has_hole: false, part: None }))
    }

    /// What the flags ask for; nothing if they ask for nothing.
    fn action(&self) -> Option<(Returns, Flush)> {
        let returns = self.flags & (ASYNCHRONOUS | SYNCHRONOUS) != 0;
        let invalidates = self.flags & INVALIDATE != 0;
        match (self.flags & KILLPAGES != 0, returns, invalidates) {
            (true, ..) => Some((Returns::None, Flush::Yes)),
            (_, true, true) => Some((Returns::All, Flush::Yes)),
            (_, true, false) => Some((Returns::All, Flush::No)),
            (_, false, true) => Some((Returns::Precious, Flush::Yes)),
            (_, false, false) => None,
        }
    }

    /// Whoever was told that this call waits need not hurry any more.
    fn forget(&mut self, vm: &mut Vm) {
        if let Some(Work { part: Some(Part::Told(assoc, _, ticket)), .. }) = self.work {
            vm.abandon_synchronize(assoc, ticket);
        }
    }

    fn waits_for_managers(&self) -> bool {
        self.flags & SYNCHRONOUS != 0
    }
}

impl Work {
    /// Goes to the next entry. Returns whether there is one.
    fn next_part(&mut self, vm: &Vm, action: Option<(Returns, Flush)>, stops_at_holes: bool) -> bool {
        let found = vm.maps.get(self.map).and_then(|map| map.entries.at_or_above(self.range.start));
        let found = found.filter(|(start, _)| *start < self.range.end && !self.range.is_empty());
        let is_hole = found.is_none_or(|(start, _)| start > self.range.start);
        self.has_hole |= is_hole && !self.range.is_empty();
        let Some((start, entry)) = found.filter(|_| !(is_hole && stops_at_holes)) else { return false };
        let part = Range { start: start.max(self.range.start), end: entry.end.min(self.range.end) };
        self.range.start = part.end;
        if let Some((returns, flush)) = action
            && let Some(backing) = entry.backing
            && let Some(assoc) = vm.association_of(backing.object)
        {
            let from = backing.offset + (part.start - start);
            let range = Range { start: from, end: from + part.size() };
            self.part =
                Some(Part::Sweeping(Sweep { object: backing.object, range, returns, flush, lock: None }, assoc));
        }
        true
    }
}

/// Whether an association ended other than by the last unmapping: then what was to be returned has gone nowhere.
fn is_lost(vm: &Vm, assoc: AssocId, object: ObjectId) -> bool {
    let is_gone = |object: &Object| matches!(object.source, Source::Gone(_));
    vm.associations.get(assoc).is_none() && vm.objects.get(object).is_some_and(is_gone)
}

impl Operation for Msync {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        if let Some(error) = vm.failure.take() {
            self.forget(vm);
            return error.into();
        }
        if self.work.is_none() {
            match self.check(vm) {
                Ok(work) => self.work = work,
                Err(error) => return error.into(),
            }
        }
        let (action, waits, kills) = (self.action(), self.waits_for_managers(), self.flags & KILLPAGES != 0);
        let flags = self.flags;
        let Some(work) = &mut self.work else { return Step::Done(Ok(())) };
        if let Some(wait) = vm.is_locked(&[work.map]) {
            return Step::Wait(wait);
        }
        let mut budget = Budget::step();
        loop {
            match &mut work.part {
                None => {
                    if !budget.take(1) {
                        return Step::Again;
                    }
                    if work.next_part(vm, action, kills) {
                        continue;
                    }
                    let is_whole = !work.has_hole || self.flags & CONTIGUOUS == 0;
                    return if is_whole { Step::Done(Ok(())) } else { KernReturn::INVALID_ADDRESS.into() };
                }
                Some(Part::Sweeping(sweep, assoc)) => {
                    let (assoc, object, range) = (*assoc, sweep.object, sweep.range);
                    if is_lost(vm, assoc, object) {
                        return KernReturn::MEMORY_ERROR.into();
                    }
                    match sweep.step(vm, env, &mut budget) {
                        Swept::Again => return Step::Again,
                        Swept::Wait(what) => return Step::Wait(what),
                        Swept::Done => {}
                    }
                    work.part = vm.associations.get(assoc).filter(|_| waits).map(|record| {
                        if record.synchronizes && !record.is_terminating() {
                            Part::Telling(assoc, object, range)
                        } else {
                            Part::Taking(assoc, object, record.returns)
                        }
                    });
                }
                Some(Part::Telling(assoc, object, range)) => {
                    let (assoc, object, range) = (*assoc, *object, *range);
                    if is_lost(vm, assoc, object) {
                        return KernReturn::MEMORY_ERROR.into();
                    }
                    if vm.associations.get(assoc).is_none_or(|record| record.is_terminating()) {
                        work.part = None;
                        continue;
                    }
                    match vm.request_synchronize(env, assoc, range, flags) {
                        Ok(ticket) => work.part = Some(Part::Told(assoc, object, ticket)),
                        Err(what) => return Step::Wait(what),
                    }
                }
                Some(Part::Told(assoc, object, ticket)) => {
                    let (assoc, object, ticket) = (*assoc, *object, *ticket);
                    if is_lost(vm, assoc, object) {
                        return KernReturn::MEMORY_ERROR.into();
                    }
                    if vm.associations.get(assoc).is_some() {
                        match vm.look_at_synchronize(assoc, ticket) {
                            Synchronized::Pending => return Step::Wait(WaitOn::Manager(assoc)),
                            Synchronized::Answered(Ok(())) => {}
                            Synchronized::Answered(Err(error)) => return error.into(),
                        }
                    }
                    work.part = None;
                }
                Some(Part::Taking(assoc, object, returns)) => {
                    let (assoc, object) = (*assoc, *object);
                    if is_lost(vm, assoc, object) {
                        return KernReturn::MEMORY_ERROR.into();
                    }
                    if vm.associations.get(assoc).is_some() && env.returns_taken(assoc) < *returns {
                        vm.await_room(env, assoc);
                        return Step::Wait(WaitOn::Room(assoc));
                    }
                    work.part = None;
                }
            }
        }
    }

    fn cancel(&mut self, vm: &mut Vm) -> Cancel {
        self.forget(vm);
        Cancel::Dropped
    }
}
