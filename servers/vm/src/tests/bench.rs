//! What the conformance cases share: a task, and the calls on it by short names.

use mach_protocol::KernResult;

use crate::model::{BOUNDS, Told, World};
use crate::*;

pub(super) const P: u64 = PAGE_SIZE;
pub(super) const MAX: u64 = BOUNDS.end;
pub(super) const READ: u32 = 1;
pub(super) const WRITE: u32 = 2;
pub(super) const RW: u32 = 3;
pub(super) const ALL: u32 = 7;
pub(super) const SHARE: u32 = 0;
pub(super) const COPY: u32 = 1;
pub(super) const NONE: u32 = 2;

/// The return code of a call.
pub(super) fn code<T>(result: KernResult<T>) -> i32 {
    result.map_or_else(|code| code.0, |_| 0)
}

/// A world and its first task.
pub(super) struct Bench {
    pub(super) world: World,
    pub(super) me: MapId,
}

impl Bench {
    pub(super) fn new() -> Bench {
        let mut world = World::new(4000);
        let me = world.task();
        Bench { world, me }
    }

    /// A task with one page, or so many, and where they are.
    pub(super) fn with_pages(pages: u64) -> (Bench, u64) {
        let mut bench = Bench::new();
        let a = bench.pages(pages);
        (bench, a)
    }

    pub(super) fn pages(&mut self, pages: u64) -> u64 {
        self.allocate(0, pages * P, flags::ANYWHERE).expect("memory")
    }

    pub(super) fn allocate(&mut self, address: u64, size: u64, flags: u32) -> KernResult<u64> {
        let me = Some(self.me);
        self.world.run(Allocate::new(me, address, size, flags, Family::Xnu))
    }

    pub(super) fn mach_vm_deallocate(&mut self, address: u64, size: u64) -> i32 {
        let me = Some(self.me);
        code(self.world.run(Deallocate::new(me, address, size, Holes::Allowed)))
    }

    pub(super) fn deallocate(&mut self, address: u64, size: u64) -> i32 {
        let me = Some(self.me);
        code(self.world.run(Deallocate::new(me, address, size, Holes::Refused)))
    }

    pub(super) fn protect(&mut self, address: u64, size: u64, set_max: bool, prot: u32) -> i32 {
        let me = Some(self.me);
        code(self.world.run(Protect::new(me, address, size, set_max, prot, Family::Xnu)))
    }

    pub(super) fn inherit(&mut self, address: u64, size: u64, inherit: u32) -> i32 {
        let me = Some(self.me);
        code(self.world.run(SetInherit::new(me, address, size, inherit)))
    }

    pub(super) fn fork(&mut self) -> MapId {
        self.world.run(Fork::new(self.me)).expect("a child")
    }

    pub(super) fn read(&mut self, address: u64, size: u64) -> KernResult<ReadOut> {
        let me = self.me;
        self.world.run(Read::new(Some(me), address, size, me))
    }

    pub(super) fn write_inline(&mut self, address: u64, bytes: &[u8]) -> i32 {
        let source = WriteSource::Inline(bytes.to_vec());
        code(self.world.run(Write::new(Some(self.me), address, source)))
    }

    /// `vm_write` from the task's own memory.
    pub(super) fn write(&mut self, address: u64, from: u64, size: u64) -> i32 {
        let source = WriteSource::Memory { map: self.me, address: from, size };
        code(self.world.run(Write::new(Some(self.me), address, source)))
    }

    pub(super) fn copy(&mut self, source: u64, size: u64, dest: u64) -> i32 {
        code(self.world.run(Copy::new(Some(self.me), source, size, dest)))
    }

    pub(super) fn load(&mut self, address: u64) -> u8 {
        let me = self.me;
        self.world.load(me, address).expect("a readable byte")
    }

    pub(super) fn load_code(&mut self, address: u64) -> i32 {
        let me = self.me;
        code(self.world.load(me, address))
    }

    pub(super) fn store(&mut self, address: u64, value: u8) {
        let me = self.me;
        self.world.store(me, address, value).expect("a writable byte");
    }

    pub(super) fn store_code(&mut self, address: u64) -> i32 {
        let me = self.me;
        code(self.world.store(me, address, 1))
    }

    /// Fills pages with 1, 2, 3, ...
    pub(super) fn number(&mut self, address: u64, pages: u64) {
        let me = self.me;
        for page in 0..pages {
            self.world.fill(me, address + page * P, (page as u8).wrapping_add(1)).expect("a writable page");
        }
    }

    /// Whether a page holds this value all over.
    pub(super) fn holds(&mut self, address: u64, value: u8) -> bool {
        let me = self.me;
        let page = self.world.load_page(me, address).expect("a readable page");
        page.iter().all(|byte| *byte == value)
    }

    pub(super) fn region(&mut self, address: u64) -> Region {
        let me = self.me;
        self.world.vm.region(Some(me), address).expect("a region")
    }

    pub(super) fn regions(&mut self) -> Vec<(u64, u64)> {
        let (mut all, mut at) = (Vec::new(), 0);
        while let Ok(region) = self.world.vm.region(Some(self.me), at) {
            all.push((region.address, region.size));
            at = region.address + region.size;
        }
        all
    }

    pub(super) fn statistics(&self) -> Statistics {
        self.world.vm.statistics(&self.world.machine)
    }
}

impl Drop for Bench {
    /// Every case ends with a valid state, and with every frame back after the last task.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.world.assert_valid();
        let all: Vec<MapId> = self.world.vm.maps.iter().map(|(id, _)| id).collect();
        for id in all {
            self.world.end(id);
        }
        for told in core::mem::take(&mut self.world.machine.told) {
            if let Told::Return(_, pages) = told {
                self.world.vm.discard_returned(pages.data);
            }
        }
        self.world.settle();
        self.world.assert_valid();
        assert_eq!(self.world.machine.used_frames(), 0, "every frame comes back");
    }
}
