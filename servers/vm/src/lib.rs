//! Virtual memory as pure logic: maps, entries, objects, pages, faults.
//!
//! Everything that touches hardware or another program goes through the traits of [`Env`]; what is here runs the same in
//! the server and on the host. Operations that can wait are [`Operation`]s.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod arena;
mod fault;
mod map;
mod object;
mod page;
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
pub use fault::resume::Fault;
pub use map::allocate::Allocate;
pub use map::attributes::{BehaviorSet, MachineAttribute};
pub use map::bytes::{GetBytes, PutBytes};
pub use map::fork::Fork;
pub use map::inherit::SetInherit;
pub use map::map_memory::{MapArgs, MapMemory, MapObject};
pub use map::protect::Protect;
pub use map::read::{Read, ReadOut};
pub use map::read_list::{READ_LIST_MAX, ReadList, ReadListOut};
pub use map::region::{BasicInfo, Host, MapInfo, Region, RegionInfo};
pub use map::remap::{Remap, RemapArgs, RemapOut};
pub use map::transfer::{Copy, Write, WriteSource};
pub use map::unmap::{Deallocate, Destroy, Holes};
pub use map::wire::Wire;
pub use map::{Limits, Map};
pub use object::Object;
pub use page::{Page, PageState};
pub use pager::{Pager, ReturnedPage};
pub use pmap::{Fill, FramePool, Pmap, Progress, Shortage};
pub use range::{BadRange, Range, cover, is_aligned, place, round, trunc};
pub use statistics::Statistics;
pub use step::{Cancel, Env, Operation, STEP_HEAP, STEP_PAGES, Step, WaitOn};
pub use types::{
    Family, FrameId, Inherit, KernError, KernResult, ManagerId, MapId, ObjectId, PAGE_SHIFT, PAGE_SIZE, PageId, Prot,
    SpaceId, flags,
};
pub use vm::{Config, Vm};
