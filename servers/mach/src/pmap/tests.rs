//! Translations against a naive model, over a fake kernel that shows what is in the hardware's tables.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::fake::Fake;
use crate::memory::Layout;

const CHUNKS: u32 = 64;
const FRAMES: usize = 24;
const READ_EXECUTE: Access = Access { read: true, write: false, execute: true };
const READ: Access = Access { read: true, write: false, execute: false };
const NOTHING: Access = Access { read: false, write: false, execute: false };

/// What is mapped at the most: by space and address, the frame and the access.
type Model = BTreeMap<(u32, u64), (Unit, Access)>;

struct World {
    machine: Fake,
    memory: Memory,
    pmaps: Pmaps,
    spaces: Vec<SpaceId>,
    frames: Vec<Unit>,
    model: Model,
}

impl World {
    fn new() -> Self {
        let layout = Layout {
            chunks: CHUNKS,
            chunk_base: Slot(1000),
            unit_base: Slot(2000),
            slot_base: Slot(100_000),
            slots: 4096,
        };
        let mut machine = Fake::new(layout.chunk_base, CHUNKS, Slot(3));
        let (mut memory, mut pmaps) = (Memory::new(layout), Pmaps::new(CHUNKS * 16));
        let spaces =
            (0..2).map(|_| pmaps.create(&mut memory, &mut machine, Need::Reserved).expect("a space")).collect();
        let frames = (0..FRAMES).map(|_| memory.take_frame(&mut machine, Need::Reserved).expect("a frame")).collect();
        Self { machine, memory, pmaps, spaces, frames, model: Model::new() }
    }

    fn enter(&mut self, space: usize, address: u64, unit: Unit, access: Access) {
        let id = self.spaces[space];
        self.pmaps.enter(&mut self.memory, &mut self.machine, id, address, unit, access).expect("there is memory");
        self.model.insert((id.0, address), (unit, access));
        assert_eq!(self.hardware(id).get(&address), Some(&(self.object(unit), access)), "it is mapped at once");
    }

    fn protect(&mut self, space: usize, start: u64, end: u64, allowed: Access, others: Others) {
        let id = self.spaces[space];
        let mut at = start;
        while at < end {
            let (memory, machine) = (&mut self.memory, &mut self.machine);
            at = self.pmaps.protect(memory, machine, id, (at, end), allowed, (7, others)).0;
        }
        self.narrow(|(of, address), _| of == id.0 && (start..end).contains(&address), allowed);
    }

    fn remove(&mut self, space: usize, start: u64, end: u64) {
        let id = self.spaces[space];
        let mut at = start;
        while at < end {
            at = self.pmaps.remove(&mut self.memory, &mut self.machine, id, at, end, 7).0;
        }
        self.narrow(|(of, address), _| of == id.0 && (start..end).contains(&address), NOTHING);
    }

    fn page_protect(&mut self, unit: Unit, allowed: Access) {
        self.pmaps.page_protect(&mut self.memory, &mut self.machine, unit, allowed);
        self.narrow(|_, of| of == unit, allowed);
    }

    fn narrow(&mut self, is_meant: impl Fn((u32, u64), Unit) -> bool, allowed: Access) {
        self.model.retain(|place, (unit, access)| {
            if is_meant(*place, *unit) {
                *access = access.and(allowed);
            }
            !access.is_nothing()
        });
    }

    fn object(&self, unit: Unit) -> u64 {
        self.machine.frame(self.memory.layout().first(unit))
    }

    fn hardware(&self, id: SpaceId) -> BTreeMap<u64, (u64, Access)> {
        self.machine.mapped(self.pmaps.root(&self.memory, id).expect("a root table"))
    }

