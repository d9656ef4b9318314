//! What the cases of memory objects share: a task K that maps the object of a manager M, and M's calls by short names.

use mach_protocol::KernResult;

use super::bench::*;
use crate::model::Told;
use crate::*;

/// The object port.
pub(super) const O: ManagerId = ManagerId(9);

/// K, whose calls are the bench's, and M.
pub(super) struct Managed {
    pub(super) b: Bench,
    pub(super) m: MapId,
}

/// `memory_object_lock_request`'s values.
pub(super) const RETURN_NONE: u32 = 0;
pub(super) const RETURN_DIRTY: u32 = 1;
pub(super) const RETURN_ALL: u32 = 2;
pub(super) const NO_CHANGE: u32 = 8;
pub(super) const KEEP: u32 = 0;
pub(super) const FLUSH: u32 = 1;
/// Copy strategies.
pub(super) const COPY_NONE: u32 = 0;
pub(super) const COPY_CALL: u32 = 1;
pub(super) const COPY_DELAY: u32 = 2;
pub(super) const COPY_TEMPORARY: u32 = 3;

/// What `vm_map` of the object is asked with.
pub(super) fn map_args(offset: u64, size: u64) -> MapArgs {
    MapArgs {
        address: 0,
        size,
        mask: 0,
        flags: flags::ANYWHERE,
        object: MapObject::Manager { manager: O, takes_init: true, max_prot: Prot::ALL, window: None },
        offset,
        copy: false,
        prot: RW,
        max: ALL,
        inherit: COPY,
        family: Family::Xnu,
    }
}

/// An operation that waits.
pub(super) struct Waiting<Op> {
    op: Op,
    on: WaitOn,
}

impl Managed {
    /// K and M, nothing is mapped.
    pub(super) fn new() -> Managed {
        let mut b = Bench::new();
        let m = b.world.task();
        Managed { b, m }
    }

    /// K maps so many pages of the object; M is ready and was told nothing since.
    pub(super) fn ready(pages: u64) -> (Managed, u64, AssocId) {
        let mut t = Managed::new();
        let a = t.map(0, pages * P);
        let assoc = t.init();
        t.make_ready(assoc, false, COPY_DELAY);
        (t, a, assoc)
    }

    pub(super) fn map(&mut self, offset: u64, size: u64) -> u64 {
        let me = self.b.me;
        self.b.world.run(MapMemory::new(Some(me), map_args(offset, size))).expect("a mapping")
    }

    pub(super) fn make_ready(&mut self, assoc: AssocId, may_cache: bool, strategy: u32) {
        let World { vm, machine, .. } = &mut self.b.world;
        vm.ready(machine, assoc, may_cache, strategy).expect("ready is accepted");
    }

    /// What M was told since the last look.
    pub(super) fn told(&mut self) -> Vec<Told> {
        core::mem::take(&mut self.b.world.machine.told)
    }

    /// M sees init and nothing else.
    pub(super) fn init(&mut self) -> AssocId {
        match self.told()[..] {
            [Told::Init(O, assoc)] => assoc,
            ref other => panic!("{other:?}"),
        }
    }

    /// Starts something that must wait.
    pub(super) fn begin<Op: Operation>(&mut self, mut op: Op) -> Waiting<Op>
    where
        Op::Out: core::fmt::Debug,
    {
        for _ in 0..100 {
            match self.b.world.step(&mut op) {
                Step::Wait(on) => {
                    self.b.world.drain();
                    self.b.world.woken.clear();
                    return Waiting { op, on };
                }
                Step::Done(result) => panic!("done already: {result:?}"),
                Step::Again => {}
            }
        }
        panic!("no end");
    }

    /// Goes on with it. Nothing if it still waits.
    pub(super) fn resume<Op: Operation>(&mut self, waiting: &mut Waiting<Op>) -> Option<KernResult<Op::Out>> {
        let mut step = self.b.world.resume(&mut waiting.op, waiting.on);
        for _ in 0..100 {
            match step {
                Step::Done(result) => return Some(result),
                Step::Wait(on) => {
                    waiting.on = on;
                    return None;
                }
                Step::Again => step = self.b.world.step(&mut waiting.op),
            }
        }
        panic!("no end");
    }

    /// K faults on a page that is not there.
    pub(super) fn fault(&mut self, address: u64, access: Prot) -> Waiting<Fault> {
        let fault = Fault::new(self.b.me, address, access);
        self.begin(fault)
    }

