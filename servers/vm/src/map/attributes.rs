//! `vm_behavior_set`, `vm_machine_attribute`.

use mach_protocol::{KernResult, KernReturn};

use super::entry::Behavior;
use crate::fault::plan::{By, Plan, plan, walk};
use crate::fault::resume::Access;
use crate::page::queue::Queue;
use crate::range::{self, BadRange, Range};
use crate::step::{Budget, Cancel, Env, Operation, Step, WaitOn};
use crate::types::{Family, MapId, ObjectId, PAGE_SIZE, PageId, Prot};
use crate::vm::Vm;

/// `VM_BEHAVIOR_WILLNEED`
const WILLNEED: u32 = 4;
/// `VM_BEHAVIOR_DONTNEED`
const DONTNEED: u32 = 5;
/// `VM_BEHAVIOR_REUSABLE`, `_REUSE` and `_CAN_REUSE`: the first and the last of them.
const REUSABLE: u32 = 8;
const CAN_REUSE: u32 = 10;
/// `VM_BEHAVIOR_ZERO`
const ZERO: u32 = 12;
const LAST_BEHAVIOR: u32 = ZERO;

/// `vm_behavior_set` (3811, 4810).
///
/// # Errors
/// | # | check                                              | error               |
/// |---|----------------------------------------------------|---------------------|
/// | 1 | the target is a task                               | `InvalidArgument`   |
/// | 2 | the behavior is 0 to 12                            | `InvalidArgument`   |
/// | 3 | size 0: success                                    |                     |
/// | 4 | does not wrap                                      | `InvalidArgument`   |
/// | 5 | does not round to zero, within the map's bounds    | `NoSpace`           |
/// | 6 | no hole                                            | `InvalidAddress`    |
/// | 7 | the reuse hints and ZERO: writable                 | `ProtectionFailure` |
///
/// | behavior | effect                                                                                        |
/// |----------|-----------------------------------------------------------------------------------------------|
/// | 0 to 3   | stored in the entries, for `vm_region`; read-ahead and page-out look at the faults            |
/// | WILLNEED | pages that a manager or the default pager has are asked for, as far as that needs no waiting  |
/// | DONTNEED | pages become inactive: they are the first to go, if memory is short. Contents stay            |
/// | ZERO     | contents become zero                                                                          |
/// | others   | hints that nothing follows                                                                    |
#[derive(Debug)]
pub struct BehaviorSet {
    target: Option<MapId>,
    address: u64,
    size: u64,
    behavior: u32,
    /// What is still to be done, page by page.
    work: Option<(MapId, Range)>,
}

impl BehaviorSet {
    /// A call.
    #[must_use]
    pub fn new(target: Option<MapId>, address: u64, size: u64, behavior: u32) -> BehaviorSet {
        BehaviorSet { target, address, size, behavior, work: None }
    }

    fn check(&self, vm: &Vm) -> KernResult<Option<(MapId, Range)>> {
        let id = vm.target(self.target)?;
        if self.behavior > LAST_BEHAVIOR {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        if self.size == 0 {
            return Ok(None);
        }
        let range = range::cover(self.address, self.size).map_err(|bad| match bad {
            BadRange::Wraps => KernReturn::INVALID_ARGUMENT,
            BadRange::RoundsToZero => KernReturn::NO_SPACE,
        })?;
        let bounds = vm.maps.get(id).ok_or(KernReturn::INVALID_ARGUMENT)?.bounds;
        if range.clamp(bounds) != range {
            return Err(KernReturn::NO_SPACE);
        }
        let needs_write = (REUSABLE..=CAN_REUSE).contains(&self.behavior) || self.behavior == ZERO;
        let access = if needs_write { Prot::WRITE } else { Prot::NONE };
        vm.check_access(id, range, access)?;
        Ok(Some((id, range)))
    }

    fn store(&self, vm: &mut Vm, id: MapId, range: Range) {
        let behavior = match self.behavior {
            0 => Behavior::Default,
            1 => Behavior::Random,
            2 => Behavior::Sequential,
            3 => Behavior::ReverseSequential,
            _ => return,
        };
        vm.clip_range(id, range);
        if let Some(map) = vm.maps.get_mut(id) {
            map.entries.change_overlapping(range, |_, entry| entry.attributes.behavior = behavior);
        }
        vm.join_range(id, range);
    }
}

impl Operation for BehaviorSet {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        if self.work.is_none() {
            let (map, range) = match self.check(vm) {
                Ok(Some(checked)) => checked,
                Ok(None) => return Step::Done(Ok(())),
                Err(error) => return error.into(),
            };
            if let Some(wait) = vm.is_locked(&[map]) {
                return Step::Wait(wait);
            }
            if env.prepare_step().is_err() {
                return KernReturn::RESOURCE_SHORTAGE.into();
            }
            if !matches!(self.behavior, WILLNEED | DONTNEED | ZERO) {
                self.store(vm, map, range);
                return Step::Done(Ok(()));
            }
            self.work = Some((map, range));
        }
        let Some((map, range)) = &mut self.work else { return Step::Done(Ok(())) };
        if let Some(wait) = vm.is_locked(&[*map]) {
            return Step::Wait(wait);
        }
        if env.prepare_step().is_err() {
            return vm.shortage(env).into();
        }
        let budget = &mut Budget::step();
        let done = match self.behavior {
            WILLNEED => ask_for_range(vm, env, *map, range, budget),
            DONTNEED => deactivate_range(vm, env, *map, range, budget),
            _ => zero_range(vm, env, *map, range, budget),
        };
        match done {
            Access::Zeros => Step::Done(Ok(())),
            stop => stop.into(),
        }
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        Cancel::Dropped
    }
}

