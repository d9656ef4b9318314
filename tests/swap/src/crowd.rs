//! Ten tasks at once, which together use four times as much memory as there is, all the time.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

use libmach::msg::Timeout;
use libmach::task::{TaskEnd, fork};
use libmach::vm::{PAGE_SIZE, VmInherit};
use libmach::{Region, println, thread};

use crate::{MEGABYTE, Outcome, WORDS, fill, holds, said};

const TASKS: usize = 10;
/// Memory of each: ten of them are four times 128 MiB.
const EACH: u64 = 52 * MEGABYTE;
/// How long progress is counted.
const MILLISECONDS: u32 = 8_000;
/// Jain's index of progress that is wanted, in thousandths.
const FAIR: u64 = 900;

/// What all tasks share: whether to go on, then two words a task.
struct Board(&'static Region);

impl Board {
    const WAIT: u64 = 0;
    const GO: u64 = 1;
    const STOP: u64 = 2;

    fn word(&self, index: usize) -> &'static core::sync::atomic::AtomicU64 {
        &self.0.words()[index]
    }

    fn state(&self) -> u64 {
        self.word(0).load(Relaxed)
    }

    /// Whether a task has its memory.
    fn ready(&self, task: usize) -> &'static core::sync::atomic::AtomicU64 {
        self.word(1 + 2 * task)
    }

    /// Pages that it has looked at and written to since all had theirs.
    fn progress(&self, task: usize) -> &'static core::sync::atomic::AtomicU64 {
        self.word(2 + 2 * task)
    }
}

/// Fills its memory, then goes over it again and again: each page must hold what it got the last time.
fn one(board: &Board, task: usize) -> i32 {
    let Ok(memory) = Region::allocate(EACH) else { return 2 };
    let pages = || memory.words().chunks(WORDS).enumerate();
    let version = |round: u64| round << 8 | task as u64;
    pages().for_each(|(page, words)| fill(version(0), page, words));
    board.ready(task).store(1, Relaxed);
    while board.state() == Board::WAIT {
        thread::sleep(20);
    }
    for round in 0.. {
        for (page, words) in pages() {
            if board.state() == Board::STOP {
                return 0;
            }
            if !holds(version(round), page, words) {
                return 1;
            }
            fill(version(round + 1), page, words);
            board.progress(task).fetch_add(1, Relaxed);
        }
    }
    0
}

/// Jain's index of fairness in thousandths: 1000 if all are the same, 1000 / n if one has everything.
fn jain(shares: &[u64]) -> u64 {
    let sum: u64 = shares.iter().sum();
    let squares: u64 = shares.iter().map(|share| share * share).sum();
    1000 * sum * sum / (shares.len() as u64 * squares).max(1)
}

pub(crate) fn ten_at_once() -> Outcome {
    let shared = Region::allocate(PAGE_SIZE).map_err(said("vm_allocate"))?;
    shared.inherit(VmInherit::SHARE).map_err(said("vm_inherit"))?;
    let board = Board(Box::leak(Box::new(shared)));
    let mut children = Vec::new();
    for task in 0..TASKS {
        let own = Board(board.0);
        children.push(fork(move || one(&own, task)).map_err(said("fork"))?);
    }
    while (0..TASKS).any(|task| board.ready(task).load(Relaxed) == 0) {
        thread::sleep(100);
    }
    board.word(0).store(Board::GO, Relaxed);
    thread::sleep(MILLISECONDS);
    let shares: Vec<u64> = (0..TASKS).map(|task| board.progress(task).load(Relaxed)).collect();
    board.word(0).store(Board::STOP, Relaxed);
    for (task, child) in children.iter().enumerate() {
        match child.wait(Timeout::Never) {
            Ok(TaskEnd::Exited { status: 0 }) => {}
            other => return Err(format!("task {task}: {other:?}")),
        }
    }
    let index = jain(&shares);
    println!("pages: {shares:?}, Jain's index {index} of 1000");
    let mean = shares.iter().sum::<u64>() / TASKS as u64;
    match shares.iter().find(|share| **share * 2 < mean.max(1)) {
        Some(starved) => Err(format!("one task got {starved} pages, and all {mean} on average")),
        None if index < FAIR => Err(format!("Jain's index of {shares:?} is {index} of 1000")),
        None => Ok(()),
    }
}
