//! `vm_wire`: pages that stay resident until unwired.
//!
//! A wiring belongs to an entry. Its pages are brought into its own object, and each counts how many wired entries show
//! it. Wired entries are never copied on write, a copy of them moves bytes (see [`super::copy`]), so the pages stay
//! where they are.
//!
//! WIRE-1: every page of a wired entry is resident in the entry's own object, and its count is the number of wired
//! entries that map it.

use mach_protocol::{KernResult, KernReturn};

use super::region::Host;
use crate::fault::plan::By;
use crate::fault::resume::Access;
use crate::page::PageState;
use crate::range::{self, Range, trunc};
use crate::step::{Budget, Cancel, Env, Operation, Step, WaitOn, Wake};
use crate::types::{Family, FrameId, MapId, PAGE_SIZE, PageId, Prot};
use crate::vm::Vm;

impl Vm {
    /// One wiring more for a page.
    pub(crate) fn wire_page(&mut self, id: PageId) {
        if let Some(page) = self.pages.get_mut(id) {
            page.wired += 1;
            if page.wired == 1 {
                self.counters.wired += 1;
                self.dequeue(id);
            }
        }
    }

    /// One wiring less for a page.
    pub(crate) fn unwire_page(&mut self, id: PageId) {
        if let Some(page) = self.pages.get_mut(id)
            && page.wired > 0
        {
            page.wired -= 1;
            let object = page.object;
            if page.wired == 0 {
                self.counters.wired -= 1;
                self.activate(id);
                if self.association_of(object).is_some() {
                    self.wake(WaitOn::Page(id), Wake::Retry);
                }
            }
        }
    }

    /// Takes an entry's wiring from its pages in a range that lies within the entry.
    pub(crate) fn unwire_range(&mut self, map: MapId, range: Range) {
        let found = self.maps.get(map).and_then(|map| map.entries.lookup(range.start));
        let Some((start, entry)) = found else { return };
        let Some(backing) = entry.backing else { return };
        let shift = backing.offset.wrapping_sub(start);
        let mut next = range.start.wrapping_add(shift);
        let end = range.end.wrapping_add(shift);
        while let Some(object) = self.objects.get(backing.object)
            && let Some((at, page)) = object.pages.first(next, end)
        {
            next = at + PAGE_SIZE;
            self.unwire_page(*page);
        }
    }

    /// The frame of a page that a map keeps wired, which stays where it is as long as it is wired.
    #[must_use]
    pub fn wired_frame(&self, map: MapId, address: u64) -> Option<FrameId> {
        let (start, entry) = self.maps.get(map)?.entries.lookup(address).filter(|(_, entry)| entry.wired > 0)?;
        let backing = entry.backing?;
        let page = self.objects.get(backing.object)?.pages.get(&(backing.offset + (address - start)))?;
        self.pages.get(*page).filter(|page| page.wired > 0)?.state.frame()
    }

    /// The frame of the page that a read of this address would find, if it is resident.
    #[must_use]
    pub fn resident_frame(&self, map: MapId, address: u64) -> Option<FrameId> {
        let (start, entry) = self.maps.get(map)?.entries.lookup(address)?;
        let backing = entry.backing?;
        let (mut id, mut offset) = (backing.object, backing.offset + (trunc(address) - start));
        loop {
            let object = self.objects.get(id)?;
            match object.pages.get(&offset).and_then(|page| self.pages.get(*page)) {
                Some(page) if page.state != PageState::Absent => return page.state.frame(),
                None if object.paged.contains(offset) => return None,
                _ => {}
            }
            let shadow = object.shadow?;
            (id, offset) = (shadow.object, offset.wrapping_add(shadow.offset));
        }
    }

    /// Bytes that would be wired if a range were.
    fn size_with(&self, map: MapId, range: Range) -> u64 {
        let Some(map) = self.maps.get(map) else { return 0 };
        let unwired = map.entries.overlapping(range).filter(|(_, entry)| entry.wired == 0);
        map.size_wired + unwired.map(|(start, entry)| entry.end.min(range.end) - start.max(range.start)).sum::<u64>()
    }

    /// The first entry in a range, cut to the range.
    fn first_entry(&mut self, map: MapId, range: Range) -> Option<(Range, u16)> {
        let (start, _) = self.maps.get(map)?.entries.at_or_above(range.start)?;
        let start = start.max(range.start);
        if start >= range.end {
            return None;
        }
        self.clip_range(map, Range { start, end: range.end });
        let (_, entry) = self.maps.get(map)?.entries.lookup(start)?;
        Some((Range { start, end: entry.end }, entry.wired))
    }

