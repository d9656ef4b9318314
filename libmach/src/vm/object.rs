//! Calls on memory objects by their names.

use mach_protocol::memory_object as proto;

use crate::rpc::call;
use crate::{PortName, Result};

/// What [`vm_object_sync`] does with an object's pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectSync {
    /// They are discarded.
    pub flush: bool,
    /// Those that were changed, and those of which the manager keeps no copy, are returned to it first; else what they
    /// hold is lost if they are discarded.
    pub returns: bool,
    /// The call waits until the manager has what was returned, as [`vm_msync`](super::vm_msync) does with
    /// [`SYNCHRONOUS`](super::VmSync::SYNCHRONOUS).
    pub waits: bool,
}

/// Gives pages of an object back to its manager, or discards them, whoever maps them. `name` is the object's name port, as
/// [`gnu_vm_region`](super::gnu_vm_region) gives it; `offset` and `size` are bytes of the object. Nothing is done to
/// anonymous memory.
///
/// # Errors
///
/// A.13: `INVALID_ARGUMENT` if `name` is a right to something else, or `offset` no multiple of a page; `MEMORY_ERROR` if the
/// manager does not take what is returned, dies meanwhile, or says that it could not keep it.
pub fn vm_object_sync(name: PortName, offset: u64, size: u64, how: ObjectSync) -> Result<()> {
    let ObjectSync { flush: should_flush, returns: should_return, waits: should_iosync } = how;
    call(name, &proto::VmObjectSync { offset, size, should_flush, should_return, should_iosync }).map(drop)
}
