//! The host (`spec/mach-vm.md` A.20, `spec/mach-ports-tasks.md` E.5).

use mach_protocol::host as proto;
use mach_protocol::private::MachHostSelf;

use crate::rpc::{call, call_for_caller};
use crate::{PortName, Result};

/// A send right to the host port; adds a reference, which the caller deallocates.
///
/// # Errors
///
/// `RESOURCE_SHORTAGE`.
pub fn mach_host_self() -> Result<PortName> {
    call_for_caller(&MachHostSelf {}).map(|reply| reply.name)
}

/// The bytes of a page.
///
/// # Errors
///
/// A.20: `INVALID_ARGUMENT` if `host` is no host port.
pub fn host_page_size(host: PortName) -> Result<u64> {
    call(host, &proto::HostPageSize {}).map(|reply| reply.size)
}
