//! Case I-MO 62: copies of an object whose manager wants to be asked.

use mach_protocol::KernReturn;

use super::bench::*;
use super::managed::*;
use crate::model::{Told, World};
use crate::*;

/// K maps so many pages, the first ones resident with these bytes; M wants to be asked.
fn calling(pages: u64, values: &[u8]) -> (Managed, u64, AssocId) {
    let mut t = Managed::new();
    let a = t.map(0, pages * P);
    let assoc = t.init();
    t.make_ready(assoc, false, COPY_CALL);
    t.fill(assoc, a, values);
    (t, a, assoc)
}

impl Managed {
    /// K makes a snapshot of so many pages from the second one on: where it is, and what stands for it.
    fn snapshot(&mut self, old: AssocId, pages: u64) -> (u64, AssocId) {
        let args = MapArgs { copy: true, ..map_args(P, pages * P) };
        let copy = self.b.world.run(MapMemory::new(Some(self.b.me), args)).unwrap();
        (copy, self.copied(old, P, pages * P))
    }

    /// M sees a copy of this part, and the init of what was made for it.
    fn copied(&mut self, old: AssocId, offset: u64, length: u64) -> AssocId {
        match self.told()[..] {
            [Told::Copy(assoc, copy, from, bytes), Told::Init(manager, new)] => {
                assert_eq!((assoc, from, bytes, copy), (old, offset, length, new));
                assert_ne!(manager, O);
                new
            }
            ref other => panic!("{other:?}"),
        }
    }

    /// M has nothing of these pages.
    fn unavailable(&mut self, assoc: AssocId, offset: u64, size: u64) {
        let World { vm, machine, .. } = &mut self.b.world;
        vm.data_unavailable(machine, assoc, offset, size).unwrap();
    }

    fn touch(&mut self, map: MapId, address: u64, access: Prot) -> Waiting<Fault> {
        self.begin(Fault::new(map, address, access))
    }
}

#[test]
fn i_mo_62_the_manager_is_told_and_the_old_pages_serve() {
    let (mut t, a, old) = calling(4, &[1, 2, 3]);
    let (copy, new) = t.snapshot(old, 3);
    let me = t.b.me;
    // Nothing is asked before the new object is ready.
    let mut fault = t.touch(me, copy, Prot::READ);
    assert_eq!(t.told(), []);
    t.make_ready(new, false, COPY_DELAY);
    assert_eq!(t.resume(&mut fault), None);
    assert_eq!(t.told(), [Told::Request(new, 0, Prot::READ)]);
    t.unavailable(new, 0, P);
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
    assert_eq!(t.b.load(copy), 2, "the page of the old object");
    // What was not resident at the time is asked for from below.
    let mut fault = t.touch(me, copy + 2 * P, Prot::READ);
    t.unavailable(new, 2 * P, P);
    assert_eq!(t.resume(&mut fault), None);
    assert_eq!(t.told(), [Told::Request(new, 2 * P, Prot::READ), Told::Request(old, 3 * P, Prot::READ)]);
    t.supply_locked(old, 3 * P, &[4], WRITE);
    assert_eq!(t.resume(&mut fault), Some(Ok(())));
    assert_eq!(t.b.load(copy + 2 * P), 4);
    // Whoever writes to the old object asks first, and the snapshot keeps what it was.
    assert_eq!(t.b.load(a + P), 2);
    let mut write = t.touch(me, a + P, Prot::WRITE);
    assert_eq!(t.told(), [Told::Unlock(old, P, Prot::WRITE)]);
    t.supply(new, 0, &[2]);
    t.lock(old, Managed::lock_args(P, P, RETURN_NONE, KEEP, 0));
    assert_eq!(t.resume(&mut write), Some(Ok(())));
    t.b.store(a + P, 9);
    assert_eq!((t.b.load(a + P), t.b.load(copy)), (9, 2));
    // A write to the snapshot is its writer's own.
    t.b.store(copy + 2 * P, 8);
    assert_eq!((t.b.load(a + 3 * P), t.b.load(copy + 2 * P)), (4, 8));
    t.b.store(a, 7);
    assert_eq!(t.told(), [], "outside of the part nothing is locked");
    // The end of the snapshot, then that of the object, which it stands on.
    t.unmap(a, 4 * P);
    assert_eq!(t.told(), []);
    t.unmap(copy, 3 * P);
    assert_eq!(t.heard(), [Heard::Terminate, Heard::Return(0, vec![7, 9], true, false), Heard::Terminate,]);
    t.b.world.assert_valid();
}

