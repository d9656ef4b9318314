//! Carrying plans out, until the page is there, something must be waited for, or the access fails.

use mach_protocol::KernReturn;

use super::plan::{By, Plan, plan, walk};
use crate::map::entry::Backing;
use crate::object::Object;
use crate::page::PageState;
use crate::pmap::{Fill, Shortage};
use crate::range::trunc;
use crate::step::{Budget, Cancel, Env, FrameFor, Operation, Step, WaitOn};
use crate::types::{FrameId, MapId, ObjectId, PAGE_SIZE, PageId, Prot, SpaceId};
use crate::vm::Vm;

/// How many pages a shortage takes from managed objects at a time.
const EVICTED: usize = 16;

/// What became of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The page is in this frame, and the task may do this to it.
    Frame { page: PageId, frame: FrameId, prot: Prot },
    /// The server may read zeros; there is no page.
    Zeros,
    /// Look again after a wake-up.
    Wait(WaitOn),
    /// Memory is short, but is being given back: look again behind what is pending.
    Again,
    /// The access can not be had.
    Fail(KernReturn),
}

impl Vm {
    /// Makes the page at `address` (page aligned) accessible.
    pub(crate) fn resolve<E: Env>(&mut self, env: &mut E, map: MapId, address: u64, access: Prot, by: By) -> Access {
        let found = self.find_page(env, map, address, access, by);
        if let Access::Frame { page, .. } = found
            && self.maps.get(map).is_some_and(|map| map.is_kept)
        {
            self.keep_page(page);
        }
        found
    }

    fn find_page<E: Env>(&mut self, env: &mut E, map: MapId, address: u64, access: Prot, by: By) -> Access {
        let is_peek = by == By::Server && access == Prot::READ;
        loop {
            let plan = plan(self, map, address, access, by);
            let done = match plan {
                Plan::MakeObject | Plan::ZeroFill { .. } if is_peek => return Access::Zeros,
                Plan::Use { page, frame, prot, becomes_dirty } => {
                    if becomes_dirty && let Some(page) = self.pages.get_mut(page) {
                        page.state = PageState::Dirty { frame };
                    }
                    self.forget_unsolicited(env, page);
                    self.touch(page);
                    return Access::Frame { page, frame, prot };
                }
                Plan::MakeObject => {
                    self.make_object(map, address);
                    Ok(())
                }
                Plan::TakeOver(object) => {
                    self.take_over(map, address, object);
                    Ok(())
                }
                Plan::MakeShadow => {
                    self.shadow_entry(map, address);
                    Ok(())
                }
                Plan::ZeroFill { object, offset, prot } => match (self.zero_fill(env, object, offset), prot) {
                    (Ok((page, frame)), Some(prot)) => return Access::Frame { page, frame, prot },
                    (filled, _) => filled.map(drop),
                },
                Plan::CopyUp { below, from, object, offset, prot } => {
                    let place = (self.space_of(map), address);
                    match (self.copy_up(env, place, (below, from), (object, offset)), prot) {
                        (Ok((page, frame)), Some(prot)) => return Access::Frame { page, frame, prot },
                        (copied, _) => copied.map(drop),
                    }
                }
                Plan::Push { from, copy, offset } => self.push(env, from, copy, offset),
                Plan::Fail(_) | Plan::Wait(_) | Plan::Request { .. } | Plan::Unlock { .. } => {
                    match self.ask(env, plan) {
                        Ok(()) => Ok(()),
                        Err(stop) => return stop,
                    }
                }
            };
            if let Err(Shortage) = done {
                return self.shortage(env);
            }
        }
    }

    /// Does what is between an access and its page, as far as that is not here: `Ok` means to look again.
    fn ask<E: Env>(&mut self, env: &mut E, plan: Plan) -> Result<(), Access> {
        match plan {
            Plan::Fail(error) => Err(Access::Fail(error)),
            Plan::Wait(what) => Err(self.wait(env, what)),
            Plan::Request { object, offset, access } => match self.request(env, object, offset, access)? {
                // That is what another look would find.
                Some(page) => Err(Access::Wait(WaitOn::Page(page))),
                None => Ok(()),
            },
            Plan::Unlock { page, access } => self.request_unlock(env, page, access),
            Plan::MakeObject
            | Plan::TakeOver(_)
            | Plan::MakeShadow
            | Plan::ZeroFill { .. }
            | Plan::CopyUp { .. }
            | Plan::Push { .. }
            | Plan::Use { .. } => Err(Access::Zeros),
        }
    }

