//! The host: the machine as a whole (`spec/mach-vm.md` A.14, A.20 to A.22, `spec/mach-ports-tasks.md` E.5).
//!
//! The target of every request is the host's name.

use crate::PortName;
use crate::table::subsystem;
use crate::wire::Ints;

/// `HOST_VM_INFO`: counts of the whole system, as `vm_statistics` answers them, in XNU's order.
pub const HOST_VM_INFO: u32 = 2;
/// The count of [`HOST_VM_INFO`].
pub const HOST_VM_INFO_COUNT: u32 = 15;
/// The count of its first form, which is accepted.
pub const HOST_VM_INFO_FIRST_COUNT: u32 = 12;
/// The longest information of `host_statistics`, in 32-bit units.
pub const HOST_INFO_MAX: usize = 16;

subsystem! {
    /// A request to the host.
    HostRequest {
        /// `host_page_size`, A.20: the bytes of a page.
        HostPageSize = 202 {} -> HostPageSizeReply {
            /// Bytes.
            size: u64,
        }

        /// `host_statistics`, E.5: XNU's form of `vm_statistics`.
        ///
        /// Checks: a host port, else INVALID_HOST; a known flavor, else INVALID_ARGUMENT; room, else FAILURE.
        HostStatistics = 216 {
            /// [`HOST_VM_INFO`].
            flavor: u32,
            /// 32-bit units that the caller has room for.
            count: u32,
        } -> HostStatisticsReply {
            /// The information that the flavor names.
            info: Ints<HOST_INFO_MAX>,
        }

        /// `vm_wire`, A.14: keeps pages resident. GNU's id takes any host port, the others the privileged one.
        VmWire = 404 | 418 | 2636 {
            /// Whose memory.
            task: PortName,
            /// The first byte.
            address: u64,
            /// Bytes.
            size: u64,
            /// [`VmProt`](crate::vm::VmProt): the accesses that must not fault; none unwires.
            access: u32,
        } -> VmWireReply {}

        /// `vm_set_default_memory_manager`, A.21: who keeps the pages of anonymous memory that is paged out. Memory that
        /// was paged out before stays with the manager that has it.
        ///
        /// Checks: the privileged host port, else INVALID_HOST; null changes nothing; the manager is a port that the
        /// caller receives from, or a send right, else INVALID_CAPABILITY; room for the answer's name, else NO_SPACE.
        VmSetDefaultMemoryManager = 2041 {
            /// The caller's name of the manager's port, or null.
            default_manager: PortName,
        } -> VmSetDefaultMemoryManagerReply {
            /// A send right to the port of the manager before, or null.
            default_manager: PortName,
        }

        /// `host_default_memory_manager`, A.21: [`VmSetDefaultMemoryManager`] with OSF's argument.
        HostDefaultMemoryManager = 403 {
            /// The caller's name of the manager's port, or null.
            default_manager: PortName,
            /// Bytes of a data_return; ignored.
            cluster_size: u64,
        } -> HostDefaultMemoryManagerReply {
            /// A send right to the port of the manager before, or null.
            default_manager: PortName,
        }

        /// `vm_set_size_limit`, A.22: how much memory a map may hold. Raising the maximum takes the privileged port.
        VmSetSizeLimit = 4215 {
            /// Whose memory.
            task: PortName,
            /// Bytes, now.
            current_limit: u64,
            /// Bytes, at most.
            max_limit: u64,
        } -> VmSetSizeLimitReply {}
    }
}
