//! Virtual memory: the calls on a task's map, and their constants (`spec/mach-vm.md` A and F).
//!
//! The target of every request is a task's name. Values travel as the caller gave them: the server checks
//! them, in the order of the specification.

mod types;

pub use types::*;

use crate::PortName;
use crate::table::subsystem;
use crate::wire::Ints;

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

        /// `vm_region_recurse`, A.11: as [`VmRegion`], in the form for maps of maps, of which there are none.
        VmRegionRecurse = 3822 | 4815 | 3821 {
            /// Where to look.
            address: u64,
            /// How deep to look; no map lies within another.
            nesting_depth: u32,
            /// 32-bit units that the caller has room for.
            info_count: u32,
        } -> VmRegionRecurseReply {
            /// Where the region starts.
            address: u64,
            /// Its bytes.
            size: u64,
            /// Always 0.
            nesting_depth: u32,
            /// What [`VM_REGION_SUBMAP_INFO_COUNT_64`] describes, as much as there is room for.
            info: Ints<VM_REGION_INFO_MAX>,
        }

        /// `vm_read_list`, A.7: several reads at once. The list does not fit in a message.
        VmReadList = 3806 | 4805 {
            /// Where the list is, in the caller: an address and a size an element, 64 bits each. The server stores
            /// there where the copy of each element is, and its size; zeros for one that it could not read.
            list: u64,
            /// Elements, at most [`READ_LIST_MAX`].
            count: u32,
        } -> VmReadListReply {}

        /// `vm_remap`, A.12: maps memory of a task a second time.
        VmRemap = 3814 | 4813 {
            /// Where, or the address from which to search.
            address: u64,
            /// Bytes.
            size: u64,
            /// Address bits that must be zero.
            mask: u64,
            /// [`VmFlags`].
            flags: u32,
            /// Whose memory.
            source: PortName,
            /// Where in it.
            source_address: u64,
            /// A snapshot instead of the memory itself.
            copy: bool,
            /// [`VmInherit`].
            inheritance: u32,
        } -> VmRemapReply {
            /// Where it is.
            address: u64,
            /// What all regions of the source allow now.
            cur_protection: u32,
            /// What all regions of the source may allow.
            max_protection: u32,
        }

        /// `vm_remap_new`, A.12: the same with the protections that the new memory gets.
        VmRemapNew = 3832 | 4821 {
            /// Where, or the address from which to search.
            address: u64,
            /// Bytes.
            size: u64,
            /// Address bits that must be zero.
            mask: u64,
            /// [`VmFlags`].
            flags: u32,
            /// Whose memory.
            source: PortName,
            /// Where in it.
            source_address: u64,
            /// A snapshot instead of the memory itself.
            copy: bool,
            /// [`VmProt`].
            cur_protection: u32,
            /// [`VmProt`].
            max_protection: u32,
            /// [`VmInherit`].
            inheritance: u32,
        } -> VmRemapNewReply {
            /// Where it is.
            address: u64,
            /// [`VmProt`].
            cur_protection: u32,
            /// [`VmProt`].
            max_protection: u32,
        }

        /// `vm_msync`, A.13: gives changed pages back to their manager.
        VmMsync = 3810 | 4809 | 4209 {
            /// The first byte.
            address: u64,
            /// Bytes.
            size: u64,
            /// [`VmSync`].
            sync_flags: u32,
        } -> VmMsyncReply {}

        /// `vm_machine_attribute`, A.15: caches.
        VmMachineAttribute = 3813 | 4812 | 2099 {
            /// The first byte.
            address: u64,
            /// Bytes.
            size: u64,
            /// [`MATTR_CACHE`].
            attribute: u32,
            /// `MATTR_VAL_*`.
            value: u32,
        } -> VmMachineAttributeReply {
            /// The value.
            value: u32,
        }

        /// `vm_behavior_set`, A.17: says what the task will do with memory.
        VmBehaviorSet = 3811 | 4810 {
            /// The first byte.
            address: u64,
            /// Bytes.
            size: u64,
            /// [`VmBehavior`].
            new_behavior: u32,
        } -> VmBehaviorSetReply {}

        /// `vm_get_size_limit`, A.22: how much memory the map may hold.
        VmGetSizeLimit = 4216 {} -> VmGetSizeLimitReply {
            /// Bytes, now.
            current_limit: u64,
            /// Bytes, at most.
            max_limit: u64,
        }

        /// `vm_cache_statistics`, A.18: counts of what is kept in memory; the target is any task.
        VmCacheStatistics = 4200 {} -> VmCacheStatisticsReply {
            /// Memory objects that nobody maps, kept for who maps them next.
            cache_object_count: u32,
            /// Their pages.
            cache_count: u32,
            /// Anonymous pages in use lately.
            active_tmp_count: u32,
            /// Anonymous pages not used lately.
            inactive_tmp_count: u32,
            /// Pages of memory objects in use lately.
            active_perm_count: u32,
            /// Pages of memory objects not used lately.
            inactive_perm_count: u32,
            /// Pages that are newer than what their manager has, or that no manager has.
            dirty_count: u32,
            /// Pages on their way to the default pager.
            laundry_count: u32,
            /// Pages on their way to other managers that are kept meanwhile: always 0, they are let go or clean.
            writeback_count: u32,
            /// Pages of the kernel's objects for tasks: tables, threads, notifications.
            slab_count: u32,
            /// Those of them that could be had back: always 0.
            slab_reclaim_count: u32,
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