#[test]
fn i_mo_62_in_a_fork_every_object_is_asked_for() {
    let (mut t, a, old) = calling(2, &[1, 2]);
    // Two mappings, so two copies: one a step.
    let b = t.map(0, 2 * P);
    let me = t.b.me;
    let child = t.b.world.run(Fork::new(me)).unwrap();
    let told = t.told();
    assert_eq!(told.len(), 4);
    for told in &told {
        if let Told::Init(_, new) = told {
            t.make_ready(*new, false, COPY_DELAY);
        }
    }
    for at in [a, b] {
        let mut fault = t.touch(child, at, Prot::WRITE);
        let new = match t.told()[..] {
            [Told::Request(new, 0, Prot::READ)] if new != old => new,
            ref other => panic!("{other:?}"),
        };
        t.unavailable(new, 0, P);
        assert_eq!(t.resume(&mut fault), Some(Ok(())));
        t.b.world.store(child, at, 5).unwrap();
    }
    assert_eq!((t.b.load(a), t.b.world.load(child, a)), (1, Ok(5)));
    t.b.world.end(child);
    t.b.world.settle();
    assert_eq!(t.heard(), [Heard::Terminate, Heard::Terminate]);
}

/// What the manager was asked for before it heard of the copy it may answer without a lock.
#[test]
fn a_copy_waits_for_what_was_asked_before() {
    let (mut t, a, old) = calling(2, &[1]);
    let me = t.b.me;
    let mut write = t.touch(me, a + P, Prot::WRITE);
    t.told();
    let args = MapArgs { copy: true, ..map_args(0, 2 * P) };
    let mut map = t.begin(MapMemory::new(Some(me), args));
    assert_eq!(t.told(), []);
    let World { vm, machine, .. } = &mut t.b.world;
    vm.data_error(machine, old, P, P).unwrap();
    assert_eq!(t.resume(&mut write), Some(Err(KernReturn::MEMORY_ERROR)));
    assert!(matches!(t.resume(&mut map), Some(Ok(_))), "that a page cannot be had is no reason");
    t.copied(old, 0, 2 * P);
}

#[test]
fn a_copy_needs_room_in_the_queue() {
    let (mut t, _, old) = calling(1, &[1]);
    let me = t.b.me;
    t.b.world.machine.room = 0;
    let args = MapArgs { copy: true, ..map_args(0, P) };
    let mut first = t.begin(MapMemory::new(Some(me), args));
    let World { vm, machine, .. } = &mut t.b.world;
    machine.room = 1;
    vm.room(machine, old);
    assert!(matches!(t.resume(&mut first), Some(Ok(_))));
    t.copied(old, 0, P);
    let mut second = t.begin(MapMemory::new(Some(me), args));
    let World { vm, machine, .. } = &mut t.b.world;
    vm.overdue(machine, old);
    assert_eq!(t.resume(&mut second), Some(Err(KernReturn::MEMORY_ERROR)));
    t.b.world.settle();
    t.b.world.assert_valid();
}

/// B.10: the manager dies inside of COPY_CALL.
#[test]
fn a_snapshot_without_its_manager_is_an_error() {
    let (mut t, a, old) = calling(1, &[1]);
    let me = t.b.me;
    let args = MapArgs { copy: true, ..map_args(0, P) };
    let copy = t.b.world.run(MapMemory::new(Some(me), args)).unwrap();
    let manager = match t.told()[..] {
        [Told::Copy(..), Told::Init(manager, _)] => manager,
        ref other => panic!("{other:?}"),
    };
    let mut fault = t.touch(me, copy, Prot::READ);
    let World { vm, machine, .. } = &mut t.b.world;
    vm.manager_died(machine, manager);
    assert_eq!(t.resume(&mut fault), Some(Err(KernReturn::MEMORY_ERROR)));
    assert_eq!(t.b.load(a), 1, "the old object lives");
    t.unmap(copy, P);
    t.b.world.assert_valid();
    t.unmap(a, P);
    assert_eq!(t.heard(), [Heard::Terminate]);
    assert_eq!(t.b.world.vm.object_of(old), None);
}
