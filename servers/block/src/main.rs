//! The block server: see the library for what it does, and `mach_protocol::block` for what clients say to it.
//!
//! It is a Mach task with the privileged host port, whose arguments say where root mapped the registers of each virtio disk
//! (`0x…`); the interrupt handlers are in the slots for grants, in the same order.
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
