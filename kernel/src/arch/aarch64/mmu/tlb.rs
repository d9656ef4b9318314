//! TLB maintenance: what is owed after each change of a table.
//!
//! | change of a descriptor        | owed                                                         |
//! |-------------------------------|--------------------------------------------------------------|
//! | invalid → valid               | [`publish`]: the store is ordered before later walks          |
//! | valid → invalid, one page     | [`invalidate_page`]                                           |
//! | valid → other page            | invalid first, [`invalidate_page`], then as invalid → valid   |
//! | table → invalid, ASID freed   | [`invalidate_asid`]                                           |
//!
//! User entries are tagged with the ASID; the walker's cache of intermediate levels is covered by
//! the by-ASID operation, which is why unlinking a table uses that one. There is one core, so the
//! forms that tell no other are enough, and cheaper; several cores take the inner-shareable ones here.

use core::arch::asm;

use aarch64_cpu::asm::barrier;

use crate::arch::types::Asid;
use crate::mem::UserVa;

/// Where the ASID sits in the operand of a TLB operation.
const ASID_SHIFT: u32 = 48;
/// The page number in the operand: address bits 55:12 at bits 43:0.
const PAGE_NUMBER_MASK: u64 = (1 << 44) - 1;

/// Makes a new valid descriptor visible to the walker.
pub fn publish() {
    barrier::dsb(barrier::ISHST);
    barrier::isb(barrier::SY);
}

/// Forgets the translation of the page at `address` of `asid`.
pub fn invalidate_page(asid: Asid, address: UserVa) {
    let operand = (u64::from(asid.0) << ASID_SHIFT) | ((address.0 >> 12) & PAGE_NUMBER_MASK);
    barrier::dsb(barrier::ISHST);
    // SAFETY: removing cached translations of user addresses affects no kernel memory.
    unsafe { asm!("tlbi vae1, {}", in(reg) operand, options(nostack, preserves_flags)) }
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
}

/// Forgets all translations of `asid`.
pub fn invalidate_asid(asid: Asid) {
    let operand = u64::from(asid.0) << ASID_SHIFT;
    barrier::dsb(barrier::ISHST);
    // SAFETY: as in `invalidate_page`.
    unsafe { asm!("tlbi aside1, {}", in(reg) operand, options(nostack, preserves_flags)) }
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
}

/// Forgets everything.
pub(super) fn invalidate_all() {
    barrier::dsb(barrier::ISHST);
    // SAFETY: the live tables map all that the kernel uses, so translations come back by walking.
    unsafe { asm!("tlbi vmalle1", options(nostack, preserves_flags)) }
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
}
