//! Virtual memory: the calls on a task's map, and their constants (`spec/mach-vm.md` A and F).
//!
//! The target of every request is a task's name. Values travel as the caller gave them: the server checks
//! them, in the order of the specification.

use bitflags::bitflags;

use crate::PortName;
use crate::table::subsystem;
use crate::wire::Ints;

bitflags! {
    /// A set of accesses, `vm_prot_t`. Other bits may be carried: servers refuse them.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct VmProt: u32 {
        /// The memory may be read.
        const READ = 1;
        /// The memory may be written.
        const WRITE = 2;
        /// Instructions may be fetched.
        const EXECUTE = 4;
    }
}

impl VmProt {
    /// No access.
    pub const NONE: Self = Self::empty();
    /// What new memory gets: read and write.
    pub const DEFAULT: Self = Self::READ.union(Self::WRITE);
    /// Every access.
    pub const ALL: Self = Self::DEFAULT.union(Self::EXECUTE);
    /// In `vm_protect` by its XNU ids: make the range private first.
    pub const COPY: Self = Self::from_bits_retain(0x10);
    /// In `memory_object_lock_request`: the locks stay as they are.
    pub const NO_CHANGE: Self = Self::from_bits_retain(0x08);
    /// The same as Mac OS X's headers have it; accepted, never sent.
    pub const NO_CHANGE_LEGACY: Self = Self::from_bits_retain(0x0100_0000);
}

bitflags! {
    /// The flags of `vm_allocate` and `vm_map`, `VM_FLAGS_*`. Bits 24 to 31 are a tag.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct VmFlags: u32 {
        /// Where room is, instead of exactly at the address given.
        const ANYWHERE = 0x1;
        /// The memory may be made volatile.
        const PURGABLE = 0x2;
        /// Place within 4 GiB chunks; a hint.
        const CHUNK_4GB = 0x4;
        /// Place at random; a hint.
        const RANDOM_ADDR = 0x8;
        /// Do not keep the pages cached; a hint.
        const NO_CACHE = 0x10;
        /// Deallocating makes the memory inaccessible instead of free.
        const PERMANENT = 0x80;
        /// Replace what is at the fixed address, in one step.
        const OVERWRITE = 0x4000;
        /// The largest superpages that fit.
        const SUPERPAGE_SIZE_ANY = 0x1_0000;
        /// Superpages of 2 MiB.
        const SUPERPAGE_SIZE_2MB = 0x2_0000;
    }
}

impl VmFlags {
    /// Exactly at the address given.
    pub const FIXED: Self = Self::empty();
}

/// What a child gets of memory, `vm_inherit_t`. A transparent number: servers refuse unknown ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VmInherit(pub u32);

impl VmInherit {
    /// The same memory.
    pub const SHARE: Self = Self(0);
    /// A snapshot.
    pub const COPY: Self = Self(1);
    /// A hole.
    pub const NONE: Self = Self(2);
    /// What new memory gets.
    pub const DEFAULT: Self = Self::COPY;
}

/// What a task expects to do with memory, `vm_behavior_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VmBehavior(pub u32);

impl VmBehavior {
    /// Nothing in particular.
    pub const DEFAULT: Self = Self(0);
}

/// `VM_REGION_BASIC_INFO_64`: protection, max_protection, inheritance, shared, reserved, offset (64 bits),
/// behavior, user_wired_count (16 bits).
pub const VM_REGION_BASIC_INFO_64: u32 = 9;
/// The count of [`VM_REGION_BASIC_INFO_64`], in 32-bit units.
pub const VM_REGION_BASIC_INFO_64_COUNT: u32 = 9;
/// `VM_REGION_BASIC_INFO`, with a 32-bit offset.
pub const VM_REGION_BASIC_INFO: u32 = 10;
/// `VM_REGION_EXTENDED_INFO`: protection, user_tag, pages resident, shared now private, swapped out,
/// dirtied, ref_count, shadow_depth (16 bits), external_pager (8), share_mode (8), pages reusable.
pub const VM_REGION_EXTENDED_INFO: u32 = 13;
/// The count of [`VM_REGION_EXTENDED_INFO`].
pub const VM_REGION_EXTENDED_INFO_COUNT: u32 = 9;
/// `VM_REGION_TOP_INFO`: obj_id, ref_count, private and shared pages resident, share_mode (8 bits).
pub const VM_REGION_TOP_INFO: u32 = 12;
/// The count of [`VM_REGION_TOP_INFO`].
pub const VM_REGION_TOP_INFO_COUNT: u32 = 5;

