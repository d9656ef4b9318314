//! Frames: memory that can be mapped (manual §7.1.2; spec §3.11, §7.2–§7.7).
//!
//! Layout: 4 KiB, 2 MiB or 1 GiB, aligned to the size. The memory is the user's; a frame has no
//! structure. What there is to know (size, rights, where it is mapped) is in the capability.
//!
//! Invariants:
//!
//! - **FR-1** A frame capability is mapped at one place at most; what it remembers may be stale, so
//!   the tables are asked before an entry is removed (`VS-2`).
//! - **FR-2** Deleting a mapped frame capability, final or not, unmaps it.

use sel4_abi::object::{PAGE_BITS, USER_TOP};
use sel4_abi::{CapRights, InvocationLabel, VmAttributes};

use crate::arch::pte::{Execute, MemoryType};
use crate::arch::{self, CacheOp};
use crate::cap::{FrameCap, Mapping, RawCap, SlotRef};
use crate::error::{LookupFault, Preempted, SyscallError};
use crate::kernel::Kernel;
use crate::kobj::KRef;
use crate::mem::{PhysAddr, UserVa};
use crate::object::PageTable;
use crate::syscall::{Args, Invocation, InvokeResult, Outcome};
use crate::vspace::{self, Asid, PageAttributes, Place};

const _: () = assert!(PAGE_BITS == 12);

/// A range of mapped user memory within one page, and what to do to its cache lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheRange {
    /// What to do.
    pub operation: CacheOp,
    /// The root of the address space.
    pub root: KRef<PageTable>,
    /// Its ASID.
    pub asid: Asid,
    /// First address.
    pub start: UserVa,
    /// The address behind the last one.
    pub end: UserVa,
}

/// Caches are maintained in pieces of so many bytes.
const PIECE: u64 = 4096;
/// What a piece is worth in units of work.
const PIECE_UNITS: u32 = 4;

impl CacheRange {
    /// Does it for the invocation with these arguments, whose first word says where to begin.
    ///
    /// # Preemption
    ///
    /// After every 4 KiB; the first word says then where to go on.
    ///
    /// # Errors
    ///
    /// `Preempted`.
    pub fn perform(self, k: &Kernel, args: &Args) -> Result<(), Preempted> {
        let root = self.root.addr().to_phys();
        let mut start = self.start.0;
        loop {
            let end = (start + 1).next_multiple_of(PIECE).min(self.end.0);
            arch::cache::user_range(self.operation, root, self.asid, UserVa(start), UserVa(end));
            if end == self.end.0 {
                return Ok(());
            }
            start = end;
            if let Err(preempted) = k.preemption_point_after(PIECE_UNITS) {
                args.set_first_word(k, args.word(k, 0).any() + (start - self.start.0));
                return Err(preempted);
            }
        }
    }
}

/// Performs an invocation of a frame. An unknown label is refused before anything else is looked at.
///
/// # Errors
/// `IllegalOperation` for a label that is none of a frame's; else those of the operation ([`decode_map`],
/// [`decode_maintain`]); `Preempted` while caches are maintained. Unmapping and telling the address cannot fail.
pub fn invoke(k: &mut Kernel, inv: &Invocation<'_>, frame: FrameCap) -> InvokeResult {
    let maintain = |operation| -> InvokeResult {
        decode_maintain(k, operation, frame, inv.args)?.perform(k, inv.args)?;
        Ok(Outcome::Done)
    };
    match InvocationLabel::try_from(inv.label) {
        Ok(InvocationLabel::PageMap) => map(k, inv.slot, decode_map(k, frame, inv.args)?),
        Ok(InvocationLabel::PageUnmap) => unmap(k, inv.slot),
        Ok(InvocationLabel::PageCleanData) => return maintain(CacheOp::Clean),
        Ok(InvocationLabel::PageInvalidateData) => return maintain(CacheOp::Invalidate),
        Ok(InvocationLabel::PageCleanInvalidateData) => return maintain(CacheOp::CleanInvalidate),
        Ok(InvocationLabel::PageUnifyInstruction) => return maintain(CacheOp::Unify),
        Ok(InvocationLabel::PageGetAddress) => return Ok(Outcome::Word(frame.region.base().0)),
        _ => return Err(SyscallError::IllegalOperation.into()),
    }
    Ok(Outcome::Done)
}

/// A mapping to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Map {
    /// The frame's memory.
    page: PhysAddr,
    /// The entry to write.
    place: Place,
    /// The address space and the address.
    mapping: Mapping,
    /// How.
    attributes: PageAttributes,
}

