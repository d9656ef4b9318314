//! The file pager: the files of a FAT volume as memory objects.
//!
//! | module | holds |
//! |---|---|
//! | [`ahead`] | how much is given at once |
//! | [`open`] | the files that are open |
//! | [`volume`] | the volume: files and directories on sectors |
//!
//! This library is what can be tested on the host. The program around it receives messages.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod ahead;
pub mod open;
pub mod volume;
