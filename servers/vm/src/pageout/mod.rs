//! Page-out: who goes when frames get few, and where to.
//!
//! | file        | holds                                                                           |
//! |-------------|---------------------------------------------------------------------------------|
//! | `policy`    | the choice among resident pages, and when it begins and ends                    |
//! | `anonymous` | the default pager's associations: made at the first page-out, ended with the object |
//! | `ahead`     | how many pages are asked for at a time                                          |
//!
//! `docs/paging.md` tells the life of an anonymous object, and why nothing on this path waits for itself.
//!
//! PAGING-1: an object whose `paging` names an association is the object of that association.
//! PAGING-2: a page is in `paged` of its object if and only if its newest contents are with the default pager, or on their
//! way there, and nowhere else: such a page has no record. A `Clean` page of anonymous memory has a copy there as well.
//! PAGING-3: an object that was paged out is not extended, so an offset never stands for another page than before: what the
//! default pager says late of a page that was dropped finds nothing.
//! SLOT-1: a page with `has_slot` is of anonymous memory, and the default pager has a slot for it alone, with its contents or
//! older ones. Such a page can go although the pager has no space; and so can as many others as `credit` says.
//! LAUNDRY-1: `laundry` is the number of pages that were returned to the default pager and are not free yet.

mod ahead;
mod anonymous;
mod policy;

pub(crate) use ahead::Ahead;
pub use policy::Evicted;

use crate::types::PAGE_SIZE;

/// Pages that may be on their way to the default pager.
pub(crate) const MAX_LAUNDRY: u32 = 256;
/// Pages of anonymous memory in one data_return, or one data_request.
pub(crate) const CLUSTER: u64 = 16;

/// Free frames that page-out keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Targets {
    /// It begins below this.
    pub(crate) low: u64,
    /// It ends at this.
    pub(crate) high: u64,
}

impl Targets {
    /// A 64th of memory, in bounds.
    fn of(memory: u64) -> Targets {
        let low = (memory / PAGE_SIZE / 64).clamp(128, 2048);
        Targets { low, high: low + low / 2 }
    }
}

/// What page-out knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageOut {
    /// What holds unless a test wants something else.
    standard: Targets,
    pub(crate) targets: Targets,
    /// It goes on until the high target.
    is_running: bool,
    /// Steps since the last one that took a page.
    idle_steps: u64,
    /// Whose turn it is: grows by the pages of managers, and is taken from by all.
    turn: u64,
    /// Somebody keeps the pages of objects that had none so far.
    pub(crate) has_pager: bool,
    /// Associations with default pagers.
    pub(crate) paged_objects: u32,
    /// The default pager has no space.
    pub(crate) is_full: bool,
    /// While it has none: slots that it has set free by giving pages back to their owners for good (SLOT-1).
    pub(crate) credit: u64,
    /// LAUNDRY-1
    pub(crate) laundry: u32,
    /// Somebody waits for a frame.
    is_awaited: bool,
}

impl PageOut {
    /// Nothing is paged out yet.
    pub(crate) fn new(memory: u64) -> PageOut {
        let standard = Targets::of(memory);
        PageOut {
            standard,
            targets: standard,
            is_running: false,
            idle_steps: 0,
            turn: 0,
            has_pager: false,
            paged_objects: 0,
            is_full: false,
            credit: 0,
            laundry: 0,
            is_awaited: false,
        }
    }
}
