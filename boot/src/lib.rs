//! The boot stage's thinking: everything that reads untrusted bytes or decides where things go.
//!
//! `kernel8.img` is one file for every board: an arm64 `Image` that firmware or QEMU starts at EL2 or
//! EL1 with a device tree. The target half (`main.rs`) has the instructions and the registers; this
//! library has no `unsafe`, allocates nothing, and runs in host tests.
//!
//! | module       | answers                                                        |
//! |--------------|----------------------------------------------------------------|
//! | [`tree`]     | is this a device tree, and what is in it                       |
//! | [`machine`]  | RAM, reservations, interrupt controller, timer, serial line    |
//! | [`payload`]  | are kernel and root task whole                                 |
//! | [`elf`]      | is this an ELF file that can be loaded, and how                |
//! | [`place`]    | where in RAM kernel, device tree and root task go              |
//! | [`tables`]   | the translation tables that the kernel is entered with         |
//! | [`failure`]  | what went wrong and what to do about it, in words              |
//! | [`pack`]     | (feature `pack`, on the host) builds the image                 |
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "pack"))]
extern crate std;

pub mod elf;
pub mod failure;
pub mod machine;
#[cfg(any(test, feature = "pack"))]
pub mod pack;
pub mod payload;
pub mod place;
pub mod tables;
pub mod tree;
