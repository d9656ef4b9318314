//! The server's window: every frame of memory, mapped read-write at a fixed address.
//!
//! Invariant **WINDOW-1**: a unit of a *frames* chunk is mapped at [`address`] from the moment its chunk was made of
//! frames (`Memory::make`) until the chunk is revoked, and the library hands out only units of such chunks. Tasks may
//! write to the same frames at any time, so bytes are copied through raw pointers and no reference is ever made.

use mach::memory::{PAGE, Unit};

/// Where the window starts.
pub(super) const BASE: u64 = 0x80_0000_0000;

/// Where a unit's frame is mapped.
pub(super) const fn address(unit: Unit) -> u64 {
    BASE + unit.0 as u64 * PAGE
}

/// The part of `[offset, offset + len)` that lies in a page, as pointer and length.
fn span(unit: Unit, offset: usize, len: usize) -> (*mut u8, usize) {
    let page = PAGE as usize;
    let offset = offset.min(page);
    let start = core::ptr::with_exposed_provenance_mut::<u8>(address(unit) as usize);
    (start.wrapping_add(offset), len.min(page - offset))
}

pub(super) fn zero(unit: Unit, offset: usize, len: usize) {
    let (to, len) = span(unit, offset, len);
    // SAFETY: WINDOW-1, and `span` stays in the page.
    unsafe { to.write_bytes(0, len) };
}

pub(super) fn read(unit: Unit, offset: usize, out: &mut [u8]) {
    let (from, len) = span(unit, offset, out.len());
    // SAFETY: WINDOW-1 for the source, of which `span` keeps to one page; `out` is at least `len` long and is no part
    // of the window.
    unsafe { from.copy_to_nonoverlapping(out.as_mut_ptr(), len) };
}

pub(super) fn write(unit: Unit, offset: usize, bytes: &[u8]) {
    let (to, len) = span(unit, offset, bytes.len());
    // SAFETY: as in `read`, with source and destination exchanged.
    unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), len) };
}

pub(super) fn copy(from: (Unit, usize), to: (Unit, usize), len: usize) {
    let (from, from_len) = span(from.0, from.1, len);
    let (to, to_len) = span(to.0, to.1, len);
    // SAFETY: WINDOW-1 for both, each kept to one page; `copy` allows the two to overlap.
    unsafe { from.copy_to(to, from_len.min(to_len)) };
}