    /// M has pages with these bytes all over, and where they are.
    pub(super) fn data(&mut self, values: &[u8]) -> u64 {
        let size = values.len() as u64 * P;
        let m = self.m;
        let call = Allocate::new(Some(m), 0, size, flags::ANYWHERE, Family::Xnu);
        let address = self.b.world.run(call).expect("memory");
        for (page, value) in (0..).zip(values) {
            self.b.world.fill(m, address + page * P, *value).expect("a writable page");
        }
        address
    }

    /// M supplies pages, with a lock.
    pub(super) fn supply_locked(&mut self, assoc: AssocId, offset: u64, values: &[u8], lock_value: u32) -> SupplyDone {
        let args = self.supply_args(offset, values);
        self.b.world.run(DataSupply::new(assoc, SupplyArgs { lock_value, ..args })).expect("accepted")
    }

    /// M supplies pages.
    pub(super) fn supply(&mut self, assoc: AssocId, offset: u64, values: &[u8]) -> SupplyDone {
        self.supply_locked(assoc, offset, values, 0)
    }

    pub(super) fn supply_args(&mut self, offset: u64, values: &[u8]) -> SupplyArgs {
        let address = self.data(values);
        let size = values.len() as u64 * P;
        SupplyArgs { offset, map: self.m, address, size, deallocate: true, lock_value: 0, precious: false }
    }

    /// Pages are requested, one after the other, and supplied.
    pub(super) fn fill(&mut self, assoc: AssocId, a: u64, values: &[u8]) {
        for (page, value) in (0..).zip(values) {
            let mut fault = self.fault(a + page * P, Prot::READ);
            self.supply(assoc, page * P, &[*value]);
            assert_eq!(self.resume(&mut fault), Some(Ok(())));
        }
        self.told();
    }

    pub(super) fn lock_args(
        offset: u64,
        size: u64,
        should_return: u32,
        should_flush: u32,
        lock_value: u32,
    ) -> LockArgs {
        LockArgs { offset, size, should_return, should_flush, lock_value }
    }

    /// M's lock_request, which need not wait.
    pub(super) fn lock(&mut self, assoc: AssocId, args: LockArgs) {
        self.b.world.run(LockRequest::new(assoc, args)).expect("done");
    }

    /// The bytes of a message's pages, which M lets go after looking at the first byte of each.
    pub(super) fn take_data(&mut self, data: ReturnedData) -> Vec<u8> {
        let (m, size) = (self.m, data.size());
        let address = self.b.world.run(MapReturned::new(m, data)).expect("room");
        let bytes = (0..size / P).map(|page| self.b.world.load(m, address + page * P).expect("data")).collect();
        self.b.world.run(Deallocate::new(Some(m), address, size, Holes::Refused)).expect("M's memory");
        bytes
    }

    /// What M was told, with the data taken: readable for comparisons.
    pub(super) fn heard(&mut self) -> Vec<Heard> {
        let told = self.told();
        told.into_iter()
            .map(|told| match told {
                Told::Init(..) => Heard::Init,
                Told::Create(..) => panic!("there is no default pager"),
                Told::Request(_, offset, access) => Heard::Request(offset, access.bits().into()),
                Told::Unlock(_, offset, access) => Heard::Unlock(offset, access.bits().into()),
                Told::Return(_, pages) => {
                    Heard::Return(pages.offset, self.take_data(pages.data), pages.is_dirty, pages.kernel_copy)
                }
                Told::Copy(_, _, offset, length) => Heard::Copy(offset, length),
                Told::Synchronize(_, offset, length) => Heard::Synchronize(offset, length),
                Told::Terminate(_) => Heard::Terminate,
                Told::NameDead(_) => Heard::NameDead,
            })
            .collect()
    }

    pub(super) fn unmap(&mut self, address: u64, size: u64) {
        assert_eq!(self.b.deallocate(address, size), 0);
        self.b.world.settle();
    }

    pub(super) fn destroy(&mut self, assoc: AssocId) {
        let World { vm, machine, .. } = &mut self.b.world;
        vm.destroy(machine, assoc);
        self.b.world.settle();
    }
}

use crate::model::World;

/// A message as the manager reads it: access and lock values as on the wire, data as the first byte of each page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Init,
    Request(u64, u32),
    Unlock(u64, u32),
    /// Offset, data, dirty, kernel_copy.
    Return(u64, Vec<u8>, bool, bool),
    Copy(u64, u64),
    Synchronize(u64, u64),
    Terminate,
    NameDead,
}
