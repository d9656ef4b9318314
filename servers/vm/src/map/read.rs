//! `vm_read`: a range of a task as new memory in the caller.

use alloc::vec::Vec;

use mach_protocol::{KernResult, KernReturn};

use super::allocate::{Enterer, Placement};
use super::bytes::{Getter, Putter};
use super::copy::{Copier, Progress, Terms};
use super::entry::{Attributes, Entry};
use super::unmap::Remover;
use crate::fault::plan::By;
use crate::fault::resume::Access;
use crate::range::{self, Range, round, trunc};
use crate::step::{Budget, Cancel, Env, Operation, Step};
use crate::types::{MapId, PAGE_SIZE, Prot};
use crate::vm::Vm;

/// Data below this size is copied, and lies at a page boundary; from it on it is mapped, and keeps its
/// offset within the page. Protection trouble is reported differently, too.
pub(crate) const SMALL: u64 = 2 * PAGE_SIZE;

/// What `vm_read` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadOut {
    /// Where the data is in the caller.
    pub data: u64,
    /// How many bytes.
    pub count: u64,
}

/// Checks a range that a call reads or writes bytes of.
///
/// # Errors
/// | # | check                                   | error                                              |
/// |---|-----------------------------------------|----------------------------------------------------|
/// | 1 | does not wrap or round to zero          | `InvalidAddress`                                   |
/// | 2 | no hole                                 | `InvalidAddress`                                   |
/// | 3 | every page allows the access            | small: `InvalidAddress`, else `ProtectionFailure`  |
pub(crate) fn check_bytes(vm: &Vm, map: MapId, address: u64, size: u64, access: Prot) -> KernResult<Range> {
    let range = range::cover(address, size).map_err(|_| KernReturn::INVALID_ADDRESS)?;
    match vm.check_access(map, range, access) {
        Ok(()) => Ok(range),
        Err(KernReturn::PROTECTION_FAILURE) if size < SMALL => Err(KernReturn::INVALID_ADDRESS),
        Err(error) => Err(error),
    }
}

/// `vm_read` (2026; 3805, 4804).
///
/// # Errors
/// | # | check                                   | error                         |
/// |---|-----------------------------------------|-------------------------------|
/// | 1 | the target is a task                    | `InvalidArgument`             |
/// | 2 | size below 2^32                         | `InvalidArgument`             |
/// | 3 | size 0: nothing, success                |                               |
/// | 4… | the source, see `check_bytes`          |                               |
/// | 7 | the data can be had                     | `MemoryError`                 |
/// | 8 | room in the caller                      | `NoSpace`                     |
/// | 9 | server memory                           | `ResourceShortage`            |
#[derive(Debug)]
pub struct Read {
    target: Option<MapId>,
    address: u64,
    size: u64,
    caller: MapId,
    is_limited: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    /// Small: into a buffer.
    Getting(Getter),
    /// Small: into the new memory at the address.
    Putting(Putter, Range),
    /// Large: the new memory is this range.
    Copying(Copier, Range),
    /// Large: the bytes around the data become zero.
    Trimming(Range),
    /// The new memory goes again.
    Undoing(Remover, KernReturn),
    Failed(KernReturn),
}

impl Read {
    /// A call of `caller`'s.
    #[must_use]
    pub fn new(target: Option<MapId>, address: u64, size: u64, caller: MapId) -> Read {
        Read { target, address, size, caller, is_limited: true, state: State::New }
    }

    /// An element of `vm_read_list`, whose size has no limit.
    pub(crate) fn unlimited(target: Option<MapId>, address: u64, size: u64, caller: MapId) -> Read {
        Read { is_limited: false, ..Read::new(target, address, size, caller) }
    }

    fn is_small(&self) -> bool {
        self.size < SMALL
    }

