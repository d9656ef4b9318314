//! Rights of capabilities, attributes of mappings, CNode data and the flag words of invocations.

use bitflags::bitflags;

bitflags! {
    /// The rights word of a message. Corresponds to `seL4_CapRights_t`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct CapRights: u64 {
        /// Sending, signalling, writing. Corresponds to `seL4_CanWrite`.
        const WRITE = 1;
        /// Receiving, waiting, reading. Corresponds to `seL4_CanRead`.
        const READ = 2;
        /// Sending capabilities, and being replied to. Corresponds to `seL4_CanGrant`.
        const GRANT = 4;
        /// Being replied to. Corresponds to `seL4_CanGrantReply`.
        const GRANT_REPLY = 8;
    }
}

impl CapRights {
    /// Corresponds to `seL4_AllRights`.
    pub const ALL: CapRights = CapRights::all();
    /// Corresponds to `seL4_ReadWrite`.
    pub const READ_WRITE: CapRights = CapRights::READ.union(CapRights::WRITE);
    /// Corresponds to `seL4_NoRights`.
    pub const NONE: CapRights = CapRights::empty();

    /// Takes the rights out of a message word; other bits are ignored.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        CapRights::from_bits_truncate(word)
    }
}

bitflags! {
    /// Attributes of a mapping. Corresponds to `seL4_ARM_VMAttributes`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct VmAttributes: u64 {
        /// Normal write-back memory. Corresponds to `seL4_ARM_PageCacheable`.
        const CACHEABLE = 1;
        /// Without effect here. Corresponds to `seL4_ARM_ParityEnabled`.
        const PARITY_ENABLED = 2;
        /// Not executable at EL0. Corresponds to `seL4_ARM_ExecuteNever`.
        const EXECUTE_NEVER = 4;
    }
}

impl VmAttributes {
    /// Corresponds to `seL4_ARM_Default_VMAttributes`.
    pub const DEFAULT: VmAttributes = VmAttributes::CACHEABLE.union(VmAttributes::PARITY_ENABLED);
}

/// Guard and guard size of a CNode capability. Corresponds to `seL4_CNode_CapData_t`.
///
/// Bits 0–5 guard size, bits 6–63 guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct CNodeCapData(pub u64);

impl CNodeCapData {
    /// Packs guard and guard size. Corresponds to `seL4_CNode_CapData_new`.
    #[must_use]
    pub const fn new(guard: u64, guard_size: u64) -> Self {
        CNodeCapData((guard << 6) | (guard_size & 0x3f))
    }

    /// The guard field, not yet cut to the guard size.
    #[must_use]
    pub const fn guard(self) -> u64 {
        self.0 >> 6
    }

    /// The number of bits of the guard.
    #[must_use]
    pub const fn guard_size(self) -> u32 {
        (self.0 & 0x3f) as u32
    }
}

/// `TCBReadRegisters`: suspend the source first.
pub const READ_REGISTERS_SUSPEND: u64 = 1;
/// `TCBWriteRegisters`: resume the target afterwards.
pub const WRITE_REGISTERS_RESUME: u64 = 1;

bitflags! {
    /// Flags of `TCBCopyRegisters`. Corresponds to `seL4_TCB_CopyRegisters`' first argument.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CopyRegistersFlags: u64 {
        /// Suspend the source first.
        const SUSPEND_SOURCE = 1;
        /// Resume the target.
        const RESUME_TARGET = 2;
        /// Copy the frame registers.
        const TRANSFER_FRAME = 4;
        /// Copy the integer registers.
        const TRANSFER_INTEGER = 8;
    }
}

/// `SchedControlConfigureFlags`: sporadic instead of constant bandwidth.
/// Corresponds to `seL4_SchedContext_Sporadic`.
pub const SCHED_CONTEXT_SPORADIC: u64 = 1;

/// Flag of a thread: FP and SIMD instructions trap. Corresponds to `seL4_TCBFlag_fpuDisabled`.
pub const TCB_FLAG_FPU_DISABLED: u64 = 1;
/// The flags that `TCBSetFlags` can set. Corresponds to `seL4_TCBFlag_MASK`.
pub const TCB_FLAGS_MASK: u64 = TCB_FLAG_FPU_DISABLED;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_as_published() {
        assert_eq!(CapRights::ALL.bits(), 15);
        assert_eq!(CapRights::READ_WRITE.bits(), 3);
        assert_eq!(CapRights::from_word(!0), CapRights::ALL);
    }

    #[test]
    fn cnode_data_as_published() {
        assert_eq!(CNodeCapData::new(5, 3).0, 0x143);
        assert_eq!(CNodeCapData(0x143).guard(), 5);
        assert_eq!(CNodeCapData(0x143).guard_size(), 3);
    }
}
