//! Untyped memory: what all objects are made from (manual §2.4, §10.3.8).
//!
//! Layout: any power of two from `2^4` to `2^47` bytes. All there is to an untyped is in its
//! capability: the region, the watermark, and how far beyond that old content reaches.
//!
//! # Invariants
//!
//! - **UT-1** Memory above the watermark belongs to nobody, and is zero above what the capability calls dirty (unless it is
//!   a device's). It is zero in memory itself and not only in the caches, so who reaches it past them (an uncached mapping,
//!   the table walker, a device) sees that, and no line of an earlier life is written over it later. All objects but
//!   untypeds are made of such memory: making a frame or a table needs no cache maintenance, and making an object writes
//!   only what is not zero.
//! - **UT-2** If the capability has no children, no object lives in its memory: what was made from it
//!   is gone. Only then the watermark goes down.
//! - **UT-3** Otherwise the watermark only grows.
//! - **UT-4** A copy leaves its source full, so that two capabilities never give out the same memory.
//!
//! | state | event | action |
//! |---|---|---|
//! | no children, watermark 0 | retype | objects from the start |
//! | no children, old content | retype to untypeds | all of it is dirty; untypeds from the start |
//! | no children, old content | other retype | reset: clear down to 0, then objects from the start |
//! | children | retype to untypeds | untypeds from the watermark on |
//! | children | other retype | clear what is dirty above the watermark, then objects from there on |
//! | no children | copied | full |
//!
//! An untyped that is made of dirty memory is full, as those of boot are: it has old content and no children. So memory
//! is cleared by those who use it, once, and what is only divided costs nothing.

use crate::cap::{
    Badge, CNodeCap, EndpointCap, FrameCap, NotificationCap, PageTableCap, RawCap, ReplyCap, SchedContextCap, SlotRef,
    UntypedCap, VSpaceCap, VmRights, cdt, lookup,
};
use crate::error::{LookupFault, LookupSide, Preempted, SyscallError};
use crate::kernel::Kernel;
use crate::kobj::{MemRegion, SlotArray};
use crate::object::Tcb;
use crate::syscall::{Args, Invocation, InvokeResult, Outcome};
use sel4_abi::object::{MAX_UNTYPED_BITS, MIN_SCHED_CONTEXT_BITS, MIN_UNTYPED_BITS, RETYPE_FAN_OUT_LIMIT, WORD_BITS};
use sel4_abi::{CapRights, InvocationLabel, ObjectType};

/// Granularity of the watermark in bits: the smallest object.
const WATERMARK_BITS: u32 = MIN_UNTYPED_BITS;
const _: () = assert!(1 << WATERMARK_BITS == 16);
/// Memory is cleared in pieces of this size.
const CLEAR_BITS: u32 = 12;
/// So much of it is a unit of work, log2.
const CLEAR_UNIT_BITS: u32 = 10;

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
    /// The memory of the untyped.
    region: MemRegion,
    /// What is to be done with it first.
    first: First,
    /// Where the first object goes.
    offset: u64,
}

/// What becomes of old content before objects are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// Nothing: there is none where it matters.
    Nothing,
    /// No objects are left, and it may stay: all of it is dirty.
    GiveBack,
    /// No objects are left, and it is cleared.
    Reset,
    /// What is dirty above the watermark is cleared.
    ClearRest,
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
    let (object, size_bits) = decode_object(k, args)?;
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
        region: this.region,
        first: match object {
            ObjectType::Untyped if reset && this.zero_from() != 0 => First::GiveBack,
            ObjectType::Untyped => First::Nothing,
            _ if reset && this.zero_from() != 0 => First::Reset,
            _ if this.dirty > this.watermark => First::ClearRest,
            _ => First::Nothing,
        },
        offset: start.next_multiple_of(1 << object_bits),
    })
}

/// Checks 3 to 7: what is to be made.
fn decode_object(k: &Kernel, args: &Args) -> Result<(ObjectType, u32), SyscallError> {
    let object = ObjectType::from_number(args.word(k, 0).any()).ok_or(SyscallError::InvalidArgument { index: 0 })?;
    let too_large = SyscallError::RangeError { min: 0, max: MAX_UNTYPED_BITS.into() };
    let size_bits = u32::try_from(args.word(k, 1).any()).ok().filter(|bits| *bits < WORD_BITS).ok_or(too_large)?;
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
    let root = args.cap(k, 0)?.cap;
    let depth = args.word(k, 3).any();
    let cnode = if depth == 0 {
        root
    } else {
        lookup::target_slot(k, root, args.word(k, 2).any(), depth, LookupSide::Destination)?.raw(k)
    };
    let Some(CNodeCap { slots, .. }) = cnode.cnode() else {
        return Err(SyscallError::FailedLookup {
            side: LookupSide::Destination,
            fault: LookupFault::MissingCapability { bits_left: depth },
        });
    };
    let len = slots.len() as u64;
    let first = args.word(k, 4).in_range(0, len - 1)?;
    let count = args.word(k, 5).in_range(1, RETYPE_FAN_OUT_LIMIT)?;
    if count > len - first {
        return Err(SyscallError::RangeError { min: 1, max: len - first });
    }
    let window = Window { cnode: slots, first: first as usize, count: count as usize };
    if window.slots().any(|slot| !slot.is_empty(k)) {
        return Err(SyscallError::DeleteFirst);
    }
    Ok(window)
}

