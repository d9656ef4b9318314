//! Random operations on several tasks, each compared with the naive reference: every byte, every protection, every
//! return code; with all invariants checked after each, and memory refused at random moments.

use proptest::prelude::*;

use mach_protocol::{KernResult, KernReturn};

use super::reference::Reference;
use crate::model::World;
use crate::*;

const P: u64 = PAGE_SIZE;
const PAGES: u64 = 20;
const BOUNDS: Range = Range { start: P, end: P * (1 + PAGES) };
const TASKS: usize = 5;

/// One operation: its kind, and numbers that it takes what it needs from.
#[derive(Clone, Copy, Debug)]
struct Raw {
    kind: u8,
    task: u8,
    other: u8,
    page: u8,
    to_page: u8,
    /// Size in eighths of a page.
    eighths: u8,
    offset: u16,
    a: u8,
    b: u8,
    /// Refuse memory after so many requests; large values never.
    fail: u8,
}

prop_compose! {
    fn raw()(
        kind in 0u8..20, task in 0u8..8, other in 0u8..8, page in 0u8..(PAGES as u8 + 2), to_page in 0u8..PAGES as u8,
        eighths in 0u8..64, offset in prop_oneof![4 => Just(0u16), 1 => 0u16..4096], a in any::<u8>(), b in any::<u8>(),
        fail in any::<u8>(),
    ) -> Raw {
        Raw { kind, task, other, page, to_page, eighths, offset, a, b, fail }
    }
}

/// The virtual memory and the reference, side by side.
struct Pair {
    world: World,
    reference: Reference,
    tasks: Vec<MapId>,
    is_failing: bool,
}

impl Pair {
    fn new(mut world: World) -> Pair {
        let reference = Reference { bounds: Some(BOUNDS), ..Reference::default() };
        let first = world.vm.create_map(&mut world.machine, BOUNDS).unwrap();
        let mut pair = Pair { world, reference, tasks: vec![first], is_failing: false };
        pair.reference.tasks.insert(first, Default::default());
        pair
    }

    fn task(&self, number: u8) -> MapId {
        self.tasks[number as usize % self.tasks.len()]
    }

    /// Compares results; true when memory was refused and nothing may have changed.
    fn is_refused<T>(&self, result: &KernResult<T>) -> bool {
        matches!(result, Err(KernReturn::RESOURCE_SHORTAGE)) && self.is_failing
    }

