//! I.18: copy-on-write.

use alloc::string::String;
use core::sync::atomic::Ordering::SeqCst;

use libmach::memory_object::CopyStrategy;
use libmach::msg::Timeout;
use libmach::task::{TaskEnd, fork};
use libmach::vm::{self, MapRequest, VmInherit, VmProt, vm_statistics};
use libmach::{Region, thread};

use crate::memory_object::{Access, Manager};
use crate::support::{
    EmptyTask, P, byte, free, holds, in_child, kept, load, me, numbered, ok, page_is, pages, same, shared_page, store,
};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("cow.i18.01", reading_copies_nothing),
    ("cow.i18.02", a_write_copies_one_page),
    ("cow.i18.03", the_parent_writes_first),
    ("cow.i18.04", three_generations_three_values),
    ("cow.i18.05", shared_and_copied),
    ("cow.i18.06", read_and_forked),
    ("cow.i18.07", a_snapshot_of_a_managers_pages),
    ("cow.i18.08", a_copy_that_asks_for_every_page),
    ("cow.i18.09", a_thousand_forks_cost_the_same),
    ("cow.i18.10", children_outlive_their_parent),
    ("cow.i18.11", private_through_a_change_of_protection),
    ("cow.i18.12", untouched_pages_stay_apart),
    ("cow.many_pages", many_pages_are_told_apart),
];

fn cow_faults() -> Result<u32, String> {
    Ok(ok("vm_statistics", vm_statistics(me()))?.cow_faults)
}

fn reading_copies_nothing() -> Outcome {
    let region = kept(numbered(8)?);
    in_child(move || {
        let before = cow_faults()?;
        let sum: u64 = (0..8).map(|page| u64::from(load(region, page * P))).sum();
        let copied = cow_faults()? - before;
        same("what was read", 36, sum)?;
        same("pages copied", 0, copied)
    })?;
    free(region.address(), 8 * P)
}

fn a_write_copies_one_page() -> Outcome {
    let region = kept(numbered(8)?);
    in_child(move || {
        let before = cow_faults()?;
        store(region, 3 * P + 5, 99);
        let copied = cow_faults()? - before;
        same("pages copied", 1, copied)?;
        same("the page", [4, 99, 4], [load(region, 3 * P), load(region, 3 * P + 5), load(region, 4 * P - 1)])
    })?;
    holds("the parent's pages", (0..8).all(|page| page_is(region, page, page as u8 + 1)))?;
    free(region.address(), 8 * P)
}

/// Waits until a shared word is this large.
fn wait_for(step: &Region, value: u64) {
    while step.words()[0].load(SeqCst) < value {
        thread::sleep(1);
    }
}

fn the_parent_writes_first() -> Outcome {
    let (region, step) = (kept(numbered(1)?), shared_page()?);
    let child = ok(
        "fork",
        fork(move || {
            wait_for(step, 1);
            i32::from(!page_is(region, 0, 1))
        }),
    )?;
    store(region, 7, 99);
    step.words()[0].store(1, SeqCst);
    let end = ok("wait", child.wait(Timeout::Millis(20_000)))?;
    same("the child still sees the old", TaskEnd::Exited { status: 0 }, end)?;
    free(region.address(), P)
}

fn three_generations_three_values() -> Outcome {
    let region = kept(numbered(1)?);
    in_child(move || {
        store(region, 0, 2);
        in_child(move || {
            same("the grandchild starts with the child's", 2, load(region, 0))?;
            store(region, 0, 3);
            same("the grandchild's", 3, load(region, 0))
        })?;
        same("the child's", 2, load(region, 0))
    })?;
    same("the parent's", 1, load(region, 0))?;
    free(region.address(), P)
}

