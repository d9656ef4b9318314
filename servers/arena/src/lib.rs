//! Arenas whose ids carry a generation: the way in which the servers' records refer to each other.
//!
//! An id of something that is gone finds nothing, whatever took its place. Places are kept in chunks, so a growing
//! arena never moves what it holds and never asks for a large piece of heap.
//!
//! Invariants: **ARENA-1** an [`Id`] finds a value only while that very value lives: removing raises the generation of
//! the place. **ARENA-2** a place whose generations are used up is never used again, so ARENA-1 holds for ever (a place
//! lasts [`MAX_GENERATION`] lives). **ARENA-3** the free list names free places, each once.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod id;
mod map;
mod pages;
mod set;
mod sorted;

use alloc::boxed::Box;
use alloc::vec::Vec;

pub use id::{GENERATION_BITS, Id, MAX_GENERATION};
pub use map::IdMap;
pub use pages::{Filled, PageMap};
pub use set::PageSet;
pub use sorted::SortedMap;

const CHUNK_SHIFT: u32 = 7;
const CHUNK: usize = 1 << CHUNK_SHIFT;

#[derive(Debug)]
enum Place<T> {
    Used { generation: u32, value: T },
    Free { generation: u32, next: Option<u32> },
}

/// Values of one type, each under an id of its own.
#[derive(Debug)]
pub struct Arena<T> {
    chunks: Vec<Box<[Place<T>; CHUNK]>>,
    free: Option<u32>,
    len: usize,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Arena<T> {
    /// An empty arena.
    #[must_use]
    pub const fn new() -> Self {
        Self { chunks: Vec::new(), free: None, len: 0 }
    }

    /// Number of values.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no value.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Enters a value.
    pub fn insert(&mut self, value: T) -> Id<T> {
        self.insert_with(|_| value)
    }

    /// Enters what `make` makes of its id.
    pub fn insert_with(&mut self, make: impl FnOnce(Id<T>) -> T) -> Id<T> {
        if self.free.is_none() {
            self.grow();
        }
        let index = self.free.unwrap_or(0);
        let Some(place) = self.place_mut(index) else {
            unreachable!("ARENA-3: the free list names places that exist");
        };
        let Place::Free { generation, next } = *place else {
            unreachable!("ARENA-3: the free list names free places");
        };
        let id = Id::new(index, generation);
        *place = Place::Used { generation, value: make(id) };
        self.free = next;
        self.len += 1;
        id
    }

    /// Takes a value out.
    pub fn remove(&mut self, id: Id<T>) -> Option<T> {
        let next = self.free;
        let place = self.place_mut(id.index())?;
        match place {
            Place::Used { generation, .. } if *generation == id.generation() => {}
            _ => return None,
        }
        let is_worn_out = id.generation() >= MAX_GENERATION;
        let free = Place::Free { generation: id.generation().wrapping_add(1), next };
        let Place::Used { value, .. } = core::mem::replace(place, free) else {
            return None;
        };
        if !is_worn_out {
            self.free = Some(id.index());
        }
        self.len -= 1;
        Some(value)
    }

    /// The value with this id.
    #[inline]
    #[must_use]
    pub fn get(&self, id: Id<T>) -> Option<&T> {
        match self.chunks.get((id.index() >> CHUNK_SHIFT) as usize)?.get(id.index() as usize % CHUNK)? {
            Place::Used { generation, value } if *generation == id.generation() => Some(value),
            _ => None,
        }
    }

    /// The value with this id, to change it.
    #[inline]
    #[must_use]
    pub fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        match self.place_mut(id.index())? {
            Place::Used { generation, value } if *generation == id.generation() => Some(value),
            _ => None,
        }
    }

