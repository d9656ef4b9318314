//! `memory_object_lock_request`: the manager has resident pages returned, flushed, locked or unlocked.

use mach_protocol::{KernResult, KernReturn};

use super::sweep::{Flush, Returns, Sweep, Swept};
use crate::range::{Range, is_aligned, trunc};
use crate::step::{Budget, Cancel, Env, Operation, Step, WaitOn, Wake};
use crate::types::{AssocId, PAGE_SIZE, Prot};
use crate::vm::Vm;

/// `VM_PROT_NO_CHANGE`, and the value that XNU gives it.
const NO_CHANGE: [u32; 2] = [0x08, 0x0100_0000];
/// `MEMORY_OBJECT_DATA_FLUSH`: the only bit of `should_flush` that means something here.
const DATA_FLUSH: u32 = 1;

/// The arguments as they came over the wire.
#[derive(Clone, Copy, Debug)]
pub struct LockArgs {
    /// From where on.
    pub offset: u64,
    /// How many bytes; whole pages are treated.
    pub size: u64,
    /// `MEMORY_OBJECT_RETURN_*`
    pub should_return: u32,
    /// `MEMORY_OBJECT_DATA_FLUSH` or not.
    pub should_flush: u32,
    /// Accesses to forbid, or `VM_PROT_NO_CHANGE`.
    pub lock_value: u32,
}

#[derive(Debug)]
enum State {
    New,
    Sweeping { turn: u64, sweep: Sweep },
}

/// `memory_object_lock_request` (2044). When it is done, all data_returns that it caused are queued.
///
/// Requests on one object take their turns in the order of their first steps. Pages that are wired are waited for where
/// they would lose something, and room in the manager's queue wherever something is returned; a manager that does not take
/// its messages in time makes the request fail with `MemoryError`.
///
/// # Errors
/// | # | check                                              | error             |
/// |---|----------------------------------------------------|-------------------|
/// | 1 | the association is not over                        | `InvalidArgument` |
/// | 2 | the lock value has known bits, or is NO_CHANGE     | `InvalidArgument` |
/// | 3 | `should_return` at most 3                          | `InvalidArgument` |
/// | 4 | the offset is page aligned                         | `InvalidArgument` |
#[derive(Debug)]
pub struct LockRequest {
    assoc: AssocId,
    args: LockArgs,
    state: State,
}

impl LockRequest {
    /// A call.
    #[must_use]
    pub fn new(assoc: AssocId, args: LockArgs) -> LockRequest {
        LockRequest { assoc, args, state: State::New }
    }

    /// The checks; changes nothing.
    ///
    /// # Errors
    /// As in the table.
    pub fn check(&self, vm: &Vm) -> KernResult<()> {
        self.sweep(vm).map(|_| ())
    }

    fn sweep(&self, vm: &Vm) -> KernResult<Sweep> {
        const BAD: KernReturn = KernReturn::INVALID_ARGUMENT;
        let args = &self.args;
        let object = vm.object_of(self.assoc).ok_or(BAD)?;
        let lock = match args.lock_value {
            value if NO_CHANGE.contains(&value) => None,
            value => Some(Prot::from_wire(value).ok_or(BAD)?),
        };
        let returns = match args.should_return {
            0 => Returns::None,
            1 => Returns::Dirty,
            2 => Returns::All,
            3 => Returns::Anything,
            _ => return Err(BAD),
        };
        if !is_aligned(args.offset) {
            return Err(BAD);
        }
        // No page lies in the last one of all offsets, so the end may stop there.
        let end = args.offset.saturating_add(args.size).saturating_add(PAGE_SIZE - 1);
        let range = Range { start: args.offset, end: trunc(end).max(args.offset) };
        let flush = if args.should_flush & DATA_FLUSH != 0 { Flush::Yes } else { Flush::No };
        Ok(Sweep { object, range, returns, flush, lock })
    }

    /// Lets the next request have its turn.
    fn finish(&mut self, vm: &mut Vm) {
        if let State::Sweeping { turn, .. } = self.state
            && let Some(record) = vm.associations.get_mut(self.assoc)
        {
            record.turns.retain(|other| *other != turn);
            vm.wake(WaitOn::Manager(self.assoc), Wake::Retry);
        }
    }
}

impl Operation for LockRequest {
    type Out = ();

    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<()> {
        if let State::New = self.state {
            let sweep = match self.sweep(vm) {
                Ok(sweep) => sweep,
                Err(error) => return error.into(),
            };
            let Some(record) = vm.associations.get_mut(self.assoc) else { return Step::Done(Ok(())) };
            let turn = record.next_turn;
            record.next_turn += 1;
            record.turns.push_back(turn);
            self.state = State::Sweeping { turn, sweep };
        }
        let failure = vm.failure.take();
        let State::Sweeping { turn, sweep } = &mut self.state else { return Step::Done(Ok(())) };
        let Some(record) = vm.associations.get(self.assoc) else { return Step::Done(Ok(())) };
        if record.turns.front() != Some(turn) {
            return Step::Wait(WaitOn::Manager(self.assoc));
        }
        let outcome = match failure {
            Some(error) => Err(error),
            None if record.is_terminating() => Ok(()),
            None => match sweep.step(vm, env, &mut Budget::step()) {
                Swept::Done => Ok(()),
                Swept::Again => return Step::Again,
                Swept::Wait(what) => return Step::Wait(what),
            },
        };
        self.finish(vm);
        Step::Done(outcome)
    }

    fn cancel(&mut self, vm: &mut Vm) -> Cancel {
        self.finish(vm);
        Cancel::Dropped
    }
}
