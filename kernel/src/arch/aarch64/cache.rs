//! Cache maintenance by virtual address.
//!
//! Kernel callers give addresses of the kernel's window; data caches on Armv8 behave as physically
//! tagged, so that reaches the lines of every alias. Operations that a user asks for run on the
//! user's own addresses ([`user_range`]), because the instruction cache need not be physical.

use core::arch::asm;

use aarch64_cpu::asm::barrier;

use super::mmu::with_user_root;
use crate::arch::types::{Asid, CacheOp};
use crate::mem::{KernelVa, PhysAddr, UserVa};

/// The smallest line of the data caches, in bytes (`CTR_EL0.DminLine`).
fn data_line() -> u64 {
    4 << ((read_ctr() >> 16) & 0xf)
}

/// The smallest line of the instruction caches, in bytes (`CTR_EL0.IminLine`).
fn instruction_line() -> u64 {
    4 << (read_ctr() & 0xf)
}

fn read_ctr() -> u64 {
    let ctr: u64;
    // SAFETY: reading the cache type register has no effect.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack, preserves_flags)) }
    ctr
}

/// Defines a function that does one operation by address.
macro_rules! by_address {
    ($name:ident, $instruction:literal) => {
        #[inline(always)]
        fn $name(address: u64) {
            // SAFETY: cleaning and invalidating what the mapping allows changes no value that
            // Rust code can see: the kernel's own data is never invalidated without cleaning.
            unsafe {
                asm!(concat!($instruction, ", {}"), in(reg) address, options(nostack, preserves_flags));
            }
        }
    };
}
by_address!(dc_cvac, "dc cvac");
by_address!(dc_cvau, "dc cvau");
by_address!(dc_ivac, "dc ivac");
by_address!(dc_civac, "dc civac");
by_address!(ic_ivau, "ic ivau");

/// Calls `operation` on every line that overlaps `[start, end)`.
fn each_line(start: u64, end: u64, line: u64, operation: impl Fn(u64)) {
    let mut address = start & !(line - 1);
    while address < end {
        operation(address);
        address += line;
    }
}

/// Writes zeros to `bytes` bytes from `start`, and cleans them to the point of coherency: in memory itself.
///
/// # Safety
///
/// The range is ordinary memory that is valid for writes, and nobody has a reference into it.
pub unsafe fn zero_to_poc(start: *mut u8, bytes: usize) {
    let (from, line) = (start.addr() as u64, data_line());
    let end = from + bytes as u64;
    let whole_lines = (from | end) & (line - 1) == 0;
    if whole_lines && zero_block() == Some(line) {
        each_line(from, end, line, |address| {
            // SAFETY: the line is within the range, which is the caller's to write and ordinary memory; DCZID_EL0 says
            // that the instruction writes just this line.
            unsafe { asm!("dc zva, {}", in(reg) address, options(nostack, preserves_flags)) };
            dc_cvac(address);
        });
    } else {
        // SAFETY: the caller's promise.
        unsafe { start.write_bytes(0, bytes) };
        each_line(from, end, line, dc_cvac);
    }
    barrier::dsb(barrier::SY);
}

/// How many bytes `dc zva` writes, if it may be used (`DCZID_EL0`).
fn zero_block() -> Option<u64> {
    let id: u64;
    // SAFETY: reading the identification register has no effect.
    unsafe { asm!("mrs {}, dczid_el0", out(reg) id, options(nomem, nostack, preserves_flags)) }
    (id & 0x10 == 0).then_some(4 << (id & 0xf))
}

/// Cleans `bytes` bytes from `start` to the point of unification, where the table walker looks.
pub fn clean_to_pou(start: KernelVa, bytes: usize) {
    let start = start.0 as u64;
    each_line(start, start + bytes as u64, data_line(), dc_cvau);
    barrier::dsb(barrier::ISH);
}

/// Does what a user asked for on `[start, end)` of the address space of `root` and `asid`.
///
/// The range lies in one page that is mapped there, writable if `operation` invalidates.
pub fn user_range(operation: CacheOp, root: PhysAddr, asid: Asid, start: UserVa, end: UserVa) {
    let (start, end) = (start.0, end.0);
    with_user_root(root, asid, || match operation {
        CacheOp::Clean => {
            each_line(start, end, data_line(), dc_cvac);
            barrier::dsb(barrier::SY);
        }
        CacheOp::Invalidate => {
            invalidate(start, end);
            barrier::dsb(barrier::SY);
        }
        CacheOp::CleanInvalidate => {
            each_line(start, end, data_line(), dc_civac);
            barrier::dsb(barrier::SY);
        }
        CacheOp::Unify => {
            each_line(start, end, data_line(), dc_cvau);
            barrier::dsb(barrier::ISH);
            each_line(start, end, instruction_line(), ic_ivau);
            barrier::dsb(barrier::ISH);
            barrier::isb(barrier::SY);
        }
    });
}

/// Invalidates whole lines; lines that are only partly in the range are cleaned as well, so that
/// what others keep in them is not lost.
fn invalidate(start: u64, end: u64) {
    let line = data_line();
    each_line(start, end, line, |address| {
        if address < start || address + line > end { dc_civac(address) } else { dc_ivac(address) }
    });
}