/// The next page of a range in which there may be something.
enum Next {
    /// At this address, at an offset of an object that may still have to be copied.
    Page { address: u64, object: ObjectId, offset: u64, needs_copy: bool },
    /// Not in the entry that came next.
    Beyond,
    /// There is none.
    None,
}

/// Looks for the next page by what `find` says of the object behind an entry, and moves the start of the range there.
fn next_page(vm: &Vm, map: MapId, range: &mut Range, find: impl Fn(&Vm, ObjectId, u64, u64) -> Option<u64>) -> Next {
    let found = vm.maps.get(map).and_then(|map| map.entries.at_or_above(range.start));
    let Some((start, entry)) = found.filter(|(start, _)| *start < range.end && !range.is_empty()) else {
        return Next::None;
    };
    let (from, to) = (start.max(range.start), entry.end.min(range.end));
    range.start = to;
    let Some(backing) = entry.backing else { return Next::Beyond };
    let shift = backing.offset.wrapping_sub(start);
    let Some(offset) = find(vm, backing.object, from.wrapping_add(shift), to.wrapping_add(shift)) else {
        return Next::Beyond;
    };
    range.start = offset.wrapping_sub(shift);
    Next::Page { address: range.start, object: backing.object, offset, needs_copy: entry.needs_copy }
}

/// Makes what is there of a range zero, and moves the start of the range along. `Zeros` when all is done.
fn zero_range<E: Env>(vm: &mut Vm, env: &mut E, map: MapId, range: &mut Range, budget: &mut Budget) -> Access {
    while budget.take(1) {
        match next_page(vm, map, range, Vm::next_data_in_chain) {
            Next::None => return Access::Zeros,
            Next::Beyond => continue,
            Next::Page { object, offset, needs_copy: false, .. } if can_drop(vm, object, offset) => {
                vm.drop_page(env, object, offset);
            }
            Next::Page { address, .. } => match vm.resolve(env, map, address, Prot::WRITE, By::Server) {
                Access::Frame { frame, .. } => env.zero_bytes(frame, 0, PAGE_SIZE as usize),
                stop => return stop,
            },
        }
        range.start += PAGE_SIZE;
    }
    Access::Again
}

/// Asks for the pages of a range that are not here, as far as nothing has to be waited for. `Zeros` when that is done.
fn ask_for_range<E: Env>(vm: &mut Vm, env: &mut E, map: MapId, range: &mut Range, budget: &mut Budget) -> Access {
    while budget.take(1) {
        match next_page(vm, map, range, Vm::next_data_in_chain) {
            Next::None => return Access::Zeros,
            Next::Beyond => continue,
            Next::Page { address, .. } => match plan(vm, map, address, Prot::READ, By::Server) {
                Plan::Request { object, offset, access } => {
                    let is_asked = vm.can_ask(env, object) && vm.request(env, object, offset, access).is_ok();
                    if !is_asked {
                        return Access::Zeros;
                    }
                }
                // A manager that is not ready is not asked; who reads here waits for it.
                Plan::Wait(WaitOn::Manager(_)) => return Access::Zeros,
                _ => {}
            },
        }
        range.start += PAGE_SIZE;
    }
    Access::Again
}

/// Lets the pages of a range show whether somebody uses them. `Zeros` when all is done.
fn deactivate_range<E: Env>(vm: &mut Vm, env: &mut E, map: MapId, range: &mut Range, budget: &mut Budget) -> Access {
    while budget.take(1) {
        match next_page(vm, map, range, Vm::next_page_in_chain) {
            Next::None => return Access::Zeros,
            Next::Beyond => continue,
            Next::Page { object, offset, .. } => {
                let page = vm.objects.get(object).and_then(|object| object.pages.get(&offset)).copied();
                let is_active = |page: &PageId| {
                    vm.pages.get(*page).is_some_and(|page| matches!(page.links.queue, Queue::Active(_)))
                };
                if let Some(page) = page.filter(is_active) {
                    vm.deactivate(env, page);
                }
            }
        }
        range.start += PAGE_SIZE;
    }
    Access::Again
}

