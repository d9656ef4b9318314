//! The implementation under the machine's events: two tasks that map an object, a manager's task, and the operations that
//! are in progress.

use std::collections::VecDeque;

use mach_protocol::KernReturn;

use super::machine::{self, Event, Msg, Outcome, PageState as Modelled};
use crate::association::State;
use crate::model::{Told, World};
use crate::tests::bench::*;
use crate::tests::managed::{O, map_args};
use crate::*;

/// An operation that waits, for what, and how the wait ended.
struct Waiting<Op> {
    op: Op,
    on: WaitOn,
    woken: Option<Wake>,
}

enum Running {
    Map(Box<Waiting<MapMemory>>),
    Touch(Waiting<Fault>, usize, Option<u8>),
}

/// A message that the manager has not taken.
struct Unread {
    assoc: AssocId,
    is_counted: bool,
    data: Option<ReturnedData>,
}

pub(super) struct Real<const C: usize, const N: usize> {
    pub(super) world: World,
    tasks: [MapId; C],
    addresses: [Option<u64>; C],
    running: [Option<Running>; C],
    lock: Option<Waiting<LockRequest>>,
    manager: MapId,
    /// Where the manager prepares its data.
    buffer: u64,
    /// The association that began last.
    pub(super) assoc: Option<AssocId>,
    /// The one before.
    pub(super) stale: Option<AssocId>,
    queue: VecDeque<Unread>,
    is_dead: bool,
    /// The next supply gives its memory away.
    pub(super) moves: bool,
}

impl<const C: usize, const N: usize> Real<C, N> {
    pub(super) fn new(room: u32) -> Self {
        let mut world = World::new(80);
        let tasks = core::array::from_fn(|_| world.task());
        let manager = world.task();
        let call = Allocate::new(Some(manager), 0, N as u64 * P, flags::ANYWHERE, Family::Xnu);
        let buffer = world.run(call).expect("memory");
        for page in 0..N as u64 {
            world.fill(manager, buffer + page * P, 0).expect("memory");
        }
        world.machine.room = room;
        Real {
            world,
            tasks,
            addresses: [None; C],
            running: core::array::from_fn(|_| None),
            lock: None,
            manager,
            buffer,
            assoc: None,
            stale: None,
            queue: VecDeque::new(),
            is_dead: false,
            moves: false,
        }
    }

    /// Does what an event says. The caller has seen that it can happen.
    pub(super) fn apply(&mut self, event: Event<N>, room: u32) -> (Vec<Msg<N>>, Outcome) {
        let outcome = self.act(event);
        self.world.settle();
        let sent = self.hear(room);
        self.note_wakes();
        (sent, outcome)
    }

