//! Each row of `Handoff::check`'s table, and the list of ranges against a set of pages.

extern crate std;

use std::{collections::BTreeSet, vec::Vec};

use super::{range::Full, *};

fn good() -> Handoff {
    let mut h = Handoff::EMPTY;
    h.ram.insert(PhysRange { base: 0x4000_0000, size: 0x800_0000 }).unwrap();
    h.kernel = PhysRange { base: 0x4000_0000, size: 0x10_0000 };
    h.device_tree = PhysRange { base: 0x4010_0000, size: 0x1e11 };
    h.root.phys = PhysRange { base: 0x4010_2000, size: 0x20_0000 };
    h.gic.version = 2;
    h.gic.distributor = PhysRange { base: 0x800_0000, size: 0x1_0000 };
    h.gic.cpu_interface = PhysRange { base: 0x801_0000, size: 0x1_0000 };
    h.uart = Uart::new(UartKind::Pl011, 0x900_0000, 33);
    h
}

fn broken(change: impl FnOnce(&mut Handoff)) -> Result<(), HandoffError> {
    let mut h = good();
    change(&mut h);
    h.check()
}

#[test]
fn good_handoff_passes() {
    assert_eq!(good().check(), Ok(()));
    assert_eq!(broken(|h| h.device_tree = PhysRange::EMPTY), Ok(()));
}

#[test]
fn err01_to_03_header() {
    assert_eq!(broken(|h| h.magic = 7), Err(HandoffError::Magic(7)));
    assert_eq!(broken(|h| h.version = 99), Err(HandoffError::Version(99)));
    assert_eq!(broken(|h| h.size -= 8), Err(HandoffError::Size(size_of::<Handoff>() as u32 - 8)));
}

#[test]
fn err04_range_lists() {
    let unsorted = Ranges::from_items(&[PhysRange::new(0x2000, 0x3000), PhysRange::new(0x1000, 0x2000)]);
    assert_eq!(broken(|h| h.ram = unsorted.clone()), Err(HandoffError::Ranges("ram")));
    assert_eq!(broken(|h| h.reserved = unsorted), Err(HandoffError::Ranges("reserved")));
    let wraps = Ranges::from_items(&[PhysRange { base: u64::MAX - 4095, size: 0x2000 }]);
    assert_eq!(broken(|h| h.reserved = wraps), Err(HandoffError::Ranges("reserved")));
}

#[test]
fn a_full_list_refuses_without_a_trace() {
    let mut list = Ranges::EMPTY;
    for i in 0..MAX_RANGES as u64 {
        list.insert(PhysRange { base: i * 0x2000, size: 0x1000 }).unwrap();
    }
    let before = list.clone();
    assert_eq!(list.insert(PhysRange { base: 0x10_0000, size: 1 }), Err(Full));
    assert_eq!(list, before);
}

#[test]
fn err05_no_ram() {
    assert_eq!(broken(|h| h.ram = Ranges::EMPTY), Err(HandoffError::NoRam));
}

#[test]
fn err06_images_outside_ram() {
    assert_eq!(broken(|h| h.kernel.base = 0x1000), Err(HandoffError::Outside("kernel")));
    assert_eq!(broken(|h| h.kernel.size = 0), Err(HandoffError::Outside("kernel")));
    assert_eq!(broken(|h| h.device_tree.base += 8), Err(HandoffError::Outside("device tree")));
    assert_eq!(broken(|h| h.root.phys.size = 0x800_0000), Err(HandoffError::Outside("root task")));
}

#[test]
fn err07_images_overlap() {
    assert_eq!(broken(|h| h.root.phys.base = 0x400f_f000), Err(HandoffError::Overlap("root task")));
    assert_eq!(broken(|h| h.device_tree.base = 0x400f_f000), Err(HandoffError::Overlap("device tree")));
}

#[test]
fn err08_interrupt_controller() {
    assert_eq!(broken(|h| h.gic.version = 1), Err(HandoffError::Gic(1)));
    assert_eq!(broken(|h| h.gic.version = 3), Err(HandoffError::Gic(3)), "no redistributors");
}

#[test]
fn err09_serial_line() {
    assert_eq!(broken(|h| h.uart.kind = 3), Err(HandoffError::Uart(3)));
}

#[test]
fn ranges_agree_with_a_set_of_pages() {
    // A fixed sequence from a small generator: overlapping, touching and separate ranges in any order.
    let mut seed = 12345_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..500 {
        let mut list = Ranges::EMPTY;
        let mut pages = BTreeSet::new();
        for _ in 0..random(20) {
            let range = PhysRange { base: random(60), size: random(6) };
            if list.insert(range).is_ok() {
                pages.extend(range.base..range.end());
            }
            assert!(list.is_sorted());
            let listed: Vec<u64> = list.as_slice().iter().flat_map(|r| r.base..r.end()).collect();
            assert_eq!(listed, pages.iter().copied().collect::<Vec<_>>());
        }
    }
}
