//! What the pager holds of an object: for each page nothing, a slot with a checksum, or the knowledge that it is lost.
//!
//! A page takes eight bytes, in clusters of 16 pages: two thousandths of what it stands for.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

/// Pages of a cluster, and of the largest message.
pub const CLUSTER: u64 = 16;

/// The most paging areas at a time.
pub const MAX_AREAS: usize = 32;

/// Where a page is: a slot of an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The area's number, below [`MAX_AREAS`].
    pub area: usize,
    /// The slot, below [`MAX_SLOTS`](crate::slots::MAX_SLOTS).
    pub slot: u32,
}

/// What the pager holds of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nothing: it was never returned, or was given back.
    Nothing,
    /// The page could not be written: its contents are lost.
    Lost,
    /// It is there.
    Stored(Place, u32),
}

/// The same in a word: the checksum in the upper half; in the lower one 0, 1, or area and slot plus 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Packed(u64);

const SLOT_BITS: u32 = 26;

impl Packed {
    fn new(held: Held) -> Self {
        Self(match held {
            Held::Nothing => 0,
            Held::Lost => 1,
            Held::Stored(Place { area, slot }, sum) => {
                u64::from(sum) << 32 | (((area as u64) << SLOT_BITS | u64::from(slot)) + 2)
            }
        })
    }

    fn get(self) -> Held {
        match self.0 as u32 {
            0 => Held::Nothing,
            1 => Held::Lost,
            word => {
                let word = word - 2;
                let place = Place { area: (word >> SLOT_BITS) as usize, slot: word & ((1 << SLOT_BITS) - 1) };
                Held::Stored(place, (self.0 >> 32) as u32)
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Cluster {
    pages: [Packed; CLUSTER as usize],
    /// How many of them hold something.
    count: u8,
}

/// What the pager holds of one object, by page numbers.
#[derive(Debug, Default)]
pub struct Pages {
    clusters: BTreeMap<u64, Box<Cluster>>,
}

impl Pages {
    /// What is held of a page.
    #[must_use]
    pub fn get(&self, page: u64) -> Held {
        let cluster = self.clusters.get(&(page / CLUSTER));
        let packed = cluster.and_then(|cluster| cluster.pages.get((page % CLUSTER) as usize));
        packed.map_or(Held::Nothing, |packed| packed.get())
    }

    /// Sets what is held of a page; answers what was.
    pub fn set(&mut self, page: u64, held: Held) -> Held {
        let number = page / CLUSTER;
        let cluster = match held {
            // What is not there is not made to be nothing.
            Held::Nothing => match self.clusters.get_mut(&number) {
                Some(cluster) => cluster,
                None => return Held::Nothing,
            },
            _ => self.clusters.entry(number).or_default(),
        };
        let Some(packed) = cluster.pages.get_mut((page % CLUSTER) as usize) else { return Held::Nothing };
        let was = core::mem::replace(packed, Packed::new(held)).get();
        cluster.count = cluster.count + u8::from(held != Held::Nothing) - u8::from(was != Held::Nothing);
        if cluster.count == 0 {
            self.clusters.remove(&number);
        }
        was
    }

    /// Sets what is held of pages in a row. `was` hears of each that held something.
    pub fn set_run(&mut self, first: u64, held: &[Held], mut was: impl FnMut(Held)) {
        let (mut page, mut rest) = (first, held);
        while !rest.is_empty() {
            let (number, place) = (page / CLUSTER, (page % CLUSTER) as usize);
            let (part, later) = rest.split_at(rest.len().min(CLUSTER as usize - place));
            (page, rest) = (page + part.len() as u64, later);
            let is_nothing = part.iter().all(|held| *held == Held::Nothing);
            let cluster = match self.clusters.get_mut(&number) {
                Some(cluster) => cluster,
                None if is_nothing => continue,
                None => self.clusters.entry(number).or_default(),
            };
            for (packed, held) in cluster.pages.iter_mut().skip(place).zip(part) {
                let old = core::mem::replace(packed, Packed::new(*held)).get();
                cluster.count = cluster.count + u8::from(*held != Held::Nothing) - u8::from(old != Held::Nothing);
                if old != Held::Nothing {
                    was(old);
                }
            }
            if cluster.count == 0 {
                self.clusters.remove(&number);
            }
        }
    }

    /// All pages that hold something, from one on, in order.
    pub fn from(&self, page: u64) -> impl Iterator<Item = (u64, Held)> + '_ {
        let clusters = self.clusters.range(page / CLUSTER..);
        let pages = clusters.flat_map(|(number, cluster)| {
            cluster.pages.iter().zip(number * CLUSTER..).map(|(packed, page)| (page, packed.get()))
        });
        pages.filter(move |(at, held)| *at >= page && *held != Held::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::MAX_SLOTS;
    use proptest::prelude::*;

    fn any_held() -> impl Strategy<Value = Held> {
        let stored = (0..MAX_AREAS, prop_oneof![0..9_u32, Just(MAX_SLOTS - 1), 0..MAX_SLOTS], any::<u32>());
        prop_oneof![
            Just(Held::Nothing),
            Just(Held::Lost),
            stored.prop_map(|(area, slot, sum)| Held::Stored(Place { area, slot }, sum)),
        ]
    }

    proptest! {
        #[test]
        fn a_run_is_set_as_its_pages_are(
            steps in proptest::collection::vec((0..80_u64, proptest::collection::vec(any_held(), 0..40)), 0..50),
        ) {
            let (mut pages, mut singly) = (Pages::default(), Pages::default());
            for (first, held) in steps {
                let mut was = Vec::new();
                pages.set_run(first, &held, |old| was.push(old));
                let old = (first..).zip(&held).map(|(page, held)| singly.set(page, *held));
                prop_assert_eq!(was, old.filter(|old| *old != Held::Nothing).collect::<Vec<_>>());
                prop_assert!(pages.from(0).eq(singly.from(0)));
                prop_assert_eq!(pages.clusters.len(), singly.clusters.len());
            }
        }

        #[test]
        fn agrees_with_a_map(steps in proptest::collection::vec((0..80_u64, any_held()), 0..200), from in 0..80_u64) {
            let (mut pages, mut model) = (Pages::default(), BTreeMap::new());
            for (page, held) in steps {
                let was = if held == Held::Nothing { model.remove(&page) } else { model.insert(page, held) };
                prop_assert_eq!(pages.set(page, held), was.unwrap_or(Held::Nothing));
                prop_assert_eq!(pages.get(page), held);
            }
            let all: Vec<(u64, Held)> = model.range(from..).map(|(page, held)| (*page, *held)).collect();
            prop_assert_eq!(pages.from(from).collect::<Vec<_>>(), all);
            for page in model.keys() {
                pages.set(*page, Held::Nothing);
            }
            prop_assert!(pages.clusters.is_empty());
        }
    }
}