fn shared_and_copied() -> Outcome {
    let (page, step) = (kept(numbered(1)?), shared_page()?);
    ok("vm_inherit", page.inherit(VmInherit::SHARE))?;
    let sharer = ok(
        "the sharer",
        fork(move || {
            wait_for(step, 1);
            store(page, 0, 77);
            step.words()[0].store(2, SeqCst);
            0
        }),
    )?;
    ok("vm_inherit", page.inherit(VmInherit::COPY))?;
    let copier = ok(
        "the copier",
        fork(move || {
            wait_for(step, 2);
            i32::from(load(page, 0) != 1)
        }),
    )?;
    step.words()[0].store(1, SeqCst);
    let ends = [&sharer, &copier].map(|child| child.wait(Timeout::Millis(20_000)));
    same("the copy keeps the snapshot", [Ok(TaskEnd::Exited { status: 0 }); 2], ends)?;
    same("the parent sees the sharer's write", 77, load(page, 0))?;
    free(page.address(), P)
}

fn read_and_forked() -> Outcome {
    let region = kept(numbered(2)?);
    let (data, count) = ok("vm_read", vm::vm_read(me(), region.address(), 2 * P))?;
    in_child(move || {
        store(region, 0, 2);
        ok("vm_write", vm::vm_write(me(), data, &[4]))?;
        same("the child's two versions", [2, 4], [load(region, 0), byte(data)?])
    })?;
    store(region, 0, 3);
    same("the parent's two versions", [3, 1], [load(region, 0), byte(data)?])?;
    free(data, count)?;
    free(region.address(), 2 * P)
}

fn a_thousand_forks_cost_the_same() -> Outcome {
    let region = kept(numbered(1)?);
    let round = |count: u64| {
        for number in 0..count {
            let child = ok("fork", fork(|| 0))?;
            let end = ok("wait", child.wait(Timeout::Millis(20_000)))?;
            same("the child's end", TaskEnd::Exited { status: 0 }, end)?;
            store(region, 0, number as u8);
        }
        thread::sleep(50);
        Ok::<u32, String>(ok("vm_statistics", vm_statistics(me()))?.free_count)
    };
    let before = round(10)?;
    let mut after = round(1000)?;
    for _ in 0..40 {
        if after == before {
            break;
        }
        thread::sleep(50);
        after = ok("vm_statistics", vm_statistics(me()))?.free_count;
    }
    same("frames", before, after)?;
    free(region.address(), P)
}

fn children_outlive_their_parent() -> Outcome {
    let (region, notes) = (kept(numbered(4)?), shared_page()?);
    let parent = ok(
        "fork",
        fork(move || {
            store(region, 0, 50);
            let orphan = fork(move || {
                wait_for(notes, 1);
                let whole = load(region, 0) == 50 && (1..4).all(|page| page_is(region, page, page as u8 + 1));
                notes.words()[1].store(if whole { 1 } else { 2 }, SeqCst);
                0
            });
            i32::from(orphan.is_err())
        }),
    )?;
    let end = ok("wait", parent.wait(Timeout::Millis(20_000)))?;
    same("the parent's end", TaskEnd::Exited { status: 0 }, end)?;
    notes.words()[0].store(1, SeqCst);
    for _ in 0..1000 {
        if notes.words()[1].load(SeqCst) != 0 {
            break;
        }
        thread::sleep(10);
    }
    same("what the orphan saw", 1, notes.words()[1].load(SeqCst))?;
    free(region.address(), 4 * P)
}

fn private_through_a_change_of_protection() -> Outcome {
    let region = kept(numbered(1)?);
    in_child(move || {
        ok("read only", region.protect(VmProt::READ))?;
        ok("read-write", region.protect(VmProt::DEFAULT))?;
        store(region, 0, 9);
        same("the child's", 9, load(region, 0))
    })?;
    same("the parent's", 1, load(region, 0))?;
    free(region.address(), P)
}

