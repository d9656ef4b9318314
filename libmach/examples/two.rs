//! Two tasks, parent and child: what inheritance shares and copies, exact to the byte; then a thousand
//! generations, each a copy of the one before, that leave nothing behind.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use core::sync::atomic::AtomicU8;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};

use libmach::exception::{ExceptionRaise, catch};
use libmach::msg::Timeout;
use libmach::region::touch;
use libmach::task::{TaskEnd, fork, mach_task_self};
use libmach::thread::sleep;
use libmach::vm::{
    PAGE_SIZE, VM_REGION_EXTENDED_INFO, VM_REGION_EXTENDED_INFO_COUNT, VmInherit, vm_region_flavor, vm_statistics,
};
use libmach::{KernReturn, Region, Result, println};

libmach::entry!(main);

const SIZE: u64 = 5 * PAGE_SIZE;
const GENERATIONS: u64 = 1000;
/// How long a chain of shadows may be: the page's own object and the two that a fork puts on each side.
const CHAIN_MAX: u64 = 4;

/// Regions live as long as their task: a child has them where its parent has.
type Shared = &'static Region;

fn main() -> Result<i32> {
    let inherited = inheritance()?;
    let generations = generations()?;
    Ok(if inherited && generations { 0 } else { 1 })
}

fn region(inheritance: VmInherit) -> Result<Shared> {
    let region = Region::allocate(SIZE)?;
    region.inherit(inheritance)?;
    Ok(Box::leak(Box::new(region)))
}

/// What stands at byte `index` of memory whose bytes of the first `written` kinds were written over.
fn byte(index: usize, written: &[usize]) -> u8 {
    let kind = index % 3;
    let writer = if written.contains(&kind) { kind + 1 } else { 0 };
    (index * 7 + writer * 101) as u8
}

/// Writes over the bytes of one kind.
fn write(bytes: &[AtomicU8], kind: usize) {
    for (index, cell) in bytes.iter().enumerate().filter(|(index, _)| index % 3 == kind) {
        cell.store(byte(index, &[kind]), Relaxed);
    }
}

/// Counts the bytes that are not as they should be.
fn wrong(region: &Region, written: &[usize]) -> usize {
    let bytes = region.bytes().iter().enumerate();
    bytes.filter(|(index, cell)| cell.load(Relaxed) != byte(*index, written)).count()
}

/// The steps of parent and child, one after the other, by a shared word.
struct Steps(Shared);

impl Steps {
    fn done(&self, step: u64) {
        self.0.words()[0].store(step, SeqCst);
    }

    fn wait_for(&self, step: u64) {
        while self.0.words()[0].load(SeqCst) < step {
            sleep(1);
        }
    }
}

fn inheritance() -> Result<bool> {
    let [none, share, copy] = [region(VmInherit::NONE)?, region(VmInherit::SHARE)?, region(VmInherit::COPY)?];
    let steps = Steps(region(VmInherit::SHARE)?);
    for region in [none, share, copy] {
        for (index, cell) in region.bytes().iter().enumerate() {
            cell.store(byte(index, &[]), Relaxed);
        }
    }
    let child_steps = Steps(steps.0);
    let child = fork(move || run_child(none, share, copy, &child_steps))?;

    steps.wait_for(1);
    println!("parent: the child's bytes in shared memory, {} wrong", wrong(share, &[0]));
    println!("parent: its own copy as it was, {} wrong", wrong(copy, &[]));
    write(share.bytes(), 1);
    write(copy.bytes(), 1);
    steps.done(2);

    let end = child.wait(Timeout::Never)?;
    println!("parent: the child ended: {end:?}");
    println!("parent: shared {} wrong, copy {} wrong", wrong(share, &[0, 1, 2]), wrong(copy, &[1]));
    println!("parent: what was not inherited as it was, {} wrong", wrong(none, &[]));
    let exact = wrong(share, &[0, 1, 2]) + wrong(copy, &[1]) + wrong(none, &[]) == 0;
    Ok(exact && end == TaskEnd::Exited { status: 0 })
}

