//! Objects: those that anybody may map, what is told of all, and clients that end.

use alloc::format;
use core::sync::atomic::Ordering::Relaxed;

use libmach::default_pager::{
    default_pager_info, default_pager_object_create, default_pager_object_pages, default_pager_object_pages_of,
    default_pager_objects, default_pager_register_fileserver,
};
use libmach::exception::catch;
use libmach::msg::Timeout;
use libmach::port::mach_port_deallocate;
use libmach::task::{TaskEnd, fork, mach_task_self, task_terminate};
use libmach::vm::{MapRequest, PAGE_SIZE, VmInherit, gnu_vm_region, vm_write};
use libmach::{KernReturn, PortName, Region, names, thread};

use crate::support::{
    MEGABYTE, WORDS, fails, filled, free_space, held, intact, page_out, pager, said, same, wait_until,
};
use crate::support::{fill, let_go, look, shared, wanted};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("pager.ports", only_the_pagers_port_serves),
    ("pager.i-dp.09", an_object_for_everybody),
    ("pager.i-dp.09.size", an_object_has_a_size),
    ("pager.i-dp.10", what_is_held_is_told),
    ("pager.i-dp.07", a_copy_that_is_paged_out_leaves_nothing),
    ("pager.i-dp.18", clients_that_end_while_pages_come_in),
];

/// The port that everybody finds answers one request; wrong ports are `INVALID_ARGUMENT`.
fn only_the_pagers_port_serves() -> Outcome {
    const BAD: KernReturn = KernReturn::INVALID_ARGUMENT;
    let public = names::lookup("default-pager").map_err(said("lookup"))?;
    fails("object_create", BAD, default_pager_object_create(public, PAGE_SIZE))?;
    fails("objects", BAD, default_pager_objects(public))?;
    fails("object_pages", BAD, default_pager_object_pages(public, 1))?;
    let pager = pager()?;
    let told = default_pager_info(public).map_err(said("default_pager_info"))?;
    same("the space", default_pager_info(pager).map_err(said("default_pager_info"))?.total_space, told.total_space)?;
    default_pager_register_fileserver(pager, public).map_err(said("register_fileserver"))?;
    fails("object_pages of none", BAD, default_pager_object_pages(pager, u64::MAX))?;
    fails("object_pages of another port", BAD, default_pager_object_pages_of(pager, public))?;
    mach_port_deallocate(mach_task_self(), public).map_err(said("mach_port_deallocate"))
}

fn map(object: PortName, size: u64) -> Result<Region, alloc::string::String> {
    Region::map(&MapRequest::object(object, size)).map_err(said("vm_map"))
}

/// Zero at first, shared, there without a mapping, gone with the last right.
fn an_object_for_everybody() -> Outcome {
    const SIZE: u64 = 16 * PAGE_SIZE;
    let pager = pager()?;
    let (before, free) = (default_pager_objects(pager).map_err(said("objects"))?.len(), free_space(pager)?);
    let object = default_pager_object_create(pager, SIZE).map_err(said("object_create"))?;
    let memory = map(object, SIZE)?;
    same("words that are not zero at first", 0, memory.words().iter().filter(|word| word.load(Relaxed) != 0).count())?;
    fill(&memory, 3);
    // The child has the same memory.
    let last = memory.words().len() - 1;
    let (address, word) = (memory.address() + last as u64 * 8, wanted(3, 15, WORDS - 1));
    let child = fork(move || {
        let found = Region::read_from(mach_task_self(), address, 8);
        let is_right = found.is_ok_and(|found| found.words().first().map(|cell| cell.load(Relaxed)) == Some(word));
        i32::from(!is_right || vm_write(mach_task_self(), address, &7_u64.to_le_bytes()).is_err())
    });
    let end = child.map_err(said("fork"))?.wait(Timeout::Never).map_err(said("wait"))?;
    same("the child", TaskEnd::Exited { status: 0 }, end)?;
    same("what the child wrote", Some(7), memory.words().get(last).map(|cell| cell.load(Relaxed)))?;
    memory.words().get(last).into_iter().for_each(|cell| cell.store(word, Relaxed));
    // Nobody has it mapped: all pages are with the pager.
    drop(memory);
    let is_stored = |object: &libmach::default_pager::PagedObject| object.size == SIZE && !object.name.is_valid();
    wait_until("the pages are stored", || {
        Ok(default_pager_objects(pager).map_err(said("objects"))?.iter().any(is_stored))
    })?;
    let again = map(object, SIZE)?;
    intact(&again, 3)?;
    drop(again);
    mach_port_deallocate(mach_task_self(), object).map_err(said("mach_port_deallocate"))?;
    wait_until("the object is gone", || {
        Ok(default_pager_objects(pager).map_err(said("objects"))?.len() <= before && free_space(pager)? >= free)
    })
}

