//! The default pager: see the library for what it does, and `docs/paging.md` for how it fits in.
//!
//! It is a Mach task with the privileged host port, above the other servers and below the Mach server. Its memory is wired,
//! and it waits for nobody but the Mach server and the block server: neither depends on memory that it pages.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod target;

#[cfg(target_os = "none")]
libmach::entry!(target::server::main);

#[cfg(not(target_os = "none"))]
fn main() {}
