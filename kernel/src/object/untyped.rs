//! Untyped memory: what all objects are made from (manual §2.4, §10.3.8).
//!
//! Layout: any power of two from `2^4` to `2^47` bytes. All there is to an untyped is in its
//! capability: the region and the watermark.
//!
//! # Invariants
//!
//! - **UT-1** Memory above the watermark is zero (unless it is a device's) and belongs to nobody.
//! - **UT-2** If the capability has no children, no object lives in its memory: what was made from it
//!   is gone. Only then the watermark goes down, and only over memory that was cleared.
//! - **UT-3** Otherwise the watermark only grows.
//! - **UT-4** A copy leaves its source full, so that two capabilities never give out the same memory.
//!
//! | state | event | action |
//! |---|---|---|
//! | no children, watermark 0 | retype | objects from the start |
//! | no children, watermark above 0 | retype | reset: clear down to 0, then objects from the start |
//! | children | retype | objects from the watermark on |
//! | no children | copied | full |

use crate::arch::cache;
use crate::cap::{
    Badge, CNodeCap, Cap, EndpointCap, FrameCap, NotificationCap, PageTableCap, ReplyCap, SchedContextCap, SlotRef,
    UntypedCap, VSpaceCap, VmRights, cdt, lookup,
};
use crate::error::{LookupFault, LookupSide, Preempted, SyscallError};
use crate::kernel::Kernel;
use crate::kobj::{MemRegion, SlotArray};
use crate::object::Tcb;
use crate::syscall::{Args, Invocation, InvokeResult, Outcome};
use sel4_abi::object::{
    MAX_UNTYPED_BITS, MIN_SCHED_CONTEXT_BITS, MIN_UNTYPED_BITS, RESET_CHUNK_BITS, RETYPE_FAN_OUT_LIMIT, WORD_BITS,
};
use sel4_abi::{CapRights, InvocationLabel, ObjectType};

/// Granularity of the watermark in bits: the smallest object.
const WATERMARK_BITS: u32 = MIN_UNTYPED_BITS;
const _: () = assert!(1 << WATERMARK_BITS == 16);
/// Memory is cleared in pieces of this size; 256 bytes are a unit of work.
const CLEAR_BITS: u32 = 12;

/// A retype that passed all checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retype {
    /// The slot of the untyped.
    slot: SlotRef,
    /// What to make.
    object: ObjectType,
    /// The caller's size argument.
    size_bits: u32,
    /// The slots that the capabilities go to.
    window: Window,
    /// Clear the memory and start at 0 first.
    reset: bool,
    /// Where the first object goes.
    offset: u64,
}

/// Consecutive slots of a CNode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    cnode: SlotArray,
    first: usize,
    count: usize,
}

impl Window {
    fn slots(self) -> impl Iterator<Item = SlotRef> {
        (self.first..self.first + self.count).filter_map(move |i| self.cnode.slot(i))
    }
}

/// Retypes the untyped in `inv.slot`.
///
/// # Errors
///
/// As [`decode`]; `Preempted` while clearing.
pub fn invoke(k: &mut Kernel, inv: &Invocation, this: UntypedCap) -> InvokeResult {
    let retype = decode(k, inv, this)?;
    perform(k, retype)?;
    Ok(Outcome::Done)
}

