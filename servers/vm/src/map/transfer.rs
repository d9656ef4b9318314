//! `vm_write`, `vm_copy` and `vm_read_overwrite`: bytes of one range over those of another.
//!
//! The source is snapshotted before the first byte is stored, so ranges may overlap, or be the same memory
//! under two addresses. A short source goes through a buffer, a long one through a map of its own that only this
//! operation knows. From there, runs of whole pages take the place of private memory without moving a byte; elsewhere
//! bytes are stored through the destination's objects, so that whoever shares them sees the change.

use alloc::vec::Vec;

use mach_protocol::{KernResult, KernReturn};

use super::Map;
use super::bytes::{Getter, Putter, piece};
use super::copy::{Copier, Progress, Terms};
use super::entry::Attributes;
use super::read::{SMALL, check_bytes};
use super::unmap::Remover;
use crate::fault::plan::By;
use crate::fault::resume::Access;
use crate::map::Limits;
use crate::object::shadow::MAX_DEPTH;
use crate::range::{Range, is_aligned, trunc};
use crate::step::{Budget, Cancel, Env, Operation, Step};
use crate::types::{MapId, PAGE_SIZE, Prot};
use crate::vm::Vm;

/// Where the bytes come from.
#[derive(Debug)]
pub enum WriteSource {
    /// The caller's memory.
    Memory {
        /// The caller's map.
        map: MapId,
        /// Where in it.
        address: u64,
        /// How many bytes.
        size: u64,
    },
    /// The message itself.
    Inline(Vec<u8>),
}

/// How far a transfer came.
#[derive(Debug)]
enum State {
    New,
    /// Short: the source into a buffer.
    Getting(Getter),
    /// Short: the buffer into the destination.
    Putting(Putter),
    /// Long: the source into a map of its own.
    Copying(Copier, MapId),
    /// Long: from that map, so many bytes are done.
    Pouring(MapId, u64),
    /// Long: a run of pages takes the destination's place.
    Replacing(Replacer),
    Over(KernResult<()>),
}

/// Runs of pages shorter than this are copied.
const REPLACE_SIZE: u64 = 4 * PAGE_SIZE;

/// Puts a run of pages of a snapshot in the place of private memory. The destination is locked.
#[derive(Debug)]
struct Replacer {
    snapshot: MapId,
    /// Bytes that were done before.
    done: u64,
    /// In the snapshot.
    source: Range,
    /// In the destination's map.
    dest: (MapId, Range),
    attributes: Attributes,
    remover: Remover,
    copier: Option<Copier>,
}

impl Replacer {
    /// Goes on. The run is all in one entry, and nothing of it can fail: what is copied is references.
    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E, budget: &mut Budget) -> Progress {
        let (map, range) = self.dest;
        if let Some(copier) = &mut self.copier {
            return copier.step(vm, env, budget);
        }
        if !self.remover.step(vm, env, budget) {
            return Progress::Again;
        }
        let terms = Terms::Snapshot(self.attributes);
        let copier = Copier::new(vm, self.snapshot, self.source, map, range.start, terms);
        self.copier.insert(copier).step(vm, env, budget)
    }
}

/// Bytes on their way.
#[derive(Debug)]
struct Transfer {
    from: (MapId, u64),
    to: (MapId, u64),
    size: u64,
    state: State,
}

impl Transfer {
    fn new(from: (MapId, u64), to: (MapId, u64), size: u64) -> Transfer {
        Transfer { from, to, size, state: State::New }
    }

    /// Bytes that are in hand already.
    fn of(bytes: Vec<u8>, to: (MapId, u64)) -> Transfer {
        let size = bytes.len() as u64;
        let state = State::Putting(Putter::new(to.0, to.1, bytes));
        Transfer { from: to, to, size, state }
    }