    /// Forgets the wiring of the entry at `address`, whose pages have lost theirs.
    pub(crate) fn clear_wired(&mut self, map: MapId, address: u64) {
        self.set_wired(map, address, 0);
    }

    /// Lets entries that are wired be wired once: GNU's wirings do not count.
    fn forget_count(&mut self, map: MapId, mut range: Range) {
        while let Some((entry, _)) = self.first_entry(map, range) {
            self.set_wired(map, entry.start, 1);
            range.start = entry.end;
        }
    }

    fn set_wired(&mut self, map: MapId, address: u64, wired: u16) {
        if let Some(map) = self.maps.get_mut(map)
            && let Some((start, entry)) = map.entries.lookup_mut(address)
        {
            let (was, size) = (core::mem::replace(&mut entry.wired, wired), entry.end - start);
            match (was, wired) {
                (0, 1..) => map.size_wired += size,
                (1.., 0) => map.size_wired -= size,
                _ => {}
            }
        }
    }
}

/// What a task may have wired by the plain host port.
const PLAIN_SHARE: u64 = 8 << 20;

/// What the operation is doing.
#[derive(Debug)]
enum State {
    New,
    /// Everything below `at` is wired; the entry there is wired as far as `page`.
    Wiring {
        map: MapId,
        range: Range,
        at: u64,
        page: u64,
    },
    /// Taking back what was wired, up to `page` in the last entry.
    Undoing {
        map: MapId,
        range: Range,
        at: u64,
        page: u64,
        error: KernReturn,
    },
}

/// `vm_wire` (2636; 404, 418). Access NONE unwires.
///
/// # Errors
/// | # | check                                      | XNU                 | GNU               |
/// |---|--------------------------------------------|---------------------|-------------------|
/// | 1 | the host: privileged (XNU), any (GNU)      | `InvalidHost`       | `InvalidHost`     |
/// | 2 | the target is a task                       | `InvalidTask`       | `InvalidTask`     |
/// | 3 | known access bits                          | (after 5)           | `InvalidArgument` |
/// | 4 | size 0: success                            |                     |                   |
/// | 5 | does not wrap or round to zero             | `InvalidArgument`   | clamped           |
/// | 6 | no hole                                    | `InvalidAddress`    | `NoSpace`         |
/// | 7 | the entries allow the access               | `ProtectionFailure` | `NoSpace`         |
/// | 8 | a plain host port: [`PLAIN_SHARE`] a task  |                     | `NoAccess`        |
/// | 9 | every page can be had                      | that of the fault   | that of the fault |
#[derive(Debug)]
pub struct Wire {
    host: Host,
    target: Option<MapId>,
    address: u64,
    size: u64,
    access: u32,
    family: Family,
    state: State,
}

impl Wire {
    /// A call. XNU's ids count wirings, GNU's sets and clears.
    #[must_use]
    pub fn new(host: Host, target: Option<MapId>, address: u64, size: u64, access: u32, family: Family) -> Wire {
        Wire { host, target, address, size, access, family, state: State::New }
    }

    fn check(&self, vm: &Vm) -> KernResult<Option<(MapId, Range)>> {
        let is_gnu = self.family == Family::Gnu;
        match self.host {
            Host::Privileged => {}
            Host::Plain if is_gnu => {}
            Host::None | Host::Plain => return Err(KernReturn::INVALID_HOST),
        }
        let id = self.target.filter(|id| vm.maps.get(*id).is_some());
        let id = id.ok_or(KernReturn::INVALID_TASK)?;
        let access = Prot::from_wire(self.access).ok_or(KernReturn::INVALID_ARGUMENT);
        if is_gnu {
            access?;
        }
        if self.size == 0 {
            return Ok(None);
        }
        let bounds = vm.maps.get(id).map(|map| map.bounds).ok_or(KernReturn::INVALID_TASK)?;
        let range = match range::cover(self.address, self.size) {
            Ok(range) => range,
            Err(_) if is_gnu => Range { start: range::trunc(self.address), end: u64::MAX },
            Err(_) => return Err(KernReturn::INVALID_ARGUMENT),
        };
        let range = if is_gnu { range.clamp(bounds) } else { range };
        vm.check_access(id, range, access?).map_err(|error| match error {
            _ if is_gnu => KernReturn::NO_SPACE,
            other => other,
        })?;
        if self.host == Host::Plain && !self.wanted().is_empty() && vm.size_with(id, range) > PLAIN_SHARE {
            return Err(KernReturn::NO_ACCESS);
        }
        Ok(Some((id, range)))
    }

