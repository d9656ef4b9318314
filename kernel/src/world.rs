//! A small world for tests of whole system calls: a kernel over the arena, one CNode that all threads
//! share as their CSpace, and helpers that act as the current thread.

mod twice;

pub(crate) use twice::taken;

use std::vec::Vec;

use sel4_abi::message::{IpcBuffer, MSG_REGISTERS};
use sel4_abi::object::{ASID_POOL_BITS, PAGE_BITS, SLOT_BITS, TCB_BITS};
use sel4_abi::{CapRights, ErrorCode, InvocationLabel, MessageInfo, Syscall};

use crate::Kernel;
use crate::arch::{self, Machine};
use crate::cap::{Badge, CNodeCap, Cap, EndpointCap, FrameCap, NotificationCap, ReplyCap, SchedContextCap, SlotRef};
use crate::cap::{VSpaceCap, VmRights, cdt};
use crate::ipc::transfer;
use crate::irq::{self, Irq};
use crate::kobj::{KRef, KernelObject, SlotArray};
use crate::object::sched_context::{self, Parameters};
use crate::object::tcb::{ThreadState, thread};
use crate::object::{
    Above, AsidPool, Endpoint, EndpointState, Notification, NotificationState, Reply, SchedContext, Tcb, TcbSlot,
};
use crate::sched::{self, Micros, Priority, Ticks};
use crate::syscall::{Args, ExtraSlots};
use crate::vspace::Asid;

/// Slots of the shared CNode, in bits.
const RADIX: u32 = 10;
/// The IPC buffers' address; every thread has its own frame there.
const BUFFER: u64 = 0x1000;

/// An object and the CPtr of a capability to it with all rights.
#[derive(Debug)]
pub(crate) struct Named<T> {
    pub(crate) obj: KRef<T>,
    pub(crate) cptr: u64,
}

impl<T> Clone for Named<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Named<T> {}

/// What a `Call` to a kernel object answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) label: u64,
    pub(crate) words: Vec<u64>,
}

impl Answer {
    pub(crate) fn ok(words: &[u64]) -> Answer {
        Answer { label: 0, words: words.to_vec() }
    }
    pub(crate) fn error(code: ErrorCode, words: &[u64]) -> Answer {
        Answer { label: code.number(), words: words.to_vec() }
    }
}

/// A thread that never runs: its registers and buffer hold the words of invocations that tests make without a system
/// call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scribe(KRef<Tcb>);

impl Scribe {
    pub(crate) fn new(m: &mut Machine) -> Self {
        let tcb: KRef<Tcb> = m.take(TCB_BITS).place(&mut m.kernel).unwrap();
        let frame = FrameCap { region: m.take(PAGE_BITS), rights: VmRights::ReadWrite, mapping: None };
        cdt::insert_root(&m.kernel, tcb.slot(&m.kernel, TcbSlot::IpcBuffer), frame);
        Scribe(tcb)
    }

    /// The arguments that these words and extra capabilities make.
    pub(crate) fn args(self, k: &Kernel, words: &[u64], caps: impl IntoIterator<Item = SlotRef>) -> Args {
        let context = &self.0.get(k).context;
        for (i, word) in words.iter().enumerate() {
            match (context.message_registers().get(i), transfer::receive_buffer(k, self.0)) {
                (Some(register), _) => register.set(*word),
                (None, Some(buffer)) => buffer.write(k, IpcBuffer::MSG_WORD + i, *word),
                (None, None) => {}
            }
        }
        context.info_register().set(MessageInfo::new(0, 0, 0, words.len() as u64).0);
        let mut slots = ExtraSlots::default();
        slots.iter_mut().zip(caps).for_each(|(to, slot)| *to = Some(slot));
        let info = MessageInfo(context.info_register().get());
        Args::new(info, self.0, transfer::send_buffer(k, self.0), slots)
    }
}

/// The world.
pub(crate) struct World {
    pub(crate) m: Machine,
    cnode: SlotArray,
    used: usize,
    /// CPtr of the threads' address space, if they have one.
    vspace: Option<u64>,
    threads: Vec<KRef<Tcb>>,
    contexts: Vec<KRef<SchedContext>>,
    replies: Vec<KRef<Reply>>,
    endpoints: Vec<KRef<Endpoint>>,
    notifications: Vec<KRef<Notification>>,
}

