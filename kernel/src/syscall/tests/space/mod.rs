//! Whole system calls on a capability space against a plain tree: random retypes, copies, mints, moves, mutations,
//! rotations, deletions and revocations, right ones and wrong ones. After each call the answer is the model's, every
//! slot holds what the model's does, and all invariants hold.
//!
//! The default run makes as many calls as take a few seconds. `MODEL_CALLS=10000000` asks for another number, and
//! `MODEL_SEED` for another first seed; a failure names the seed that repeats it.

use std::format;
use std::vec::Vec;

use sel4_abi::{ErrorCode as E, InvocationLabel as L, ObjectType};

use self::model::{MISSING, Model, Node, OWN_CNODE, Object, Place, Result, Root, refuse};
use self::same::is_for;
use crate::cap::{Cap, UntypedCap, cdt};
use crate::kobj::SlotArray;
use crate::world::{Answer, World};

mod model;
mod same;

/// Calls of the default run, and in one world.
const CALLS: u64 = 60_000;
const CALLS_OF_A_WORLD: u64 = 1_500;

/// The world's CNode has `2^RADIX` slots and a guard of zeros for the rest.
const RADIX: u32 = 10;
/// The slots of it that the calls use, and the first of them. The first two hold memory.
const FIRST: u64 = 40;
const SLOTS: u64 = 24;
/// The memory, log2: two pieces.
const MEMORY_BITS: [u32; 2] = [13, 15];

/// A stream of numbers that a seed determines.
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.word() % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// A call: whom, what, with which words and roots.
#[derive(Clone, Debug)]
struct Call {
    cptr: u64,
    label: L,
    words: Vec<u64>,
    caps: Vec<u64>,
}

struct Space {
    w: World,
    model: Model,
    random: Random,
    /// The slots of each CNode that lives, by its address.
    arrays: Vec<(u64, SlotArray)>,
}

/// A slot as an operation names it: root's CPtr, index, depth.
type Path = (u64, u64, u64);

impl Space {
    fn new(seed: u64) -> Space {
        let mut w = World::with_memory(18);
        let t = w.thread(100);
        w.start(t);
        while w.free_slot() + 1 < FIRST {}
        let mut model = Model { slots: Vec::new(), names: 0 };
        for bits in MEMORY_BITS {
            let region = w.m.take(bits);
            let index = w.put(Cap::Untyped(UntypedCap::clear(region)));
            let object = Object { kind: ObjectType::Untyped, base: region.base().0, bits };
            let node =
                Node { name: 0, parent: None, object, badge: 0, rights: 0, guard: (0, 0), used: 0, original: true };
            model.put(Place { cnode: None, index }, node);
        }
        Space { w, model, random: Random(seed), arrays: Vec::new() }
    }

    /// A CPtr among the slots that are used; mostly of something that is there.
    fn cptr(&mut self) -> u64 {
        let taken: Vec<u64> =
            self.model.slots.iter().filter(|(p, _)| p.cnode.is_none()).map(|(p, _)| p.index).collect();
        if self.random.below(8) == 0 || taken.is_empty() {
            FIRST + self.random.below(SLOTS)
        } else {
            self.random.pick(&taken)
        }
    }

    fn cptr_of(&mut self, kind: ObjectType) -> Option<u64> {
        let places = self.model.slots.iter().filter(|(p, n)| p.cnode.is_none() && n.object.kind == kind);
        let all: Vec<u64> = places.map(|(p, _)| p.index).collect();
        if all.is_empty() { None } else { Some(self.random.pick(&all)) }
    }

    /// A slot of the world's CNode, or of one that is in it; sometimes a path that leads nowhere.
    fn path(&mut self, empty: bool) -> Path {
        if self.random.below(4) == 0
            && let Some(cnode) = self.cptr_of(ObjectType::CNode)
            && let Some(node) = self.model.at(Place { cnode: None, index: cnode })
        {
            let radix = node.object.bits - 5;
            let index = self.random.below(1 << radix);
            if self.random.below(2) == 0 {
                let depth = u64::from(radix + node.guard.1);
                return (cnode, if depth < 64 { node.guard.0 << radix | index } else { index }, depth);
            }
        }
        let index = match empty {
            true => FIRST + self.random.below(SLOTS),
            false => self.cptr(),
        };
        match self.random.below(40) {
            0 => (World::ROOT, index, self.random.below(70)),
            1 => (self.cptr(), index, 1 + self.random.below(12)),
            2 => (World::ROOT, self.random.word(), 64),
            _ => (World::ROOT, index, 64),
        }
    }

    fn data(&mut self) -> u64 {
        match self.random.below(6) {
            0 => self.random.word(),
            1 => self.random.below(4) << 6 | self.random.below(8),
            _ => self.random.below(4),
        }
    }

