//! The root task.
#![no_std]
