//! Cases I.12 to I.14 for anonymous memory, and I.16, limits.

use super::bench::*;
use super::managed::Managed;
use crate::model::{Told, World};
use crate::*;

fn wire(b: &mut Bench, address: u64, size: u64, access: u32, family: Family) -> i32 {
    let call = Wire::new(Host::Privileged, Some(b.me), address, size, access, family);
    code(b.world.run(call))
}

fn behavior(b: &mut Bench, address: u64, size: u64, behavior: u32) -> i32 {
    let me = Some(b.me);
    code(b.world.run(BehaviorSet::new(me, address, size, behavior)))
}

fn attribute(b: &mut Bench, address: u64, size: u64, value: u32) -> i32 {
    let call = MachineAttribute::new(Some(b.me), address, size, 1, value, Family::Xnu);
    code(b.world.run(call))
}

#[test]
fn i12_msync_of_anonymous_memory() {
    let (mut b, a) = Bench::with_pages(3);
    b.number(a, 3);
    let me = Some(b.me);
    let sync = |b: &mut Bench, target, address, size, flags| {
        code(b.world.run(Msync::new(target, address, size, flags, Family::Xnu)))
    };
    assert_eq!(sync(&mut b, me, a, P, 3), 4);
    assert_eq!(sync(&mut b, None, a, P, 2), 16);
    assert_eq!(code(b.world.run(Msync::new(None, a, P, 2, Family::Gnu))), 4);
    assert_eq!(sync(&mut b, me, a, 0, 2), 0);
    assert_eq!(sync(&mut b, me, a, 3 * P, 2), 0);
    assert!(b.holds(a, 1));
    b.deallocate(a + P, P);
    assert_eq!((sync(&mut b, me, a, 3 * P, 2), sync(&mut b, me, a, 3 * P, 0x22)), (0, 1));
    assert_eq!(sync(&mut b, me, 1, u64::MAX, 2), 1);
}

#[test]
fn i13_01_02_host_and_task() {
    let (mut b, a) = Bench::with_pages(1);
    for (host, family, wanted) in
        [(Host::None, Family::Xnu, 22), (Host::Plain, Family::Xnu, 22), (Host::Plain, Family::Gnu, 0)]
    {
        let call = Wire::new(host, Some(b.me), a, P, RW, family);
        assert_eq!(code(b.world.run(call)), wanted);
    }
    let call = Wire::new(Host::Privileged, None, a, P, RW, Family::Xnu);
    assert_eq!(code(b.world.run(call)), 16);
}

#[test]
fn i13_03_wired_pages_are_there_without_a_fault() {
    let (mut b, a) = Bench::with_pages(100);
    let faults = b.statistics().faults;
    assert_eq!(wire(&mut b, a, 100 * P, RW, Family::Xnu), 0);
    b.store(a, 1);
    b.store(a + 99 * P, 1);
    assert_eq!(b.statistics().faults, faults);
    assert_eq!(b.statistics().wire_count, 100);
    b.world.assert_valid();
}

#[test]
fn i13_04_to_07_refusals() {
    let (mut b, a) = Bench::with_pages(3);
    b.deallocate(a + P, P);
    b.protect(a + 2 * P, P, false, READ);
    assert_eq!(wire(&mut b, a, 3 * P, READ, Family::Xnu), 1);
    assert_eq!(wire(&mut b, a, 3 * P, READ, Family::Gnu), 3);
    assert_eq!(wire(&mut b, a + 2 * P, P, RW, Family::Xnu), 2);
    assert_eq!(wire(&mut b, a + 2 * P, P, RW, Family::Gnu), 3);
    assert_eq!(wire(&mut b, a, P, 8, Family::Xnu), 4);
    assert_eq!(wire(&mut b, a, 0, RW, Family::Xnu), 0);
    assert_eq!(wire(&mut b, 1, u64::MAX, RW, Family::Xnu), 4);
    assert_eq!(b.statistics().wire_count, 0);
}

#[test]
fn i13_08_xnu_counts() {
    let (mut b, a) = Bench::with_pages(2);
    for (access, wired) in [(RW, 2), (RW, 2), (0, 2), (0, 0), (0, 0)] {
        assert_eq!(wire(&mut b, a, 2 * P, access, Family::Xnu), 0);
        assert_eq!(b.statistics().wire_count, wired);
        b.world.assert_valid();
    }
}