    /// Checks 1 to 6.
    fn check(&self, vm: &Vm) -> KernResult<Option<(MapId, Range)>> {
        let map = vm.target(self.target)?;
        if self.is_limited && self.size > u64::from(u32::MAX) {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        if self.size == 0 {
            return Ok(None);
        }
        let range = check_bytes(vm, map, self.address, self.size, Prot::READ)?;
        Ok(Some((map, range)))
    }

    /// Takes the first step, or tells why not.
    fn start<E: Env>(&self, vm: &mut Vm, env: &mut E) -> Result<State, Step<ReadOut>> {
        let (map, range) = match self.check(vm) {
            Ok(Some(checked)) => checked,
            Ok(None) => return Err(Step::Done(Ok(ReadOut { data: 0, count: 0 }))),
            Err(error) => return Err(error.into()),
        };
        if let Some(wait) = vm.is_locked(&[map, self.caller]) {
            return Err(Step::Wait(wait));
        }
        if self.is_small() {
            return Ok(State::Getting(Getter::new(map, self.address, self.size)));
        }
        let place = self.find_place(vm, env, range.size()).map_err(Step::from)?;
        vm.lock_maps(&[map, self.caller]);
        let terms = Terms::Snapshot(Attributes::new());
        let copier = Copier::new(vm, map, range, self.caller, place.start, terms);
        Ok(State::Copying(copier, place))
    }

    fn find_place<E: Env>(&self, vm: &mut Vm, env: &mut E, size: u64) -> KernResult<Range> {
        let placement = Placement::Anywhere { from: 0, size, mask: 0 };
        Ok(Enterer::new(vm, env, self.caller, placement, true)?.range())
    }

    /// Makes the new memory of a small read.
    fn make_memory<E: Env>(&self, vm: &mut Vm, env: &mut E, bytes: Vec<u8>) -> KernResult<State> {
        let place = self.find_place(vm, env, round(self.size))?;
        let entry = Entry::anonymous(place.end, Attributes::new(), vm.new_alloc_id());
        vm.lock_maps(&[self.caller]);
        vm.insert_entry(self.caller, place.start, entry);
        Ok(State::Putting(Putter::new(self.caller, place.start, bytes), place))
    }

    /// Zeroes what the first and the last page hold beside the data.
    fn trim<E: Env>(&self, vm: &mut Vm, env: &mut E, place: Range) -> Access {
        let head = place.start + (self.address - trunc(self.address));
        let tail = head + self.size;
        for (from, to) in [(place.start, head), (tail, place.end)] {
            if from == to {
                continue;
            }
            let page = trunc(from);
            let mut access = vm.resolve(env, self.caller, page, Prot::READ, By::Server);
            if let Access::Frame { .. } = access {
                access = vm.resolve(env, self.caller, page, Prot::WRITE, By::Server);
            }
            match access {
                Access::Frame { frame, .. } => {
                    env.zero_bytes(frame, (from - page) as usize, (to - from) as usize);
                }
                Access::Zeros => {}
                stop => return stop,
            }
        }
        Access::Zeros
    }

    /// Goes on from an access that ended the present state without success.
    fn stop(&mut self, vm: &mut Vm, access: Access) -> Option<Step<ReadOut>> {
        let error = match access {
            Access::Fail(error) => error,
            Access::Wait(what) => return Some(Step::Wait(what)),
            Access::Again | Access::Zeros | Access::Frame { .. } => return Some(Step::Again),
        };
        self.state = match &self.state {
            State::Copying(_, place) | State::Putting(_, place) | State::Trimming(place) => {
                let place = *place;
                if let (State::Copying(..), Some(target)) = (&self.state, self.target)
                    && target != self.caller
                {
                    vm.unlock_maps(&[target]);
                }
                State::Undoing(Remover::replacing(self.caller, place), error)
            }
            _ => State::Failed(error),
        };
        None
    }
}

impl Operation for Read {
    type Out = ReadOut;

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<ReadOut> {
        let mut budget = Budget::step();
        let is_growing = !matches!(self.state, State::Undoing(..) | State::Failed(_));
        if is_growing && !matches!(self.state, State::New) && env.prepare_step().is_err() {
            let access = vm.shortage(env);
            if let Some(step) = self.stop(vm, access) {
                return step;
            }
        }
        loop {
            let access = match &mut self.state {
                State::New => {
                    match self.start(vm, env) {
                        Ok(state) => self.state = state,
                        Err(step) => return step,
                    }
                    continue;
                }
                State::Getting(getter) => match getter.step(vm, env, &mut budget) {
                    Access::Zeros => {
                        if let Some(wait) = vm.is_locked(&[self.caller]) {
                            return Step::Wait(wait);
                        }
                        let bytes = getter.take();
                        match self.make_memory(vm, env, bytes) {
                            Ok(state) => self.state = state,
                            Err(error) => return error.into(),
                        }
                        continue;
                    }
                    stop => stop,
                },
                State::Putting(putter, place) => match putter.step(vm, env, &mut budget) {
                    Access::Zeros => {
                        let data = place.start;
                        vm.unlock_maps(&[self.caller]);
                        return Step::Done(Ok(ReadOut { data, count: self.size }));
                    }
                    stop => stop,
                },
                State::Copying(copier, place) => match copier.step(vm, env, &mut budget) {
                    Progress::Done => {
                        let place = *place;
                        if let Some(target) = self.target
                            && target != self.caller
                        {
                            vm.unlock_maps(&[target]);
                        }
                        self.state = State::Trimming(place);
                        continue;
                    }
                    Progress::Again => Access::Again,
                    Progress::Stopped(access) => access,
                },
                State::Trimming(place) => {
                    let place = *place;
                    match self.trim(vm, env, place) {
                        Access::Zeros => {
                            vm.unlock_maps(&[self.caller]);
                            let data = place.start + (self.address - trunc(self.address));
                            return Step::Done(Ok(ReadOut { data, count: self.size }));
                        }
                        stop => stop,
                    }
                }
                State::Undoing(remover, error) => {
                    if !remover.step(vm, env, &mut budget) {
                        return Step::Again;
                    }
                    let error = *error;
                    vm.unlock_maps(&[self.caller]);
                    self.state = State::Failed(error);
                    continue;
                }
                State::Failed(error) => {
                    let is_tidy = vm.tidy_objects(env, &mut budget);
                    return if is_tidy { (*error).into() } else { Step::Again };
                }
            };
            if let Some(step) = self.stop(vm, access) {
                return step;
            }
        }
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        match self.state {
            State::New | State::Getting(_) | State::Failed(_) => Cancel::Dropped,
            _ => Cancel::RunOn,
        }
    }
}