    /// Makes the page at an offset of an object and what is below it readable by the server.
    pub(crate) fn fetch<E: Env>(&mut self, env: &mut E, object: ObjectId, offset: u64) -> Access {
        loop {
            let plan = match walk(self, object, offset, Prot::READ) {
                Ok(found) => {
                    let (page, frame) = (found.id, found.frame);
                    self.touch(page);
                    return Access::Frame { page, frame, prot: Prot::READ };
                }
                Err(plan) => plan,
            };
            if let Err(stop) = self.ask(env, plan) {
                return stop;
            }
        }
    }

    /// What to do when a frame, a table or a slot could not be had.
    pub(crate) fn shortage<E: Env>(&mut self, env: &mut E) -> Access {
        self.shortage_of(env, FrameFor::New)
    }

    /// The same, for a frame of this use.
    pub(crate) fn shortage_of<E: Env>(&mut self, env: &mut E, purpose: FrameFor) -> Access {
        if !self.is_tidy() {
            self.reap(env);
            return Access::Again;
        }
        if self.evict(env, EVICTED).freed > 0 || self.uncache_oldest() {
            return Access::Again;
        }
        if self.pageout.has_pager || purpose == FrameFor::PageIn {
            return self.wait(env, WaitOn::Frames(purpose));
        }
        Access::Fail(KernReturn::RESOURCE_SHORTAGE)
    }

    /// Gives an untouched entry an object of its size.
    pub(crate) fn make_object(&mut self, map: MapId, address: u64) {
        let Some(map) = self.maps.get_mut(map) else {
            return;
        };
        let Some((start, entry)) = map.entries.lookup_mut(address) else {
            return;
        };
        let size = entry.end - start;
        let object = self.objects.insert(Object::anonymous(size));
        entry.backing = Some(Backing { object, offset: 0 });
    }

    /// Forgets that an entry needs a copy: nobody else uses its object.
    pub(crate) fn take_over(&mut self, map: MapId, address: u64, object: ObjectId) {
        if let Some(object) = self.objects.get_mut(object) {
            object.is_frozen = false;
            object.is_unique = true;
        }
        if let Some(map) = self.maps.get_mut(map)
            && let Some((_, entry)) = map.entries.lookup_mut(address)
        {
            entry.needs_copy = false;
        }
    }

    /// Puts a private object in front of what an entry maps.
    pub(crate) fn shadow_entry(&mut self, id: MapId, address: u64) {
        let Some(map) = self.maps.get(id) else { return };
        let Some((start, entry)) = map.entries.lookup(address) else {
            return;
        };
        let Some(backing) = entry.backing else { return };
        let object = self.make_shadow(backing.object, backing.offset, entry.end - start);
        if let Some(map) = self.maps.get_mut(id)
            && let Some((_, entry)) = map.entries.lookup_mut(address)
        {
            entry.backing = Some(Backing { object, offset: 0 });
            entry.needs_copy = false;
        }
    }

    pub(super) fn zero_fill<E: Env>(
        &mut self,
        env: &mut E,
        object: ObjectId,
        offset: u64,
    ) -> Result<(PageId, FrameId), Shortage> {
        let frame = env.allocate_frame(Fill::Zero)?;
        // A manager that said that it has no data can say it again.
        let state = match self.association_of(object) {
            Some(_) => PageState::Clean { frame },
            None => PageState::Dirty { frame },
        };
        let page = self.insert_page(object, offset, state);
        self.counters.zero_fills += 1;
        Ok((page, frame))
    }

    /// Copies a page from below into the first object.
    ///
    /// Two frames hold the same bytes then, and it does not matter which of them is whose. Where nobody but the task that
    /// wants to write has the old one mapped, that is the one it gets: then its mapping is widened, not replaced.
    pub(super) fn copy_up<E: Env>(
        &mut self,
        env: &mut E,
        (space, address): (Option<SpaceId>, u64),
        (below, from): (PageId, FrameId),
        (object, offset): (ObjectId, u64),
    ) -> Result<(PageId, FrameId), Shortage> {
        let copy = env.allocate_frame(Fill::Any)?;
        env.copy_frame(from, copy);
        let is_own = space.is_some_and(|space| env.is_only_mapped_at(from, space, address));
        let frame = if is_own && self.trade_frame(below, copy) { from } else { copy };
        let page = self.insert_page(object, offset, PageState::Dirty { frame });
        self.counters.cow_faults += 1;
        // Whoever looks through this object, and had the page from below mapped, must see the new one.
        if frame == from {
        } else if self.objects.get(object).is_some_and(|object| object.refs > 1) {
            env.page_protect(from, Prot::NONE);
        } else if let Some(space) = space {
            env.remove(space, address, address + PAGE_SIZE, 1);
        }
        self.queue_object(object);
        Ok((page, frame))
    }