    fn next(&mut self) -> Call {
        let label = self.random.pick(&[
            L::UntypedRetype,
            L::UntypedRetype,
            L::UntypedRetype,
            L::CNodeCopy,
            L::CNodeCopy,
            L::CNodeMint,
            L::CNodeMint,
            L::CNodeMint,
            L::CNodeMove,
            L::CNodeMutate,
            L::CNodeRotate,
            L::CNodeDelete,
            L::CNodeDelete,
            L::CNodeRevoke,
        ]);
        if label == L::UntypedRetype {
            return self.retype();
        }
        let (root, index, depth) = self.path(label != L::CNodeDelete && label != L::CNodeRevoke);
        let mut words = std::vec![index, depth];
        let mut caps = Vec::new();
        match label {
            L::CNodeRotate => {
                let (pivot, source) =
                    (self.path(false), if self.random.below(3) == 0 { (root, index, depth) } else { self.path(false) });
                words.extend([self.data(), pivot.1, pivot.2, self.data(), source.1, source.2]);
                caps.extend([pivot.0, source.0]);
            }
            L::CNodeDelete | L::CNodeRevoke => {}
            _ => {
                let source = self.path(false);
                words.extend([source.1, source.2]);
                caps.push(source.0);
                match label {
                    L::CNodeCopy => words.push(self.random.below(16)),
                    L::CNodeMint => words.extend([self.random.below(16), self.data()]),
                    L::CNodeMutate => words.push(self.data()),
                    _ => {}
                }
            }
        }
        // Now and then something is missing.
        if self.random.below(60) == 0 {
            words.truncate(self.random.below(words.len() as u64) as usize);
        }
        if self.random.below(60) == 0 {
            caps.truncate(1.min(self.random.below(2) as usize));
        }
        Call { cptr: root, label, words, caps }
    }

    fn retype(&mut self) -> Call {
        let cptr = match self.cptr_of(ObjectType::Untyped) {
            Some(cptr) => cptr,
            None => self.cptr(),
        };
        let kind = self.random.pick(&[
            ObjectType::Untyped,
            ObjectType::Untyped,
            ObjectType::Endpoint,
            ObjectType::Endpoint,
            ObjectType::Notification,
            ObjectType::CNode,
            ObjectType::CNode,
            ObjectType::Reply,
            ObjectType::SchedContext,
            ObjectType::Tcb,
            ObjectType::SmallPage,
            ObjectType::PageTable,
            ObjectType::VSpace,
            ObjectType::LargePage,
        ]);
        let size = match kind {
            ObjectType::CNode => self.random.below(4),
            ObjectType::SchedContext => 6 + self.random.below(4),
            _ => 3 + self.random.below(10),
        };
        let (kind, size) = match self.random.below(50) {
            0 => (kind.number(), self.random.pick(&[0, 43, 47, 48, 63, 64, u64::MAX])),
            1 => (12 + self.random.below(4), size),
            _ => (kind.number(), size),
        };
        let count =
            if self.random.below(30) == 0 { self.random.pick(&[0, 257, 1 << 40]) } else { 1 + self.random.below(4) };
        let (root, index, depth, offset) = match self.random.below(6) {
            0 => {
                let (root, index, depth) = self.path(false);
                (root, index, depth, self.random.below(5))
            }
            1 => (self.cptr(), 0, 0, self.random.below(9)),
            2 => (World::ROOT, World::ROOT, 64, FIRST + self.random.below(SLOTS)),
            _ => (World::ROOT, 0, 0, FIRST + self.random.below(SLOTS)),
        };
        // Not beyond the slots that the model watches.
        let into_world = root == World::ROOT && (depth == 0 || index == World::ROOT);
        let count = if into_world && count <= 256 && offset + count > FIRST + SLOTS { 1 } else { count };
        let mut words = std::vec![kind, size, index, depth, offset, count];
        if self.random.below(80) == 0 {
            words.truncate(5);
        }
        Call { cptr, label: L::UntypedRetype, words, caps: std::vec![root] }
    }

    /// Where a lookup from this capability starts.
    fn root(cptr: u64) -> Root {
        if cptr == World::ROOT { Root::World } else { Root::Slot(Place { cnode: None, index: cptr }) }
    }

