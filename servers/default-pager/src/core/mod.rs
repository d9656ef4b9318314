//! Objects, areas, and pages on the way: the pager without system calls.
//!
//! The life of a page here:
//!
//! | it is | event | then |
//! |---|---|---|
//! | nowhere | data_return | in the queue of returned pages |
//! | in the queue | a slot and a buffer are free | copied to the buffer, its memory given back; being written |
//! | in the queue | no slot is left anywhere | given back to the Mach server; what it does not take is lost |
//! | being written | the disk is done | stored |
//! | being written | the disk failed | lost; the slot is never used again |
//! | stored | data_request | read to a buffer, and supplied if its sum is right; else an error |
//! | stored | the same, and there is no space | the same; the slot is free as soon as the page is supplied |
//! | in the queue, being written | data_request | supplied from there |
//! | lost | data_request | an error |
//! | any | data_return of the same page | the newer one counts; the slot of the older one is free |
//! | any but nowhere | data_initialize of the same page | what is there counts |
//! | any | terminate | forgotten |
//!
//! Invariants. **CORE-1**: a slot is taken if and only if one page is stored in it, or a transfer of it is under way, or it
//! is retired. **CORE-2**: a buffer has as many users as transfers that name it. **CORE-3**: a slot that is let go while a
//! transfer of it is under way is free only after that (`orphans`).

mod answer;
mod areas;
mod drain;
mod io;
mod store;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::held::{Held, Place};
use crate::world::{ObjectId, Pages, Removal, Space, World};
use areas::Area;
pub use areas::{AreaInfo, Extent};
use io::{Flight, Kind};

/// What the pager knows of an object.
#[derive(Debug, Default)]
struct Object {
    pages: crate::held::Pages,
    /// Pages of an object that anybody may map; `None` for anonymous memory, whose size is a hint.
    limit: Option<u64>,
}

/// The most pages of one message.
pub const MAX_RETURN: u64 = 64;

/// Pages that came, and are not stored yet.
#[derive(Debug)]
struct Return<D> {
    object: ObjectId,
    page: u64,
    data: D,
    /// How many of them are.
    done: u64,
    /// Which of them came once more since, a bit each: these are old.
    old: u64,
}

impl<D: Pages> Return<D> {
    /// The index of a page among those that are not stored yet.
    fn index_of(&self, object: ObjectId, page: u64) -> Option<u64> {
        let index = page.checked_sub(self.page).filter(|_| self.object == object)?;
        ((self.done..self.data.count()).contains(&index) && !self.is_old(index)).then_some(index)
    }

    const fn is_old(&self, index: u64) -> bool {
        index < MAX_RETURN && self.old & 1 << index != 0
    }
}

/// Pages that are wanted.
#[derive(Clone, Copy, Debug)]
struct Ask {
    object: ObjectId,
    page: u64,
    count: u64,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages with pages.
    pub pageout_calls: u64,
    /// Requests for pages.
    pub pagein_calls: u64,
    /// Pages supplied.
    pub pages_in: u64,
    /// Pages that came.
    pub pages_out: u64,
    /// Pages that were asked for and held nothing.
    pub pages_unavailable: u64,
    /// Pages that came by data_initialize.
    pub pages_initialized: u64,
    /// Those of them that were taken, as nothing was there yet.
    pub initial_pages_taken: u64,
}

/// The pager.
#[derive(Debug)]
pub struct Core<D> {
    objects: BTreeMap<ObjectId, Object>,
    areas: Vec<Option<Area>>,
    flights: BTreeMap<u64, Flight>,
    next_tag: u64,
    next_object: ObjectId,
    next_removal: Removal,
    returns: VecDeque<Return<D>>,
    asks: VecDeque<Ask>,
    /// Pages were given back, and hardly any space has become free since.
    is_full: bool,
    told: Option<Space>,
    counts: Counts,
}

impl<D: Pages> Default for Core<D> {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            areas: Vec::new(),
            flights: BTreeMap::new(),
            next_tag: 0,
            next_object: 1,
            next_removal: 0,
            returns: VecDeque::new(),
            asks: VecDeque::new(),
            is_full: false,
            told: None,
            counts: Counts::default(),
        }
    }
}

impl<D: Pages> Core<D> {
    /// A new object of anonymous memory.
    pub fn create(&mut self) -> ObjectId {
        self.enter(Object::default())
    }

    /// A new object that anybody may map, of at most so many pages.
    pub fn create_external(&mut self, pages: u64) -> ObjectId {
        self.enter(Object { limit: Some(pages), ..Object::default() })
    }

    fn enter(&mut self, object: Object) -> ObjectId {
        let id = self.next_object;
        self.next_object += 1;
        self.objects.insert(id, object);
        id
    }