#[test]
fn i13_09_gnu_sets_and_clears() {
    let (mut b, a) = Bench::with_pages(2);
    for (access, wired) in [(RW, 2), (RW, 2), (0, 0)] {
        assert_eq!(wire(&mut b, a, 2 * P, access, Family::Gnu), 0);
        assert_eq!(b.statistics().wire_count, wired);
    }
}

#[test]
fn i13_09c_a_second_wiring_that_fails_leaves_the_first() {
    let (mut b, a) = Bench::with_pages(100);
    for family in [Family::Gnu, Family::Xnu] {
        assert_eq!(wire(&mut b, a, 10 * P, RW, family), 0);
        b.world.machine.fail_in = Some(30);
        assert_eq!(wire(&mut b, a, 100 * P, RW, family), 6);
        b.world.machine.fail_in = None;
        assert_eq!(b.statistics().wire_count, 10);
        b.world.assert_valid();
        assert_eq!(wire(&mut b, a, 100 * P, 0, family), 0);
        assert_eq!(b.statistics().wire_count, 0);
    }
}

fn wire_all(b: &mut Bench, flags: u32) -> i32 {
    code(b.world.run(WireAll::new(Host::Privileged, Some(b.me), flags)))
}

#[test]
fn i13_12_all_that_is_there_is_wired_and_unwired() {
    let (mut b, a) = Bench::with_pages(200);
    b.deallocate(a + 3 * P, P);
    b.protect(a + 10 * P, 5 * P, false, 0);
    b.protect(a + 20 * P, P, false, READ);
    assert_eq!(wire(&mut b, a + 30 * P, P, READ, Family::Xnu), 0);
    assert_eq!(wire_all(&mut b, 1), 0);
    assert_eq!(b.statistics().wire_count, 194, "but for the hole and what nobody may touch");
    b.world.assert_valid();
    assert_eq!(wire_all(&mut b, 1), 0);
    assert_eq!(b.statistics().wire_count, 194);
    let other = b.world.run(Allocate::new(Some(b.me), 0, P, flags::ANYWHERE, Family::Xnu)).unwrap();
    b.store(other, 1);
    assert_eq!(b.statistics().wire_count, 194, "what comes is not wired");
    assert_eq!(wire_all(&mut b, 0), 0);
    assert_eq!(b.statistics().wire_count, 0);
    b.world.assert_valid();
}

#[test]
fn i13_12b_where_a_page_cannot_be_had_nothing_is_wired() {
    let (mut b, a) = Bench::with_pages(100);
    b.protect(a + 50 * P, P, false, READ);
    assert_eq!(wire(&mut b, a + 50 * P, P, READ, Family::Xnu), 0);
    b.world.machine.fail_in = Some(80);
    assert_eq!(wire_all(&mut b, 1), 6);
    b.world.machine.fail_in = None;
    assert_eq!(b.statistics().wire_count, 1, "what was wired before is so still");
    b.world.assert_valid();
    assert_eq!(wire_all(&mut b, 1), 0);
    assert_eq!(b.statistics().wire_count, 100);
}

#[test]
fn i13_13_who_may_wire_all() {
    let mut b = Bench::new();
    let (me, call) = (Some(b.me), WireAll::new);
    for (host, target, flags, wanted) in [
        (Host::None, None, 4, 22),
        (Host::Plain, me, 1, 22),
        (Host::Privileged, None, 4, 16),
        (Host::Privileged, me, 4, 4),
        (Host::Privileged, me, u32::MAX, 4),
        (Host::Privileged, me, 3, 0),
        (Host::Privileged, me, 0, 0),
    ] {
        assert_eq!(code(b.world.run(call(host, target, flags))), wanted);
    }
}

#[test]
fn i13_14_what_comes_is_wired() {
    let mut b = Bench::new();
    let me = Some(b.me);
    assert_eq!(wire_all(&mut b, 2), 0);
    let a = b.world.run(Allocate::new(me, 0, 3 * P, flags::ANYWHERE, Family::Xnu)).unwrap();
    let new = WireNew::of(&b.world.vm, me, a, 3 * P).expect("it is to be wired");
    assert_eq!(b.world.run(new), Ok(()));
    assert_eq!(b.statistics().wire_count, 3);
    let c = b.world.run(Allocate::new(me, 0, 50 * P, flags::ANYWHERE, Family::Xnu)).unwrap();
    b.world.machine.fail_in = Some(20);
    let new = WireNew::of(&b.world.vm, me, c, 50 * P).expect("it is to be wired");
    assert_eq!(code(b.world.run(new)), 6);
    b.world.machine.fail_in = None;
    assert_eq!(b.deallocate(c, 50 * P), 1, "what cannot be wired is gone again");
    assert_eq!(wire_all(&mut b, 1), 0);
    assert!(WireNew::of(&b.world.vm, me, a, P).is_some(), "it is to be wired as before");
    assert_eq!(wire_all(&mut b, 0), 0);
    assert_eq!(b.statistics().wire_count, 0);
    assert!(WireNew::of(&b.world.vm, me, a, P).is_none());
    b.world.assert_valid();
}