impl World {
    /// CPtr of the shared CNode.
    pub(crate) const ROOT: u64 = 1;

    /// A world whose threads have an address space.
    pub(crate) fn new() -> World {
        let mut w = World::with_memory(23);
        let pool = w.m.take(ASID_POOL_BITS).place::<AsidPool>(&mut w.m.kernel).unwrap();
        let root = w.place();
        let asid = Asid(1);
        w.k().asids.add_pool(Asid(0), pool);
        pool.get(w.k()).assign(asid, root);
        w.vspace = Some(w.put(Cap::VSpace(VSpaceCap { root, asid: Some(asid) })));
        w
    }

    /// A world in `2^size_bits` bytes, half of them for objects.
    pub(crate) fn with_memory(size_bits: u32) -> World {
        let mut m = Machine::new(size_bits);
        let cnode = m.take(RADIX + SLOT_BITS).place_slots(&mut m.kernel).unwrap();
        arch::timer::advance(1_000_000);
        sched::start(&m.kernel);
        let root = Cap::CNode(CNodeCap { slots: cnode, guard: 0, guard_size: 64 - RADIX });
        if let Some(slot) = cnode.slot(World::ROOT as usize) {
            cdt::insert_root(&m.kernel, slot, root);
        }
        World {
            m,
            cnode,
            used: 2,
            vspace: None,
            threads: Vec::new(),
            contexts: Vec::new(),
            replies: Vec::new(),
            endpoints: Vec::new(),
            notifications: Vec::new(),
        }
    }

    pub(crate) fn k(&self) -> &Kernel {
        &self.m.kernel
    }

    // ---- making things ----

    /// Puts a capability into a free slot; returns its CPtr.
    pub(crate) fn put(&mut self, cap: Cap) -> u64 {
        let cptr = self.free_slot();
        cdt::insert_root(self.k(), self.slot(cptr), cap);
        cptr
    }

    /// A slot that stays empty until the test fills it.
    pub(crate) fn free_slot(&mut self) -> u64 {
        self.used += 1;
        (self.used - 1) as u64
    }

    /// Puts a derived capability behind that of `source`; returns its CPtr.
    pub(crate) fn copy(&mut self, source: u64, cap: Cap) -> u64 {
        let cptr = self.free_slot();
        cdt::insert(self.k(), self.slot(source), self.slot(cptr), cap);
        cptr
    }

    pub(crate) fn slot(&self, cptr: u64) -> SlotRef {
        self.cnode.slot(cptr as usize).unwrap()
    }

    pub(crate) fn cap(&self, cptr: u64) -> Cap {
        self.slot(cptr).cap(self.k())
    }

    fn place<T: KernelObject>(&mut self) -> KRef<T> {
        self.m.take(T::SIZE_BITS).place(&mut self.m.kernel).unwrap()
    }

    pub(crate) fn endpoint(&mut self) -> Named<Endpoint> {
        let obj = self.place();
        self.endpoints.push(obj);
        let cap = EndpointCap { endpoint: obj, badge: Badge::NONE, rights: CapRights::ALL };
        Named { obj, cptr: self.put(Cap::Endpoint(cap)) }
    }

    pub(crate) fn badged(&mut self, ep: Named<Endpoint>, badge: u64, rights: CapRights) -> u64 {
        self.copy(ep.cptr, Cap::Endpoint(EndpointCap { endpoint: ep.obj, badge: Badge(badge), rights }))
    }

    pub(crate) fn notification(&mut self, badge: u64) -> Named<Notification> {
        let obj = self.place();
        self.notifications.push(obj);
        let cap = NotificationCap { notification: obj, badge: Badge(badge), rights: CapRights::READ_WRITE };
        Named { obj, cptr: self.put(Cap::Notification(cap)) }
    }

