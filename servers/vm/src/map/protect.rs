//! `vm_protect`.

use mach_protocol::{KernResult, KernReturn};

use super::entry::Entry;
use crate::pmap::Others;
use crate::range::{self, BadRange, Range, trunc};
use crate::step::{Budget, Cancel, Env, Operation, Step};
use crate::types::{Family, MapId, Prot};
use crate::vm::Vm;

/// XNU: `VM_PROT_COPY`, make the range private. GNU: `VM_PROT_NOTIFY`, accepted and ignored.
const COPY: u32 = 0x10;

/// `vm_protect` (2024; 3803, 4802).
///
/// # Errors
/// | #  | check                                            | error               |
/// |----|--------------------------------------------------|---------------------|
/// | 1  | the target is a task                             | `InvalidArgument`   |
/// | 2  | size 0: success                                  |                     |
/// | 3  | known bits only                                  | `InvalidArgument`   |
/// | 4  | does not wrap                                    | `InvalidArgument`   |
/// | 5  | rounds to zero: start in page 0                  | `InvalidAddress`    |
/// | 5b | rounds to zero: any other start                  | `InvalidArgument`   |
/// | 6  | no hole                                          | `InvalidAddress`    |
/// | 7  | every maximum allows it                          | `ProtectionFailure` |
#[derive(Debug)]
pub struct Protect {
    target: Option<MapId>,
    address: u64,
    size: u64,
    set_maximum: bool,
    prot: u32,
    family: Family,
    lowering: Option<(MapId, Range)>,
}

impl Protect {
    /// A call.
    #[must_use]
    pub fn new(
        target: Option<MapId>,
        address: u64,
        size: u64,
        set_maximum: bool,
        prot: u32,
        family: Family,
    ) -> Protect {
        Protect { target, address, size, set_maximum, prot, family, lowering: None }
    }

    /// Checks 1 to 5b.
    fn check(&self, vm: &Vm) -> KernResult<Option<(MapId, Range, Prot)>> {
        let map = vm.target(self.target)?;
        if self.size == 0 {
            return Ok(None);
        }
        let prot = Prot::from_wire(self.prot & !COPY).ok_or(KernReturn::INVALID_ARGUMENT)?;
        match range::cover(self.address, self.size) {
            Ok(range) => Ok(Some((map, range, prot))),
            Err(BadRange::RoundsToZero) if trunc(self.address) == 0 => Err(KernReturn::INVALID_ADDRESS),
            Err(BadRange::Wraps | BadRange::RoundsToZero) => Err(KernReturn::INVALID_ARGUMENT),
        }
    }

    fn wants_copy(&self) -> bool {
        self.family == Family::Xnu && self.prot & COPY != 0
    }

    /// Sets what an entry allows. Returns whether it allows less than before.
    #[inline]
    fn set(&self, entry: &mut Entry, prot: Prot) -> bool {
        let old = entry.attributes.prot;
        if self.set_maximum {
            entry.attributes.max = prot;
            entry.attributes.prot &= prot;
        } else {
            entry.attributes.prot = prot;
        }
        !entry.attributes.prot.contains(old)
    }

