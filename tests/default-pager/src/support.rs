//! Memory that is filled, paged out, and looked at.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt::Debug;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use libmach::default_pager::{default_pager_info, default_pager_object_pages_of};
use libmach::exception::catch;
use libmach::host::vm_set_default_memory_manager;
use libmach::memory_object::set_free_targets;
use libmach::port::mach_port_deallocate;
use libmach::task::mach_task_self;
use libmach::vm::{PAGE_SIZE, gnu_vm_region, vm_deallocate, vm_statistics};
use libmach::{KernReturn, PortName, Region, thread};
use mach_protocol::boot::HOST_PRIV;

use crate::Outcome;

pub(crate) const WORDS: usize = PAGE_SIZE as usize / 8;
pub(crate) const MEGABYTE: u64 = 1 << 20;

pub(crate) fn said(what: &str) -> impl Fn(KernReturn) -> String + '_ {
    move |code| format!("{what}: {code:?}")
}

/// Wants a call to fail with a code.
pub(crate) fn fails<T: Debug>(what: &str, code: KernReturn, outcome: Result<T, KernReturn>) -> Outcome {
    match outcome {
        Err(is) if is == code => Ok(()),
        other => Err(format!("{what}: {other:?}, and not {code:?}")),
    }
}

/// Wants two values to be the same.
pub(crate) fn same<T: PartialEq + Debug>(what: &str, wanted: T, is: T) -> Outcome {
    if is == wanted { Ok(()) } else { Err(format!("{what}: {is:?}, and not {wanted:?}")) }
}

/// The default pager's own port.
pub(crate) fn pager() -> Result<PortName, String> {
    let pager = vm_set_default_memory_manager(HOST_PRIV, PortName::NULL).map_err(said("the default pager"))?;
    if pager.is_valid() { Ok(pager) } else { Err("there is no default pager".into()) }
}

/// Bytes of paging space that are free.
pub(crate) fn free_space(pager: PortName) -> Result<u64, String> {
    default_pager_info(pager).map(|info| info.free_space).map_err(said("default_pager_info"))
}

/// What a word of a page of a version holds. No other page has its first word.
pub(crate) const fn wanted(version: u64, page: usize, word: usize) -> u64 {
    (page as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(version << 56) ^ word as u64
}

fn holds(version: u64, page: usize, words: &[AtomicU64]) -> bool {
    words.iter().enumerate().all(|(index, word)| word.load(Relaxed) == wanted(version, page, index))
}

/// New memory, filled with a version.
pub(crate) fn filled(version: u64, size: u64) -> Result<Region, String> {
    let memory = Region::allocate(size).map_err(said("vm_allocate"))?;
    fill(&memory, version);
    Ok(memory)
}

pub(crate) fn fill(memory: &Region, version: u64) {
    for (page, words) in memory.words().chunks(WORDS).enumerate() {
        words.iter().enumerate().for_each(|(index, word)| word.store(wanted(version, page, index), Relaxed));
    }
}

/// What is found in memory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Pages that hold something else than they must.
    pub(crate) wrong: usize,
    /// Pages whose touch raises `EXC_BAD_ACCESS` with `KERN_MEMORY_ERROR`.
    pub(crate) failed: usize,
}

/// Looks at all pages of memory that holds a version.
pub(crate) fn look(memory: &Region, version: u64) -> Result<Found, String> {
    let mut found = Found::default();
    let (at, wrong) = (AtomicU64::new(0), AtomicU64::new(0));
    loop {
        let first = at.load(Relaxed) as usize;
        let caught = catch(|| {
            for (page, words) in memory.words().chunks(WORDS).enumerate().skip(first) {
                at.store(page as u64, Relaxed);
                if !holds(version, page, words) {
                    wrong.fetch_add(1, Relaxed);
                }
            }
        });
        match caught {
            Ok(Ok(())) => break,
            Ok(Err(raised)) if raised.code == KernReturn::MEMORY_ERROR.0 => {
                found.failed += 1;
                at.fetch_add(1, Relaxed);
                if at.load(Relaxed) * PAGE_SIZE >= memory.size() {
                    break;
                }
            }
            other => return Err(format!("page {}: {other:?}", at.load(Relaxed))),
        }
    }
    found.wrong = wrong.load(Relaxed) as usize;
    Ok(found)
}

/// Wants all of memory to hold a version.
pub(crate) fn intact(memory: &Region, version: u64) -> Outcome {
    same("pages that are wrong or lost", Found::default(), look(memory, version)?)
}

/// The pages of memory that the default pager holds.
pub(crate) fn held(pager: PortName, memory: &Region) -> Result<usize, String> {
    let region = gnu_vm_region(mach_task_self(), memory.address()).map_err(said("vm_region"))?;
    let pages = default_pager_object_pages_of(pager, region.object_name);
    // The right was asked for this call alone.
    let _ = mach_port_deallocate(mach_task_self(), region.object_name);
    match pages {
        Ok(pages) => Ok(pages.len()),
        // Nothing of it was ever paged out.
        Err(KernReturn::INVALID_ARGUMENT) => Ok(0),
        Err(code) => Err(format!("default_pager_object_pages: {code:?}")),
    }
}

/// Has so many pages paged out: of this memory, which is the only one that can go, as the servers and what the task itself
/// needs stay.
pub(crate) fn page_out(memory: &Region, wanted: u64) -> Outcome {
    let free = || vm_statistics(mach_task_self()).map(|now| u64::from(now.free_count)).map_err(said("vm_statistics"));
    // What was out before comes in, so that as many more frames are free afterwards as pages went.
    let touched = memory.words().iter().step_by(WORDS).fold(0, |sum, word| sum ^ word.load(Relaxed));
    core::hint::black_box(touched);
    let goal = free()? + wanted;
    let done = wait_until("pages are paged out", || {
        set_free_targets(HOST_PRIV, goal, goal).map_err(said("set_free_targets"))?;
        Ok(free()? >= goal)
    });
    set_free_targets(HOST_PRIV, 0, 0).map_err(said("set_free_targets"))?;
    done
}

/// Memory that a child has as well, for its closure: it stays until [`let_go`].
pub(crate) fn shared(memory: Region) -> &'static Region {
    Box::leak(Box::new(memory))
}

/// Gives the memory of [`shared`] back.
pub(crate) fn let_go(memory: &'static Region) -> Outcome {
    vm_deallocate(mach_task_self(), memory.address(), memory.size()).map_err(said("vm_deallocate"))
}

/// Waits until something is so, for some seconds.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> Result<bool, String>) -> Outcome {
    for _ in 0..500 {
        if is_so()? {
            return Ok(());
        }
        thread::sleep(20);
    }
    Err(format!("{what}: not within ten seconds"))
}