    /// Pages of an object came, at most [`MAX_RETURN`].
    pub fn data_return(&mut self, world: &mut impl World<Data = D>, object: ObjectId, page: u64, data: D) {
        self.counts.pageout_calls += 1;
        self.counts.pages_out += data.count();
        for waiting in self.returns.iter_mut().filter(|waiting| waiting.object == object) {
            for newer in page..page.saturating_add(data.count()) {
                if let Some(index) = waiting.index_of(object, newer) {
                    waiting.old |= 1 << index;
                }
            }
        }
        self.returns.push_back(Return { object, page, data, done: 0, old: 0 });
        self.advance(world);
    }

    /// Pages of an object came, at most [`MAX_RETURN`], which count only where nothing is held yet.
    pub fn data_initialize(&mut self, world: &mut impl World<Data = D>, object: ObjectId, page: u64, data: D) {
        let count = data.count().min(MAX_RETURN);
        let is_known = |page: u64| {
            let waits = |waiting: &Return<D>| waiting.index_of(object, page).is_some();
            self.held(object, page) != Held::Nothing || self.returns.iter().any(waits)
        };
        let old = (0..count).filter(|index| is_known(page + index)).fold(0, |old, index| old | 1 << index);
        self.counts.pages_initialized += count;
        self.counts.initial_pages_taken += count - u64::from(u64::count_ones(old));
        self.returns.push_back(Return { object, page, data, done: 0, old });
        self.advance(world);
    }

    /// Pages of an object are wanted.
    pub fn data_request(&mut self, world: &mut impl World<Data = D>, object: ObjectId, page: u64, count: u64) {
        self.counts.pagein_calls += 1;
        self.asks.push_back(Ask { object, page, count });
        self.advance(world);
    }

    /// Nobody has an object mapped any more that anybody may map: nobody waits for its pages. It keeps what it has.
    pub fn unmapped(&mut self, object: ObjectId) {
        self.asks.retain(|ask| ask.object != object);
        let reads = self.flights.values_mut().filter(|flight| flight.kind == Kind::Read && flight.object == object);
        reads.for_each(|flight| flight.is_vain = true);
    }

    /// An object is no more.
    pub fn terminate(&mut self, world: &mut impl World<Data = D>, object: ObjectId) {
        let Some(gone) = self.objects.remove(&object) else { return };
        self.returns.retain(|waiting| waiting.object != object);
        self.asks.retain(|ask| ask.object != object);
        for (_, held) in gone.pages.from(0) {
            self.release(held);
        }
        self.advance(world);
    }

    /// Does what can be done now.
    pub fn advance(&mut self, world: &mut impl World<Data = D>) {
        // Who waits for a page comes before who waits for room.
        while self.answer_one(world) || self.store_one(world) || self.move_one(world) {}
        self.tell_space(world);
    }

    /// Whether nothing is under way and nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.flights.is_empty() && self.returns.is_empty() && self.asks.is_empty()
    }

    /// What happened so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// All objects, with the pages that each has in slots.
    pub fn objects(&self) -> impl Iterator<Item = (ObjectId, u64)> + '_ {
        self.objects.iter().map(|(id, object)| (*id, stored(object).count() as u64))
    }

    /// The pages of an object that are held. `None`: there is no such object.
    #[must_use]
    pub fn pages(&self, object: ObjectId) -> Option<impl Iterator<Item = u64> + '_> {
        self.objects.get(&object).map(|object| stored(object).map(|(page, _)| page))
    }

    /// What is held of a page.
    fn held(&self, object: ObjectId, page: u64) -> Held {
        self.objects.get(&object).map_or(Held::Nothing, |object| object.pages.get(page))
    }

    /// Whether anybody may map the object.
    fn is_external(&self, object: ObjectId) -> bool {
        self.objects.get(&object).is_some_and(|object| object.limit.is_some())
    }

    fn set_held(&mut self, object: ObjectId, page: u64, held: Held) -> Held {
        self.objects.get_mut(&object).map_or(Held::Nothing, |object| object.pages.set(page, held))
    }

    /// Sets what is held of pages in a row, and lets the slots go that they had.
    fn set_run(&mut self, object: ObjectId, first: u64, held: &[Held]) {
        let mut old = Vec::new();
        if let Some(object) = self.objects.get_mut(&object) {
            object.pages.set_run(first, held, |held| old.push(held));
        }
        old.into_iter().for_each(|held| self.release(held));
    }

    /// Lets the slot of a page go that is held no more (CORE-3).
    fn release(&mut self, held: Held) {
        if let Held::Stored(place, _) = held {
            self.release_place(place);
        }
    }

    fn release_place(&mut self, place: Place) {
        match self.flights.values_mut().find_map(|flight| flight.index_of(place).map(|index| (flight, index))) {
            Some((flight, index)) => flight.orphans |= 1 << index,
            None => {
                if let Some(area) = self.area_mut(place.area) {
                    area.slots.put(place.slot);
                }
            }
        }
    }
}

fn stored(object: &Object) -> impl Iterator<Item = (u64, Place)> + '_ {
    object.pages.from(0).filter_map(|(page, held)| match held {
        Held::Stored(place, _) => Some((page, place)),
        Held::Nothing | Held::Lost => None,
    })
}