    pub(crate) fn reply(&mut self) -> Named<Reply> {
        let obj = self.place();
        self.replies.push(obj);
        Named { obj, cptr: self.put(Cap::Reply(ReplyCap { reply: obj, can_grant: true })) }
    }

    /// A scheduling context that is not configured.
    pub(crate) fn raw_context(&mut self, size_bits: u32) -> Named<SchedContext> {
        let obj = self.m.take(size_bits).place_sched_context(&mut self.m.kernel).unwrap();
        self.contexts.push(obj);
        let cptr = self.put(Cap::SchedContext(SchedContextCap { sched_context: obj, size_bits }));
        Named { obj, cptr }
    }

    /// A configured scheduling context; times in microseconds.
    pub(crate) fn context(&mut self, budget: u64, period: u64) -> Named<SchedContext> {
        self.any_context(budget, period, false)
    }

    /// The same, with unblocking when its thread wakes or when it is switched to.
    pub(crate) fn any_context(&mut self, budget: u64, period: u64, is_sporadic: bool) -> Named<SchedContext> {
        let sc = self.raw_context(8);
        let clock = self.k().cpu.sched.clock;
        let parameters = Parameters {
            budget: clock.to_ticks(Micros(budget)),
            period: clock.to_ticks(Micros(period)),
            max_refills: 10,
            badge: Badge(sc.cptr),
            is_sporadic,
        };
        sched_context::configure(self.k(), sc.obj, parameters);
        sc
    }

    /// A thread with CSpace and IPC buffer, inactive, without a scheduling context.
    pub(crate) fn passive(&mut self, priority: u8) -> Named<Tcb> {
        let obj: KRef<Tcb> = self.place();
        self.threads.push(obj);
        let cptr = self.put(Cap::Thread(obj));
        let frame = FrameCap { region: self.m.take(PAGE_BITS), rights: VmRights::ReadWrite, mapping: None };
        let k = self.k();
        cdt::insert(k, self.slot(World::ROOT), obj.slot(k, TcbSlot::CSpaceRoot), self.cap(World::ROOT));
        cdt::insert_root(k, obj.slot(k, TcbSlot::IpcBuffer), Cap::Frame(frame));
        if let Some(vspace) = self.vspace {
            cdt::insert(k, self.slot(vspace), obj.slot(k, TcbSlot::VSpaceRoot), self.cap(vspace));
        }
        obj.get(k).ipc_buffer.set(BUFFER);
        obj.get(k).priority.set(Priority(priority));
        obj.get(k).mcp.set(Priority(255));
        obj.get(k).context.resume_pc.set(0x40_0000);
        obj.get(k).context.restart_pc.set(0x40_0000);
        Named { obj, cptr }
    }

    /// A thread that runs round robin with slices of 5 ms; not started.
    pub(crate) fn thread(&mut self, priority: u8) -> Named<Tcb> {
        let t = self.passive(priority);
        let sc = self.context(5000, 5000);
        sched_context::bind_tcb(self.k(), sc.obj, t.obj);
        t
    }

    pub(crate) fn context_of(&self, t: Named<Tcb>) -> Option<KRef<SchedContext>> {
        t.obj.get(self.k()).sched_context.get()
    }

    /// Resumes a thread from outside, as an interrupt would, and lets the scheduler act.
    pub(crate) fn start(&mut self, t: Named<Tcb>) {
        sched::check_budget(self.k());
        thread::resume(self.k(), t.obj);
        self.settle();
    }

    /// Suspends a thread from outside, as an interrupt would, and lets the scheduler act.
    pub(crate) fn suspend(&mut self, t: KRef<Tcb>) {
        sched::check_budget(self.k());
        thread::suspend(self.k(), t);
        self.settle();
    }

    /// Lets the scheduler act, and checks everything.
    pub(crate) fn settle(&mut self) {
        sched::activate(self.k());
        self.assert_valid();
    }

    // ---- looking ----

    pub(crate) fn current(&self) -> Option<KRef<Tcb>> {
        self.k().current()
    }

    pub(crate) fn runs(&self, t: Named<Tcb>) -> bool {
        self.current() == Some(t.obj)
    }

    pub(crate) fn state(&self, t: Named<Tcb>) -> ThreadState {
        t.obj.get(self.k()).state.get()
    }

