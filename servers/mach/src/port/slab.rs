//! Arenas whose identities carry a generation, so that one kept too long names nothing.

use core::cmp::Ordering;
use core::fmt;
use core::marker::PhantomData;

use alloc::vec::Vec;

/// Identity of a value in a [`Slab`]: index and generation.
pub struct Id<T> {
    index: u32,
    generation: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// The identity as one word, for messages to and from code that does not know the type.
    pub fn to_word(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The inverse of [`Id::to_word`]. Any word is safe: a wrong one names nothing.
    pub fn from_word(word: u64) -> Self {
        Id { index: word as u32, generation: (word >> 32) as u32, of: PhantomData }
    }

    fn key(self) -> (u32, u32) {
        (self.index, self.generation)
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
        self.key() == other.key()
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}.{}", self.index, self.generation)
    }
}

struct Cell<T> {
    generation: u32,
    value: Option<T>,
}

/// An arena of `T`. Removing a value makes all its identities stale.
pub(super) struct Slab<T> {
    cells: Vec<Cell<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { cells: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(super) fn insert(&mut self, value: T) -> Id<T> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.cells.push(Cell { generation: 0, value: None });
                (self.cells.len() - 1) as u32
            }
        };
        let cell = &mut self.cells[index as usize];
        cell.value = Some(value);
        Id { index, generation: cell.generation, of: PhantomData }
    }

    pub(super) fn get(&self, id: Id<T>) -> Option<&T> {
        let cell = self.cells.get(id.index as usize)?;
        if cell.generation == id.generation { cell.value.as_ref() } else { None }
    }

    pub(super) fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        let cell = self.cells.get_mut(id.index as usize)?;
        if cell.generation == id.generation { cell.value.as_mut() } else { None }
    }

    pub(super) fn remove(&mut self, id: Id<T>) -> Option<T> {
        let cell = self.cells.get_mut(id.index as usize)?;
        if cell.generation != id.generation {
            return None;
        }
        let value = cell.value.take()?;
        cell.generation = cell.generation.wrapping_add(1);
        self.free.push(id.index);
        Some(value)
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len() - self.free.len()
    }

    /// All values with their identities, by index.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (Id<T>, &T)> {
        self.cells.iter().enumerate().filter_map(|(index, cell)| {
            let id = Id { index: index as u32, generation: cell.generation, of: PhantomData };
            cell.value.as_ref().map(|value| (id, value))
        })
    }
}
