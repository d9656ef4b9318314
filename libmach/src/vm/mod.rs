//! Virtual memory: the calls on a task's map (`spec/mach-vm.md` A).
//!
//! Addresses and sizes are in bytes. `target` is a send right to a task's port, whose whole authority it is.
//! Every call checks in this order: the target (`SEND_INVALID_DEST`, or `INVALID_ARGUMENT` for a right to
//! something that is no task), the arguments, the map, the resources; a call that fails has changed nothing,
//! but for copies that meet a page which cannot be had.

mod object;
mod physical;

pub use object::{ObjectSync, vm_object_sync};
pub use physical::vm_pages_phys;

pub use mach_protocol::host::{VM_WIRE_CURRENT, VM_WIRE_FUTURE};
use mach_protocol::host::{VmSetSizeLimit, VmWire, VmWireAll};
use mach_protocol::vm as proto;
pub use mach_protocol::vm::{
    MATTR_CACHE, MATTR_VAL_CACHE_FLUSH, MATTR_VAL_CACHE_SYNC, MATTR_VAL_DCACHE_FLUSH, MATTR_VAL_ICACHE_FLUSH,
    READ_LIST_MAX, VM_REGION_BASIC_INFO_64, VM_REGION_BASIC_INFO_64_COUNT, VM_REGION_EXTENDED_INFO,
    VM_REGION_EXTENDED_INFO_COUNT, VM_REGION_SUBMAP_INFO_COUNT_64, VmBehavior, VmCacheStatisticsReply, VmFlags,
    VmInherit, VmProt, VmRegionReply, VmStatisticsReply, VmSync,
};

use crate::rpc::{call, call_by_id};
use crate::task::mach_task_self;
use crate::{KernReturn, PortName, Result};

/// The bytes of a page.
pub const PAGE_SIZE: u64 = 4096;

/// Makes `size` bytes of zero-filled memory, at `address` or, with [`VmFlags::ANYWHERE`], where room is.
/// Answers where it starts: a multiple of the page size.
///
/// Size 0 makes nothing and answers address 0.
///
/// # Errors
///
/// A.1: `INVALID_ARGUMENT` for unknown flags or a size that rounds to 0, `INVALID_ADDRESS` for a fixed range out
/// of bounds, `NO_SPACE` for one that is taken or where nothing fits, `RESOURCE_SHORTAGE`.
pub fn vm_allocate(target: PortName, address: u64, size: u64, flags: VmFlags) -> Result<u64> {
    call(target, &proto::VmAllocate { address, size, flags: flags.bits() }).map(|reply| reply.address)
}

/// Removes every page that the range touches.
///
/// # Errors
///
/// A.2: `INVALID_ARGUMENT` if the range wraps, `INVALID_ADDRESS` if nothing is allocated in it.
pub fn vm_deallocate(target: PortName, address: u64, size: u64) -> Result<()> {
    call(target, &proto::VmDeallocate { address, size }).map(drop)
}

/// Removes every page that the range touches, if there are any.
///
/// # Errors
///
/// A.2: `INVALID_ARGUMENT` if the range wraps.
pub fn mach_vm_deallocate(target: PortName, address: u64, size: u64) -> Result<()> {
    call(target, &proto::MachVmDeallocate { address, size }).map(drop)
}

/// Which protection [`vm_protect`] sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The current one.
    Current,
    /// The maximum; the current one is lowered with it.
    Maximum,
}

/// Sets the protection of every page that the range touches.
///
/// # Errors
///
/// A.4: `INVALID_ARGUMENT` for unknown bits or a range that wraps, `INVALID_ADDRESS` if there is a hole,
/// `PROTECTION_FAILURE` if a page's maximum forbids it.
pub fn vm_protect(target: PortName, address: u64, size: u64, which: Which, protection: VmProt) -> Result<()> {
    let set_maximum = which == Which::Maximum;
    call(target, &proto::VmProtect { address, size, set_maximum, new_protection: protection.bits() }).map(drop)
}

/// Sets what children get of every page that the range touches.
///
/// # Errors
///
/// A.5: `INVALID_ARGUMENT` for an unknown value or a range that wraps.
pub fn vm_inherit(target: PortName, address: u64, size: u64, inheritance: VmInherit) -> Result<()> {
    call(target, &proto::VmSetInherit { address, size, new_inheritance: inheritance.0 }).map(drop)
}