    /// Takes the first step, or tells what to wait for.
    fn start(&mut self, vm: &mut Vm) -> Result<(), Step<()>> {
        if let Some(wait) = vm.is_locked(&[self.from.0, self.to.0]) {
            return Err(Step::Wait(wait));
        }
        let (from, address) = self.from;
        if self.size < SMALL {
            self.state = State::Getting(Getter::new(from, address, self.size));
            return Ok(());
        }
        let Ok(range) = crate::range::cover(address, self.size) else {
            return Err(KernReturn::INVALID_ADDRESS.into());
        };
        let limits = Limits { current: u64::MAX, max: u64::MAX };
        let snapshot = vm.maps.insert(Map::new(None, range, limits));
        vm.lock_maps(&[from]);
        let terms = Terms::Snapshot(Attributes::new());
        let copier = Copier::new(vm, from, range, snapshot, range.start, terms);
        self.state = State::Copying(copier, snapshot);
        Ok(())
    }

    /// Whether a run of pages can take the destination's place: it is long enough, the memory there is the task's
    /// alone, and the snapshot of it can be copied by reference.
    fn find_run(&self, vm: &Vm, snapshot: MapId, done: u64) -> Option<Replacer> {
        let (from, to) = (self.from.1 + done, self.to.1 + done);
        if !is_aligned(from | to) {
            return None;
        }
        let (_, entry) = vm.maps.get(self.to.0)?.entries.lookup(to)?;
        let is_private = entry.backing.is_none_or(|backing| {
            let object = vm.objects.get(backing.object);
            object.is_some_and(|object| object.is_internal() && !object.is_shared)
        });
        let size = trunc(self.size - done).min(entry.end - to);
        let is_writable = entry.attributes.prot.contains(Prot::WRITE);
        if size < REPLACE_SIZE || !is_private || !is_writable || entry.is_shared || entry.wired > 0 {
            return None;
        }
        let source = Range { start: from, end: from + size };
        let dest = Range { start: to, end: to + size };
        let mut entries = vm.maps.get(snapshot)?.entries.overlapping(source);
        let is_short =
            entries.all(|(_, entry)| entry.backing.is_none_or(|backing| vm.chain_length(backing.object) < MAX_DEPTH));
        is_short.then(|| Replacer {
            snapshot,
            done,
            source,
            dest: (self.to.0, dest),
            attributes: entry.attributes,
            remover: Remover::replacing(self.to.0, dest),
            copier: None,
        })
    }

