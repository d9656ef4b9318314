//! What is done to the part of one object: its pages are returned or discarded, and then its manager is waited for.

use core::ops::ControlFlow;

use mach_protocol::KernReturn;

use crate::association::{Sweep, Swept, Synchronized};
use crate::object::{Object, Source};
use crate::range::Range;
use crate::step::{Budget, Env, Step, WaitOn};
use crate::types::{AssocId, ObjectId};
use crate::vm::Vm;

/// How far it came.
#[derive(Debug)]
pub(crate) enum Part {
    Sweeping(Sweep, AssocId),
    /// Until the manager can be told that somebody waits.
    Telling(AssocId, ObjectId, Range),
    /// Until it has answered that.
    Told(AssocId, ObjectId, u64),
    /// Until the manager has taken this many data_returns.
    Taking(AssocId, ObjectId, u64),
}

impl Part {
    /// Whoever was told that this call waits need not hurry any more.
    pub(crate) fn forget(&self, vm: &mut Vm) {
        if let Part::Told(assoc, _, ticket) = self {
            vm.abandon_synchronize(*assoc, *ticket);
        }
    }
}

/// Goes on with a part, until there is none, or the call has to answer or to wait. If it `waits` for the manager, that is
/// told these flags.
pub(crate) fn advance<E: Env>(
    part: &mut Option<Part>,
    vm: &mut Vm,
    env: &mut E,
    budget: &mut Budget,
    waits: Option<u32>,
) -> ControlFlow<Step<()>> {
    loop {
        match part {
            None => return ControlFlow::Continue(()),
            Some(Part::Sweeping(sweep, assoc)) => {
                let (assoc, object, range) = (*assoc, sweep.object, sweep.range);
                if is_lost(vm, assoc, object) {
                    return ControlFlow::Break(KernReturn::MEMORY_ERROR.into());
                }
                match sweep.step(vm, env, budget) {
                    Swept::Again => return ControlFlow::Break(Step::Again),
                    Swept::Wait(what) => return ControlFlow::Break(Step::Wait(what)),
                    Swept::Done => {}
                }
                *part = vm.associations.get(assoc).filter(|_| waits.is_some()).map(|record| {
                    if record.synchronizes && !record.is_terminating() {
                        Part::Telling(assoc, object, range)
                    } else {
                        Part::Taking(assoc, object, record.returns)
                    }
                });
            }
            Some(Part::Telling(assoc, object, range)) => {
                let (assoc, object, range) = (*assoc, *object, *range);
                if is_lost(vm, assoc, object) {
                    return ControlFlow::Break(KernReturn::MEMORY_ERROR.into());
                }
                if vm.associations.get(assoc).is_none_or(|record| record.is_terminating()) {
                    *part = None;
                    continue;
                }
                match vm.request_synchronize(env, assoc, range, waits.unwrap_or_default()) {
                    Ok(ticket) => *part = Some(Part::Told(assoc, object, ticket)),
                    Err(what) => return ControlFlow::Break(Step::Wait(what)),
                }
            }
            Some(Part::Told(assoc, object, ticket)) => {
                let (assoc, object, ticket) = (*assoc, *object, *ticket);
                if is_lost(vm, assoc, object) {
                    return ControlFlow::Break(KernReturn::MEMORY_ERROR.into());
                }
                if vm.associations.get(assoc).is_some() {
                    match vm.look_at_synchronize(assoc, ticket) {
                        Synchronized::Pending => return ControlFlow::Break(Step::Wait(WaitOn::Manager(assoc))),
                        Synchronized::Answered(Ok(())) => {}
                        Synchronized::Answered(Err(error)) => return ControlFlow::Break(error.into()),
                    }
                }
                *part = None;
            }
            Some(Part::Taking(assoc, object, returns)) => {
                let (assoc, object) = (*assoc, *object);
                if is_lost(vm, assoc, object) {
                    return ControlFlow::Break(KernReturn::MEMORY_ERROR.into());
                }
                if vm.associations.get(assoc).is_some() && env.returns_taken(assoc) < *returns {
                    vm.await_room(env, assoc);
                    return ControlFlow::Break(Step::Wait(WaitOn::Room(assoc)));
                }
                *part = None;
            }
        }
    }
}

/// Whether an association ended other than by the last unmapping: then what was to be returned has gone nowhere.
fn is_lost(vm: &Vm, assoc: AssocId, object: ObjectId) -> bool {
    let is_gone = |object: &Object| matches!(object.source, Source::Gone(_));
    vm.associations.get(assoc).is_none() && vm.objects.get(object).is_some_and(is_gone)
}
