//! The shell's program: the console at one end, root and the Mach server at the other.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod attendant;
#[cfg(target_os = "none")]
mod files;
#[cfg(target_os = "none")]
mod jobs;
#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
mod session;
#[cfg(target_os = "none")]
mod sink;
#[cfg(target_os = "none")]
mod tasks;
#[cfg(target_os = "none")]
mod terminal;

#[cfg(target_os = "none")]
libmach::entry!(session::main);

#[cfg(not(target_os = "none"))]
fn main() {}
