//! The default pager's library: where each page of anonymous memory is, and what must happen when one comes or is wanted.
//!
//! | module | holds |
//! |---|---|
//! | [`slots`] | the free slots of a paging area |
//! | [`held`] | what is held of an object: for each page a slot and a checksum, or that it is lost |
//! | [`sum`] | the checksum of a page |
//! | [`core`](mod@core) | objects, areas, and pages on the way between the kernel and the disk |
//! | [`stores`] | backing stores: which areas there are, on which disks |
//! | [`triggers`] | who wants to be told when space runs short |
//! | [`request`] | what other tasks ask |
//! | [`world`] | what the core and the stores ask of disks and of the Mach server |
//!
//! There is no system call here, so the whole pager runs on the host, against a naive model (`tests`).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod core;
pub mod held;
pub mod request;
pub mod slots;
pub mod stores;
pub mod sum;
pub mod triggers;
pub mod world;

/// Bytes of a page.
pub const PAGE_SIZE: u64 = 4096;

#[cfg(test)]
mod tests;
