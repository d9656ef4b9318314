//! The boot stage: from the first instruction to the kernel's entry point.
//!
//! The library beside this file thinks; here are the instructions, the registers and raw memory.
//! `docs/boot.md` lists the steps with their letters, the failures, and the layout of memory.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod target;

/// On a host there is nothing to boot: the image is built for `aarch64-unknown-none-softfloat`.
#[cfg(not(target_os = "none"))]
fn main() {}
