//! seL4 system-call stubs and typed capability slots.
#![no_std]
