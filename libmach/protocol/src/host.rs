//! The host: the machine as a whole (`spec/mach-vm.md` A.20, `spec/mach-ports-tasks.md` E.5).
//!
//! The target of every request is the host's name.

use crate::table::subsystem;

subsystem! {
    /// A request to the host.
    HostRequest {
        /// `host_page_size`, A.20: the bytes of a page.
        HostPageSize = 202 {} -> HostPageSizeReply {
            /// Bytes.
            size: u64,
        }
    }
}
