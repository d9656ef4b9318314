//! The initial CSpace: one CNode, filled from slot 16 on in order (spec §6.6).

use sel4_abi::{InitSlot, SlotRegion};

use super::BootError;
use crate::cap::{CNodeCap, Cap, SlotRef, cdt};
use crate::kernel::Kernel;
use crate::kobj::SlotArray;

/// The smallest radix that the initial CNode gets.
const MIN_RADIX: u32 = 13;
/// Slots that are left empty at least.
const SPARE_SLOTS: u64 = 4096;

/// The radix for a CNode of `used` filled slots.
pub(super) fn radix_for(used: u64) -> u32 {
    (used + SPARE_SLOTS).next_power_of_two().ilog2().max(MIN_RADIX)
}

/// The initial CSpace while it is being filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct InitialCSpace {
    slots: SlotArray,
    next: u64,
}

impl InitialCSpace {
    /// Nothing is in it but the capability to itself.
    pub(super) fn new(k: &Kernel, slots: SlotArray) -> Result<Self, BootError> {
        let cspace = Self { slots, next: InitSlot::FIRST_FREE };
        cspace.set(k, InitSlot::CNode, cspace.root())?;
        Ok(cspace)
    }

    /// The CNode's capability: CPtrs are slot numbers, with depth 64.
    pub(super) fn root(self) -> Cap {
        let radix = self.slots.len().trailing_zeros();
        Cap::CNode(CNodeCap { slots: self.slots, guard: 0, guard_size: u64::BITS - radix })
    }

    /// The slots.
    pub(super) fn len(self) -> u64 {
        self.slots.len() as u64
    }

    /// The number of the next slot that will be filled.
    pub(super) fn next(self) -> u64 {
        self.next
    }

    /// A fixed slot.
    pub(super) fn slot(self, which: InitSlot) -> Result<SlotRef, BootError> {
        self.slots.slot(which.number() as usize).ok_or(BootError::NoSlot)
    }

    /// Fills a fixed slot.
    pub(super) fn set(self, k: &Kernel, which: InitSlot, cap: Cap) -> Result<(), BootError> {
        cdt::insert_root(k, self.slot(which)?, cap);
        Ok(())
    }

    /// Fills the next slot.
    pub(super) fn push(&mut self, k: &Kernel, cap: Cap) -> Result<(), BootError> {
        let slot = self.slots.slot(self.next as usize).ok_or(BootError::NoSlot)?;
        cdt::insert_root(k, slot, cap);
        self.next += 1;
        Ok(())
    }

    /// The slots that were filled since `start`.
    pub(super) fn since(self, start: u64) -> SlotRegion {
        SlotRegion { start, end: self.next }
    }

    /// The slots that are empty to the end.
    pub(super) fn empty(self) -> SlotRegion {
        SlotRegion { start: self.next, end: self.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Machine;
    use sel4_abi::object::SLOT_BITS;

    #[test]
    fn a_full_cnode_has_no_slot() {
        let mut m = Machine::new(17);
        let slots = m.take(5 + SLOT_BITS).place_slots(&mut m.kernel).unwrap();
        let mut cspace = InitialCSpace::new(&m.kernel, slots).unwrap();
        while cspace.next() < cspace.len() {
            assert_eq!(cspace.push(&m.kernel, Cap::Domain), Ok(()));
        }
        let before = m.snapshot();
        assert_eq!(cspace.push(&m.kernel, Cap::Domain), Err(BootError::NoSlot));
        assert!(before == m.snapshot() && cspace.next() == 32, "nothing is written beyond");
    }

    #[test]
    fn the_cnode_grows_with_the_image() {
        assert_eq!(radix_for(300), 13);
        assert_eq!(radix_for(4096), 13);
        assert_eq!(radix_for(4097), 14);
        assert_eq!(radix_for(40_000), 16);
    }
}
