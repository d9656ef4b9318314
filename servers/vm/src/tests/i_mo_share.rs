//! Case I-MO 77: what a proxy of a region stands for; and `vm_map` of an object whose task takes no `init`.

use mach_protocol::{KernResult, KernReturn};

use super::bench::*;
use super::managed::*;
use crate::*;

fn share(b: &mut Bench, address: u64, len: u64) -> KernResult<Shared> {
    let me = Some(b.me);
    b.world.run(ShareRegion::new(me, address, len))
}

impl Bench {
    /// Another task maps so many bytes of memory that somebody holds.
    fn map_held(&mut self, task: MapId, object: ObjectId, offset: u64, size: u64, copy: bool) -> u64 {
        let window = Range { start: offset, end: offset + size };
        let object = MapObject::Memory { object, max_prot: Prot::ALL, window };
        self.world.run(MapMemory::new(Some(task), MapArgs { object, copy, ..map_args(0, size) })).expect("a mapping")
    }
}

#[test]
fn i_mo_77_anonymous_memory_is_shared_with_whoever_maps_it() {
    // Untouched, touched, and a snapshot's source: private memory of every kind.
    for kind in 0..3 {
        let (mut b, a) = Bench::with_pages(4);
        if kind > 0 {
            b.number(a, 4);
        }
        let child = (kind == 2).then(|| b.fork());
        let shared = share(&mut b, a + P, 2 * P).unwrap();
        let Behind::Memory(object) = shared.behind else { panic!("{shared:?}") };
        assert_eq!(shared.max_prot, Prot::ALL);
        b.world.messages.push(object);
        let other = b.world.task();
        let there = b.map_held(other, object, shared.offset, 2 * P, false);
        b.world.store(other, there, 50).unwrap();
        b.store(a + 2 * P, 60);
        assert_eq!((b.load(a + P), b.world.load(other, there + P)), (50, Ok(60)));
        // A snapshot is one.
        let copy = b.map_held(other, object, shared.offset, 2 * P, true);
        b.store(a + P, 51);
        assert_eq!((b.world.load(other, copy), b.world.load(other, there)), (Ok(50), Ok(51)));
        if let Some(child) = child {
            assert_eq!([1, 2].map(|page| b.world.load(child, a + page * P).unwrap()), [2, 3], "the snapshot stays");
        }
        b.world.assert_valid();
        // It lives as long as anybody holds it.
        b.deallocate(a, 4 * P);
        b.world.end(other);
        b.world.settle();
        let again = b.world.task();
        let there = b.map_held(again, object, shared.offset, 2 * P, false);
        assert_eq!(b.world.load(again, there + P), Ok(60));
        b.world.messages.clear();
        b.world.vm.let_go(object);
        b.world.end(again);
        child.into_iter().for_each(|child| b.world.end(child));
        b.world.settle();
        assert_eq!(b.world.machine.used_frames(), 0);
        assert_eq!(b.world.vm.hold(object), Err(KernReturn::INVALID_ARGUMENT));
    }
}

#[test]
fn i_mo_77_a_managers_region_is_its_object() {
    let (mut t, a, _) = Managed::ready(4);
    let shared = share(&mut t.b, a + P, P).unwrap();
    assert_eq!(shared, Shared { behind: Behind::Manager(O), offset: P, max_prot: Prot::ALL });
}

#[test]
fn i_mo_77_bad_regions() {
    let (mut b, a) = Bench::with_pages(2);
    let bad = Err(KernReturn::INVALID_ARGUMENT);
    assert_eq!(b.world.run(ShareRegion::new(None, a, P)), bad);
    assert_eq!(share(&mut b, a + 1, P), bad);
    assert_eq!(share(&mut b, a, 0), bad);
    assert_eq!(share(&mut b, a + 2 * P, P), Err(KernReturn::NO_SPACE));
    assert_eq!(share(&mut b, a + P, P + 1), bad);
    assert_eq!(share(&mut b, a, u64::MAX), bad);
}

/// What the arguments lack comes first.
#[test]
fn a_task_that_takes_no_init_is_found_out_last() {
    let mut t = Managed::new();
    let me = Some(t.b.me);
    let object = MapObject::Manager { manager: O, takes_init: false, max_prot: Prot::ALL, window: None };
    let good = MapArgs { object, ..map_args(0, P) };
    let mut map = |args| code(t.b.world.run(MapMemory::new(me, args)));
    assert_eq!(map(MapArgs { size: 0, ..good }), 4);
    assert_eq!(map(MapArgs { offset: 1, ..good }), 4);
    assert_eq!(map(MapArgs { flags: 0, address: 0, ..good }), 1, "no such place");
    assert_eq!(map(good), 6);
    assert_eq!(t.told(), []);
    // Whoever has sent init already needs no other.
    t.map(0, P);
    t.init();
    let me = Some(t.b.me);
    assert!(t.b.world.run(MapMemory::new(me, good)).is_ok());
}
