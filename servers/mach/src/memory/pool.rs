//! Which unit of which chunk is free: the bookkeeping of all ordinary memory, with no effect of its own.
//!
//! Memory comes in chunks of 64 KiB, each with an untyped capability of its own, since an untyped can only be
//! reused when all its children are gone. A chunk holds 16 units of 4 KiB, all of one kind while it is in use:
//!
//! | kind    | a unit is                                                                     |
//! |---------|-------------------------------------------------------------------------------|
//! | frames  | a frame, mapped in the server's window for good                               |
//! | objects | a small untyped, made into a page table, a root table, or a thread's objects  |
//!
//! States of a chunk, by its kind and free units:
//!
//! | state   | event                  | next    | list        |
//! |---------|------------------------|---------|-------------|
//! | raw     | allocation, kind k     | partial | `partial[k]` |
//! | partial | last unit taken        | full    | none        |
//! | full    | a unit freed           | partial | `partial[k]` |
//! | partial | last used unit freed   | idle    | `idle[k]`   |
//! | idle    | allocation, same kind  | partial | `partial[k]` |
//! | idle    | allocation, other kind | partial | `partial[other]`, after its objects were revoked |
//!
//! Invariants: **POOL-1** a unit's bit in `free` is set if and only if nobody holds it. **POOL-2** a chunk is in
//! the list its state says and in no other. **POOL-3** `free_units` of a kind is the sum over its chunks.

use alloc::vec::Vec;

/// Units in a chunk.
pub const UNITS: u32 = 16;

/// What the units of a chunk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Frames.
    Frames,
    /// Kernel objects.
    Objects,
}

impl Kind {
    const fn at(self) -> usize {
        self as usize
    }

    const fn other(self) -> Self {
        match self {
            Self::Frames => Self::Objects,
            Self::Objects => Self::Frames,
        }
    }
}

/// A unit of 4 KiB: its chunk and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit(pub u32);

impl Unit {
    /// The chunk that holds the unit.
    #[must_use]
    pub const fn chunk(self) -> Chunk {
        Chunk(self.0 / UNITS)
    }

    /// The unit's place in its chunk, below [`UNITS`].
    #[must_use]
    pub const fn place(self) -> u32 {
        self.0 % UNITS
    }
}

/// A chunk, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chunk(pub u32);

impl Chunk {
    /// A unit of the chunk.
    #[must_use]
    pub const fn unit(self, place: u32) -> Unit {
        Unit(self.0 * UNITS + place % UNITS)
    }
}

/// What the caller owes the kernel before it may use an allocated unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing: the chunk has this kind already.
    None,
    /// Make the chunk's units of the new kind.
    Make(Chunk),
    /// Revoke what the chunk holds, then make its units of the new kind.
    Remake(Chunk),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Raw,
    Partial(Kind),
    Idle(Kind),
    None,
}

#[derive(Debug)]
struct State {
    kind: Option<Kind>,
    free: u16,
    prev: u32,
    next: u32,
    list: List,
}

impl State {
    /// The list that it belongs in.
    #[inline]
    const fn wanted(&self) -> List {
        match (self.kind, self.free) {
            (None, _) => List::Raw,
            (Some(_), 0) => List::None,
            (Some(kind), ALL) => List::Idle(kind),
            (Some(kind), _) => List::Partial(kind),
        }
    }
}

const NIL: u32 = u32::MAX;
const ALL: u16 = u16::MAX;

#[derive(Debug, Clone, Copy)]
struct Head {
    first: u32,
    len: u32,
}

const EMPTY: Head = Head { first: NIL, len: 0 };

/// The pools of all chunks.
#[derive(Debug)]
pub struct Pools {
    chunks: Vec<State>,
    raw: Head,
    partial: [Head; 2],
    idle: [Head; 2],
    free_units: [u32; 2],
}

impl Pools {
    /// Pools over `count` chunks, all of them raw.
    #[must_use]
    pub fn new(count: u32) -> Self {
        let mut pools = Self {
            chunks: Vec::with_capacity(count as usize),
            raw: EMPTY,
            partial: [EMPTY; 2],
            idle: [EMPTY; 2],
            free_units: [0; 2],
        };
        for _ in 0..count {
            pools.chunks.push(State { kind: None, free: ALL, prev: NIL, next: NIL, list: List::None });
        }
        // Pushed from the last, so that the first chunk is the first one used.
        for chunk in (0..count).rev() {
            pools.enter(chunk, List::Raw);
        }
        pools
    }