    fn perform(&mut self, raw: Raw) {
        let task = self.task(raw.task);
        let other = self.task(raw.other);
        let address = P * (1 + u64::from(raw.page)) + u64::from(raw.offset);
        let size = u64::from(raw.eighths) * P / 8 + u64::from(raw.a & 1);
        let prot = Prot::from_bits_truncate(raw.b & 7);
        let max = Prot::from_bits_truncate(raw.b >> 3 & 7) | Prot::from_bits_truncate(raw.a >> 5);
        let inherit = [Inherit::Share, Inherit::Copy, Inherit::None][raw.a as usize % 3];
        let is_set = raw.b & 0x40 != 0;
        let world = &mut self.world;
        let reference = &mut self.reference;
        match raw.kind {
            0 => {
                let size = size.max(1);
                let result = world.run(Allocate::new(Some(task), address, size, 1, Family::Xnu));
                if !self.is_refused(&result) {
                    let new = (Prot::DEFAULT, Prot::ALL, Inherit::Copy);
                    let reference = &mut self.reference;
                    assert_eq!(result, reference.map(task, None, 0, size, 0, false, new));
                }
            }
            1 => {
                let size = size.max(1);
                let flags = if is_set { flags::OVERWRITE } else { 0 };
                let result = world.run(Allocate::new(Some(task), address, size, flags, Family::Xnu));
                if !self.is_refused(&result) {
                    let new = (Prot::DEFAULT, Prot::ALL, Inherit::Copy);
                    let reference = &mut self.reference;
                    let wanted = reference.map(task, Some(address), 0, size, 0, is_set, new);
                    assert_eq!(result, wanted);
                }
            }
            2 => {
                let size = size.max(1);
                let mask = [0, P, 2 * P - 1, 4 * P - 1][raw.a as usize % 4];
                let args = MapArgs {
                    address,
                    size,
                    mask,
                    flags: u32::from(is_set),
                    object: MapObject::Null,
                    offset: 5,
                    copy: is_set,
                    prot: u32::from(prot.bits()),
                    max: u32::from(max.bits()),
                    inherit: inherit as u32,
                    family: Family::Xnu,
                };
                let result = world.run(MapMemory::new(Some(task), args));
                if !self.is_refused(&result) {
                    let at = (!is_set).then_some(address);
                    let new = (prot, max, inherit);
                    let reference = &mut self.reference;
                    let wanted = reference.map(task, at, address, size, mask, false, new);
                    assert_eq!(result, wanted);
                }
            }
            3 => {
                let holes = if is_set { Holes::Allowed } else { Holes::Refused };
                let result = world.run(Deallocate::new(Some(task), address, size, holes));
                assert_eq!(result, reference.deallocate(task, address, size, holes));
            }
            4 | 5 => {
                let bits = u32::from(prot.bits());
                let set_max = raw.kind == 4 && is_set;
                let result = world.run(Protect::new(Some(task), address, size, set_max, bits, Family::Xnu));
                if !self.is_refused(&result) {
                    let reference = &mut self.reference;
                    let wanted = reference.protect(task, address, size, set_max, prot);
                    assert_eq!(result, wanted);
                }
            }
            6 => {
                let result = world.run(SetInherit::new(Some(task), address, size, inherit as u32));
                if !self.is_refused(&result) {
                    assert_eq!(result, Ok(()));
                    self.reference.inherit(task, address, size, inherit);
                }
            }
            7 | 8 => {
                let result = world.store(task, address, raw.a);
                if !self.is_refused(&result) {
                    let reference = &mut self.reference;
                    let wanted = reference.touch(task, address, Prot::WRITE).map(|_| ());
                    assert_eq!(result, wanted);
                    if result.is_ok() {
                        reference.set_byte(task, address, raw.a);
                    }
                }
            }
            9 => {
                let result = world.load(task, address);
                if !self.is_refused(&result) {
                    let touched = self.reference.touch(task, address, Prot::READ);
                    assert_eq!(result, touched.map(|_| self.reference.byte(task, address)));
                }
            }
            10 => {
                let result = world.fetch(task, address);
                if !self.is_refused(&result) {
                    let wanted = self.reference.touch(task, address, Prot::EXECUTE);
                    assert_eq!(result, wanted.map(|_| ()));
                }
            }
            11 if self.tasks.len() < TASKS => {
                let result = world.run(Fork::new(task));
                if !self.is_refused(&result) {
                    let child = result.expect("room for a child");
                    self.reference.fork(task, child);
                    self.tasks.push(child);
                }
            }
            11 | 12 if self.tasks.len() > 1 && (raw.kind == 11 || raw.b & 0x30 == 0) => {
                world.end(task);
                reference.tasks.remove(&task);
                self.tasks.retain(|other| *other != task);
            }
            12 | 13 => {
                let result = world.run(Read::new(Some(other), address, size, task));
                if !self.is_refused(&result) {
                    assert_eq!(result, self.reference.read(other, address, size, task));
                }
            }
            14 => {
                let dest = P * (1 + u64::from(raw.to_page)) + u64::from(raw.b);
                let source = if is_set && raw.eighths < 8 {
                    let count = size.min(900) as usize;
                    WriteSource::Inline(vec![raw.a; count])
                } else {
                    WriteSource::Memory { map: task, address, size }
                };
                if let WriteSource::Inline(bytes) = &source {
                    let bytes = bytes.clone();
                    let count = bytes.len() as u64;
                    let result = world.run(Write::new(Some(other), dest, source));
                    if self.is_refused(&result) {
                        self.resync(other, dest, &bytes);
                    } else {
                        let reference = &mut self.reference;
                        let wanted = match count {
                            0 => Ok(()),
                            _ => reference.check(other, dest, count, Prot::WRITE),
                        };
                        assert_eq!(result, wanted);
                        if wanted.is_ok() {
                            reference.put(other, dest, &bytes);
                        }
                    }
                } else {
                    let result = world.run(Write::new(Some(other), dest, source));
                    self.compare_copy(result, (task, address), size, (other, dest), true);
                }
            }
            15 | 16 => {
                let size = size.max(1);
                let args = RemapArgs {
                    address: 0,
                    size,
                    mask: 0,
                    flags: flags::ANYWHERE,
                    source: Some(other),
                    source_address: address,
                    copy: is_set,
                    protections: None,
                    inherit: inherit as u32,
                };
                let result = world.run(Remap::new(Some(task), args));
                if !self.is_refused(&result) {
                    let wanted = self.reference.remap((other, address), size, task, is_set, inherit);
                    assert_eq!(result.map(|out| out.address), wanted);
                }
            }
            17 => {
                let access = if is_set { prot } else { Prot::NONE };
                let wire = Wire::new(Host::Privileged, Some(task), address, size, access.bits().into(), Family::Xnu);
                let result = world.run(wire);
                if !self.is_refused(&result) {
                    assert_eq!(result, self.reference.check_wire(task, address, size, access));
                }
            }
            18 if raw.a & 1 == 0 => {
                // WILLNEED and DONTNEED: all contents stay, as the comparison that follows sees.
                let result = world.run(BehaviorSet::new(Some(task), address, size, 4 + u32::from(is_set)));
                let is_code = |code| matches!(code, KernReturn::NO_SPACE | KernReturn::INVALID_ADDRESS);
                assert!(result.is_ok() || result.is_err_and(is_code) || self.is_refused(&result));
            }
            18 => {
                let result = world.run(BehaviorSet::new(Some(task), address, size, 12));
                if self.is_refused(&result) {
                    let zeros = vec![0; (round(address + size) - trunc(address)) as usize];
                    self.resync(task, trunc(address), &zeros);
                } else if trunc(address) >= BOUNDS.end || round(address + size) > BOUNDS.end {
                    assert!(size == 0 || result == Err(KernReturn::NO_SPACE));
                } else {
                    assert_eq!(result, self.reference.zero(task, address, size));
                }
            }
            _ => {
                let dest = P * (1 + u64::from(raw.to_page)) + u64::from(raw.b);
                let result = if is_set {
                    world.run(Copy::to_caller(Some(other), address, size, task, dest))
                } else {
                    world.run(Copy::new(Some(task), address, size, dest))
                };
                let from = if is_set { other } else { task };
                self.compare_copy(result, (from, address), size, (task, dest), false);
            }
        }
    }

