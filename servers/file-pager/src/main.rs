//! The file pager's program.
//!
//! | module | holds |
//! |---|---|
//! | `disk` | the volume's disk: a session with the block server |
//! | `pager` | the memory manager: pages of files |
//! | `server` | requests for files, by their names |
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod disk;
#[cfg(target_os = "none")]
mod pager;
#[cfg(target_os = "none")]
mod server;

#[cfg(target_os = "none")]
libmach::entry!(server::main);

#[cfg(not(target_os = "none"))]
fn main() {}
