//! `memory_object_data_supply`: pages come in.
//!
//! Per page, in ascending order:
//!
//! | the page here              | what happens                                                              |
//! |----------------------------|---------------------------------------------------------------------------|
//! | requested                  | it is the data; who waits for it wakes                                    |
//! | not here, or known absent  | accepted within the quota, else `ResourceShortage`, and the rest is refused |
//! | resident                   | `MemoryPresent`, and the rest is refused: cached data is never overwritten |
//!
//! Of the default pager's objects, pages that nobody asked for are skipped instead, wherever they are; but one that is paged
//! out and comes back precious is accepted: the default pager has no space for it.
//!
//! Data that the sender deallocates moves, if it is the sender's alone and there is enough of it; else it is copied.

use mach_protocol::{KernResult, KernReturn};

use super::answers::pages;
use super::{MAX_UNSOLICITED, Settled};
use crate::fault::plan::By;
use crate::fault::resume::Access;
use crate::map::bytes::piece;
use crate::map::unmap::{Deallocate, Holes};
use crate::object::Object;
use crate::page::{Page, PageState};
use crate::pmap::Fill;
use crate::range::{self, is_aligned};
use crate::step::{Budget, Cancel, Env, Operation, Step, WaitOn, Wake};
use crate::types::{AssocId, FrameId, MapId, ObjectId, PAGE_SIZE, Prot};
use crate::vm::Vm;

/// Data from this size on is moved, not copied.
const MOVE_SIZE: u64 = 4 * PAGE_SIZE;

/// The arguments as they came over the wire.
#[derive(Clone, Copy, Debug)]
pub struct SupplyArgs {
    /// Where in the memory object.
    pub offset: u64,
    /// The sender's map.
    pub map: MapId,
    /// The data there.
    pub address: u64,
    /// How many bytes.
    pub size: u64,
    /// The sender's memory goes.
    pub deallocate: bool,
    /// Accesses that are not allowed.
    pub lock_value: u32,
    /// The manager keeps no copy.
    pub precious: bool,
}

/// What `memory_object_supply_completed` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupplyDone {
    /// Success, `MemoryPresent`, `ResourceShortage`, or why the sender's data could not be read.
    pub result: KernReturn,
    /// The first byte that was not accepted; the end of the data after success.
    pub error_offset: u64,
}

#[derive(Debug)]
enum State {
    New,
    /// So many bytes are accepted.
    Supplying(u64),
    /// The sender's memory goes.
    Deallocating(Deallocate, KernResult<SupplyDone>),
}

/// `memory_object_data_supply` (2093; 2038).
///
/// # Errors
/// | # | check                                          | error               |
/// |---|------------------------------------------------|---------------------|
/// | 1 | the data can be read                           | `SendInvalidMemory` |
/// | 2 | the association is not over                    | `InvalidArgument`   |
/// | 3 | the lock value has known bits only             | `InvalidArgument`   |
/// | 4 | offset and size are of whole pages             | `InvalidArgument`   |
///
/// After 1 the data is deallocated in any case, if the sender said so.
#[derive(Debug)]
pub struct DataSupply {
    assoc: AssocId,
    args: SupplyArgs,
    lock: Prot,
    state: State,
}

impl DataSupply {
    /// A call.
    #[must_use]
    pub fn new(assoc: AssocId, args: SupplyArgs) -> DataSupply {
        DataSupply { assoc, args, lock: Prot::NONE, state: State::New }
    }

    /// Check 1.
    fn check_memory(&self, vm: &Vm) -> KernResult<()> {
        const BAD: KernReturn = KernReturn::SEND_INVALID_MEMORY;
        if self.args.size == 0 {
            return Ok(());
        }
        let range = range::cover(self.args.address, self.args.size).map_err(|_| BAD)?;
        vm.check_access(self.args.map, range, Prot::READ).map_err(|_| BAD)
    }

