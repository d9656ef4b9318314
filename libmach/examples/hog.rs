//! Takes all memory, is told so in an orderly way, is killed; and every frame comes back. A hundred times, or as
//! often as its argument says.
//!
//! The hog is a child, and its parent its exception handler: the touch for which there is no frame raises
//! EXC_BAD_ACCESS with KERN_RESOURCE_SHORTAGE; then the parent terminates it. A call that is refused counts as well.
//! After each hog the parent compares what the server has in use, by type, and how many frames are free, with what
//! there was before the first one.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use core::hint::black_box;
use core::sync::atomic::Ordering::SeqCst;

use libmach::exception::{ExceptionType, Handler, Waiting};
use libmach::memory_object::{ServerUsageReply, server_usage};
use libmach::msg::Timeout;
use libmach::task::{TaskEnd, fork, mach_task_self, task_terminate};
use libmach::thread::{park, sleep};
use libmach::vm::{PAGE_SIZE, VmInherit, vm_statistics};
use libmach::{KernReturn, Region, Result, println};

libmach::entry!(main);

const ROUNDS: u32 = 100;
const PIECE: u64 = 1 << 20;
/// Frames that the server keeps in reserve, and what it may need meanwhile.
const NEARLY_NOTHING: u32 = 256;

fn main() -> Result<i32> {
    let rounds = libmach::args().nth(1).and_then(|arg| arg.parse().ok()).unwrap_or(ROUNDS);
    let notes = Region::allocate(PAGE_SIZE)?;
    notes.inherit(VmInherit::SHARE)?;
    let notes: &'static Region = Box::leak(Box::new(notes));
    // What the parent will have itself, so that it is there before the first count: this page, its stack, a port for
    // its answers and one for the console.
    notes.words()[GO].store(0, SeqCst);
    own_stack();
    println!("{rounds} hogs, one after the other");

    let before = count()?;
    let (mut orderly, mut returned) = (0, 0);
    for _ in 0..rounds {
        let (told, left) = round(notes)?;
        orderly += u32::from(told && left < NEARLY_NOTHING);
        returned += u32::from(wait_for(&before)? == before);
    }
    println!("left nearly nothing and were told so in an orderly way: {orderly}");
    println!("gave every frame back, and all else that the server had for them: {returned}");
    Ok(i32::from(orderly != rounds || returned != rounds))
}

/// The shared words: the start, and the code of a call that the hog was refused.
const GO: usize = 0;
const REFUSED: usize = 1;

/// Lets a hog take all it can, and kills it. Answers whether it was told of the shortage and killed, and how many
/// frames were free then.
fn round(notes: &'static Region) -> Result<(bool, u32)> {
    notes.words()[GO].store(0, SeqCst);
    notes.words()[REFUSED].store(0, SeqCst);
    let handler = Handler::new()?;
    let hog = fork(move || take_everything(notes))?;
    handler.attach_to_task(hog.task())?;
    own_stack();
    notes.words()[GO].store(1, SeqCst);

    let (code, waiting) = shortage(notes, &handler)?;
    let left = free_frames()?;
    let told = matches!(code, KernReturn::RESOURCE_SHORTAGE | KernReturn::NO_SPACE);
    // Ended while it waits, for the answer to its exception or to be woken; an answer would end it otherwise.
    task_terminate(hog.task())?;
    drop(waiting);
    Ok((told && hog.wait(Timeout::Never)? == TaskEnd::Terminated, left))
}

/// Writes to the stack that the parent will use. Since the fork its pages are copies to be made at the next write,
/// and there must be no frame to wait for when there are none.
#[inline(never)]
fn own_stack() {
    let mut space = [0_u8; 48 * 1024];
    black_box(&mut space).fill(1);
    black_box(&space);
}

/// Waits until the hog gets no more: by an exception, or by a call that is refused. Answers the code, and the
/// exception that waits for an answer.
fn shortage(notes: &Region, handler: &Handler) -> Result<(KernReturn, Option<Waiting>)> {
    loop {
        match handler.wait(Timeout::Millis(20)) {
            Ok(waiting) => {
                let raised = waiting.raised();
                let shortage = raised.exception == ExceptionType::BAD_ACCESS;
                let code = if shortage { KernReturn(raised.code) } else { KernReturn::FAILURE };
                return Ok((code, Some(waiting)));
            }
            Err(KernReturn::RCV_TIMED_OUT) => match notes.words()[REFUSED].load(SeqCst) {
                0 => {}
                code => return Ok((KernReturn(code as i32), None)),
            },
            Err(code) => return Err(code),
        }
    }
}

/// Allocates piece after piece and touches every page, until there is none.
fn take_everything(notes: &Region) -> i32 {
    while notes.words()[GO].load(SeqCst) == 0 {
        sleep(1);
    }
    loop {
        match Region::allocate(PIECE) {
            Ok(piece) => {
                for page in piece.bytes().chunks(PAGE_SIZE as usize) {
                    page[0].store(1, SeqCst);
                }
                core::mem::forget(piece);
            }
            Err(code) => {
                notes.words()[REFUSED].store(code.0 as u64, SeqCst);
                park(Timeout::Never);
            }
        }
    }
}

fn free_frames() -> Result<u32> {
    Ok(vm_statistics(mach_task_self())?.free_count)
}

/// The frames that are free, and what the server has in use.
fn count() -> Result<(u32, ServerUsageReply)> {
    Ok((free_frames()?, server_usage()?))
}

/// Waits until things are as before: what ended tasks leave is freed little by little. Gives up after some seconds.
fn wait_for(before: &(u32, ServerUsageReply)) -> Result<(u32, ServerUsageReply)> {
    let mut now = count()?;
    for _ in 0..200 {
        if now == *before {
            break;
        }
        sleep(10);
        now = count()?;
    }
    Ok(now)
}
