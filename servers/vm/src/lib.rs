//! Virtual memory as pure logic: maps, entries, objects, pages, faults.
//!
//! Everything that touches hardware or another program goes through the traits of [`Env`]; what is here runs the same
//! in the server and on the host. Every call is an [`Operation`] that is stepped, at most [`STEP_PAGES`] pages at a
//! time, and that can wait; between two steps everything may change that the operation has not locked.
//!
//! | module      | holds                                                                               |
//! |-------------|-------------------------------------------------------------------------------------|
//! | `map`     | address maps: the container of entries, and one file for each call on them          |
//! | `object`  | what entries map: shadows, copies, their shortening, their end                      |
//! | `association` | objects whose pages come from a memory manager, and the protocol with it      |
//! | `page`    | the states of a page, and the queues                                                |
//! | `pageout` | which pages go when memory is short, and the default pager                          |
//! | `fault`   | what must happen for an access (`plan`, pure), and doing it (`resume`)              |
//! | `pmap`, `pager` | the effects                                                                 |
//! | `range`   | page arithmetic: R-cover and R-place                                                |
//! | `vm`      | the state, and the work that is left over                                           |
//!
//! `docs/vm.md` tells what an entry, an object and a page can be, what holds between steps, and walks one page through
//! the code. Invariants have numbers where they are kept (`MAP-1`, `OBJ-1`, ...); `check.rs` asserts all of them.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod association;
mod fault;
mod map;
mod object;
mod page;
mod pageout;
mod pager;
mod pmap;
mod range;
mod statistics;
mod step;
mod types;
mod vm;

#[cfg(test)]
mod check;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use arena::Id;
pub use association::{
    Association, Attributes, CopyStrategy, DataSupply, LockArgs, LockRequest, MapReturned, ReturnedData, ReturnedPages,
    SupplyArgs, SupplyDone,
};
pub use fault::resume::Fault;
pub use map::allocate::Allocate;
pub use map::attributes::{BehaviorSet, MachineAttribute};
pub use map::bytes::{GetBytes, PutBytes};
pub use map::fork::Fork;
pub use map::inherit::SetInherit;
pub use map::map_memory::{MapArgs, MapMemory, MapObject};
pub use map::protect::Protect;
pub use map::read::{Read, ReadOut};
pub use map::read_list::{ReadList, ReadListOut};
pub use map::region::{BasicInfo, Host, MapInfo, Region, RegionInfo};
pub use map::remap::{Remap, RemapArgs, RemapOut};
pub use map::share::{Behind, ShareRegion, Shared};
pub use map::sync::Msync;
pub use map::sync::object::{ObjectSync, SyncHow};
pub use map::transfer::{Copy, Write, WriteSource};
pub use map::unmap::{Deallocate, Destroy, Holes};
pub use map::wire::Wire;
pub use map::wire_all::{WireAll, WireNew};
pub use map::{Events, Limits, Map};
pub use object::Object;
pub use page::{Page, PageState};
pub use pageout::Evicted;
pub use pager::Pager;
pub use pmap::{Fill, FramePool, Others, Pmap, Progress, Shortage};
pub use range::{BadRange, Range, cover, is_aligned, place, round, trunc};
pub use statistics::{CacheCounts, CacheStatistics, Statistics};
pub use step::{Cancel, Env, FrameFor, Operation, STEP_HEAP, STEP_PAGES, Step, WaitOn, Wake};
pub use types::{
    AssocId, Family, FrameId, Inherit, ManagerId, MapId, ObjectId, PAGE_SHIFT, PAGE_SIZE, PageId, Prot, SpaceId, flags,
};
pub use vm::{Config, Vm};