    /// Checks 2 to 4.
    fn check(&self, vm: &Vm) -> KernResult<Prot> {
        vm.object_of(self.assoc).ok_or(KernReturn::INVALID_ARGUMENT)?;
        let lock = Prot::from_wire(self.args.lock_value).ok_or(KernReturn::INVALID_ARGUMENT)?;
        pages(self.args.offset, self.args.size)?;
        Ok(lock)
    }

    /// Supplies one page.
    fn supply_one<E: Env>(&self, vm: &mut Vm, env: &mut E, done: u64) -> Result<(), Stop> {
        let offset = self.args.offset + done;
        if vm.is_paging(self.assoc) {
            if !vm.accepts_paged(self.assoc, offset, self.args.precious) {
                if self.args.precious {
                    vm.keep_given_back(self.assoc, offset);
                }
                return Ok(());
            }
        } else {
            vm.accepts(env, self.assoc, offset)?;
        }
        let address = self.args.address + done;
        if self.moves(vm)
            && let Some(page) = vm.steal(env, self.args.map, address)
        {
            // Nothing was asked of anybody since the check.
            vm.supply_page(env, self.assoc, offset, page, (self.lock, self.args.precious));
            return Ok(());
        }
        let Ok(frame) = env.allocate_frame(Fill::Any) else { return Err(Stop::Access(vm.shortage(env))) };
        match self.copy_page(vm, env, address, frame) {
            Ok(()) => {
                vm.counters.resident += 1;
                vm.supply_page(env, self.assoc, offset, frame, (self.lock, self.args.precious));
                Ok(())
            }
            Err(stop) => {
                env.free_frame(frame);
                Err(Stop::Access(stop))
            }
        }
    }

    fn moves(&self, vm: &Vm) -> bool {
        let is_worthwhile = self.args.size >= MOVE_SIZE || vm.is_paging(self.assoc);
        self.args.deallocate && is_worthwhile && is_aligned(self.args.address)
    }

    /// Copies a page of data, which may lie across two pages of the sender's.
    fn copy_page<E: Env>(&self, vm: &mut Vm, env: &mut E, address: u64, to: FrameId) -> Result<(), Access> {
        let end = address + PAGE_SIZE;
        let mut at = address;
        while at < end {
            let (page, offset, count) = piece(at, end);
            let to_offset = (at - address) as usize;
            match vm.resolve(env, self.args.map, page, Prot::READ, By::Server) {
                Access::Frame { frame, .. } => env.copy_bytes(frame, offset, to, to_offset, count),
                Access::Zeros => env.zero_bytes(to, to_offset, count),
                stop => return Err(stop),
            }
            at += count as u64;
        }
        Ok(())
    }

    /// The outcome is known: the sender's memory goes first, if it has to.
    fn finish(&mut self, outcome: KernResult<SupplyDone>) -> Option<Step<SupplyDone>> {
        if !self.args.deallocate || self.args.size == 0 {
            return Some(Step::Done(outcome));
        }
        let SupplyArgs { map, address, size, .. } = self.args;
        self.state = State::Deallocating(Deallocate::new(Some(map), address, size, Holes::Allowed), outcome);
        None
    }

    /// Goes on supplying.
    fn supply<E: Env>(&mut self, vm: &mut Vm, env: &mut E, mut done: u64) -> Result<SupplyDone, Step<SupplyDone>> {
        let mut budget = Budget::step();
        let error_at = |done| self.args.offset + done;
        loop {
            // An end in between leaves nothing to be supplied to.
            let is_over = vm.associations.get(self.assoc).is_none_or(|record| record.is_terminating());
            if is_over || done >= self.args.size {
                return Ok(SupplyDone { result: KernReturn::SUCCESS, error_offset: error_at(done) });
            }
            self.state = State::Supplying(done);
            if !budget.take(2) {
                return Err(Step::Again);
            }
            match self.supply_one(vm, env, done) {
                Ok(()) => done += PAGE_SIZE,
                Err(Stop::Refused(result)) => return Ok(SupplyDone { result, error_offset: error_at(done) }),
                Err(Stop::Access(Access::Fail(result))) => {
                    return Ok(SupplyDone { result, error_offset: error_at(done) });
                }
                Err(Stop::Access(stop)) => return Err(stop.into()),
            }
        }
    }
}

