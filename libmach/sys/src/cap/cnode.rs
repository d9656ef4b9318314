//! CNodes: slots, and moving capabilities between them.

use sel4_abi::{CNodeCapData, CapRights, InvocationLabel};

use super::{CNode, Cap, Endpoint};
use crate::error::Result;

/// Address bits of a capability address.
pub const WORD_BITS: u64 = 64;

/// Where to find a slot: `depth` bits of `index`, resolved from the CNode `root`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotPath {
    /// The CNode to start from.
    pub root: Cap<CNode>,
    /// The address.
    pub index: u64,
    /// The number of its low bits that count.
    pub depth: u64,
}

/// Where to find a CNode: as for a slot, or `root` itself where `depth` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodePath {
    /// The CNode to start from.
    pub root: Cap<CNode>,
    /// The address.
    pub index: u64,
    /// The number of its low bits that count.
    pub depth: u64,
}

impl NodePath {
    /// The CNode `root` itself.
    #[must_use]
    pub const fn root(root: Cap<CNode>) -> Self {
        Self { root, index: 0, depth: 0 }
    }
}

impl Cap<CNode> {
    /// The slot at the full-depth address `index`.
    #[must_use]
    pub const fn slot(self, index: u64) -> SlotPath {
        SlotPath { root: self, index, depth: WORD_BITS }
    }

    /// The slot at the `depth` low bits of `index`.
    #[must_use]
    pub const fn slot_at(self, index: u64, depth: u64) -> SlotPath {
        SlotPath { root: self, index, depth }
    }

    /// The slot that holds `cap`, in the CSpace of which this CNode is the root.
    #[must_use]
    pub const fn slot_of<T>(self, cap: Cap<T>) -> SlotPath {
        self.slot(cap.word())
    }

    /// Moves the pivot's capability to `dest` and the source's to the pivot's slot.
    ///
    /// Corresponds to `seL4_CNode_Rotate`.
    ///
    /// # Errors
    ///
    /// The table of `CNodeRotate`, kernel ABI 3.4.
    pub fn rotate(dest: (SlotPath, u64), pivot: (SlotPath, u64), source: SlotPath) -> Result<()> {
        let ((dest, dest_badge), (pivot, pivot_badge)) = (dest, pivot);
        dest.root.perform(
            InvocationLabel::CNodeRotate,
            &[dest.index, dest.depth, dest_badge, pivot.index, pivot.depth, pivot_badge, source.index, source.depth],
            &[pivot.root.cptr(), source.root.cptr()],
        )
    }
}

impl SlotPath {
    /// A capability of kind `T` in this slot, where the path is a full-depth address in the caller's CSpace.
    #[must_use]
    pub const fn cap<T>(self) -> Cap<T> {
        Cap::new(self.index)
    }

    fn with_source(self, label: InvocationLabel, source: SlotPath, more: &[u64]) -> Result<()> {
        let mut words = [self.index, self.depth, source.index, source.depth, 0, 0];
        words.iter_mut().skip(4).zip(more).for_each(|(word, value)| *word = *value);
        let words = words.get(..4 + more.len()).unwrap_or_default();
        self.root.perform(label, words, &[source.root.cptr()])
    }

    /// Puts a copy of the capability in `source`, with `rights` at most, into this slot.
    ///
    /// Corresponds to `seL4_CNode_Copy`.
    ///
    /// # Errors
    ///
    /// The table of `CNodeCopy`, kernel ABI 3.4.
    pub fn copy_from(self, source: SlotPath, rights: CapRights) -> Result<()> {
        self.with_source(InvocationLabel::CNodeCopy, source, &[rights.bits()])
    }

    /// Puts a copy with `rights` at most and a badge, or a guard for a CNode, into this slot.
    ///
    /// Corresponds to `seL4_CNode_Mint`.
    ///
    /// # Errors
    ///
    /// The table of `CNodeMint`, kernel ABI 3.4.
    pub fn mint_from(self, source: SlotPath, rights: CapRights, badge: u64) -> Result<()> {
        self.with_source(InvocationLabel::CNodeMint, source, &[rights.bits(), badge])
    }

    /// Moves the capability in `source` to this slot.
    ///
    /// Corresponds to `seL4_CNode_Move`.
    ///
    /// # Errors
    ///
    /// The table of `CNodeMove`, kernel ABI 3.4.
    pub fn move_from(self, source: SlotPath) -> Result<()> {
        self.with_source(InvocationLabel::CNodeMove, source, &[])
    }

    /// Moves the capability in `source` to this slot and gives a CNode a new guard.
    ///
    /// Corresponds to `seL4_CNode_Mutate`.
    ///
    /// # Errors
    ///
    /// The table of `CNodeMutate`, kernel ABI 3.4.
    pub fn mutate_from(self, source: SlotPath, guard: u64) -> Result<()> {
        self.with_source(InvocationLabel::CNodeMutate, source, &[guard])
    }

    /// Deletes the capability in this slot; an empty slot is a success.
    ///
    /// Corresponds to `seL4_CNode_Delete`.
    ///
    /// # Errors
    ///
    /// `RangeError` or `FailedLookup` when the path leads nowhere.
    pub fn delete(self) -> Result<()> {
        self.root.perform(InvocationLabel::CNodeDelete, &[self.index, self.depth], &[])
    }

    /// Deletes all that was derived from the capability in this slot.
    ///
    /// Corresponds to `seL4_CNode_Revoke`.
    ///
    /// # Errors
    ///
    /// `RangeError` or `FailedLookup` when the path leads nowhere.
    pub fn revoke(self) -> Result<()> {
        self.root.perform(InvocationLabel::CNodeRevoke, &[self.index, self.depth], &[])
    }

    /// Restarts every thread that is queued sending through the badged endpoint capability in this slot.
    ///
    /// Corresponds to `seL4_CNode_CancelBadgedSends`.
    ///
    /// # Errors
    ///
    /// `IllegalOperation` unless the slot holds an endpoint capability with all rights.
    pub fn cancel_badged_sends(self) -> Result<()> {
        self.root.perform(InvocationLabel::CNodeCancelBadgedSends, &[self.index, self.depth], &[])
    }
}

/// The word that gives a CNode capability a guard of `bits` zero bits.
#[must_use]
pub const fn zero_guard(bits: u64) -> u64 {
    CNodeCapData::new(0, bits).0
}

/// Every endpoint capability can be found by a path as well: the slot of the caller's own CSpace.
impl Cap<Endpoint> {
    /// A badged copy of this endpoint's capability with `rights` at most, into `dest`.
    ///
    /// # Errors
    ///
    /// As [`SlotPath::mint_from`].
    pub fn mint_to(self, own_root: Cap<CNode>, dest: SlotPath, rights: CapRights, badge: u64) -> Result<()> {
        dest.mint_from(own_root.slot_of(self), rights, badge)
    }
}
