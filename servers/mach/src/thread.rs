//! Threads: kernel objects, and where each of them is between kernel and server.
//!
//! | the thread                         | `is_held` | `is_blocked` |
//! |------------------------------------|-----------|--------------|
//! | runs, or could                     |           |              |
//! | was stopped by the server, or is new | yes     |              |
//! | waits for the server's answer      |           | yes          |
//!
//! A thread that waits for an answer is not stopped in the kernel, where it would repeat its call: its answer is kept
//! in `withheld` until it may run. Invariants: **THREAD-1** `is_held` and `is_blocked` are never both set.
//! **REPLY-1** every reply object is the spare of the receive, or a thread's, or in the pool; a thread that is blocked
//! is held by its own. When a message arrives on the spare, the sender's own is free (it was running) and becomes the
//! spare; a fault that is over at once is answered on the spare, which stays that.

use alloc::vec::Vec;

use arena::Id;
use mach_protocol::wire::Text;

use crate::exception::Exception;
use crate::handlers::{Form, Handlers};
use crate::machine::{Budget, Slot};
use crate::memory::{Kit, Unit};
use crate::port::PortId;
use crate::server::{DoorbellId, OpId};
use crate::task::{Task, TaskId};

/// What a thread that waits in the server gets.
#[derive(Debug)]
pub struct Answer {
    /// The message's label; 0 restarts a thread that faulted.
    pub label: u64,
    /// The message's words.
    pub words: Vec<u64>,
}

/// An exception that a handler is looking at.
#[derive(Debug)]
pub struct Raised {
    /// What it is.
    pub exception: Exception,
    /// Who was asked.
    pub stage: Stage,
    /// In which form.
    pub form: Form,
    /// Where the answer is expected.
    pub reply_port: PortId,
}

/// Who is asked about an exception, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The thread's handler.
    Thread,
    /// The task's handler.
    Task,
    /// The host's handler.
    Host,
}

/// The IPC buffer of a thread.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    /// Its frame.
    pub frame: Unit,
    /// Where it is mapped.
    pub address: u64,
}

/// Names a thread.
pub type ThreadId = Id<Thread>;

/// A thread.
#[derive(Debug)]
pub struct Thread {
    /// Its task.
    pub task: TaskId,
    /// The port that stands for it.
    pub port: PortId,
    /// Its kernel objects; none for the first task's thread, which root made.
    pub kit: Option<Kit>,
    /// Its TCB.
    pub tcb: Slot,
    /// The reply object that holds it while it is blocked.
    pub reply: Slot,
    /// Its IPC buffer, if the server made it.
    pub buffer: Option<Buffer>,
    /// How often it was suspended.
    pub suspended: u32,
    /// It is stopped in the kernel.
    pub is_held: bool,
    /// It waits for the server.
    pub is_blocked: bool,
    /// The answer that it gets when it may run.
    pub withheld: Option<Answer>,
    /// The operation that it waits for.
    pub(crate) op: Option<OpId>,
    /// Who is told of its exceptions first.
    pub exception: Handlers,
    /// The exception that it waits for.
    pub raised: Option<Raised>,
    /// What `thread_set_name` called it.
    pub name: Text<4>,
    /// It was unparked since it last parked.
    pub is_unparked: bool,
    /// Its priority.
    pub priority: u8,
    /// Its share of the processor.
    pub budget: Budget,
    /// Microseconds of processor time that it was seen to use.
    pub used_us: u64,
    /// Its doorbells.
    pub doorbells: Vec<DoorbellId>,
}

impl Thread {
    /// Whether neither the thread nor its task is suspended or ending.
    #[inline]
    #[must_use]
    pub fn may_run(&self, task: Option<&Task>) -> bool {
        self.suspended == 0 && task.is_some_and(|task| task.suspended == 0 && task.end.is_none())
    }
}