/// Copies a range of the target's into new memory of the caller's. Answers where it is and its size, for
/// [`vm_deallocate`].
///
/// # Errors
///
/// A.6: `INVALID_ARGUMENT` for 4 GiB and more, `INVALID_ADDRESS` for a hole or, below two pages, memory that
/// cannot be read, `PROTECTION_FAILURE` for the same in larger ranges, `MEMORY_ERROR`, `NO_SPACE`.
pub fn vm_read(target: PortName, address: u64, size: u64) -> Result<(u64, u64)> {
    call(target, &proto::VmRead { address, size }).map(|reply| (reply.data, reply.count))
}

/// Copies a range of the target's over the caller's memory at `data`. Answers the bytes copied.
///
/// # Errors
///
/// A.8: those of [`vm_read`] for the source, of [`vm_write`] for the destination.
pub fn vm_read_overwrite(target: PortName, address: u64, size: u64, data: u64) -> Result<u64> {
    call(target, &proto::VmReadOverwrite { address, size, data }).map(|reply| reply.count)
}

/// What one element of [`vm_read_list`] asks for, and then what it got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ReadElement {
    /// Where in the target; then where the copy is, in the caller.
    pub address: u64,
    /// Bytes; afterwards 0 if this element could not be read.
    pub size: u64,
}

/// Reads several ranges of the target's, each as [`vm_read`] does, and leaves in the list where their copies are.
///
/// # Errors
///
/// A.7: `INVALID_ARGUMENT` for more than [`READ_LIST_MAX`] elements; else the code of the last element that asks for
/// anything. Elements before it may have succeeded: theirs are the sizes that are not 0.
pub fn vm_read_list(target: PortName, list: &mut [ReadElement]) -> Result<()> {
    let count = u32::try_from(list.len()).map_err(|_| KernReturn::INVALID_ARGUMENT)?;
    call(target, &proto::VmReadList { list: list.as_mut_ptr().expose_provenance() as u64, count }).map(drop)
}

/// Copies the caller's memory at `data` over the target's.
///
/// # Errors
///
/// A.9: `SEND_INVALID_MEMORY` if the caller's memory cannot be read, `INVALID_ADDRESS` for a hole or, below two
/// pages, memory that cannot be written, `PROTECTION_FAILURE` for the same in larger ranges.
pub fn vm_write_from(target: PortName, address: u64, data: u64, count: u64) -> Result<()> {
    call(target, &proto::VmWrite { address, data, count }).map(drop)
}

/// Copies `data` over the target's memory.
///
/// # Errors
///
/// As [`vm_write_from`].
pub fn vm_write(target: PortName, address: u64, data: &[u8]) -> Result<()> {
    vm_write_from(target, address, data.as_ptr().expose_provenance() as u64, data.len() as u64)
}

/// Copies within the target, as if by way of a snapshot.
///
/// # Errors
///
/// A.10: those of [`vm_read`] for the source, then those of [`vm_write`] for the destination.
pub fn vm_copy(target: PortName, source: u64, size: u64, dest: u64) -> Result<()> {
    call(target, &proto::VmCopy { source_address: source, size, dest_address: dest }).map(drop)
}

/// What [`vm_map`] is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapRequest {
    /// Where, or from where to search.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// Address bits that must be zero.
    pub mask: u64,
    /// Where to place it.
    pub flags: VmFlags,
    /// The object; null for zero-filled memory.
    pub object: PortName,
    /// The offset in the object.
    pub offset: u64,
    /// A snapshot instead of the object itself.
    pub copy: bool,
    /// The current protection.
    pub protection: VmProt,
    /// The maximum protection.
    pub max_protection: VmProt,
    /// What children get.
    pub inheritance: VmInherit,
}

impl MapRequest {
    /// The first `size` bytes of an object, anywhere, shared with everybody who maps it.
    #[must_use]
    pub const fn object(object: PortName, size: u64) -> Self {
        Self { object, inheritance: VmInherit::SHARE, ..Self::anonymous(size) }
    }

    /// Zero-filled memory anywhere, as [`vm_allocate`] makes it.
    #[must_use]
    pub const fn anonymous(size: u64) -> Self {
        Self {
            address: 0,
            size,
            mask: 0,
            flags: VmFlags::ANYWHERE,
            object: PortName::NULL,
            offset: 0,
            copy: false,
            protection: VmProt::DEFAULT,
            max_protection: VmProt::ALL,
            inheritance: VmInherit::COPY,
        }
    }
}

