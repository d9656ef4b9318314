//! The block server's library: what disks there are, who has which open, and how requests flow from clients' rings to devices
//! and back. It makes no system call; devices are behind [`traffic::Device`], clients' memory behind [`traffic::Memory`].
//!
//! | module | holds |
//! |---|---|
//! | [`mbr`] | the partitions of a disk |
//! | [`disks`] | names, and who has what open |
//! | [`traffic`] | sessions: requests in, completions out |
//!
//! The server is a driver of the trusted base: on a board without an IOMMU it can have its device write anywhere. What
//! clients give it is checked as the calls of tasks are.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod disks;
pub mod mbr;
pub mod traffic;
