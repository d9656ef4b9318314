//! The pager on the machine: its loop, its disks and the Mach server, and what other tasks ask it.

pub(crate) mod calls;
pub(crate) mod disks;
pub(crate) mod landing;
pub(crate) mod server;