#[test]
fn i13_11_the_share_of_the_unprivileged() {
    const SHARE: u64 = 8 << 20;
    let (mut b, a) = Bench::with_pages(SHARE / P + 16);
    let wire = |b: &mut Bench, host, address, size, access| {
        code(b.world.run(Wire::new(host, Some(b.me), address, size, access, Family::Gnu)))
    };
    assert_eq!(wire(&mut b, Host::Plain, a, SHARE + P, RW), 8);
    assert_eq!(b.statistics().wire_count, 0);
    assert_eq!(wire(&mut b, Host::Plain, a, 8 * P, RW), 0);
    assert_eq!(wire(&mut b, Host::Plain, a + 8 * P, SHARE - 7 * P, RW), 8);
    assert_eq!(wire(&mut b, Host::Plain, a + 4 * P, SHARE - 4 * P, RW), 0);
    assert_eq!(wire(&mut b, Host::Plain, a, P, RW), 0);
    assert_eq!(wire(&mut b, Host::Privileged, a, SHARE + P, RW), 0);
    assert_eq!(wire(&mut b, Host::Plain, a, SHARE + P, 0), 0);
    b.world.assert_valid();
}

#[test]
fn i13_09b_a_wiring_that_runs_out_of_memory_is_undone() {
    let (mut b, a) = Bench::with_pages(200);
    b.store(a + 100 * P, 1);
    b.protect(a + 50 * P, P, false, READ);
    b.world.machine.fail_in = Some(300);
    assert_eq!(wire(&mut b, a, 200 * P, READ, Family::Xnu), 6);
    b.world.machine.fail_in = None;
    assert_eq!(b.statistics().wire_count, 0);
    b.world.assert_valid();
}

#[test]
fn i02_14_deallocating_wired_memory() {
    let (mut b, a) = Bench::with_pages(4);
    wire(&mut b, a, 4 * P, RW, Family::Xnu);
    assert_eq!(b.deallocate(a + P, 2 * P), 0);
    assert_eq!(b.statistics().wire_count, 2);
    b.world.assert_valid();
}

#[test]
fn i08_11_a_wired_destination_stays_wired() {
    let (mut b, a) = Bench::with_pages(6);
    b.number(a, 3);
    wire(&mut b, a + 3 * P, 3 * P, RW, Family::Xnu);
    assert_eq!(b.write(a + 3 * P, a, 3 * P), 0);
    assert_eq!(b.statistics().wire_count, 3);
    assert_eq!(b.load(a + 5 * P), 3);
    b.world.assert_valid();
}

#[test]
fn i13_15_a_wired_parent_is_copied_at_once() {
    let (mut b, a) = Bench::with_pages(100);
    b.number(a, 100);
    b.fork();
    // Copy on write is resolved by the wiring.
    wire(&mut b, a, 100 * P, READ, Family::Xnu);
    let cow_faults = b.statistics().cow_faults;
    let child = b.fork();
    b.world.assert_valid();
    b.store(a, 70);
    assert_eq!(b.statistics().cow_faults, cow_faults);
    assert_eq!(b.world.load(child, a), Ok(1));
    assert_eq!(b.world.load(child, a + 99 * P), Ok(100));
    assert_eq!(b.statistics().wire_count, 100);
}

#[test]
fn i14_01_to_05_machine_attribute() {
    let (mut b, a) = Bench::with_pages(100);
    b.number(a, 80);
    assert_eq!(attribute(&mut b, a, 100 * P, 9), 0);
    b.deallocate(a + P, P);
    assert_eq!(attribute(&mut b, a, 3 * P, 9), 5);
    assert_eq!(attribute(&mut b, a, 0, 9), 0);
    assert_eq!(attribute(&mut b, MAX, P, 9), 1);
    assert_eq!(attribute(&mut b, P, u64::MAX - P, 9), 1);
    assert_eq!(attribute(&mut b, 1, u64::MAX, 9), 4);
    assert_eq!(attribute(&mut b, a, P, 1), 4);
}

