//! Random entries in worlds that are made for the fast paths: threads of few priorities that call, answer, signal,
//! wait and stop each other, with all kinds of scheduling contexts. `World` holds each fast path against the slow one.

use std::cell::Cell;
use std::vec::Vec;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sel4_abi::{CapRights, InvocationLabel, MessageInfo, Syscall};

use crate::cap::{Badge, Cap, EndpointCap, NotificationCap, cdt};
use crate::ipc::fault::VmFault;
use crate::kobj::KRef;
use crate::object::tcb::ThreadState;
use crate::object::{Tcb, TcbSlot, notification, sched_context};
use crate::sched::{self, Priority};
use crate::world::{Named, World, taken};

/// What the running thread, or the world, does.
#[derive(Clone, Debug)]
enum Step {
    /// A system call; the numbers choose among what there is.
    Call { call: Syscall, endpoint: usize, notification: usize, reply: usize, length: u64, caps: u64 },
    /// An invocation of a thread or of its scheduling context.
    Invoke { thread: usize, label: InvocationLabel, word: u64, is_call: bool },
    /// A fault.
    Fault { address: u64, instruction: bool },
    /// Time passes.
    Time(u64),
    /// A thread is resumed.
    Resume(usize),
    /// A thread gets another priority.
    Priority(usize, u8),
    /// A thread loses its scheduling context, or gets one back.
    Context(usize),
    /// A thread loses its buffer.
    NoBuffer(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let call = prop_oneof![
        6 => Just(Syscall::Call),
        6 => Just(Syscall::ReplyRecv),
        8 => Just(Syscall::NbSendRecv),
        2 => Just(Syscall::Recv),
        3 => Just(Syscall::Send),
        1 => Just(Syscall::NbSend),
        3 => Just(Syscall::Wait),
        1 => Just(Syscall::NbWait),
        1 => Just(Syscall::Yield),
    ];
    let length = prop_oneof![4 => 0u64..6, 1 => 0u64..128];
    let caps = prop_oneof![20 => Just(0u64), 1 => 1u64..4];
    let calls = (call, 0usize..6, 0usize..6, 0usize..8, length, caps).prop_map(
        |(call, endpoint, notification, reply, length, caps)| Step::Call {
            call,
            endpoint,
            notification,
            reply,
            length,
            caps,
        },
    );
    let labels = prop_oneof![
        Just(InvocationLabel::TcbSuspend),
        Just(InvocationLabel::TcbResume),
        Just(InvocationLabel::TcbReadRegisters),
        Just(InvocationLabel::TcbWriteRegisters),
        Just(InvocationLabel::TcbSetTlsBase),
        Just(InvocationLabel::TcbUnbindNotification),
        Just(InvocationLabel::SchedContextConsumed),
        Just(InvocationLabel::SchedContextYieldTo),
        Just(InvocationLabel::CNodeDelete),
    ];
    let invocations = (0usize..8, labels, 0u64..3, prop::bool::weighted(0.8))
        .prop_map(|(thread, label, word, is_call)| Step::Invoke { thread, label, word, is_call });
    prop_oneof![
        40 => calls,
        6 => invocations,
        6 => (any::<u64>(), any::<bool>()).prop_map(|(address, instruction)| Step::Fault { address, instruction }),
        4 => prop_oneof![0u64..40, 100u64..6000].prop_map(Step::Time),
        4 => (0usize..8).prop_map(Step::Resume),
        2 => (0usize..8, 9u8..13).prop_map(|(n, priority)| Step::Priority(n, priority)),
        2 => (0usize..8).prop_map(Step::Context),
        1 => (0usize..64).prop_map(Step::NoBuffer),
    ]
}

/// A world that is made for the fast paths.
struct Fair {
    w: World,
    threads: Vec<Named<Tcb>>,
    contexts: Vec<u64>,
    /// Capabilities to two endpoints, with and without rights.
    endpoints: Vec<u64>,
    /// Capabilities to three notifications, one of them bound to a thread.
    notifications: Vec<u64>,
    replies: Vec<u64>,
    /// An empty slot.
    nothing: u64,
    /// Invocations that were fast.
    invoked: u32,
}

impl Fair {
    fn new() -> Fair {
        let mut w = World::new();
        let mut threads = Vec::new();
        let mut contexts = Vec::new();
        for (i, priority) in [12, 11, 10, 10, 11, 10, 12, 11].into_iter().enumerate() {
            let t = w.passive(priority);
            // Round robin, periodic, sporadic.
            let sc = match i % 4 {
                0 | 1 => w.context(5000, 5000),
                2 => w.context(1000, 4000),
                _ => w.any_context(1000, 4000, true),
            };
            sched_context::bind_tcb(w.k(), sc.obj, t.obj);
            threads.push(t);
            contexts.push(sc.cptr);
        }
        let (first, second) = (w.endpoint(), w.endpoint());
        let grant_reply = CapRights::READ_WRITE.union(CapRights::GRANT_REPLY);
        let endpoints = std::vec![
            first.cptr,
            w.badged(first, 5, grant_reply),
            w.badged(first, 6, CapRights::READ_WRITE),
            second.cptr,
            w.badged(second, 7, grant_reply),
            w.badged(second, 8, CapRights::READ),
        ];
        let objects = [1, 2, 4].map(|badge| w.notification(badge));
        notification::bind_tcb(w.k(), objects[2].obj, threads[1].obj);
        let nothing = w.free_slot();
        // Two badges of one notification, so that a signal finds another one's there.
        let cap = NotificationCap { notification: objects[0].obj, badge: Badge(8), rights: CapRights::READ_WRITE };
        let other = w.copy(objects[0].cptr, Cap::Notification(cap));
        let notifications = objects.iter().map(|n| n.cptr).chain([other, endpoints[0], nothing]).collect();
        let replies: Vec<_> = (0..4).map(|_| w.reply().cptr).collect();
        for t in threads.iter().skip(2) {
            let cap = EndpointCap { endpoint: first.obj, badge: Badge(t.cptr), rights: grant_reply };
            let slot = t.obj.slot(w.k(), TcbSlot::FaultHandler);
            cdt::insert(w.k(), w.slot(first.cptr), slot, Cap::Endpoint(cap));
        }
        let mut fair = Fair { w, threads, contexts, endpoints, notifications, replies, nothing, invoked: 0 };
        // Two servers wait: one of them passively.
        for i in 0..2 {
            let t = fair.threads[i];
            fair.w.start(t);
            fair.w.recv(fair.endpoints[3 * i], fair.replies[i]);
        }
        fair.context(0);
        for t in fair.threads.clone().into_iter().skip(2) {
            fair.w.start(t);
        }
        fair
    }

