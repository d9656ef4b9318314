//! `vm_deallocate`, the removal of ranges in bounded pieces, and the end of maps.

use mach_protocol::{KernResult, KernReturn};

use super::entry::Attributes;
use crate::range::{self, BadRange, Range};
use crate::step::{Budget, Cancel, Env, Operation, Step};
use crate::types::{MapId, Prot};
use crate::vm::Vm;

/// What becomes of entries that were made PERMANENT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permanent {
    /// They stay, empty and inaccessible.
    Stays,
    /// They go like others.
    Goes,
}

/// Removes a range of a map, piece by piece. The map is locked, or nobody else has it.
#[derive(Debug)]
pub(crate) struct Remover {
    map: MapId,
    range: Range,
    /// Everything below is done.
    at: u64,
    /// Mappings below are gone.
    unmapped: u64,
    permanent: Permanent,
}

impl Remover {
    pub(crate) fn deallocating(map: MapId, range: Range) -> Remover {
        Remover { map, range, at: range.start, unmapped: range.start, permanent: Permanent::Stays }
    }

    /// Removes whatever is there.
    pub(crate) fn replacing(map: MapId, range: Range) -> Remover {
        Remover { permanent: Permanent::Goes, ..Remover::deallocating(map, range) }
    }

    /// Goes on. Returns whether the range is empty.
    pub(crate) fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E, budget: &mut Budget) -> bool {
        loop {
            if !budget.take(1) {
                return false;
            }
            vm.clip_range(self.map, Range { start: self.at, end: self.range.end });
            let Some(map) = vm.maps.get(self.map) else {
                return true;
            };
            let Some((start, entry)) = map.entries.at_or_above(self.at) else {
                return true;
            };
            if start >= self.range.end {
                return true;
            }
            let (end, backing, is_wired) = (entry.end, entry.backing, entry.wired > 0);
            let is_permanent = entry.attributes.permanent && self.permanent == Permanent::Stays;
            self.at = start;
            if is_wired {
                vm.unwire_range(self.map, Range { start, end });
                vm.clear_wired(self.map, start);
            }
            if let Some(space) = vm.space_of(self.map) {
                let from = self.unmapped.max(start);
                let progress = env.remove(space, from, end, budget.left());
                budget.take(progress.changed);
                self.unmapped = progress.next;
                if progress.next < end {
                    return false;
                }
            }
            if let Some(backing) = backing {
                let (from, to) = (backing.offset, backing.offset + (end - start));
                // Others use the object, but nobody this part of it.
                let is_garbage =
                    vm.objects.get(backing.object).is_some_and(|object| object.is_unique && object.refs > 1);
                if is_garbage && !vm.drop_pages(env, backing.object, from, to, budget) {
                    return false;
                }
            }
            if let Some(mut entry) = vm.remove_entry(self.map, start) {
                if let Some(backing) = entry.backing.take() {
                    let part = Range { start: backing.offset, end: backing.offset + (end - start) };
                    vm.wake_part(backing.object, part);
                    vm.release(backing.object);
                }
                if is_permanent {
                    entry.needs_copy = false;
                    entry.is_shared = false;
                    entry.attributes = Attributes { prot: Prot::NONE, max: Prot::NONE, ..entry.attributes };
                    vm.insert_entry(self.map, start, entry);
                }
            }
            self.at = end;
            if end >= self.range.end {
                return true;
            }
        }
    }
}

/// What `vm_deallocate` says to a range in which nothing is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holes {
    /// `InvalidAddress`: the manual's contract (2023, 3802).
    Refused,
    /// Success: XNU's `mach_vm_deallocate` (4801).
    Allowed,
}

/// `vm_deallocate`.
///
/// # Errors
/// | # | check                                              | error             |
/// |---|----------------------------------------------------|-------------------|
/// | 1 | the target is a task                               | `InvalidArgument` |
/// | 2 | size 0: success                                    |                   |
/// | 3 | does not wrap                                      | `InvalidArgument` |
/// | 4 | the end rounds to zero: success, nothing removed   |                   |
/// | 5 | [`Holes::Refused`]: something is allocated there   | `InvalidAddress`  |
#[derive(Debug)]
pub struct Deallocate {
    target: Option<MapId>,
    address: u64,
    size: u64,
    holes: Holes,
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    Removing(Remover),
    Reaping,
}