    /// What the model says to a call.
    fn expect(&mut self, call: &Call) -> Result<()> {
        let root = Self::root;
        let word = |index: usize| call.words.get(index).copied().unwrap_or_default();
        let invoked = root(call.cptr);
        if call.label == L::UntypedRetype {
            let Root::Slot(place) = invoked else { return refuse(E::IllegalOperation, &[]) };
            return match self.model.at(place).map(|node| node.object.kind) {
                None => refuse(E::InvalidCapability, &[0]),
                Some(ObjectType::Untyped) => {
                    if call.words.len() < 6 || call.caps.is_empty() {
                        return refuse(E::TruncatedMessage, &[]);
                    }
                    self.model.retype(place, root(call.caps[0]), core::array::from_fn(word))
                }
                Some(kind) => Self::other_kind(kind),
            };
        }
        if let Root::Slot(place) = invoked {
            match self.model.at(place).map(|node| node.object.kind) {
                None => return refuse(E::InvalidCapability, &[0]),
                Some(ObjectType::CNode) => {}
                Some(kind) => return Self::other_kind(kind),
            }
        }
        if call.words.len() < 2 {
            return refuse(E::TruncatedMessage, &[]);
        }
        let to = self.model.resolve(invoked, word(0), word(1), 0)?;
        match call.label {
            L::CNodeDelete => {
                self.model.delete(to);
                Ok(())
            }
            L::CNodeRevoke => {
                self.model.revoke(to);
                Ok(())
            }
            L::CNodeRotate => self.rotate(call, to, root),
            label => {
                if call.words.len() < 4 || call.caps.is_empty() {
                    return refuse(E::TruncatedMessage, &[]);
                }
                if self.model.is_taken(to) {
                    return refuse(E::DeleteFirst, &[]);
                }
                let from = self.model.resolve(root(call.caps[0]), word(2), word(3), 1)?;
                let Some(source) = self.model.at(from) else { return refuse(E::FailedLookup, &[1, MISSING, word(3)]) };
                let needed = match label {
                    L::CNodeCopy | L::CNodeMutate => 5,
                    L::CNodeMint => 6,
                    _ => 4,
                };
                if call.words.len() < needed {
                    return refuse(E::TruncatedMessage, &[]);
                }
                match label {
                    L::CNodeCopy => self.model.copy(from, to, word(4), None),
                    L::CNodeMint => self.model.copy(from, to, word(4), Some(word(5))),
                    _ => {
                        let moved = Model::moved(source, (label == L::CNodeMutate).then_some(word(4)))?;
                        self.model.take(from);
                        self.model.slots.push((to, moved));
                        Ok(())
                    }
                }
            }
        }
    }

    /// What objects that do not know the label say to it.
    fn other_kind(kind: ObjectType) -> Result<()> {
        match kind {
            // Messages go through these, so the calls do not name them: see `is_a_message`.
            ObjectType::Endpoint | ObjectType::Notification | ObjectType::Reply => refuse(E::NoError, &[]),
            _ => refuse(E::IllegalOperation, &[]),
        }
    }

    fn rotate(&mut self, call: &Call, to: Place, root: impl Fn(u64) -> Root) -> Result<()> {
        let word = |index: usize| call.words.get(index).copied().unwrap_or_default();
        if call.words.len() < 8 || call.caps.len() < 2 {
            return refuse(E::TruncatedMessage, &[]);
        }
        let from = self.model.resolve(root(call.caps[1]), word(6), word(7), 1)?;
        let pivot = self.model.resolve(root(call.caps[0]), word(3), word(4), 1)?;
        if pivot == from || pivot == to {
            return refuse(E::IllegalOperation, &[]);
        }
        if from != to && self.model.is_taken(to) {
            return refuse(E::DeleteFirst, &[]);
        }
        let Some(source) = self.model.at(from) else { return refuse(E::FailedLookup, &[1, MISSING, word(7)]) };
        let Some(middle) = self.model.at(pivot) else { return refuse(E::FailedLookup, &[0, MISSING, word(4)]) };
        let source = Model::moved(source, Some(word(5)))?;
        let middle = Model::moved(middle, Some(word(2)))?;
        self.model.take(from);
        self.model.take(pivot);
        self.model.slots.push((to, middle));
        self.model.slots.push((pivot, source));
        Ok(())
    }