    fn wanted(&self) -> Prot {
        Prot::from_wire(self.access).unwrap_or(Prot::NONE)
    }

    /// Makes one page resident, mapped and wired.
    fn wire_one<E: Env>(&self, vm: &mut Vm, env: &mut E, map: MapId, address: u64) -> Access {
        let access = vm.resolve(env, map, address, self.wanted(), By::Wirer);
        if let Access::Frame { page, frame, prot } = access {
            let Some(space) = vm.space_of(map) else { return access };
            if !prot.is_empty() && env.enter(space, address, frame, prot).is_err() {
                env.remove(space, address, address + PAGE_SIZE, 1);
                return vm.shortage(env);
            }
            vm.wire_page(page);
        }
        access
    }

    /// Unwires a range: nothing can fail.
    fn unwire(&self, vm: &mut Vm, map: MapId, mut range: Range) {
        let whole = range;
        while let Some((entry, wired)) = vm.first_entry(map, range) {
            let left = if self.family == Family::Gnu { 0 } else { wired.saturating_sub(1) };
            if wired > 0 && left == 0 {
                vm.unwire_range(map, entry);
            }
            vm.set_wired(map, entry.start, left);
            range.start = entry.end;
        }
        vm.join_range(map, whole);
    }

    /// Goes on wiring.
    fn wire<E: Env>(&mut self, vm: &mut Vm, env: &mut E, budget: &mut Budget) -> Step<()> {
        let State::Wiring { map, range, mut at, mut page } = self.state else {
            return Step::Again;
        };
        loop {
            let Some((entry, wired)) = vm.first_entry(map, Range { start: at, end: range.end }) else {
                if self.family == Family::Gnu {
                    vm.forget_count(map, range);
                }
                vm.unlock_maps(&[map]);
                return Step::Done(Ok(()));
            };
            page = page.max(entry.start);
            while wired == 0 && page < entry.end {
                self.state = State::Wiring { map, range, at, page };
                if !budget.take(1) {
                    return Step::Again;
                }
                match self.wire_one(vm, env, map, page) {
                    Access::Frame { .. } => page += PAGE_SIZE,
                    Access::Fail(error) => {
                        self.state = State::Undoing { map, range, at, page, error };
                        return Step::Again;
                    }
                    stop => return stop.into(),
                }
            }
            vm.set_wired(map, entry.start, wired.saturating_add(1));
            at = entry.end;
        }
    }
}

impl Operation for Wire {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        if let State::New = self.state {
            let (map, range) = match self.check(vm) {
                Ok(Some(checked)) => checked,
                Ok(None) => return Step::Done(Ok(())),
                Err(error) => return error.into(),
            };
            if let Some(wait) = vm.is_locked(&[map]) {
                return Step::Wait(wait);
            }
            if self.wanted().is_empty() {
                self.unwire(vm, map, range);
                return Step::Done(Ok(()));
            }
            vm.lock_maps(&[map]);
            self.state = State::Wiring { map, range, at: range.start, page: range.start };
        }
        if let State::Wiring { map, range, at, page } = self.state {
            match env.prepare_step() {
                Ok(()) => return self.wire(vm, env, &mut Budget::step()),
                Err(_) => match vm.shortage(env) {
                    Access::Fail(error) => {
                        self.state = State::Undoing { map, range, at, page, error };
                    }
                    stop => return stop.into(),
                },
            }
        }
        let State::Undoing { map, range, at, page, error } = self.state else {
            return Step::Again;
        };
        // The entry at work has no wiring of its own yet, only its first pages have.
        if page > at {
            vm.unwire_range(map, Range { start: at, end: page });
        }
        let mut done = Range { start: range.start, end: at };
        while let Some((entry, wired)) = vm.first_entry(map, done) {
            if wired == 1 {
                vm.unwire_range(map, entry);
            }
            vm.set_wired(map, entry.start, wired.saturating_sub(1));
            done.start = entry.end;
        }
        vm.join_range(map, range);
        vm.unlock_maps(&[map]);
        error.into()
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        match self.state {
            State::New => Cancel::Dropped,
            State::Wiring { .. } | State::Undoing { .. } => Cancel::RunOn,
        }
    }
}