#[test]
fn i14_06_to_09_refused_behaviors() {
    let (mut b, a) = Bench::with_pages(3);
    assert_eq!((behavior(&mut b, a, P, 13), behavior(&mut b, a, 0, u32::MAX)), (4, 4));
    assert_eq!(behavior(&mut b, a, 0, 2), 0);
    b.deallocate(a + P, P);
    assert_eq!(behavior(&mut b, a, 3 * P, 2), 1);
    assert_eq!(behavior(&mut b, MAX, P, 2), 3);
    assert_eq!(behavior(&mut b, P, u64::MAX - P, 2), 3);
    assert_eq!(behavior(&mut b, 1, u64::MAX, 2), 4);
}

#[test]
fn i14_10_zero() {
    let (mut b, a) = Bench::with_pages(3);
    b.number(a, 3);
    assert_eq!(behavior(&mut b, a + P, P, 12), 0);
    assert!(b.holds(a, 1) && b.holds(a + P, 0) && b.holds(a + 2 * P, 3));
    b.protect(a, P, false, READ);
    assert_eq!(behavior(&mut b, a, P, 12), 2);
    assert!(b.holds(a, 1));
}

#[test]
fn i14_11_zero_of_copied_pages() {
    let (mut b, a) = Bench::with_pages(100);
    b.number(a, 100);
    let child = b.fork();
    assert_eq!(behavior(&mut b, a, 100 * P, 12), 0);
    assert!((0..100).all(|page| b.holds(a + page * P, 0)));
    assert_eq!(b.world.load(child, a + 41 * P), Ok(42));
}

#[test]
fn i14_10b_zero_of_wired_and_of_private_pages() {
    let (mut b, a) = Bench::with_pages(4);
    b.number(a, 4);
    wire(&mut b, a, 2 * P, RW, Family::Xnu);
    assert_eq!(behavior(&mut b, a, 4 * P, 12), 0);
    assert_eq!(b.world.machine.used_frames(), 2);
    assert!((0..4).all(|page| b.holds(a + page * P, 0)));
    b.world.assert_valid();
}

#[test]
fn i14_12_dontneed_keeps_contents() {
    let (mut b, a) = Bench::with_pages(1);
    b.number(a, 1);
    let before = b.statistics();
    assert_eq!((before.active_count, before.inactive_count), (1, 0));
    assert_eq!(behavior(&mut b, a, P, 5), 0);
    let now = b.statistics();
    assert_eq!((now.active_count, now.inactive_count, now.reactivations), (0, 1, before.reactivations));
    assert!(b.holds(a, 1));
    assert_eq!(b.statistics().reactivations, before.reactivations + 1, "it was mapped nowhere");
    // Wired pages stay mapped.
    wire(&mut b, a, P, RW, Family::Xnu);
    let faults = b.statistics().faults;
    assert_eq!(behavior(&mut b, a, P, 5), 0);
    b.store(a, 2);
    assert_eq!(b.statistics().faults, faults);
    b.world.assert_valid();
}

