//! `vm_allocate`, and how a new range finds its place.

use mach_protocol::{KernResult, KernReturn};

use super::Map;
use super::entry::{Attributes, Backing, Entry};
use super::unmap::Remover;
use crate::range::{self, BadRange, Range, round, trunc};
use crate::step::{Budget, Cancel, Env, Operation, Step};
use crate::types::{Family, MapId, flags};
use crate::vm::Vm;

/// Where a new range shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Exactly there.
    Fixed { range: Range, overwrite: bool },
    /// At the lowest address at or above `from` that fits.
    Anywhere { from: u64, size: u64, mask: u64 },
}

impl Map {
    /// Finds the place for a new range.
    ///
    /// # Errors
    /// | # | check                                         | error            |
    /// |---|-----------------------------------------------|------------------|
    /// | 1 | fixed: within the bounds                      | `InvalidAddress` |
    /// | 2 | fixed: free, unless what is there is replaced | `NoSpace`        |
    /// | 2 | anywhere: a gap fits                          | `NoSpace`        |
    /// | 3 | within the size limit, if it counts           | `NoSpace`        |
    pub(crate) fn find_place(&mut self, placement: Placement, is_counted: bool) -> KernResult<Range> {
        let mut freed = 0;
        let found = match placement {
            Placement::Fixed { range, overwrite } => {
                if range.start < self.bounds.start || range.end > self.bounds.end {
                    return Err(KernReturn::INVALID_ADDRESS);
                }
                if !overwrite && self.entries.is_occupied(range) {
                    return Err(KernReturn::NO_SPACE);
                }
                for (start, entry) in self.entries.overlapping(range) {
                    if entry.is_counted() {
                        freed += Range { start, end: entry.end }.clamp(range).size();
                    }
                }
                range
            }
            Placement::Anywhere { from, size, mask } => {
                let from = from.max(self.bounds.start);
                let start = self.entries.find_room(from, self.bounds.end, size, mask).ok_or(KernReturn::NO_SPACE)?;
                Range { start, end: start + size }
            }
        };
        if is_counted && !self.has_room_for(found.size(), freed) {
            return Err(KernReturn::NO_SPACE);
        }
        Ok(found)
    }
}

/// Enters a new entry, after removing what it replaces.
#[derive(Debug)]
pub(crate) struct Enterer {
    map: MapId,
    range: Range,
    remover: Option<Remover>,
}

impl Enterer {
    /// Finds the place, and makes sure that the entry can be made. Locks the map if something must be removed
    /// first.
    pub(crate) fn new<E: Env>(
        vm: &mut Vm,
        env: &mut E,
        map: MapId,
        placement: Placement,
        is_counted: bool,
    ) -> KernResult<Enterer> {
        let state = vm.maps.get_mut(map).ok_or(KernReturn::INVALID_ARGUMENT)?;
        let range = state.find_place(placement, is_counted)?;
        env.prepare_step()?;
        // Elsewhere the place was found free.
        let may_replace = matches!(placement, Placement::Fixed { overwrite: true, .. });
        let is_occupied = may_replace && state.entries.is_occupied(range);
        let remover = is_occupied.then(|| Remover::replacing(map, range));
        if remover.is_some() {
            vm.lock_maps(&[map]);
        }
        Ok(Enterer { map, range, remover })
    }

    /// Lets go of the map without entering anything; nothing was removed yet.
    pub(crate) fn give_up(self, vm: &mut Vm) {
        if self.remover.is_some() {
            vm.unlock_maps(&[self.map]);
        }
    }

    pub(crate) fn range(&self) -> Range {
        self.range
    }

    /// Makes the range free. Returns whether it is.
    pub(crate) fn clear<E: Env>(&mut self, vm: &mut Vm, env: &mut E, budget: &mut Budget) -> bool {
        if let Some(remover) = &mut self.remover {
            if !remover.step(vm, env, budget) {
                return false;
            }
            self.remover = None;
            vm.unlock_maps(&[self.map]);
        }
        true
    }
}

