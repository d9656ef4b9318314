//! Making objects of each type, and taking them back: retype, delete, revoke.

use mach_sys::abi::InvocationLabel;
use mach_sys::cap::Untyped;
use mach_sys::{CPtr, ObjectType};

use crate::code::{self, Act, Step};
use crate::invocations::{BATCH, DEPTH, ROUNDS, batch, invocation};
use crate::measure::{Failure, Round, measure};
use crate::objects::{CNODE, Objects};

/// The untyped that objects are made of, log2: room for the batch and one more of the largest.
const UNTYPED_BITS: u64 = 19;
const PAGE_BITS: u64 = 12;
/// A scheduling context with eight refills more than two, log2.
const SCHED_CONTEXT_BITS: u64 = 8;
/// Objects of an untyped that has some.
const SOME: u64 = 10;

/// Measures them all.
pub(crate) fn measure_all(objects: &mut Objects) -> Result<(), Failure> {
    objects.send_along(&[CNODE.cptr()]);
    let memory = objects.one::<Untyped>(ObjectType::Untyped, UNTYPED_BITS)?.cptr();
    let slots = objects.empty(1 + BATCH as u64)?;
    let kinds = [
        (ObjectType::Tcb, 0, "kernel.retype.tcb", Some("kernel.delete.tcb")),
        (ObjectType::Endpoint, 0, "kernel.retype.endpoint", Some("kernel.delete.endpoint")),
        (ObjectType::Notification, 0, "kernel.retype.notification", None),
        (ObjectType::Reply, 0, "kernel.retype.reply", None),
        (ObjectType::SchedContext, SCHED_CONTEXT_BITS, "kernel.retype.sched-context", None),
        (ObjectType::SmallPage, 0, "", Some("kernel.delete.frame")),
    ];
    for (kind, size_bits, retype, delete) in kinds {
        make_and_delete(objects, memory, slots, (kind, size_bits), (retype, delete))?;
    }
    reuse(objects)
}

fn retype(memory: CPtr, kind: ObjectType, size_bits: u64, slot: CPtr, count: u64) -> Step {
    let words = [kind.number(), size_bits, 0, 0, slot, count];
    invocation(memory, InvocationLabel::UntypedRetype, &words)
}

fn revoke(slot: CPtr) -> Step {
    invocation(CNODE.cptr(), InvocationLabel::CNodeRevoke, &[slot, DEPTH])
}

fn delete(slot: CPtr) -> Step {
    invocation(CNODE.cptr(), InvocationLabel::CNodeDelete, &[slot, DEPTH])
}

/// One object after the other, out of memory that has been cleared; and deleting each, its only capability. The object
/// that is made first stays until the round is over: making it clears the memory of the round before.
fn make_and_delete(
    objects: &Objects,
    memory: CPtr,
    slots: CPtr,
    (kind, size_bits): (ObjectType, u64),
    (making, deleting): (&'static str, Option<&'static str>),
) -> Result<(), Failure> {
    let clear = [retype(memory, kind, size_bits, slots, 1)];
    let after = [revoke(memory)];
    if !making.is_empty() {
        let make = batch(|index| retype(memory, kind, size_bits, slots + 1 + index, 1));
        measure(making, &Round { before: &clear, timed: &make, after: &after }, ROUNDS, objects)?;
    }
    if let Some(name) = deleting {
        let before = [clear[0], retype(memory, kind, size_bits, slots + 1, BATCH as u64)];
        let delete = batch(|index| delete(slots + 1 + index));
        measure(name, &Round { before: &before, timed: &delete, after: &after }, ROUNDS, objects)?;
    }
    Ok(())
}

/// Untypeds of one page each: with a page that was made and deleted before, and revoked with few children.
fn reuse(objects: &mut Objects) -> Result<(), Failure> {
    let memories = objects.several(ObjectType::Untyped, PAGE_BITS, BATCH as u64)?;
    let slots = objects.empty(BATCH as u64 * SOME)?;
    let fill = batch(|index| retype(memories + index, ObjectType::SmallPage, 0, slots + index, 1));
    let empty = batch(|index| delete(slots + index));
    let revoke = batch(|index| revoke(memories + index));
    code::run(&fill, Act::Call, objects.buffer);
    code::run(&empty, Act::Call, objects.buffer);
    measure("kernel.retype.used", &Round { before: &[], timed: &fill, after: &empty }, ROUNDS, objects)?;
    measure("kernel.revoke-0", &Round::only(&revoke), ROUNDS, objects)?;
    measure("kernel.revoke-1", &Round { before: &fill, timed: &revoke, after: &[] }, ROUNDS, objects)?;
    let some = batch(|index| retype(memories + index, ObjectType::Endpoint, 0, slots + index * SOME, SOME));
    measure("kernel.revoke-10", &Round { before: &some, timed: &revoke, after: &[] }, ROUNDS, objects)
}
