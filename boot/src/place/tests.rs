//! Places on real memory maps, and a property: whatever is placed lies on free RAM.

use std::vec::Vec;

use proptest::{collection, prelude::*};

use super::*;

const MIB: u64 = 1 << 20;

fn ranges(list: &[(u64, u64)]) -> Ranges {
    let mut ranges = Ranges::EMPTY;
    list.iter().for_each(|(base, size)| ranges.insert(PhysRange { base: *base, size: *size }).unwrap());
    ranges
}

struct Case {
    ram: Ranges,
    reserved: Ranges,
    boot: PhysRange,
    kernel: KernelAddress,
    kernel_size: u64,
    root_size: u64,
}

impl Case {
    /// QEMU's virt with this much RAM and Tessera's kernel.
    fn virt(ram_mib: u64) -> Self {
        Self {
            ram: ranges(&[(0x4000_0000, ram_mib * MIB)]),
            reserved: Ranges::EMPTY,
            boot: PhysRange { base: 0x4020_0000, size: 5 * MIB },
            kernel: KernelAddress::Anywhere { above_block: 0 },
            kernel_size: MIB,
            root_size: 4 * MIB,
        }
    }

    fn request(&self) -> Request<'_> {
        Request {
            ram: &self.ram,
            reserved: &self.reserved,
            boot: self.boot,
            firmware_tree: PhysRange { base: 0x4400_0000, size: MIB },
            kernel: self.kernel,
            kernel_size: self.kernel_size,
            tree_size: 0x1d98,
            root_size: self.root_size,
        }
    }

    fn place(&self) -> Result<Plan, PlaceError> {
        place(&self.request())
    }
}

fn placed(plan: Result<Plan, PlaceError>) -> Placement {
    match plan {
        Ok(Plan::Load(placement)) => placement,
        other => panic!("not placed: {other:?}"),
    }
}

#[test]
fn parts_ascend_from_the_lowest_free_block() {
    let p = placed(Case { root_size: MIB / 2, ..Case::virt(128) }.place());
    assert_eq!(p.kernel, PhysRange { base: 0x4000_0000, size: MIB });
    assert_eq!(p.handoff, Some(PhysRange { base: 0x4010_0000, size: PAGE }));
    assert_eq!(p.tree, PhysRange { base: 0x4010_1000, size: 0x1d98 }, "exact length");
    assert_eq!(p.root, PhysRange { base: 0x4010_3000, size: MIB / 2 });
}

#[test]
fn what_does_not_fit_below_the_boot_stage_goes_behind_it() {
    let p = placed(Case::virt(128).place());
    assert_eq!(p.kernel.base, 0x4080_0000, "the first block after 0x40700000");
}

#[test]
fn a_raspberry_pi_keeps_its_first_page() {
    let case = Case {
        ram: ranges(&[(0, 0x3b40_0000)]),
        reserved: ranges(&[(0, 0x1000)]),
        boot: PhysRange { base: 0x20_0000, size: MIB },
        ..Case::virt(0)
    };
    assert_eq!(placed(case.place()).kernel.base, 0x40_0000);
}

#[test]
fn a_kernel_may_begin_above_a_block() {
    let case = Case { kernel: KernelAddress::Anywhere { above_block: 0x1000 }, root_size: MIB / 2, ..Case::virt(128) };
    assert_eq!(placed(case.place()).kernel.base, 0x4000_1000);
}

#[test]
fn a_fixed_kernel_makes_the_boot_stage_move() {
    let mut case = Case { kernel: KernelAddress::Fixed(0x4000_0000), ..Case::virt(1024) };
    let Ok(Plan::MoveTo(Refuge(to))) = case.place() else { panic!("in the way") };
    assert_eq!(to, 0x4080_0000, "behind itself and the kernel's run");
    case.boot.base = to;
    let p = placed(case.place());
    assert_eq!((p.kernel.base, p.handoff, p.tree.base), (0x4000_0000, None, 0x4010_0000));
}

#[test]
fn err_no_ram_at_the_fixed_address() {
    let case = Case { kernel: KernelAddress::Fixed(0x1000), ..Case::virt(128) };
    assert_eq!(case.place(), Err(PlaceError::NoRamAt(0x1000)));
}

