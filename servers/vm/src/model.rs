//! A machine of ordinary memory, and tasks on it, for tests: [`Machine`] implements [`crate::Env`], [`World`] runs
//! operations to their end and plays the processor.

use std::collections::{BTreeMap, BTreeSet};

use mach_protocol::{KernResult, KernReturn};

use crate::step::STEP_PAGES;
use crate::*;

type Frame = [u8; PAGE_SIZE as usize];

/// Physical memory and address spaces.
pub(crate) struct Machine {
    pub(crate) frames: Vec<Option<Box<Frame>>>,
    pub(crate) free: Vec<u32>,
    pub(crate) spaces: BTreeMap<SpaceId, BTreeMap<u64, (FrameId, Prot)>>,
    pub(crate) mapped: BTreeMap<FrameId, BTreeSet<(SpaceId, u64)>>,
    next_space: u32,
    /// Requests for memory until one is refused.
    pub(crate) fail_in: Option<u32>,
    /// Frames and mappings touched in the present step.
    touched: usize,
    /// What managers were told.
    pub(crate) told: Vec<Told>,
    /// Messages that each association still takes.
    pub(crate) room: u32,
    /// Associations that somebody waits for.
    pub(crate) waited_for: BTreeSet<AssocId>,
    /// Each time that a manager's time started.
    pub(crate) starts: Vec<AssocId>,
    pub(crate) returns_taken: BTreeMap<AssocId, u64>,
    /// Pages that came unasked and were not used yet; and how many there may be.
    pub(crate) unasked: BTreeMap<AssocId, u32>,
    pub(crate) most_unasked: u32,
    /// A port was made for a copy in the present step.
    copied: bool,
    next_port: u64,
    /// The next `init` is refused with this.
    pub(crate) refuses_init: Option<KernReturn>,
    /// Frames that only the default pager gets, beside those that were promised.
    pub(crate) reserve: u64,
    /// Frames beside these that new memory does not get.
    pub(crate) floor: u64,
    /// How often a frame was freed, or a promise redeemed.
    pub(crate) freed: u64,
    pub(crate) promised: u64,
    /// It is the default pager's turn.
    pub(crate) is_pager: bool,
    /// The fewest frames that were ever free.
    pub(crate) least_free: u64,
    /// Pages of each data_request.
    pub(crate) asked: Vec<u64>,
}

impl Machine {
    pub(crate) fn new(frames: u32) -> Machine {
        Machine {
            frames: (0..frames).map(|_| None).collect(),
            free: (0..frames).rev().collect(),
            spaces: BTreeMap::new(),
            mapped: BTreeMap::new(),
            next_space: 0,
            fail_in: None,
            touched: 0,
            told: Vec::new(),
            room: u32::MAX,
            waited_for: BTreeSet::new(),
            starts: Vec::new(),
            returns_taken: BTreeMap::new(),
            unasked: BTreeMap::new(),
            most_unasked: u32::MAX,
            copied: false,
            next_port: 1000,
            refuses_init: None,
            reserve: 0,
            floor: 0,
            freed: 0,
            promised: 0,
            is_pager: false,
            least_free: u64::MAX,
            asked: Vec::new(),
        }
    }

    pub(crate) fn used_frames(&self) -> usize {
        self.frames.len() - self.free.len()
    }

