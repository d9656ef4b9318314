//! Threads that own a piece of memory and do with it what they like: any system call, any registers, any CSpace that
//! they make of it. The kernel stays consistent, and who gave them the memory gets all of it back.
//!
//! For tests: `syscall/tests/jail.rs` makes steps at random, and the fuzz target (`kernel/fuzz`) from bytes.

use std::vec::Vec;

use sel4_abi::message::IpcBuffer;
use sel4_abi::object::ASID_POOL_BITS;
use sel4_abi::{InvocationLabel as L, MessageInfo, ObjectType};

use crate::cap::{AsidPoolCap, Badge, CNodeCap, Cap, SlotRef, UntypedCap, cdt, delete};
use crate::ipc::fault::VmFault;
use crate::irq::{Irq, IrqState, handle_interrupt};
use crate::kobj::{KRef, MemRegion};
use crate::object::sched_context::{self, Parameters};
use crate::object::tcb::thread;
use crate::object::{AsidPool, Tcb, TcbSlot};
use crate::sched::{self, Micros, Priority};
use crate::syscall::{Invocation, Phase, invoke};
use crate::vspace::Asid;
use crate::world::{Scribe, World};

/// The memory that the prisoners get, log2.
const MEMORY_BITS: u32 = 19;
/// log2 of the slots of their first CNode, which is all of their CSpace that is made for them.
const RADIX: u32 = 6;
const BUFFER: u64 = 0x1400;
const THREADS: u64 = 3;
/// The system call that stops the machine.
const HALT: i64 = -14;
/// Steps that one string of bytes can stand for.
const MAX_STEPS: usize = 200;

/// What a prisoner, or the world, does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A system call with these registers; words and capabilities for the IPC buffer.
    Call { number: i64, registers: [u64; 9], words: Vec<u64>, caps: [u64; 3] },
    /// An invocation with the right shape: a slot, an operation, words, extra slots.
    Invoke { cptr: u64, label: u64, words: Vec<u64>, caps: Vec<u64> },
    /// A retype of one of the untypeds.
    Retype { cptr: u64, object: u64, size_bits: u64, offset: u64, count: u64 },
    /// A fault.
    Fault(u64),
    /// An interrupt.
    Interrupt(u16),
    /// Time passes.
    Time(u64),
}

/// Does what the bytes of a fuzzer say, and takes everything back.
///
/// # Panics
///
/// If an invariant does not hold.
pub fn run(bytes: &[u8]) {
    let mut jail = Jail::new();
    let mut bytes = Bytes(bytes);
    for _ in 0..MAX_STEPS {
        let Some(step) = bytes.step() else { break };
        jail.act(&step);
    }
    jail.reclaim();
}

/// Bytes that are read as steps. Behind their end there are none.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A word: a small number is a byte; others take one more, or eight.
    fn word(&mut self) -> Option<u64> {
        let first = u64::from(self.byte()?);
        Some(match first {
            0..=191 => first,
            192..=223 => u64::from(self.byte()?) << 12,
            224..=239 => 1 << (self.byte()? % 64),
            240..=247 => u64::from(self.byte()?).wrapping_neg(),
            _ => {
                let mut word = 0;
                for _ in 0..8 {
                    word = word << 8 | u64::from(self.byte()?);
                }
                word
            }
        })
    }

    fn words(&mut self, most: u8) -> Option<Vec<u64>> {
        let count = self.byte()? % (most + 1);
        (0..count).map(|_| self.word()).collect()
    }

    fn step(&mut self) -> Option<Step> {
        Some(match self.byte()? % 16 {
            0..=3 => {
                let number = -i64::from(self.byte()? % 19);
                let mut registers = [0; 9];
                for register in &mut registers {
                    *register = self.word()?;
                }
                let words = self.words(11)?;
                let caps = [self.word()?, self.word()?, self.word()?];
                Step::Call { number: if number == HALT { -1 } else { number }, registers, words, caps }
            }
            4..=9 => Step::Invoke {
                cptr: self.word()?,
                label: u64::from(self.byte()? % 58),
                words: self.words(11)?,
                caps: self.words(3)?,
            },
            10..=12 => Step::Retype {
                cptr: self.word()?,
                object: u64::from(self.byte()? % 13),
                size_bits: u64::from(self.byte()? % 16),
                offset: self.word()?,
                count: u64::from(self.byte()? % 6),
            },
            13 => Step::Fault(self.word()?),
            14 => Step::Interrupt(u16::from(self.byte()?)),
            _ => Step::Time(u64::from(self.byte()?) * 40),
        })
    }
}

/// The prisoners, and who gave them their memory.
pub(crate) struct Jail {
    w: World,
    scribe: Scribe,
    /// The slot that everything is derived from, out of reach.
    parent: SlotRef,
    region: MemRegion,
    /// The prisoners' CNode, while it lives.
    cnode: u64,
}