    pub(crate) fn x(&self, t: Named<Tcb>, index: usize) -> u64 {
        t.obj.get(self.k()).context.x[index].get()
    }

    pub(crate) fn set_x(&self, t: KRef<Tcb>, index: usize, value: u64) {
        t.get(self.k()).context.x[index].set(value);
    }

    /// What the thread sees after a receive: badge, message info, message registers.
    pub(crate) fn received(&self, t: Named<Tcb>) -> (u64, MessageInfo, Vec<u64>) {
        let info = MessageInfo(self.x(t, 1));
        let words = (0..info.length()).map(|i| self.message_word(t.obj, i)).collect();
        (self.x(t, 0), info, words)
    }

    fn message_word(&self, t: KRef<Tcb>, i: usize) -> u64 {
        match t.get(self.k()).context.message_registers().get(i) {
            Some(register) => register.get(),
            None => self.buffer_word(t, IpcBuffer::MSG_WORD + i),
        }
    }

    pub(crate) fn buffer_word(&self, t: KRef<Tcb>, word: usize) -> u64 {
        transfer::send_buffer(self.k(), t).map_or(0, |b| b.read(self.k(), word))
    }

    pub(crate) fn set_buffer_word(&self, t: KRef<Tcb>, word: usize, value: u64) {
        if let Some(buffer) = transfer::receive_buffer(self.k(), t) {
            buffer.write(self.k(), word, value);
        }
    }

    // ---- acting as the current thread ----

    /// Executes a system call as the current thread, with these registers.
    pub(crate) fn syscall(&mut self, call: Syscall, registers: &[(usize, u64)]) {
        let t = self.current().unwrap();
        for (index, value) in registers {
            self.set_x(t, *index, *value);
        }
        self.set_x(t, 7, call.number().cast_unsigned());
        self.trap();
    }

    /// Executes the `svc` with the registers that the current thread has.
    pub(crate) fn trap(&mut self) {
        let context = &self.current().unwrap().get(self.k()).context;
        context.restart_pc.set(context.resume_pc.get());
        context.resume_pc.set(context.resume_pc.get() + 4);
        self.enter_syscall();
    }

    /// Writes message words and extra capabilities of the current thread.
    pub(crate) fn compose(&mut self, words: &[u64], caps: &[u64]) {
        let t = self.current().unwrap();
        for (i, word) in words.iter().enumerate() {
            match i < MSG_REGISTERS {
                true => self.set_x(t, 2 + i, *word),
                false => self.set_buffer_word(t, IpcBuffer::MSG_WORD + i, *word),
            }
        }
        for (i, cptr) in caps.iter().enumerate() {
            self.set_buffer_word(t, IpcBuffer::CAPS_WORD + i, *cptr);
        }
    }

    fn send_as(&mut self, call: Syscall, dest: (usize, u64), label: u64, words: &[u64], caps: &[u64]) {
        self.compose(words, caps);
        let info = MessageInfo::new(label, 0, caps.len() as u64, words.len() as u64);
        self.syscall(call, &[dest, (1, info.0)]);
    }

    pub(crate) fn send(&mut self, cptr: u64, label: u64, words: &[u64]) {
        self.send_as(Syscall::Send, (0, cptr), label, words, &[]);
    }

    pub(crate) fn call(&mut self, cptr: u64, label: u64, words: &[u64]) {
        self.send_as(Syscall::Call, (0, cptr), label, words, &[]);
    }

    pub(crate) fn send_caps(&mut self, cptr: u64, label: u64, words: &[u64], caps: &[u64]) {
        self.send_as(Syscall::Send, (0, cptr), label, words, caps);
    }

    pub(crate) fn recv(&mut self, cptr: u64, reply: u64) {
        self.syscall(Syscall::Recv, &[(0, cptr), (6, reply)]);
    }

    pub(crate) fn nb_recv(&mut self, cptr: u64, reply: u64) {
        self.syscall(Syscall::NbRecv, &[(0, cptr), (6, reply)]);
    }

