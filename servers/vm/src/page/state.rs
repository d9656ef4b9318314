//! What can be true of one page of an object. A page that has no record is simply not here.
//!
//! | state       | frame | meaning                                                           |
//! |-------------|-------|-------------------------------------------------------------------|
//! | `Requested` | no    | the manager was asked for the data; whoever wants it waits        |
//! | `Absent`    | no    | the manager has no data: look further down, or zeros              |
//! | `Clean`     | yes   | as the manager has it                                             |
//! | `Dirty`     | yes   | the only copy, or newer than the manager's                        |
//! | `Cleaning`  | yes   | on its way to the manager; whoever wants it waits                 |
//! | `Error`     | no    | the manager failed; the next fault reports it and removes this    |
//!
//! | state       | event                          | becomes                                   |
//! |-------------|--------------------------------|-------------------------------------------|
//! | (none)      | zero fill, copy up, push       | `Dirty`                                   |
//! | (none)      | data_request sent              | `Requested`                               |
//! | `Requested` | data supplied                  | `Clean`                                   |
//! | `Requested` | data unavailable               | `Absent`                                  |
//! | `Requested` | data error, watchdog           | `Error`                                   |
//! | `Absent`    | zero fill, copy up             | `Dirty`                                   |
//! | `Clean`     | write fault                    | `Dirty`                                   |
//! | `Dirty`     | data_return sent               | `Cleaning`                                |
//! | `Cleaning`  | the manager has it             | `Clean`, or (none) when evicted           |
//! | `Error`     | fault                          | (none)                                    |
//! | any         | object destroyed, page dropped | (none)                                    |

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
    /// Being returned to the manager.
    Cleaning {
        /// Where the contents are.
        frame: FrameId,
    },
    /// The manager reported an error.
    Error,
}

impl PageState {
    /// The frame with the contents, if the page is resident.
    #[must_use]
    pub const fn frame(self) -> Option<FrameId> {
        match self {
            PageState::Clean { frame } | PageState::Dirty { frame } | PageState::Cleaning { frame } => Some(frame),
            PageState::Requested { .. } | PageState::Absent | PageState::Error => None,
        }
    }

    /// Whether somebody works on the page, so that others wait.
    #[must_use]
    pub const fn is_busy(self) -> bool {
        matches!(self, PageState::Requested { .. } | PageState::Cleaning { .. })
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
    /// How many entries keep it resident.
    pub(crate) wired: u32,
}

impl Page {
    /// A resident page that nobody else has.
    pub(crate) fn dirty(object: ObjectId, offset: u64, frame: FrameId) -> Page {
        Page {
            object,
            offset,
            state: PageState::Dirty { frame },
            lock: Prot::NONE,
            unlock_requested: Prot::NONE,
            wired: 0,
        }
    }

    /// The placeholder of a page that the manager was asked for.
    pub(crate) fn requested(object: ObjectId, offset: u64, access: Prot) -> Page {
        Page {
            object,
            offset,
            state: PageState::Requested { access },
            lock: Prot::NONE,
            unlock_requested: Prot::NONE,
            wired: 0,
        }
    }
}
