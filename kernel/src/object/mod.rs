//! Kernel objects: one module each, with the same sections in the same order.

mod asid_pool;
pub mod cnode;
pub mod domain;
pub mod endpoint;
pub mod notification;
mod page_table;
pub mod reply;
pub mod sched_context;
pub mod sched_control;
pub mod tcb;
#[cfg(test)]
mod tests;
pub mod untyped;

pub use asid_pool::AsidPool;
pub use endpoint::{Endpoint, EndpointState};
pub use notification::{Notification, NotificationState};
pub use page_table::PageTable;
pub use reply::{Above, Reply};
pub use sched_context::{Refill, SchedContext};
pub use tcb::{NAME_BYTES, QueueLinks, Queued, Tcb, TcbSlot, ThreadState};