impl Jail {
    pub(crate) fn new() -> Self {
        let mut w = World::with_memory(22);
        let scribe = Scribe::new(&mut w.m);
        let region = w.m.take(MEMORY_BITS);
        let parent = w.put(Cap::Untyped(UntypedCap::clear(region)));
        let cnode = w.free_slot();
        let mut jail = Jail { parent: w.slot(parent), w, scribe, region, cnode };
        jail.make(ObjectType::CNode, u64::from(RADIX), cnode, 1);
        let Cap::CNode(inside) = jail.w.cap(cnode) else { panic!("just made") };
        let root = Cap::CNode(CNodeCap { guard: 0, guard_size: 64 - RADIX, ..inside });
        jail.w.slot(cnode).update(jail.w.k(), root);
        jail.give_authorities(inside);
        for number in 0..THREADS {
            jail.make_thread(inside, number);
        }
        // Half of the memory is an untyped of theirs.
        let untyped = jail.w.free_slot();
        jail.make(ObjectType::Untyped, u64::from(MEMORY_BITS) - 1, untyped, 1);
        jail.hand_over(untyped, inside, 2);
        // The world forgets the CNode: what is left of it are the threads' roots and the slot inside.
        let slot = jail.w.slot(cnode);
        let dest = inside.slots.slot(1).unwrap();
        cdt::move_cap(jail.w.k(), slot, dest, slot.cap(jail.w.k()));
        jail.w.settle();
        jail
    }

    /// Makes objects from the parent's memory into slots of the world.
    fn make(&mut self, object: ObjectType, size_bits: u64, cptr: u64, count: u64) {
        let words = [object as u64, size_bits, 0, 0, cptr, count];
        let args = self.scribe.args(self.w.k(), &words, [self.w.slot(World::ROOT)]);
        let cap = self.parent.raw(self.w.k());
        let inv =
            Invocation { label: L::UntypedRetype.number(), slot: self.parent, cap, args: &args, phase: Phase::Only };
        invoke(&mut self.w.m.kernel, &inv).unwrap_or_else(|error| panic!("{object:?}: {error:?}"));
    }

    fn hand_over(&self, cptr: u64, inside: CNodeCap, index: usize) {
        let (slot, dest) = (self.w.slot(cptr), inside.slots.slot(index).unwrap());
        cdt::move_cap(self.w.k(), slot, dest, slot.cap(self.w.k()));
    }

    /// Everything that only boot can give, and one of most objects.
    fn give_authorities(&mut self, inside: CNodeCap) {
        let pool_of_world = |w: &mut World| {
            let pool = w.m.take(ASID_POOL_BITS).place::<AsidPool>(&mut w.m.kernel).unwrap();
            w.k().asids.add_pool(Asid(0), pool);
            w.put(Cap::AsidPool(AsidPoolCap { pool, base: Asid(0) }))
        };
        let pool = pool_of_world(&mut self.w);
        let pool_cap = self.w.cap(pool);
        let copy = self.w.copy(pool, pool_cap);
        let caps = [Cap::IrqControl, Cap::AsidControl, Cap::Domain, Cap::SchedControl { core: 0 }];
        let mut all: Vec<u64> = caps.map(|cap| self.w.put(cap)).into();
        all.push(copy);
        for (cptr, index) in all.into_iter().zip(3..) {
            self.hand_over(cptr, inside, index);
        }
        let objects = [
            (ObjectType::Endpoint, 0),
            (ObjectType::Endpoint, 0),
            (ObjectType::Notification, 0),
            (ObjectType::Reply, 0),
            (ObjectType::SchedContext, 8),
            (ObjectType::VSpace, 0),
            (ObjectType::PageTable, 0),
            (ObjectType::PageTable, 0),
            (ObjectType::PageTable, 0),
            (ObjectType::SmallPage, 0),
            (ObjectType::CNode, 3),
        ];
        for ((object, size_bits), index) in objects.into_iter().zip(8..) {
            let cptr = self.w.free_slot();
            self.make(object, size_bits, cptr, 1);
            self.hand_over(cptr, inside, index);
        }
    }

    fn make_thread(&mut self, inside: CNodeCap, number: u64) {
        let [tcb, frame, context] = [(); 3].map(|()| self.w.free_slot());
        self.make(ObjectType::Tcb, 0, tcb, 1);
        self.make(ObjectType::SmallPage, 0, frame, 1);
        self.make(ObjectType::SchedContext, 8, context, 1);
        let k = self.w.k();
        let (Cap::Thread(t), Cap::SchedContext(sc)) = (self.w.cap(tcb), self.w.cap(context)) else {
            panic!("just made")
        };
        cdt::insert(k, self.w.slot(self.cnode), t.slot(k, TcbSlot::CSpaceRoot), self.w.cap(self.cnode));
        cdt::insert(k, self.w.slot(frame), t.slot(k, TcbSlot::IpcBuffer), self.w.cap(frame));
        t.get(k).ipc_buffer.set(BUFFER);
        t.get(k).priority.set(Priority(100 + number as u8));
        t.get(k).mcp.set(Priority(255));
        let clock = k.cpu.sched.clock;
        let (budget, period) = (clock.to_ticks(Micros(1000)), clock.to_ticks(Micros(1000 + 2000 * number)));
        let parameters = Parameters { budget, period, max_refills: 10, badge: Badge(9), is_sporadic: number == 2 };
        sched_context::configure(k, sc.sched_context, parameters);
        sched_context::bind_tcb(k, sc.sched_context, t);
        sched::enter(k);
        thread::resume(k, t);
        self.w.settle();
        for (cptr, index) in [tcb, frame, context].into_iter().zip(20 + 3 * number as usize..) {
            self.hand_over(cptr, inside, index);
        }
    }

