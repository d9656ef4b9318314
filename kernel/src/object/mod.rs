//! Kernel objects: one module each, with the same sections in the same order.

mod asid_pool;
pub mod cnode;
mod endpoint;
mod notification;
mod page_table;
mod reply;
mod sched_context;
mod tcb;
pub mod untyped;

pub use asid_pool::AsidPool;
pub use endpoint::{Endpoint, EndpointState};
pub use notification::{Notification, NotificationState};
pub use page_table::PageTable;
pub use reply::{Reply, ReplyNext};
pub use sched_context::{Refill, SchedContext};
pub use tcb::{NAME_BYTES, QueueLinks, SchedQueue, Tcb, TcbSlot, ThreadState};
