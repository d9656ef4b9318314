//! The map of a child task: `task_create` with inherited memory.

use mach_protocol::{KernResult, KernReturn};

use super::Map;
use super::copy::{Copier, Progress, Terms};
use crate::fault::resume::Access;
use crate::step::{Budget, Cancel, Env, Operation, Step};
use crate::types::MapId;
use crate::vm::Vm;

/// Makes a map that has inherited another's memory, with the same bounds and limits.
///
/// # Errors
/// `InvalidArgument`: the parent is gone; `ResourceShortage`.
#[derive(Debug)]
pub struct Fork {
    parent: MapId,
    state: State,
}

#[derive(Debug)]
enum State {
    New,
    Copying {
        child: MapId,
        copier: Copier,
    },
    /// The child is being taken down again.
    Failed(KernReturn),
}

impl Fork {
    /// A call.
    #[must_use]
    pub fn new(parent: MapId) -> Fork {
        Fork { parent, state: State::New }
    }

    fn start<E: Env>(&self, vm: &mut Vm, env: &mut E) -> KernResult<State> {
        let child = vm.create_like(env, self.parent)?;
        let bounds = vm.maps.get(child).ok_or(KernReturn::INVALID_ARGUMENT)?.bounds;
        vm.lock_maps(&[self.parent]);
        let copier = Copier::new(vm, self.parent, bounds, child, bounds.start, Terms::Inherit);
        Ok(State::Copying { child, copier })
    }
}

impl Operation for Fork {
    type Out = MapId;

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<MapId> {
        if let State::New = self.state {
            if let Some(wait) = vm.is_locked(&[self.parent]) {
                return Step::Wait(wait);
            }
            self.state = match self.start(vm, env) {
                Ok(state) => state,
                Err(error) => return error.into(),
            };
        }
        if let State::Copying { child, copier } = &mut self.state {
            let child = *child;
            let progress = match env.prepare_step() {
                Ok(()) => copier.step(vm, env, &mut Budget::step()),
                Err(_) => Progress::Stopped(vm.shortage(env)),
            };
            match progress {
                Progress::Again | Progress::Stopped(Access::Again) => return Step::Again,
                Progress::Stopped(Access::Wait(what)) => return Step::Wait(what),
                Progress::Done => {
                    vm.unlock_maps(&[self.parent]);
                    return Step::Done(Ok(child));
                }
                Progress::Stopped(Access::Fail(error)) => {
                    vm.unlock_maps(&[self.parent]);
                    vm.abandon_map(child);
                    self.state = State::Failed(error);
                }
                Progress::Stopped(Access::Frame { .. } | Access::Zeros) => return Step::Again,
            }
        }
        let more = vm.reap(env);
        match self.state {
            State::Failed(error) if !more => error.into(),
            _ => Step::Again,
        }
    }

    fn cancel(&mut self, _vm: &mut Vm) -> Cancel {
        // Mappings of the parent may still lack the protection that its entries promise.
        match self.state {
            State::New | State::Failed(_) => Cancel::Dropped,
            State::Copying { .. } => Cancel::RunOn,
        }
    }
}

impl Vm {
    /// Makes an empty map with the bounds and limits of another: `task_create` without inheritance.
    ///
    /// # Errors
    /// [`KernReturn::INVALID_ARGUMENT`]: there is no such map; [`KernReturn::RESOURCE_SHORTAGE`].
    pub fn create_like<E: Env>(&mut self, env: &mut E, parent: MapId) -> KernResult<MapId> {
        let map = self.maps.get(parent).ok_or(KernReturn::INVALID_ARGUMENT)?;
        let (bounds, limits) = (map.bounds, map.limits);
        env.prepare_step()?;
        let space = env.create_space()?;
        Ok(self.maps.insert(Map::new(Some(space), bounds, limits)))
    }
}
