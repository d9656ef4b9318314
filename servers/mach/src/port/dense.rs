//! Entries under small names, in chunks: a growing space never asks the heap for a large piece.
//!
//! Invariants: **DENSE-1** a chunk's `used` is the number of its entries; a chunk without any does not exist,
//! and the last place for one holds one.
//! **DENSE-2** chunks before `hint` are full.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::NAMES_MAX;
use super::table::Entry;

/// Names below this are small.
pub(super) const DENSE: u32 = 2 * NAMES_MAX as u32;

const CHUNK: usize = 64;

struct Chunk {
    used: usize,
    entries: [Option<Entry>; CHUNK],
}

/// Name → entry.
#[derive(Default)]
pub(super) struct Dense {
    chunks: Vec<Option<Box<Chunk>>>,
    hint: usize,
}

/// The chunk of a name, and its place there.
const fn split(name: u32) -> (usize, usize) {
    (name as usize / CHUNK, name as usize % CHUNK)
}

impl Dense {
    pub(super) fn get(&self, name: u32) -> Option<&Entry> {
        let (chunk, place) = split(name);
        self.chunks.get(chunk)?.as_ref()?.entries.get(place)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, name: u32) -> Option<&mut Entry> {
        let (chunk, place) = split(name);
        self.chunks.get_mut(chunk)?.as_mut()?.entries.get_mut(place)?.as_mut()
    }

    /// Puts an entry under a name that denotes nothing.
    pub(super) fn insert(&mut self, name: u32, entry: Entry) {
        let (number, place) = split(name);
        if number >= self.chunks.len() {
            self.chunks.resize_with(number + 1, || None);
        }
        let Some(chunk) = self.chunks.get_mut(number) else { return };
        let chunk = chunk.get_or_insert_with(|| Box::new(Chunk { used: 0, entries: [None; CHUNK] }));
        if let Some(cell) = chunk.entries.get_mut(place)
            && cell.replace(entry).is_none()
        {
            chunk.used += 1;
        }
    }

    pub(super) fn remove(&mut self, name: u32) -> Option<Entry> {
        let (number, place) = split(name);
        let slot = self.chunks.get_mut(number)?;
        let chunk = slot.as_mut()?;
        let entry = chunk.entries.get_mut(place)?.take()?;
        chunk.used -= 1;
        if chunk.used == 0 {
            *slot = None;
            while self.chunks.pop_if(|chunk| chunk.is_none()).is_some() {}
        }
        self.hint = self.hint.min(number);
        Some(entry)
    }

    /// The lowest name above 0 that denotes nothing; `None`: there is none.
    pub(super) fn unused(&mut self) -> Option<u32> {
        // Name 0 is NULL: the first chunk is full with one entry less.
        let is_full = |number: usize, chunk: &Chunk| chunk.used == CHUNK - usize::from(number == 0);
        while let Some(Some(chunk)) = self.chunks.get(self.hint)
            && is_full(self.hint, chunk)
        {
            self.hint += 1;
        }
        let first = (self.hint * CHUNK).max(1);
        let end = (self.hint + 1) * CHUNK;
        (first as u32..end as u32).find(|name| self.get(*name).is_none()).filter(|name| *name < DENSE)
    }

    /// All names with an entry, ascending.
    pub(super) fn names(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.chunks.iter().enumerate().filter_map(|(number, chunk)| Some((number, chunk.as_ref()?))).flat_map(
            |(number, chunk)| {
                let entries = chunk.entries.iter().enumerate().filter(|(_, entry)| entry.is_some());
                entries.map(move |(place, _)| (number * CHUNK + place) as u32)
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEAD_NAME: Entry = Entry::DeadName { references: 1 };

    #[test]
    fn names_are_given_lowest_first_up_to_the_end() {
        let mut dense = Dense::default();
        for name in 1..DENSE {
            assert_eq!(dense.unused(), Some(name));
            dense.insert(name, DEAD_NAME);
        }
        assert_eq!(dense.unused(), None);
        for name in [200, 70, 64, 1] {
            assert!(dense.remove(name).is_some() && dense.remove(name).is_none());
            assert_eq!(dense.unused(), Some(name));
        }
        assert_eq!(dense.names().count(), DENSE as usize - 5);
    }

    #[test]
    fn a_chunk_goes_with_its_last_entry() {
        let mut dense = Dense::default();
        for name in [5, DENSE - 1] {
            dense.insert(name, DEAD_NAME);
        }
        assert_eq!(dense.names().collect::<Vec<_>>(), [5, DENSE - 1]);
        assert_eq!(dense.remove(DENSE - 1), Some(DEAD_NAME));
        assert_eq!(dense.chunks.iter().flatten().count(), 1);
        assert_eq!((dense.get(DENSE - 1), dense.get(u32::MAX), dense.get(5)), (None, None, Some(&DEAD_NAME)));
    }
}