    fn act(&mut self, event: Event<N>) -> Outcome {
        let dead = self.is_dead.then_some(KernReturn::INVALID_ARGUMENT);
        self.world.machine.refuses_init = dead;
        // A null control is as good as one that is over.
        let assoc = self.assoc.unwrap_or(AssocId::from_word(u64::MAX));
        let World { vm, machine, .. } = &mut self.world;
        match event {
            Event::Map(c) => {
                let op = MapMemory::new(Some(self.tasks[c]), map_args(0, N as u64 * P));
                self.map(c, op, None)
            }
            Event::Unmap(c) => match self.addresses[c].take() {
                Some(address) => {
                    let call = Deallocate::new(Some(self.tasks[c]), address, N as u64 * P, Holes::Refused);
                    Outcome::Done(code(self.world.run(call)))
                }
                None => Outcome::Nothing,
            },
            Event::Touch { client, page, writes } => {
                let address = self.addresses[client].unwrap_or(0) + page as u64 * P;
                let access = if writes.is_some() { Prot::WRITE } else { Prot::READ };
                let space = vm.space_of(self.tasks[client]).expect("a space");
                let (_, mapped) = machine.spaces[&space].get(&address).copied().unwrap_or((FrameId(0), Prot::NONE));
                if mapped.contains(access) {
                    // No fault: nobody is asked.
                    return self.access(client, page, writes);
                }
                self.touch(client, Fault::new(self.tasks[client], address, access), (page, writes), None)
            }
            Event::Resume(c) => match self.running[c].take() {
                Some(Running::Map(waiting)) => {
                    let Waiting { op, woken, .. } = *waiting;
                    self.map(c, op, woken)
                }
                Some(Running::Touch(Waiting { op, woken, .. }, page, writes)) => {
                    self.touch(c, op, (page, writes), woken)
                }
                None => Outcome::Nothing,
            },
            Event::Abort(c) => {
                let cancelled = match self.running[c].take() {
                    Some(Running::Map(mut waiting)) => waiting.op.cancel(vm),
                    Some(Running::Touch(mut waiting, ..)) => waiting.op.cancel(vm),
                    None => Cancel::Dropped,
                };
                assert_eq!(cancelled, Cancel::Dropped);
                Outcome::Nothing
            }
            Event::Take => {
                if let Some(unread) = self.queue.pop_front() {
                    machine.room += u32::from(unread.is_counted && Some(unread.assoc) == self.assoc);
                    if let Some(data) = unread.data {
                        vm.discard_returned(data);
                        *machine.returns_taken.entry(unread.assoc).or_default() += 1;
                    }
                    vm.room(machine, unread.assoc);
                }
                Outcome::Nothing
            }
            Event::Ready { may_cache, temporary } => {
                let strategy = if temporary { 3 } else { 2 };
                Outcome::Done(code(vm.ready(machine, assoc, may_cache, strategy)))
            }
            Event::Supply { first, count, values, lock, precious } => {
                self.supply((first, count), values, lock, precious)
            }
            Event::Unavailable { first, count } => {
                let (offset, size) = (first as u64 * P, count as u64 * P);
                Outcome::Done(code(vm.data_unavailable(machine, assoc, offset, size)))
            }
            Event::Error { first, count } => {
                let (offset, size) = (first as u64 * P, count as u64 * P);
                Outcome::Done(code(vm.data_error(machine, assoc, offset, size)))
            }
            Event::Lock(args) => {
                let args = LockArgs {
                    offset: args.first as u64 * P,
                    size: (args.end - args.first) as u64 * P,
                    should_return: args.returns.into(),
                    should_flush: args.flush.into(),
                    lock_value: args.lock.map_or(8, u32::from),
                };
                self.lock(LockRequest::new(assoc, args), None)
            }
            Event::ResumeLock => match self.lock.take() {
                Some(Waiting { op, woken, .. }) => self.lock(op, woken),
                None => Outcome::Nothing,
            },
            Event::Destroy => {
                vm.destroy(machine, assoc);
                Outcome::Nothing
            }
            Event::Die => {
                vm.manager_died(machine, O);
                self.is_dead = true;
                self.queue.drain(..).filter_map(|unread| unread.data).for_each(|data| vm.discard_returned(data));
                Outcome::Nothing
            }
            Event::Overdue => {
                vm.overdue(machine, assoc);
                Outcome::Nothing
            }
            Event::Evict(page) => {
                let offset = page as u64 * P;
                let object = vm.object_of(assoc).and_then(|object| vm.objects.get(object));
                let is_ending = vm.associations.get(assoc).is_none_or(|record| record.is_terminating());
                if let Some(id) = object.and_then(|object| object.pages.get(&offset).copied())
                    && !is_ending
                {
                    vm.take_page(machine, assoc, offset, id, 1);
                }
                Outcome::Nothing
            }
            Event::Uncache => {
                vm.uncache_oldest();
                Outcome::Nothing
            }
        }
    }

    /// Steps an operation to its end or its first wait.
    fn drive<Op: Operation>(&mut self, op: &mut Op, wake: Option<Wake>) -> Step<Op::Out> {
        let World { vm, machine, .. } = &mut self.world;
        let mut step = match wake {
            Some(wake) => op.resume(vm, machine, wake),
            None => op.step(vm, machine),
        };
        while matches!(step, Step::Again) {
            step = self.world.step(op);
        }
        step
    }

