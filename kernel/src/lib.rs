//! The Tessera capability kernel.
#![no_std]