    /// Takes the scheduling context from a thread, or gives it back.
    fn context(&mut self, n: usize) {
        let Cap::SchedContext(cap) = self.w.cap(self.contexts[n]) else { return };
        let (k, sc, t) = (self.w.k(), cap.sched_context, self.threads[n].obj);
        sched::check_budget(k);
        match (sc.get(k).tcb.get(), t.get(k).sched_context.get()) {
            (Some(_), _) => sched_context::unbind_tcb(k, sc),
            (None, None) => sched_context::bind_tcb(k, sc, t),
            (None, Some(_)) => {}
        }
        self.w.settle();
    }

    /// The reply capability that a sensible server would use: that which holds a caller.
    fn reply(&self, n: usize) -> u64 {
        let k = self.w.k();
        let holding = self.replies.iter().find(|cptr| match self.w.cap(**cptr) {
            Cap::Reply(cap) => cap.reply.get(k).tcb.get().is_some_and(|t| !t.get(k).state.get().is_runnable()),
            _ => false,
        });
        match holding {
            Some(cptr) if n < 7 => *cptr,
            _ => self.replies[n % self.replies.len()],
        }
    }

    fn act(&mut self, step: &Step) {
        let current = self.w.current();
        match (step, current) {
            (Step::Call { call, endpoint, notification, reply, length, caps }, Some(t)) => {
                self.call(t, *call, (*endpoint, *notification, *reply), MessageInfo::new(*length, 0, *caps, *length));
            }
            (Step::Invoke { thread, label, word, is_call }, Some(t)) => {
                let (cap, first) = match label {
                    InvocationLabel::CNodeDelete => (World::ROOT, self.nothing),
                    InvocationLabel::SchedContextConsumed | InvocationLabel::SchedContextYieldTo => {
                        (self.contexts[*thread], *word)
                    }
                    _ => (self.threads[*thread].cptr, *word),
                };
                self.w.compose(&[first, if cap == World::ROOT { 64 } else { *word }, 0x1000, 0x2000], &[]);
                self.w.set_x(t, 1, MessageInfo::new(*label as u64, 0, 0, 4).0);
                let call = if *is_call { Syscall::Call } else { Syscall::Send };
                let before = taken();
                self.w.syscall(call, &[(0, cap)]);
                self.invoked += u32::from(taken() != before);
            }
            (Step::Fault { address, instruction }, Some(_)) => {
                self.w.vm_fault(VmFault { address: *address, esr: 0x9200_0006, instruction: *instruction });
            }
            (Step::Time(us), _) => self.w.pass_time(*us),
            (Step::Resume(n), _) => {
                let k = self.w.k();
                // One that waits would try again for ever.
                if !self.threads[*n].obj.get(k).state.get().is_blocked() {
                    self.w.start(self.threads[*n]);
                }
            }
            (Step::Priority(n, priority), _) => {
                sched::check_budget(self.w.k());
                sched::set_priority(self.w.k(), self.threads[*n].obj, Priority(*priority));
                self.w.settle();
            }
            (Step::Context(n), _) => self.context(*n),
            (Step::NoBuffer(n), _) if *n < self.threads.len() => {
                self.threads[*n].obj.get(self.w.k()).ipc_buffer.set(0x10);
            }
            _ => {
                // Nobody runs: somebody is told to.
                for t in self.threads.clone() {
                    if t.obj.get(self.w.k()).state.get() == ThreadState::Inactive {
                        self.w.start(t);
                    }
                }
                self.w.pass_time(1000);
            }
        }
    }

