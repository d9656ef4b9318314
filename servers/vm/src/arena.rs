//! Slabs with generational handles: the only way in which records of this crate refer to each other.
//!
//! A handle to something that is gone finds nothing, whatever took its place. Slots are kept in chunks, so a
//! growing arena never moves what it holds and never asks for a large piece of heap.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;

const CHUNK_SHIFT: u32 = 7;
const CHUNK: usize = 1 << CHUNK_SHIFT;

/// A handle to a `T` in a slab.
pub struct Id<T> {
    index: u32,
    generation: u32,
    marker: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// The handle as one word, to be kept in a table of the server's.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The handle that [`Id::to_word`] made into a word. Any word is safe: one that names nothing finds nothing.
    #[must_use]
    pub const fn from_word(word: u64) -> Id<T> {
        Id { index: word as u32, generation: (word >> 32) as u32, marker: PhantomData }
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.to_word() == other.to_word()
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.to_word().cmp(&other.to_word())
    }
}
impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_word().hash(state);
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

enum Slot<T> {
    Used { generation: u32, value: T },
    Free { generation: u32, next: Option<u32> },
}

/// A slab of `T`.
pub(crate) struct Arena<T> {
    chunks: Vec<Box<[Slot<T>; CHUNK]>>,
    free: Option<u32>,
}

impl<T> Arena<T> {
    pub(crate) const fn new() -> Self {
        Arena { chunks: Vec::new(), free: None }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.iter().count()
    }

    pub(crate) fn insert(&mut self, value: T) -> Id<T> {
        if self.free.is_none() {
            self.grow();
        }
        let index = self.free.unwrap_or(0);
        let Some(slot) = self.slot_mut(index) else {
            unreachable!("ARENA-1: the free list names slots that exist");
        };
        let (generation, next) = match *slot {
            Slot::Free { generation, next } => (generation, next),
            Slot::Used { .. } => unreachable!("ARENA-1: the free list names free slots"),
        };
        *slot = Slot::Used { generation, value };
        self.free = next;
        Id { index, generation, marker: PhantomData }
    }

    pub(crate) fn remove(&mut self, id: Id<T>) -> Option<T> {
        let next = self.free;
        let slot = self.slot_mut(id.index)?;
        match slot {
            Slot::Used { generation, .. } if *generation == id.generation => {}
            _ => return None,
        }
        let free = Slot::Free { generation: id.generation.wrapping_add(1), next };
        let Slot::Used { value, .. } = core::mem::replace(slot, free) else {
            return None;
        };
        self.free = Some(id.index);
        Some(value)
    }

    #[inline]
    pub(crate) fn get(&self, id: Id<T>) -> Option<&T> {
        match self.chunks.get((id.index >> CHUNK_SHIFT) as usize)?.get(id.index as usize % CHUNK)? {
            Slot::Used { generation, value } if *generation == id.generation => Some(value),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        match self.slot_mut(id.index)? {
            Slot::Used { generation, value } if *generation == id.generation => Some(value),
            _ => None,
        }
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id<T>, &T)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).enumerate().filter_map(|(index, slot)| match slot {
            Slot::Used { generation, value } => {
                let index = u32::try_from(index).ok()?;
                Some((Id { index, generation: *generation, marker: PhantomData }, value))
            }
            Slot::Free { .. } => None,
        })
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        self.chunks.get_mut((index >> CHUNK_SHIFT) as usize)?.get_mut(index as usize % CHUNK)
    }

    /// Adds a chunk of free slots, the lowest first in the list.
    fn grow(&mut self) {
        let base = (self.chunks.len() << CHUNK_SHIFT) as u32;
        let end = base + CHUNK as u32;
        let chunk: Vec<Slot<T>> = (base..end)
            .map(|index| Slot::Free { generation: 1, next: (index + 1 < end).then_some(index + 1) })
            .collect();
        if let Ok(chunk) = chunk.into_boxed_slice().try_into() {
            self.chunks.push(chunk);
            self.free = Some(base);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arena;

    #[test]
    fn a_stale_handle_finds_nothing() {
        let mut arena = Arena::new();
        let first = arena.insert(1);
        assert_eq!(arena.remove(first), Some(1));
        let second = arena.insert(2);
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.remove(first), None);
        assert_eq!(arena.get(second), Some(&2));
        assert_eq!(arena.len(), 1);
    }

    #[test]
    fn slots_are_reused_and_chunks_added() {
        let mut arena = Arena::new();
        let ids: alloc::vec::Vec<_> = (0..200).map(|n| arena.insert(n)).collect();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(arena.get(*id), Some(&n));
        }
        for id in &ids {
            arena.remove(*id);
        }
        let again: alloc::vec::Vec<_> = (0..200).map(|n| arena.insert(n)).collect();
        assert_eq!(arena.chunks.len(), 2);
        assert_eq!(arena.iter().count(), 200);
        assert!(again.iter().all(|id| !ids.contains(id)));
    }
}
