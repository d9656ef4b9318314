//! Sealing the image: code is not written, the rest is not executed, stacks end in a page that faults.
//!
//! The block that maps the image becomes a table of pages while the kernel runs on it. A valid
//! descriptor may not turn into another of a different size ("break before make"), so the change is
//! made by a few instructions that run on the image's second mapping, at [`ALIAS_BASE`].

use core::arch::global_asm;

use super::pte::KernelContent;
use super::tables::{build_pages, remove_alias};
use super::{ALIAS_BASE, IMAGE_BASE};
use crate::arch::aarch64::fatal::guard_pages;

global_asm!(
    r#"
    // x0: address of the descriptor. x1: what it becomes. All addresses are of the second mapping,
    // but for the return address.
    .section .text
    .balign 4
    .global tessera_break_before_make
tessera_break_before_make:
    str     xzr, [x0]
    dsb     ish
    tlbi    vmalle1
    dsb     ish
    isb
    str     x1, [x0]
    dsb     ish
    isb
    ret
    "#
);

unsafe extern "C" {
    /// Changes a descriptor; see the assembly.
    fn tessera_break_before_make(entry: usize, descriptor: u64);
    /// The end of the code, on a page boundary (`kernel.ld`).
    static __text_end: u8;
    /// The end of the constants, on a page boundary.
    static __rodata_end: u8;
    /// The end of the image, on a page boundary.
    static __image_end: u8;
}

/// What the page of the image at `address` holds; `None` for guard pages and beyond the end.
fn content(address: u64) -> Option<KernelContent> {
    let is_below = |end: *const u8| address < end.addr() as u64;
    if !is_below(&raw const __image_end) || guard_pages().contains(&address) {
        None
    } else if is_below(&raw const __text_end) {
        Some(KernelContent::Code)
    } else if is_below(&raw const __rodata_end) {
        Some(KernelContent::Constants)
    } else {
        Some(KernelContent::Data)
    }
}

/// Gives each page of the image what it needs and no more.
pub(in crate::arch::aarch64) fn seal() {
    const TO_ALIAS: usize = (ALIAS_BASE - IMAGE_BASE) as usize;
    let (entry, descriptor) = build_pages(content);
    let here = tessera_break_before_make as *const () as usize;
    let there: *const () = core::ptr::without_provenance(here + TO_ALIAS);
    // SAFETY: the second mapping shows the same instructions (`build` made it), so this is the
    // function above at another address.
    let change: unsafe extern "C" fn(usize, u64) = unsafe { core::mem::transmute(there) };
    // SAFETY: (1) while the image is unmapped only those instructions run, and they use neither the
    // stack nor the image's first mapping; (2) the new table maps every page that the kernel uses at
    // the address it had.
    unsafe { change(entry + TO_ALIAS, descriptor.bits()) }
    remove_alias();
}
