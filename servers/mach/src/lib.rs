//! The Mach kernel interface, in user mode.
#![no_std]