    /// All values with their ids, in order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (Id<T>, &T)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).zip(0..).filter_map(|(place, index)| match place {
            Place::Used { generation, value } => Some((Id::new(index, *generation), value)),
            Place::Free { .. } => None,
        })
    }

    /// The values in `count` places from `start` on; `None` if no place is there.
    pub fn part(&self, start: u32, count: u32) -> Option<impl Iterator<Item = &T>> {
        let is_there = (start as usize) < self.chunks.len() << CHUNK_SHIFT;
        let place = |index: u32| self.chunks.get((index >> CHUNK_SHIFT) as usize)?.get(index as usize % CHUNK);
        let places = (start..start.saturating_add(count)).map_while(place);
        is_there.then(|| {
            places.filter_map(|place| match place {
                Place::Used { value, .. } => Some(value),
                Place::Free { .. } => None,
            })
        })
    }

    fn place_mut(&mut self, index: u32) -> Option<&mut Place<T>> {
        self.chunks.get_mut((index >> CHUNK_SHIFT) as usize)?.get_mut(index as usize % CHUNK)
    }

    /// Adds a chunk of free places, the lowest first in the list.
    fn grow(&mut self) {
        let base = (self.chunks.len() << CHUNK_SHIFT) as u32;
        let end = base + CHUNK as u32;
        let chunk: Vec<Place<T>> = (base..end)
            .map(|index| Place::Free { generation: 1, next: (index + 1 < end).then_some(index + 1) })
            .collect();
        if let Ok(chunk) = chunk.into_boxed_slice().try_into() {
            self.chunks.push(chunk);
            self.free = Some(base);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stale_id_finds_nothing() {
        let mut arena = Arena::new();
        let first = arena.insert('a');
        assert_eq!(arena.remove(first), Some('a'));
        let second = arena.insert('b');
        assert_eq!(second.index(), first.index());
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.remove(first), None);
        assert_eq!(arena.get(second), Some(&'b'));
        assert_eq!(arena.len(), 1);
    }

    #[test]
    fn parts_are_all_there_is() {
        let mut arena = Arena::new();
        let ids: Vec<_> = (0..3 * CHUNK as u32 / 2).map(|value| arena.insert(value)).collect();
        for id in ids.iter().step_by(3) {
            arena.remove(*id);
        }
        let mut found = Vec::new();
        let mut start = 0;
        while let Some(part) = arena.part(start, 100) {
            let before = found.len();
            found.extend(part.copied());
            assert!(found.len() - before <= 100);
            start += 100;
        }
        let all: Vec<u32> = arena.iter().map(|(_, value)| *value).collect();
        assert_eq!(found, all);
        assert!(Arena::<()>::new().part(0, 1).is_none());
    }

    #[test]
    fn a_worn_out_place_is_retired() {
        let mut arena = Arena::new();
        let first = arena.insert(());
        let last = Id::new(first.index(), MAX_GENERATION);
        *arena.place_mut(0).unwrap() = Place::Used { generation: MAX_GENERATION, value: () };
        assert!(arena.remove(last).is_some());
        assert_ne!(arena.insert(()).index(), first.index());
        assert_eq!(arena.get(last), None);
    }

    #[test]
    fn places_are_reused_and_chunks_added() {
        let mut arena = Arena::new();
        let ids: Vec<_> = (0..200).map(|n| arena.insert(n)).collect();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(arena.get(*id), Some(&n));
        }
        for id in &ids {
            arena.remove(*id);
        }
        let again: Vec<_> = (0..200).map(|n| arena.insert(n)).collect();
        assert_eq!(arena.chunks.len(), 2);
        assert_eq!(arena.iter().count(), 200);
        assert!(again.iter().all(|id| !ids.contains(id)));
    }

    proptest! {
        #[test]
        fn behaves_like_a_map_of_unique_ids(steps in proptest::collection::vec((any::<bool>(), any::<u8>()), 0..400)) {
            let mut arena = Arena::new();
            let mut model: BTreeMap<Id<u8>, u8> = BTreeMap::new();
            let mut dead = Vec::new();
            for (insert, value) in steps {
                if insert {
                    let id = arena.insert(value);
                    prop_assert!(model.insert(id, value).is_none() && !dead.contains(&id));
                } else if let Some(&id) = model.keys().nth(usize::from(value) % model.len().max(1)) {
                    prop_assert_eq!(arena.remove(id), model.remove(&id));
                    dead.push(id);
                }
                prop_assert_eq!(arena.len(), model.len());
                prop_assert!(dead.iter().all(|id| arena.get(*id).is_none()));
                prop_assert!(arena.iter().map(|(id, value)| (id, *value)).eq(model.iter().map(|(id, value)| (*id, *value))));
            }
        }
    }
}
