//! The memory that boot hands out: regions for the first objects, and what is left for untypeds.
#![expect(unsafe_code, reason = "turns physical ranges into memory regions; see docs/unsafe.md, zone boot")]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

use handoff::{Handoff, PhysRange};

use super::BootError;
use super::ranges::RangeSet;
use crate::arch;
use crate::cap::Slot;
use crate::irq::MAX_IRQS;
use crate::kernel::Kernel;
use crate::kobj::{MemRegion, SlotArray, adopt_slots};
use crate::mem::PhysAddr;
use sel4_abi::object::PAGE_BITS;

/// The window maps RAM in whole blocks of this size.
const WINDOW_BLOCK: u64 = 1 << 21;

/// Memory for the slots of the interrupts' notifications, given away once.
struct IrqSlots {
    is_taken: AtomicBool,
    slots: UnsafeCell<[MaybeUninit<Slot>; MAX_IRQS]>,
}

// SAFETY: `take_irq_slots` lets one caller at most reach `slots`.
unsafe impl Sync for IrqSlots {}

static IRQ_SLOTS: IrqSlots =
    IrqSlots { is_taken: AtomicBool::new(false), slots: UnsafeCell::new([const { MaybeUninit::uninit() }; MAX_IRQS]) };

/// The slots of the interrupts' notifications, the first time.
pub(super) fn take_irq_slots() -> Option<SlotArray> {
    if IRQ_SLOTS.is_taken.swap(true, Ordering::Relaxed) {
        return None;
    }
    // SAFETY: the flag was not set before, so this is the only reference ever made.
    Some(adopt_slots(unsafe { &mut *IRQ_SLOTS.slots.get() }))
}

/// RAM that is free, until it is taken.
#[derive(Clone, Debug)]
pub(super) struct BootMemory {
    free: RangeSet,
}

impl BootMemory {
    /// All RAM in the kernel's window but what the boot stage placed or found reserved.
    pub(super) fn new(handoff: &Handoff) -> Result<Self, BootError> {
        let mut free = RangeSet::default();
        for range in handoff.ram.as_slice() {
            let base = range.base.next_multiple_of(WINDOW_BLOCK);
            let end = range.end().min(arch::PHYS_WINDOW_SIZE) / WINDOW_BLOCK * WINDOW_BLOCK;
            free.push(PhysRange::new(base, end))?;
        }
        let placed = [handoff.kernel, handoff.device_tree, handoff.root.phys];
        for hole in placed.iter().chain(handoff.reserved.as_slice()) {
            free.remove(whole_pages(*hole))?;
        }
        Ok(Self { free })
    }

    /// Takes a zeroed region of `2^size_bits` bytes from the end of the highest memory with room.
    pub(super) fn take(&mut self, k: &mut Kernel, size_bits: u32) -> Result<MemRegion, BootError> {
        let base = self.free.take_highest(1 << size_bits)?.ok_or(BootError::NoMemory)?;
        let region = ram_region(PhysAddr(base), size_bits);
        region.clear(k, 0, region.bytes());
        Ok(region)
    }

    /// Takes a frame whose content does not matter yet: zeroed.
    pub(super) fn take_page(&mut self, k: &mut Kernel) -> Result<MemRegion, BootError> {
        self.take(k, PAGE_BITS)
    }

    /// Ends the handing out: what is left, as ranges.
    pub(super) fn into_free(self) -> RangeSet {
        self.free
    }
}

/// The range of pages that `range` touches.
pub(super) fn whole_pages(range: PhysRange) -> PhysRange {
    const PAGE: u64 = 1 << PAGE_BITS;
    if range.is_empty() {
        return range;
    }
    PhysRange::new(range.base / PAGE * PAGE, range.end().next_multiple_of(PAGE))
}

/// A region of RAM that boot owns: `BootMemory` found it free, or the boot stage placed the initial
/// task's image there.
pub(super) fn ram_region(base: PhysAddr, size_bits: u32) -> MemRegion {
    // SAFETY: KOBJ-5: the callers in `boot` pass pieces of what `BootMemory` holds or of the image,
    // which `Handoff::check` found inside RAM and apart from the kernel; both are cut at multiples of
    // the piece's size.
    unsafe { MemRegion::new(base, size_bits as u8, false) }
}

/// Copies `bytes` to `offset` of a region of RAM; what does not fit is cut.
pub(super) fn write(_: &mut Kernel, region: MemRegion, offset: u64, bytes: &[u8]) {
    let room = region.bytes().saturating_sub(offset) as usize;
    let count = if region.is_device() { 0 } else { bytes.len().min(room) };
    let to: *mut u8 = core::ptr::with_exposed_provenance_mut(region.base().add(offset).to_kernel().0);
    // SAFETY: KOBJ-5: `count` bytes from `to` on are RAM inside the region; KOBJ-2: `&mut Kernel` says
    // that no reference into it is alive, so it does not overlap `bytes` either.
    unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), count) }
}

/// The bytes of a range of RAM that nobody writes: the device tree.
pub(super) fn read(range: PhysRange) -> &'static [u8] {
    if range.is_empty() {
        return &[];
    }
    let start: *const u8 = core::ptr::with_exposed_provenance(PhysAddr(range.base).to_kernel().0);
    // SAFETY: `Handoff::check` found the range inside RAM, which the window maps; `BootMemory` never
    // gives it away, so it stays as the boot stage wrote it.
    unsafe { core::slice::from_raw_parts(start, range.size as usize) }
}

/// The bytes of the boot information.
pub(super) fn info_bytes(info: &sel4_abi::BootInfo) -> &[u8] {
    let start = core::ptr::from_ref(info).cast::<u8>();
    // SAFETY: `BootInfo` is words, and bytes filled up to words, without padding between.
    unsafe { core::slice::from_raw_parts(start, size_of::<sel4_abi::BootInfo>()) }
}

/// The boot information in a frame, as the initial task reads it.
#[cfg(test)]
pub(super) fn read_info(frame: MemRegion) -> sel4_abi::BootInfo {
    let start: *const sel4_abi::BootInfo = core::ptr::with_exposed_provenance(frame.base().to_kernel().0);
    // SAFETY: KOBJ-5; the frame is a page, larger than the structure, which any bytes are valid for.
    unsafe { start.read() }
}
