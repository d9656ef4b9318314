//! Memory that can become kernel objects.

use core::ptr::NonNull;

use super::objects::KernelObject;
use super::{KRef, SlotArray};
use crate::arch::cache;
use crate::cap::Slot;
use crate::kernel::Kernel;
use crate::mem::{KernelVa, PhysAddr};
use crate::object::SchedContext;
use sel4_abi::object::SLOT_BITS;

/// A naturally aligned power of two of physical memory, KOBJ-5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemRegion {
    base: PhysAddr,
    size_bits: u8,
    is_device: bool,
}

impl MemRegion {
    /// Describes a region.
    ///
    /// # Safety
    ///
    /// The base is aligned to the size, and unless it is device memory KOBJ-5 holds for it.
    #[must_use]
    pub const unsafe fn new(base: PhysAddr, size_bits: u8, is_device: bool) -> Self {
        MemRegion { base, size_bits, is_device }
    }

    /// Describes device memory, which the kernel never accesses.
    #[must_use]
    pub const fn device(base: PhysAddr, size_bits: u8) -> Self {
        MemRegion { base, size_bits, is_device: true }
    }

    /// The physical address.
    #[must_use]
    pub const fn base(self) -> PhysAddr {
        self.base
    }

    /// The size.
    #[must_use]
    pub const fn size_bits(self) -> u32 {
        self.size_bits as u32
    }

    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        1 << self.size_bits
    }

    /// Is it memory that the kernel must not touch?
    #[must_use]
    pub const fn is_device(self) -> bool {
        self.is_device
    }

    /// The last byte.
    #[must_use]
    pub const fn last(self) -> PhysAddr {
        self.base.add(self.bytes() - 1)
    }

    /// Does the region contain all of `other`?
    #[must_use]
    pub fn contains(self, other: MemRegion) -> bool {
        self.base <= other.base && other.last() <= self.last()
    }

    /// A region of `2^size_bits` bytes at `offset`; `None` unless aligned and inside.
    #[must_use]
    pub fn carve(self, offset: u64, size_bits: u32) -> Option<MemRegion> {
        let bits = u8::try_from(size_bits).ok().filter(|b| *b <= self.size_bits)?;
        let base = self.base.add(offset);
        let fits = offset <= self.bytes() - (1 << bits);
        (fits && base.is_aligned(size_bits)).then_some(MemRegion { base, size_bits: bits, is_device: self.is_device })
    }

    fn pointer<T>(self) -> Option<NonNull<T>> {
        let KernelVa(addr) = self.base.to_kernel();
        NonNull::new(core::ptr::with_exposed_provenance_mut(addr))
    }

    /// Makes an object of exactly this size out of zeros; `None` if the size is not the object's or the
    /// memory is a device's.
    ///
    /// The memory is zero, as above an untyped's watermark (UT-1) and after [`clear`](Self::clear).
    #[inline]
    pub fn place<T: KernelObject>(self, _: &mut Kernel) -> Option<KRef<T>> {
        if self.is_device || self.size_bits() != T::SIZE_BITS {
            return None;
        }
        let at = self.zeros::<T>()?;
        super::objects::init(at);
        // SAFETY: KOBJ-5: RAM in the window, aligned to its size, which `KernelObject` says is at least that of T; just
        // made, and from now on reached through shared references only; KOBJ-2: no reference into it is alive.
        Some(unsafe { KRef::mint(at) })
    }

    /// Makes a scheduling context that fills the region out of zeros.
    #[inline]
    pub fn place_sched_context(self, _: &mut Kernel) -> Option<KRef<SchedContext>> {
        let refills = SchedContext::refills_of_size(self.size_bits())?;
        if self.is_device {
            return None;
        }
        let at = self.zeros::<SchedContext>()?;
        super::objects::init_sched_context(at, refills);
        // SAFETY: as in `place`; `refills_of_size` refuses sizes below that of the structure.
        Some(unsafe { KRef::mint(at) })
    }

    /// Makes empty slots that fill the region out of zeros, which they are.
    #[inline]
    pub fn place_slots(self, _: &mut Kernel) -> Option<SlotArray> {
        if self.is_device || self.size_bits() < SLOT_BITS {
            return None;
        }
        let first = self.zeros::<Slot>()?;
        let len = 1usize << (self.size_bits() - SLOT_BITS);
        // SAFETY: as in `place`.
        let first = unsafe { KRef::mint(first) };
        // SAFETY: `len` slots fill the region exactly.
        Some(unsafe { SlotArray::new(first, len) })
    }

    /// Where the memory is that an object is to be made of.
    #[inline]
    fn zeros<T>(self) -> Option<NonNull<T>> {
        #[cfg(any(test, feature = "fuzzing"))]
        self.assert_zero();
        self.pointer()
    }

    /// Checks that the memory is zero.
    #[cfg(any(test, feature = "fuzzing"))]
    fn assert_zero(self) {
        let Some(first) = self.pointer::<u8>() else { return };
        for offset in 0..self.bytes() as usize {
            // SAFETY: inside the region, which is RAM in the window (KOBJ-5); no reference into it is alive (KOBJ-2).
            let byte = unsafe { first.as_ptr().wrapping_add(offset).read() };
            assert_eq!(byte, 0, "UT-1: an object is made of memory that is not zero");
        }
    }

    /// Zeroes `bytes` bytes at `offset`, in memory itself and not only in the caches; nothing for device memory or
    /// beyond the end.
    pub fn clear(self, _: &mut Kernel, offset: u64, bytes: u64) {
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= self.bytes());
        if self.is_device || !inside {
            return;
        }
        if let Some(start) = self.pointer::<u8>() {
            let start = start.as_ptr().wrapping_add(offset as usize);
            // SAFETY: inside the region, which is RAM in the window (KOBJ-5); KOBJ-2: no reference
            // into it is alive.
            unsafe { cache::zero_to_poc(start, bytes as usize) };
        }
    }
}