/// Decodes `PageMap` (spec §3.11). Checks in order:
///
/// | # | check                                                | error                              |
/// |---|------------------------------------------------------|------------------------------------|
/// | 1 | three words and the VSpace                           | `TruncatedMessage`                 |
/// | 2 | the extra capability is a VSpace with an ASID        | `InvalidCapability(1)`             |
/// | 3 | that ASID exists                                     | `FailedLookup(InvalidRoot)`        |
/// | 4 | and is that VSpace's                                 | `InvalidCapability(1)`             |
/// | 5 | the address is aligned to the frame's size           | `AlignmentError`                   |
/// | 6 | if mapped: in the same ASID                          | `InvalidCapability(1)`             |
/// | 7 | if mapped: at the same address                       | `InvalidArgument(0)`               |
/// | 8 | if not mapped: the page ends within user space       | `InvalidArgument(0)`               |
/// | 9 | the tables end at the level of the frame's size      | `FailedLookup(MissingCapability)`  |
#[inline]
fn decode_map(k: &Kernel, frame: FrameCap, args: &Args) -> Result<Map, SyscallError> {
    args.require(3, 1)?;
    let vaddr = UserVa(args.word(k, 0).any());
    let mask = CapRights::from_word(args.word(k, 1).any());
    let attributes = VmAttributes::from_bits_truncate(args.word(k, 2).any());
    let vspace = vspace::with_asid(args.cap(k, 0)?.cap)?;
    let asid = vspace::usable(k, vspace, 1)?;
    let size_bits = frame.region.size_bits();
    if !vaddr.is_aligned(size_bits) {
        return Err(SyscallError::AlignmentError);
    }
    match frame.mapping {
        Some(mapping) if mapping.asid != asid => {
            return Err(SyscallError::InvalidCapability { index: 1 });
        }
        Some(mapping) if mapping.vaddr != vaddr => {
            return Err(SyscallError::InvalidArgument { index: 0 });
        }
        Some(_) => {}
        None if !is_page_of_user(vaddr, frame.region.bytes()) => {
            return Err(SyscallError::InvalidArgument { index: 0 });
        }
        None => {}
    }
    let place = vspace::walk(k, vspace.root, vaddr);
    if place.level != vspace::level_of_size(size_bits) {
        let bits_left = u64::from(place.level.entry_bits());
        return Err(vspace::lookup_failed(LookupFault::MissingCapability { bits_left }));
    }
    let mapping = Mapping { asid, vaddr };
    let attributes = page_attributes(frame, mask, attributes);
    Ok(Map { page: frame.region.base(), place, mapping, attributes })
}

/// Whether the page of `bytes` bytes at `vaddr` ends within user space.
fn is_page_of_user(vaddr: UserVa, bytes: u64) -> bool {
    vaddr.0.checked_add(bytes - 1).is_some_and(|last| last <= USER_TOP)
}

#[inline]
fn page_attributes(frame: FrameCap, mask: CapRights, attributes: VmAttributes) -> PageAttributes {
    PageAttributes {
        rights: frame.rights.masked(mask),
        memory: if attributes.contains(VmAttributes::CACHEABLE) { MemoryType::Normal } else { MemoryType::Device },
        execute: if attributes.contains(VmAttributes::EXECUTE_NEVER) { Execute::Never } else { Execute::Allowed },
    }
}

/// Decodes the cache operations (spec §3.11). Checks in order:
///
/// | # | check                                                  | error                       |
/// |---|--------------------------------------------------------|-----------------------------|
/// | 1 | two words                                              | `TruncatedMessage`          |
/// | 2 | the capability is mapped                               | `IllegalOperation`          |
/// | 3 | its ASID exists                                        | `FailedLookup(InvalidRoot)` |
/// | 4 | end is above start                                     | `InvalidArgument(1)`        |
/// | 5 | the range lies within the page                         | `InvalidArgument(0)`        |
/// | 6 | the tables show this frame, at this size               | `InvalidCapability(0)`      |
/// | 7 | to invalidate, the mapping is writable                 | `IllegalOperation`          |
fn decode_maintain(k: &Kernel, operation: CacheOp, frame: FrameCap, args: &Args) -> Result<CacheRange, SyscallError> {
    args.require(2, 0)?;
    let (start, end) = (args.word(k, 0).any(), args.word(k, 1).any());
    let Some(mapping) = frame.mapping else { return Err(SyscallError::IllegalOperation) };
    let Some(root) = k.asids.root(k, mapping.asid) else {
        return Err(vspace::lookup_failed(LookupFault::InvalidRoot));
    };
    if end <= start {
        return Err(SyscallError::InvalidArgument { index: 1 });
    }
    let bytes = frame.region.bytes();
    if start >= bytes || end > bytes {
        return Err(SyscallError::InvalidArgument { index: 0 });
    }
    let page = vspace::page_at(k, root, mapping.vaddr)
        .filter(|page| page.base == frame.region.base() && page.size_bits == frame.region.size_bits())
        .ok_or(SyscallError::InvalidCapability { index: 0 })?;
    if operation == CacheOp::Invalidate && !page.is_writable {
        return Err(SyscallError::IllegalOperation);
    }
    Ok(CacheRange {
        operation,
        root,
        asid: mapping.asid,
        start: UserVa(mapping.vaddr.0 + start),
        end: UserVa(mapping.vaddr.0 + end),
    })
}

/// Maps the frame whose capability is in `slot`.
#[inline]
fn map(k: &Kernel, slot: SlotRef, map: Map) {
    slot.update(k, slot.raw(k).with_mapping(Some(map.mapping)));
    vspace::map_page(k, map.place, map.mapping, map.page, map.attributes);
}

/// Unmaps the frame whose capability is in `slot`.
#[inline]
fn unmap(k: &Kernel, slot: SlotRef) {
    let cap = slot.raw(k);
    finalise(k, cap);
    slot.update(k, cap.with_mapping(None));
}

/// Destroys a frame capability, final or not: it is unmapped (FR-2).
#[inline]
pub fn finalise(k: &Kernel, cap: RawCap) {
    if let Some(frame) = cap.frame()
        && let Some(mapping) = frame.mapping
    {
        vspace::unmap_page(k, frame.region, mapping);
    }
}