/// Checks run in this order; the first to fail is what the caller sees.
///
/// | # | check | error |
/// |---|---|---|
/// | 1 | label is `UntypedRetype` | `IllegalOperation` |
/// | 2 | six words and one extra cap | `TruncatedMessage` |
/// | 3 | type is known | `InvalidArgument { 0 }` |
/// | 4 | size word below 64, object at most 47 bits | `RangeError { 0, 47 }` |
/// | 5 | CNode: size above 0 | `InvalidArgument { 1 }` |
/// | 6 | untyped: size at least 4 | `InvalidArgument { 1 }` |
/// | 7 | scheduling context: size at least 7 | `InvalidArgument { 1 }` |
/// | 8 | depth not 0: destination CNode resolves | `RangeError { 1, 64 }`, `FailedLookup` |
/// | 9 | the destination is a CNode | `FailedLookup { MissingCapability }` |
/// | 10 | offset inside the CNode | `RangeError { 0, slots − 1 }` |
/// | 11 | 1 to 256 objects | `RangeError { 1, 256 }` |
/// | 12 | window inside the CNode | `RangeError { 1, slots − offset }` |
/// | 13 | all slots of the window empty | `DeleteFirst` |
/// | 14 | enough room | `NotEnoughMemory` |
/// | 15 | device memory only for frames and untypeds | `InvalidArgument { 1 }` |
///
/// # Errors
///
/// The table.
pub fn decode(k: &Kernel, inv: &Invocation, this: UntypedCap) -> Result<Retype, SyscallError> {
    if inv.label != InvocationLabel::UntypedRetype.number() {
        return Err(SyscallError::IllegalOperation);
    }
    let args = inv.args;
    args.require(6, 1)?;
    let (object, size_bits) = decode_object(args)?;
    let object_bits = object.object_bits(size_bits);
    let window = decode_window(k, args)?;

    let reset = !cdt::has_children(k, inv.slot);
    let start = if reset { 0 } else { this.watermark };
    let bytes_left = this.region.bytes() - start;
    let room = bytes_left.checked_shr(object_bits).unwrap_or(0);
    if room < window.count as u64 {
        return Err(SyscallError::NotEnoughMemory { bytes_left });
    }
    if this.region.is_device() && !object.is_device_capable() {
        return Err(SyscallError::InvalidArgument { index: 1 });
    }
    Ok(Retype {
        slot: inv.slot,
        object,
        size_bits,
        window,
        reset: reset && this.watermark != 0,
        offset: start.next_multiple_of(1 << object_bits),
    })
}

/// Checks 3 to 7: what is to be made.
fn decode_object(args: &Args) -> Result<(ObjectType, u32), SyscallError> {
    let object = ObjectType::from_number(args.word(0).any()).ok_or(SyscallError::InvalidArgument { index: 0 })?;
    let too_large = SyscallError::RangeError { min: 0, max: MAX_UNTYPED_BITS.into() };
    let size_bits = u32::try_from(args.word(1).any()).ok().filter(|bits| *bits < WORD_BITS).ok_or(too_large)?;
    if object.object_bits(size_bits) > MAX_UNTYPED_BITS {
        return Err(too_large);
    }
    let smallest = match object {
        ObjectType::CNode => 1,
        ObjectType::Untyped => MIN_UNTYPED_BITS,
        ObjectType::SchedContext => MIN_SCHED_CONTEXT_BITS,
        _ => 0,
    };
    if size_bits < smallest {
        return Err(SyscallError::InvalidArgument { index: 1 });
    }
    Ok((object, size_bits))
}

/// Checks 8 to 13: where the capabilities go.
fn decode_window(k: &Kernel, args: &Args) -> Result<Window, SyscallError> {
    let root = args.cap(0)?.cap;
    let depth = args.word(3).any();
    let cnode = if depth == 0 {
        root
    } else {
        lookup::target_slot(k, root, args.word(2).any(), depth, LookupSide::Destination)?.cap(k)
    };
    let Cap::CNode(CNodeCap { slots, .. }) = cnode else {
        return Err(SyscallError::FailedLookup {
            side: LookupSide::Destination,
            fault: LookupFault::MissingCapability { bits_left: depth },
        });
    };
    let len = slots.len() as u64;
    let first = args.word(4).in_range(0, len - 1)?;
    let count = args.word(5).in_range(1, RETYPE_FAN_OUT_LIMIT)?;
    if count > len - first {
        return Err(SyscallError::RangeError { min: 1, max: len - first });
    }
    let window = Window { cnode: slots, first: first as usize, count: count as usize };
    if window.slots().any(|slot| !slot.is_empty(k)) {
        return Err(SyscallError::DeleteFirst);
    }
    Ok(window)
}

