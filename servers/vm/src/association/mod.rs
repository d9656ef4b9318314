//! Associations: an object port of a manager's and the object that stands for it (`memory_object_*`).
//!
//! `docs/memory-objects.md` has the protocol as a state machine, and what it guarantees to whom.
//!
//! | file       | holds                                                                    |
//! |------------|--------------------------------------------------------------------------|
//! | `acquire`  | mapping a memory object: the association is found or made                |
//! | `ask`      | requests and unlocks: what the manager owes an answer for                |
//! | `call`     | copies of which the manager is told: `memory_object_copy`                |
//! | `answers`  | ready, attributes, unavailable, error, destroy, death, silence, room     |
//! | `supply`   | `data_supply`: pages come in                                             |
//! | `synchronize` | telling the manager that somebody waits until all is safe             |
//! | `sweep`    | going over resident pages: return, flush, lock                           |
//! | `lock`     | `lock_request`: sweeps in the order received                             |
//! | `returned` | contents on their way to a manager                                       |
//! | `retire`   | the last reference went: cached, or returned and terminated              |
//!
//! | state         | object                    | faults           | leaves by                                       |
//! |---------------|---------------------------|------------------|-------------------------------------------------|
//! | `Init`        | mapped                    | wait             | ready; last unmapping; destroy; death           |
//! | `Ready`       | mapped                    | requests flow    | last unmapping; destroy; death                  |
//! | `Cached`      | no reference, has a page  | none             | mapped again; pressure, attributes; destroy; death |
//! | `Terminating` | no reference              | none, `vm_map` waits | terminate sent; death                       |
//!
//! An association that is over has no record: its object is `Gone` (destroyed, or the port died) and lives as long as it
//! is mapped, or is freed (terminated).
//!
//! The default pager's associations are made in `pageout`: they are `Ready`, and end with their object.
//!
//! ASSOC-1: `Vm::managers` has exactly the associations but the default pager's, each under its manager.
//! ASSOC-2: an association and its object name each other.
//! ASSOC-3: `owed` has exactly the offsets of pages that are `Requested` or have an unlock requested; at most
//! [`MAX_OWED`].
//! ASSOC-4: `unsolicited` counts the pages that came unasked and were not used yet; the pager counts them as well, by the
//! task that serves the object.
//! ASSOC-5: `Vm::cached` has exactly the associations that are cached.

mod acquire;
mod answers;
mod ask;
mod call;
mod lock;
mod owed;
mod retire;
mod returned;
mod supply;
mod sweep;
mod synchronize;

use alloc::collections::VecDeque;

pub(crate) use acquire::NotAcquired;
pub use answers::Attributes;
pub(crate) use ask::Settled;
pub use lock::{LockArgs, LockRequest};
pub(crate) use owed::Owed;
pub(crate) use retire::Retired;
pub(crate) use returned::{Keep, Run};
pub use returned::{MapReturned, ReturnedData, ReturnedPages};
pub use supply::{DataSupply, SupplyArgs, SupplyDone};
pub(crate) use sweep::{Flush, Returns, Sweep, Swept};
pub(crate) use synchronize::{Sync, Synchronized};

use crate::types::{ManagerId, ObjectId};

/// Pages of one object for which its manager may owe an answer at a time; further faults wait.
pub(crate) const MAX_OWED: usize = 50;
/// Pages that a manager may supply unasked before they are used, for one object.
pub(crate) const MAX_UNSOLICITED: u32 = 64;
/// Objects that are kept although nobody maps them.
pub(crate) const MAX_CACHED: usize = 1024;
/// Pages in one data_return.
pub(crate) const MAX_RETURN: usize = 32;

/// How the manager lets its data be copied (`MEMORY_OBJECT_COPY_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum CopyStrategy {
    /// The data may change at any time: copies are made of bytes, at once.
    None = 0,
    /// The manager wants to be told of each copy.
    Call = 1,
    /// The data does not change but through the mappings.
    Delay = 2,
}

/// Where an association stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// `init` was sent, the manager is not ready.
    Init,
    /// Mapped, and the manager serves it.
    Ready,
    /// Nobody maps it, but it is kept: since this moment in the order of all of them.
    Cached { since: u64 },
    /// Nobody maps it: pages are returned, unless they shall be discarded; then comes `terminate`.
    Terminating { discards: bool },
}

/// An object port and what stands for it.
#[derive(Debug)]
pub struct Association {
    /// The object port; none for the default pager's, which the server makes.
    pub(crate) manager: Option<ManagerId>,
    pub(crate) object: ObjectId,
    pub(crate) state: State,
    pub(crate) may_cache: bool,
    pub(crate) strategy: CopyStrategy,
    /// Pages are thrown away at the end.
    pub(crate) is_temporary: bool,
    /// The pages that the manager owes an answer for.
    pub(crate) owed: Owed,
    pub(crate) unsolicited: u32,
    /// Lock requests in the order received; the first one is at work.
    pub(crate) turns: VecDeque<u64>,
    pub(crate) next_turn: u64,
    /// The manager is told when somebody waits until all is safe.
    pub(crate) synchronizes: bool,
    /// What it was told of so; at most [`MAX_OWED`].
    pub(crate) syncs: VecDeque<Sync>,
    /// Somebody waits for the manager to become ready.
    pub(crate) awaits_ready: bool,
    /// Somebody waits for the manager to take messages.
    pub(crate) awaits_room: bool,
    /// Somebody who waited for an unlock has to ask for it again.
    pub(crate) lingers: bool,
    /// What the pager was told last.
    pub(crate) is_waited_for: bool,
    /// How many data_returns were sent.
    pub(crate) returns: u64,
}

impl Association {
    pub(crate) fn new(manager: ManagerId, object: ObjectId) -> Association {
        Association {
            manager: Some(manager),
            object,
            state: State::Init,
            may_cache: false,
            strategy: CopyStrategy::Delay,
            is_temporary: false,
            owed: Owed::new(),
            unsolicited: 0,
            turns: VecDeque::new(),
            next_turn: 0,
            synchronizes: false,
            syncs: VecDeque::new(),
            awaits_ready: false,
            awaits_room: false,
            lingers: false,
            is_waited_for: false,
            returns: 0,
        }
    }

    /// An association of an anonymous object with the default pager.
    pub(crate) fn of_anonymous(object: ObjectId) -> Association {
        Association { manager: None, state: State::Ready, ..Association::new(ManagerId(0), object) }
    }

    /// Whether the manager said that it is ready.
    pub(crate) fn is_ready(&self) -> bool {
        self.state != State::Init
    }

    pub(crate) fn is_terminating(&self) -> bool {
        matches!(self.state, State::Terminating { .. })
    }
}
