//! Cases I.10, `vm_region`.

use mach_protocol::KernResult;

use super::bench::*;
use crate::model::Told;
use crate::*;

fn info(b: &Bench, address: u64, flavor: u32, count: u32) -> KernResult<RegionInfo> {
    b.world.vm.region_info(Some(b.me), address, flavor, count, BasicInfo::Wide)
}

#[test]
fn i10_01_inside_an_entry_gives_its_start() {
    let (mut b, a) = Bench::with_pages(3);
    assert_eq!(b.region(a + 2 * P + 5).address, a);
    assert_eq!(info(&b, a + P, 9, 9).unwrap().address, a);
}

#[test]
fn i10_02_in_a_hole_gives_the_next() {
    let (mut b, a) = Bench::with_pages(3);
    assert_eq!(b.region(0).address, a);
    b.deallocate(a, P);
    assert_eq!(info(&b, a, 9, 9).unwrap().address, a + P);
}

#[test]
fn i10_03_above_the_last() {
    let (mut b, a) = Bench::with_pages(1);
    assert_eq!(code(info(&b, a + P, 9, 9)), 1);
    assert_eq!(code(b.world.vm.region(Some(b.me), a + P)), 3);
    assert_eq!(code(b.world.vm.region(None, a)), 4);
}

#[test]
fn i10_04_unknown_flavor() {
    let (b, a) = Bench::with_pages(1);
    assert_eq!(code(info(&b, a, 99, 100)), 4);
    assert_eq!(code(info(&b, a + P, 99, 100)), 4);
}

#[test]
fn i10_05_counts() {
    let (b, a) = Bench::with_pages(1);
    assert_eq!(code(info(&b, a, 9, 8)), 4);
    for (flavor, count) in [(9, 9), (11, 8), (12, 5), (13, 9)] {
        let words = info(&b, a, flavor, count).unwrap().words;
        assert_eq!(words.len(), count as usize);
        assert_eq!(info(&b, a, flavor, 50).unwrap().words.len(), count as usize);
    }
    // Flavor 10 is the narrow structure on id 3800 only.
    assert_eq!(info(&b, a, 10, 9).unwrap().words.len(), 9);
    assert_eq!(code(info(&b, a, 10, 8)), 4);
    let narrow = b.world.vm.region_info(Some(b.me), a, 10, 8, BasicInfo::Narrow);
    assert_eq!(narrow.unwrap().words.len(), 8);
}

#[test]
fn i10_06_fields() {
    let (mut b, a) = Bench::with_pages(3);
    b.number(a, 3);
    b.protect(a + P, P, true, RW);
    b.protect(a + P, P, false, READ);
    b.inherit(a + P, P, NONE);
    let words = info(&b, a + P, 9, 9).unwrap().words;
    // Protection, maximum, inheritance, shared, reserved, offset (two words), behavior, wired.
    assert_eq!(words, [1, 3, 2, 0, 0, P as u32, 0, 0, 0]);
}

#[test]
fn i10_07_walking_terminates_and_sums_to_the_virtual_size() {
    let (mut b, a) = Bench::with_pages(10);
    b.deallocate(a + 3 * P, P);
    b.protect(a + 5 * P, P, false, 0);
    let sum: u64 = b.regions().iter().map(|(_, size)| size).sum();
    assert_eq!(sum, 9 * P);
    let info = b.world.vm.map_info(&b.world.machine, b.me).unwrap();
    assert_eq!(info.virtual_size, sum);
}

#[test]
fn i10_08_names_of_objects() {
    let (mut b, a) = Bench::with_pages(1);
    assert_eq!(b.region(a).object_name, None);
    b.inherit(a, P, SHARE);
    b.store(a, 1);
    let name = b.region(a).object_name;
    assert!(name.is_some());
    let child = b.fork();
    assert_eq!(b.world.vm.region(Some(child), a).unwrap().object_name, name);
    b.deallocate(a, P);
    assert!(b.world.machine.told.is_empty());
    b.world.end(child);
    assert_eq!(b.world.machine.told, [Told::NameDead(name.unwrap())]);
}

#[test]
fn i10_10_recurse() {
    let (b, a) = Bench::with_pages(2);
    let me = Some(b.me);
    for (count, returned) in [(19, 19), (25, 19), (18, 17), (16, 16)] {
        let region = b.world.vm.region_recurse(me, a + P, count).unwrap();
        assert_eq!((region.address, region.size), (a, 2 * P));
        assert_eq!(region.words.len(), returned);
        assert_eq!(region.words[..3], [3, 7, 1]);
    }
    assert_eq!(code(b.world.vm.region_recurse(me, a, 15)), 4);
    assert_eq!(code(b.world.vm.region_recurse(me, a + 2 * P, 19)), 1);
}

#[test]
fn i10_11_share_modes() {
    let (mut b, a) = Bench::with_pages(1);
    let mode = |b: &Bench| info(b, a, 13, 9).unwrap().words[7] >> 24;
    assert_eq!(mode(&b), 3);
    b.store(a, 1);
    assert_eq!(mode(&b), 2);
    let child = b.fork();
    assert_eq!(mode(&b), 1);
    b.world.end(child);
    b.store(a, 2);
    assert_eq!(mode(&b), 2);
    b.inherit(a, P, SHARE);
    b.fork();
    assert_eq!(mode(&b), 4);
}

#[test]
fn i10_11b_counts_of_pages() {
    let (mut b, a) = Bench::with_pages(5);
    b.number(a, 3);
    let words = info(&b, a, 13, 9).unwrap().words;
    assert_eq!((words[2], words[5], words[6]), (3, 3, 1));
}

#[test]
fn i10_12_reserved_memory_is_listed_and_not_counted() {
    let (mut b, a) = Bench::with_pages(1);
    let limits = Limits { current: 4 * P, max: 4 * P };
    b.world.vm.set_limits(Host::Plain, Some(b.me), limits).unwrap();
    assert_eq!(code(b.allocate(0, 4 * P, flags::ANYWHERE)), 3);
    let args = MapArgs {
        address: 0x5000_0000,
        size: 1 << 30,
        mask: 0,
        flags: flags::FIXED,
        object: MapObject::Null,
        offset: 0,
        copy: false,
        prot: 0,
        max: 0,
        inherit: COPY,
        family: Family::Xnu,
    };
    assert_eq!(b.world.run(MapMemory::new(Some(b.me), args)), Ok(0x5000_0000));
    assert_eq!(b.region(a + P).size, 1 << 30);
    // What becomes unreachable for good stops counting.
    assert_eq!(b.protect(a, P, true, 0), 0);
    assert_eq!(code(b.allocate(0, 4 * P, flags::ANYWHERE)), 0);
}