    /// Does one step.
    pub(crate) fn act(&mut self, step: &Step) {
        match step {
            Step::Time(us) => self.w.pass_time(*us),
            Step::Interrupt(number) => self.w.interrupt(Irq(*number)),
            Step::Fault(address) => {
                if self.w.current().is_some() {
                    let fault = VmFault { address: *address, esr: 0x9200_0006, instruction: *address % 2 == 1 };
                    self.w.vm_fault(fault);
                }
            }
            Step::Call { number, registers, words, caps } => {
                let Some(t) = self.w.current() else { return };
                self.w.compose(words, caps);
                self.receive_window(t, caps[0]);
                for (index, value) in registers.iter().enumerate() {
                    self.w.set_x(t, index, *value);
                }
                self.w.set_x(t, 7, number.cast_unsigned());
                self.w.trap();
            }
            Step::Invoke { cptr, label, words, caps } => self.invoke(*cptr, *label, words, caps),
            Step::Retype { cptr, object, size_bits, offset, count } => {
                let cptr = if cptr % 2 == 0 { 2 } else { *cptr };
                self.invoke(cptr, L::UntypedRetype.number(), &[*object, *size_bits, 0, 0, *offset, *count], &[1]);
            }
        }
    }

    fn invoke(&mut self, cptr: u64, label: u64, words: &[u64], caps: &[u64]) {
        let Some(t) = self.w.current() else { return };
        self.w.compose(words, caps);
        let info = MessageInfo::new(label, 0, caps.len() as u64, words.len() as u64);
        self.w.set_x(t, 0, cptr);
        self.w.set_x(t, 1, info.0);
        self.w.set_x(t, 7, (-1_i64).cast_unsigned());
        self.w.trap();
    }

    /// Where capabilities that come are to go.
    fn receive_window(&self, t: KRef<Tcb>, index: u64) {
        self.w.set_buffer_word(t, IpcBuffer::RECEIVE_CNODE_WORD, 1);
        self.w.set_buffer_word(t, IpcBuffer::RECEIVE_INDEX_WORD, index);
        self.w.set_buffer_word(t, IpcBuffer::RECEIVE_DEPTH_WORD, 64);
    }

    /// The one who gave the memory takes it back: everything in it ends, and it can be used again.
    pub(crate) fn reclaim(&mut self) {
        for _ in 0..1000 {
            sched::enter(self.w.k());
            let done = delete::revoke(self.w.k(), self.parent).is_ok();
            handle_interrupt(self.w.k());
            self.w.settle();
            if done {
                break;
            }
        }
        let k = self.w.k();
        assert!(!cdt::has_children(k, self.parent), "something of it is left");
        assert_eq!(self.w.current(), None, "a prisoner still runs");
        assert_eq!(k.cpu.fpu.owner(), None);
        assert_eq!(k.cpu.sched.current_sc(), None);
        assert_eq!(k.cpu.sched.released_threads(k).count(), 0);
        for number in 0..160 {
            assert_eq!(k.irqs.state(Irq(number)), IrqState::Free, "interrupt {number} has a handler");
            assert!(k.irqs.slot(Irq(number)).is_none_or(|slot| slot.is_empty(k)), "interrupt {number} signals");
        }
        for number in 1..128_u16 {
            assert_eq!(k.asids.pool(Asid(number << 9)), None, "ASID pool {number}");
        }
        let pool = k.asids.pool(Asid(0)).unwrap();
        assert!(pool.get(k).roots.iter().all(|root| root.get().is_none()), "an ASID leads somewhere");

        // All of it can be used again, and nothing shines through.
        let cptr = self.w.free_slot();
        self.make(ObjectType::SmallPage, 0, cptr, 1);
        assert!(matches!(self.w.cap(cptr), Cap::Frame(frame) if frame.region.base() == self.region.base()));
        assert!(self.w.m.is_zero(self.region), "old content is left");
        let slot = self.w.slot(cptr);
        assert_eq!(delete::delete(self.w.k(), slot), Ok(()));
        assert!(!cdt::has_children(self.w.k(), self.parent));
        self.w.assert_well_linked();
    }
}
