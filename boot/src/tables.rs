//! The translation tables that a kernel is entered with.
//!
//! The upper half (TTBR1) maps the kernel: 2 MiB blocks from its virtual base to its physical base, up
//! to the end of that GiB. The lower half (TTBR0) maps the boot stage to itself, so that switching the
//! MMU on does not pull the ground away, and nothing else. Four levels with 48 bits, 4 KiB granules
//! (DDI 0487, D8.3); descriptors are plain numbers here and written to memory as they are.

use handoff::PhysRange;

use crate::elf::BLOCK;

/// `MAIR_EL1`: 0 nGnRnE, 1 nGnRE, 2 GRE, 3 non-cacheable, 4 write-back, 5 write-through.
pub const MAIR: u64 = 0x0000_aaff_440c_0400;

/// `TCR_EL1` but for IPS: 48 bits and 4 KiB granules in both halves, write-back write-allocate walks,
/// not shareable, 16-bit ASIDs.
const TCR: u64 = T0SZ | WALK_WRITE_BACK << 8 | T1SZ | WALK_WRITE_BACK << 24 | TG1_4K | ASID_16;
const T0SZ: u64 = 16;
const T1SZ: u64 = 16 << 16;
/// IRGN and ORGN of one half: 0b01 each.
const WALK_WRITE_BACK: u64 = 0b0101;
const TG1_4K: u64 = 0b10 << 30;
const ASID_16: u64 = 1 << 36;
const IPS_SHIFT: u32 = 32;
/// The largest PARange whose addresses 4 KiB granules can hold: 48 bits.
const MAX_PA_RANGE: u64 = 5;

const VALID: u64 = 1;
const TABLE: u64 = 1 << 1;
const ATTR_WRITE_BACK: u64 = 4 << 2;
const ACCESSED: u64 = 1 << 10;
const BLOCK_FLAGS: u64 = VALID | ATTR_WRITE_BACK | ACCESSED;

/// `TCR_EL1` for a core whose `ID_AA64MMFR0_EL1.PARange` is given.
pub const fn tcr(pa_range: u64) -> u64 {
    let ips = if pa_range > MAX_PA_RANGE { MAX_PA_RANGE } else { pa_range };
    TCR | ips << IPS_SHIFT
}

/// Width of physical addresses in bits for a PARange.
pub const fn phys_bits(pa_range: u64) -> u32 {
    match pa_range {
        0 => 32,
        1 => 36,
        2 => 40,
        3 => 42,
        4 => 44,
        _ => 48,
    }
}

/// One table of 512 descriptors.
#[repr(C, align(4096))]
#[derive(Clone, Debug)]
pub struct Table([u64; 512]);

/// All tables, together so that their physical addresses follow from one.
#[repr(C, align(4096))]
#[derive(Clone, Debug)]
pub struct Tables {
    /// Level 0 of the lower half; level 1; two of level 2, for an image that straddles a GiB.
    low: [Table; 4],
    /// Levels 0, 1, 2 of the upper half.
    high: [Table; 3],
}

/// The boot stage lies across more than two GiB, or across a 512 GiB boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmappable;

impl Tables {
    /// Tables that map nothing.
    pub const EMPTY: Self = {
        const TABLE: Table = Table([0; 512]);
        Self { low: [TABLE; 4], high: [TABLE; 3] }
    };

    /// What `TTBR0_EL1` gets when the tables lie at `at`.
    pub const fn ttbr0(at: u64) -> u64 {
        at
    }

    /// What `TTBR1_EL1` gets when the tables lie at `at`.
    pub const fn ttbr1(at: u64) -> u64 {
        at + size_of::<[Table; 4]>() as u64
    }

    /// Fills empty tables, which lie at physical address `at`.
    ///
    /// # Errors
    /// [`Unmappable`] if `boot` crosses boundaries that the tables have no room for.
    pub fn fill(&mut self, at: u64, boot: PhysRange, kernel_virt: u64, kernel_phys: u64) -> Result<(), Unmappable> {
        self.map_boot(Self::ttbr0(at), boot)?;
        self.map_kernel(Self::ttbr1(at), kernel_virt, kernel_phys);
        Ok(())
    }

    fn map_boot(&mut self, at: u64, boot: PhysRange) -> Result<(), Unmappable> {
        let [level0, level1, level2 @ ..] = &mut self.low;
        let last = boot.end().checked_sub(1).ok_or(Unmappable)?;
        let first_gib = boot.base >> 30;
        if index(0, boot.base) != index(0, last) || last >> 30 > first_gib + 1 {
            return Err(Unmappable);
        }
        level0.set(index(0, boot.base), (at + 4096) | TABLE | VALID);
        for (block, next) in
            (boot.base & !(BLOCK - 1)..boot.end()).step_by(BLOCK as usize).map(|b| (b, b >> 30 != first_gib))
        {
            let which = usize::from(next);
            level1.set(index(1, block), (at + 4096 * (2 + which as u64)) | TABLE | VALID);
            if let Some(table) = level2.get_mut(which) {
                table.set(index(2, block), block | BLOCK_FLAGS);
            }
        }
        Ok(())
    }

    fn map_kernel(&mut self, at: u64, virt: u64, phys: u64) {
        let [level0, level1, level2] = &mut self.high;
        level0.set(index(0, virt), (at + 4096) | TABLE | VALID);
        level1.set(index(1, virt), (at + 2 * 4096) | TABLE | VALID);
        let start = phys & !(BLOCK - 1);
        for (i, slot) in (index(2, virt)..512).enumerate() {
            level2.set(slot, (start + i as u64 * BLOCK) | BLOCK_FLAGS);
        }
    }
}

impl Table {
    fn set(&mut self, index: usize, descriptor: u64) {
        if let Some(slot) = self.0.get_mut(index) {
            *slot = descriptor;
        }
    }
}

/// Which descriptor of a level's table translates an address.
const fn index(level: u32, address: u64) -> usize {
    (address >> (39 - 9 * level)) as usize & 511
}

#[cfg(test)]
mod tests;
