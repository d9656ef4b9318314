//! Physical memory by address. The MMU is off: addresses are physical, and all RAM is reachable.
//!
//! What other modules may rely on, and the SAFETY comments below cite:
//!
//! - MEM-1: one core runs the boot stage, with interrupts masked.
//! - MEM-2: a `Placement` or `Refuge` is free RAM: `place` keeps them off reserved memory and off this
//!   image. What firmware left elsewhere (its device tree) is not looked at any more when they are written.
//! - MEM-3: this image is as long as its header says, from the header on (the loader's part of the deal),
//!   and nothing writes to its payload.

use core::{
    cell::UnsafeCell,
    convert::Infallible,
    ptr, slice,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use boot::{
    elf::Image,
    failure::Failure,
    place::{Placement, Refuge},
    tables::Tables,
};
use handoff::{Handoff, PhysRange};

use super::{entry, stage::Start};

/// Room for a copy of the device tree: a Raspberry Pi 4's takes 55 KiB, QEMU's 8.
pub(super) const TREE_ROOM: usize = 128 * 1024;

/// A static of which the one user takes the one reference.
struct Once<T> {
    is_taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: MEM-1; and `take` hands out one reference only.
unsafe impl<T> Sync for Once<T> {}

impl<T> Once<T> {
    const fn new(value: T) -> Self {
        Self { is_taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    #[expect(clippy::mut_from_ref, reason = "the flag lets one caller through")]
    fn take(&'static self) -> Option<&'static mut T> {
        // Not `swap`: with the MMU off there are no exclusives, and MEM-1 makes two steps enough.
        if self.is_taken.load(Relaxed) {
            return None;
        }
        self.is_taken.store(true, Relaxed);
        // SAFETY: the flag was clear, so this is the first and only reference.
        Some(unsafe { &mut *self.value.get() })
    }
}

static TREE: Once<[u8; TREE_ROOM]> = Once::new([0; TREE_ROOM]);
static TABLES: Once<Tables> = Once::new(Tables::EMPTY);

/// Room for the device tree; there is one.
pub(super) fn take_tree_room() -> Option<&'static mut [u8]> {
    TREE.take().map(<[u8; TREE_ROOM]>::as_mut_slice)
}

/// The empty translation tables and their address; there is one set.
pub(super) fn take_tables() -> Option<(&'static mut Tables, u64)> {
    let tables = TABLES.take()?;
    let at = ptr::from_ref(tables) as u64;
    Some((tables, at))
}

unsafe extern "C" {
    /// The image's header.
    static boot_start: [u64; 8];
    /// The end of the boot stage proper, from the linker script; the payload begins on the next page.
    static boot_image_end: u8;
}

/// Where this image lies, payload included.
pub(super) fn own_image() -> PhysRange {
    // SAFETY: MEM-3: the header is at the image's start and is not written to.
    let [_, _, size, ..] = unsafe { boot_start };
    PhysRange { base: (&raw const boot_start) as u64, size }
}

/// The bytes behind the boot stage; none if the image was not packed.
pub(super) fn own_payload() -> &'static [u8] {
    let start = ((&raw const boot_image_end) as u64).next_multiple_of(4096);
    // SAFETY: MEM-3.
    unsafe { bytes(PhysRange::new(start, own_image().end())) }
}

/// What firmware left at an address; `None` if that cannot be: at address 0, around the end of memory, or
/// inside this image. If there is no memory at all, the access is an exception, which the vectors report.
pub(super) fn firmware_bytes(range: PhysRange) -> Option<&'static [u8]> {
    if range.base == 0 || range.base.checked_add(range.size).is_none() || range.overlaps(&own_image()) {
        return None;
    }
    // SAFETY: MEM-1: nobody writes outside this image until a placement is loaded, and by then these
    // bytes have been copied (MEM-2).
    Some(unsafe { bytes(range) })
}

/// Where bytes lie.
pub(super) fn range_of(bytes: &[u8]) -> PhysRange {
    PhysRange { base: bytes.as_ptr() as u64, size: bytes.len() as u64 }
}

/// # Safety
/// Nobody writes to the range, and it does not start at address 0.
unsafe fn bytes(range: PhysRange) -> &'static [u8] {
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(range.base as *const u8, range.size as usize) }
}

/// Free RAM that a placement has named (MEM-2).
pub(super) struct Free<'a>(&'a Placement);

impl<'a> Free<'a> {
    /// The ranges of a placement, which `place` has found free.
    pub(super) fn placed(at: &'a Placement) -> Self {
        Self(at)
    }

    /// Loads kernel or root task: zeroes its range and copies its segments.
    pub(super) fn load(&self, image: &Image<'_>, to: PhysRange) {
        if !(to == self.0.kernel() || to == self.0.root()) || image.size > to.size {
            return;
        }
        // SAFETY: MEM-2.
        unsafe { ptr::write_bytes(to.base as *mut u8, 0, to.size as usize) };
        for segment in image.segments() {
            // SAFETY: MEM-2, and `Image::parse` has checked that each segment ends inside the image.
            unsafe { copy(segment.bytes, to.base + segment.offset) };
        }
    }

    /// Copies the device tree.
    pub(super) fn copy(&self, tree: &[u8], to: PhysRange) {
        if to != self.0.tree() || to.size != tree.len() as u64 {
            return;
        }
        // SAFETY: MEM-2.
        unsafe { copy(tree, to.base) };
    }

    /// Writes the hand-off.
    pub(super) fn write_handoff(&self, handoff: &Handoff, to: PhysRange) {
        if self.0.handoff() != Some(to) {
            return;
        }
        const { assert!(size_of::<Handoff>() <= 4096) }
        // SAFETY: MEM-2; a page is large enough and aligned.
        unsafe { ptr::write(to.base as *mut Handoff, handoff.clone()) };
    }
}

/// # Safety
/// There is free memory for the bytes at `to`, and they do not lie there already.
unsafe fn copy(bytes: &[u8], to: u64) {
    // SAFETY: the caller's promise.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to as *mut u8, bytes.len()) };
}

/// Moves the whole image to free RAM, where it starts again.
pub(super) fn move_image(start: &Start, to: Refuge) -> Result<Infallible, Failure> {
    let image = own_image();
    // SAFETY: MEM-2 and MEM-3: there is room for an image of that length, and it is that long.
    unsafe { ptr::copy_nonoverlapping(image.base as *const u8, to.base() as *mut u8, image.size as usize) };
    // SAFETY: the copy is whole. What this run has changed in it, the copy's entry code zeroes or
    // relocates again.
    unsafe { entry::restart(to.base(), start) }
}