    pub(crate) fn wait(&mut self, cptr: u64) {
        self.syscall(Syscall::Wait, &[(0, cptr)]);
    }

    pub(crate) fn reply_recv(&mut self, cptr: u64, reply: u64, words: &[u64]) {
        self.compose(words, &[]);
        let info = MessageInfo::new(0, 0, 0, words.len() as u64);
        self.syscall(Syscall::ReplyRecv, &[(0, cptr), (1, info.0), (6, reply)]);
    }

    pub(crate) fn yield_slice(&mut self) {
        self.syscall(Syscall::Yield, &[]);
    }

    /// Invokes an object with `Call` as the current thread; the answer, if the thread still runs.
    pub(crate) fn invoke(&mut self, cptr: u64, label: InvocationLabel, words: &[u64], caps: &[u64]) -> Answer {
        self.invoke_raw(cptr, label.number(), words, caps)
    }

    pub(crate) fn invoke_raw(&mut self, cptr: u64, label: u64, words: &[u64], caps: &[u64]) -> Answer {
        let t = self.current().unwrap();
        self.send_as(Syscall::Call, (0, cptr), label, words, caps);
        let info = MessageInfo(t.get(self.k()).context.info_register().get());
        let words = (0..info.length()).map(|i| self.message_word(t, i)).collect();
        Answer { label: info.label(), words }
    }

    /// Lets time pass, and the timer interrupt if its deadline has come.
    pub(crate) fn pass_time(&mut self, us: u64) {
        let ticks = self.k().cpu.sched.clock.to_ticks(Micros(us)).0;
        let end = arch::timer::now() + ticks;
        while arch::timer::deadline() <= end {
            let wait = arch::timer::deadline().saturating_sub(arch::timer::now());
            arch::timer::advance(wait);
            self.timer_interrupt();
        }
        arch::timer::advance(end - arch::timer::now());
    }

    /// The timer interrupts now.
    pub(crate) fn timer_interrupt(&mut self) {
        sched::check_budget(self.k());
        sched::timer_tick(self.k());
        self.settle();
    }

    /// A device interrupts.
    pub(crate) fn interrupt(&mut self, irq: Irq) {
        arch::irq::raise(irq);
        sched::check_budget(self.k());
        irq::handle_interrupt(self.k());
        self.settle();
    }

    // ---- checking ----

    /// Checks `CDT-1` for every slot of the shared CNode and of the threads.
    pub(crate) fn assert_well_linked(&self) {
        let arrays = self.threads.iter().map(|t| t.slots()).chain([self.cnode]);
        for slot in arrays.flat_map(|slots| (0..slots.len()).filter_map(move |i| slots.slot(i))) {
            assert!(cdt::is_well_linked(self.k(), slot), "CDT-1: {:?}", slot.cap(self.k()));
        }
    }

    /// Checks the invariants that tie objects together.
    pub(crate) fn assert_valid(&self) {
        let k = self.k();
        sched::assert_valid(k);
        self.threads.iter().for_each(|t| self.assert_thread(*t));
        for sc in &self.contexts {
            assert!(sc.get(k).tcb.get().is_none_or(|t| t.get(k).sched_context.get() == Some(*sc)), "SC-1");
            assert!(sc.get(k).reply.get().is_none_or(|r| r.get(k).above.get() == Above::SchedContext(*sc)), "SC-1");
            assert!(sc.get(k).notification.get().is_none_or(|n| n.get(k).sched_context.get() == Some(*sc)), "SC-1");
            assert!(sc.get(k).yield_from.get().is_none_or(|t| t.get(k).yield_to.get() == Some(*sc)), "SC-1");
            self.assert_refills(*sc);
        }
        self.replies.iter().for_each(|r| self.assert_reply(*r));
        for ep in &self.endpoints {
            let queue = ep.get(k).queue();
            queue.assert_valid(k);
            assert_eq!(ep.get(k).state() == EndpointState::Idle, queue.is_empty(), "EP-1");
            let priorities: Vec<_> = queue.iter(k).map(|t| t.get(k).priority.get()).collect();
            assert!(priorities.is_sorted_by(|a, b| a >= b), "EP-3");
        }
        for n in &self.notifications {
            let waiting = n.get(k).state.get() == NotificationState::Waiting;
            assert_eq!(waiting, !n.get(k).waiters().is_empty(), "NTFN-1");
        }
    }

