//! Mach message ids and wire types, shared by libmach and the servers.
#![no_std]
