//! Threads (manual §6).
//!
//! Layout: `2^11` bytes: six capability slots, then the saved registers, then the rest.
//!
//! # Invariants
//!
//! - `TCB-1` a thread is in at most one queue; [`Queued`] says of which kind: `Ready` and `Release`
//!   only for runnable threads, `Ipc` exactly for the states with an endpoint or a notification;
//! - `TCB-2` a thread and its scheduling context, its bound notification, the reply object it waits
//!   on, and the context it yields to, refer to each other;
//! - `TCB-3` a pending fault implies `BlockedOnSend` or `BlockedOnReply` (`FAULT-1`).
//!
//! # States
//!
//! | state | event | becomes |
//! |---|---|---|
//! | Inactive | resume | Restart |
//! | Running, Restart | blocks in a system call, faults | `BlockedOn…` |
//! | Running, Restart | suspend | Inactive |
//! | Restart | is chosen to run | Running, at the restart PC |
//! | `BlockedOn…` | the other side arrives | Running (or Restart, or Inactive, after a fault) |
//! | `BlockedOn…` | cancel, suspend | Inactive |
//! | `BlockedOn…` | its endpoint or notification is destroyed | Restart (Inactive with a fault) |
//!
//! | module | holds |
//! |---|---|
//! | [`thread`] | waking, suspending, resuming, cancelling, destruction |
//! | [`decode`] | invocations, checked |
//! | [`perform`] | invocations, carried out |

pub mod decode;
pub mod perform;
#[cfg(test)]
mod tests;
pub mod thread;

pub use perform::invoke;

use core::cell::Cell;

use super::endpoint::Authority;
use super::{Endpoint, Notification, Reply, SchedContext};
use crate::arch::context::Context;
use crate::arch::fpu::FpuState;
use crate::cap::{Slot, SlotRef};
use crate::error::Fault;
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::sched::Priority;

/// The capability slots of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum TcbSlot {
    /// The root of its CSpace.
    CSpaceRoot = 0,
    /// The root of its address space.
    VSpaceRoot = 1,
    /// The endpoint that its faults go to.
    FaultHandler = 2,
    /// The endpoint that its timeout faults go to.
    TimeoutHandler = 3,
    /// The frame of its IPC buffer.
    IpcBuffer = 4,
}

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadState {
    /// Stopped.
    Inactive,
    /// Runs, or would.
    Running,
    /// Runs, or would, from its restart PC.
    Restart,
    /// Waits for a receiver.
    BlockedOnSend {
        /// The endpoint in whose queue it is.
        endpoint: KRef<Endpoint>,
        /// What the capability that it used allows.
        authority: Authority,
        /// Does it expect a reply?
        is_call: bool,
    },
    /// Waits for a sender.
    BlockedOnReceive {
        /// The endpoint in whose queue it is.
        endpoint: KRef<Endpoint>,
        /// The reply object that the next caller will wait on.
        reply: Option<KRef<Reply>>,
    },
    /// Waits for a reply.
    BlockedOnReply {
        /// The object through which it will come.
        reply: KRef<Reply>,
    },
    /// Waits for a signal.
    BlockedOnNotification {
        /// The notification in whose queue it is.
        notification: KRef<Notification>,
    },
}

impl ThreadState {
    /// Whether the thread would run, given a scheduling context with budget.
    #[must_use]
    pub const fn is_runnable(self) -> bool {
        matches!(self, ThreadState::Running | ThreadState::Restart)
    }

    /// Whether the thread waits for another one.
    #[must_use]
    pub const fn is_blocked(self) -> bool {
        !self.is_runnable() && !matches!(self, ThreadState::Inactive)
    }
}

/// Which kind of queue a thread is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// None.
    No,
    /// The run queue of its domain and priority.
    Ready,
    /// The release queue.
    Release,
    /// The queue of the endpoint or notification that its state names.
    Ipc,
}

/// Links of an intrusive queue of threads.
#[derive(Debug)]
pub struct QueueLinks {
    /// The thread in front.
    pub(crate) prev: Cell<Option<KRef<Tcb>>>,
    /// The thread behind.
    pub(crate) next: Cell<Option<KRef<Tcb>>>,
}

impl QueueLinks {
    const fn new() -> Self {
        QueueLinks { prev: Cell::new(None), next: Cell::new(None) }
    }
}

/// Bytes of a thread's name that are kept.
pub const NAME_BYTES: usize = 32;

/// A thread.
#[derive(Debug)]
#[repr(C)]
pub struct Tcb {
    /// Capability slots; see [`TcbSlot`]. First, so that a zombie can name them by the object.
    pub(crate) slots: [Slot; Tcb::SLOTS],
    /// The saved user registers.
    pub(crate) context: Context,
    /// The saved FP/SIMD registers.
    pub(crate) fpu: FpuState,
    /// What the thread does.
    pub(crate) state: Cell<ThreadState>,
    /// The fault that it is about to report or waits to have answered.
    pub(crate) fault: Cell<Option<Fault>>,
    /// Its priority.
    pub(crate) priority: Cell<Priority>,
    /// The highest priority that it can give.
    pub(crate) mcp: Cell<Priority>,
    /// Its domain.
    pub(crate) domain: Cell<u8>,
    /// `TCBSetFlags` flags.
    pub(crate) flags: Cell<u64>,
    /// The scheduling context that it has.
    pub(crate) sched_context: Cell<Option<KRef<SchedContext>>>,
    /// The scheduling context that its pending YieldTo waits for.
    pub(crate) yield_to: Cell<Option<KRef<SchedContext>>>,
    /// The notification bound to it.
    pub(crate) bound_notification: Cell<Option<KRef<Notification>>>,
    /// Which queue `links` belong to.
    pub(crate) queued: Cell<Queued>,
    /// Links of that queue.
    pub(crate) links: QueueLinks,
    /// The user address of its IPC buffer; 0 for none.
    pub(crate) ipc_buffer: Cell<u64>,
    /// Its name, for diagnostics.
    pub(crate) name: Cell<[u8; NAME_BYTES]>,
}

impl Tcb {
    /// Capability slots of a thread.
    pub const SLOTS: usize = 6;

    /// An inactive thread without anything.
    #[must_use]
    pub const fn initial() -> Self {
        Tcb {
            slots: [const { Slot::empty() }; Tcb::SLOTS],
            context: Context::new(),
            fpu: FpuState::new(),
            state: Cell::new(ThreadState::Inactive),
            fault: Cell::new(None),
            priority: Cell::new(Priority(0)),
            mcp: Cell::new(Priority(0)),
            domain: Cell::new(0),
            flags: Cell::new(0),
            sched_context: Cell::new(None),
            yield_to: Cell::new(None),
            bound_notification: Cell::new(None),
            queued: Cell::new(Queued::No),
            links: QueueLinks::new(),
            ipc_buffer: Cell::new(0),
            name: Cell::new([0; NAME_BYTES]),
        }
    }
}

impl KRef<Tcb> {
    /// One of the thread's capability slots.
    #[must_use]
    pub fn slot(self, k: &Kernel, which: TcbSlot) -> SlotRef {
        self.project(k, |tcb| &tcb.slots[which as usize])
    }
}
