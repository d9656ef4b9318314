//! Operations that can wait: what a server runs, keeps, and resumes.
//!
//! Every call is an [`Operation`]: a value that holds its arguments and how far it came. The
//! server calls [`Operation::step`] until it gives [`Step::Done`]; between two steps anything may happen to
//! the state, so a step trusts nothing that an earlier one read unless the map was locked by this operation.

use mach_protocol::{KernResult, KernReturn};

use crate::pager::Pager;
use crate::pmap::{FramePool, Pmap};
use crate::types::{AssocId, MapId, PageId};
use crate::vm::Vm;

/// No step touches more pages than this.
pub const STEP_PAGES: usize = 64;

/// No step needs more heap than this for records of pages, entries and objects.
pub const STEP_HEAP: usize = 128 * 1024;

/// All effects together.
pub trait Env: Pmap + FramePool + Pager {}
impl<T: Pmap + FramePool + Pager> Env for T {}

/// What an operation waits for. The server queues it under this value and resumes it when
/// [`Vm::next_wakeup`] gives the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitOn {
    /// Another operation works on the map.
    Map(MapId),
    /// A page is on its way in, or locked by its manager, or wired.
    Page(PageId),
    /// A manager is not ready, or owes too many answers, or the association is being terminated.
    Manager(AssocId),
    /// A manager does not take its messages.
    Room(AssocId),
    /// There are no frames but those that are kept, until page-out has freed some. The server keeps the line, and gives
    /// frames to who came first; it says when the wait is over, and the core never does.
    Frames(FrameFor),
}

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameFor {
    /// Memory that nobody has yet: zeros, or a copy. Who waits for that may be refused.
    New,
    /// Memory that somebody has, and that was paged out. Who waits for that is not refused.
    PageIn,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Look again.
    Retry,
    /// What was waited for will not come.
    Failed(KernReturn),
}

/// The outcome of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// The operation is over: reply.
    Done(KernResult<T>),
    /// Run it again after a wake-up of this value.
    Wait(WaitOn),
    /// There is more to do: run it again, behind what is pending.
    Again,
}

/// How much of a step is left, in pages.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    /// A whole step.
    pub(crate) const fn step() -> Budget {
        Budget(STEP_PAGES)
    }

    /// A small part of a step, for work on the side.
    pub(crate) const fn aside() -> Budget {
        Budget(STEP_PAGES / 4)
    }

    /// Takes `n` pages, or what is left of them. False when nothing was left.
    pub(crate) fn take(&mut self, n: usize) -> bool {
        let is_left = self.0 > 0;
        self.0 = self.0.saturating_sub(n);
        is_left
    }

    pub(crate) fn left(&self) -> usize {
        self.0
    }
}

/// A call in progress.
pub trait Operation {
    /// What the call returns beside its return code.
    type Out;

    /// Goes on for at most [`STEP_PAGES`] pages. After `Done` the operation is not stepped again.
    fn step<E: Env>(&mut self, vm: &mut Vm, env: &mut E) -> Step<Self::Out>;

    /// Takes a step after a wait, which may have failed: then an access that would have to wait for a manager again gets
    /// the error instead.
    fn resume<E: Env>(&mut self, vm: &mut Vm, env: &mut E, wake: Wake) -> Step<Self::Out> {
        vm.wait_ended(wake);
        let step = self.step(vm, env);
        vm.wait_ended(Wake::Retry);
        step
    }

    /// Gives the operation up, because nobody wants the answer any more. What it held is left to
    /// [`Vm::reap`]. Not needed after `Done`. Operations that would leave a map half changed refuse.
    fn cancel(&mut self, vm: &mut Vm) -> Cancel;
}

/// What became of a cancelled operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// It is over.
    Dropped,
    /// It must be stepped to its end all the same, and its answer thrown away. One that waits for a manager is resumed
    /// with [`Wake::Failed`], so that nobody else waits for the manager on its account.
    RunOn,
}

/// An answer, for `?` in a step.
impl<T> From<KernReturn> for Step<T> {
    fn from(error: KernReturn) -> Step<T> {
        Step::Done(Err(error))
    }
}
