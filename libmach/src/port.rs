//! Port names and rights (`spec/mach-ports-tasks.md` D.3).
//!
//! `task` is the task whose name space is meant. Every call answers `INVALID_TASK` if it is none, and then
//! checks its arguments from left to right.

use alloc::vec::Vec;

use mach_protocol::port as proto;
pub use mach_protocol::port::{Disposition, PortStatus, PortType, Right, notify};
use mach_protocol::private::MachReplyPort;

use crate::region::take_ints;
use crate::rpc::{call, call_for_caller};
use crate::task::mach_task_self;
use crate::{PortName, Result};

/// A new receive right of the caller's.
///
/// # Errors
///
/// `RESOURCE_SHORTAGE`.
pub fn mach_reply_port() -> Result<PortName> {
    call_for_caller(&MachReplyPort {}).map(|reply| reply.name)
}

/// Every name of the task's, and what it denotes.
///
/// # Errors
///
/// `RESOURCE_SHORTAGE`.
pub fn mach_port_names(task: PortName) -> Result<Vec<(PortName, PortType)>> {
    let reply = call(task, &proto::MachPortNames {})?;
    let (names, types) = (take_ints(reply.names, reply.count), take_ints(reply.types, reply.count));
    Ok(names.into_iter().map(PortName).zip(types.into_iter().map(PortType)).collect())
}

/// What `name` denotes.
///
/// # Errors
///
/// `INVALID_NAME` if it denotes nothing.
pub fn mach_port_type(task: PortName, name: PortName) -> Result<PortType> {
    call(task, &proto::MachPortType { name }).map(|reply| PortType(reply.port_type))
}

/// Gives a right another name.
///
/// # Errors
///
/// `INVALID_VALUE` for a name that cannot be, `NAME_EXISTS`, `INVALID_NAME`.
pub fn mach_port_rename(task: PortName, old_name: PortName, new_name: PortName) -> Result<()> {
    call(task, &proto::MachPortRename { old_name, new_name }).map(drop)
}

/// Makes a right under a name of the caller's choice.
///
/// # Errors
///
/// `INVALID_VALUE` for a name or a kind that cannot be, `NAME_EXISTS`, `RESOURCE_SHORTAGE`.
pub fn mach_port_allocate_name(task: PortName, right: Right, name: PortName) -> Result<()> {
    call(task, &proto::MachPortAllocateName { right: right.0, name }).map(drop)
}

/// Makes a receive right, a port set or a dead name.
///
/// # Errors
///
/// `INVALID_VALUE` for another kind, `NO_SPACE`, `RESOURCE_SHORTAGE`.
pub fn mach_port_allocate(task: PortName, right: Right) -> Result<PortName> {
    call(task, &proto::MachPortAllocate { right: right.0 }).map(|reply| reply.name)
}

/// Destroys all that a name denotes.
///
/// # Errors
///
/// `INVALID_NAME`.
pub fn mach_port_destroy(task: PortName, name: PortName) -> Result<()> {
    call(task, &proto::MachPortDestroy { name }).map(drop)
}

/// Drops a reference to a send, send-once or dead name.
///
/// # Errors
///
/// `INVALID_NAME`, `INVALID_RIGHT`.
pub fn mach_port_deallocate(task: PortName, name: PortName) -> Result<()> {
    call(task, &proto::MachPortDeallocate { name }).map(drop)
}

/// The references that a name has to a kind of right.
///
/// # Errors
///
/// `INVALID_VALUE` for an unknown kind, `INVALID_NAME`.
pub fn mach_port_get_refs(task: PortName, name: PortName, right: Right) -> Result<u32> {
    call(task, &proto::MachPortGetRefs { name, right: right.0 }).map(|reply| reply.refs)
}

/// Changes the references that a name has to a kind of right.
///
/// # Errors
///
/// `INVALID_VALUE`, `INVALID_NAME`, `INVALID_RIGHT`, `UREFS_OVERFLOW`.
pub fn mach_port_mod_refs(task: PortName, name: PortName, right: Right, delta: i32) -> Result<()> {
    call(task, &proto::MachPortModRefs { name, right: right.0, delta }).map(drop)
}

/// Sets how many messages a port holds.
///
/// # Errors
///
/// `INVALID_NAME`, `INVALID_RIGHT`, `INVALID_VALUE`.
pub fn mach_port_set_qlimit(task: PortName, name: PortName, qlimit: u32) -> Result<()> {
    call(task, &proto::MachPortSetQlimit { name, qlimit }).map(drop)
}

/// Sets the count of send rights made.
///
/// # Errors
///
/// `INVALID_NAME`, `INVALID_RIGHT`.
pub fn mach_port_set_mscount(task: PortName, name: PortName, mscount: u32) -> Result<()> {
    call(task, &proto::MachPortSetMscount { name, mscount }).map(drop)
}

