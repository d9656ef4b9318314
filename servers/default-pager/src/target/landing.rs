//! Where returned pages land: a few places of a cluster each, so that the pages need not be mapped for the pager, which copies
//! them to a disk's buffer at once as a rule.

use alloc::rc::Rc;
use core::cell::Cell;

use default_pager::held::CLUSTER;
use libmach::msg::Landing;
use libmach::vm::PAGE_SIZE;
use libmach::{Region, Result};

/// Places: what waits for a buffer stays in its own.
const PLACES: u64 = 4;
const PLACE_SIZE: u64 = CLUSTER * PAGE_SIZE;

/// All places.
#[derive(Debug)]
pub(crate) struct Zone {
    pub(crate) memory: Region,
    /// A set bit: free.
    free: Cell<u64>,
}

/// Pages in a place. Dropping them makes it free.
#[derive(Debug)]
pub(crate) struct Landed {
    pub(crate) zone: Rc<Zone>,
    place: u64,
    pub(crate) count: u64,
}

impl Zone {
    /// The places, free.
    pub(crate) fn new() -> Result<Rc<Self>> {
        let memory = Region::allocate(PLACES * PLACE_SIZE)?;
        Ok(Rc::new(Self { memory, free: Cell::new((1 << PLACES) - 1) }))
    }

    /// The place for what comes next, or none.
    pub(crate) fn next(&self) -> Landing {
        match self.free.get() {
            0 => Landing::default(),
            free => Landing {
                address: self.memory.address() + u64::from(free.trailing_zeros()) * PLACE_SIZE,
                size: PLACE_SIZE,
            },
        }
    }

    /// So many bytes have come to where [`Zone::next`] said.
    pub(crate) fn land(self: &Rc<Self>, size: u64) -> Landed {
        let place = u64::from(self.free.get().trailing_zeros());
        self.free.set(self.free.get() & !(1 << place));
        Landed { zone: Rc::clone(self), place, count: size / PAGE_SIZE }
    }
}

impl Landed {
    /// The first page, counted from the first place's.
    pub(crate) fn first_page(&self) -> u64 {
        self.place * CLUSTER
    }
}

impl Drop for Landed {
    fn drop(&mut self) {
        self.zone.free.set(self.zone.free.get() | 1 << self.place);
    }
}