    /// Calls that go to a thread, or that touch what the world itself needs.
    fn is_out_of_bounds(&self, call: &Call) -> bool {
        let kind = self.model.at(Place { cnode: None, index: call.cptr }).map(|node| node.object.kind);
        let is_a_message = matches!(kind, Some(ObjectType::Endpoint | ObjectType::Notification | ObjectType::Reply));
        // The world's own slots: its CNode, its thread and context.
        let own = |path: (u64, u64, u64)| match self.model.resolve(Root::World, path.1, path.2, 0) {
            Ok(Place { cnode: None, index }) => path.0 == World::ROOT && !(FIRST..FIRST + SLOTS).contains(&index),
            _ => false,
        };
        let word = |index: usize| call.words.get(index).copied().unwrap_or_default();
        // What then stays depends on the order among siblings, of which the specification says nothing.
        if call.label == L::CNodeRevoke
            && let Ok(place) = self.model.resolve(Self::root(call.cptr), word(0), word(1), 0)
            && self.model.revokes_itself(place)
        {
            return true;
        }
        let cap = |index: usize| call.caps.get(index).copied().unwrap_or_default();
        let paths = match call.label {
            L::UntypedRetype => {
                let offset = word(4);
                let end = offset.saturating_add(if word(5) > 256 { 1 } else { word(5) });
                let watched = offset >= FIRST && end <= FIRST + SLOTS;
                let into_world = cap(0) == World::ROOT
                    && (word(3) == 0 || self.model.resolve(Root::World, word(2), word(3), 0) == Ok(OWN_CNODE));
                return is_a_message || (into_world && offset < 1 << RADIX && !watched);
            }
            L::CNodeRotate => {
                std::vec![(call.cptr, word(0), word(1)), (cap(0), word(3), word(4)), (cap(1), word(6), word(7))]
            }
            _ => std::vec![(call.cptr, word(0), word(1)), (cap(0), word(2), word(3))],
        };
        is_a_message || paths.into_iter().any(own)
    }

    /// Makes one call on both sides.
    fn step(&mut self) {
        let call = loop {
            let call = self.next();
            if !self.is_out_of_bounds(&call) {
                break call;
            }
        };
        let wanted = match self.expect(&call) {
            Ok(()) => Answer::ok(&[]),
            Err((code, words)) => Answer::error(code, &words),
        };
        let got = self.w.invoke(call.cptr, call.label, &call.words, &call.caps);
        assert_eq!(got, wanted, "{call:x?}");
        self.compare(&call);
    }

    /// Every slot of the world's CNode that is used, and of every CNode that lives.
    fn compare(&mut self, call: &Call) {
        self.find_arrays();
        self.w.assert_well_linked();
        let mut count = 0;
        for (place, node) in &self.model.slots {
            count += 1;
            let cap = self.cap(*place);
            assert!(is_for(cap, node), "{place:x?} has {cap:x?}, the model {node:x?}, after {call:x?}");
        }
        let own = (FIRST..FIRST + SLOTS).filter(|index| !self.w.cap(*index).is_null()).count();
        let arrays = self.arrays.iter().map(|(_, array)| *array);
        let inside = arrays.flat_map(|array| (0..array.len()).filter_map(move |index| array.slot(index)));
        let mut filled = 0;
        for slot in inside {
            assert!(cdt::is_well_linked(self.w.k(), slot), "CDT-1, after {call:x?}");
            filled += usize::from(!slot.is_empty(self.w.k()));
        }
        assert_eq!(own + filled, count, "slots hold more than the model has, after {call:x?}");
    }

    /// What is at a place.
    fn cap(&self, place: Place) -> Cap {
        let Some(base) = place.cnode else { return self.w.cap(place.index) };
        let array = self.arrays.iter().find(|(b, _)| *b == base).map(|(_, array)| *array);
        let slot = array.and_then(|array| array.slot(place.index as usize));
        slot.map_or(Cap::Null, |slot| slot.cap(self.w.k()))
    }

    /// Forgets the CNodes that are gone, and notes the slots of new ones. One that only capabilities in itself name is
    /// known from before.
    fn find_arrays(&mut self) {
        let lives = |base: u64| {
            let is_it = |node: &Node| node.object.kind == ObjectType::CNode && node.object.base == base;
            self.model.slots.iter().any(|(_, node)| is_it(node))
        };
        self.arrays.retain(|(base, _)| lives(*base));
        for (place, node) in &self.model.slots {
            if node.object.kind == ObjectType::CNode
                && !self.arrays.iter().any(|(base, _)| *base == node.object.base)
                && let Cap::CNode(cnode) = self.cap(*place)
            {
                self.arrays.push((node.object.base, cnode.slots));
            }
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn the_capability_space_is_what_a_tree_says() {
    let (calls, first) = (number("MODEL_CALLS", CALLS), number("MODEL_SEED", 1));
    for seed in (first..).take(calls.div_ceil(CALLS_OF_A_WORLD) as usize) {
        let run = std::panic::AssertUnwindSafe(|| {
            let mut space = Space::new(seed);
            for _ in 0..CALLS_OF_A_WORLD {
                space.step();
            }
            space.w.assert_well_linked();
        });
        if std::panic::catch_unwind(run).is_err() {
            panic!("{}", format!("MODEL_SEED={seed} MODEL_CALLS={CALLS_OF_A_WORLD} repeats this"));
        }
    }
    if calls > CALLS {
        std::eprintln!("counted: {calls} calls on capability spaces");
    }
}
