//! Calls that one thread makes and that switch to no other: the null call, mapping, capabilities, making objects.

use mach_sys::abi::{InvocationLabel, MessageInfo, Syscall};
use mach_sys::cap::Untyped;
use mach_sys::{CPtr, CapRights, ObjectType, VmAttributes};

use crate::code::{self, Act, Step};
use crate::measure::{Failure, Round, measure};
use crate::objects::{CNODE, Objects};
use crate::space::Space;

/// Calls that are timed together.
pub(crate) const BATCH: usize = 64;
pub(crate) const ROUNDS: u64 = 16;
/// The untyped that frames are made of, log2: room for the batch and one more.
const UNTYPED_BITS: u64 = 19;
pub(crate) const DEPTH: u64 = 64;

/// An invocation with these message words, of which the fourth and fifth travel in the IPC buffer.
pub(crate) fn invocation(cptr: CPtr, label: InvocationLabel, words: &[u64]) -> Step {
    long_invocation(cptr, label, words, words.len())
}

/// The same, with a message of `length` words; the sixth and those behind it are what the buffer happens to hold.
pub(crate) fn long_invocation(cptr: CPtr, label: InvocationLabel, words: &[u64], length: usize) -> Step {
    let word = |index| words.get(index).copied().unwrap_or_default();
    let info = MessageInfo::new(label.number(), 0, label.extra_caps() as u64, length as u64);
    Step::new(Syscall::Call, cptr, info, [word(0), word(1), word(2), word(3)]).with_more(word(4), word(5))
}

/// A batch of steps, by number.
pub(crate) fn batch(step: impl Fn(u64) -> Step) -> [Step; BATCH] {
    core::array::from_fn(|index| step(index as u64))
}

/// Measures them all.
pub(crate) fn measure_all(objects: &mut Objects, space: &Space) -> Result<(), Failure> {
    null(objects)?;
    let frames = objects.several(ObjectType::SmallPage, 0, BATCH as u64)?;
    mapping(objects, space, frames)?;
    tables(objects, space)?;
    capabilities(objects, frames)?;
    retype(objects)
}

fn null(objects: &Objects) -> Result<(), Failure> {
    let nothing = MessageInfo::new(0, 0, 0, 0);
    let null = batch(|_| Step::new(Syscall::NbSend, 0, nothing, [0; 4]));
    measure("kernel.null", &Round::only(&null), ROUNDS, objects)
}

fn mapping(objects: &Objects, space: &Space, frames: CPtr) -> Result<(), Failure> {
    let attributes = (VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER).bits();
    let mut addresses = Space::window();
    let addresses: [u64; BATCH] = core::array::from_fn(|_| addresses.next().unwrap_or_default());
    let map = batch(|index| {
        let address = addresses.get(index as usize).copied().unwrap_or_default();
        invocation(frames + index, InvocationLabel::PageMap, &[address, CapRights::READ_WRITE.bits(), attributes])
    });
    let unmap = batch(|index| invocation(frames + index, InvocationLabel::PageUnmap, &[]));
    objects.send_along(&[space.vspace.cptr()]);
    measure("kernel.map", &Round { before: &[], timed: &map, after: &unmap }, ROUNDS, objects)?;
    measure("kernel.unmap", &Round { before: &map, timed: &unmap, after: &[] }, ROUNDS, objects)?;
    measure("kernel.map.again", &Round { before: &map, timed: &map, after: &unmap }, ROUNDS, objects)
}

/// Last-level tables, each for a part of its own of the address space.
fn tables(objects: &mut Objects, space: &Space) -> Result<(), Failure> {
    let tables = objects.several(ObjectType::PageTable, 0, BATCH as u64)?;
    let map = batch(|index| {
        let words = [Space::PARTS + index * Space::PART, VmAttributes::DEFAULT.bits()];
        invocation(tables + index, InvocationLabel::PageTableMap, &words)
    });
    let unmap = batch(|index| invocation(tables + index, InvocationLabel::PageTableUnmap, &[]));
    objects.send_along(&[space.vspace.cptr()]);
    measure("kernel.table.map", &Round { before: &[], timed: &map, after: &unmap }, ROUNDS, objects)?;
    measure("kernel.table.unmap", &Round { before: &map, timed: &unmap, after: &[] }, ROUNDS, objects)
}

fn capabilities(objects: &mut Objects, frames: CPtr) -> Result<(), Failure> {
    let copies = objects.empty(BATCH as u64)?;
    let others = objects.empty(BATCH as u64)?;
    let on = |label, words: &[u64]| invocation(CNODE.cptr(), label, words);
    let copy = batch(|index| {
        let rights = CapRights::ALL.bits();
        on(InvocationLabel::CNodeCopy, &[copies + index, DEPTH, frames + index, DEPTH, rights])
    });
    let mint = batch(|index| {
        let rights = CapRights::ALL.bits();
        on(InvocationLabel::CNodeMint, &[copies + index, DEPTH, frames + index, DEPTH, rights, 0])
    });
    let delete = batch(|index| on(InvocationLabel::CNodeDelete, &[copies + index, DEPTH]));
    let forth = batch(|index| on(InvocationLabel::CNodeMove, &[others + index, DEPTH, copies + index, DEPTH]));
    let back = batch(|index| on(InvocationLabel::CNodeMove, &[copies + index, DEPTH, others + index, DEPTH]));
    objects.send_along(&[CNODE.cptr()]);
    measure("kernel.copy", &Round { before: &[], timed: &copy, after: &delete }, ROUNDS, objects)?;
    measure("kernel.mint", &Round { before: &[], timed: &mint, after: &delete }, ROUNDS, objects)?;
    measure("kernel.delete", &Round { before: &copy, timed: &delete, after: &[] }, ROUNDS, objects)?;
    measure("kernel.delete.empty", &Round::only(&delete), ROUNDS, objects)?;
    // One copy each to move to and fro.
    code::run(&copy, Act::Call, objects.buffer);
    measure("kernel.move", &Round { before: &[], timed: &forth, after: &back }, ROUNDS, objects)?;
    code::run(&delete, Act::Call, objects.buffer);
    Ok(())
}

/// Frames out of an untyped that has been cleared. The frame that is made first stays until the round is over: making
/// it clears the memory of the round before.
fn retype(objects: &mut Objects) -> Result<(), Failure> {
    let memory = objects.one::<Untyped>(ObjectType::Untyped, UNTYPED_BITS)?;
    let first = objects.empty(1 + BATCH as u64)?;
    let frames = |from: u64, count: u64| {
        let words = [ObjectType::SmallPage.number(), 0, 0, 0, from, count];
        invocation(memory.cptr(), InvocationLabel::UntypedRetype, &words)
    };
    let revoke = [invocation(CNODE.cptr(), InvocationLabel::CNodeRevoke, &[memory.cptr(), DEPTH])];
    let clear = [frames(first, 1)];
    let all = [frames(first + 1, BATCH as u64)];
    let one = batch(|index| frames(first + 1 + index, 1));
    objects.send_along(&[CNODE.cptr()]);
    measure("kernel.retype", &Round { before: &clear, timed: &one, after: &revoke }, ROUNDS, objects)?;
    measure("kernel.retype-64", &Round { before: &clear, timed: &all, after: &revoke }, ROUNDS, objects)?;
    let full = [clear[0], frames(first + 1, BATCH as u64 - 1)];
    measure("kernel.revoke-64", &Round { before: &full, timed: &revoke, after: &[] }, ROUNDS, objects)
}