    /// Stores bytes of the snapshot. `Zeros` when all are stored.
    fn pour<E: Env>(&self, vm: &mut Vm, env: &mut E, snapshot: MapId, done: &mut u64, budget: &mut Budget) -> Access {
        let ends = (self.from.1 + self.size, self.to.1 + self.size);
        while *done < self.size {
            if self.find_run(vm, snapshot, *done).is_some() || !budget.take(2) {
                return Access::Again;
            }
            let (from_page, from_offset, from_count) = piece(self.from.1 + *done, ends.0);
            let (to_page, to_offset, to_count) = piece(self.to.1 + *done, ends.1);
            let count = from_count.min(to_count);
            let (map, _) = self.to;
            match vm.resolve(env, snapshot, from_page, Prot::READ, By::Server) {
                Access::Frame { frame: from, .. } => match vm.resolve(env, map, to_page, Prot::WRITE, By::Server) {
                    Access::Frame { frame, .. } => {
                        env.copy_bytes(from, from_offset, frame, to_offset, count);
                    }
                    stop => return stop,
                },
                // Zeros over memory that nobody touched need no frame.
                Access::Zeros if vm.resolve(env, map, to_page, Prot::READ, By::Server) == Access::Zeros => {}
                Access::Zeros => match vm.resolve(env, map, to_page, Prot::WRITE, By::Server) {
                    Access::Frame { frame, .. } => env.zero_bytes(frame, to_offset, count),
                    stop => return stop,
                },
                stop => return stop,
            }
            *done += count as u64;
        }
        Access::Zeros
    }

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        let mut budget = Budget::step();
        let mut short = None;
        if !matches!(self.state, State::Over(_) | State::Replacing(_)) && env.prepare_step().is_err() {
            short = Some(vm.shortage(env));
        }
        loop {
            let access = match (&mut self.state, short.take()) {
                (State::Over(result), _) => {
                    let result = *result;
                    let is_tidy = vm.reap_within(env, &mut budget);
                    return if is_tidy { Step::Done(result) } else { Step::Again };
                }
                (_, Some(access)) => access,
                (State::New, None) => match self.start(vm) {
                    Ok(()) => continue,
                    Err(step) => return step,
                },
                (State::Getting(getter), None) => match getter.step(vm, env, &mut budget) {
                    Access::Zeros => {
                        let putter = Putter::new(self.to.0, self.to.1, getter.take());
                        self.state = State::Putting(putter);
                        continue;
                    }
                    stop => stop,
                },
                (State::Putting(putter), None) => putter.step(vm, env, &mut budget),
                (State::Copying(copier, snapshot), None) => match copier.step(vm, env, &mut budget) {
                    Progress::Done => {
                        let snapshot = *snapshot;
                        vm.unlock_maps(&[self.from.0]);
                        self.state = State::Pouring(snapshot, 0);
                        continue;
                    }
                    Progress::Again => Access::Again,
                    Progress::Stopped(access) => access,
                },
                (State::Replacing(replacer), None) => match replacer.step(vm, env, &mut budget) {
                    Progress::Done => {
                        let done = replacer.done + replacer.source.size();
                        self.state = State::Pouring(replacer.snapshot, done);
                        vm.unlock_maps(&[self.to.0]);
                        continue;
                    }
                    Progress::Again | Progress::Stopped(_) => Access::Again,
                },
                (State::Pouring(snapshot, done), None) => {
                    let (snapshot, mut so_far) = (*snapshot, *done);
                    if vm.is_locked(&[self.to.0]).is_none()
                        && let Some(replacer) = self.find_run(vm, snapshot, so_far)
                    {
                        vm.lock_maps(&[self.to.0]);
                        self.state = State::Replacing(replacer);
                        continue;
                    }
                    let access = if vm.is_locked(&[self.to.0]).is_some() {
                        Access::Wait(crate::WaitOn::Map(self.to.0))
                    } else {
                        self.pour(vm, env, snapshot, &mut so_far, &mut budget)
                    };
                    self.state = State::Pouring(snapshot, so_far);
                    access
                }
            };
            let result = match access {
                Access::Wait(what) => return Step::Wait(what),
                Access::Again | Access::Frame { .. } => return Step::Again,
                Access::Zeros => Ok(()),
                Access::Fail(error) => Err(error),
            };
            self.let_go(vm);
            self.state = State::Over(result);
        }
    }

    /// Gives the snapshot and the locks back.
    fn let_go(&mut self, vm: &mut Vm) {
        match &self.state {
            State::Copying(_, snapshot) => {
                vm.unlock_maps(&[self.from.0]);
                vm.abandon_map(*snapshot);
            }
            State::Pouring(snapshot, _) => vm.abandon_map(*snapshot),
            State::Replacing(_) | State::New | State::Getting(_) | State::Putting(_) | State::Over(_) => {}
        }
    }

    fn cancel(&mut self, vm: &mut Vm) -> Cancel {
        if let State::Copying(..) | State::Replacing(_) = self.state {
            return Cancel::RunOn;
        }
        self.let_go(vm);
        self.state = State::Over(Ok(()));
        Cancel::Dropped
    }
}

/// `vm_write` (2027; 3807, 4806).
///
/// # Errors
/// | # | check                                      | error                                             |
/// |---|--------------------------------------------|---------------------------------------------------|
/// | 0 | the caller's buffer can be read            | `SendInvalidMemory`                               |
/// | 1 | the target is a task                       | `InvalidArgument`                                 |
/// | 2 | count 0: success                           |                                                   |
/// | 3 | does not wrap or round to zero             | `InvalidAddress`                                  |
/// | 4 | no hole                                    | `InvalidAddress`                                  |
/// | 5 | every page allows WRITE                    | small: `InvalidAddress`, else `ProtectionFailure` |
/// | 6 | every page can be had                      | that of the fault                                 |
#[derive(Debug)]
pub struct Write {
    target: Option<MapId>,
    address: u64,
    source: WriteSource,
    transfer: Option<Transfer>,
}

impl Write {
    /// A call.
    #[must_use]
    pub fn new(target: Option<MapId>, address: u64, source: WriteSource) -> Write {
        Write { target, address, source, transfer: None }
    }