    fn map(&mut self, c: usize, mut op: MapMemory, wake: Option<Wake>) -> Outcome {
        match self.drive(&mut op, wake) {
            Step::Done(Ok(address)) => {
                self.addresses[c] = Some(address);
                Outcome::Done(0)
            }
            Step::Done(Err(error)) => Outcome::Done(error.0),
            Step::Wait(on) => {
                self.running[c] = Some(Running::Map(Box::new(Waiting { op, on, woken: None })));
                Outcome::Waits
            }
            Step::Again => unreachable!("it was driven on"),
        }
    }

    fn touch(&mut self, c: usize, mut op: Fault, what: (usize, Option<u8>), wake: Option<Wake>) -> Outcome {
        let (page, writes) = what;
        match self.drive(&mut op, wake) {
            Step::Done(Ok(())) => self.access(c, page, writes),
            Step::Done(Err(error)) => Outcome::Done(error.0),
            Step::Wait(on) => {
                self.running[c] = Some(Running::Touch(Waiting { op, on, woken: None }, page, writes));
                Outcome::Waits
            }
            Step::Again => unreachable!("it was driven on"),
        }
    }

    /// The task's own instruction, after its fault was resolved.
    fn access(&mut self, c: usize, page: usize, writes: Option<u8>) -> Outcome {
        let World { vm, machine, .. } = &mut self.world;
        let space = vm.space_of(self.tasks[c]).expect("a space");
        let address = self.addresses[c].expect("mapped") + page as u64 * P;
        let (frame, prot) = machine.spaces[&space][&address];
        assert!(prot.contains(Prot::READ) && (writes.is_none() || prot.contains(Prot::WRITE)));
        let bytes = machine.bytes(frame);
        if let Some(value) = writes {
            bytes.fill(value);
        }
        assert!(bytes[0] == bytes[1] && bytes[0] == bytes[4095], "a page is of one piece");
        Outcome::Touched(bytes[0])
    }

    fn supply(&mut self, (first, count): (usize, usize), values: [u8; N], lock: u8, precious: bool) -> Outcome {
        let Some(assoc) = self.assoc else { return Outcome::Done(machine::INVALID_ARGUMENT) };
        for (page, value) in (0..count).zip(values) {
            self.world.fill(self.manager, self.buffer + page as u64 * P, value).expect("the manager's memory");
        }
        let args = SupplyArgs {
            offset: first as u64 * P,
            map: self.manager,
            address: self.buffer,
            size: count as u64 * P,
            deallocate: self.moves,
            lock_value: lock.into(),
            precious,
        };
        let done = self.world.run(DataSupply::new(assoc, args));
        if self.moves {
            let call = Allocate::new(Some(self.manager), self.buffer, count as u64 * P, flags::FIXED, Family::Xnu);
            self.world.run(call).expect("the place is free again");
        }
        match done {
            Err(error) => Outcome::Done(error.0),
            Ok(done) => Outcome::Supplied(done.result.0, (done.error_offset / P) as usize),
        }
    }

    fn lock(&mut self, mut op: LockRequest, wake: Option<Wake>) -> Outcome {
        match self.drive(&mut op, wake) {
            Step::Done(result) => Outcome::Done(code(result)),
            Step::Wait(on) => {
                self.lock = Some(Waiting { op, on, woken: None });
                Outcome::Waits
            }
            Step::Again => unreachable!("it was driven on"),
        }
    }

