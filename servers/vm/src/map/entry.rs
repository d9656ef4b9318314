//! One entry of a map: a run of pages with the same attributes and the same object behind them.

use crate::types::{Inherit, ObjectId, Prot};

/// What `vm_behavior_set` stores in an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Behavior {
    /// `VM_BEHAVIOR_DEFAULT`
    Default = 0,
    /// `VM_BEHAVIOR_RANDOM`
    Random = 1,
    /// `VM_BEHAVIOR_SEQUENTIAL`
    Sequential = 2,
    /// `VM_BEHAVIOR_RSEQNTL`
    ReverseSequential = 3,
}

/// The attributes that two entries must share to be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// What the task may do now; a subset of `max`.
    pub(crate) prot: Prot,
    /// What `vm_protect` may still grant.
    pub(crate) max: Prot,
    pub(crate) inherit: Inherit,
    pub(crate) behavior: Behavior,
    /// The user tag, from the top bits of the flags.
    pub(crate) tag: u8,
    /// Deallocation leaves an inaccessible entry instead of a hole.
    pub(crate) permanent: bool,
}

impl Attributes {
    /// What `vm_allocate` gives.
    pub(crate) const fn new() -> Self {
        Attributes {
            prot: Prot::DEFAULT,
            max: Prot::ALL,
            inherit: Inherit::Copy,
            behavior: Behavior::Default,
            tag: 0,
            permanent: false,
        }
    }
}

impl Attributes {
    /// The same with another inheritance, and other protections (current, maximum) if there are any.
    pub(crate) fn with(self, inherit: Inherit, protections: Option<(Prot, Prot)>) -> Self {
        let (prot, max) = protections.unwrap_or((self.prot, self.max));
        Attributes { inherit, prot, max, permanent: false, ..self }
    }
}

/// The object behind an entry, and which part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backing {
    pub(crate) object: ObjectId,
    /// Offset in the object of the entry's first byte.
    pub(crate) offset: u64,
}

/// An entry `[start, end)`; its start is its key in the [`super::Store`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) end: u64,
    /// Nothing yet means zero-fill memory that nobody touched.
    pub(crate) backing: Option<Backing>,
    pub(crate) attributes: Attributes,
    /// The object may be used by somebody else who must not see writes through this entry: the first write
    /// puts a shadow in front.
    pub(crate) needs_copy: bool,
    /// Another map (or another entry) uses the same memory on purpose.
    pub(crate) is_shared: bool,
    /// How often the user wired it.
    pub(crate) wired: u16,
    /// Which call made it; kept by clipping.
    pub(crate) alloc_id: u64,
}

impl Entry {
    /// Untouched zero-fill memory.
    pub(crate) fn anonymous(end: u64, attributes: Attributes, alloc_id: u64) -> Self {
        Entry { end, backing: None, attributes, needs_copy: false, is_shared: false, wired: 0, alloc_id }
    }

    /// Whether the bytes count against the map's limit.
    pub(crate) fn is_counted(&self) -> bool {
        !self.attributes.max.is_empty()
    }

    /// Whether this entry, which starts at `start`, and `next`, which starts at this one's end, can be one.
    pub(crate) fn can_merge(&self, start: u64, next: &Entry) -> bool {
        let contiguous = match (self.backing, next.backing) {
            (None, None) => true,
            (Some(a), Some(b)) => a.object == b.object && a.offset.wrapping_add(self.end - start) == b.offset,
            _ => false,
        };
        contiguous
            && self.attributes == next.attributes
            && self.needs_copy == next.needs_copy
            && !self.is_shared
            && !next.is_shared
            && self.wired == 0
            && next.wired == 0
            && !self.attributes.permanent
    }
}