/// The longest information of `vm_region`, in 32-bit units.
pub const VM_REGION_INFO_MAX: usize = 20;

subsystem! {
    /// A request on a task's map.
    VmRequest {
        /// `vm_allocate`, A.1: makes zero-filled memory.
        VmAllocate = 3801 | 4800 {
            /// Where, for a fixed placement; ignored otherwise.
            address: u64,
            /// Bytes.
            size: u64,
            /// [`VmFlags`].
            flags: u32,
        } -> VmAllocateReply {
            /// Where it is: page aligned.
            address: u64,
        }

        /// `vm_allocate` of the GNU family, A.1: the last argument is a boolean.
        GnuVmAllocate = 2021 {
            /// Where, for a fixed placement; ignored otherwise.
            address: u64,
            /// Bytes.
            size: u64,
            /// Any value but 0 means anywhere.
            anywhere: u32,
        } -> GnuVmAllocateReply {
            /// Where it is: page aligned.
            address: u64,
        }

        /// `vm_deallocate`, A.2: removes memory; a range in which there is none is an error.
        VmDeallocate = 3802 | 2023 {
            /// The first byte.
            address: u64,
            /// Bytes.
            size: u64,
        } -> VmDeallocateReply {}

        /// `mach_vm_deallocate`, A.2: removes what memory there is.
        MachVmDeallocate = 4801 {
            /// The first byte.
            address: u64,
            /// Bytes.
            size: u64,
        } -> MachVmDeallocateReply {}

        /// `vm_protect`, A.4: sets current or maximum protection.
        VmProtect = 3803 | 4802 | 2024 {
            /// The first byte.
            address: u64,
            /// Bytes.
            size: u64,
            /// Set the maximum, and lower the current protection with it.
            set_maximum: bool,
            /// [`VmProt`].
            new_protection: u32,
        } -> VmProtectReply {}

        /// `vm_inherit`, A.5: sets what children get.
        VmSetInherit = 3804 | 4803 | 2025 {
            /// The first byte.
            address: u64,
            /// Bytes.
            size: u64,
            /// [`VmInherit`].
            new_inheritance: u32,
        } -> VmSetInheritReply {}

        /// `vm_read`, A.6: gives the caller a copy in new memory of its own.
        VmRead = 3805 | 4804 | 2026 {
            /// The first byte in the target.
            address: u64,
            /// Bytes.
            size: u64,
        } -> VmReadReply {
            /// Where the copy is, in the caller.
            data: u64,
            /// Its bytes.
            count: u64,
        }

        /// `vm_read_overwrite`, A.8: copies from the target into the caller's memory.
        VmReadOverwrite = 3809 | 4808 {
            /// The first byte in the target.
            address: u64,
            /// Bytes.
            size: u64,
            /// Where to, in the caller.
            data: u64,
        } -> VmReadOverwriteReply {
            /// Bytes copied.
            count: u64,
        }

        /// `vm_write`, A.9: copies from the caller's memory into the target.
        VmWrite = 3807 | 4806 | 2027 {
            /// The first byte in the target.
            address: u64,
            /// Where from, in the caller.
            data: u64,
            /// Bytes.
            count: u64,
        } -> VmWriteReply {}

        /// `vm_copy`, A.10: copies within the target.
        VmCopy = 3808 | 4807 | 2028 {
            /// The first byte to read.
            source_address: u64,
            /// Bytes.
            size: u64,
            /// The first byte to write.
            dest_address: u64,
        } -> VmCopyReply {}

        /// `vm_region` of the XNU family, A.11: describes the region at or above an address.
        VmRegion = 3824 | 4816 | 3800 {
            /// Where to look.
            address: u64,
            /// `VM_REGION_*`.
            flavor: u32,
            /// 32-bit units that the caller has room for.
            info_count: u32,
        } -> VmRegionReply {
            /// Where the region starts.
            address: u64,
            /// Its bytes.
            size: u64,
            /// Always null.
            object_name: PortName,
            /// The information that the flavor names.
            info: Ints<VM_REGION_INFO_MAX>,
        }

        /// `vm_region` of the GNU family, A.11.
        GnuVmRegion = 2029 {
            /// Where to look.
            address: u64,
        } -> GnuVmRegionReply {
            /// Where the region starts.
            address: u64,
            /// Its bytes.
            size: u64,
            /// [`VmProt`].
            protection: u32,
            /// [`VmProt`].
            max_protection: u32,
            /// [`VmInherit`].
            inheritance: u32,
            /// Whether it is shared with another map on purpose.
            is_shared: bool,
            /// A send right to the object's name port, to be deallocated; null for untouched memory.
            object_name: PortName,
            /// The offset in the object.
            offset: u64,
        }

        /// `vm_map`, A.3: maps an object, or zero-filled memory.
        VmMap = 3812 | 3826 | 4811 {
            /// Where, or the address from which to search.
            address: u64,
            /// Bytes.
            size: u64,
            /// Address bits that must be zero.
            mask: u64,
            /// [`VmFlags`].
            flags: u32,
            /// The object; null for zero-filled memory.
            memory_object: PortName,
            /// The offset in the object.
            offset: u64,
            /// Map a snapshot instead of the object itself.
            copy: bool,
            /// [`VmProt`].
            cur_protection: u32,
            /// [`VmProt`].
            max_protection: u32,
            /// [`VmInherit`].
            inheritance: u32,
        } -> VmMapReply {
            /// Where it is.
            address: u64,
        }

        /// `vm_map` of the GNU family, A.3: the hint is ignored.
        GnuVmMap = 2089 {
            /// Where, for a fixed placement.
            address: u64,
            /// Bytes.
            size: u64,
            /// Address bits that must be zero.
            mask: u64,
            /// Any value but 0 means anywhere.
            anywhere: u32,
            /// The object; null for zero-filled memory.
            memory_object: PortName,
            /// The offset in the object.
            offset: u64,
            /// Map a snapshot instead of the object itself.
            copy: bool,
            /// [`VmProt`].
            cur_protection: u32,
            /// [`VmProt`].
            max_protection: u32,
            /// [`VmInherit`].
            inheritance: u32,
        } -> GnuVmMapReply {
            /// Where it is.
            address: u64,
        }

        /// `vm_statistics`, A.18: counts of the whole system; the target is any task.
        VmStatistics = 2030 {} -> VmStatisticsReply {
            /// Bytes of a page.
            pagesize: u32,
            /// Frames that are free.
            free_count: u32,
            /// Frames in use lately.
            active_count: u32,
            /// Frames not used lately.
            inactive_count: u32,
            /// Frames that cannot be paged out.
            wire_count: u32,
            /// Pages made of zeros.
            zero_fill_count: u32,
            /// Pages that were used again before they were paged out.
            reactivations: u32,
            /// Pages that a manager gave.
            pageins: u32,
            /// Pages that a manager took.
            pageouts: u32,
            /// Faults.
            faults: u32,
            /// Pages copied because one of several sharers wrote.
            cow_faults: u32,
            /// Searches of the object cache.
            lookups: u32,
            /// Those that found something.
            hits: u32,
        }
    }
}
