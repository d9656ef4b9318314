//! A table whose entries are named by index and generation.
//!
//! Invariants: **TABLE-1** an [`Id`] finds an entry only while that very entry lives: removing raises the
//! generation of the place. **TABLE-2** a place whose generations are used up is never used again, so TABLE-1
//! holds for ever (a place lasts 2^28 − 1 lives).

use alloc::vec::Vec;

use crate::badge::MAX_GENERATION;

/// Names an entry of a [`Table`]: its place and which life of the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    index: u32,
    generation: u32,
}

impl Id {
    /// An id from its parts. It may name nothing.
    #[must_use]
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// The place in the table.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Which life of the place.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    value: Option<T>,
}

/// Entries of one type, with room for a fixed number of them.
#[derive(Debug)]
pub struct Table<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    limit: usize,
    live: usize,
}

impl<T> Table<T> {
    /// An empty table for at most `limit` entries at a time.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { places: Vec::new(), free: Vec::new(), limit, live: 0 }
    }

    /// Number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.live
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Enters what `make` makes of its id. `None`: the table is full.
    pub fn insert_with(&mut self, make: impl FnOnce(Id) -> T) -> Option<Id> {
        if self.live >= self.limit {
            return None;
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.places.len()).ok()?;
                self.places.push(Place { generation: 1, value: None });
                index
            }
        };
        let place = self.places.get_mut(index as usize)?;
        let id = Id::new(index, place.generation);
        place.value = Some(make(id));
        self.live += 1;
        Some(id)
    }

    /// Takes an entry out.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        let place = self.places.get_mut(id.index as usize).filter(|place| place.generation == id.generation)?;
        let value = place.value.take()?;
        self.live -= 1;
        if place.generation < MAX_GENERATION {
            place.generation += 1;
            self.free.push(id.index);
        }
        Some(value)
    }

    /// The entry with this id.
    #[must_use]
    pub fn get(&self, id: Id) -> Option<&T> {
        self.places.get(id.index as usize).filter(|place| place.generation == id.generation)?.value.as_ref()
    }

    /// The entry with this id, to change it.
    pub fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.places.get_mut(id.index as usize).filter(|place| place.generation == id.generation)?.value.as_mut()
    }

    /// All entries with their ids, in order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.places
            .iter()
            .zip(0..)
            .filter_map(|(place, index)| place.value.as_ref().map(|value| (Id::new(index, place.generation), value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    #[test]
    fn a_stale_id_finds_nothing() {
        let mut table = Table::new(4);
        let first = table.insert_with(|_| 'a').unwrap();
        assert_eq!(table.remove(first), Some('a'));
        let second = table.insert_with(|_| 'b').unwrap();
        assert_eq!(second.index(), first.index());
        assert_eq!(table.get(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get(second), Some(&'b'));
    }

    #[test]
    fn a_worn_out_place_is_retired() {
        let mut table = Table::new(4);
        let id = table.insert_with(|_| ()).unwrap();
        table.places[0].generation = MAX_GENERATION;
        let last = Id::new(id.index(), MAX_GENERATION);
        assert!(table.remove(last).is_some());
        assert_eq!(table.insert_with(|_| ()).unwrap().index(), 1);
        assert_eq!(table.get(last), None);
    }

    #[test]
    fn a_full_table_refuses() {
        let mut table = Table::new(1);
        assert!(table.insert_with(|_| 0).is_some());
        assert!(table.insert_with(|_| 1).is_none());
        assert_eq!(table.len(), 1);
    }

    proptest! {
        #[test]
        fn behaves_like_a_map_of_unique_ids(steps in proptest::collection::vec((any::<bool>(), any::<u8>()), 0..200)) {
            let mut table = Table::new(16);
            let mut model: BTreeMap<Id, u8> = BTreeMap::new();
            let mut dead = alloc::vec::Vec::new();
            for (insert, value) in steps {
                if insert {
                    match table.insert_with(|_| value) {
                        Some(id) => {
                            prop_assert!(!dead.contains(&id));
                            prop_assert!(model.insert(id, value).is_none());
                        }
                        None => prop_assert_eq!(model.len(), 16),
                    }
                } else if let Some(id) = model.keys().nth(usize::from(value) % model.len().max(1)).copied() {
                    prop_assert_eq!(table.remove(id), model.remove(&id));
                    dead.push(id);
                }
                prop_assert_eq!(table.len(), model.len());
                prop_assert!(table.iter().map(|(id, &value)| (id, value)).eq(model.iter().map(|(&id, &value)| (id, value)).collect::<BTreeMap<_, _>>()));
                prop_assert!(dead.iter().all(|&id| table.get(id).is_none()));
            }
        }
    }
}