/// Maps an object, or zero-filled memory. Answers where.
///
/// It does not wait for the object's manager, unless a snapshot is asked for.
///
/// # Errors
///
/// A.3: `INVALID_ARGUMENT` for unknown flags, protections or inheritance, size 0 or a range that wraps;
/// `INVALID_OBJECT` for a name of something that cannot be mapped; `INVALID_ARGUMENT` for a dead port, an offset that is
/// no multiple of a page, a range outside of a proxy's; `PROTECTION_FAILURE` for a snapshot by a proxy that forbids
/// reading; `NO_SPACE`, `INVALID_ADDRESS`; `RESOURCE_SHORTAGE`; `MEMORY_ERROR` for a snapshot whose manager does not
/// become ready: in this order. `RESOURCE_SHORTAGE` before all of them if the object would be new to the server, and its
/// manager leaves too many messages unreceived.
pub fn vm_map(target: PortName, request: &MapRequest) -> Result<u64> {
    let wire = proto::VmMap {
        address: request.address,
        size: request.size,
        mask: request.mask,
        flags: request.flags.bits(),
        memory_object: request.object,
        offset: request.offset,
        copy: request.copy,
        cur_protection: request.protection.bits(),
        max_protection: request.max_protection.bits(),
        inheritance: request.inheritance.0,
    };
    call(target, &wire).map(|reply| reply.address)
}

/// What [`vm_remap`] is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemapRequest {
    /// Where, or from where to search.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// Address bits that must be zero.
    pub mask: u64,
    /// Where to place it.
    pub flags: VmFlags,
    /// Whose memory.
    pub source: PortName,
    /// Where in it.
    pub source_address: u64,
    /// A snapshot instead of the memory itself.
    pub copy: bool,
    /// What children get.
    pub inheritance: VmInherit,
}

impl RemapRequest {
    /// The same memory of this task a second time, anywhere.
    #[must_use]
    pub const fn anywhere(source: PortName, source_address: u64, size: u64) -> Self {
        Self {
            address: 0,
            size,
            mask: 0,
            flags: VmFlags::ANYWHERE,
            source,
            source_address,
            copy: false,
            inheritance: VmInherit::COPY,
        }
    }
}

/// Memory that [`vm_remap`] mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remapped {
    /// Where it is.
    pub address: u64,
    /// What all of it allows now.
    pub protection: VmProt,
    /// What all of it may allow.
    pub max_protection: VmProt,
}

/// Maps memory of one task, or of the same, at a second place. It outlives the first.
///
/// # Errors
///
/// A.12: `INVALID_ARGUMENT` for unknown flags or inheritance, a source that is no task, size 0 or a range that wraps;
/// `INVALID_ADDRESS` for a hole in the source; those of [`vm_map`] for the place.
pub fn vm_remap(target: PortName, request: &RemapRequest) -> Result<Remapped> {
    let RemapRequest { address, size, mask, flags, source, source_address, copy, inheritance } = *request;
    let (flags, inheritance) = (flags.bits(), inheritance.0);
    let wire = proto::VmRemap { address, size, mask, flags, source, source_address, copy, inheritance };
    let reply = call(target, &wire)?;
    Ok(remapped(reply.address, reply.cur_protection, reply.max_protection))
}

/// [`vm_remap`] with the protections that the new memory gets.
///
/// # Errors
///
/// As [`vm_remap`], and `INVALID_ARGUMENT` for a protection beyond the maximum, `PROTECTION_FAILURE` for one beyond the
/// source's or a maximum with both WRITE and EXECUTE.
pub fn vm_remap_new(target: PortName, request: &RemapRequest, current: VmProt, max: VmProt) -> Result<Remapped> {
    let wire = proto::VmRemapNew {
        address: request.address,
        size: request.size,
        mask: request.mask,
        flags: request.flags.bits(),
        source: request.source,
        source_address: request.source_address,
        copy: request.copy,
        cur_protection: current.bits(),
        max_protection: max.bits(),
        inheritance: request.inheritance.0,
    };
    let reply = call(target, &wire)?;
    Ok(remapped(reply.address, reply.cur_protection, reply.max_protection))
}

const fn remapped(address: u64, protection: u32, max: u32) -> Remapped {
    let (protection, max_protection) = (VmProt::from_bits_retain(protection), VmProt::from_bits_retain(max));
    Remapped { address, protection, max_protection }
}

/// Keeps the pages of a range resident, so that these accesses do not fault; [`VmProt::NONE`] lets them go again.
/// `host` is the privileged host port. Wirings count: each is undone by one call.
///
/// # Errors
///
/// A.14: `INVALID_HOST`, `INVALID_TASK`; `INVALID_ARGUMENT` for a range that wraps or unknown accesses,
/// `INVALID_ADDRESS` for a hole, `PROTECTION_FAILURE`, `RESOURCE_SHORTAGE`.
pub fn vm_wire(host: PortName, task: PortName, address: u64, size: u64, access: VmProt) -> Result<()> {
    call(host, &wire_request(task, address, size, access)).map(drop)
}

