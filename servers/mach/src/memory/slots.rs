//! Slots of the server's CSpace that come and go.
//!
//! The slots of chunks and units are fixed (see [`super::Layout`]); the ones here hold the objects of a thread and
//! the capabilities of second and later mappings of a frame. Invariant **SLOT-1**: a slot that is not in use is empty.

use alloc::vec::Vec;

use crate::machine::Slot;

/// The free slots of one contiguous range.
#[derive(Debug)]
pub struct Slots {
    freed: Vec<Slot>,
    next: u32,
    end: u32,
    total: u32,
}

impl Slots {
    /// All `count` slots from `first` on, free.
    #[must_use]
    pub fn new(first: Slot, count: u32) -> Self {
        Self { freed: Vec::new(), next: first.0, end: first.0 + count, total: count }
    }

    /// Number of free slots.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.end - self.next + self.freed.len() as u32
    }

    /// Number of slots in use.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.total - self.free()
    }

    /// Takes a slot.
    pub fn take(&mut self) -> Option<Slot> {
        self.freed.pop().or_else(|| {
            let slot = (self.next < self.end).then_some(Slot(self.next))?;
            self.next += 1;
            Some(slot)
        })
    }

    /// Gives a slot back; it must be empty by now (SLOT-1).
    pub fn put(&mut self, slot: Slot) {
        self.freed.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_out_each_slot_once_and_again_after_it_came_back() {
        let mut slots = Slots::new(Slot(10), 3);
        let taken: Vec<_> = core::iter::from_fn(|| slots.take()).collect();
        assert_eq!(taken, [Slot(10), Slot(11), Slot(12)]);
        assert_eq!((slots.free(), slots.used()), (0, 3));
        slots.put(Slot(11));
        assert_eq!(slots.take(), Some(Slot(11)));
        assert_eq!(slots.take(), None);
    }
}