/// The child: looks, writes, lets the parent look and write, looks again.
fn run_child(none: Shared, share: Shared, copy: Shared, steps: &Steps) -> i32 {
    println!("child: shared {} wrong, copy {} wrong", wrong(share, &[]), wrong(copy, &[]));
    let address = none.address();
    match catch(|| touch(address)) {
        Ok(Err(ExceptionRaise { exception, code, .. })) => {
            println!("child: what was not inherited: {exception:?}, {:?}", KernReturn(code));
        }
        other => println!("child: what was not inherited: {other:?}"),
    }
    write(share.bytes(), 0);
    write(copy.bytes(), 0);
    steps.done(1);
    steps.wait_for(2);
    let wrong_bytes = wrong(share, &[0, 1]) + wrong(copy, &[0]);
    println!("child: the parent's bytes in shared memory, its own in the copy, {wrong_bytes} wrong");
    write(share.bytes(), 2);
    i32::from(wrong_bytes != 0)
}

/// What the generations tell their ancestor, in shared words.
const REACHED: usize = 0;
const LONGEST_CHAIN: usize = 1;
const FAILED: usize = 2;

/// Makes the generations and counts frames before and after.
fn generations() -> Result<bool> {
    let page = region(VmInherit::COPY)?;
    let notes = region(VmInherit::SHARE)?;
    page.words()[0].store(0, Relaxed);
    // One round for what a first time costs: the heap, the stack, the console's port.
    run_generations(page, notes, 2)?;
    let before = free_frames()?;
    run_generations(page, notes, GENERATIONS)?;
    let after = wait_for_frames(before)?;

    let note = |index: usize| notes.words()[index].load(SeqCst);
    println!("{} generations, {} failed", note(REACHED), note(FAILED));
    println!(
        "the longest chain of objects is bounded: {}",
        verdict(note(LONGEST_CHAIN) <= CHAIN_MAX, note(LONGEST_CHAIN))
    );
    println!("frames left behind: {}", i64::from(before) - i64::from(after));
    Ok(note(REACHED) == GENERATIONS && note(FAILED) == 0 && note(LONGEST_CHAIN) <= CHAIN_MAX && before == after)
}

/// "true", or the number that is too large.
fn verdict(good: bool, number: u64) -> impl core::fmt::Display {
    struct Verdict(bool, u64);
    impl core::fmt::Display for Verdict {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            if self.0 { f.write_str("true") } else { write!(f, "false, it has {}", self.1) }
        }
    }
    Verdict(good, number)
}

/// Starts the first of `count` generations, and waits until the last has run.
fn run_generations(page: Shared, notes: Shared, count: u64) -> Result<()> {
    for word in &notes.words()[..3] {
        word.store(0, SeqCst);
    }
    drop(fork(move || generation(page, notes, 1, count))?);
    while notes.words()[REACHED].load(SeqCst) < count && notes.words()[FAILED].load(SeqCst) == 0 {
        sleep(1);
    }
    Ok(())
}

/// One generation: reads what its parent wrote, writes its own number, makes the next one, and ends.
fn generation(page: Shared, notes: Shared, number: u64, count: u64) -> i32 {
    let words = page.words();
    let inherited = words[0].load(Relaxed);
    words[0].store(number, Relaxed);
    if number > 1 && inherited != number - 1 {
        notes.words()[FAILED].fetch_add(1, SeqCst);
    }
    match chain_length(page) {
        Ok(length) => drop(notes.words()[LONGEST_CHAIN].fetch_max(length, SeqCst)),
        Err(_) => drop(notes.words()[FAILED].fetch_add(1, SeqCst)),
    }
    if number < count && fork(move || generation(page, notes, number + 1, count)).is_err() {
        notes.words()[FAILED].fetch_add(1, SeqCst);
    }
    notes.words()[REACHED].fetch_add(1, SeqCst);
    0
}

/// How many objects lie below the page's own.
fn chain_length(page: Shared) -> Result<u64> {
    const SHADOW_DEPTH: usize = 7;
    let flavor = VM_REGION_EXTENDED_INFO;
    let reply = vm_region_flavor(mach_task_self(), page.address(), flavor, VM_REGION_EXTENDED_INFO_COUNT)?;
    let depth = reply.info.as_slice().get(SHADOW_DEPTH).ok_or(KernReturn::MIG_TYPE_ERROR)?;
    Ok(u64::from(depth & 0xffff))
}

fn free_frames() -> Result<u32> {
    // What ended tasks leave is freed little by little: a moment without work, and the count stands.
    sleep(50);
    Ok(vm_statistics(mach_task_self())?.free_count)
}

/// Waits until as many frames are free as before; gives up after two seconds.
fn wait_for_frames(before: u32) -> Result<u32> {
    let mut free = free_frames()?;
    for _ in 0..40 {
        if free == before {
            break;
        }
        free = free_frames()?;
    }
    Ok(free)
}
