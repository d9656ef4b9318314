//! The root task: starts the Mach server and the ticker, then, as the first Mach task, everything else.
//!
//! | module | holds |
//! |---|---|
//! | [`archive`] | the boot archive in root's image |
//! | [`devices`] | the serial lines in the device tree |
//! | [`fault`] | fault messages in words |
//! | [`registry`] | the names of the name service, and who may have them |
//! | [`system`] | the system description in the archive |
//! | [`untyped`] | the memory that the kernel gave root |
//!
//! This library is what can be tested on the host. The program around it makes the system calls.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod archive;
pub mod devices;
pub mod fault;
pub mod registry;
pub mod system;
pub mod untyped;
