//! The server: all state, and what happens when a message, a tick or a spare moment comes.
//!
//! The program receives and hands over; everything else is here, over a [`Machine`], so the host can run it.
//!
//! | module | holds |
//! |---|---|
//! | `operation` | operations, and what they wait for |
//! | `doorbells` | signals when messages wait |
//! | `dispatch` | from a message to a call or a fault |
//! | `work` | calls on maps |
//! | `host`, `tasks`, `threads`, `ports`, `private` | the other calls, a subsystem each |
//! | `processors` | the processor set, and which tasks are in it |
//! | `frames` | the line of those who wait for frames |
//! | `managers` | what memory managers are told |
//! | `paging` | who the default pager is |
//! | `memory_object`, `proxies` | calls of memory managers; what `vm_map` maps |
//! | `message` | `mach_msg` |
//! | `arrays`, `lists`, `pages` | answers, and questions, in the caller's memory |
//! | `faults`, `exception_ports` | page faults and exceptions; who is told of them |
//! | `end` | the end of threads and tasks |
//! | `run` | stopping, starting and answering threads |

mod arrays;
mod dispatch;
mod doorbells;
mod end;
mod exception_ports;
mod faults;
mod frames;
mod host;
mod lists;
mod managers;
mod memory_object;
mod message;
mod names;
mod operation;
mod pages;
mod paging;
mod ports;
mod private;
mod processors;
mod proxies;
mod run;
mod tasks;
#[cfg(test)]
mod tests;
mod threads;
mod work;
mod xnu;

use alloc::vec::Vec;

use arena::Arena;
use mach_protocol::wire::Text;
use mach_protocol::{KernReturn, PortName};
use vm::{Config, Vm};

use crate::handlers::Handlers;
use crate::hardware::Hardware;
use crate::machine::{Budget, Machine, Slot};
use crate::memory::{Memory, Need, PAGE};
use crate::port::{Event, Object, ObjectKind, PortId, Ports, SpaceId};
use crate::task::{Task, TaskId};
use crate::thread::{Thread, ThreadId};
pub use doorbells::{Doorbell, DoorbellId};
pub(crate) use operation::OpId;
use operation::{Op, Ops, Progress, Turn};

/// Tasks at a time.
const MAX_TASKS: usize = 2048;
/// Threads at a time.
const MAX_THREADS: usize = 8192;
/// The first address of a task's map.
const MAP_START: u64 = 0x1000;
/// The end of a task's map.
const MAP_END: u64 = 0x7000_0000_0000;
/// The round-robin share of a new thread.
const SLICE_US: u64 = 5_000;

/// What the program tells the server at the start.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// The reply object of the first receive.
    pub reply: Slot,
    /// The first task's TCB.
    pub root_tcb: Slot,
    /// The first task's root table.
    pub root_table: Slot,
    /// The part of its addresses that is its map.
    pub root_map: (u64, u64),
}

/// The server could not be brought up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoStart;

/// The server's whole state.
pub struct Server<M> {
    hw: Hardware<M>,
    vm: Vm,
    ports: Ports,
    tasks: Arena<Task>,
    threads: Arena<Thread>,
    ops: Ops,
    doorbells: Arena<doorbells::Doorbell>,
    proxies: Arena<proxies::Proxy>,
    names: names::Names,
    default_pager: Option<paging::DefaultPager>,
    /// What the log says of the default pager's space.
    logged_space: mach_protocol::private::PagingSpace,
    frame_line: frames::FrameLine,
    /// The manager for whom memory is taken now.
    borrower: Option<frames::Borrower>,
    /// The reply object of the next receive.
    spare: Slot,
    /// A tick was asked for and has not come.
    is_ticking: bool,
    /// The virtual memory may have left-overs to tidy.
    is_untidy: bool,
    host: PortId,
    host_priv: PortId,
    /// Who is told of exceptions that neither a thread's nor a task's handler has handled.
    host_handlers: Handlers,
    /// The name and the port of the processor set, in which all tasks are.
    processor_set: [PortId; 2],
    /// The first task.
    root: TaskId,
}

