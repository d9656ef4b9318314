//! `memcpy`, `memmove` and `memset` for bare AArch64: what the compiler calls to move and fill memory.
//!
//! Its own library has portable ones, which go word by word where both sides are aligned alike and byte by byte where
//! they are not. Those are weak, so a program that links this crate (`extern crate mem_routines as _`) has these
//! instead. They use general registers only, so one text serves the kernel and its users.
//!
//! What they rely on: unaligned accesses to memory are allowed (`SCTLR_EL1.A` is 0 and the memory is Normal), which
//! holds once the MMU is on; so the boot stage does not link them. `DC ZVA` is used where `DCZID_EL0` permits it.
#![no_std]

#[cfg(target_os = "none")]
#[expect(unsafe_code, reason = "the routines are assembly")]
mod aarch64 {
    core::arch::global_asm!(include_str!("routines.s"));
}
