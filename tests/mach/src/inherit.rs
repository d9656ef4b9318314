//! I.5: `vm_inherit`.

use core::sync::atomic::Ordering::SeqCst;

use libmach::msg::Timeout;
use libmach::task::{TaskEnd, fork};
use libmach::vm::{self, VmFlags, VmInherit};
use libmach::{KernReturn, Region, thread};

use crate::support::{
    LAST_PAGE, P, fails, faults, free, holds, in_child, kept, load, me, numbered, ok, pages, region_at, same,
    shared_page, store,
};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("vm_inherit.i05.01", shared_both_ways),
    ("vm_inherit.i05.02", copied_neither_way),
    ("vm_inherit.i05.03", not_inherited),
    ("vm_inherit.i05.04", unknown_values),
    ("vm_inherit.i05.05", size_zero),
    ("vm_inherit.i05.06", holes_are_ignored),
    ("vm_inherit.i05.07", wrapping),
    ("vm_inherit.i05.08", part_of_an_entry),
    ("vm_inherit.i05.09", sharing_what_was_copied_before),
    ("vm_inherit.i05.10", a_grandchild_shares_with_both),
];

/// Waits until a shared word has this value.
fn wait_for(words: &Region, index: usize, value: u64) {
    while words.words()[index].load(SeqCst) != value {
        thread::sleep(1);
    }
}

fn shared_both_ways() -> Outcome {
    let (page, step) = (shared_page()?, shared_page()?);
    store(page, 0, 1);
    let child = ok(
        "fork",
        fork(move || {
            store(page, 1, 2);
            step.words()[0].store(1, SeqCst);
            wait_for(step, 0, 2);
            i32::from([load(page, 0), load(page, 1), load(page, 2)] != [1, 2, 3])
        }),
    )?;
    wait_for(step, 0, 1);
    let seen = load(page, 1);
    store(page, 2, 3);
    step.words()[0].store(2, SeqCst);
    let end = ok("wait", child.wait(Timeout::Millis(20_000)))?;
    same("the parent sees the child's write", 2, seen)?;
    same("the child's end", TaskEnd::Exited { status: 0 }, end)
}

fn copied_neither_way() -> Outcome {
    let (page, step) = (kept(numbered(1)?), shared_page()?);
    let child = ok(
        "fork",
        fork(move || {
            store(page, 1, 2);
            step.words()[0].store(1, SeqCst);
            wait_for(step, 0, 2);
            i32::from([load(page, 0), load(page, 1), load(page, 2)] != [1, 2, 1])
        }),
    )?;
    wait_for(step, 0, 1);
    let seen = load(page, 1);
    store(page, 2, 3);
    step.words()[0].store(2, SeqCst);
    let end = ok("wait", child.wait(Timeout::Millis(20_000)))?;
    same("the parent does not see the child's write", 1, seen)?;
    same("the child's end", TaskEnd::Exited { status: 0 }, end)?;
    free(page.address(), P)
}

fn not_inherited() -> Outcome {
    let page = kept(numbered(1)?);
    ok("vm_inherit", page.inherit(VmInherit::NONE))?;
    in_child(move || {
        faults(page.address(), KernReturn::INVALID_ADDRESS)?;
        let again = vm::vm_allocate(me(), page.address(), P, VmFlags::FIXED);
        same("the range is free there", Ok(page.address()), again)?;
        same("and zero", 0, load(page, 0))
    })?;
    same("the parent's byte", 1, load(page, 0))?;
    free(page.address(), P)
}

fn unknown_values() -> Outcome {
    let page = pages(1)?;
    for value in [3, !0] {
        fails("vm_inherit", KernReturn::INVALID_ARGUMENT, page.inherit(VmInherit(value)))?;
    }
    Ok(())
}

fn size_zero() -> Outcome {
    ok("value 3", vm::vm_inherit(me(), pages(1)?.address(), 0, VmInherit(3)))
}

fn holes_are_ignored() -> Outcome {
    let region = pages(3)?;
    ok("the hole", vm::vm_deallocate(me(), region.address() + P, P))?;
    ok("vm_inherit", region.inherit(VmInherit::NONE))?;
    let first = region_at(region.address())?.inheritance;
    let last = region_at(region.address() + 2 * P)?.inheritance;
    same("both sides", (VmInherit::NONE, VmInherit::NONE), (first, last))
}

fn wrapping() -> Outcome {
    fails("vm_inherit", KernReturn::INVALID_ARGUMENT, vm::vm_inherit(me(), LAST_PAGE, 2 * P, VmInherit::NONE))
}

fn part_of_an_entry() -> Outcome {
    let region = kept(numbered(3)?);
    ok("vm_inherit", vm::vm_inherit(me(), region.address() + P, P, VmInherit::NONE))?;
    let middle = region_at(region.address() + P)?;
    same("the entry is split", (region.address() + P, P), (middle.address, middle.size))?;
    in_child(move || {
        same("before", 1, load(region, 0))?;
        faults(region.address() + P, KernReturn::INVALID_ADDRESS)?;
        same("behind", 3, load(region, 2 * P))
    })?;
    free(region.address(), 3 * P)
}

fn sharing_what_was_copied_before() -> Outcome {
    let (page, step) = (kept(numbered(1)?), shared_page()?);
    let first = ok(
        "the first child",
        fork(move || {
            wait_for(step, 0, 1);
            i32::from(load(page, 0) != 1)
        }),
    )?;
    ok("vm_inherit", page.inherit(VmInherit::SHARE))?;
    in_child(move || {
        store(page, 0, 9);
        Ok(())
    })?;
    let seen = load(page, 0);
    step.words()[0].store(1, SeqCst);
    let end = ok("wait", first.wait(Timeout::Millis(20_000)))?;
    same("the parent sees the second child's write", 9, seen)?;
    same("the first child keeps its snapshot", TaskEnd::Exited { status: 0 }, end)?;
    free(page.address(), P)
}

fn a_grandchild_shares_with_both() -> Outcome {
    let page = shared_page()?;
    store(page, 0, 1);
    in_child(move || {
        store(page, 1, 2);
        in_child(move || {
            same("what both wrote", [1, 2], [load(page, 0), load(page, 1)])?;
            store(page, 2, 3);
            Ok(())
        })?;
        same("the child sees the grandchild's write", 3, load(page, 2))
    })?;
    holds("the parent sees all", [load(page, 0), load(page, 1), load(page, 2)] == [1, 2, 3])
}