/// Clears what must be clear, then makes the objects.
///
/// # Errors
///
/// `Preempted` after some of the memory was cleared; the capability says how far.
pub fn perform(k: &mut Kernel, retype: Retype) -> Result<(), Preempted> {
    match retype.first {
        First::Nothing => {}
        First::GiveBack => give_back(k, retype.slot),
        First::Reset => reset(k, retype.slot)?,
        First::ClearRest => clear_rest(k, retype.slot)?,
    }
    let (cap, region) = (retype.slot.raw(k), retype.region);
    let object_bits = retype.object.object_bits(retype.size_bits);
    let end = retype.offset + ((retype.window.count as u64) << object_bits);
    retype.slot.update(k, cap.with_watermark(end));
    match retype.object {
        ObjectType::Untyped => {
            let zeros = region.base().add(cap.untyped().map_or(0, |cap| cap.dirty));
            create(k, &retype, region, |_, region| {
                Some(if region.base() < zeros { UntypedCap::full(region) } else { UntypedCap::clear(region) })
            });
        }
        ObjectType::Tcb => create(k, &retype, region, |k, region| region.place::<Tcb>(k)),
        ObjectType::Endpoint => create(k, &retype, region, |k, region| {
            Some(EndpointCap { endpoint: region.place(k)?, badge: Badge::NONE, rights: CapRights::ALL })
        }),
        ObjectType::Notification => create(k, &retype, region, |k, region| {
            let rights = CapRights::READ_WRITE;
            Some(NotificationCap { notification: region.place(k)?, badge: Badge::NONE, rights })
        }),
        ObjectType::Reply => {
            create(k, &retype, region, |k, region| Some(ReplyCap { reply: region.place(k)?, can_grant: true }))
        }
        ObjectType::CNode => create(k, &retype, region, |k, region| {
            Some(CNodeCap { slots: region.place_slots(k)?, guard: 0, guard_size: 0 })
        }),
        ObjectType::SchedContext => create(k, &retype, region, |k, region| {
            let sched_context = region.place_sched_context(k)?;
            Some(SchedContextCap { sched_context, size_bits: region.size_bits() })
        }),
        ObjectType::SmallPage | ObjectType::LargePage | ObjectType::HugePage => {
            create(k, &retype, region, |_, region| {
                Some(FrameCap { region, rights: VmRights::ReadWrite, mapping: None })
            });
        }
        ObjectType::PageTable => {
            create(k, &retype, region, |k, region| Some(PageTableCap { table: region.place(k)?, mapping: None }))
        }
        ObjectType::VSpace => {
            create(k, &retype, region, |k, region| Some(VSpaceCap { root: region.place(k)?, asid: None }))
        }
    }
    Ok(())
}

/// Makes the objects, one behind the other, each with `make`, which gets its memory: cleared, and as large as the
/// object. None of it fails: decode found that the type suits the memory, and that there is room for all.
#[inline]
fn create<C: Into<RawCap>>(
    k: &mut Kernel,
    retype: &Retype,
    memory: MemRegion,
    make: impl Fn(&mut Kernel, MemRegion) -> Option<C>,
) {
    let object_bits = retype.object.object_bits(retype.size_bits);
    for (i, dest) in (0u64..).zip(retype.window.slots()) {
        let Some(region) = memory.carve(retype.offset + (i << object_bits), object_bits) else { break };
        let Some(cap) = make(k, region) else { break };
        cdt::insert_child(k, retype.slot, dest, cap, cdt::Original::Yes);
    }
}

/// Starts an untyped without children anew; what it was is dirty from now on.
#[inline(never)]
fn give_back(k: &Kernel, slot: SlotRef) {
    let Some(cap) = slot.raw(k).untyped() else { return };
    let unit = 1 << UntypedCap::dirty_unit_bits(cap.region);
    let dirty = if cap.region.is_device() { 0 } else { cap.zero_from().next_multiple_of(unit) };
    slot.update(k, UntypedCap { watermark: 0, dirty, ..cap });
}

/// Clears what an untyped without children holds from the top downwards, UT-2.
///
/// # Preemption
///
/// After every 4 KiB; the watermark follows, so the work is not lost.
#[inline(never)]
fn reset(k: &mut Kernel, slot: SlotRef) -> Result<(), Preempted> {
    let Some(cap) = slot.raw(k).untyped() else { return Ok(()) };
    let region = cap.region;
    let mut left = if region.is_device() { 0 } else { cap.zero_from() };
    slot.update(k, UntypedCap { region, watermark: left, dirty: 0 });
    while left > 0 {
        let start = (left - 1) & !((1 << CLEAR_BITS) - 1);
        region.clear(k, start, left - start);
        left = start;
        slot.update(k, UntypedCap { region, watermark: left, dirty: 0 });
        if left > 0 {
            k.preemption_point_after(1 << (CLEAR_BITS - CLEAR_UNIT_BITS))?;
        }
    }
    Ok(())
}

/// Clears what is dirty above the watermark, from the top downwards.
///
/// # Preemption
///
/// After every unit of the dirty memory, which follows.
#[inline(never)]
fn clear_rest(k: &mut Kernel, slot: SlotRef) -> Result<(), Preempted> {
    let Some(mut cap) = slot.raw(k).untyped() else { return Ok(()) };
    let unit_bits = UntypedCap::dirty_unit_bits(cap.region);
    while cap.zero_from() > cap.watermark {
        let end = cap.zero_from();
        cap.dirty = (end - 1) >> unit_bits << unit_bits;
        let start = cap.dirty.max(cap.watermark);
        cap.region.clear(k, start, end - start);
        slot.update(k, cap);
        k.preemption_point_after(1 << (unit_bits - CLEAR_UNIT_BITS))?;
    }
    Ok(())
}
