//! Random system calls over the arena: whatever user code says, the kernel stays consistent, and what
//! it refuses leaves no trace.

use std::format;
use std::vec::Vec;

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use crate::arch::record::record;
use crate::cap::{
    AsidPoolCap, Badge, CNodeCap, Cap, FrameCap, Mapping, NotificationCap, SgiSignalCap, UntypedCap, VSpaceCap,
    VmRights,
};
use crate::error::InvocationError;
use crate::irq::{Irq, IrqState};
use crate::kobj::MemRegion;
use crate::mem::{PhysAddr, UserVa};
use crate::object::{AsidPool, PageTable};
use crate::syscall::{Invocation, Phase, invoke};
use crate::vspace::Asid;
use crate::world::{Named, Scribe, World};
use sel4_abi::message::IpcBuffer;
use sel4_abi::object::{ASID_POOL_BITS, PAGE_BITS, SLOT_BITS, VSPACE_BITS};
use sel4_abi::{CapRights, InvocationLabel, MessageInfo, Syscall};

/// Interrupts that have handlers from the start.
const HANDLED: [u16; 2] = [40, 41];

/// One of every kind of capability, and a few threads that may run.
struct Zoo {
    w: World,
    scribe: Scribe,
    threads: Vec<Named<crate::object::Tcb>>,
    /// CPtrs, empty slots included.
    cptrs: Vec<u64>,
}

impl Zoo {
    fn new() -> Self {
        let mut w = World::with_memory(20);
        let mut cptrs = std::vec![World::ROOT];
        let threads: Vec<_> = [10, 10, 20].map(|priority| w.thread(priority)).into();
        threads.iter().for_each(|t| cptrs.push(t.cptr));
        cptrs.push(w.passive(15).cptr);
        let endpoint = w.endpoint();
        let badged = w.badged(endpoint, 7, CapRights::ALL);
        let deaf = w.badged(endpoint, 8, CapRights::WRITE);
        let notification = w.notification(1);
        cptrs.extend([endpoint.cptr, badged, deaf, w.endpoint().cptr, notification.cptr, w.notification(2).cptr]);
        let cap = NotificationCap { notification: notification.obj, badge: Badge(4), rights: CapRights::READ };
        cptrs.push(w.copy(notification.cptr, Cap::Notification(cap)));
        cptrs.extend([w.reply().cptr, w.reply().cptr, w.raw_context(8).cptr, w.context(1000, 4000).cptr]);
        let untyped = w.m.take(15);
        cptrs.push(w.put(Cap::Untyped(UntypedCap::full(untyped))));
        let device = MemRegion::device(PhysAddr(0x900_0000), 16);
        cptrs.push(w.put(Cap::Untyped(UntypedCap::full(device))));
        for cap in [Cap::Domain, Cap::SchedControl { core: 0 }, Cap::AsidControl] {
            cptrs.push(w.put(cap));
        }
        let control = w.put(Cap::IrqControl);
        let signal = w.copy(control, Cap::SgiSignal(SgiSignalCap { number: 3, target: 0 }));
        cptrs.extend([control, signal]);
        for irq in HANDLED.map(Irq) {
            w.k().irqs.set_state(irq, IrqState::Handled);
            cptrs.push(w.copy(control, Cap::IrqHandler(irq)));
        }
        let scribe = Scribe::new(&mut w.m);
        let mut zoo = Zoo { w, scribe, threads, cptrs };
        zoo.add_memory();
        let slots = zoo.w.m.take(3 + SLOT_BITS).place_slots(&mut zoo.w.m.kernel).unwrap();
        zoo.add(Cap::CNode(CNodeCap { slots, guard: 0, guard_size: 0 }));
        for _ in 0..6 {
            let empty = zoo.w.free_slot();
            zoo.cptrs.push(empty);
        }
        zoo.threads.clone().into_iter().for_each(|t| zoo.w.start(t));
        zoo
    }

    fn add(&mut self, cap: Cap) -> u64 {
        let cptr = self.w.put(cap);
        self.cptrs.push(cptr);
        cptr
    }

    /// An address space with an ASID, one without, tables, frames, an ASID pool.
    fn add_memory(&mut self) {
        let k = &mut self.w.m.kernel;
        let _ = &k;
        let region = self.w.m.take(ASID_POOL_BITS);
        let pool = region.place::<AsidPool>(&mut self.w.m.kernel).unwrap();
        self.w.k().asids.add_pool(Asid(0), pool);
        self.add(Cap::AsidPool(AsidPoolCap { pool, base: Asid(0) }));
        for asid in [Some(Asid(1)), None] {
            let region = self.w.m.take(VSPACE_BITS);
            let root = region.place::<PageTable>(&mut self.w.m.kernel).unwrap();
            if let Some(asid) = asid {
                pool.get(self.w.k()).assign(asid, root);
            }
            self.add(Cap::VSpace(VSpaceCap { root, asid }));
        }
        for _ in 0..4 {
            let region = self.w.m.take(PAGE_BITS);
            let table = region.place::<PageTable>(&mut self.w.m.kernel).unwrap();
            self.add(Cap::PageTable(crate::cap::PageTableCap { table, mapping: None }));
        }
        for _ in 0..3 {
            let region = self.w.m.take(PAGE_BITS);
            self.add(Cap::Frame(FrameCap { region, rights: VmRights::ReadWrite, mapping: None }));
        }
        let region = MemRegion::device(PhysAddr(0xa00_0000), PAGE_BITS as u8);
        let mapping = Some(Mapping { asid: Asid(5), vaddr: UserVa(0x4000) });
        self.add(Cap::Frame(FrameCap { region, rights: VmRights::ReadOnly, mapping }));
    }