/// Why a page was not supplied.
enum Stop {
    Refused(KernReturn),
    Access(Access),
}

impl Operation for DataSupply {
    type Out = SupplyDone;

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<SupplyDone> {
        loop {
            match &mut self.state {
                State::New => {
                    if let Some(wait) = vm.is_locked(&[self.args.map]) {
                        return Step::Wait(wait);
                    }
                    if let Err(error) = self.check_memory(vm) {
                        return error.into();
                    }
                    match self.check(vm) {
                        Ok(lock) => {
                            self.lock = lock;
                            self.state = State::Supplying(0);
                        }
                        Err(error) => {
                            if let Some(step) = self.finish(Err(error)) {
                                return step;
                            }
                        }
                    }
                }
                State::Supplying(done) => {
                    let done = *done;
                    if let Some(wait) = vm.is_locked(&[self.args.map]) {
                        return Step::Wait(wait);
                    }
                    let prepared = env.prepare_step().map_err(|_| vm.shortage(env));
                    let outcome = match prepared {
                        Ok(()) => self.supply(vm, env, done),
                        Err(Access::Fail(result)) => Ok(SupplyDone { result, error_offset: self.args.offset + done }),
                        Err(stop) => Err(stop.into()),
                    };
                    match outcome {
                        Ok(outcome) => {
                            if let Some(step) = self.finish(Ok(outcome)) {
                                return step;
                            }
                        }
                        Err(step) => return step,
                    }
                }
                State::Deallocating(deallocate, outcome) => {
                    return match deallocate.step(vm, env) {
                        Step::Done(_) => Step::Done(*outcome),
                        Step::Wait(what) => Step::Wait(what),
                        Step::Again => Step::Again,
                    };
                }
            }
        }
    }

    fn cancel(&mut self, vm: &mut Vm) -> Cancel {
        match &mut self.state {
            State::New | State::Supplying(_) => Cancel::Dropped,
            State::Deallocating(deallocate, _) => deallocate.cancel(vm),
        }
    }
}

impl Vm {
    /// Whether a page is accepted; see the table at the top.
    fn accepts<E: Env>(&self, env: &E, assoc: AssocId, offset: u64) -> Result<(), Stop> {
        let Some(record) = self.associations.get(assoc) else { return Ok(()) };
        let object = self.objects.get(record.object);
        let page = object.and_then(|object| object.pages.get(&offset)).and_then(|page| self.pages.get(*page));
        match page.map(|page| page.state) {
            Some(PageState::Requested { .. }) => Ok(()),
            Some(PageState::Clean { .. } | PageState::Dirty { .. }) => Err(Stop::Refused(KernReturn::MEMORY_PRESENT)),
            Some(PageState::Absent) | None => {
                if record.unsolicited >= MAX_UNSOLICITED || !env.takes_unasked(assoc) {
                    return Err(Stop::Refused(KernReturn::RESOURCE_SHORTAGE));
                }
                Ok(())
            }
        }
    }

    /// Whether a page of the default pager's is wanted: it was asked for, or comes back. Nothing else is, as newer contents
    /// may be on their way there.
    fn accepts_paged(&self, assoc: AssocId, offset: u64, is_precious: bool) -> bool {
        let Some(object) = self.object_of(assoc).and_then(|object| self.objects.get(object)) else { return false };
        match object.pages.get(&offset).and_then(|page| self.pages.get(*page)) {
            Some(page) => matches!(page.state, PageState::Requested { .. }),
            None => is_precious && object.paged.contains(offset),
        }
    }

