//! Address maps: which memory a task sees at which address.

pub(crate) mod entry;
pub(crate) mod store;

use crate::range::Range;
use crate::types::SpaceId;
use store::Store;

/// Who may use a map while an operation that takes several steps works on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// Nobody works on it.
    Free,
    /// Other calls wait; faults go on.
    Calls,
    /// Other calls and faults wait.
    All,
}

/// The two limits on the size of a map, in bytes that are not reserved with maximum protection NONE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What holds now.
    pub current: u64,
    /// What `current` may be raised to without privilege.
    pub max: u64,
}

/// An address map.
pub struct Map {
    pub(crate) space: Option<SpaceId>,
    pub(crate) bounds: Range,
    pub(crate) entries: Store,
    /// Bytes in all entries.
    pub(crate) size: u64,
    /// Bytes in entries with maximum protection NONE.
    pub(crate) size_none: u64,
    pub(crate) limits: Limits,
    pub(crate) lock: Lock,
}