    fn cptr(&self, pick: Pick) -> u64 {
        self.cptrs[pick.0 % self.cptrs.len()]
    }

    fn word(&self, word: Word) -> u64 {
        match word {
            Word::Small(n) => n,
            Word::CPtr(pick) => self.cptr(pick),
            Word::Depth => 64,
            Word::Page(n) => n << PAGE_BITS,
            Word::Any(n) => n,
        }
    }
}

/// Which of the CPtrs.
#[derive(Clone, Copy, Debug)]
struct Pick(usize);

#[derive(Clone, Copy, Debug)]
enum Word {
    Small(u64),
    CPtr(Pick),
    Depth,
    Page(u64),
    Any(u64),
}

fn pick() -> impl Strategy<Value = Pick> {
    (0usize..64).prop_map(Pick)
}

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        4 => (0u64..20).prop_map(Word::Small),
        4 => pick().prop_map(Word::CPtr),
        4 => Just(Word::Depth),
        2 => (0u64..5).prop_map(Word::Page),
        1 => any::<u64>().prop_map(Word::Any),
    ]
}

/// An operation and its message.
#[derive(Clone, Debug)]
struct Message {
    label: Label,
    words: Vec<Word>,
    caps: Vec<Pick>,
}

/// Which operation is asked for.
#[derive(Clone, Copy, Debug)]
enum Label {
    /// One that the kind of the capability knows, so that most messages get past the first check.
    Fitting(usize),
    /// Any.
    Any(u64),
}

fn message() -> impl Strategy<Value = Message> {
    let label = prop_oneof![
        6 => any::<usize>().prop_map(Label::Fitting),
        1 => (0u64..58).prop_map(Label::Any),
        1 => any::<u64>().prop_map(Label::Any),
    ];
    // Most operations need few words, one needs many.
    let words =
        prop_oneof![6 => proptest::collection::vec(word(), 0..9), 1 => proptest::collection::vec(word(), 9..41)];
    (label, words, proptest::collection::vec(pick(), 0..4)).prop_map(|(label, words, caps)| Message {
        label,
        words,
        caps,
    })
}

/// Labels that the kind of a capability knows.
fn labels_of(cap: Cap) -> Vec<u64> {
    let labels = |range: core::ops::RangeInclusive<u64>| range.collect();
    match cap {
        Cap::Untyped(_) => labels(1..=1),
        Cap::Thread(_) => labels(2..=17),
        Cap::CNode(_) => labels(18..=25),
        Cap::IrqControl => std::vec![26, 55, 56],
        Cap::IrqHandler(_) => labels(27..=29),
        Cap::Domain => labels(30..=32),
        Cap::SchedControl { .. } => labels(33..=33),
        Cap::SchedContext(_) => labels(34..=38),
        Cap::VSpace(_) => labels(39..=42),
        Cap::PageTable(_) => labels(44..=45),
        Cap::Frame(_) => labels(46..=52),
        Cap::AsidControl => labels(53..=53),
        Cap::AsidPool(_) => labels(54..=54),
        _ => labels(0..=57),
    }
}

impl Label {
    fn number(self, cap: Cap) -> u64 {
        match self {
            Label::Fitting(pick) => {
                let known = labels_of(cap);
                known[pick % known.len()]
            }
            Label::Any(number) => number,
        }
    }
}

/// An invocation: of what, what, and in which half of a system call.
type Call = (Pick, Message, bool);

fn calls() -> impl Strategy<Value = Vec<Call>> {
    proptest::collection::vec((pick(), message(), prop::bool::weighted(0.1)), 1..30)
}

