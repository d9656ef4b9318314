//! What is behind a region, for a proxy that stands for it (`vm_region_create_proxy`).

use mach_protocol::{KernResult, KernReturn};

use super::entry::Backing;
use crate::range::{Range, is_aligned, round};
use crate::step::{Cancel, Env, Operation, Step};
use crate::types::{ManagerId, MapId, ObjectId, Prot};
use crate::vm::Vm;

/// What gives a region its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// A manager's object.
    Manager(ManagerId),
    /// Memory of its own, or what a manager left. Whoever holds this lets it go by [`Vm::let_go`], once.
    Memory(ObjectId),
}

/// A part of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// What is behind it.
    pub behind: Behind,
    /// Where in that it begins.
    pub offset: u64,
    /// What the region's mappings can allow.
    pub max_prot: Prot,
}

/// Makes a part of a region fit to be mapped elsewhere, as `vm_remap` without copy does: both sides see what the other
/// writes from now on.
///
/// # Errors
/// | # | check                                          | error             |
/// |---|------------------------------------------------|-------------------|
/// | 1 | the target is a task                           | `InvalidArgument` |
/// | 2 | the address is page aligned, the length not 0  | `InvalidArgument` |
/// | 3 | something is mapped there                      | `NoSpace`         |
/// | 4 | the part lies within the region                | `InvalidArgument` |
#[derive(Debug)]
pub struct ShareRegion {
    target: Option<MapId>,
    address: u64,
    len: u64,
}

impl ShareRegion {
    /// A call.
    #[must_use]
    pub fn new(target: Option<MapId>, address: u64, len: u64) -> ShareRegion {
        ShareRegion { target, address, len }
    }

    fn share(&self, vm: &mut Vm) -> KernResult<Shared> {
        const BAD: KernReturn = KernReturn::INVALID_ARGUMENT;
        let map = vm.target(self.target)?;
        let start = self.address;
        if !is_aligned(start) || self.len == 0 {
            return Err(BAD);
        }
        let lookup = |vm: &Vm| {
            let (first, entry) = vm.maps.get(map)?.entries.lookup(start)?;
            Some((first, entry.clone()))
        };
        let (_, entry) = lookup(vm).ok_or(KernReturn::NO_SPACE)?;
        start.checked_add(self.len).filter(|end| *end <= entry.end).ok_or(BAD)?;
        vm.clip_range(map, Range { start, end: start + round(self.len) });
        vm.make_shareable(map, start);
        let (first, entry) = lookup(vm).ok_or(KernReturn::FAILURE)?;
        let Some(Backing { object, offset }) = entry.backing else { return Err(KernReturn::FAILURE) };
        let (offset, max_prot) = (offset + (start - first), entry.attributes.max);
        let record = vm.association_of(object).and_then(|assoc| vm.associations.get(assoc));
        if let Some(manager) = record.and_then(|record| record.manager) {
            return Ok(Shared { behind: Behind::Manager(manager), offset, max_prot });
        }
        vm.share_object(map, start, object);
        vm.retain(object);
        Ok(Shared { behind: Behind::Memory(object), offset, max_prot })
    }
}

impl Operation for ShareRegion {
    type Out = Shared;

    fn step<E: Env>(&mut self, vm: &mut Vm, _env: &mut E) -> Step<Shared> {
        if let Some(target) = self.target
            && let Some(wait) = vm.is_locked(&[target])
        {
            return Step::Wait(wait);
        }
        Step::Done(self.share(vm))
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        Cancel::Dropped
    }
}

impl Vm {
    /// One more holder of [`Behind::Memory`].
    ///
    /// # Errors
    /// `InvalidArgument`: it is gone.
    pub fn hold(&mut self, object: ObjectId) -> KernResult<()> {
        let record = self.objects.get_mut(object).ok_or(KernReturn::INVALID_ARGUMENT)?;
        record.is_unique = false;
        record.refs += 1;
        Ok(())
    }

    /// One less.
    pub fn let_go(&mut self, object: ObjectId) {
        self.release(object);
    }

    /// The entry at `address`, whose object this is, and its object are shared from now on.
    pub(crate) fn share_object(&mut self, map: MapId, address: u64, object: ObjectId) {
        let entry = self.maps.get_mut(map).and_then(|map| map.entries.lookup_mut(address));
        if let (Some((_, entry)), Some(object)) = (entry, self.objects.get_mut(object)) {
            entry.is_shared = true;
            object.is_shared = true;
            object.is_unique = false;
        }
    }
}