/// Moves a receive right into the port set `after`, or out of its set if that is null.
///
/// # Errors
///
/// `INVALID_NAME`, `INVALID_RIGHT`, `NOT_IN_SET`.
pub fn mach_port_move_member(task: PortName, member: PortName, after: PortName) -> Result<()> {
    call(task, &proto::MachPortMoveMember { member, after }).map(drop)
}

/// Asks to be told of an event, once. Answers the send-once right that was registered before, or null.
///
/// # Errors
///
/// D.5: `INVALID_VALUE`, `INVALID_NAME`, `INVALID_RIGHT`, `INVALID_CAPABILITY`, `INVALID_ARGUMENT`.
pub fn mach_port_request_notification(
    task: PortName,
    name: PortName,
    id: u32,
    sync: u32,
    notify: PortName,
    disposition: Disposition,
) -> Result<PortName> {
    let request = proto::MachPortRequestNotification { name, id, sync, notify, notify_disposition: disposition.0 };
    call(task, &request).map(|reply| reply.previous)
}

/// Gives the task a right of the caller's, under `name`.
///
/// # Errors
///
/// `INVALID_VALUE`, `INVALID_CAPABILITY`, `NAME_EXISTS`, `RIGHT_EXISTS`, `UREFS_OVERFLOW`.
pub fn mach_port_insert_right(task: PortName, name: PortName, poly: PortName, disposition: Disposition) -> Result<()> {
    call(task, &proto::MachPortInsertRight { name, poly, disposition: disposition.0 }).map(drop)
}

/// Gives the caller a right of the task's; answers the caller's name of it.
///
/// # Errors
///
/// `INVALID_VALUE`, `INVALID_NAME`, `INVALID_RIGHT`.
pub fn mach_port_extract_right(task: PortName, name: PortName, disposition: Disposition) -> Result<PortName> {
    call(task, &proto::MachPortExtractRight { name, disposition: disposition.0 }).map(|reply| reply.poly)
}

/// Lets messages that are received from the port say `payload` instead of the task's name of the port: the header's
/// [`payload`](crate::msg::MsgHeader::payload) is that, and its local disposition
/// [`PROTECTED_PAYLOAD`](Disposition::PROTECTED_PAYLOAD). So a server finds its object without a look at a table. No sender
/// can see or forge it, and it goes when the receive right leaves the task.
///
/// # Errors
///
/// D.3: `INVALID_NAME`, `INVALID_RIGHT` if the name holds no receive right.
pub fn mach_port_set_protected_payload(task: PortName, name: PortName, payload: u64) -> Result<()> {
    call(task, &proto::MachPortSetProtectedPayload { name, payload }).map(drop)
}

/// Lets messages that are received from the port say the task's name of it again.
///
/// # Errors
///
/// As [`mach_port_set_protected_payload`]; a port without payload is no error.
pub fn mach_port_clear_protected_payload(task: PortName, name: PortName) -> Result<()> {
    call(task, &proto::MachPortClearProtectedPayload { name }).map(drop)
}

/// The state of a receive right.
///
/// # Errors
///
/// `INVALID_NAME`, `INVALID_RIGHT`.
pub fn mach_port_get_receive_status(task: PortName, name: PortName) -> Result<PortStatus> {
    call(task, &proto::MachPortGetReceiveStatus { name }).map(|reply| reply.status)
}

/// A port that the task receives from, with a send right to it. Both go when the value does.
#[derive(Debug, PartialEq, Eq)]
pub struct ReceivePort {
    name: PortName,
}

impl ReceivePort {
    /// Makes a port.
    ///
    /// # Errors
    ///
    /// `NO_SPACE`, `RESOURCE_SHORTAGE`.
    pub fn new() -> Result<Self> {
        mach_port_allocate(mach_task_self(), Right::RECEIVE).and_then(Self::adopt)
    }

    /// Takes over a receive right, as it comes in a message, and makes a send right beside it.
    ///
    /// # Errors
    ///
    /// `INVALID_NAME`, `INVALID_RIGHT`.
    pub fn adopt(name: PortName) -> Result<Self> {
        let port = Self { name };
        mach_port_insert_right(mach_task_self(), name, name, Disposition::MAKE_SEND)?;
        Ok(port)
    }

    /// The name of the receive right and of the send right.
    #[must_use]
    pub fn name(&self) -> PortName {
        self.name
    }
}

impl Drop for ReceivePort {
    fn drop(&mut self) {
        let task = mach_task_self();
        // The receive right first: the send right is then a dead name, which is dropped as well. Nothing can
        // be done about a failure, and none is possible while the value owns both.
        let _ = mach_port_mod_refs(task, self.name, Right::RECEIVE, -1);
        let _ = mach_port_deallocate(task, self.name);
    }
}
