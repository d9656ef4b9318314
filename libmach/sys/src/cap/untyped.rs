//! Untyped memory: making objects.

use sel4_abi::{InvocationLabel, ObjectType};

use super::{Cap, Untyped};
use crate::cap::cnode::NodePath;
use crate::error::Result;

impl Cap<Untyped> {
    /// Makes `count` objects of `kind` and puts their capabilities into the slots of `node` from `offset` on.
    ///
    /// `size_bits` counts for untypeds and scheduling contexts (bytes as a power of two) and CNodes (slots as
    /// a power of two). `count` is at most 256.
    ///
    /// Corresponds to `seL4_Untyped_Retype`.
    ///
    /// # Errors
    ///
    /// The table of `UntypedRetype`, kernel ABI 3.2.
    pub fn retype(self, kind: ObjectType, size_bits: u64, node: NodePath, offset: u64, count: u64) -> Result<()> {
        self.perform(
            InvocationLabel::UntypedRetype,
            &[kind.number(), size_bits, node.index, node.depth, offset, count],
            &[node.root.cptr()],
        )
    }
}