    fn assert_refills(&self, sc: KRef<SchedContext>) {
        let k = self.k();
        let queue = sched_context::refills(k, sc);
        if sc.get(k).is_configured() && !sc.get(k).is_round_robin() {
            let budget: u64 = queue.iter().map(|r| r.amount.0).sum();
            queue.assert_valid(Ticks(budget), k.cpu.sched.min_budget());
        }
    }

    fn assert_thread(&self, t: KRef<Tcb>) {
        use crate::object::tcb::Queued;
        let k = self.k();
        let tcb = t.get(k);
        let queued = tcb.queued.get();
        match tcb.state.get() {
            ThreadState::Inactive => assert_eq!(queued, Queued::No, "TCB-1"),
            ThreadState::Running | ThreadState::Restart => assert_ne!(queued, Queued::Ipc, "TCB-1"),
            ThreadState::BlockedOnSend { endpoint, .. } => {
                assert_eq!(queued, Queued::Ipc, "TCB-1");
                assert_eq!(endpoint.get(k).state(), EndpointState::Sending, "EP-2");
                assert!(endpoint.get(k).queue().iter(k).any(|other| other == t), "EP-2");
            }
            ThreadState::BlockedOnReceive { endpoint, reply } => {
                assert_eq!(queued, Queued::Ipc, "TCB-1");
                assert_eq!(endpoint.get(k).state(), EndpointState::Receiving, "EP-2");
                assert!(endpoint.get(k).queue().iter(k).any(|other| other == t), "EP-2");
                assert!(reply.is_none_or(|r| r.get(k).tcb.get() == Some(t)), "REPLY-1");
            }
            ThreadState::BlockedOnReply { reply } => {
                assert_eq!(queued, Queued::No, "TCB-1");
                assert_eq!(reply.get(k).tcb.get(), Some(t), "REPLY-1");
            }
            ThreadState::BlockedOnNotification { notification } => {
                assert_eq!(queued, Queued::Ipc, "TCB-1");
                assert!(notification.get(k).waiters().iter(k).any(|other| other == t), "NTFN-2");
            }
        }
        let may_fault =
            matches!(tcb.state.get(), ThreadState::BlockedOnSend { .. } | ThreadState::BlockedOnReply { .. });
        assert!(tcb.fault.get().is_none() || may_fault, "FAULT-1");
        assert!(tcb.sched_context.get().is_none_or(|sc| sc.get(k).tcb.get() == Some(t)), "TCB-2");
        assert!(tcb.yield_to.get().is_none_or(|sc| sc.get(k).yield_from.get() == Some(t)), "TCB-2");
        assert!(tcb.bound_notification.get().is_none_or(|n| n.get(k).bound_tcb.get() == Some(t)), "TCB-2");
    }

    fn assert_reply(&self, r: KRef<Reply>) {
        let k = self.k();
        let this = r.get(k);
        match this.above.get() {
            Above::Nothing => {}
            Above::Reply(above) => assert_eq!(above.get(k).below.get(), Some(r), "REPLY-2"),
            Above::SchedContext(sc) => assert_eq!(sc.get(k).reply.get(), Some(r), "REPLY-2"),
        }
        if let Some(below) = this.below.get() {
            assert_eq!(below.get(k).above.get(), Above::Reply(r), "REPLY-2");
        }
        let state = this.tcb.get().map(|t| t.get(k).state.get());
        let holds = match state {
            Some(ThreadState::BlockedOnReply { reply }) => reply == r,
            Some(ThreadState::BlockedOnReceive { reply, .. }) => reply == Some(r),
            None => true,
            Some(_) => false,
        };
        assert!(holds, "REPLY-1: {state:?}");
        let in_chain = this.below.get().is_some() || this.above.get() != Above::Nothing;
        assert!(!in_chain || matches!(state, Some(ThreadState::BlockedOnReply { .. })), "REPLY-3");
    }
}
