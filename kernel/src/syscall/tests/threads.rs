//! Any system calls, in any order, by whichever thread runs: every invariant holds after each.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use sel4_abi::message::IpcBuffer;
use sel4_abi::{CapRights, InvocationLabel as L, MessageInfo, Syscall};

use crate::cap::{Badge, Cap, EndpointCap};
use crate::ipc::fault::VmFault;
use crate::object::tcb::thread;
use crate::object::{Finalised, TcbSlot, endpoint, notification, reply, sched_context};
use crate::world::{Named, World};

/// What happens next. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    /// A system call on two capabilities and a reply capability.
    Call { call: usize, cap: usize, other: usize, reply: usize },
    /// An invocation of a capability with two extra capabilities.
    Invoke { label: usize, cap: usize, extra: [usize; 3], words: [u64; 5] },
    /// A fault of the running thread.
    Fault,
    /// Time passes.
    Time(u64),
    /// A thread is resumed from outside.
    Resume(usize),
    /// The last capability to an object goes (and the object is made anew in its place).
    Destroy(usize),
}

const CALLS: [Syscall; 11] = [
    Syscall::Call,
    Syscall::Call,
    Syscall::ReplyRecv,
    Syscall::NbSendRecv,
    Syscall::NbSendWait,
    Syscall::Send,
    Syscall::NbSend,
    Syscall::Recv,
    Syscall::NbRecv,
    Syscall::Wait,
    Syscall::Yield,
];

const LABELS: [L; 16] = [
    L::TcbSuspend,
    L::TcbResume,
    L::TcbResume,
    L::TcbSetPriority,
    L::TcbSetMcPriority,
    L::TcbSetSchedParams,
    L::TcbSetTimeoutEndpoint,
    L::TcbBindNotification,
    L::TcbUnbindNotification,
    L::SchedControlConfigureFlags,
    L::SchedContextBind,
    L::SchedContextBind,
    L::SchedContextUnbind,
    L::SchedContextUnbindObject,
    L::SchedContextConsumed,
    L::SchedContextYieldTo,
];

fn step() -> impl Strategy<Value = Step> {
    let call = (any::<usize>(), any::<usize>(), any::<usize>(), any::<usize>())
        .prop_map(|(call, cap, other, reply)| Step::Call { call, cap, other, reply });
    let word = prop_oneof![0u64..4, 5u64..60, 1000u64..4000];
    let invoke = (any::<usize>(), any::<usize>(), any::<[usize; 3]>(), prop::array::uniform5(word))
        .prop_map(|(label, cap, extra, words)| Step::Invoke { label, cap, extra, words });
    prop_oneof![
        12 => call,
        10 => invoke,
        1 => Just(Step::Fault),
        4 => (1u64..3000).prop_map(Step::Time),
        5 => any::<usize>().prop_map(Step::Resume),
        1 => any::<usize>().prop_map(Step::Destroy),
    ]
}

/// A world with some of everything.
struct Zoo {
    w: World,
    threads: Vec<Named<crate::object::Tcb>>,
    /// All capabilities that there are.
    caps: Vec<u64>,
    contexts: Vec<u64>,
    replies: Vec<u64>,
    control: u64,
}

fn zoo() -> Zoo {
    let mut w = World::new();
    let threads: Vec<_> = [50, 50, 40, 40, 30, 20].map(|p| w.thread(p)).to_vec();
    let mut caps: Vec<u64> = threads.iter().map(|t| t.cptr).collect();
    for t in &threads {
        let obj = w.context_of(*t).unwrap();
        let cap = crate::cap::SchedContextCap { sched_context: obj, size_bits: 8 };
        caps.push(w.put(Cap::SchedContext(cap)));
    }
    caps.extend([w.context(500, 2000), w.context(300, 5000)].map(|sc| sc.cptr));
    let contexts = caps[threads.len()..].to_vec();
    let endpoints = [w.endpoint(), w.endpoint()];
    for ep in endpoints {
        let badged = w.badged(ep, 5, CapRights::ALL);
        let limited = w.badged(ep, 6, CapRights::READ_WRITE);
        caps.extend([ep.cptr, ep.cptr, ep.cptr, badged, limited]);
    }
    for (t, which) in [(0, TcbSlot::FaultHandler), (1, TcbSlot::TimeoutHandler), (2, TcbSlot::TimeoutHandler)] {
        let cap = EndpointCap { endpoint: endpoints[0].obj, badge: Badge(9), rights: CapRights::ALL };
        let slot = threads[t].obj.slot(w.k(), which);
        crate::cap::cdt::insert(w.k(), w.slot(endpoints[0].cptr), slot, Cap::Endpoint(cap));
    }
    caps.extend([w.notification(1), w.notification(2), w.notification(4)].map(|n| n.cptr));
    let replies: Vec<_> = (0..4).map(|_| w.reply().cptr).collect();
    caps.extend(&replies);
    let control = w.put(Cap::SchedControl { core: 0 });
    caps.extend([control, w.free_slot(), 1 << 40]);
    // The first three are passive servers, so that calls lend and nest.
    for (i, t) in threads.iter().take(3).enumerate() {
        w.start(*t);
        w.recv(endpoints[i % 2].cptr, replies[i]);
        let own = w.context_of(*t).unwrap();
        sched_context::unbind_tcb(w.k(), own);
        w.settle();
    }
    threads.iter().skip(3).for_each(|t| w.start(*t));
    Zoo { w, threads, caps, contexts, replies, control }
}

