//! Kernel objects: one module each, with the same sections in the same order.

pub mod asid_control;
pub mod asid_pool;
pub mod cnode;
pub mod domain;
pub mod endpoint;
pub mod frame;
pub mod irq_control;
pub mod irq_handler;
pub mod notification;
pub mod page_table;
pub mod reply;
pub mod sched_context;
pub mod sched_control;
#[cfg(test)]
mod sched_tests;
pub mod sgi_signal;
pub mod tcb;
#[cfg(test)]
mod tests;
pub mod untyped;
pub mod vspace_root;

pub use asid_pool::AsidPool;
pub use endpoint::{Endpoint, EndpointState};
pub use notification::{Notification, NotificationState};
pub use page_table::PageTable;
pub use reply::{Above, Reply};
pub use sched_context::{Refill, SchedContext};
pub use tcb::{NAME_BYTES, QueueLinks, Queued, Tcb, TcbSlot, ThreadState};

/// How far an object has come that is being destroyed in bounded steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finalised {
    /// It may go.
    Done,
    /// There is more to do before it goes.
    Partly,
}

impl Finalised {
    const fn when(is_done: bool) -> Self {
        if is_done { Finalised::Done } else { Finalised::Partly }
    }
}
