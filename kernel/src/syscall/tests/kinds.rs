//! Random system calls over the arena: whatever user code says, the kernel stays consistent, and what
//! it refuses leaves no trace.

use std::format;
use std::vec::Vec;

use proptest::prelude::*;

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
    label: u64,
    words: Vec<Word>,
    caps: Vec<Pick>,
}

fn message() -> impl Strategy<Value = Message> {
    (0u64..58, proptest::collection::vec(word(), 0..9), proptest::collection::vec(pick(), 0..4))
        .prop_map(|(label, words, caps)| Message { label, words, caps })
}

/// Labels that the kind of a capability knows, so that most messages get past the first check.
fn labels_of(cap: Cap) -> core::ops::RangeInclusive<u64> {
    match cap {
        Cap::Untyped(_) => 1..=1,
        Cap::Thread(_) => 2..=17,
        Cap::CNode(_) => 18..=25,
        Cap::IrqControl => 54..=56,
        Cap::IrqHandler(_) => 27..=29,
        Cap::Domain => 30..=32,
        Cap::SchedControl { .. } => 33..=33,
        Cap::SchedContext(_) => 34..=38,
        Cap::VSpace(_) => 39..=42,
        Cap::PageTable(_) => 44..=45,
        Cap::Frame(_) => 46..=52,
        Cap::AsidControl => 53..=53,
        Cap::AsidPool(_) => 54..=54,
        _ => 0..=57,
    }
}

/// A label that the kind knows, chosen by a number; sometimes any label.
fn fitting_label(cap: Cap, label: u64) -> u64 {
    let known = labels_of(cap);
    if label >= 54 {
        return label;
    }
    match known.start() + label % (known.end() - known.start() + 1) {
        // Interrupt control has three operations, of which the first has a number apart.
        54 if cap == Cap::IrqControl => InvocationLabel::IrqIssueIrqHandler.number(),
        label => label,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    /// Memory, the kernel's state, and what the hardware was asked for.
    #[test]
    fn a_refused_invocation_leaves_no_trace(calls in proptest::collection::vec((pick(), message()), 1..30)) {
        let mut zoo = Zoo::new();
        for (target, message) in calls {
            let slot = zoo.w.slot(zoo.cptr(target));
            let cap = slot.cap(zoo.w.k());
            let words: Vec<u64> = message.words.iter().map(|w| zoo.word(*w)).collect();
            let caps = message.caps.iter().map(|cap| zoo.w.slot(zoo.cptr(*cap)));
            let args = zoo.scribe.args(zoo.w.k(), &words, caps);
            let label = fitting_label(cap, message.label);
            let raw = slot.raw(zoo.w.k());
            let inv = Invocation { label, slot, cap: raw, args: &args, phase: Phase::Only };
            let before = (zoo.w.m.snapshot(), format!("{:?}", zoo.w.k()));
            let mut result = None;
            let events = record(|| result = Some(invoke(&mut zoo.w.m.kernel, &inv)));
            if let Some(Err(InvocationError::Refused(error))) = result {
                prop_assert!(before.0 == zoo.w.m.snapshot(), "{cap:?} label {label}: {error:?} changed memory");
                prop_assert_eq!(&before.1, &format!("{:?}", zoo.w.k()), "{:?} changed the kernel", error);
                prop_assert!(events.is_empty(), "{cap:?} label {label}: {error:?}, but {events:?}");
            }
            zoo.w.settle();
            zoo.w.assert_well_linked();
        }
    }
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
                let label = fitting_label(self.w.cap(target), message.label);
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
