//! The line of those who wait for frames.
//!
//! | event                                   | then                                                              |
//! |-----------------------------------------|-------------------------------------------------------------------|
//! | a step finds no frame                   | its operation waits, at the end of the line                       |
//! | something was freed                     | a frame is promised to the first who may have one, who goes on    |
//! | the step that follows takes none        | the operation has its old place                                   |
//! | the step that follows takes some        | if it needs more, it waits at the end                             |
//! | a second is over                        | who wants new memory is refused, see [`Server::expire_frame_waits`] |
//!
//! What was promised nobody else takes, so a stream of others' requests overtakes nobody. Who may use the reserve may go on
//! before others who may not. An operation that failed for want of something else (a page table, a slot) is tried again
//! whenever something was freed since, and only then.

use alloc::collections::VecDeque;

use mach_protocol::KernReturn;
use vm::FrameFor;

use super::operation::Turn;
use super::{OpId, Server};
use crate::machine::Machine;
use crate::memory::Need;
use crate::task::TaskId;

/// Milliseconds that somebody waits for new memory before it is refused.
const FRAME_WAIT_MS: u32 = 1_000;

/// Frames that a memory manager may take beyond what a task gets, until tasks get frames again: enough to take what is
/// returned to it and let it go, and for no more, as any task can be a manager.
const MAX_BORROWED: u32 = 8;

/// A memory manager for whom memory is taken, and what all had taken beyond tasks' share before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Borrower {
    task: TaskId,
    before: u64,
}

/// The line.
#[derive(Debug, Default)]
pub(super) struct FrameLine {
    /// In the order of their turns.
    waiting: VecDeque<Waiting>,
    /// The number of the last turn.
    last: u64,
    /// When nobody in the line will have got a frame for a while.
    quiet_at: u64,
    /// What had been freed when the line was served last.
    served: u64,
}

/// Who waits.
#[derive(Debug)]
struct Waiting {
    op: OpId,
    turn: Turn,
    need: Need,
    purpose: FrameFor,
    /// What had been freed when it was refused.
    freed: u64,
}

impl Waiting {
    /// Whether it is refused when its time is over: servers are not, whose end would be everybody's, nor who wants back what
    /// it has.
    fn can_be_refused(&self) -> bool {
        self.purpose == FrameFor::New && self.need < Need::Server
    }
}

impl FrameLine {
    /// Whether somebody's time runs.
    #[inline]
    pub(super) fn has_deadline(&self) -> bool {
        !self.waiting.is_empty() && self.waiting.iter().any(Waiting::can_be_refused)
    }

    fn forget(&mut self, op: OpId) {
        self.waiting.retain(|waiting| waiting.op != op);
    }
}

impl<M: Machine> Server<M> {
    /// Lets a memory manager take what is left of its share of the reserve.
    pub(super) fn lend_to(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        if task.borrowed > 0 && self.hw.memory.has_ordinary() {
            task.borrowed = 0;
        }
        self.hw.memory.set_allowance(MAX_BORROWED.saturating_sub(task.borrowed));
        self.borrower = Some(Borrower { task: id, before: self.hw.memory.counts().beyond });
    }

    /// Counts what the last memory manager took.
    pub(super) fn charge_borrower(&mut self) {
        let Some(Borrower { task, before }) = self.borrower.take() else { return };
        if let Some(task) = self.tasks.get_mut(task) {
            task.borrowed += (self.hw.memory.counts().beyond - before) as u32;
        }
    }

    /// An operation waits for a frame. `turn` is the one that it had before, if it got nothing since.
    pub(super) fn begin_frame_wait(&mut self, op: OpId, purpose: FrameFor, turn: Option<Turn>) {
        let line = &mut self.frame_line;
        let turn = turn.unwrap_or_else(|| {
            line.last += 1;
            Turn { number: line.last, until: self.hw.clock.after_ms(FRAME_WAIT_MS) }
        });
        line.forget(op);
        let place = line.waiting.partition_point(|waiting| waiting.turn.number < turn.number);
        let freed = self.hw.memory.counts().freed;
        let need = self.hw.memory.need_left(self.hw.need);
        line.waiting.insert(place, Waiting { op, turn, need, purpose, freed });
        self.vm.set_frames_awaited(true);
        self.is_untidy |= self.is_short();
    }

    /// Lets the first go on for whom there is a frame.
    pub(super) fn serve_frame_line(&mut self) {
        let freed = self.hw.memory.counts().freed;
        if self.frame_line.waiting.is_empty() || core::mem::replace(&mut self.frame_line.served, freed) == freed {
            return;
        }
        self.charge_borrower();
        let has_space = self.vm.can_grow();
        let Self { frame_line, ops, hw, .. } = self;
        frame_line.waiting.retain(|waiting| {
            if !ops.waits_for_frame(waiting.op) {
                return false;
            }
            let may_use_floor = waiting.purpose == FrameFor::PageIn && !has_space;
            hw.memory.set_allowance(1);
            if waiting.freed == freed || hw.memory.promise_frame(waiting.need, may_use_floor).is_err() {
                return true;
            }
            ops.give_frame(waiting.op, waiting.turn);
            frame_line.quiet_at = hw.clock.after_ms(FRAME_WAIT_MS);
            false
        });
        if self.frame_line.waiting.is_empty() {
            self.vm.set_frames_awaited(false);
        }
    }

    /// Takes an operation out that is over, with what it was promised.
    pub(super) fn remove_op(&mut self, id: OpId) {
        if self.ops.remove(id) {
            self.hw.memory.redeem_frame();
        }
    }

    /// Refuses those whose time is over, if they want new memory and there is no hope: there is no space to page out to,
    /// or nobody in the line got a frame for as long. Otherwise they get theirs in their turn.
    pub(super) fn expire_frame_waits(&mut self) {
        let now = self.hw.clock.now();
        let is_hopeless = !self.vm.can_grow() || self.frame_line.quiet_at <= now;
        let mut refused = alloc::vec::Vec::new();
        self.frame_line.waiting.retain(|waiting| {
            let is_over = is_hopeless && waiting.can_be_refused() && waiting.turn.until <= now;
            if is_over {
                refused.push(waiting.op);
            }
            !is_over
        });
        for op in refused {
            self.ops.fail_wait(op, KernReturn::RESOURCE_SHORTAGE);
        }
        if self.frame_line.waiting.is_empty() {
            self.vm.set_frames_awaited(false);
        }
    }
}