    /// What the manager was sent.
    fn hear(&mut self, room: u32) -> Vec<Msg<N>> {
        let number = |offset: u64| (offset / P) as usize;
        let told = core::mem::take(&mut self.world.machine.told);
        told.into_iter()
            .map(|told| {
                let mut data = None;
                let (assoc, msg) = match told {
                    Told::Init(_, assoc) => {
                        self.stale = self.assoc.replace(assoc);
                        self.world.machine.room = room;
                        (assoc, Msg::Init)
                    }
                    Told::Create(..) => unreachable!("there is no default pager"),
                    Told::Request(assoc, offset, access) => {
                        (assoc, Msg::Request { page: number(offset), access: access.bits() })
                    }
                    Told::Unlock(assoc, offset, access) => {
                        (assoc, Msg::Unlock { page: number(offset), access: access.bits() })
                    }
                    Told::Return(assoc, pages) => {
                        let msg = Msg::Return {
                            first: number(pages.offset),
                            count: number(pages.data.size()),
                            values: self.contents(pages.data.object()),
                            dirty: pages.is_dirty,
                            kernel_copy: pages.kernel_copy,
                        };
                        data = Some(pages.data);
                        (assoc, msg)
                    }
                    Told::Terminate(assoc) => (assoc, Msg::Terminate),
                    Told::Synchronize(..) => unreachable!("nobody wants to be told"),
                    Told::Copy(..) => unreachable!("nobody copies"),
                    Told::NameDead(_) => unreachable!("nobody asked for a name"),
                };
                self.queue.push_back(Unread { assoc, is_counted: msg.is_counted(), data });
                msg
            })
            .collect()
    }

    /// The first byte of each page of a message.
    fn contents(&mut self, object: ObjectId) -> [u8; N] {
        let World { vm, machine, .. } = &mut self.world;
        let object = vm.objects.get(object).expect("the message's data");
        core::array::from_fn(|page| {
            let id = object.pages.get(&(page as u64 * P));
            let frame = id.and_then(|id| vm.pages.get(*id)).and_then(|page| page.state.frame());
            frame.map_or(0, |frame| machine.bytes(frame)[0])
        })
    }

    fn note_wakes(&mut self) {
        self.world.drain();
        for (what, wake) in core::mem::take(&mut self.world.woken) {
            let note = |on: WaitOn, woken: &mut Option<Wake>| {
                if on == what {
                    woken.get_or_insert(wake);
                }
            };
            for running in self.running.iter_mut().flatten() {
                match running {
                    Running::Map(waiting) => note(waiting.on, &mut waiting.woken),
                    Running::Touch(waiting, ..) => note(waiting.on, &mut waiting.woken),
                }
            }
            if let Some(waiting) = &mut self.lock {
                note(waiting.on, &mut waiting.woken);
            }
        }
    }

    /// How a client's wait ended.
    pub(super) fn woken(&self, c: usize) -> Option<Wake> {
        match self.running[c].as_ref()? {
            Running::Map(waiting) => waiting.woken,
            Running::Touch(waiting, ..) => waiting.woken,
        }
    }

    pub(super) fn lock_woken(&self) -> Option<Wake> {
        self.lock.as_ref()?.woken
    }

    /// The page that a client's operation is about.
    pub(super) fn touched(&self, c: usize) -> Option<usize> {
        match self.running[c] {
            Some(Running::Touch(_, page, _)) => Some(page),
            _ => None,
        }
    }

    /// A call on an association that is over changes nothing.
    pub(super) fn call_stale(&mut self, kind: usize) {
        let Some(stale) = self.stale.filter(|stale| Some(*stale) != self.assoc) else { return };
        let World { vm, machine, .. } = &mut self.world;
        const REFUSED: KernReturn = KernReturn::INVALID_ARGUMENT;
        match kind {
            0 => vm.destroy(machine, stale),
            1 => vm.overdue(machine, stale),
            2 => assert_eq!(vm.ready(machine, stale, true, 2), Err(REFUSED)),
            3 => assert_eq!(vm.data_error(machine, stale, 0, P), Err(REFUSED)),
            4 => assert_eq!(vm.data_unavailable(machine, stale, 0, P), Err(REFUSED)),
            _ => {
                let args = LockArgs { offset: 0, size: P, should_return: 0, should_flush: 1, lock_value: 0 };
                assert_eq!(LockRequest::new(stale, args).check(vm), Err(REFUSED));
            }
        }
        assert!(machine.told.is_empty(), "nobody is told");
        assert_eq!(vm.next_wakeup(), None, "nobody is woken");
    }