    /// PMAP-1 to PMAP-3, PMAP-5, and that nothing is mapped that must not be.
    fn assert_valid(&self) {
        let mut places = 0;
        for id in &self.spaces {
            let hardware = self.hardware(*id);
            for (address, (object, access)) in &hardware {
                let (unit, most) = self.model.get(&(id.0, *address)).expect("it may be mapped");
                assert_eq!(*object, self.object(*unit));
                assert_eq!(access.and(*most), *access, "no right that was taken");
            }
            let space = self.pmaps.space(*id).expect("it lives");
            let mut tables = BTreeMap::<u64, (u32, u32, u32)>::new();
            for (address, mapping) in space.tables.iter() {
                let is_live = space.tables.is_live(address, &mapping);
                assert_eq!(is_live, hardware.contains_key(&address), "PMAP-5");
                let table = tables.entry(address >> 21).or_default();
                table.0 += 1;
                table.1 += u32::from(is_live);
                table.2 += u32::from(is_live && mapping.access.write);
                assert!(self.pmaps.places.of(mapping.unit).contains(&(*id, page_of(address))), "PMAP-2");
                places += 1;
            }
            assert_eq!(tables, space.tables.lowest_counts(), "PMAP-3, PMAP-5");
            for (start, end) in [(0, 1 << 21), (1 << 21, 1 << 22), ((1 << 21) - 17 * PAGE, (1 << 21) - 2 * PAGE)] {
                let inside = space.tables.iter().filter(|(address, _)| (start..end).contains(address)).count();
                assert_eq!(space.tables.count(start, end) as usize, inside);
            }
        }
        let of_frames: usize = self.frames.iter().map(|unit| self.pmaps.places.of(*unit).len()).sum();
        assert_eq!(of_frames, places, "PMAP-2");
    }
}

#[test]
fn many_pages_that_lose_a_right_go_with_their_table_and_come_back_one_by_one() {
    let mut world = World::new();
    let pages: Vec<u64> = (0..FRAMES as u64).map(|page| (1 << 21) + page * PAGE).collect();
    for (at, unit) in pages.iter().zip(world.frames.clone()) {
        world.enter(0, *at, unit, Access::ALL);
    }
    world.enter(0, 0x1000, world.frames[0], READ);
    world.protect(0, 0, 1 << 30, READ_EXECUTE, Others::MayGo);
    let left: Vec<u64> = world.hardware(world.spaces[0]).into_keys().collect();
    assert_eq!(left, [0x1000], "another table's page is not touched");
    let (at, unit) = (pages[3], world.frames[3]);
    world.enter(0, at, unit, READ);
    assert_eq!(world.hardware(world.spaces[0]).len(), 2);
    world.assert_valid();
    world.remove(0, 0, 1 << 30);
    assert_eq!(world.memory.usage().tables, 2, "the root tables");
}

#[test]
fn pages_that_must_not_fault_lose_a_right_one_by_one() {
    let mut world = World::new();
    for (page, unit) in world.frames.clone().into_iter().enumerate() {
        world.enter(0, (1 << 21) + page as u64 * PAGE, unit, Access::ALL);
    }
    world.protect(0, 0, 1 << 30, READ_EXECUTE, Others::Stay);
    let left = world.hardware(world.spaces[0]);
    assert!(left.len() == FRAMES && left.values().all(|(_, access)| *access == READ_EXECUTE));
}

#[test]
fn few_pages_lose_a_right_one_by_one() {
    let mut world = World::new();
    for (page, unit) in world.frames.clone().into_iter().take(9).enumerate() {
        world.enter(0, (1 << 21) + page as u64 * PAGE, unit, Access::ALL);
    }
    world.protect(0, 0, 1 << 30, READ_EXECUTE, Others::MayGo);
    let left = world.hardware(world.spaces[0]);
    assert!(left.len() == 9 && left.values().all(|(_, access)| *access == READ_EXECUTE));
}

fn access() -> impl Strategy<Value = Access> {
    prop_oneof![Just(Access::ALL), Just(READ_EXECUTE), Just(READ)]
}

proptest! {
    #[test]
    fn nothing_is_mapped_that_must_not_be(
        steps in proptest::collection::vec((0..12_u8, 0..2_usize, 0..40_u64, 0..40_u64, 0..FRAMES, access()), 0..150),
    ) {
        let mut world = World::new();
        // Two neighbouring tables.
        let address = |page: u64| (1 << 21) - 20 * PAGE + page * PAGE;
        for (step, space, a, b, frame, access) in steps {
            let unit = world.frames[frame];
            let (start, end) = (address(a.min(b)), address(a.max(b)));
            match step {
                0..=6 => world.enter(space, address(a), unit, access),
                7 => world.protect(space, 0, 1 << 30, access, Others::MayGo),
                8 => world.protect(space, start, end, access, if a > b { Others::MayGo } else { Others::Stay }),
                9 => world.remove(space, start, end),
                10 => world.page_protect(unit, access),
                _ => world.page_protect(unit, NOTHING),
            }
            world.assert_valid();
        }
        for space in 0..2 {
            world.remove(space, 0, u64::MAX);
        }
        world.assert_valid();
        prop_assert_eq!(world.memory.usage().tables, 2);
        prop_assert_eq!(world.memory.usage().slots, 0);
    }
}