fn an_object_has_a_size() -> Outcome {
    let pager = pager()?;
    let object = default_pager_object_create(pager, PAGE_SIZE + 1).map_err(said("object_create"))?;
    let memory = map(object, 3 * PAGE_SIZE)?;
    let touch = |page: usize| {
        let word = memory.words().get(page * WORDS);
        catch(|| word.map(|word| word.load(Relaxed))).map_err(said("catch"))
    };
    same("its first page", Ok(Some(0)), touch(0)?.map_err(|raised| raised.code))?;
    same("its last page", Ok(Some(0)), touch(1)?.map_err(|raised| raised.code))?;
    same("behind it", Err(KernReturn::MEMORY_ERROR.0), touch(2)?.map_err(|raised| raised.code))?;
    drop(memory);
    mach_port_deallocate(mach_task_self(), object).map_err(said("mach_port_deallocate"))
}

fn what_is_held_is_told() -> Outcome {
    let pager = pager()?;
    let memory = filled(1, 2 * MEGABYTE)?;
    same("pages held before", 0, held(pager, &memory)?)?;
    page_out(&memory, 400)?;
    let region = gnu_vm_region(mach_task_self(), memory.address()).map_err(said("vm_region"))?;
    let offsets = default_pager_object_pages_of(pager, region.object_name).map_err(said("object_pages"))?;
    if offsets.len() < 350 {
        return Err(format!("only {} pages are told of", offsets.len()));
    }
    let is_page = |offset: &u64| offset.is_multiple_of(PAGE_SIZE) && *offset < memory.size();
    if !offsets.iter().all(is_page) || !offsets.is_sorted_by(|one, next| one < next) {
        return Err(format!("offsets: {offsets:?}"));
    }
    let objects = default_pager_objects(pager).map_err(said("objects"))?;
    let mine = objects.iter().find(|object| object.name == region.object_name).ok_or("the object is not listed")?;
    same("its space", offsets.len() as u64 * PAGE_SIZE, mine.size)?;
    same("its pages", offsets, default_pager_object_pages(pager, mine.object).map_err(said("object_pages"))?)?;
    for object in &objects {
        // Rights to name ports of objects that may be gone.
        let _ = mach_port_deallocate(mach_task_self(), object.name);
    }
    intact(&memory, 1)
}

/// What the pager has in use: objects, and bytes that are free.
fn in_use(pager: PortName) -> Result<(usize, u64), alloc::string::String> {
    let objects = default_pager_objects(pager).map_err(said("objects"))?;
    for object in &objects {
        // As above.
        let _ = mach_port_deallocate(mach_task_self(), object.name);
    }
    Ok((objects.len(), free_space(pager)?))
}

/// Children that write to their copy, which is paged out, and end: what is in use is the same after each.
fn a_copy_that_is_paged_out_leaves_nothing() -> Outcome {
    let pager = pager()?;
    let memory = shared(filled(2, 2 * MEGABYTE)?);
    let flag = shared(Region::allocate(PAGE_SIZE).map_err(said("vm_allocate"))?);
    flag.inherit(VmInherit::SHARE).map_err(said("vm_inherit"))?;
    one_child(memory, flag)?;
    thread::sleep(500);
    let (objects, free) = in_use(pager)?;
    // Pages of the parent's, of which more may be out than after the first one.
    let slack = memory.size() / 4;
    for round in 0..3 {
        one_child(memory, flag)?;
        let mut now = (0, 0);
        let settled = wait_until("what the child had is gone", || {
            now = in_use(pager)?;
            Ok(now.0 <= objects && now.1 + slack >= free)
        });
        settled.map_err(|why| format!("{why}: in use {:?} at first, {now:?} after round {round}", (objects, free)))?;
    }
    let_go(flag)?;
    let_go(memory)
}

/// A child has its own version of memory, of which at least some is paged out.
fn one_child(memory: &'static Region, flag: &'static Region) -> Outcome {
    let state = move || flag.words().first().map_or(0, |word| word.load(Relaxed));
    let set = move |to| flag.words().first().into_iter().for_each(|word| word.store(to, Relaxed));
    set(0);
    let child = fork(move || {
        fill(memory, 4);
        set(1);
        while state() != 2 {
            thread::sleep(10);
        }
        i32::from(intact(memory, 4).is_err())
    });
    let child = child.map_err(said("fork"))?;
    wait_until("the child has its own version", || Ok(state() == 1))?;
    // More than the parent has of it.
    page_out(memory, 600)?;
    set(2);
    same("the child", TaskEnd::Exited { status: 0 }, child.wait(Timeout::Never).map_err(said("wait"))?)?;
    intact(memory, 2)
}

fn clients_that_end_while_pages_come_in() -> Outcome {
    let pager = pager()?;
    let memory = shared(filled(5, 2 * MEGABYTE)?);
    page_out(memory, 400)?;
    let before = in_use(pager)?.0;
    for round in 0..12 {
        page_out(memory, 400)?;
        let child = fork(move || i32::from(look(memory, 5).is_err())).map_err(said("fork"))?;
        thread::sleep(round % 4);
        // It may have come to its end.
        let _ = task_terminate(child.task());
        child.wait(Timeout::Millis(10_000)).map_err(said("wait"))?;
    }
    intact(memory, 5)?;
    wait_until("what the children had is gone", || Ok(in_use(pager)?.0 <= before + 1))?;
    let_go(memory)
}