    fn check(&mut self, vm: &Vm) -> KernResult<Option<Transfer>> {
        let size = match &self.source {
            WriteSource::Inline(bytes) => bytes.len() as u64,
            WriteSource::Memory { map, address, size } => {
                if *size > 0 && check_bytes(vm, *map, *address, *size, Prot::READ).is_err() {
                    return Err(KernReturn::SEND_INVALID_MEMORY);
                }
                *size
            }
        };
        let map = vm.target(self.target)?;
        if size == 0 {
            return Ok(None);
        }
        check_bytes(vm, map, self.address, size, Prot::WRITE)?;
        let to = (map, self.address);
        Ok(Some(match &mut self.source {
            WriteSource::Inline(bytes) => Transfer::of(core::mem::take(bytes), to),
            WriteSource::Memory { map, address, size } => Transfer::new((*map, *address), to, *size),
        }))
    }
}

impl Operation for Write {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        if self.transfer.is_none() {
            if let Some(target) = self.target
                && let Some(wait) = vm.is_locked(&[target])
            {
                return Step::Wait(wait);
            }
            match self.check(vm) {
                Ok(Some(transfer)) => self.transfer = Some(transfer),
                Ok(None) => return Step::Done(Ok(())),
                Err(error) => return error.into(),
            }
        }
        match &mut self.transfer {
            Some(transfer) => transfer.step(vm, env),
            None => Step::Done(Ok(())),
        }
    }

    fn cancel(&mut self, vm: &mut Vm) -> Cancel {
        self.transfer.as_mut().map_or(Cancel::Dropped, |transfer| transfer.cancel(vm))
    }
}

/// `vm_copy` (2028; 3808, 4807), and `vm_read_overwrite` (3809, 4808), whose destination is in the caller.
///
/// # Errors
/// | # | check                                      | error                                             |
/// |---|--------------------------------------------|---------------------------------------------------|
/// | 1 | the target is a task                       | `InvalidArgument`                                 |
/// | 2 | size 0: success                            |                                                   |
/// | 3… | the source can be read, see `check_bytes` | `InvalidAddress`, `ProtectionFailure`             |
/// | 6… | the destination can be written, likewise  | `InvalidAddress`, `ProtectionFailure`             |
/// | 9 | every page can be had                      | that of the fault                                 |
#[derive(Debug)]
pub struct Copy {
    target: Option<MapId>,
    source: u64,
    size: u64,
    dest_map: Option<MapId>,
    dest: u64,
    transfer: Option<Transfer>,
}

impl Copy {
    /// `vm_copy`.
    #[must_use]
    pub fn new(target: Option<MapId>, source: u64, size: u64, dest: u64) -> Copy {
        Copy { target, source, size, dest_map: target, dest, transfer: None }
    }

    /// `vm_read_overwrite`: the source in `target`, the destination in `caller`.
    #[must_use]
    pub fn to_caller(target: Option<MapId>, source: u64, size: u64, caller: MapId, dest: u64) -> Copy {
        Copy { dest_map: Some(caller), ..Copy::new(target, source, size, dest) }
    }

    fn check(&self, vm: &Vm) -> KernResult<Option<Transfer>> {
        let from = vm.target(self.target)?;
        let to = vm.target(self.dest_map)?;
        if self.size == 0 {
            return Ok(None);
        }
        check_bytes(vm, from, self.source, self.size, Prot::READ)?;
        check_bytes(vm, to, self.dest, self.size, Prot::WRITE)?;
        if from == to && self.source == self.dest {
            return Ok(None);
        }
        Ok(Some(Transfer::new((from, self.source), (to, self.dest), self.size)))
    }
}

impl Operation for Copy {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        if self.transfer.is_none() {
            let maps = [self.target, self.dest_map];
            if let Some(wait) = maps.iter().flatten().find_map(|map| vm.is_locked(&[*map])) {
                return Step::Wait(wait);
            }
            match self.check(vm) {
                Ok(Some(transfer)) => self.transfer = Some(transfer),
                Ok(None) => return Step::Done(Ok(())),
                Err(error) => return error.into(),
            }
        }
        match &mut self.transfer {
            Some(transfer) => transfer.step(vm, env),
            None => Step::Done(Ok(())),
        }
    }

    fn cancel(&mut self, vm: &mut Vm) -> Cancel {
        self.transfer.as_mut().map_or(Cancel::Dropped, |transfer| transfer.cancel(vm))
    }
}
