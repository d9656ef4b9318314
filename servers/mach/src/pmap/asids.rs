//! Address-space numbers: pools of 512, of which the kernel made the first, with root's number in it.
//!
//! Another pool is made when all are full. It is kept: tasks are limited in number, so pools are at most five, a page
//! each.

use alloc::vec::Vec;

use mach_protocol::boot::slot;

use crate::machine::{Machine, Slot};
use crate::memory::{Memory, Need, Shortage};

/// All pools.
#[derive(Debug)]
pub(super) struct Asids {
    made: Vec<Slot>,
}

impl Asids {
    /// The kernel's pool alone.
    pub(super) const fn new() -> Self {
        Self { made: Vec::new() }
    }

    /// Gives a root table a number, from a pool with room or a new one.
    ///
    /// # Errors
    /// [`Shortage`]: there is no memory for a pool; nothing has changed.
    pub(super) fn assign(
        &mut self,
        memory: &mut Memory,
        machine: &mut impl Machine,
        vspace: Slot,
        need: Need,
    ) -> Result<(), Shortage> {
        let first = Slot(slot::ASID_POOL);
        // A full pool refuses; so does every pool a table that is none, and then a new one does as well.
        if core::iter::once(&first).chain(&self.made).any(|pool| machine.assign_asid(*pool, vspace).is_ok()) {
            return Ok(());
        }
        let unit = memory.take_asid_pool(machine, need)?;
        let pool = memory.layout().second(unit);
        if machine.assign_asid(pool, vspace).is_err() {
            memory.put_asid_pool(machine, unit);
            return Err(Shortage);
        }
        self.made.push(pool);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pmaps;
    use super::*;
    use crate::fake::Fake;
    use crate::memory::Layout;

    #[test]
    fn six_hundred_spaces_take_a_second_pool_and_no_more() {
        const CHUNKS: u32 = 64;
        let layout = Layout {
            chunks: CHUNKS,
            chunk_base: Slot(1000),
            unit_base: Slot(2000),
            slot_base: Slot(100_000),
            slots: 4096,
        };
        let mut machine = Fake::new(layout.chunk_base, CHUNKS, Slot(3));
        let (mut memory, mut pmaps) = (Memory::new(layout), Pmaps::new(CHUNKS * 16));
        for round in 0..3 {
            let made = |pmaps: &mut Pmaps, memory: &mut Memory, machine: &mut Fake| {
                pmaps.create(memory, machine, Need::Ordinary).expect("a space")
            };
            let spaces: Vec<_> = (0..511).map(|_| made(&mut pmaps, &mut memory, &mut machine)).collect();
            assert_eq!(pmaps.asids.made.len(), usize::from(round > 0), "root's space and 511 fill the first");
            let more: Vec<_> = (0..89).map(|_| made(&mut pmaps, &mut memory, &mut machine)).collect();
            assert_eq!(pmaps.asids.made.len(), 1);
            for space in spaces.into_iter().chain(more) {
                assert!(!pmaps.destroy(&mut memory, &mut machine, space, 64));
            }
            assert_eq!(memory.usage().tables, 0);
        }
    }

    #[test]
    fn without_memory_for_a_pool_no_space_is_made_and_nothing_is_taken() {
        const CHUNKS: u32 = 32;
        let layout = Layout {
            chunks: CHUNKS,
            chunk_base: Slot(1000),
            unit_base: Slot(2000),
            slot_base: Slot(100_000),
            slots: 4096,
        };
        // 512 units: the spaces take what there is before they take all numbers.
        let mut machine = Fake::new(layout.chunk_base, CHUNKS, Slot(3));
        let (mut memory, mut pmaps) = (Memory::new(layout), Pmaps::new(CHUNKS * 16));
        let mut count = 0;
        while pmaps.create(&mut memory, &mut machine, Need::Reserved).is_ok() {
            count += 1;
        }
        assert_eq!((memory.usage().tables, pmaps.asids.made.len()), (count, 0));
        assert!((400..=511).contains(&count), "{count}");
    }
}
