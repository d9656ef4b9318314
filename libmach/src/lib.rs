//! The library of a Mach task on Tessera.
#![no_std]