    /// Number of units that an allocation of either kind could get, of all kinds together.
    #[must_use]
    pub fn obtainable(&self, kind: Kind) -> u32 {
        let whole = self.raw.len + self.idle[kind.other().at()].len;
        self.free_units[kind.at()] + whole * UNITS
    }

    /// Number of chunks of which nobody holds anything: either kind can have them.
    #[must_use]
    pub fn whole(&self) -> u32 {
        self.raw.len + self.idle.iter().map(|list| list.len).sum::<u32>()
    }

    /// Number of units in all.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.chunks.len() as u32 * UNITS
    }

    /// Takes a unit. `None`: there is none.
    pub fn take(&mut self, kind: Kind) -> Option<(Unit, Work)> {
        let (chunk, work) = self.choose(kind)?;
        if work != Work::None {
            self.leave(chunk);
            let old = self.chunks.get_mut(chunk as usize)?.kind.replace(kind);
            if let Some(old) = old {
                self.free_units[old.at()] -= UNITS;
            }
            self.free_units[kind.at()] += UNITS;
        }
        let state = self.chunks.get_mut(chunk as usize)?;
        let place = state.free.trailing_zeros();
        state.free &= !(1 << place);
        self.free_units[kind.at()] -= 1;
        self.file(chunk);
        Some((Chunk(chunk).unit(place), work))
    }

    /// Undoes a [`take`](Self::take) whose work the kernel refused: the chunk is raw again.
    pub fn cannot_make(&mut self, unit: Unit) {
        let Chunk(chunk) = unit.chunk();
        if let Some(state) = self.chunks.get_mut(chunk as usize) {
            if let Some(kind) = state.kind.take() {
                self.free_units[kind.at()] -= state.free.count_ones();
            }
            state.free = ALL;
            self.file(chunk);
        }
    }

    /// Gives a unit back. It must be one that [`take`](Self::take) gave and that was not given back since; another
    /// one is ignored, and the answer is `false`.
    pub fn put(&mut self, unit: Unit) -> bool {
        let Chunk(chunk) = unit.chunk();
        let Some(state) = self.chunks.get_mut(chunk as usize) else {
            return false;
        };
        let bit = 1 << unit.place();
        let Some(kind) = state.kind.filter(|_| state.free & bit == 0) else {
            return false;
        };
        state.free |= bit;
        self.free_units[kind.at()] += 1;
        self.file(chunk);
        true
    }

    /// The order of choice: a chunk in use, an idle one of the kind, a raw one, an idle one of the other kind.
    fn choose(&self, kind: Kind) -> Option<(u32, Work)> {
        let first = |head: Head| (head.first != NIL).then_some(head.first);
        first(self.partial[kind.at()])
            .or(first(self.idle[kind.at()]))
            .map(|chunk| (chunk, Work::None))
            .or_else(|| first(self.raw).map(|chunk| (chunk, Work::Make(Chunk(chunk)))))
            .or_else(|| first(self.idle[kind.other().at()]).map(|chunk| (chunk, Work::Remake(Chunk(chunk)))))
    }

    /// Moves a chunk to the list that its state asks for (POOL-2).
    #[inline]
    fn file(&mut self, chunk: u32) {
        if let Some(state) = self.chunks.get(chunk as usize)
            && state.wanted() != state.list
        {
            self.refile(chunk, state.wanted());
        }
    }

    fn refile(&mut self, chunk: u32, list: List) {
        self.leave(chunk);
        self.enter(chunk, list);
    }

    fn head(&mut self, list: List) -> Option<&mut Head> {
        match list {
            List::Raw => Some(&mut self.raw),
            List::Partial(kind) => Some(&mut self.partial[kind.at()]),
            List::Idle(kind) => Some(&mut self.idle[kind.at()]),
            List::None => None,
        }
    }

    fn enter(&mut self, chunk: u32, list: List) {
        let mut next = NIL;
        if let Some(head) = self.head(list) {
            next = core::mem::replace(&mut head.first, chunk);
            head.len += 1;
        }
        if let Some(state) = self.chunks.get_mut(next as usize) {
            state.prev = chunk;
        }
        if let Some(state) = self.chunks.get_mut(chunk as usize) {
            (state.list, state.prev, state.next) = (list, NIL, next);
        }
    }

    fn leave(&mut self, chunk: u32) {
        let Some(state) = self.chunks.get_mut(chunk as usize) else {
            return;
        };
        let (list, prev, next) = (state.list, state.prev, state.next);
        (state.list, state.prev, state.next) = (List::None, NIL, NIL);
        if let Some(state) = self.chunks.get_mut(prev as usize) {
            state.next = next;
        }
        if let Some(state) = self.chunks.get_mut(next as usize) {
            state.prev = prev;
        }
        if let Some(head) = self.head(list) {
            head.len -= 1;
            if head.first == chunk {
                head.first = next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    /// Checks POOL-1 to POOL-3 against the set of units in use.
    fn assert_valid(pools: &Pools, used: &BTreeMap<Unit, Kind>) {
        let mut listed = BTreeSet::new();
        let mut walk = |head: Head, list: List| {
            let (mut at, mut prev, mut len) = (head.first, NIL, 0);
            while at != NIL {
                let state = &pools.chunks[at as usize];
                assert_eq!((state.list, state.prev), (list, prev));
                assert!(listed.insert(at));
                (prev, at, len) = (at, state.next, len + 1);
            }
            assert_eq!(len, head.len);
        };
        walk(pools.raw, List::Raw);
        for kind in [Kind::Frames, Kind::Objects] {
            walk(pools.partial[kind.at()], List::Partial(kind));
            walk(pools.idle[kind.at()], List::Idle(kind));
            let free: u32 = pools.chunks.iter().filter(|c| c.kind == Some(kind)).map(|c| c.free.count_ones()).sum();
            assert_eq!(free, pools.free_units[kind.at()]);
        }
        for (chunk, state) in pools.chunks.iter().enumerate() {
            for place in 0..UNITS {
                let unit = Chunk(chunk as u32).unit(place);
                assert_eq!(used.contains_key(&unit), state.free & (1 << place) == 0);
                assert!(used.get(&unit).is_none_or(|&kind| state.kind == Some(kind)));
            }
        }
    }

    #[test]
    fn takes_every_unit_and_no_more() {
        let mut pools = Pools::new(3);
        let mut used = BTreeMap::new();
        for left in (0..48).rev() {
            let (unit, _) = pools.take(Kind::Frames).unwrap();
            assert!(used.insert(unit, Kind::Frames).is_none());
            assert_eq!(pools.obtainable(Kind::Frames), left);
        }
        assert_eq!(pools.take(Kind::Frames), None);
        assert_eq!(pools.take(Kind::Objects), None);
        assert_valid(&pools, &used);
    }

    #[test]
    fn an_idle_chunk_changes_its_kind_only_when_nothing_else_is_left() {
        let mut pools = Pools::new(1);
        let (unit, work) = pools.take(Kind::Frames).unwrap();
        assert_eq!(work, Work::Make(Chunk(0)));
        assert_eq!(pools.take(Kind::Objects), None);
        assert!(pools.put(unit));
        assert_eq!(pools.take(Kind::Frames).unwrap().1, Work::None);
        assert!(pools.put(unit));
        assert_eq!(pools.take(Kind::Objects).unwrap().1, Work::Remake(Chunk(0)));
    }

    #[test]
    fn a_unit_is_given_back_once() {
        let mut pools = Pools::new(1);
        let (unit, _) = pools.take(Kind::Objects).unwrap();
        assert!(pools.put(unit));
        assert!(!pools.put(unit));
        assert!(!pools.put(Unit(999)));
        assert_eq!(pools.obtainable(Kind::Frames), 16);
    }

    proptest! {
        #[test]
        fn agrees_with_a_set_of_used_units(steps in proptest::collection::vec((0..4u8, any::<u16>()), 0..400)) {
            let mut pools = Pools::new(4);
            let mut used: BTreeMap<Unit, Kind> = BTreeMap::new();
            for (step, pick) in steps {
                let kind = if step == 0 { Kind::Frames } else { Kind::Objects };
                if step < 2 {
                    let expected = pools.obtainable(kind);
                    match pools.take(kind) {
                        Some((unit, work)) => {
                            if pick % 16 == 0 && work != Work::None {
                                pools.cannot_make(unit);
                                prop_assert!(used.keys().all(|u| u.chunk() != unit.chunk()));
                            } else {
                                prop_assert!(used.insert(unit, kind).is_none());
                                prop_assert_eq!(pools.obtainable(kind), expected - 1);
                            }
                        }
                        None => prop_assert_eq!(expected, 0),
                    }
                } else if let Some(unit) = used.keys().nth(usize::from(pick) % used.len().max(1)).copied() {
                    used.remove(&unit);
                    prop_assert!(pools.put(unit));
                }
                assert_valid(&pools, &used);
            }
            for unit in used.keys() {
                pools.put(*unit);
            }
            prop_assert_eq!(pools.obtainable(Kind::Frames), 64);
            prop_assert_eq!(pools.obtainable(Kind::Objects), 64);
        }
    }
}
