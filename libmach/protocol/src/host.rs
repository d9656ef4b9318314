//! The host: the machine as a whole (`spec/mach-vm.md` A.14, A.20, A.22, `spec/mach-ports-tasks.md` E.5).
//!
//! The target of every request is the host's name.

use crate::PortName;
use crate::table::subsystem;

subsystem! {
    /// A request to the host.
    HostRequest {
        /// `host_page_size`, A.20: the bytes of a page.
        HostPageSize = 202 {} -> HostPageSizeReply {
            /// Bytes.
            size: u64,
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
