//! The console server: the tasks' output and input on one serial line.
//!
//! It is an ordinary Mach task with a device page and an interrupt. Clients find it by its name at the name service;
//! `mach_protocol::service` says what they can ask. A write is answered when its bytes are in the line's buffer.
//! `input` decides who gets what is typed.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

#[cfg(any(target_os = "none", test))]
extern crate alloc;

#[cfg(any(target_os = "none", test))]
mod input;
#[cfg(target_os = "none")]
mod server;
#[cfg(target_os = "none")]
mod uart;

#[cfg(target_os = "none")]
libmach::entry!(server::main);

#[cfg(not(target_os = "none"))]
fn main() {}