    /// The default pager gives back a page that came in again before: what was its copy is the only one now.
    fn keep_given_back(&mut self, assoc: AssocId, offset: u64) {
        let Some(object) = self.object_of(assoc).and_then(|object| self.objects.get(object)) else { return };
        let Some(page) = object.pages.get(&offset).copied().and_then(|page| self.pages.get_mut(page)) else { return };
        page.has_slot = false;
        if let PageState::Clean { frame } = page.state {
            page.state = PageState::Dirty { frame };
            self.page_given_back();
        }
    }

    /// Puts a frame, which is counted as resident, into an object as clean data.
    fn supply_page<E: Env>(
        &mut self,
        env: &mut E,
        assoc: AssocId,
        offset: u64,
        frame: FrameId,
        (lock, is_precious): (Prot, bool),
    ) {
        let Some(object) = self.object_of(assoc) else { return };
        let old = self.objects.get(object).and_then(|object| object.pages.get(&offset).copied());
        let was_requested = old
            .and_then(|page| self.pages.get(page))
            .is_some_and(|page| matches!(page.state, PageState::Requested { .. }));
        if old.and_then(|page| self.pages.get(page)).is_some_and(|page| page.state == PageState::Absent) {
            self.hide_below(env, object, offset);
        }
        let is_paging = self.is_paging(assoc);
        let is_only = is_paging && (is_precious || !self.objects.get(object).is_some_and(Object::is_internal));
        let page = match is_only {
            true => Page::new(object, offset, PageState::Dirty { frame }),
            false => Page::new(object, offset, PageState::Clean { frame }),
        };
        let page = match is_paging {
            true => Page { has_slot: !is_precious, ..page },
            false => Page { lock, is_precious, is_unsolicited: !was_requested, ..page },
        };
        let id = match old {
            Some(id) => {
                if let Some(old) = self.pages.get_mut(id) {
                    *old = page;
                }
                id
            }
            None => self.pages.insert(page),
        };
        if let Some(object) = self.objects.get_mut(object) {
            object.pages.insert(offset, id);
            object.paged.remove(offset);
        }
        self.enqueue_inactive(id);
        let is_given_back = is_paging && is_precious && !was_requested;
        match (is_paging, is_given_back) {
            (true, true) => self.page_given_back(),
            (true, false) if is_precious => self.slot_came_free(),
            _ => {}
        }
        self.counters.pageins += u64::from(!is_given_back);
        if was_requested {
            self.wake(WaitOn::Page(id), Wake::Retry);
            self.settle(env, assoc, offset, Settled::Answered);
        } else if let Some(record) = self.associations.get_mut(assoc).filter(|_| !is_paging) {
            record.unsolicited += 1;
            env.supplied_unasked(assoc);
            self.wake_others(assoc);
        }
    }

    /// Takes the frame of a page that nobody but this map has, if there is one at this address.
    fn steal<E: Env>(&mut self, env: &mut E, map: MapId, address: u64) -> Option<FrameId> {
        let (object, offset) = self.own_page(map, address)?;
        let id = self.objects.get(object)?.pages.get(&offset).copied()?;
        let frame = self.pages.get(id).filter(|page| page.wired == 0)?.state.frame()?;
        env.page_protect(frame, Prot::NONE);
        self.dequeue(id);
        self.forget_laundry(id);
        self.pages.remove(id);
        self.objects.get_mut(object)?.pages.remove(&offset);
        Some(frame)
    }

    /// The object and offset behind an address, if it is anonymous memory that only this entry uses.
    fn own_page(&self, map: MapId, address: u64) -> Option<(ObjectId, u64)> {
        let (start, entry) = self.maps.get(map)?.entries.lookup(address)?;
        let backing = entry.backing?;
        let object = self.objects.get(backing.object)?;
        let is_own = object.refs == 1 && object.is_internal() && object.copy.is_none() && !entry.needs_copy;
        is_own.then_some((backing.object, backing.offset + (address - start)))
    }
}