fn untouched_pages_stay_apart() -> Outcome {
    let region = kept(pages(2)?);
    in_child(move || {
        holds("zero in the child", page_is(region, 0, 0))?;
        store(region, 0, 5);
        Ok(())
    })?;
    same("zero in the parent", 0, load(region, 0))?;
    store(region, P, 6);
    in_child(move || same("the second page", 6, load(region, P)))?;
    free(region.address(), 2 * P)
}

fn a_snapshot_of_a_managers_pages() -> Outcome {
    let (manager, region) = Manager::ready(3, CopyStrategy::DELAY)?;
    manager.fill(2)?;
    let copy = manager.map_by(&MapRequest { copy: true, ..MapRequest::object(manager.object(), 3 * P) })?;
    let other = manager.map(3)?;
    store(region, 0, 50);
    store(other, P, 60);
    same("the object by one mapping", [50, 60], [load(region, 0), load(region, P)])?;
    same("and by the other", [50, 60], [load(other, 0), load(other, P)])?;
    same("the snapshot", [1, 2], [load(copy, 0), load(copy, P)])?;
    // A page that came and was changed after the snapshot was taken is in it as it came.
    let writer = Access::write(other, 2 * P, 70)?;
    manager.request(2 * P)?;
    manager.supply(2 * P, 3)?;
    writer.gives(70)?;
    same("the page that came later", [3, 3], [load(copy, 2 * P), load(copy, 3 * P - 1)])?;
    free(copy.address(), 3 * P)?;
    free(other.address(), 3 * P)?;
    manager.finish_dirty(region, 3)
}

fn a_copy_that_asks_for_every_page() -> Outcome {
    const PAGES: u64 = 5;
    let (manager, region) = Manager::ready(PAGES, CopyStrategy::NONE)?;
    // Into another task: its map is in use until the copy is complete, and this one's thread is the manager.
    let other = EmptyTask::new()?;
    let (task, copy) = (other.0, MapRequest { copy: true, ..MapRequest::object(manager.object(), PAGES * P) });
    let mapper = ok("spawn", thread::spawn(move || vm::vm_map(task, &copy)))?;
    for page in 0..PAGES {
        manager.request(page * P)?;
        holds("the call waits for every page", !mapper.is_finished())?;
        manager.supply(page * P, page as u8 + 1)?;
    }
    let address = ok("vm_map", ok("join", mapper.join())?)?;
    // Once it is made, nobody is asked, and nothing that the object does is seen.
    store(region, 0, 50);
    let seen = ok("read the copy", Region::read_from(task, address, PAGES * P))?;
    manager.nothing()?;
    holds("the copy", (0..PAGES).all(|page| page_is(&seen, page, page as u8 + 1)))?;
    drop(other);
    manager.finish_dirty(region, 1)
}

/// More pages than one translation table maps: they lose write access together, and come back one by one.
fn many_pages_are_told_apart() -> Outcome {
    const MANY: u64 = 1200;
    let (region, step) = (kept(pages(MANY)?), shared_page()?);
    let value = |page: u64| (page % 251) as u8 + 1;
    (0..MANY).for_each(|page| store(region, page * P, value(page)));
    let child = ok(
        "fork",
        fork(move || {
            wait_for(step, 1);
            let is_old = (0..MANY).all(|page| load(region, page * P) == value(page));
            (0..MANY).step_by(7).for_each(|page| store(region, page * P, 0));
            step.words()[0].store(2, SeqCst);
            i32::from(!is_old)
        }),
    )?;
    (0..MANY).step_by(3).for_each(|page| store(region, page * P, 255));
    step.words()[0].store(1, SeqCst);
    wait_for(step, 2);
    let expected = |page: u64| if page.is_multiple_of(3) { 255 } else { value(page) };
    holds("the parent's pages", (0..MANY).all(|page| load(region, page * P) == expected(page)))?;
    let end = ok("wait", child.wait(Timeout::Millis(20_000)))?;
    same("the child still sees the old", TaskEnd::Exited { status: 0 }, end)?;
    free(region.address(), MANY * P)
}