impl Deallocate {
    /// A call.
    #[must_use]
    pub fn new(target: Option<MapId>, address: u64, size: u64, holes: Holes) -> Deallocate {
        Deallocate { target, address, size, holes, state: State::New }
    }

    fn check(&self, vm: &Vm) -> KernResult<Option<(MapId, Range)>> {
        let map = vm.target(self.target)?;
        if self.size == 0 {
            return Ok(None);
        }
        match range::cover(self.address, self.size) {
            Ok(range) => Ok(Some((map, range))),
            Err(BadRange::Wraps) => Err(KernReturn::INVALID_ARGUMENT),
            Err(BadRange::RoundsToZero) => Ok(None),
        }
    }

    /// Starts removing, unless the map is at work.
    fn start(&mut self, vm: &mut Vm) -> Result<Remover, Step<()>> {
        let (map, range) = match self.check(vm) {
            Ok(Some(found)) => found,
            Ok(None) => return Err(Step::Done(Ok(()))),
            Err(error) => return Err(error.into()),
        };
        if let Some(wait) = vm.is_locked(&[map]) {
            return Err(Step::Wait(wait));
        }
        let Some(state) = vm.maps.get(map) else {
            return Err(KernReturn::INVALID_ARGUMENT.into());
        };
        let range = range.clamp(state.bounds);
        if range.is_empty() || !state.entries.is_occupied(range) {
            return Err(match self.holes {
                Holes::Refused => KernReturn::INVALID_ADDRESS.into(),
                Holes::Allowed => Step::Done(Ok(())),
            });
        }
        vm.lock_maps(&[map]);
        Ok(Remover::deallocating(map, range))
    }
}

impl Operation for Deallocate {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        let mut budget = Budget::step();
        if let State::New = self.state {
            match self.start(vm) {
                Ok(remover) => self.state = State::Removing(remover),
                Err(step) => return step,
            }
        }
        if let State::Removing(remover) = &mut self.state {
            if !remover.step(vm, env, &mut budget) {
                return Step::Again;
            }
            vm.unlock_maps(&[remover.map]);
            self.state = State::Reaping;
        }
        if vm.tidy_objects(env, &mut budget) { Step::Done(Ok(())) } else { Step::Again }
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        match self.state {
            State::New | State::Reaping => Cancel::Dropped,
            State::Removing(_) => Cancel::RunOn,
        }
    }
}

impl Vm {
    /// Leaves a map that nobody uses any more to be taken down.
    pub(crate) fn abandon_map(&mut self, id: MapId) {
        self.lock_maps(&[id]);
        if let Some(map) = self.maps.get_mut(id) {
            map.next_chore = self.chores.map.replace(id);
        }
    }

    /// Takes an abandoned map down, as far as the budget goes. Returns whether it is gone.
    pub(crate) fn tear_down<E: Env>(&mut self, env: &mut E, id: MapId, budget: &mut Budget) -> bool {
        let Some(map) = self.maps.get(id) else {
            return true;
        };
        let (bounds, space) = (map.bounds, map.space);
        if !Remover::replacing(id, bounds).step(self, env, budget) {
            return false;
        }
        if let Some(space) = space
            && env.destroy_space(space)
        {
            return false;
        }
        self.unlock_maps(&[id]);
        self.maps.remove(id);
        true
    }
}

/// The end of a map, when its task dies. Succeeds when every page, table and record is given back.
#[derive(Debug)]
pub struct Destroy {
    map: MapId,
    is_abandoned: bool,
}

impl Destroy {
    /// Ends a map. The server steps no new operation on it from here on.
    #[must_use]
    pub fn new(map: MapId) -> Destroy {
        Destroy { map, is_abandoned: false }
    }
}

impl Operation for Destroy {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        if !self.is_abandoned {
            if vm.maps.get(self.map).is_none() {
                return KernReturn::INVALID_ARGUMENT.into();
            }
            if let Some(wait) = vm.is_locked(&[self.map]) {
                return Step::Wait(wait);
            }
            vm.abandon_map(self.map);
            self.is_abandoned = true;
        }
        if vm.reap(env) { Step::Again } else { Step::Done(Ok(())) }
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        Cancel::RunOn
    }
}
