//! TLB maintenance: recorded.

use super::record::{Event, note};
use crate::arch::types::Asid;
use crate::mem::UserVa;

/// Makes a new valid descriptor visible to the walker.
pub fn publish() {
    note(Event::Publish);
}

/// Forgets the translation of the page at `address` of `asid`.
pub fn invalidate_page(asid: Asid, address: UserVa) {
    note(Event::InvalidatePage(asid, address));
}

/// Forgets all translations of `asid`.
pub fn invalidate_asid(asid: Asid) {
    note(Event::InvalidateAsid(asid));
}
