//! Values of the calls on maps, and their numbers (`spec/mach-vm.md` F).

use bitflags::bitflags;

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
        /// In `vm_remap`: cover all pages of the source, and keep the offset in its first.
        const RETURN_DATA_ADDR = 0x10_0000;
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
    /// It is read here and there.
    pub const RANDOM: Self = Self(1);
    /// It is read from its start to its end.
    pub const SEQUENTIAL: Self = Self(2);
    /// It is read from its end to its start.
    pub const REVERSE_SEQUENTIAL: Self = Self(3);
    /// It is needed soon.
    pub const WILLNEED: Self = Self(4);
    /// It is not needed for some time; what is in it stays.
    pub const DONTNEED: Self = Self(5);
    /// What is in it is not needed any more.
    pub const FREE: Self = Self(6);
    /// Wired pages are made zero when they are deallocated.
    pub const ZERO_WIRED_PAGES: Self = Self(7);
    /// What is in it may go until it is reused.
    pub const REUSABLE: Self = Self(8);
    /// It is in use again.
    pub const REUSE: Self = Self(9);
    /// Asks whether it could be marked as reusable.
    pub const CAN_REUSE: Self = Self(10);
    /// Page it out now.
    pub const PAGEOUT: Self = Self(11);
    /// Make it zero now.
    pub const ZERO: Self = Self(12);
}

bitflags! {
    /// What `vm_msync` does with pages, `vm_sync_t`. Other bits may be carried.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct VmSync: u32 {
        /// Return changed pages to their manager, without waiting.
        const ASYNCHRONOUS = 0x1;
        /// Return changed pages to their manager and wait until it has them.
        const SYNCHRONOUS = 0x2;
        /// Discard the pages.
        const INVALIDATE = 0x4;
        /// Throw the pages away, changed or not.
        const KILLPAGES = 0x8;
        /// The pages are not needed for some time.
        const DEACTIVATE = 0x10;
        /// A hole in the range is an error.
        const CONTIGUOUS = 0x20;
        /// What is in the pages may go.
        const REUSABLEPAGES = 0x40;
    }
}

/// `MATTR_CACHE`: the attribute of `vm_machine_attribute` that caches are.
pub const MATTR_CACHE: u32 = 1;
/// `MATTR_VAL_CACHE_FLUSH`: write back and discard what all caches hold.
pub const MATTR_VAL_CACHE_FLUSH: u32 = 6;
/// `MATTR_VAL_DCACHE_FLUSH`: the same for data caches.
pub const MATTR_VAL_DCACHE_FLUSH: u32 = 7;
/// `MATTR_VAL_ICACHE_FLUSH`: the same for instruction caches.
pub const MATTR_VAL_ICACHE_FLUSH: u32 = 8;
/// `MATTR_VAL_CACHE_SYNC`: make code that was written ready to run.
pub const MATTR_VAL_CACHE_SYNC: u32 = 9;

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

/// The count of `vm_region_recurse`'s information: protection, max_protection, inheritance, offset (64 bits), user_tag,
/// pages resident, shared now private, swapped out, dirtied, ref_count, shadow_depth (16 bits), external_pager (8),
/// share_mode (8), is_submap, behavior, object_id, user_wired_count (16), pages_reusable, object_id_full (64).
pub const VM_REGION_SUBMAP_INFO_COUNT_64: u32 = 19;

/// The longest list of `vm_read_list`.
pub const READ_LIST_MAX: usize = 256;

/// The longest information of `vm_region`, in 32-bit units.
pub const VM_REGION_INFO_MAX: usize = 20;
