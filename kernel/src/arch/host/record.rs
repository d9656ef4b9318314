//! What the hardware was asked to do, for tests that want to know.

use core::cell::RefCell;
use std::vec::Vec;

use crate::arch::types::{Asid, CacheOp, Irq, SgiTarget, Trigger};
use crate::mem::{PhysAddr, UserVa};

/// One request to the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// New descriptors were published.
    Publish,
    /// The translation of a page was forgotten.
    InvalidatePage(Asid, UserVa),
    /// All translations of an ASID were forgotten.
    InvalidateAsid(Asid),
    /// An ASID was taken out of use.
    RetireAsid(Asid),
    /// User mode got an address space, or none.
    UserRoot(Option<(PhysAddr, Asid)>),
    /// Cache lines of user memory were maintained.
    Cache(CacheOp, Asid, UserVa, UserVa),
    /// An interrupt was masked.
    Mask(Irq),
    /// An interrupt was unmasked.
    Unmask(Irq),
    /// An interrupt's sensing was set.
    Trigger(Irq, Trigger),
    /// A software-generated interrupt was raised.
    Sgi(u32, SgiTarget),
    /// A byte was printed.
    Print(u8),
}

std::thread_local! {
    static EVENTS: RefCell<Option<Vec<Event>>> = const { RefCell::new(None) };
}

/// Notes an event, if this test thread records.
pub(super) fn note(event: Event) {
    EVENTS.with_borrow_mut(|events| {
        if let Some(events) = events {
            events.push(event);
        }
    });
}

/// Calls `act` and answers what it asked of the hardware.
pub fn record(act: impl FnOnce()) -> Vec<Event> {
    EVENTS.set(Some(Vec::new()));
    act();
    EVENTS.take().unwrap_or_default()
}