    fn refuse(&mut self) -> Result<(), Shortage> {
        match &mut self.fail_in {
            Some(0) => Err(Shortage),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(crate) fn bytes(&mut self, frame: FrameId) -> &mut Frame {
        self.touched += 1;
        self.frames[frame.0 as usize].as_mut().expect("a frame in use")
    }

    fn unmap(&mut self, space: SpaceId, address: u64) {
        if let Some((frame, _)) = self.spaces.get_mut(&space).unwrap().remove(&address) {
            self.mapped.get_mut(&frame).unwrap().remove(&(space, address));
        }
    }
}

impl Pmap for Machine {
    fn create_space(&mut self) -> Result<SpaceId, Shortage> {
        self.refuse()?;
        self.next_space += 1;
        let space = SpaceId(self.next_space);
        self.spaces.insert(space, BTreeMap::new());
        Ok(space)
    }

    fn destroy_space(&mut self, space: SpaceId) -> bool {
        let left = self.spaces.remove(&space).expect("a space");
        assert!(left.is_empty(), "mappings are removed first");
        false
    }

    fn enter(&mut self, space: SpaceId, address: u64, frame: FrameId, prot: Prot) -> Result<(), Shortage> {
        assert!(is_aligned(address));
        assert!(!prot.is_empty() && (prot.contains(Prot::READ) || !prot.contains(Prot::WRITE)));
        assert!(self.frames[frame.0 as usize].is_some(), "only frames in use are mapped");
        self.touched += 1;
        self.refuse()?;
        self.unmap(space, address);
        self.spaces.get_mut(&space).unwrap().insert(address, (frame, prot));
        self.mapped.entry(frame).or_default().insert((space, address));
        Ok(())
    }

    fn remove(&mut self, space: SpaceId, start: u64, end: u64, limit: usize) -> Progress {
        let all: Vec<u64> = self.spaces[&space].range(start..end).map(|(at, _)| *at).take(limit + 1).collect();
        for address in all.iter().take(limit) {
            self.unmap(space, *address);
        }
        let changed = all.len().min(limit);
        self.touched += changed;
        Progress { next: all.get(limit).copied().unwrap_or(end), changed }
    }

    fn protect(&mut self, space: SpaceId, range: Range, prot: Prot, limit: usize, others: Others) -> Progress {
        /// Mappings that are forgotten at once, where they may.
        const MANY: usize = 4;
        let Range { start, end } = range;
        let mut changed = 0;
        let all: Vec<u64> = self.spaces[&space].range(start..end).map(|(at, _)| *at).collect();
        let is_losing = |at: &&u64| !prot.contains(self.spaces[&space][*at].1);
        if others == Others::MayGo && all.iter().filter(is_losing).count() >= MANY {
            let forgotten = all.len().min(limit);
            all.iter().take(limit).for_each(|at| self.unmap(space, *at));
            self.touched += forgotten;
            return Progress { next: all.get(limit).copied().unwrap_or(end), changed: forgotten };
        }
        for address in all {
            if changed == limit {
                return Progress { next: address, changed };
            }
            let old = self.spaces[&space][&address].1;
            if prot.contains(old) {
                continue;
            }
            changed += 1;
            self.touched += 1;
            let new = map::protect::hardware(old & prot);
            if new.is_empty() {
                self.unmap(space, address);
            } else {
                self.spaces.get_mut(&space).unwrap().get_mut(&address).unwrap().1 = new;
            }
        }
        Progress { next: end, changed }
    }

    fn page_protect(&mut self, frame: FrameId, prot: Prot) {
        self.touched += 1;
        for (space, address) in self.mapped.get(&frame).cloned().unwrap_or_default() {
            let touched = self.touched;
            let page = Range { start: address, end: address + PAGE_SIZE };
            self.protect(space, page, prot, 1, Others::Stay);
            self.touched = touched;
        }
    }

    fn is_only_mapped_at(&self, frame: FrameId, space: SpaceId, address: u64) -> bool {
        self.mapped.get(&frame).is_some_and(|places| places.iter().eq([&(space, address)]))
    }

    fn is_free_to_map(&self, frame: FrameId, space: SpaceId, address: u64) -> bool {
        self.mapped.get(&frame).is_none_or(BTreeSet::is_empty) && !self.spaces[&space].contains_key(&address)
    }

    fn mapped_before(&self, space: SpaceId, address: u64, most: u64) -> u64 {
        let is_mapped = |page: &u64| {
            let before = address.checked_sub(page * PAGE_SIZE);
            before.is_some_and(|before| self.spaces[&space].contains_key(&before))
        };
        (1..=most).take_while(is_mapped).count() as u64
    }

    fn resident_pages(&self, space: SpaceId) -> u64 {
        self.spaces[&space].len() as u64
    }

    fn sync_instructions(&mut self, _frame: FrameId) {
        self.touched += 1;
    }
}

impl FramePool for Machine {
    fn allocate_frame(&mut self, fill: Fill) -> Result<FrameId, Shortage> {
        self.refuse()?;
        self.touched += 1;
        if !self.is_pager && self.free_frames() <= self.reserve + self.floor + self.promised {
            return Err(Shortage);
        }
        let number = self.free.pop().ok_or(Shortage)?;
        self.least_free = self.least_free.min(self.free_frames());
        let byte = if fill == Fill::Zero { 0 } else { 0xaa };
        self.frames[number as usize] = Some(Box::new([byte; PAGE_SIZE as usize]));
        Ok(FrameId(number))
    }

    fn free_frame(&mut self, frame: FrameId) {
        self.touched += 1;
        let mapped = self.mapped.remove(&frame).unwrap_or_default();
        assert!(mapped.is_empty(), "a frame is unmapped before it is freed: {mapped:?}");
        assert!(self.frames[frame.0 as usize].take().is_some(), "freed once");
        self.free.push(frame.0);
        self.freed += 1;
    }

    fn free_frames(&self) -> u64 {
        self.free.len() as u64
    }

    fn promise_frame(&mut self, may_use_floor: bool) -> Result<(), Shortage> {
        self.refuse()?;
        let floor = if may_use_floor { 0 } else { self.floor };
        if self.free_frames() <= self.reserve + floor + self.promised {
            return Err(Shortage);
        }
        self.promised += 1;
        Ok(())
    }

    fn redeem_frame(&mut self) {
        self.promised -= 1;
        self.freed += 1;
    }

    fn prepare_step(&mut self) -> Result<(), Shortage> {
        self.refuse()
    }

    fn copy_frame(&mut self, from: FrameId, to: FrameId) {
        let bytes = *self.bytes(from);
        *self.bytes(to) = bytes;
    }

    fn copy_bytes(&mut self, from: FrameId, from_offset: usize, to: FrameId, to_offset: usize, count: usize) {
        let bytes = *self.bytes(from);
        self.bytes(to)[to_offset..to_offset + count].copy_from_slice(&bytes[from_offset..from_offset + count]);
    }

    fn read_bytes(&mut self, frame: FrameId, offset: usize, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.bytes(frame)[offset..offset + bytes.len()]);
    }

    fn write_bytes(&mut self, frame: FrameId, offset: usize, bytes: &[u8]) {
        self.bytes(frame)[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn zero_bytes(&mut self, frame: FrameId, offset: usize, count: usize) {
        self.bytes(frame)[offset..offset + count].fill(0);
    }
}

/// What a manager, or the server, was told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Init(ManagerId, AssocId),
    Create(AssocId, u64),
    Request(AssocId, u64, Prot),
    Unlock(AssocId, u64, Prot),
    Return(AssocId, ReturnedPages),
    /// A copy of a part of the first one: the second one.
    Copy(AssocId, AssocId, u64, u64),
    Synchronize(AssocId, u64, u64),
    Terminate(AssocId),
    NameDead(ObjectId),
}

impl Pager for Machine {
    fn init(&mut self, manager: ManagerId, assoc: AssocId) -> KernResult<()> {
        if let Some(error) = self.refuses_init.take() {
            return Err(error);
        }
        self.told.push(Told::Init(manager, assoc));
        Ok(())
    }
    fn create(&mut self, assoc: AssocId, size: u64) -> KernResult<()> {
        self.told.push(Told::Create(assoc, size));
        Ok(())
    }
    fn has_room(&self, _assoc: AssocId) -> bool {
        self.room > 0
    }
    fn data_request(&mut self, assoc: AssocId, offset: u64, length: u64, access: Prot) {
        self.room -= 1;
        self.asked.push(length / PAGE_SIZE);
        for offset in (offset..offset + length).step_by(PAGE_SIZE as usize) {
            self.told.push(Told::Request(assoc, offset, access));
        }
    }
    fn data_unlock(&mut self, assoc: AssocId, offset: u64, length: u64, access: Prot) {
        assert_eq!(length, PAGE_SIZE);
        self.room -= 1;
        self.told.push(Told::Unlock(assoc, offset, access));
    }
    fn data_return(&mut self, assoc: AssocId, pages: ReturnedPages) {
        self.room -= 1;
        self.told.push(Told::Return(assoc, pages));
    }
    fn copy(&mut self, assoc: AssocId, copy: AssocId, offset: u64, length: u64) -> Option<ManagerId> {
        if core::mem::replace(&mut self.copied, true) {
            return None;
        }
        self.room -= 1;
        self.next_port += 1;
        let manager = ManagerId(self.next_port);
        self.told.extend([Told::Copy(assoc, copy, offset, length), Told::Init(manager, copy)]);
        Some(manager)
    }
    fn takes_unasked(&self, _assoc: AssocId) -> bool {
        self.unasked.values().sum::<u32>() < self.most_unasked
    }
    fn supplied_unasked(&mut self, assoc: AssocId) {
        *self.unasked.entry(assoc).or_default() += 1;
    }
    fn used_unasked(&mut self, assoc: AssocId) {
        *self.unasked.get_mut(&assoc).expect("it was supplied") -= 1;
    }
    fn returns_taken(&self, assoc: AssocId) -> u64 {
        self.returns_taken.get(&assoc).copied().unwrap_or(0)
    }
    fn synchronize(&mut self, assoc: AssocId, offset: u64, length: u64, _flags: u32) {
        self.room -= 1;
        self.told.push(Told::Synchronize(assoc, offset, length));
    }
    fn terminate(&mut self, assoc: AssocId) {
        self.told.push(Told::Terminate(assoc));
    }
    fn waiting(&mut self, assoc: AssocId, is_waiting: bool) {
        if is_waiting {
            self.starts.push(assoc);
            self.waited_for.insert(assoc);
        } else {
            assert!(self.waited_for.remove(&assoc), "told once");
        }
    }
    fn name_dead(&mut self, object: ObjectId) {
        self.told.push(Told::NameDead(object));
    }
}

/// The lowest and the highest address of the tasks.
pub(crate) const BOUNDS: Range = Range { start: 0x1000, end: 0x7000_0000_0000 };

/// The virtual memory on a machine.
pub(crate) struct World {
    pub(crate) vm: Vm,
    pub(crate) machine: Machine,
    /// The data of messages that a test has taken out of what managers were told.
    pub(crate) messages: Vec<ObjectId>,
    /// The waits that are over, since somebody looked.
    pub(crate) woken: Vec<(WaitOn, Wake)>,
    pub(crate) pager: Option<crate::tests::pager::ModelPager>,
}

impl World {
    pub(crate) fn new(frames: u32) -> World {
        World {
            vm: Vm::new(Config { memory: 1 << 30 }),
            machine: Machine::new(frames),
            messages: Vec::new(),
            woken: Vec::new(),
            pager: None,
        }
    }

    pub(crate) fn task(&mut self) -> MapId {
        self.vm.create_map(&mut self.machine, BOUNDS).expect("room for a task")
    }

    /// One step, which must keep its bound.
    pub(crate) fn step<O: Operation>(&mut self, operation: &mut O) -> Step<O::Out> {
        (self.machine.touched, self.machine.copied) = (0, false);
        let step = operation.step(&mut self.vm, &mut self.machine);
        // A page may be looked up, copied and mapped: a small number of effects each.
        assert!(self.machine.touched <= 6 * STEP_PAGES + 8, "{} touched", self.machine.touched);
        step
    }

    /// Runs an operation that never has to wait for anybody but the default pager.
    pub(crate) fn run<O: Operation>(&mut self, mut operation: O) -> KernResult<O::Out> {
        let mut wake = Wake::Retry;
        for _ in 0..2_000_000 {
            self.vm.wait_ended(core::mem::replace(&mut wake, Wake::Retry));
            let step = self.step(&mut operation);
            self.vm.wait_ended(Wake::Retry);
            match step {
                Step::Done(result) => {
                    self.drain();
                    return result;
                }
                Step::Again => {}
                Step::Wait(what) => wake = self.wait_for_pager(what),
            }
        }
        panic!("no end");
    }

    /// Notes the waits that are over.
    pub(crate) fn drain(&mut self) {
        self.woken.extend(core::iter::from_fn(|| self.vm.next_wakeup()));
    }

    /// Goes on with an operation that waits, if the wait is over.
    pub(crate) fn resume<O: Operation>(&mut self, operation: &mut O, on: WaitOn) -> Step<O::Out> {
        self.drain();
        let Some(&(_, wake)) = self.woken.iter().find(|(what, _)| *what == on) else { return Step::Wait(on) };
        (self.machine.touched, self.machine.copied) = (0, false);
        operation.resume(&mut self.vm, &mut self.machine, wake)
    }

    /// Frees what can be freed.
    pub(crate) fn settle(&mut self) {
        while self.vm.reap(&mut self.machine) {}
    }

    /// The frame that a task's access reaches, after faulting as often as it takes.
    pub(crate) fn access(&mut self, map: MapId, address: u64, access: Prot) -> KernResult<FrameId> {
        let space = self.vm.space_of(map).ok_or(KernReturn::INVALID_ADDRESS)?;
        for _ in 0..100 {
            if let Some((frame, prot)) = self.machine.spaces[&space].get(&trunc(address))
                && prot.contains(access)
            {
                return Ok(*frame);
            }
            self.run(Fault::new(map, address, access))?;
        }
        panic!("a resolved fault leaves a mapping");
    }

    /// A task's load.
    pub(crate) fn load(&mut self, map: MapId, address: u64) -> KernResult<u8> {
        let frame = self.access(map, address, Prot::READ)?;
        Ok(self.machine.bytes(frame)[(address - trunc(address)) as usize])
    }

    /// A task's store.
    pub(crate) fn store(&mut self, map: MapId, address: u64, value: u8) -> KernResult<()> {
        let frame = self.access(map, address, Prot::WRITE)?;
        self.machine.bytes(frame)[(address - trunc(address)) as usize] = value;
        Ok(())
    }

    /// A task's instruction fetch.
    pub(crate) fn fetch(&mut self, map: MapId, address: u64) -> KernResult<()> {
        self.access(map, address, Prot::EXECUTE).map(|_| ())
    }

    /// A page as the task sees it.
    pub(crate) fn load_page(&mut self, map: MapId, address: u64) -> KernResult<Vec<u8>> {
        let frame = self.access(map, trunc(address), Prot::READ)?;
        Ok(self.machine.bytes(frame).to_vec())
    }

    /// Fills a page.
    pub(crate) fn fill(&mut self, map: MapId, address: u64, value: u8) -> KernResult<()> {
        let frame = self.access(map, trunc(address), Prot::WRITE)?;
        self.machine.bytes(frame).fill(value);
        Ok(())
    }

    /// Ends a task.
    pub(crate) fn end(&mut self, map: MapId) {
        self.run(Destroy::new(map)).expect("a task to end");
    }
}