/// `vm_allocate` (2021; 3801, 4800).
///
/// # Errors
/// | #  | check                                            | error              |
/// |----|--------------------------------------------------|--------------------|
/// | 1  | known flags (XNU)                                | `InvalidArgument`  |
/// | 2  | the target is a task                             | `InvalidArgument`  |
/// | 3  | no superpage (XNU)                               | `InvalidArgument`  |
/// | 4  | size 0: address 0, success                       |                    |
/// | 5  | the size does not round to 0                     | `InvalidArgument`  |
/// | 6  | fixed: does not wrap or round to zero            | `InvalidAddress`   |
/// | 7… | the place, see `Map::find_place`                 |                    |
/// | 10 | server memory                                    | `ResourceShortage` |
#[derive(Debug)]
pub struct Allocate {
    target: Option<MapId>,
    address: u64,
    size: u64,
    flags: u32,
    family: Family,
    entering: Option<Enterer>,
}

impl Allocate {
    /// Whose memory it makes, and how many bytes.
    #[must_use]
    pub fn made(&self) -> (Option<MapId>, u64) {
        (self.target, self.size)
    }

    /// A call. For the GNU family `flags` is the boolean `anywhere`.
    #[must_use]
    pub fn new(target: Option<MapId>, address: u64, size: u64, flags: u32, family: Family) -> Allocate {
        let flags = match family {
            Family::Gnu => u32::from(flags != 0),
            Family::Xnu => flags,
        };
        Allocate { target, address, size, flags, family, entering: None }
    }

    /// Checks 1 to 6.
    fn placement(&self, vm: &Vm) -> KernResult<Option<(MapId, Placement)>> {
        if self.family == Family::Xnu && self.flags & !flags::USER_ALLOCATE != 0 {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let map = vm.target(self.target)?;
        if self.flags & flags::SUPERPAGE_MASK != 0 {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        if self.size == 0 {
            return Ok(None);
        }
        if round(self.size) == 0 {
            return Err(KernReturn::INVALID_ARGUMENT);
        }
        let placement = if self.flags & flags::ANYWHERE != 0 {
            Placement::Anywhere { from: 0, size: round(self.size), mask: 0 }
        } else {
            let overwrite = self.flags & flags::OVERWRITE != 0;
            match range::place(self.address, self.size) {
                Ok(range) => Placement::Fixed { range, overwrite },
                Err(BadRange::Wraps | BadRange::RoundsToZero) => {
                    return Err(KernReturn::INVALID_ADDRESS);
                }
            }
        };
        Ok(Some((map, placement)))
    }
}

impl Operation for Allocate {
    type Out = u64;

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<u64> {
        let mut entering = match self.entering.take() {
            Some(entering) => entering,
            None => {
                let (map, placement) = match self.placement(vm) {
                    Ok(Some(found)) => found,
                    Ok(None) => return Step::Done(Ok(0)),
                    Err(error) => return error.into(),
                };
                if let Some(wait) = vm.is_locked(&[map]) {
                    return Step::Wait(wait);
                }
                match Enterer::new(vm, env, map, placement, true) {
                    Ok(entering) => entering,
                    Err(error) => return error.into(),
                }
            }
        };
        if !entering.clear(vm, env, &mut Budget::step()) {
            self.entering = Some(entering);
            return Step::Again;
        }
        let range = entering.range();
        let attributes = Attributes {
            tag: (self.flags >> 24) as u8,
            permanent: self.flags & flags::PERMANENT != 0,
            ..Attributes::new()
        };
        let mut entry = Entry::anonymous(range.end, attributes, vm.new_alloc_id());
        if self.flags & flags::PURGABLE != 0 {
            let object = vm.new_object(range.size());
            entry.backing = Some(Backing { object, offset: 0 });
        }
        vm.insert_entry(entering.map, range.start, entry);
        Step::Done(Ok(range.start))
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        if self.entering.is_some() { Cancel::RunOn } else { Cancel::Dropped }
    }
}

/// The starting point of a search by the rules of `vm_map`.
pub(crate) fn hint(family: Family, address: u64) -> u64 {
    match family {
        Family::Gnu => 0,
        Family::Xnu => trunc(address),
    }
}