    /// Gives a page that can go anywhere another frame, which holds the same. Answers whether it did.
    fn trade_frame(&mut self, id: PageId, frame: FrameId) -> bool {
        let Some(page) = self.pages.get_mut(id).filter(|page| page.wired == 0 && !page.is_laundry) else {
            return false;
        };
        match &mut page.state {
            PageState::Clean { frame: old } | PageState::Dirty { frame: old } => *old = frame,
            PageState::Requested { .. } | PageState::Absent => return false,
        }
        true
    }

    /// Saves a page in the copy object before it changes.
    fn push<E: Env>(&mut self, env: &mut E, from: FrameId, copy: ObjectId, offset: u64) -> Result<(), Shortage> {
        let frame = env.allocate_frame(Fill::Any)?;
        env.copy_frame(from, frame);
        self.insert_page(copy, offset, PageState::Dirty { frame });
        env.page_protect(from, Prot::NONE);
        Ok(())
    }
}

/// A page fault of a task.
///
/// # Errors
/// What the exception carries as its code: `InvalidAddress`, `ProtectionFailure`, `MemoryError`, `ResourceShortage`.
#[derive(Debug)]
pub struct Fault {
    map: MapId,
    address: u64,
    access: Prot,
    is_counted: bool,
}

impl Fault {
    /// A fault at `address`, which wanted `access`.
    #[must_use]
    pub fn new(map: MapId, address: u64, access: Prot) -> Fault {
        Fault { map, address: trunc(address), access, is_counted: false }
    }
}

impl Operation for Fault {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        let is_first = !core::mem::replace(&mut self.is_counted, true);
        if let Some(step) = vm.serve_shortly(env, (self.map, self.address), self.access, is_first) {
            return step;
        }
        vm.counters.faults += u64::from(is_first);
        let before = vm.counters;
        let step = self.resolve(vm, env);
        let after = vm.counters;
        if let Some(map) = vm.maps.get_mut(self.map) {
            map.events.faults += u64::from(is_first);
            map.events.zero_fills += after.zero_fills - before.zero_fills;
            map.events.reactivations += after.reactivations - before.reactivations;
            map.events.pageins += after.requests - before.requests;
            map.events.cow_faults += after.cow_faults - before.cow_faults;
        }
        step
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        Cancel::Dropped
    }
}

impl Fault {
    /// Makes the page accessible, and maps it.
    fn resolve<E: Env>(&self, vm: &mut Vm, env: &mut E) -> Step<()> {
        if let Some(error) = vm.failure.take() {
            return error.into();
        }
        let Some(map) = vm.maps.get(self.map) else {
            return KernReturn::INVALID_ADDRESS.into();
        };
        if map.is_locked {
            return Step::Wait(WaitOn::Map(self.map));
        }
        let Some(space) = map.space else {
            return KernReturn::INVALID_ADDRESS.into();
        };
        if env.prepare_step().is_err() {
            return vm.shortage(env).into();
        }
        let (zero_fills, cow_faults) = (vm.counters.zero_fills, vm.counters.cow_faults);
        match vm.resolve(env, self.map, self.address, self.access, By::Task) {
            Access::Frame { page, frame, prot } => {
                if env.enter(space, self.address, frame, prot).is_err() {
                    env.remove(space, self.address, self.address + PAGE_SIZE, 1);
                    return vm.shortage(env).into();
                }
                if vm.counters.zero_fills != zero_fills {
                    vm.fill_ahead(env, self.map, (space, self.address), page, prot);
                } else if vm.counters.cow_faults == cow_faults {
                    vm.map_ahead(env, self.map, space, self.address, self.access);
                }
                vm.tidy_objects(env, &mut Budget::aside());
                Step::Done(Ok(()))
            }
            other => other.into(),
        }
    }
}

/// What a step answers when the access gave no frame.
impl<T> From<Access> for Step<T> {
    fn from(access: Access) -> Step<T> {
        match access {
            Access::Wait(what) => Step::Wait(what),
            Access::Frame { .. } | Access::Zeros | Access::Again => Step::Again,
            Access::Fail(error) => Step::Done(Err(error)),
        }
    }
}