    pub(super) fn is_idle(&self, c: usize) -> bool {
        self.running[c].is_none()
    }

    pub(super) fn is_mapped(&self, c: usize) -> bool {
        self.addresses[c].is_some()
    }

    pub(super) fn is_locking(&self) -> bool {
        self.lock.is_some()
    }

    /// The pages of the object that a client maps, or of the association's.
    pub(super) fn pages(&mut self, object: ObjectId) -> [machine::Page; N] {
        let values = self.contents(object);
        let World { vm, .. } = &self.world;
        let is_gone = vm.association_of(object).is_none();
        let object = vm.objects.get(object).expect("it exists");
        core::array::from_fn(|number| {
            let none = machine::Page { state: Modelled::None, value: 0, lock: 0, unlock: 0, precious: false };
            let Some(page) = object.pages.get(&(number as u64 * P)).and_then(|page| vm.pages.get(*page)) else {
                return none;
            };
            let state = match page.state {
                PageState::Requested { .. } => Modelled::Requested,
                PageState::Absent => Modelled::Absent,
                PageState::Clean { .. } => Modelled::Clean,
                PageState::Dirty { .. } => Modelled::Dirty,
            };
            let (lock, unlock) = if is_gone { (0, 0) } else { (page.lock.bits(), page.unlock_requested.bits()) };
            machine::Page { state, value: values[number], lock, unlock, precious: page.is_precious }
        })
    }

    /// The object behind a client's mapping.
    pub(super) fn object(&self, c: usize) -> Option<ObjectId> {
        let map = self.world.vm.maps.get(self.tasks[c])?;
        let (_, entry) = map.entries.lookup(self.addresses[c]?)?;
        Some(entry.backing?.object)
    }

    /// The association that is not over, and where it stands.
    pub(super) fn stage(&self) -> Option<machine::Stage> {
        let record = self.world.vm.associations.get(self.assoc?)?;
        Some(match record.state {
            State::Init => machine::Stage::Init,
            State::Ready => machine::Stage::Ready,
            State::Cached { .. } => machine::Stage::Cached,
            State::Terminating { discards } => machine::Stage::Terminating { discards },
        })
    }

    /// Checks everything, with the messages that were not taken.
    pub(super) fn assert_valid(&mut self) {
        let data = self.queue.iter().filter_map(|unread| Some(unread.data.as_ref()?.object()));
        self.world.messages = data.collect();
        self.world.assert_valid();
        self.world.messages.clear();
    }

    /// Everybody goes. Nothing may be left.
    pub(super) fn end(mut self) {
        self.world.machine.fail_in = None;
        for c in 0..C {
            self.act(Event::Abort(c));
        }
        if let Some(mut lock) = self.lock.take() {
            lock.op.cancel(&mut self.world.vm);
        }
        for task in self.tasks.into_iter().chain([self.manager]) {
            self.world.end(task);
        }
        self.world.machine.room = 1000;
        while !self.world.vm.associations.is_empty() {
            self.world.vm.uncache_oldest();
            if let Some(assoc) = self.assoc {
                self.world.vm.room(&mut self.world.machine, assoc);
            }
            self.world.settle();
        }
        self.hear(1000);
        while !self.queue.is_empty() {
            self.act(Event::Take);
        }
        self.world.settle();
        self.world.assert_valid();
        let World { vm, machine, .. } = &self.world;
        assert_eq!((machine.used_frames(), vm.pages.len(), vm.objects.len(), vm.maps.len()), (0, 0, 0, 0), "leaks");
        assert!(vm.managers.is_empty() && vm.cached.is_empty());
        assert!(machine.waited_for.is_empty());
    }
}