    fn compare_copy(
        &mut self,
        result: KernResult<()>,
        from: (MapId, u64),
        size: u64,
        to: (MapId, u64),
        is_write: bool,
    ) {
        if self.is_refused(&result) {
            let bytes = self.reference.bytes(from.0, from.1, size);
            self.resync(to.0, to.1, &bytes);
        } else if is_write {
            assert_eq!(result, self.reference.write(from, size, to));
        } else {
            assert_eq!(result, self.reference.copy(from, size, to));
        }
    }

    /// After a copy that stopped in the middle: a first part is stored, the rest untouched.
    fn resync(&mut self, task: MapId, start: u64, bytes: &[u8]) {
        let mut is_stored = true;
        for (at, new) in (start..).zip(bytes) {
            let now = self.world.peek(task, at).expect("mapped");
            let old = self.reference.byte(task, at);
            is_stored &= now == *new;
            assert!(is_stored || now == old, "{at:#x} is neither old nor new");
            self.reference.set_byte(task, at, now);
        }
    }

    fn compare(&mut self) {
        for task in self.tasks.clone() {
            let mut pages = self.reference.tasks[&task].clone();
            let mut at = 0;
            while let Ok(region) = self.world.vm.region(Some(task), at) {
                for page in (region.address..region.address + region.size).step_by(P as usize) {
                    let wanted = pages.remove(&page);
                    let wanted = wanted.unwrap_or_else(|| panic!("{task:?}: {region:x?} {page:#x}"));
                    assert_eq!(region.protection, wanted.prot, "{page:#x}");
                    assert_eq!(region.max_protection, wanted.max, "{page:#x}");
                    assert_eq!(region.inheritance, wanted.inherit, "{page:#x}");
                    let bytes = self.world.peek_page(task, page);
                    assert!(bytes == self.reference.cells[wanted.cell], "bytes of {page:#x}");
                }
                at = region.address + region.size;
            }
            assert!(pages.is_empty(), "{pages:?} is missing");
        }
    }
}

fn run(operations: &[Raw], may_fail: bool) {
    run_in(Pair::new(World::new(2000)), operations, may_fail, false);
}

/// The same while pages go out to a pager and come in again, which takes its messages when it likes.
fn run_paged(operations: &[Raw], may_fail: bool) {
    run_in(Pair::new(World::with_pager(2000, 4)), operations, may_fail, true);
}

fn run_in(mut pair: Pair, operations: &[Raw], may_fail: bool, is_paged: bool) {
    for raw in operations {
        pair.is_failing = may_fail && raw.fail < 16;
        pair.world.machine.fail_in = pair.is_failing.then_some(u32::from(raw.fail));
        pair.perform(*raw);
        pair.world.machine.fail_in = None;
        pair.compare();
        pair.world.assert_valid();
        pair.world.settle();
        pair.world.assert_valid();
        pair.compare();
        if is_paged && raw.fail & 1 == 0 {
            let World { vm, machine, .. } = &mut pair.world;
            vm.evict(machine, usize::from(raw.fail >> 1));
            pair.world.assert_valid();
            pair.compare();
            pair.world.serve_pager(usize::from(raw.to_page));
            pair.world.assert_valid();
            pair.compare();
        }
    }
    for task in pair.tasks.clone() {
        pair.world.end(task);
        pair.world.assert_valid();
    }
    if is_paged {
        pair.world.end_pager();
    }
    assert_eq!(pair.world.machine.used_frames(), 0, "every frame comes back");
    assert_eq!((pair.world.vm.objects.len(), pair.world.vm.maps.len()), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_byte_and_protection_is_that_of_the_reference(
        operations in prop::collection::vec(raw(), 1..80),
    ) {
        run(&operations, false);
    }

    #[test]
    fn every_byte_stays_while_pages_go_out_and_come_in(
        operations in prop::collection::vec(raw(), 1..80),
    ) {
        run_paged(&operations, false);
    }

    #[test]
    fn memory_refused_while_pages_go_out_leaves_no_trace(operations in prop::collection::vec(raw(), 1..80)) {
        run_paged(&operations, true);
    }

    #[test]
    fn refused_memory_leaves_no_trace(operations in prop::collection::vec(raw(), 1..80)) {
        run(&operations, true);
    }
}
