//! The tables, walked as the MMU walks them.

use std::boxed::Box;

use super::*;

const AT: u64 = 0x4123_4000;

/// Follows the tables from `root` (an address like `ttbr0`'s) for an address of that half.
fn walk(tables: &Tables, root: u64, address: u64) -> Option<u64> {
    let find = |at: u64| {
        let number = usize::try_from((at - AT) / 4096).unwrap();
        tables.low.iter().chain(&tables.high).nth(number).unwrap()
    };
    let mut table = find(root);
    for level in 0..3 {
        let descriptor = table.0[index(level, address)];
        match descriptor & (VALID | TABLE) {
            0b11 if level < 2 => table = find(descriptor & !0xfff),
            0b01 if level == 2 => {
                assert_eq!(descriptor & (BLOCK - 1), 0x411, "AF, AttrIdx 4, EL1 read/write, not shareable");
                return Some((descriptor & !(BLOCK - 1)) + address % BLOCK);
            }
            _ => return None,
        }
    }
    None
}

fn filled(boot: PhysRange, virt: u64, phys: u64) -> Result<Box<Tables>, Unmappable> {
    let mut tables = Box::new(Tables::EMPTY);
    tables.fill(AT, boot, virt, phys)?;
    Ok(tables)
}

#[test]
fn the_kernel_is_mapped_to_the_end_of_its_gib() {
    let boot = PhysRange { base: 0x4800_0000, size: 0x50_0000 };
    let tables = filled(boot, 0xffff_ff80_4000_0000, 0x4000_0000).unwrap();
    let high = |address| walk(&tables, Tables::ttbr1(AT), address);
    assert_eq!(high(0xffff_ff80_4000_0000), Some(0x4000_0000));
    assert_eq!(high(0xffff_ff80_7fff_ffff), Some(0x7fff_ffff));
    assert_eq!(high(0xffff_ff80_3fff_ffff), None);
    assert_eq!(high(0xffff_ff80_8000_0000), None);
}

#[test]
fn a_kernel_need_not_begin_on_a_block() {
    let boot = PhysRange { base: 0x20_0000, size: 0x1000 };
    let tables = filled(boot, 0xffff_ff80_0000_1000, 0x1000).unwrap();
    assert_eq!(walk(&tables, Tables::ttbr1(AT), 0xffff_ff80_0000_1234), Some(0x1234));
    let tables = filled(boot, 0xffff_ffff_c000_0000, 0x60_0000).unwrap();
    assert_eq!(walk(&tables, Tables::ttbr1(AT), 0xffff_ffff_c012_3456), Some(0x72_3456));
}

#[test]
fn the_boot_stage_is_mapped_to_itself_and_nothing_else() {
    let boot = PhysRange { base: 0x7ff0_1000, size: 0x40_0000 };
    let tables = filled(boot, 0xffff_ffff_c000_0000, 0x4000_0000).unwrap();
    let low = |address| walk(&tables, Tables::ttbr0(AT), address);
    for address in [boot.base, 0x7fff_ffff, 0x8000_0000, boot.end() - 1] {
        assert_eq!(low(address), Some(address), "{address:#x}, across a GiB's boundary");
    }
    assert_eq!(low(0x7fe0_0000 - 1), None);
    assert_eq!(low(0x8040_0000), None);
}

#[test]
fn what_cannot_be_mapped_is_refused() {
    let long = PhysRange { base: 0x4000_0000, size: 0x8000_0001 };
    assert_eq!(filled(long, 0, 0).err(), Some(Unmappable), "three GiB");
    let across = PhysRange { base: (512 << 30) - 4096, size: 8192 };
    assert_eq!(filled(across, 0, 0).err(), Some(Unmappable), "across 512 GiB");
    assert_eq!(filled(PhysRange::EMPTY, 0, 0).err(), Some(Unmappable), "nothing");
}

#[test]
fn register_values_are_the_documented_ones() {
    assert_eq!(MAIR.to_le_bytes(), [0x00, 0x04, 0x0c, 0x44, 0xff, 0xaa, 0, 0]);
    // T0SZ, T1SZ, granules, walks, ASID size; then IPS.
    assert_eq!(tcr(0), 0x10_8510_0510);
    assert_eq!(tcr(2) - tcr(0), 2 << 32);
    assert_eq!(tcr(6), tcr(5), "52 bits need other granules");
    assert_eq!((phys_bits(0), phys_bits(2), phys_bits(4), phys_bits(6)), (32, 40, 44, 48));
}