/// Clears the untyped if it is to be reset, then makes the objects.
///
/// # Errors
///
/// `Preempted` after some of the memory was cleared; the watermark says how far.
pub fn perform(k: &mut Kernel, retype: Retype) -> Result<(), Preempted> {
    if retype.reset {
        reset(k, retype.slot)?;
    }
    let Cap::Untyped(this) = retype.slot.cap(k) else {
        // Not reached: decoded from this slot, and clearing changes the watermark only.
        return Ok(());
    };
    let object_bits = retype.object.object_bits(retype.size_bits);
    let end = retype.offset + ((retype.window.count as u64) << object_bits);
    retype.slot.update(k, Cap::Untyped(UntypedCap { watermark: end, ..this }));
    for (i, dest) in (0u64..).zip(retype.window.slots()) {
        let offset = retype.offset + (i << object_bits);
        // Both succeed: the offset is aligned, decode found room for all.
        let Some(region) = this.region.carve(offset, object_bits) else { break };
        let Some(cap) = create(k, retype.object, region) else { break };
        cdt::insert_child(k, retype.slot, dest, cap, cdt::Original::Yes);
    }
    Ok(())
}

/// Clears the memory below the watermark from the top downwards, UT-2.
///
/// # Preemption
///
/// After every 4 KiB; the watermark follows, so the work is not lost.
fn reset(k: &mut Kernel, slot: SlotRef) -> Result<(), Preempted> {
    let Cap::Untyped(this) = slot.cap(k) else {
        return Ok(());
    };
    if this.region.is_device() {
        slot.update(k, Cap::Untyped(UntypedCap { watermark: 0, ..this }));
        return Ok(());
    }
    let mut watermark = this.watermark;
    while watermark > 0 {
        let start = (watermark - 1) & !((1 << CLEAR_BITS) - 1);
        this.region.clear(k, start, watermark - start);
        watermark = start;
        slot.update(k, Cap::Untyped(UntypedCap { watermark, ..this }));
        if watermark > 0 {
            k.preemption_point_after(1 << (CLEAR_BITS - RESET_CHUNK_BITS))?;
        }
    }
    Ok(())
}

/// Makes one object that fills a region of cleared memory. `None` if the region does not suit it.
fn create(k: &mut Kernel, object: ObjectType, region: MemRegion) -> Option<Cap> {
    Some(match object {
        ObjectType::Untyped => Cap::Untyped(UntypedCap { region, watermark: 0 }),
        ObjectType::Tcb => {
            let tcb = region.place::<Tcb>(k)?;
            Cap::Thread(tcb)
        }
        ObjectType::Endpoint => {
            Cap::Endpoint(EndpointCap { endpoint: region.place(k)?, badge: Badge::NONE, rights: CapRights::ALL })
        }
        ObjectType::Notification => Cap::Notification(NotificationCap {
            notification: region.place(k)?,
            badge: Badge::NONE,
            rights: CapRights::READ_WRITE,
        }),
        ObjectType::Reply => Cap::Reply(ReplyCap { reply: region.place(k)?, can_grant: true }),
        ObjectType::CNode => Cap::CNode(CNodeCap { slots: region.place_slots(k)?, guard: 0, guard_size: 0 }),
        ObjectType::SchedContext => Cap::SchedContext(SchedContextCap {
            sched_context: region.place_sched_context(k)?,
            size_bits: region.size_bits(),
        }),
        ObjectType::SmallPage | ObjectType::LargePage | ObjectType::HugePage => {
            if !region.is_device() {
                cache::clean_to_poc(region.base().to_kernel(), region.bytes() as usize);
            }
            Cap::Frame(FrameCap { region, rights: VmRights::ReadWrite, mapping: None })
        }
        ObjectType::PageTable => {
            let table = region.place(k)?;
            cache::clean_to_pou(table.addr(), region.bytes() as usize);
            Cap::PageTable(PageTableCap { table, mapping: None })
        }
        ObjectType::VSpace => {
            let root = region.place(k)?;
            cache::clean_to_pou(root.addr(), region.bytes() as usize);
            Cap::VSpace(VSpaceCap { root, asid: None })
        }
    })
}