    /// Changes the entries, or none of them. Returns whether mappings must lose rights.
    fn change(&self, vm: &mut Vm, id: MapId, range: Range, prot: Prot) -> KernResult<bool> {
        let map = vm.maps.get_mut(id).ok_or(KernReturn::INVALID_ARGUMENT)?;
        // Mostly it is one entry, all of it, and nothing but what it allows now: there is nothing to cut then.
        if !self.set_maximum
            && !self.wants_copy()
            && let Some((start, entry)) = map.entries.lookup_mut(range.start)
            && (start, entry.end) == (range.start, range.end)
        {
            if !entry.attributes.max.contains(prot) {
                return Err(KernReturn::PROTECTION_FAILURE);
            }
            let is_lowered = self.set(entry, prot);
            vm.join_at(id, range.start);
            vm.join_at(id, range.end);
            return Ok(is_lowered);
        }
        let map = vm.maps.get(id).ok_or(KernReturn::INVALID_ARGUMENT)?;
        if !map.entries.is_covered(range) {
            return Err(KernReturn::INVALID_ADDRESS);
        }
        let added = if self.wants_copy() { Prot::WRITE } else { Prot::NONE };
        let is_copy = self.wants_copy();
        let is_allowed = map.entries.overlapping(range).all(|(_, entry)| {
            // Wired pages stay where they are, so they can not be made private.
            let is_stuck = is_copy && entry.wired > 0 && vm.is_seen_by_others(entry);
            (entry.attributes.max | added).contains(prot) && !is_stuck
        });
        if !is_allowed {
            return Err(KernReturn::PROTECTION_FAILURE);
        }
        vm.clip_range(id, range);
        if is_copy {
            vm.make_private(id, range);
        }
        let Some(map) = vm.maps.get_mut(id) else {
            return Ok(false);
        };
        let mut is_lowered = false;
        let (mut out, mut back) = (0, 0);
        map.entries.change_overlapping(range, |start, entry| {
            let was_counted = entry.is_counted();
            entry.attributes.max |= added;
            // What was made private loses WRITE until it is copied.
            is_lowered |= self.set(entry, prot) || is_copy;
            match (was_counted, entry.is_counted()) {
                (true, false) => out += entry.end - start,
                (false, true) => back += entry.end - start,
                _ => {}
            }
        });
        map.size_none = map.size_none + out - back;
        vm.join_range(id, range);
        Ok(is_lowered)
    }
}

impl Vm {
    /// What may become of a map's mappings that lose no right: where anything is wired, or what its task touches stays
    /// resident, it is not to fault.
    pub(crate) fn others_in(&self, map: MapId) -> Others {
        let is_free = self.maps.get(map).is_some_and(|map| map.size_wired == 0 && !map.is_kept);
        if is_free { Others::MayGo } else { Others::Stay }
    }

    /// Whether a write through an entry is a write for others, too: for who shares it, or for a manager.
    fn is_seen_by_others(&self, entry: &Entry) -> bool {
        let object = entry.backing.and_then(|backing| self.objects.get(backing.object));
        object.is_some_and(|object| !entry.needs_copy && (entry.is_shared || !object.is_internal()))
    }

    /// Has the entries of a range copy pages before they write to them. Mappings are the caller's affair.
    fn make_private(&mut self, id: MapId, range: Range) {
        let mut at = range.start;
        while let Some((start, entry)) = self.maps.get(id).and_then(|map| map.entries.at_or_above(at)) {
            if start >= range.end {
                return;
            }
            at = entry.end;
            if self.is_seen_by_others(entry)
                && let Some(map) = self.maps.get_mut(id)
                && let Some((_, entry)) = map.entries.lookup_mut(start)
            {
                entry.needs_copy = true;
                entry.is_shared = false;
            }
        }
    }
}

/// What of `prot` the tables of this architecture can grant: writing implies reading.
pub(crate) fn hardware(prot: Prot) -> Prot {
    if prot.contains(Prot::READ) { prot } else { prot - Prot::WRITE }
}

impl Operation for Protect {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        if self.lowering.is_none() {
            let (map, range, prot) = match self.check(vm) {
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
            match self.change(vm, map, range, prot) {
                Ok(true) => self.lowering = Some((map, range)),
                Ok(false) => return Step::Done(Ok(())),
                Err(error) => return error.into(),
            }
        }
        let wants_copy = self.wants_copy();
        let Some((map, range)) = &mut self.lowering else {
            return Step::Done(Ok(()));
        };
        let Some(space) = vm.space_of(*map) else {
            return Step::Done(Ok(()));
        };
        // Faults in between enter pages by the new rules, so the walk needs no lock; whatever another call
        // made of the range meanwhile loses rights at the worst, and faults again.
        let mut allowed = hardware(Prot::from_bits_truncate(self.prot as u8));
        if wants_copy {
            allowed -= Prot::WRITE;
        }
        let others = vm.others_in(*map);
        let progress = env.protect(space, *range, allowed, Budget::step().left(), others);
        range.start = progress.next;
        if range.is_empty() { Step::Done(Ok(())) } else { Step::Again }
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        if self.lowering.is_some() { Cancel::RunOn } else { Cancel::Dropped }
    }
}