/// [`vm_wire`] by GNU Mach's id: any host port will do, and wirings do not count, they are set and cleared.
///
/// # Errors
///
/// A.14: as [`vm_wire`], with `NO_SPACE` for a hole and for accesses that the memory does not allow.
pub fn gnu_vm_wire(host: PortName, task: PortName, address: u64, size: u64, access: VmProt) -> Result<()> {
    call_by_id(2636, host, &wire_request(task, address, size, access)).map(drop)
}

/// Keeps all that a task has resident, and all that it gets: [`VM_WIRE_CURRENT`], [`VM_WIRE_FUTURE`]; with no flags nothing
/// is kept any more.
///
/// # Errors
///
/// A.14, in this order: `INVALID_HOST` unless `host` is the privileged port, `INVALID_TASK`, `INVALID_ARGUMENT` for other
/// flags; the code of a page that cannot be had: then nothing is changed.
pub fn vm_wire_all(host: PortName, task: PortName, flags: u32) -> Result<()> {
    call(host, &VmWireAll { task, flags }).map(drop)
}

/// Keeps all memory resident that the calling task has now, as [`vm_wire`]; untouched memory becomes real. What the system
/// pages out by must have done so.
///
/// # Errors
///
/// As for [`vm_wire`].
pub fn wire_task(host: PortName) -> Result<()> {
    let task = mach_task_self();
    let mut address = 0;
    loop {
        let region = match vm_region(task, address) {
            Ok(region) => region,
            Err(KernReturn::INVALID_ADDRESS | KernReturn::NO_SPACE) => return Ok(()),
            Err(code) => return Err(code),
        };
        let end = region.address + region.size;
        if !region.protection.is_empty() {
            vm_wire(host, task, region.address, region.size, region.protection)?;
        }
        address = end;
    }
}

const fn wire_request(task: PortName, address: u64, size: u64, access: VmProt) -> VmWire {
    VmWire { task, address, size, access: access.bits() }
}

/// Gives changed pages back to their manager. With [`VmSync::SYNCHRONOUS`] it waits until the manager has received them, and
/// one that wants to be told, as the file pager, until it says that they are safe.
///
/// # Errors
///
/// A.13: `INVALID_ARGUMENT` for both kinds of returning at once, `INVALID_TASK`, `INVALID_ADDRESS` for a range that
/// wraps or, if asked for, a hole; `MEMORY_ERROR` if the manager dies meanwhile, or says that it could not keep them.
pub fn vm_msync(target: PortName, address: u64, size: u64, flags: VmSync) -> Result<()> {
    call(target, &proto::VmMsync { address, size, sync_flags: flags.bits() }).map(drop)
}

/// Acts on the caches for a range; [`MATTR_VAL_CACHE_SYNC`] makes code that was written ready to run.
///
/// # Errors
///
/// A.15: `INVALID_ARGUMENT` for an unknown attribute or value or a range that wraps, `INVALID_ADDRESS` for one out of
/// bounds, `FAILURE` for a hole.
pub fn vm_machine_attribute(target: PortName, address: u64, size: u64, attribute: u32, value: u32) -> Result<u32> {
    call(target, &proto::VmMachineAttribute { address, size, attribute, value }).map(|reply| reply.value)
}

/// Says what the task will do with a range.
///
/// # Errors
///
/// A.17: `INVALID_ARGUMENT` for an unknown behavior or a range that wraps, `NO_SPACE` for one out of bounds,
/// `INVALID_ADDRESS` for a hole, `PROTECTION_FAILURE`.
pub fn vm_behavior_set(target: PortName, address: u64, size: u64, behavior: VmBehavior) -> Result<()> {
    call(target, &proto::VmBehaviorSet { address, size, new_behavior: behavior.0 }).map(drop)
}

/// How many bytes the map may hold, now and at most.
///
/// # Errors
///
/// A.22: `INVALID_TASK`.
pub fn vm_get_size_limit(target: PortName) -> Result<(u64, u64)> {
    call(target, &proto::VmGetSizeLimit {}).map(|reply| (reply.current_limit, reply.max_limit))
}

