//! `vm_msync`: what a range of memory objects has changed goes to their managers.

pub(crate) mod object;
mod part;

use core::ops::ControlFlow;

use mach_protocol::{KernResult, KernReturn};

use self::part::Part;
use crate::association::{Flush, Returns, Sweep};
use crate::range::{self, Range};
use crate::step::{Budget, Cancel, Env, Operation, Step};
use crate::types::{Family, MapId};
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
        if let Some(part) = self.work.as_ref().and_then(|work| work.part.as_ref()) {
            part.forget(vm);
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
            if let ControlFlow::Break(step) =
                part::advance(&mut work.part, vm, env, &mut budget, waits.then_some(flags))
            {
                return step;
            }
            if !budget.take(1) {
                return Step::Again;
            }
            if !work.next_part(vm, action, kills) {
                let is_whole = !work.has_hole || self.flags & CONTIGUOUS == 0;
                return if is_whole { Step::Done(Ok(())) } else { KernReturn::INVALID_ADDRESS.into() };
            }
        }
    }

    fn cancel(&mut self, vm: &mut Vm) -> Cancel {
        self.forget(vm);
        Cancel::Dropped
    }
}
