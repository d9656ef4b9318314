//! The host (`spec/mach-vm.md` A.20, A.21, `spec/mach-ports-tasks.md` E.5).

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

/// Makes `manager` the default pager, which keeps the pages of anonymous memory that is paged out for the first time from
/// now on; null changes nothing. Answers a send right to the port of the one before, or null. The manager is a port that
/// the caller receives from, or a send right of its.
///
/// # Errors
///
/// A.21: `INVALID_HOST` if `host_priv` is not the privileged host port; `INVALID_CAPABILITY` if `manager` is no such port.
pub fn vm_set_default_memory_manager(host_priv: PortName, manager: PortName) -> Result<PortName> {
    call(host_priv, &proto::VmSetDefaultMemoryManager { default_manager: manager }).map(|reply| reply.default_manager)
}

/// The same with OSF's size of clusters, which is ignored.
///
/// # Errors
///
/// As for [`vm_set_default_memory_manager`].
pub fn host_default_memory_manager(host_priv: PortName, manager: PortName, cluster_size: u64) -> Result<PortName> {
    call(host_priv, &proto::HostDefaultMemoryManager { default_manager: manager, cluster_size })
        .map(|reply| reply.default_manager)
}
