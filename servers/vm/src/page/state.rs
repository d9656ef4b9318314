//! What can be true of one page of an object. A page that has no record is simply not here.
//!
//! | state       | frame | meaning                                                           |
//! |-------------|-------|-------------------------------------------------------------------|
//! | `Requested` | no    | the manager was asked for the data; whoever wants it waits        |
//! | `Absent`    | no    | the manager has no data: look further down, or zeros              |
//! | `Clean`     | yes   | as the manager has it                                             |
//! | `Dirty`     | yes   | the only copy, or newer than the manager's                        |
//!
//! | state       | event                                 | becomes                                          |
//! |-------------|---------------------------------------|--------------------------------------------------|
//! | (none)      | zero fill, copy up, push              | `Dirty`                                          |
//! | (none)      | data_request sent                     | `Requested`                                      |
//! | (none)      | data supplied unasked                 | `Clean`                                          |
//! | `Requested` | data supplied                         | `Clean`                                          |
//! | `Requested` | data unavailable                      | `Absent`                                         |
//! | `Requested` | data error, watchdog, destroy, death  | (none); whoever waits is told                    |
//! | `Absent`    | zero fill of a manager's object       | `Clean`                                          |
//! | `Absent`    | copy up                               | `Dirty`                                          |
//! | `Absent`    | data supplied                         | `Clean`                                          |
//! | `Clean`     | write fault                           | `Dirty`                                          |
//! | `Clean`     | evicted, flushed                      | (none)                                           |
//! | `Dirty`     | data_return sent, page stays          | `Clean`                                          |
//! | `Dirty`     | data_return sent, page goes           | (none) here, `Dirty` in the message's own object |
//! | `Clean`, `Dirty` | paged out to the default pager   | (none), and in the object's `paged`              |
//! | (none), in `paged` | data_request sent, data supplied | as without; `Dirty` if the pager keeps no copy |
//! | any         | object freed, page dropped            | (none)                                           |

use super::queue::Links;
use crate::types::{FrameId, ObjectId, Prot};

/// The state of a page; see the tables above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageState {
    /// Asked for, with this access.
    Requested {
        /// What the manager was asked to allow.
        access: Prot,
    },
    /// The manager has nothing.
    Absent,
    /// Resident and the same as the manager's.
    Clean {
        /// Where the contents are.
        frame: FrameId,
    },
    /// Resident and newer than anything the manager has.
    Dirty {
        /// Where the contents are.
        frame: FrameId,
    },
}

impl PageState {
    /// The frame with the contents, if the page is resident.
    #[must_use]
    pub const fn frame(self) -> Option<FrameId> {
        match self {
            PageState::Clean { frame } | PageState::Dirty { frame } => Some(frame),
            PageState::Requested { .. } | PageState::Absent => None,
        }
    }
}

/// A page of an object.
#[derive(Debug)]
pub struct Page {
    /// The object it belongs to.
    pub(crate) object: ObjectId,
    /// Where in the object.
    pub(crate) offset: u64,
    pub(crate) state: PageState,
    /// Accesses the manager forbids.
    pub(crate) lock: Prot,
    /// Forbidden accesses already asked for with data_unlock.
    pub(crate) unlock_requested: Prot,
    /// The manager keeps no copy: the page goes back to it even when it is clean.
    pub(crate) is_precious: bool,
    /// It was supplied unasked, and nobody used it yet.
    pub(crate) is_unsolicited: bool,
    /// SLOT-1
    pub(crate) has_slot: bool,
    /// It is on its way to the default pager, or in its hands.
    pub(crate) is_laundry: bool,
    /// It stays resident: see `Map::is_kept`.
    pub(crate) is_kept: bool,
    /// How many entries keep it resident.
    pub(crate) wired: u32,
    pub(crate) links: Links,
}

impl Page {
    /// A page in this state, without locks.
    pub(crate) fn new(object: ObjectId, offset: u64, state: PageState) -> Page {
        Page {
            object,
            offset,
            state,
            lock: Prot::NONE,
            unlock_requested: Prot::NONE,
            is_precious: false,
            is_unsolicited: false,
            has_slot: false,
            is_laundry: false,
            is_kept: false,
            wired: 0,
            links: Links::NONE,
        }
    }

    /// Whether its contents are nowhere else.
    pub(crate) fn must_be_returned(&self) -> bool {
        match self.state {
            PageState::Dirty { .. } => true,
            PageState::Clean { .. } => self.is_precious,
            PageState::Requested { .. } | PageState::Absent => false,
        }
    }

    /// Whether the manager owes an answer for it.
    pub(crate) fn is_owed(&self) -> bool {
        matches!(self.state, PageState::Requested { .. }) || !self.unlock_requested.is_empty()
    }
}
