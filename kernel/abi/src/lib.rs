//! The seL4 16.0.0 MCS system-call interface: numbers and layouts that kernel and user code share.
#![no_std]
