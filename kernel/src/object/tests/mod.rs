//! Tests of decoding, one per row of the error tables, and of performing, over the arena.

mod asid;
mod cnode;
mod domain;
mod frame;
mod irq;
mod space;
mod untyped;
mod vspace;

use crate::arch::Machine;
use crate::cap::{CNodeCap, Cap, SlotRef, UntypedCap, cdt};
use crate::error::{InvocationError, SyscallError};
use crate::kobj::SlotArray;
use crate::syscall::{Args, Invocation, InvokeResult, Phase, invoke};
use crate::world::Scribe;
use sel4_abi::InvocationLabel;
use sel4_abi::object::SLOT_BITS;

/// Radix of the root CNode that every test has; its guard fills a word.
const RADIX: u32 = 4;

/// A machine with a root CNode. Slot 0 holds the capability to the CNode itself, slot 1 an untyped.
struct Bench {
    m: Machine,
    slots: SlotArray,
    scribe: Scribe,
}

const ROOT: usize = 0;
const UNTYPED: usize = 1;

impl Bench {
    fn new(untyped_bits: u32) -> Self {
        let mut m = Machine::new(untyped_bits.max(14) + 3);
        let region = m.take(RADIX + SLOT_BITS);
        let Some(slots) = region.place_slots(&mut m.kernel) else { panic!("the region has the slots' size") };
        let memory = m.take(untyped_bits);
        let scribe = Scribe::new(&mut m);
        let bench = Bench { m, slots, scribe };
        let root = CNodeCap { slots, guard: 0, guard_size: 64 - RADIX };
        cdt::insert_root(&bench.m.kernel, bench.slot(ROOT), Cap::CNode(root));
        cdt::insert_root(&bench.m.kernel, bench.slot(UNTYPED), Cap::Untyped(UntypedCap::full(memory)));
        bench
    }

    fn slot(&self, index: usize) -> SlotRef {
        match self.slots.slot(index) {
            Some(slot) => slot,
            None => panic!("slot {index} is beyond the root CNode"),
        }
    }

    /// Puts a capability into a slot, in a list of its own.
    fn put(&self, index: usize, cap: Cap) {
        cdt::insert_root(&self.m.kernel, self.slot(index), cap);
    }

    fn cap(&self, index: usize) -> Cap {
        self.slot(index).cap(&self.m.kernel)
    }

    /// The arguments of an invocation; extra caps are slots, too.
    fn args(&self, words: &[u64], caps: &[usize]) -> Args {
        self.scribe.args(&self.m.kernel, words, caps.iter().map(|cap| self.slot(*cap)))
    }

    /// The invocation of a slot's capability.
    fn invocation<'a>(&self, slot: usize, label: InvocationLabel, args: &'a Args) -> Invocation<'a> {
        let slot = self.slot(slot);
        Invocation { label: label.number(), slot, cap: slot.raw(&self.m.kernel), args, phase: Phase::Only }
    }

    fn invoke(&mut self, slot: usize, label: InvocationLabel, words: &[u64], caps: &[usize]) -> InvokeResult {
        let args = self.args(words, caps);
        let inv = self.invocation(slot, label, &args);
        invoke(&mut self.m.kernel, &inv)
    }

    /// Performs an invocation that must be refused, and checks that memory is as before.
    fn refused(&mut self, slot: usize, label: InvocationLabel, words: &[u64], caps: &[usize]) -> SyscallError {
        let args = self.args(words, caps);
        let inv = self.invocation(slot, label, &args);
        let before = self.m.snapshot();
        match invoke(&mut self.m.kernel, &inv) {
            Err(InvocationError::Refused(error)) => {
                assert!(before == self.m.snapshot(), "a refused invocation left a trace");
                error
            }
            other => panic!("{other:?} instead of a refusal"),
        }
    }

    /// Performs an invocation that must succeed.
    fn done(&mut self, slot: usize, label: InvocationLabel, words: &[u64], caps: &[usize]) {
        if let Err(error) = self.invoke(slot, label, words, caps) {
            panic!("{error:?}");
        }
    }

    /// Makes objects from the untyped in slot 1, directly in the root CNode.
    fn retype(&mut self, object: sel4_abi::ObjectType, size_bits: u64, first: u64, count: u64) {
        let words = [object.number(), size_bits, 0, 0, first, count];
        self.done(UNTYPED, InvocationLabel::UntypedRetype, &words, &[ROOT]);
    }
}