/// Sets how many bytes a task's map may hold, now and at most.
///
/// # Errors
///
/// A.22: `INVALID_ARGUMENT` if `current` is more than `max`, `INVALID_TASK`, `INVALID_HOST`; `NO_ACCESS` for raising the
/// maximum with another than the privileged host port.
pub fn vm_set_size_limit(host: PortName, task: PortName, current: u64, max: u64) -> Result<()> {
    call(host, &VmSetSizeLimit { task, current_limit: current, max_limit: max }).map(drop)
}

/// A region of a map: neighbouring pages with the same attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionInfo {
    /// Where it starts.
    pub address: u64,
    /// Its bytes.
    pub size: u64,
    /// The current protection.
    pub protection: VmProt,
    /// The maximum protection.
    pub max_protection: VmProt,
    /// What children get.
    pub inheritance: VmInherit,
    /// Whether it is shared with another map on purpose.
    pub shared: bool,
    /// The offset in its object.
    pub offset: u64,
    /// What the task said it would do with it.
    pub behavior: VmBehavior,
    /// How often it is wired.
    pub user_wired_count: u16,
}

/// Describes the region that contains `address`, or else the first one above it.
///
/// # Errors
///
/// A.11: `INVALID_ADDRESS` if there is none.
pub fn vm_region(target: PortName, address: u64) -> Result<RegionInfo> {
    let reply = vm_region_flavor(target, address, VM_REGION_BASIC_INFO_64, VM_REGION_BASIC_INFO_64_COUNT)?;
    let [protection, max, inheritance, shared, _reserved, low, high, behavior, wired] =
        *reply.info.as_slice().first_chunk().ok_or(KernReturn::MIG_TYPE_ERROR)?;
    Ok(RegionInfo {
        address: reply.address,
        size: reply.size,
        protection: VmProt::from_bits_retain(protection),
        max_protection: VmProt::from_bits_retain(max),
        inheritance: VmInherit(inheritance),
        shared: shared != 0,
        offset: u64::from(low) | u64::from(high) << 32,
        behavior: VmBehavior(behavior),
        user_wired_count: wired as u16,
    })
}

/// The same with any flavor: the information as the server packs it.
///
/// # Errors
///
/// A.11: `INVALID_ARGUMENT` for an unknown flavor or a count that is too small, `INVALID_ADDRESS`.
pub fn vm_region_flavor(target: PortName, address: u64, flavor: u32, info_count: u32) -> Result<VmRegionReply> {
    call(target, &proto::VmRegion { address, flavor, info_count })
}

/// The same in the form for maps of maps: `info_count` is [`VM_REGION_SUBMAP_INFO_COUNT_64`], or that of an older form.
///
/// # Errors
///
/// A.11: `INVALID_ARGUMENT` for a count of no form, `INVALID_ADDRESS`.
pub fn vm_region_recurse(target: PortName, address: u64, info_count: u32) -> Result<proto::VmRegionRecurseReply> {
    call(target, &proto::VmRegionRecurse { address, nesting_depth: 0, info_count })
}

/// The same by GNU Mach's call: with the object's name port, which the caller must deallocate.
///
/// # Errors
///
/// A.11: `NO_SPACE` if there is no region.
pub fn gnu_vm_region(target: PortName, address: u64) -> Result<proto::GnuVmRegionReply> {
    call(target, &proto::GnuVmRegion { address })
}

/// [`vm_allocate`] by GNU Mach's id, whose last argument is a boolean.
///
/// # Errors
///
/// A.1, without the check of flags.
pub fn gnu_vm_allocate(target: PortName, address: u64, size: u64, anywhere: u32) -> Result<u64> {
    call(target, &proto::GnuVmAllocate { address, size, anywhere }).map(|reply| reply.address)
}

/// [`vm_deallocate`] by GNU Mach's id.
///
/// # Errors
///
/// As [`vm_deallocate`].
pub fn gnu_vm_deallocate(target: PortName, address: u64, size: u64) -> Result<()> {
    call_by_id(2023, target, &proto::VmDeallocate { address, size }).map(drop)
}

/// Counts pages of the whole system, and events since its start.
///
/// # Errors
///
/// A.18: `INVALID_ARGUMENT` if the target is no task.
pub fn vm_statistics(target: PortName) -> Result<VmStatisticsReply> {
    call(target, &proto::VmStatistics {})
}

/// Counts what is kept in memory, of the whole system.
///
/// # Errors
///
/// A.18: `INVALID_ARGUMENT` if the target is no task.
pub fn vm_cache_statistics(target: PortName) -> Result<VmCacheStatisticsReply> {
    call(target, &proto::VmCacheStatistics {})
}
