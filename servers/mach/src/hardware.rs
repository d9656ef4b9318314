//! What the virtual memory works on: memory, translations and the kernel below, behind the core's traits. The fourth,
//! `Pager`, is in `manager::outbox`.

use alloc::vec::Vec;

use vm::{Fill, FrameId, FramePool, ObjectId, Others, Pmap, Progress, Prot, Range, Shortage, SpaceId};

use crate::clock::Clock;
use crate::machine::{Access, Machine, Slot};
use crate::manager::Managers;
use crate::memory::{Memory, Need, PAGE, Unit};
use crate::pmap::{self, Pmaps};

/// Bytes of heap that tasks and memory managers do not get.
const SERVERS_HEAP: usize = 512 * 1024;

/// Pages that taking a space down unmaps at a time.
const UNMAP_LIMIT: usize = vm::STEP_PAGES;

/// Memory, translations and machine together.
#[derive(Debug)]
pub struct Hardware<M> {
    /// The kernel below.
    pub machine: M,
    /// All ordinary memory.
    pub memory: Memory,
    /// All translations.
    pub pmaps: Pmaps,
    /// For whom memory is taken just now.
    pub need: Need,
    /// The root table that the next space is made of, for the one space that exists already: the first task's.
    pub next_space: Option<Slot>,
    /// Who serves memory objects, and what is to be told to them.
    pub managers: Managers,
    /// Time.
    pub clock: Clock,
    /// Objects that are gone and whose name somebody asked for.
    pub unnamed: Vec<ObjectId>,
}

impl<M: Machine> Hardware<M> {
    /// No spaces yet.
    pub fn new(machine: M, memory: Memory) -> Self {
        let pmaps = Pmaps::new(memory.total_frames());
        let mut managers = Managers::default();
        managers.set_memory(memory.total_frames());
        Self {
            machine,
            memory,
            pmaps,
            need: Need::Reserved,
            next_space: None,
            managers,
            clock: Clock::default(),
            unnamed: Vec::new(),
        }
    }

    /// Whether the heap has so much for who is served now. The last of it is kept for servers: a task that has used up the
    /// heap is refused, and they go on.
    pub fn has_heap(&self, bytes: usize) -> bool {
        let kept = if self.need < Need::Server { SERVERS_HEAP } else { 0 };
        self.machine.heap_room() >= bytes + kept
    }

    /// The capability of a space's root table.
    pub fn root_table(&self, space: SpaceId) -> Option<Slot> {
        self.pmaps.root(&self.memory, pmap::SpaceId(space.0))
    }
}

fn access(prot: Prot) -> Access {
    Access {
        read: prot.contains(Prot::READ),
        write: prot.contains(Prot::WRITE | Prot::READ),
        execute: prot.contains(Prot::EXECUTE),
    }
}

const fn unit(frame: FrameId) -> Unit {
    Unit(frame.0)
}

impl From<crate::memory::Shortage> for Shortage {
    fn from(_: crate::memory::Shortage) -> Self {
        Self
    }
}

impl<M: Machine> Pmap for Hardware<M> {
    fn create_space(&mut self) -> Result<SpaceId, Shortage> {
        let id = match self.next_space.take() {
            Some(root) => self.pmaps.adopt(root),
            None => self.pmaps.create(&mut self.memory, &mut self.machine, self.need)?,
        };
        Ok(SpaceId(id.0))
    }

    fn destroy_space(&mut self, space: SpaceId) -> bool {
        self.pmaps.destroy(&mut self.memory, &mut self.machine, pmap::SpaceId(space.0), UNMAP_LIMIT)
    }

    fn enter(&mut self, space: SpaceId, address: u64, frame: FrameId, prot: Prot) -> Result<(), Shortage> {
        let space = pmap::SpaceId(space.0);
        self.pmaps.enter(&mut self.memory, &mut self.machine, space, address, unit(frame), access(prot))?;
        Ok(())
    }

    fn remove(&mut self, space: SpaceId, start: u64, end: u64, limit: usize) -> Progress {
        let space = pmap::SpaceId(space.0);
        let (next, changed) = self.pmaps.remove(&mut self.memory, &mut self.machine, space, start, end, limit);
        Progress { next, changed }
    }

