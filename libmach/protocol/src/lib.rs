//! Mach message ids and wire types, shared by libmach and the servers.
#![no_std]
#![forbid(unsafe_code)]

pub mod boot;
