//! What the boot stage tells the kernel: one structure and its checks.
#![no_std]
