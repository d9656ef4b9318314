//! Where memory is: for drivers.

use alloc::vec::Vec;

use mach_protocol::host as proto;

use crate::region::take_words;
use crate::rpc::call;
use crate::{PortName, Result};

/// The physical addresses of a range of a task's pages, a word a page; 0 for a page that is not resident. What is not wired
/// may be elsewhere by the time that the answer comes.
///
/// # Errors
///
/// A.18: `INVALID_HOST` if `host_priv` is not the privileged host port; `INVALID_TASK`; `INVALID_ARGUMENT` unless address
/// and size are multiples of a page and do not wrap; `RESOURCE_SHORTAGE` for more than 16,384 pages.
pub fn vm_pages_phys(host_priv: PortName, task: PortName, address: u64, size: u64) -> Result<Vec<u64>> {
    let reply = call(host_priv, &proto::VmPagesPhys { task, address, size })?;
    Ok(take_words(reply.pages, reply.count))
}
