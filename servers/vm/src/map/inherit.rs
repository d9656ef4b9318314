//! `vm_inherit`.

use mach_protocol::KernReturn;

use crate::range;
use crate::step::{Cancel, Env, Operation, Step};
use crate::types::{Inherit, MapId};
use crate::vm::Vm;

/// `vm_inherit` (2025; 3804, 4803).
///
/// # Errors
/// | # | check                             | error             |
/// |---|-----------------------------------|-------------------|
/// | 1 | the target is a task              | `InvalidArgument` |
/// | 2 | size 0: success                   |                   |
/// | 3 | the value is at most 2            | `InvalidArgument` |
/// | 4 | does not wrap or round to zero    | `InvalidArgument` |
///
/// Holes, and what lies outside the map, are skipped.
#[derive(Debug)]
pub struct SetInherit {
    target: Option<MapId>,
    address: u64,
    size: u64,
    inherit: u32,
}

impl SetInherit {
    /// A call.
    #[must_use]
    pub fn new(target: Option<MapId>, address: u64, size: u64, inherit: u32) -> SetInherit {
        SetInherit { target, address, size, inherit }
    }
}

impl Operation for SetInherit {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        let id = match vm.target(self.target) {
            Ok(id) => id,
            Err(error) => return error.into(),
        };
        if self.size == 0 {
            return Step::Done(Ok(()));
        }
        let Some(inherit) = Inherit::from_wire(self.inherit) else {
            return KernReturn::INVALID_ARGUMENT.into();
        };
        let Ok(range) = range::cover(self.address, self.size) else {
            return KernReturn::INVALID_ARGUMENT.into();
        };
        if let Some(wait) = vm.is_locked(&[id]) {
            return Step::Wait(wait);
        }
        if env.prepare_step().is_err() {
            return KernReturn::RESOURCE_SHORTAGE.into();
        }
        let Some(map) = vm.maps.get(id) else {
            return KernReturn::INVALID_ARGUMENT.into();
        };
        let range = range.clamp(map.bounds);
        vm.clip_range(id, range);
        if let Some(map) = vm.maps.get_mut(id) {
            map.entries.change_overlapping(range, |_, entry| entry.attributes.inherit = inherit);
        }
        vm.join_range(id, range);
        Step::Done(Ok(()))
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        Cancel::Dropped
    }
}
