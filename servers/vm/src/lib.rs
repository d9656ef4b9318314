//! Virtual memory as pure logic: maps, entries, objects, pages, faults.
//!
//! Everything that touches hardware or another program goes through the traits of [`Env`]; what is here runs the same in
//! the server and on the host. Operations that can wait are [`Operation`]s.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod arena;
mod map;
mod object;
mod page;
mod pager;
mod pmap;
mod range;
mod step;
mod types;

pub use arena::Id;
pub use map::{Limits, Map};
pub use object::Object;
pub use page::{Page, PageState};
pub use pager::{Pager, ReturnedPage};
pub use pmap::{Fill, FramePool, Pmap, Progress, Shortage};
pub use range::{BadRange, Range, cover, is_aligned, place, round, trunc};
pub use step::{Env, Operation, STEP_HEAP, STEP_PAGES, Step, WaitOn};
pub use types::{
    Family, FrameId, Inherit, KernError, KernResult, ManagerId, MapId, ObjectId, PAGE_SHIFT,
    PAGE_SIZE, PageId, Prot, SpaceId, flags,
};

/// All maps, objects and pages.
pub struct Vm {}
impl Vm {
    /// What became ready.
    pub fn next_wakeup(&mut self) -> Option<WaitOn> {
        None
    }
    /// Tidies.
    pub fn reap<E: Env>(&mut self, _env: &mut E) -> bool {
        false
    }
}
