//! Values under others' ids.
//!
//! An id's index is a place in a table, so finding a value costs no search. Two ids may have one index, as that of something that
//! is gone and is still spoken of; whoever comes later waits in an ordered map beside the table.
//!
//! Invariants: **IDMAP-1** a key is in the table or beside it, once. As the places of an [`Arena`](crate::Arena), those of the
//! table stay when they are empty.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use crate::Id;

const CHUNK: usize = 32;

type Chunk<V> = [Option<(u32, V)>; CHUNK];

/// Values of one type under ids of another.
pub struct IdMap<T, V> {
    chunks: Vec<Option<Box<Chunk<V>>>>,
    beside: BTreeMap<Id<T>, V>,
    len: usize,
}

impl<T, V: fmt::Debug> fmt::Debug for IdMap<T, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<T, V> Default for IdMap<T, V> {
    fn default() -> Self {
        Self::new()
    }
}

/// The chunk of an id, and its place there.
const fn split<T>(id: Id<T>) -> (usize, usize) {
    (id.index() as usize / CHUNK, id.index() as usize % CHUNK)
}

impl<T, V> IdMap<T, V> {
    /// An empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self { chunks: Vec::new(), beside: BTreeMap::new(), len: 0 }
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

    /// The value under an id.
    #[inline]
    #[must_use]
    pub fn get(&self, id: Id<T>) -> Option<&V> {
        let (chunk, place) = split(id);
        match self.chunks.get(chunk).and_then(|chunk| chunk.as_ref()?.get(place)) {
            Some(Some((generation, value))) if *generation == id.generation() => Some(value),
            _ if self.beside.is_empty() => None,
            _ => self.beside.get(&id),
        }
    }

    /// The value under an id, to change it.
    #[inline]
    pub fn get_mut(&mut self, id: Id<T>) -> Option<&mut V> {
        let (chunk, place) = split(id);
        match self.chunks.get_mut(chunk).and_then(|chunk| chunk.as_mut()?.get_mut(place)) {
            Some(Some((generation, value))) if *generation == id.generation() => Some(value),
            _ if self.beside.is_empty() => None,
            _ => self.beside.get_mut(&id),
        }
    }

    /// Puts a value under an id. Answers the one that was there.
    pub fn insert(&mut self, id: Id<T>, value: V) -> Option<V> {
        if let Some(old) = self.get_mut(id) {
            return Some(core::mem::replace(old, value));
        }
        self.len += 1;
        let (number, place) = split(id);
        if number >= self.chunks.len() {
            self.chunks.resize_with(number + 1, || None);
        }
        let chunk = self.chunks.get_mut(number)?;
        let chunk = chunk.get_or_insert_with(|| Box::new([const { None }; CHUNK]));
        match chunk.get_mut(place)? {
            free @ None => {
                *free = Some((id.generation(), value));
                None
            }
            Some(_) => self.beside.insert(id, value),
        }
    }

    /// The value under an id, which is made if there is none.
    pub fn get_or_insert_with(&mut self, id: Id<T>, make: impl FnOnce() -> V) -> Option<&mut V> {
        if self.get(id).is_none() {
            self.insert(id, make());
        }
        self.get_mut(id)
    }

    /// Takes a value out.
    pub fn remove(&mut self, id: Id<T>) -> Option<V> {
        let (number, place) = split(id);
        let cell = self.chunks.get_mut(number).and_then(|chunk| chunk.as_mut()?.get_mut(place));
        let found = cell.and_then(|cell| cell.take_if(|(generation, _)| *generation == id.generation()));
        let found = match found {
            None if !self.beside.is_empty() => self.beside.remove(&id),
            found => found.map(|(_, value)| value),
        };
        self.len -= usize::from(found.is_some());
        found
    }

    /// All values with their ids: those of the table in order of their places, then those beside it.
    pub fn iter(&self) -> impl Iterator<Item = (Id<T>, &V)> {
        let chunks =
            self.chunks.iter().zip((0..).step_by(CHUNK)).filter_map(|(chunk, first)| Some((chunk.as_ref()?, first)));
        let places = chunks.flat_map(|(chunk, first)| chunk.iter().zip(first..));
        let table = places.filter_map(|(place, index)| {
            let (generation, value) = place.as_ref()?;
            Some((Id::new(index, *generation), value))
        });
        table.chain(self.beside.iter().map(|(id, value)| (*id, value)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_an_ordered_map(steps in proptest::collection::vec((0..70_u32, 0..3_u32, 0..3_u8, any::<u8>()), 0..300)) {
            let (mut map, mut model) = (IdMap::new(), BTreeMap::new());
            for (index, generation, what, value) in steps {
                let id: Id<()> = Id::new(index, generation);
                match what {
                    0 => prop_assert_eq!(map.remove(id), model.remove(&id)),
                    1 => prop_assert_eq!(map.insert(id, value), model.insert(id, value)),
                    _ => prop_assert_eq!(map.get_or_insert_with(id, || value).copied(), Some(*model.entry(id).or_insert(value))),
                }
                prop_assert_eq!((map.get(id), map.len()), (model.get(&id), model.len()));
                prop_assert_eq!(map.get_mut(id).copied(), model.get(&id).copied());
                let mut all: Vec<_> = map.iter().map(|(id, value)| (id, *value)).collect();
                all.sort_unstable();
                prop_assert!(all.into_iter().eq(model.iter().map(|(id, value)| (*id, *value))));
            }
            for id in model.keys() {
                map.remove(*id);
            }
            prop_assert!(map.is_empty() && map.iter().next().is_none());
        }
    }
}
