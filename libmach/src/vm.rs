//! Virtual memory: the calls on a task's map (`spec/mach-vm.md` A).
//!
//! Addresses and sizes are in bytes. `target` is a send right to a task's port, whose whole authority it is.
//! Every call checks in this order: the target (`SEND_INVALID_DEST`, or `INVALID_ARGUMENT` for a right to
//! something that is no task), the arguments, the map, the resources; a call that fails has changed nothing,
//! but for copies that meet a page which cannot be had.

use mach_protocol::vm as proto;
pub use mach_protocol::vm::{
    VM_REGION_BASIC_INFO_64, VM_REGION_BASIC_INFO_64_COUNT, VM_REGION_EXTENDED_INFO, VM_REGION_EXTENDED_INFO_COUNT,
    VmBehavior, VmFlags, VmInherit, VmProt, VmRegionReply, VmStatisticsReply,
};

use crate::rpc::{call, call_by_id};
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
/// `NO_SPACE`, `INVALID_ADDRESS`, `INVALID_OBJECT`.
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
