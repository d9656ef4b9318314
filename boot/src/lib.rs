//! The boot stage: device tree, loading of kernel and root task, hand-off.
#![no_std]
