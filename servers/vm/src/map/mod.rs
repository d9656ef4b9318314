//! Address maps: which memory a task sees at which address.
//!
//! One operation per file; [`store`] is the ordered container, [`entry`] what it contains.
//!
//! MAP-1: `size` and `size_none` are the sums over the entries.
//! MAP-2: an entry's part lies within its object's size.
//! MAP-3: an entry that needs a copy has an object, and no writable mapping.

pub(crate) mod allocate;
pub(crate) mod attributes;
pub(crate) mod bytes;
pub(crate) mod copy;
pub(crate) mod entry;
pub(crate) mod fork;
pub(crate) mod inherit;
pub(crate) mod lookup;
pub(crate) mod map_memory;
pub(crate) mod protect;
pub(crate) mod read;
pub(crate) mod read_list;
pub(crate) mod region;
pub(crate) mod remap;
pub(crate) mod share;
pub(crate) mod store;
pub(crate) mod sync;
pub(crate) mod transfer;
pub(crate) mod unmap;
pub(crate) mod wire;
pub(crate) mod wire_all;

use crate::range::Range;
use crate::types::{MapId, SpaceId};
use store::Store;

/// The two limits on the size of a map, in bytes that are not reserved with maximum protection NONE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What holds now.
    pub current: u64,
    /// What `current` may be raised to without privilege.
    pub max: u64,
}

/// What a task's page faults were, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// All of them.
    pub faults: u64,
    /// Pages that they filled with zeros.
    pub zero_fills: u64,
    /// Pages that were about to go, and that they used.
    pub reactivations: u64,
    /// Requests to managers, the default pager among them, for the pages that they wanted.
    pub pageins: u64,
    /// Pages that they copied because somebody wrote.
    pub cow_faults: u64,
}

/// An address map.
pub struct Map {
    /// The hardware space; none for a map that only carries a snapshot.
    pub(crate) space: Option<SpaceId>,
    pub(crate) bounds: Range,
    pub(crate) entries: Store,
    /// Bytes in all entries.
    pub(crate) size: u64,
    /// Bytes in entries with maximum protection NONE.
    pub(crate) size_none: u64,
    /// Bytes in wired entries.
    pub(crate) size_wired: u64,
    pub(crate) limits: Limits,
    /// `vm_wire_all` FUTURE: what is made is wired.
    pub(crate) wires_new: bool,
    /// Others' pages are brought in and out by its task: what it touches stays resident.
    pub(crate) is_kept: bool,
    /// An operation of several steps works on it: other calls and faults wait.
    pub(crate) is_locked: bool,
    /// What its task's faults were.
    pub(crate) events: Events,
    /// The next of the maps to be taken down.
    pub(crate) next_chore: Option<MapId>,
}

impl Map {
    pub(crate) fn new(space: Option<SpaceId>, bounds: Range, limits: Limits) -> Map {
        Map {
            space,
            bounds,
            entries: Store::new(bounds.start),
            size: 0,
            size_none: 0,
            size_wired: 0,
            limits,
            wires_new: false,
            is_kept: false,
            is_locked: false,
            events: Events::default(),
            next_chore: None,
        }
    }

    /// Whether `size` more bytes, of which `freed` replace others, stay within the limit.
    pub(crate) fn has_room_for(&self, size: u64, freed: u64) -> bool {
        let used = (self.size - self.size_none).saturating_sub(freed);
        used.checked_add(size).is_some_and(|sum| sum <= self.limits.current)
    }
}
