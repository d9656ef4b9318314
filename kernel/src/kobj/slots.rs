//! An array of slots: a CNode, or the capability slots of a thread.

use core::ptr::NonNull;

use super::KRef;
use crate::cap::Slot;

/// A reference to `len` consecutive slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotArray {
    first: KRef<Slot>,
    len: usize,
}

impl SlotArray {
    /// Describes an array by its first slot.
    ///
    /// # Safety
    ///
    /// `len` slots start at `first`, and the provenance of `first` covers all of them.
    pub(crate) unsafe fn new(first: KRef<Slot>, len: usize) -> Self {
        SlotArray { first, len }
    }

    /// The first slot; it names the array.
    #[must_use]
    pub fn first(self) -> KRef<Slot> {
        self.first
    }

    /// The number of slots.
    #[must_use]
    pub const fn len(self) -> usize {
        self.len
    }

    /// Is there no slot in it?
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The slot whose index is the low bits of `bits`, as many as an array needs whose length is a power of two. There is a
    /// slot.
    #[inline]
    #[must_use]
    pub fn wrapping_slot(self, bits: usize) -> KRef<Slot> {
        let first: *mut Slot = core::ptr::with_exposed_provenance_mut(self.first.expose());
        let slot = first.wrapping_add(bits & self.len.wrapping_sub(1));
        // SAFETY: a part of the array, as below, is not at address 0.
        let slot = unsafe { NonNull::new_unchecked(slot) };
        // SAFETY: the contract of `new`: `bits & (len - 1)` is below `len`, so the slot is part of the array.
        unsafe { KRef::mint(slot) }
    }

    /// The slot with this index.
    #[must_use]
    pub fn slot(self, index: usize) -> Option<KRef<Slot>> {
        if index >= self.len {
            return None;
        }
        let first: *mut Slot = core::ptr::with_exposed_provenance_mut(self.first.expose());
        let slot = NonNull::new(first.wrapping_add(index))?;
        // SAFETY: the contract of `new`: `index` is below `len`, so the slot is part of the array.
        Some(unsafe { KRef::mint(slot) })
    }
}