/// A thread that called, with what most calls need to know of it.
#[derive(Clone, Copy, Debug)]
struct Caller {
    thread: ThreadId,
    task: TaskId,
    space: SpaceId,
    map: vm::MapId,
}

impl<M: Machine> Server<M> {
    /// The server with its first task and thread, which exist already.
    ///
    /// # Errors
    /// [`NoStart`]: there is too little memory.
    pub fn new(machine: M, memory: Memory, start: Start) -> Result<Self, NoStart> {
        let bytes = u64::from(memory.total_frames()) * PAGE;
        let mut ports = Ports::new();
        let host = ports.create_server_port(Object { kind: ObjectKind::Host, id: 0 });
        let host_priv = ports.create_server_port(Object { kind: ObjectKind::HostPrivileged, id: 0 });
        let processor_set = [ObjectKind::ProcessorSetName, ObjectKind::ProcessorSet]
            .map(|kind| ports.create_server_port(Object { kind, id: 0 }));
        let mut server = Self {
            hw: Hardware::new(machine, memory),
            vm: Vm::new(Config { memory: bytes }),
            ports,
            tasks: Arena::new(),
            threads: Arena::new(),
            ops: Ops::new(),
            doorbells: Arena::new(),
            proxies: Arena::new(),
            names: names::Names::default(),
            default_pager: None,
            logged_space: mach_protocol::private::PagingSpace::Ok,
            frame_line: frames::FrameLine::default(),
            borrower: None,
            spare: start.reply,
            is_ticking: false,
            is_untidy: false,
            host,
            host_priv,
            host_handlers: Handlers::default(),
            processor_set,
            root: TaskId::new(0, 0),
        };
        server.adopt_root(&start).ok_or(NoStart)?;
        server.prepare_copy();
        Ok(server)
    }

    /// Enters the first task and its thread. Its first right is the one to the privileged host port.
    fn adopt_root(&mut self, start: &Start) -> Option<()> {
        self.hw.next_space = Some(start.root_table);
        let (first, end) = start.root_map;
        let map = self.vm.create_map(&mut self.hw, vm::Range { start: first, end }).ok()?;
        // Root stays in memory, whatever becomes of the default pager.
        self.vm.keep_resident(map);
        let task = self.enter_task(map)?;
        self.root = task;
        self.tasks.get_mut(task)?.is_server = true;
        let reply = self.hw.memory.take_reply(&mut self.hw.machine, self.hw.need).ok()?;
        let thread = self.enter_thread(task, start.root_tcb, reply)?;
        let thread = self.threads.get_mut(thread)?;
        (thread.suspended, thread.is_held) = (0, false);
        let space = self.tasks.get(task)?.space;
        self.ports.give_send(space, self.host_priv).ok()?;
        Some(())
    }

    /// The kernel below.
    pub const fn machine(&mut self) -> &mut M {
        &mut self.hw.machine
    }

    /// The reply object to receive with.
    pub const fn spare(&self) -> Slot {
        self.spare
    }

