//! The console server.
#![no_std]