/// Whether nothing shines through once a page is gone, and nobody needs it.
fn can_drop(vm: &Vm, object: ObjectId, offset: u64) -> bool {
    let Some(record) = vm.objects.get(object) else { return false };
    let page = record.pages.get(&offset).and_then(|page| vm.pages.get(*page));
    record.is_internal() && record.shadow.is_none() && record.copy.is_none() && page.is_some_and(|page| page.wired == 0)
}

/// `MATTR_CACHE`
const CACHE: u32 = 1;
/// `MATTR_VAL_CACHE_FLUSH` to `MATTR_VAL_CACHE_SYNC`.
const FIRST_FLUSH: u32 = 6;
const LAST_FLUSH: u32 = 9;

/// `vm_machine_attribute` (2099; 3813, 4812). Of the caches, only the instruction cache needs help: data caches are
/// coherent for everybody who can see the memory.
///
/// # Errors
/// | # | check                                  | error                                     |
/// |---|----------------------------------------|-------------------------------------------|
/// | 1 | the target is a task                   | `InvalidArgument`                         |
/// | 2 | size 0: success                        |                                           |
/// | 3 | does not wrap                          | `InvalidArgument`                         |
/// | 4 | does not round to zero                 | `InvalidAddress`                          |
/// | 5 | within the map's bounds                | `InvalidAddress`, GNU `InvalidArgument`   |
/// | 6 | the attribute is the cache, flushed    | `InvalidArgument`                         |
/// | 7 | no hole                                | `Failure`                                 |
#[derive(Debug)]
pub struct MachineAttribute {
    target: Option<MapId>,
    address: u64,
    size: u64,
    attribute: u32,
    value: u32,
    family: Family,
    syncing: Option<(MapId, Range)>,
}

impl MachineAttribute {
    /// A call.
    #[must_use]
    pub fn new(
        target: Option<MapId>,
        address: u64,
        size: u64,
        attribute: u32,
        value: u32,
        family: Family,
    ) -> MachineAttribute {
        MachineAttribute { target, address, size, attribute, value, family, syncing: None }
    }

    fn check(&self, vm: &Vm) -> KernResult<Option<(MapId, Range)>> {
        let id = vm.target(self.target)?;
        if self.size == 0 {
            return Ok(None);
        }
        let range = range::cover(self.address, self.size).map_err(|bad| match bad {
            BadRange::Wraps => KernReturn::INVALID_ARGUMENT,
            BadRange::RoundsToZero => KernReturn::INVALID_ADDRESS,
        })?;
        let bounds = vm.maps.get(id).ok_or(KernReturn::INVALID_ARGUMENT)?.bounds;
        if range.clamp(bounds) != range {
            return Err(match self.family {
                Family::Gnu => KernReturn::INVALID_ARGUMENT,
                Family::Xnu => KernReturn::INVALID_ADDRESS,
            });
        }
        if self.attribute != CACHE || !(FIRST_FLUSH..=LAST_FLUSH).contains(&self.value) {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        vm.check_access(id, range, Prot::NONE).map_err(|_| KernReturn::FAILURE)?;
        Ok(Some((id, range)))
    }
}

impl Operation for MachineAttribute {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        if self.syncing.is_none() {
            match self.check(vm) {
                Ok(Some(checked)) => self.syncing = Some(checked),
                Ok(None) => return Step::Done(Ok(())),
                Err(error) => return error.into(),
            }
        }
        let mut budget = Budget::step();
        let Some((map, range)) = &mut self.syncing else { return Step::Done(Ok(())) };
        while range.start < range.end {
            if !budget.take(1) {
                return Step::Again;
            }
            let found = vm.maps.get(*map).and_then(|map| map.entries.at_or_above(range.start));
            let Some((start, entry)) = found else { break };
            let (from, to) = (start.max(range.start), entry.end);
            let page = entry.backing.and_then(|backing| {
                let shift = backing.offset.wrapping_sub(start);
                let (first, end) = (from.wrapping_add(shift), to.wrapping_add(shift));
                let at = vm.next_page_in_chain(backing.object, first, end)?;
                Some((at.wrapping_sub(shift), backing.object, at))
            });
            match page {
                Some((address, ..)) if address >= range.end => break,
                Some((address, object, at)) => {
                    if let Ok(found) = walk(vm, object, at, Prot::NONE) {
                        env.sync_instructions(found.frame);
                    }
                    range.start = address + PAGE_SIZE;
                }
                None => range.start = to,
            }
        }
        Step::Done(Ok(()))
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        Cancel::Dropped
    }
}