#[test]
fn err_ram_ends_behind_the_fixed_address() {
    let case = Case { kernel: KernelAddress::Fixed(0x4000_0000), root_size: 128 * MIB, ..Case::virt(128) };
    let needed = 129 * MIB + 0x2000;
    assert_eq!(case.place(), Err(PlaceError::RamEnds { at: 0x4000_0000, needed }));
}

#[test]
fn err_reserved_at_the_fixed_address() {
    let reserved = ranges(&[(0x4010_0000, 0x1000)]);
    let case = Case { kernel: KernelAddress::Fixed(0x4000_0000), reserved, ..Case::virt(128) };
    assert_eq!(case.place(), Err(PlaceError::Reserved(PhysRange { base: 0x4010_0000, size: 0x1000 })));
}

#[test]
fn err_too_little_ram() {
    let case = Case::virt(8);
    assert_eq!(case.place(), Err(PlaceError::TooLittleRam { needed: 5 * MIB + 0x3000 }));
    let nowhere_to_move = Case { kernel: KernelAddress::Fixed(0x4000_0000), ..Case::virt(8) };
    assert_eq!(nowhere_to_move.place(), Err(PlaceError::TooLittleRam { needed: 5 * MIB }));
}

#[test]
fn err_size() {
    assert_eq!(Case { root_size: u64::MAX - 4095, ..Case::virt(128) }.place(), Err(PlaceError::Size));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// In pages: memory of 64 MiB with holes, reservations and a boot stage anywhere.
    #[test]
    fn whatever_is_placed_lies_on_free_ram(
        ram in collection::vec((0..16_000_u64, 1..9_000_u64), 1..5),
        reserved in collection::vec((0..16_000_u64, 1..800_u64), 0..6),
        boot in (0..16_000_u64, 1..2_000_u64),
        tree in (0..16_000_u64, 1..10_u64),
        kernel in prop_oneof![
            (0..2_u64).prop_map(|p| KernelAddress::Anywhere { above_block: p * PAGE }),
            (0..16_000_u64).prop_map(|p| KernelAddress::Fixed(p * PAGE)),
        ],
        sizes in (1..600_u64, 1..100_000_u64, 1..4_000_u64),
    ) {
        let pages = |list: &[(u64, u64)]| -> Vec<(u64, u64)> { list.iter().map(|(b, s)| (b * PAGE, s * PAGE)).collect() };
        let (ram, reserved) = (ranges(&pages(&ram)), ranges(&pages(&reserved)));
        let request = Request {
            ram: &ram,
            reserved: &reserved,
            boot: PhysRange { base: boot.0 * PAGE, size: boot.1 * PAGE },
            firmware_tree: PhysRange { base: tree.0 * PAGE, size: tree.1 * PAGE },
            kernel,
            kernel_size: sizes.0 * PAGE,
            tree_size: sizes.1,
            root_size: sizes.2 * PAGE,
        };
        let free = |range: &PhysRange| {
            ram.as_slice().iter().any(|r| r.contains(range)) && !reserved.as_slice().iter().any(|r| r.overlaps(range))
        };
        match place(&request) {
            Ok(Plan::Load(p)) => {
                let parts: Vec<PhysRange> = [Some(p.kernel), p.handoff, Some(p.tree), Some(p.root)].into_iter().flatten().collect();
                for part in &parts {
                    prop_assert!(free(part) && !part.overlaps(&request.boot), "{part:x?}");
                }
                prop_assert!(parts.windows(2).all(|w| w[0].end() <= w[1].base), "ascending");
                prop_assert!(parts.iter().skip(1).all(|r| r.base % PAGE == 0));
                match kernel {
                    KernelAddress::Fixed(at) => prop_assert_eq!((p.kernel.base, p.handoff), (at, None)),
                    KernelAddress::Anywhere { above_block } => prop_assert_eq!(p.kernel.base % BLOCK, above_block),
                }
            }
            Ok(Plan::MoveTo(Refuge(to))) => {
                let target = PhysRange { base: to, size: request.boot.size };
                prop_assert!(free(&target) && !target.overlaps(&request.boot) && !target.overlaps(&request.firmware_tree));
                let again = place(&Request { boot: target, ..request });
                prop_assert!(matches!(again, Ok(Plan::Load(_))), "one move is enough: {again:?}");
            }
            Err(_) => {}
        }
    }
}