    fn protect(&mut self, space: SpaceId, range: Range, prot: Prot, limit: usize, others: Others) -> Progress {
        let (memory, machine) = (&mut self.memory, &mut self.machine);
        let (space, range, how) = (pmap::SpaceId(space.0), (range.start, range.end), (limit, others));
        let (next, changed) = self.pmaps.protect(memory, machine, space, range, access(prot), how);
        Progress { next, changed }
    }

    fn page_protect(&mut self, frame: FrameId, prot: Prot) {
        self.pmaps.page_protect(&mut self.memory, &mut self.machine, unit(frame), access(prot));
    }

    fn is_only_mapped_at(&self, frame: FrameId, space: SpaceId, address: u64) -> bool {
        self.pmaps.is_only_mapped_at(unit(frame), pmap::SpaceId(space.0), address)
    }

    fn is_free_to_map(&self, frame: FrameId, space: SpaceId, address: u64) -> bool {
        self.pmaps.is_free_to_map(unit(frame), pmap::SpaceId(space.0), address)
    }

    fn mapped_before(&self, space: SpaceId, address: u64, most: u64) -> u64 {
        self.pmaps.mapped_before(pmap::SpaceId(space.0), address, most)
    }

    fn resident_pages(&self, space: SpaceId) -> u64 {
        self.pmaps.resident_pages(pmap::SpaceId(space.0))
    }

    fn sync_instructions(&mut self, frame: FrameId) {
        self.pmaps.sync_instructions(&mut self.machine, unit(frame));
    }
}

impl<M: Machine> Hardware<M> {
    /// Notes that the server is about to write to a frame. Answers whether it was known to be all zero.
    #[inline]
    fn touch(&mut self, frame: FrameId) -> bool {
        self.pmaps.contents_changed(unit(frame));
        self.memory.forget_zeroed(unit(frame))
    }
}

impl<M: Machine> FramePool for Hardware<M> {
    fn allocate_frame(&mut self, fill: Fill) -> Result<FrameId, Shortage> {
        let taken = self.memory.take_frame(&mut self.machine, self.need).ok_or(Shortage)?;
        let was_zeroed = self.touch(FrameId(taken.0));
        if fill == Fill::Zero && !was_zeroed {
            self.machine.zero(taken, 0, PAGE as usize);
        }
        Ok(FrameId(taken.0))
    }

    fn free_frame(&mut self, frame: FrameId) {
        self.memory.put_frame(unit(frame));
    }

    fn free_frames(&self) -> u64 {
        u64::from(self.memory.free_frames())
    }

    fn promise_frame(&mut self, may_use_floor: bool) -> Result<(), Shortage> {
        Ok(self.memory.promise_frame(self.need, may_use_floor)?)
    }

    fn redeem_frame(&mut self) {
        self.memory.redeem_frame();
    }

    fn prepare_step(&mut self) -> Result<(), Shortage> {
        if self.has_heap(vm::STEP_HEAP) { Ok(()) } else { Err(Shortage) }
    }

    fn copy_frame(&mut self, from: FrameId, to: FrameId) {
        self.touch(to);
        self.machine.copy_bytes((unit(from), 0), (unit(to), 0), PAGE as usize);
    }

    fn copy_bytes(&mut self, from: FrameId, from_offset: usize, to: FrameId, to_offset: usize, count: usize) {
        self.touch(to);
        self.machine.copy_bytes((unit(from), from_offset), (unit(to), to_offset), count);
    }

    fn read_bytes(&mut self, frame: FrameId, offset: usize, bytes: &mut [u8]) {
        self.machine.read(unit(frame), offset, bytes);
    }

    fn write_bytes(&mut self, frame: FrameId, offset: usize, bytes: &[u8]) {
        self.touch(frame);
        self.machine.write(unit(frame), offset, bytes);
    }

    fn zero_bytes(&mut self, frame: FrameId, offset: usize, count: usize) {
        self.touch(frame);
        self.machine.zero(unit(frame), offset, count);
    }
}