/// Makes the invocations; whatever is refused leaves no trace: in memory, in the kernel's state, in what the hardware
/// was asked for. Answers the operations that were refused, each by a capability that knows it.
fn refusals_leave_no_trace(calls: Vec<Call>) -> Result<Vec<u64>, TestCaseError> {
    let mut zoo = Zoo::new();
    let mut refused = Vec::new();
    for (target, message, is_first) in calls {
        let slot = zoo.w.slot(zoo.cptr(target));
        let cap = slot.cap(zoo.w.k());
        let words: Vec<u64> = message.words.iter().map(|w| zoo.word(*w)).collect();
        let caps = message.caps.iter().map(|cap| zoo.w.slot(zoo.cptr(*cap)));
        let args = zoo.scribe.args(zoo.w.k(), &words, caps);
        let label = message.label.number(cap);
        let phase = if is_first { Phase::First } else { Phase::Only };
        let inv = Invocation { label, slot, cap: slot.raw(zoo.w.k()), args: &args, phase };
        let before = (zoo.w.m.snapshot(), format!("{:?}", zoo.w.k()));
        let mut result = None;
        let events = record(|| result = Some(invoke(&mut zoo.w.m.kernel, &inv)));
        if let Some(Err(InvocationError::Refused(error))) = result {
            prop_assert!(before.0 == zoo.w.m.snapshot(), "{cap:?} label {label}: {error:?} changed memory");
            prop_assert_eq!(&before.1, &format!("{:?}", zoo.w.k()), "{:?} changed the kernel", error);
            prop_assert!(events.is_empty(), "{cap:?} label {label}: {error:?}, but {events:?}");
            if phase == Phase::Only && !matches!(cap, Cap::Null) && labels_of(cap).contains(&label) {
                refused.push(label);
            }
        }
        zoo.w.settle();
        zoo.w.assert_well_linked();
    }
    Ok(refused)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn a_refused_invocation_leaves_no_trace(calls in calls()) {
        refusals_leave_no_trace(calls)?;
    }
}

/// The property above says something of each operation that can be refused.
#[test]
fn every_operation_is_refused_by_random_invocations() {
    use InvocationLabel as L;
    let never = [
        L::TcbSuspend,
        L::TcbResume,
        L::SchedContextConsumed,
        L::PageUnmap,
        L::PageGetAddress,
        L::IrqAckIrq,
        L::IrqClearIrqHandler,
    ];
    // There is no capability for that one in this configuration.
    let mut missing: Vec<L> =
        L::ALL.iter().copied().filter(|label| *label != L::SmcCall && !never.contains(label)).collect();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..1000 {
        let calls = calls().new_tree(&mut runner).unwrap().current();
        let refused = refusals_leave_no_trace(calls).unwrap();
        missing.retain(|label| !refused.contains(&label.number()));
        if missing.is_empty() {
            return;
        }
    }
    panic!("never refused: {missing:?}");
}

/// What a thread, or the world, does.
#[derive(Clone, Debug)]
enum Step {
    /// The current thread makes a system call.
    Call { call: usize, target: Pick, source: Pick, reply: Pick, message: Message },
    /// Time passes.
    Time(u64),
    /// A thread is resumed from outside.
    Start(usize),
    /// A device interrupts.
    Interrupt(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0usize..11, pick(), pick(), pick(), message())
            .prop_map(|(call, target, source, reply, message)| Step::Call { call, target, source, reply, message }),
        2 => (1u64..6000).prop_map(Step::Time),
        2 => (0usize..3).prop_map(Step::Start),
        2 => prop_oneof![Just(40u16), Just(41), 0u16..160].prop_map(Step::Interrupt),
    ]
}

impl Zoo {
    fn act(&mut self, step: &Step) {
        match step {
            Step::Time(us) => self.w.pass_time(*us),
            Step::Start(i) => self.w.start(self.threads[*i]),
            Step::Interrupt(irq) => self.w.interrupt(Irq(*irq)),
            Step::Call { call, target, source, reply, message } => {
                let Some(t) = self.w.current() else { return };
                // Most are calls, so that results are written.
                let call = Syscall::ALL.get(*call).copied().unwrap_or(Syscall::Call);
                let (target, source, reply) = (self.cptr(*target), self.cptr(*source), self.cptr(*reply));
                let words: Vec<u64> = message.words.iter().map(|w| self.word(*w)).collect();
                let caps: Vec<u64> = message.caps.iter().map(|c| self.cptr(*c)).collect();
                self.w.compose(&words, &caps);
                self.w.set_buffer_word(t, IpcBuffer::RECEIVE_CNODE_WORD, World::ROOT);
                self.w.set_buffer_word(t, IpcBuffer::RECEIVE_INDEX_WORD, source);
                self.w.set_buffer_word(t, IpcBuffer::RECEIVE_DEPTH_WORD, 64);
                let label = message.label.number(self.w.cap(target));
                let info = MessageInfo::new(label, 0, caps.len() as u64, words.len() as u64);
                // Where the destination is depends on the call (spec §1.1).
                let (first, sixth) = match call {
                    Syscall::NbSendWait | Syscall::ReplyRecv => (source, target),
                    Syscall::NbSendRecv => (source, reply),
                    _ => (target, reply),
                };
                self.w.syscall(call, &[(0, first), (1, info.0), (6, sixth), (8, target)]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Every invariant of threads, queues, contexts, replies and the derivation list holds after every
    /// call (`World::settle` checks them).
    #[test]
    fn random_calls_keep_every_invariant(steps in proptest::collection::vec(step(), 1..60)) {
        let mut zoo = Zoo::new();
        for step in &steps {
            zoo.act(step);
            zoo.w.assert_well_linked();
        }
    }
}