    /// Whether there is something to do before the next message is waited for.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.ops.has_ready() || self.is_untidy
    }

    /// Takes one step of what is left to do.
    pub fn work(&mut self) {
        match self.ops.next_ready() {
            Some(id) => self.step(id),
            None => {
                // What is tidied and paged out is everybody's.
                self.set_need(None);
                self.is_untidy = self.vm.reap(&mut self.hw);
                self.relieve();
                self.settle();
            }
        }
        self.arm();
    }

    /// A tick came.
    fn tick(&mut self) {
        self.is_ticking = false;
        self.hw.clock.tick();
        self.ops.expire(self.hw.clock.now());
        self.expire_frame_waits();
        self.expire_managers();
    }

    /// Asks for a tick if something has a time limit.
    fn arm(&mut self) {
        let has_deadline = self.ops.has_deadline() || self.hw.managers.has_deadline() || self.frame_line.has_deadline();
        if has_deadline && !self.is_ticking {
            self.is_ticking = true;
            self.hw.machine.wake_ticker();
        }
    }

    /// Enters an operation of a thread and takes its first step.
    fn begin(&mut self, op: Op) {
        let (caller, request) = (op.caller, op.request);
        self.begin_with(caller, request, |_| op);
    }

    /// Enters what is left of an operation after its first step, which was taken before: a fault or a call on a map is
    /// mostly over with that.
    fn begin_kept(&mut self, op: Op, progress: &Progress) {
        let caller = op.caller;
        if let Some(id) = self.enter(caller, |_| op) {
            self.keep(id, progress, false, None);
        }
    }

    /// Enters an operation, for its turn. This is for whoever acts on events: each of many may begin one, and a step
    /// acts on events again.
    fn begin_later(&mut self, op: Op) {
        let (caller, request) = (op.caller, op.request);
        match self.enter(caller, |_| op) {
            Some(id) => self.ops.make_ready(id),
            None => self.refuse(caller, request),
        }
    }

    /// Enters an operation that has to know its id and takes its first step. Its caller is the thread that is being served.
    fn begin_with(&mut self, caller: Option<ThreadId>, request: u32, make: impl FnOnce(OpId) -> Op) {
        match self.enter(caller, make) {
            Some(id) => {
                if caller.is_none() {
                    self.set_need(None);
                }
                self.step_as(id);
            }
            None => self.refuse(caller, request),
        }
    }

    /// Enters an operation. `None`: there are too many.
    fn enter(&mut self, caller: Option<ThreadId>, make: impl FnOnce(OpId) -> Op) -> Option<OpId> {
        let id = self.ops.insert_with(make)?;
        if let Some(thread) = caller.and_then(|caller| self.threads.get_mut(caller)) {
            thread.op = Some(id);
        }
        Some(id)
    }

    /// There are too many operations for this one.
    fn refuse(&mut self, caller: Option<ThreadId>, request: u32) {
        if let Some(caller) = caller {
            self.answer_code(caller, request, KernReturn::RESOURCE_SHORTAGE);
        }
    }

    /// Takes one step of an operation.
    fn step(&mut self, id: OpId) {
        let Some(op) = self.ops.get_mut(id) else { return };
        let caller = op.caller;
        self.set_need(caller);
        self.step_as(id);
    }

    /// Takes one step of an operation. It is said already for whom memory is taken.
    fn step_as(&mut self, id: OpId) {
        let Some(mut op) = self.ops.take(id) else { return };
        let Op { caller, request, is_abandoned, turn, .. } = op;
        if is_abandoned {
            // Nobody waits for it: it need not go on at others' cost.
            self.hw.need = Need::Ordinary;
        }
        if op.has_frame {
            self.hw.memory.use_promise();
        }
        let taken = self.hw.memory.counts().taken;
        self.vm.wait_ended(op.wake);
        let progress = self.advance(id, &mut op);
        self.vm.wait_ended(vm::Wake::Retry);
        self.ops.put_back(id, op.work);
        let turn = turn.filter(|_| self.hw.memory.counts().taken == taken);
        if turn.is_some() && !matches!(progress, Progress::WaitVm(vm::WaitOn::Frames(_))) {
            // What was promised to it is others'.
            self.hw.memory.note_freed();
        }
        match progress {
            Progress::Done(_) | Progress::Silent => {
                self.remove_op(id);
                if let Some(thread) = caller.and_then(|caller| self.threads.get_mut(caller)) {
                    thread.op = None;
                }
                self.finish(caller, request, progress);
            }
            Progress::Again | Progress::Wait | Progress::WaitVm(_) => self.keep(id, &progress, is_abandoned, turn),
        }
        self.settle();
    }

    /// Queues an operation that is not over. One that was given up waits for nobody but whoever works on a map.
    fn keep(&mut self, id: OpId, progress: &Progress, is_abandoned: bool, turn: Option<Turn>) {
        match *progress {
            Progress::Again => self.ops.make_ready(id),
            Progress::WaitVm(on) => {
                self.ops.wait_vm(id, on);
                if let vm::WaitOn::Frames(purpose) = on {
                    self.begin_frame_wait(id, purpose, turn);
                }
                if is_abandoned && !matches!(on, vm::WaitOn::Map(_)) {
                    self.ops.fail_wait(id, KernReturn::ABORTED);
                }
            }
            Progress::Wait | Progress::Done(_) | Progress::Silent => {}
        }
    }

    /// Looks for what a step has left to be done.
    fn look_for_chores(&mut self) {
        self.is_untidy |= !self.vm.is_tidy() || self.is_short();
    }

    /// Answers who waits for an operation that is over.
    fn finish(&mut self, caller: Option<ThreadId>, request: u32, progress: Progress) {
        self.look_for_chores();
        if let (Progress::Done(words), Some(caller)) = (progress, caller) {
            self.answer_call(caller, request, &words);
        }
    }

    /// Says for whom memory is taken from now on.
    fn set_need(&mut self, thread: Option<ThreadId>) {
        match thread.and_then(|thread| self.threads.get(thread)).map(|thread| thread.task) {
            Some(task) => self.set_need_of(task),
            None => {
                self.charge_borrower();
                self.hw.need = Need::Reserved;
            }
        }
    }

    /// The same, by the task.
    fn set_need_of(&mut self, id: TaskId) {
        self.charge_borrower();
        self.hw.need = match self.tasks.get(id) {
            Some(task) if self.default_pager_space() == Some(task.space) => Need::Reserved,
            Some(task) if task.need() < Need::Manager && self.hw.managers.serves(task.space) => {
                self.lend_to(id);
                Need::Manager
            }
            Some(task) => task.need(),
            None => Need::Reserved,
        };
    }

    /// Acts on what became ready, here and in the virtual memory.
    #[inline]
    fn settle(&mut self) {
        while self.vm.has_wakeups()
            || self.hw.managers.has_told()
            || !self.hw.unnamed.is_empty()
            || self.ports.has_events()
        {
            self.settle_one();
        }
        self.serve_frame_line();
    }

    /// Acts on the first thing that became ready.
    fn settle_one(&mut self) {
        if let Some((what, wake)) = self.vm.next_wakeup() {
            self.ops.wake_vm(what, wake);
        } else if let Some(told) = self.hw.managers.next_told() {
            self.post_told(told);
        } else if let Some(object) = self.hw.unnamed.pop() {
            self.forget_name(object);
        } else if let Some(event) = self.ports.next_event() {
            self.on_event(event);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Wake(waiter) => self.ops.make_ready(OpId::from_word(waiter.0)),
            Event::ReceiveFails(waiter, code) => {
                let id = OpId::from_word(waiter.0);
                if let Some(op) = self.ops.get_mut(id) {
                    op.failure = Some(code);
                }
                self.ops.make_ready(id);
            }
            Event::Serve(object, message) => self.serve(object, *message),
            Event::NoSenders(Object { kind: ObjectKind::MemoryName, id }) => {
                self.forget_name(vm::ObjectId::from_word(id));
            }
            Event::NoSenders(Object { kind: ObjectKind::Task, id }) => self.end_if_stranded(TaskId::from_word(id)),
            Event::NoSenders(Object { kind: ObjectKind::Thread, id }) => {
                let task = self.threads.get(ThreadId::from_word(id)).map(|thread| thread.task);
                task.into_iter().for_each(|task| self.end_if_stranded(task));
            }
            Event::Ring(bell) => self.ring(bell),
            Event::NoSenders(Object { kind: ObjectKind::Proxy, id }) => {
                self.forget_proxy(proxies::ProxyId::from_word(id));
            }
            Event::PortDied(port) => {
                self.default_pager_died(port);
                self.manager_died(port);
            }
            Event::Delivered(number) => self.message_delivered(number),
            Event::Destroyed(number) => self.message_destroyed(number),
            Event::NoSenders(_) => {}
        }
    }

    /// What a name of a thread's task stands for.
    fn object(&mut self, space: SpaceId, name: PortName) -> Result<Option<Object>, KernReturn> {
        self.ports.object(space, name)
    }

    /// The task that a name stands for.
    fn named_task(&mut self, space: SpaceId, name: PortName) -> Result<Option<TaskId>, KernReturn> {
        let object = self.object(space, name)?;
        Ok(self.task_of(object))
    }

    /// The task that an object is.
    fn task_of(&self, object: Option<Object>) -> Option<TaskId> {
        let object = object.filter(|object| object.kind == ObjectKind::Task)?;
        Some(TaskId::from_word(object.id)).filter(|id| self.tasks.get(*id).is_some())
    }

    /// The map of the task that an object is.
    fn map_of(&self, object: Option<Object>) -> Option<vm::MapId> {
        let object = object.filter(|object| object.kind == ObjectKind::Task)?;
        self.tasks.get(TaskId::from_word(object.id)).map(|task| task.map)
    }

    /// The map of the task that a name stands for.
    fn named_map(&mut self, space: SpaceId, name: PortName) -> Result<Option<vm::MapId>, KernReturn> {
        let object = self.object(space, name)?;
        Ok(self.map_of(object))
    }

    /// The map of the task that an argument beside the target stands for; none for whatever is no task.
    fn map_argument(&mut self, space: SpaceId, name: PortName) -> Option<vm::MapId> {
        self.named_map(space, name).unwrap_or_default()
    }

    /// The thread that a name stands for.
    fn named_thread(&mut self, space: SpaceId, name: PortName) -> Result<Option<ThreadId>, KernReturn> {
        let object = self.object(space, name)?.filter(|object| object.kind == ObjectKind::Thread);
        Ok(object.map(|object| ThreadId::from_word(object.id)).filter(|id| self.threads.get(*id).is_some()))
    }

    /// Whether a name is the privileged host port.
    fn is_privileged(&mut self, space: SpaceId, name: PortName) -> bool {
        matches!(self.object(space, name), Ok(Some(Object { kind: ObjectKind::HostPrivileged, .. })))
    }

    /// Enters a task with an existing map.
    fn enter_task(&mut self, map: vm::MapId) -> Option<TaskId> {
        if self.tasks.len() >= MAX_TASKS {
            return None;
        }
        let (ports, tasks) = (&mut self.ports, &mut self.tasks);
        Some(tasks.insert_with(|id| {
            let port = ports.create_server_port(Object { kind: ObjectKind::Task, id: id.to_word() });
            Task::new(map, ports.create_space(), port)
        }))
    }

    /// Enters a thread with an existing TCB. It is suspended.
    fn enter_thread(&mut self, task: TaskId, tcb: Slot, reply: Slot) -> Option<ThreadId> {
        if self.threads.len() >= MAX_THREADS {
            return None;
        }
        let priority = self.tasks.get(task)?.priority;
        let ports = &mut self.ports;
        let id = self.threads.insert_with(|id| Thread {
            task,
            port: ports.create_server_port(Object { kind: ObjectKind::Thread, id: id.to_word() }),
            kit: None,
            tcb,
            reply,
            buffer: None,
            suspended: 1,
            is_held: true,
            is_blocked: false,
            withheld: None,
            op: None,
            exception: Handlers::default(),
            raised: None,
            name: Text::default(),
            is_unparked: false,
            priority,
            budget: Budget { budget_us: SLICE_US, period_us: SLICE_US },
            used_us: 0,
            doorbells: Vec::new(),
        });
        self.tasks.get_mut(task)?.threads.push(id);
        Some(id)
    }
}
