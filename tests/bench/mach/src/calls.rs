//! Calls of the Mach server.

use core::sync::atomic::Ordering::Relaxed;

use libmach::port::mach_port_deallocate;
use libmach::task::{Memory, mach_task_self, task_create, task_terminate};
use libmach::vm::{PAGE_SIZE, VmFlags, VmProt, vm_allocate, vm_deallocate};
use libmach::{Region, Result};

use crate::faults::{faulting, read};
use crate::{Bench, Taken, ticks};

pub(crate) const ALL: &[Bench] = &[
    ("mach.allocate", allocate),
    ("mach.protect", protect),
    ("mach.task-create", create),
    ("mach.copied-page", reread),
];

const TIMES: u64 = 128;
/// Bytes that the maker of a task has touched.
const TOUCHED: u64 = 16 << 20;
const TASKS: u64 = 4;

/// Memory of one page, allocated and deallocated.
fn allocate() -> Result<Taken> {
    let (ticks, outcome) = ticks(|| {
        (0..TIMES).try_for_each(|_| {
            let address = vm_allocate(mach_task_self(), 0, PAGE_SIZE, VmFlags::ANYWHERE)?;
            vm_deallocate(mach_task_self(), address, PAGE_SIZE)
        })
    });
    outcome.map(|()| Taken { ticks, operations: TIMES })
}

/// A page in memory made read-only, then writable again: two operations.
fn protect() -> Result<Taken> {
    let page = Region::allocate(PAGE_SIZE)?;
    page.words()[0].store(1, Relaxed);
    let (ticks, outcome) = ticks(|| {
        (0..TIMES).try_for_each(|_| {
            page.protect(VmProt::READ)?;
            page.protect(VmProt::READ | VmProt::WRITE)
        })
    });
    outcome.map(|()| Taken { ticks, operations: 2 * TIMES })
}

/// Tasks that inherit a copy of what this one has touched; their ends are not timed.
fn create() -> Result<Taken> {
    let memory = Region::allocate(TOUCHED)?;
    let touch = || memory.words().iter().step_by(PAGE_SIZE as usize / 8).for_each(|word| word.store(1, Relaxed));
    let mut all = 0;
    for _ in 0..TASKS {
        // Pages that are shared with the task before become this one's own again.
        touch();
        let (ticks, task) = ticks(|| task_create(mach_task_self(), Memory::Inherited));
        all += ticks;
        let task = task?;
        task_terminate(task)?;
        mach_port_deallocate(mach_task_self(), task)?;
    }
    Ok(Taken { ticks: all, operations: TASKS })
}

/// The pages of a task that was copied, read one after the other: making the copy has taken its mappings away.
fn reread() -> Result<Taken> {
    const PAGES: usize = (TOUCHED / PAGE_SIZE) as usize;
    let memory = Region::allocate(TOUCHED)?;
    memory.words().iter().step_by(PAGE_SIZE as usize / 8).for_each(|word| word.store(1, Relaxed));
    let copy = task_create(mach_task_self(), Memory::Inherited)?;
    let taken = faulting(
        || {
            core::hint::black_box(read(&memory, 0..PAGES));
        },
        PAGES as u64,
    );
    task_terminate(copy)?;
    mach_port_deallocate(mach_task_self(), copy)?;
    Ok(taken)
}