#[test]
fn i14_13_willneed_asks_the_manager() {
    let (mut t, a, assoc) = Managed::ready(60);
    t.fill(assoc, a, &[7]);
    let me = Some(t.b.me);
    let will_need = |t: &mut Managed, address, size| code(t.b.world.run(BehaviorSet::new(me, address, size, 4)));
    assert_eq!(will_need(&mut t, a, 3 * P), 0);
    let asked: Vec<u64> = t
        .told()
        .into_iter()
        .map(|told| match told {
            Told::Request(of, offset, Prot::READ) if of == assoc => offset,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(asked, [P, 2 * P], "the first page is here");
    assert_eq!(will_need(&mut t, a, 3 * P), 0);
    assert_eq!(t.told(), [], "nothing is asked for twice");
    t.supply(assoc, P, &[8, 9]);
    assert!(t.b.holds(a + P, 8) && t.b.holds(a + 2 * P, 9));
    // It stops where it would have to wait.
    assert_eq!(will_need(&mut t, a, 60 * P), 0);
    assert_eq!(t.told().len(), 50);
    t.b.world.assert_valid();
}

#[test]
fn willneed_brings_back_what_was_paged_out() {
    const PAGES: u64 = 20;
    let mut world = World::with_pager(4000, 4);
    let task = world.task();
    let a = world.run(Allocate::new(Some(task), 0, PAGES * P, flags::ANYWHERE, Family::Xnu)).expect("addresses");
    for page in 0..PAGES {
        world.fill(task, a + page * P, page as u8 + 1).expect("memory");
    }
    let World { vm, machine, .. } = &mut world;
    while vm.evict(machine, 64) != Evicted::default() {}
    world.serve_pager(1000);
    assert_eq!(world.vm.pages.len(), 0, "all is out");
    assert_eq!(code(world.run(BehaviorSet::new(Some(task), a, PAGES * P, 4))), 0);
    world.serve_pager(1000);
    world.settle();
    let faults = world.vm.statistics(&world.machine).pageins;
    assert_eq!(faults, PAGES, "before anybody touched it");
    for page in 0..PAGES {
        assert_eq!(world.load(task, a + page * P), Ok(page as u8 + 1));
    }
    assert_eq!(world.vm.statistics(&world.machine).pageins, PAGES);
    world.assert_valid();
}

#[test]
fn i14_14_sequential_is_visible() {
    let (mut b, a) = Bench::with_pages(3);
    assert_eq!(behavior(&mut b, a + P, P, 2), 0);
    let info =
        |b: &Bench, address| b.world.vm.region_info(Some(b.me), address, 9, 9, BasicInfo::Wide).unwrap().words[7];
    assert_eq!([info(&b, a), info(&b, a + P), info(&b, a + 2 * P)], [0, 2, 0]);
}

const MIB: u64 = 1 << 20;

#[test]
fn a_task_begins_with_a_limit_of_eight_times_the_memory() {
    // The world has a GiB.
    let mut b = Bench::new();
    let limits = b.world.vm.limits(Some(b.me)).unwrap();
    assert_eq!((limits.current, limits.max), (8192 * MIB, 8192 * MIB));
    assert_eq!(code(b.allocate(0, 4096 * MIB, flags::ANYWHERE)), 0);
    assert_eq!(code(b.allocate(0, 4096 * MIB + P, flags::ANYWHERE)), 3);
}

#[test]
fn i16_limits_in_the_order_of_gnus_test() {
    let mut b = Bench::new();
    let me = Some(b.me);
    let set = |b: &mut Bench, host, current, max| {
        let limits = Limits { current: current * MIB, max: max * MIB };
        code(b.world.vm.set_limits(host, me, limits))
    };
    let allocate = |b: &mut Bench, mib: u64| b.allocate(0, mib * MIB, flags::ANYWHERE);
    assert_eq!(set(&mut b, Host::Plain, 128, 512), 0);
    let limits = b.world.vm.limits(me).unwrap();
    assert_eq!((limits.current, limits.max), (128 * MIB, 512 * MIB));
    assert_eq!(set(&mut b, Host::Plain, 128, 1024), 8);
    assert_eq!(code(b.allocate(0, 128 << 10, flags::ANYWHERE)), 0);
    assert_eq!(code(allocate(&mut b, 256)), 3);
    assert_eq!(set(&mut b, Host::Privileged, 640, 1024), 0);
    let a = allocate(&mut b, 256).unwrap();
    b.deallocate(a, 256 * MIB);
    let args = MapArgs {
        address: a,
        size: 1536 * MIB,
        mask: 0,
        flags: flags::FIXED,
        object: MapObject::Null,
        offset: 0,
        copy: false,
        prot: 0,
        max: 0,
        inherit: COPY,
        family: Family::Gnu,
    };
    assert_eq!(b.world.run(MapMemory::new(me, args)), Ok(a));
    let large = allocate(&mut b, 512).unwrap();
    b.deallocate(large, 512 * MIB);
    b.deallocate(a, 1536 * MIB);
    let first = allocate(&mut b, 512).unwrap();
    assert_eq!(code(allocate(&mut b, 128)), 3);
    assert_eq!(b.protect(first, 512 * MIB, true, 0), 0);
    assert_eq!(code(allocate(&mut b, 128)), 0);
    assert_eq!(code(allocate(&mut b, 512)), 3);
    assert_eq!(b.protect(first, P, true, ALL), 2);
    assert_eq!(set(&mut b, Host::Privileged, 2, 1), 4);
    assert_eq!(code(b.world.vm.limits(None)), 16);
    assert_eq!(set(&mut b, Host::None, 1, 2), 22);
    let child = b.fork();
    assert_eq!(b.world.vm.limits(Some(child)), b.world.vm.limits(me));
    let bare = b.world.vm.create_like(&mut b.world.machine, child).unwrap();
    assert_eq!(b.world.vm.limits(Some(bare)), b.world.vm.limits(me));
}