    fn call(&mut self, t: KRef<Tcb>, call: Syscall, (ep, n, reply): (usize, usize, usize), info: MessageInfo) {
        let (endpoint, signal, free) = (self.endpoints[ep], self.notifications[n], self.replies[reply % 4]);
        let answered = self.reply(reply);
        let words: Vec<u64> = (0..info.clamped_length() as u64).map(|i| i << 32 | endpoint).collect();
        self.w.compose(&words, &[signal, free, endpoint]);
        self.w.set_x(t, 1, info.0);
        let registers = match call {
            Syscall::ReplyRecv => [endpoint, answered, 0],
            Syscall::NbSendRecv if n == 0 => [endpoint, free, signal],
            Syscall::NbSendRecv if n == 1 => [endpoint, free, answered],
            Syscall::NbSendRecv => [endpoint, answered, answered],
            Syscall::Recv => [if n == 1 { signal } else { endpoint }, free, 0],
            Syscall::Send | Syscall::NbSend if ep == 0 => [endpoint, free, 0],
            Syscall::Send | Syscall::NbSend | Syscall::Wait | Syscall::NbWait => [signal, free, 0],
            _ => [endpoint, free, 0],
        };
        self.w.syscall(call, &[(0, registers[0]), (6, registers[1]), (8, registers[2])]);
    }
}

#[test]
fn fast_paths_leave_what_the_slow_path_leaves() {
    let mut runner = TestRunner::new(Config::with_cases(200));
    let invoked = Cell::new(0);
    let result = runner.run(&proptest::collection::vec(step(), 1..150), |steps| {
        let mut fair = Fair::new();
        for step in &steps {
            fair.act(step);
        }
        invoked.set(invoked.get() + fair.invoked);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    // The test must see what it is for: each path, on the same scheduling context and to another.
    let switching = [Syscall::Call, Syscall::ReplyRecv, Syscall::NbSendRecv].map(|call| (call, [true; 2]));
    let others = [
        (Syscall::Send, [true; 2]),
        (Syscall::NbSend, [true, false]),
        (Syscall::Wait, [true; 2]),
        (Syscall::NbWait, [true, false]),
        (Syscall::Yield, [true, true]),
    ];
    let taken = taken();
    assert!(invoked.get() >= 100, "invocations: {invoked:?}");
    assert!(taken[0].iter().all(|n| *n >= 4), "faults: {taken:?}");
    for (call, wanted) in switching.into_iter().chain(others) {
        let seen = taken[-call.number() as usize];
        for (seen, wanted) in seen.into_iter().zip(wanted) {
            assert!(!wanted || seen >= 4, "{call:?} was too seldom fast: {taken:?}");
        }
    }
}
