//! Address spaces: frames, translation tables, address-space identifiers.
//!
//! Mapping memory into the caller's own address space changes what its pointers mean. These calls are
//! safe to make; what is done with the addresses afterwards is where the obligations lie.

use sel4_abi::{CapRights, InvocationLabel, VmAttributes};

use super::{AsidControl, AsidPool, Cap, Frame, PageTable, Untyped, VSpace};
use crate::cap::cnode::SlotPath;
use crate::error::Result;

/// A range of bytes, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u64,
    /// The byte behind the last.
    pub end: u64,
}

impl Cap<Frame> {
    /// Maps the frame at `address`, replacing what is there.
    ///
    /// Corresponds to `seL4_ARM_Page_Map`.
    ///
    /// # Errors
    ///
    /// The table of `ARMPageMap`, kernel ABI 3.11. A missing translation table is
    /// `FailedLookup` with the missing level's size as bits left.
    pub fn map(self, space: Cap<VSpace>, address: u64, rights: CapRights, attributes: VmAttributes) -> Result<()> {
        self.perform(InvocationLabel::PageMap, &[address, rights.bits(), attributes.bits()], &[space.cptr()])
    }

    /// Undoes the mapping of this capability, if it has one.
    ///
    /// Corresponds to `seL4_ARM_Page_Unmap`.
    ///
    /// # Errors
    ///
    /// None on a frame's capability.
    pub fn unmap(self) -> Result<()> {
        self.perform(InvocationLabel::PageUnmap, &[], &[])
    }

    /// Cleans a range of the page, through its mapping, to the point of coherency.
    ///
    /// Corresponds to `seL4_ARM_Page_Clean_Data`.
    ///
    /// # Errors
    ///
    /// The table of the page's cache operations, kernel ABI 3.11.
    pub fn clean_data(self, span: Span) -> Result<()> {
        self.perform(InvocationLabel::PageCleanData, &[span.start, span.end], &[])
    }

    /// Invalidates a range of the page to the point of coherency.
    ///
    /// Corresponds to `seL4_ARM_Page_Invalidate_Data`.
    ///
    /// # Errors
    ///
    /// As [`Cap::clean_data`], and `IllegalOperation` unless the mapping is read-write.
    pub fn invalidate_data(self, span: Span) -> Result<()> {
        self.perform(InvocationLabel::PageInvalidateData, &[span.start, span.end], &[])
    }

    /// Cleans and invalidates a range of the page to the point of coherency.
    ///
    /// Corresponds to `seL4_ARM_Page_CleanInvalidate_Data`.
    ///
    /// # Errors
    ///
    /// As [`Cap::clean_data`].
    pub fn clean_invalidate_data(self, span: Span) -> Result<()> {
        self.perform(InvocationLabel::PageCleanInvalidateData, &[span.start, span.end], &[])
    }

    /// Makes a range of the page, freshly written, ready to be executed.
    ///
    /// Corresponds to `seL4_ARM_Page_Unify_Instruction`.
    ///
    /// # Errors
    ///
    /// As [`Cap::clean_data`].
    pub fn unify_instruction(self, span: Span) -> Result<()> {
        self.perform(InvocationLabel::PageUnifyInstruction, &[span.start, span.end], &[])
    }

    /// The physical address of the frame.
    ///
    /// Corresponds to `seL4_ARM_Page_GetAddress`.
    ///
    /// # Errors
    ///
    /// None on a frame's capability.
    pub fn physical_address(self) -> Result<u64> {
        Ok(self.invoke(InvocationLabel::PageGetAddress, &[], &[])?.word(0))
    }
}

impl Cap<PageTable> {
    /// Enters the table at the first level that is missing for `address`.
    ///
    /// Corresponds to `seL4_ARM_PageTable_Map`.
    ///
    /// # Errors
    ///
    /// The table of `ARMPageTableMap`, kernel ABI 3.12.
    pub fn map(self, space: Cap<VSpace>, address: u64) -> Result<()> {
        self.perform(InvocationLabel::PageTableMap, &[address, VmAttributes::DEFAULT.bits()], &[space.cptr()])
    }

    /// Removes the table from where it is, and clears it.
    ///
    /// Corresponds to `seL4_ARM_PageTable_Unmap`.
    ///
    /// # Errors
    ///
    /// `RevokeFirst` if copies of the capability exist.
    pub fn unmap(self) -> Result<()> {
        self.perform(InvocationLabel::PageTableUnmap, &[], &[])
    }
}

impl Cap<VSpace> {
    /// Cleans a range within one page to the point of coherency.
    ///
    /// Corresponds to `seL4_ARM_VSpace_Clean_Data`.
    ///
    /// # Errors
    ///
    /// The table of the VSpace's cache operations, kernel ABI 3.13.
    pub fn clean_data(self, span: Span) -> Result<()> {
        self.perform(InvocationLabel::VSpaceCleanData, &[span.start, span.end], &[])
    }

    /// Cleans and invalidates a range within one page to the point of coherency.
    ///
    /// Corresponds to `seL4_ARM_VSpace_CleanInvalidate_Data`.
    ///
    /// # Errors
    ///
    /// As [`Cap::clean_data`].
    pub fn clean_invalidate_data(self, span: Span) -> Result<()> {
        self.perform(InvocationLabel::VSpaceCleanInvalidateData, &[span.start, span.end], &[])
    }

    /// Makes a range within one page, freshly written, ready to be executed.
    ///
    /// Corresponds to `seL4_ARM_VSpace_Unify_Instruction`.
    ///
    /// # Errors
    ///
    /// As [`Cap::clean_data`].
    pub fn unify_instruction(self, span: Span) -> Result<()> {
        self.perform(InvocationLabel::VSpaceUnifyInstruction, &[span.start, span.end], &[])
    }
}

impl Cap<AsidControl> {
    /// Makes a pool out of `memory`, an untyped of 4 KiB, and puts its capability into `dest`.
    ///
    /// Corresponds to `seL4_ARM_ASIDControl_MakePool`.
    ///
    /// # Errors
    ///
    /// The table of `ARMASIDControlMakePool`, kernel ABI 3.14.
    pub fn make_pool(self, memory: Cap<Untyped>, dest: SlotPath) -> Result<()> {
        self.perform(
            InvocationLabel::AsidControlMakePool,
            &[dest.index, dest.depth],
            &[memory.cptr(), dest.root.cptr()],
        )
    }
}

impl Cap<AsidPool> {
    /// Gives `space` an identifier.
    ///
    /// Corresponds to `seL4_ARM_ASIDPool_Assign`.
    ///
    /// # Errors
    ///
    /// The table of `ARMASIDPoolAssign`, kernel ABI 3.14.
    pub fn assign(self, space: Cap<VSpace>) -> Result<()> {
        self.perform(InvocationLabel::AsidPoolAssign, &[], &[space.cptr()])
    }
}