impl Zoo {
    fn cap(&self, n: usize) -> u64 {
        self.caps[n % self.caps.len()]
    }

    /// A capability to invoke with `label`: mostly of the kind that knows it.
    fn invoked(&self, label: L, n: usize) -> u64 {
        match label {
            L::SchedControlConfigureFlags => self.control,
            _ if n.is_multiple_of(8) => self.cap(n / 8),
            L::SchedContextBind
            | L::SchedContextUnbind
            | L::SchedContextUnbindObject
            | L::SchedContextConsumed
            | L::SchedContextYieldTo => self.contexts[n / 8 % self.contexts.len()],
            _ => self.threads[n / 8 % self.threads.len()].cptr,
        }
    }

    fn apply(&mut self, step: &Step) {
        let running = self.w.current().is_some();
        match step {
            Step::Call { call, cap, other, reply } if running => {
                let reply = self.replies[reply % self.replies.len()];
                let info = MessageInfo::new(0, 0, (other % 4) as u64, (cap % 9) as u64);
                let (cap, other) = (self.cap(*cap), self.cap(*other));
                self.w.compose(&[], &[other, cap, reply]);
                let registers = [(0, cap), (1, info.0), (6, reply), (8, other)];
                self.w.syscall(CALLS[call % CALLS.len()], &registers);
            }
            Step::Invoke { label, cap, extra, words } if running => {
                let label = LABELS[label % LABELS.len()];
                let (cap, extra) = (self.invoked(label, *cap), extra.map(|n| self.cap(n)));
                self.w.invoke(cap, label, words, &extra);
            }
            Step::Fault if running => {
                let fault = VmFault { address: 0, esr: 0x9200_0006, instruction: false };
                self.w.vm_fault(fault);
            }
            Step::Time(us) => self.w.pass_time(*us),
            Step::Resume(n) => {
                let t = self.threads[n % self.threads.len()];
                self.w.start(t);
            }
            Step::Destroy(n) => {
                crate::sched::enter(self.w.k());
                self.destroy(*n);
                self.w.settle();
            }
            _ => self.w.pass_time(100),
        }
    }

    fn destroy(&mut self, n: usize) {
        let k = self.w.k();
        match self.w.cap(self.cap(n) % 512) {
            Cap::Endpoint(cap) => while endpoint::finalise(k, cap.endpoint) == Finalised::Partly {},
            Cap::Notification(cap) => while notification::finalise(k, cap.notification) == Finalised::Partly {},
            Cap::Reply(cap) => reply::finalise(k, cap.reply),
            Cap::SchedContext(cap) => sched_context::finalise(k, cap.sched_context),
            Cap::Thread(t) => thread::finalise(k, t),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_system_calls_keep_all_invariants(steps in prop::collection::vec(step(), 1..120)) {
        let mut zoo = zoo();
        for step in &steps {
            zoo.apply(step);
        }
    }
}

#[test]
fn debug_calls_change_only_what_they_say() {
    let mut w = World::new();
    let (t, n) = (w.thread(10), w.notification(1));
    w.start(t);
    w.syscall(Syscall::DebugCapIdentify, &[(0, n.cptr), (1, 11)]);
    assert_eq!((w.x(t, 0), w.x(t, 1)), (6, 11));
    w.syscall(Syscall::DebugCapIdentify, &[(0, 1 << 40)]);
    assert_eq!(w.x(t, 0), 0);
    for (i, word) in [u64::from_le_bytes(*b"a thread"), u64::from_le_bytes(*b"'s name\0")].iter().enumerate() {
        w.set_buffer_word(t.obj, IpcBuffer::MSG_WORD + i, *word);
    }
    w.syscall(Syscall::DebugNameThread, &[(0, t.cptr)]);
    assert_eq!(&t.obj.get(w.k()).name.get()[..16], b"a thread's name\0");
    w.syscall(Syscall::DebugPutChar, &[(0, u64::from(b'!')), (1, 5)]);
    w.syscall(Syscall::DebugDumpScheduler, &[]);
    w.syscall(Syscall::DebugSnapshot, &[]);
    assert_eq!((w.x(t, 0), w.x(t, 1)), (u64::from(b'!'), 5));
    assert_eq!(vec![w.runs(t)], [true]);
}
