//! The host (`spec/mach-vm.md` A.20, A.21, `spec/mach-ports-tasks.md` E.5).

use alloc::vec::Vec;

use mach_protocol::host as proto;
use mach_protocol::private::MachHostSelf;
use mach_protocol::wire::Text;

use crate::region::take_ints;
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

/// What the machine has, from GNU Mach's `HOST_BASIC_INFO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostInfo {
    /// Processors in use.
    pub processors: u32,
    /// Bytes of memory for tasks and what the Mach server keeps of them.
    pub memory_size: u64,
}

/// Describes the host.
///
/// # Errors
///
/// E.5: `INVALID_ARGUMENT` if `host` is no host port.
pub fn host_info(host: PortName) -> Result<HostInfo> {
    let request = proto::HostInfo { flavor: proto::HOST_BASIC_INFO, count: proto::HOST_BASIC_INFO_COUNT };
    let info = call(host, &request)?.info;
    Ok(HostInfo { processors: (info.word(0) >> 32) as u32, memory_size: info.word(1) })
}

/// A send right to the name port of the processor set; the caller deallocates it.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if `host` is no host port.
pub fn processor_set_default(host: PortName) -> Result<PortName> {
    call(host, &proto::ProcessorSetDefault {}).map(|reply| reply.default_set)
}

/// A send right to the processor set's port, which is the right to all tasks; the caller deallocates it.
///
/// # Errors
///
/// `INVALID_HOST` if `host_priv` is not the privileged host port; `INVALID_ARGUMENT` if `set_name` is no set's name.
pub fn host_processor_set_priv(host_priv: PortName, set_name: PortName) -> Result<PortName> {
    call(host_priv, &proto::HostProcessorSetPriv { set_name }).map(|reply| reply.set)
}

/// Send rights to all tasks; the caller deallocates each.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if `set` is no processor set's port, `NO_SPACE`.
pub fn processor_set_tasks(set: PortName) -> Result<Vec<PortName>> {
    let reply = call(set, &proto::ProcessorSetTasks {})?;
    Ok(take_ints(reply.tasks, reply.count).into_iter().map(PortName).collect())
}

/// What runs, in a line.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if `host` is no host port.
pub fn host_kernel_version(host: PortName) -> Result<Text<64>> {
    call(host, &proto::HostKernelVersion {}).map(|reply| reply.version)
}

/// The time since the system was started: seconds, and microseconds of the next. It would be the time of day if anybody set
/// it.
///
/// # Errors
///
/// E.5: `INVALID_HOST` if `host` is no host port; `NOT_SUPPORTED` on a kernel that keeps the processor's counter from user code.
pub fn host_get_time(host: PortName) -> Result<(u64, u64)> {
    call(host, &proto::HostGetTime {}).map(|reply| (reply.seconds, reply.microseconds))
}

/// The same with nanoseconds.
///
/// # Errors
///
/// As [`host_get_time`].
pub fn host_get_uptime64(host: PortName) -> Result<(u64, u64)> {
    call(host, &proto::HostGetUptime64 {}).map(|reply| (reply.seconds, reply.nanoseconds))
}

/// Keeps what the kernel has of the calling thread, whose port is `thread`, resident, or no longer. It always is.
///
/// # Errors
///
/// `INVALID_ARGUMENT` if `host_priv` is not the privileged host port, or `thread` not the caller's own.
pub fn thread_wire(host_priv: PortName, thread: PortName, wired: bool) -> Result<()> {
    call(host_priv, &proto::ThreadWire { thread, wired }).map(drop)
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
