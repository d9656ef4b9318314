//! I.4: `vm_protect`.

use core::sync::atomic::Ordering::SeqCst;

use libmach::exception::{ExceptionType, Handler};
use libmach::memory_object::CopyStrategy;
use libmach::msg::Timeout;
use libmach::thread;
use libmach::vm::{self, MapRequest, VmProt, Which};
use libmach::{KernReturn, Region};

use crate::faults::run_code;
use crate::memory_object::{Access, Manager};
use crate::support::{
    LAST_PAGE, P, fails, faults, holds, hole, kept, load, map_end, me, numbered, ok, page_is, pages, protect,
    region_at, same, store, write_faults, wrong_targets,
};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("vm_protect.i04.01", read_only_refuses_writes),
    ("vm_protect.i04.02", write_access_comes_back),
    ("vm_protect.i04.03", none_and_write_only_refuse_reads),
    ("vm_protect.i04.04", size_zero),
    ("vm_protect.i04.05", unknown_bits),
    ("vm_protect.i04.06", the_maximum_only_shrinks),
    ("vm_protect.i04.07", a_maximum_of_nothing),
    ("vm_protect.i04.08", a_hole_changes_nothing),
    ("vm_protect.i04.09", where_nothing_is),
    ("vm_protect.i04.10", wrapping),
    ("vm_protect.i04.11", an_end_that_rounds_to_zero),
    ("vm_protect.i04.12", one_entry_that_forbids),
    ("vm_protect.i04.13", every_page_touched_changes),
    ("vm_protect.i04.14", a_child_is_not_changed),
    ("vm_protect.i04.15", reading_what_may_not_be_read),
    ("vm_protect.i04.16", untouched_memory_stays_zero),
    ("vm_protect.i04.17", targets_that_are_no_task),
    ("vm_protect.i04.18", a_private_copy_of_what_is_shared),
    ("vm_protect.i04.19", code_can_be_made_executable),
    ("vm_protect.i04.20", a_writer_is_stopped),
];

/// The current protection of each page.
fn protections<const N: usize>(region: &Region) -> Result<[VmProt; N], alloc::string::String> {
    let mut all = [VmProt::NONE; N];
    for (page, protection) in all.iter_mut().enumerate() {
        *protection = region_at(region.address() + page as u64 * P)?.protection;
    }
    Ok(all)
}

fn set_maximum(address: u64, size: u64, protection: VmProt) -> Result<(), KernReturn> {
    vm::vm_protect(me(), address, size, Which::Maximum, protection)
}

fn read_only_refuses_writes() -> Outcome {
    let region = numbered(1)?;
    ok("vm_protect", region.protect(VmProt::READ))?;
    write_faults(&region, 77, KernReturn::PROTECTION_FAILURE)?;
    holds("contents are intact", page_is(&region, 0, 1))
}

fn write_access_comes_back() -> Outcome {
    let region = numbered(1)?;
    ok("vm_protect", region.protect(VmProt::READ))?;
    ok("vm_protect", region.protect(VmProt::DEFAULT))?;
    store(&region, 5, 9);
    same("the byte written", 9, load(&region, 5))
}

fn none_and_write_only_refuse_reads() -> Outcome {
    let region = numbered(1)?;
    for protection in [VmProt::NONE, VmProt::WRITE] {
        ok("vm_protect", region.protect(protection))?;
        faults(region.address() + 3, KernReturn::PROTECTION_FAILURE)?;
    }
    Ok(())
}

fn size_zero() -> Outcome {
    let address = hole(1)?;
    for bits in [0, 7, 0xff] {
        ok("vm_protect", protect(address, 0, VmProt::from_bits_retain(bits)))?;
    }
    Ok(())
}

fn unknown_bits() -> Outcome {
    let region = pages(1)?;
    fails("0x80", KernReturn::INVALID_ARGUMENT, protect(region.address(), P, VmProt::from_bits_retain(0x80)))
}

fn the_maximum_only_shrinks() -> Outcome {
    let region = pages(1)?;
    let (address, refused) = (region.address(), KernReturn::PROTECTION_FAILURE);
    ok("maximum read", set_maximum(address, P, VmProt::READ))?;
    let info = region_at(address)?;
    same("protections", (VmProt::READ, VmProt::READ), (info.protection, info.max_protection))?;
    fails("current read-write", refused, protect(address, P, VmProt::DEFAULT))?;
    fails("maximum read-write", refused, set_maximum(address, P, VmProt::DEFAULT))?;
    ok("maximum read again", set_maximum(address, P, VmProt::READ))
}

fn a_maximum_of_nothing() -> Outcome {
    let region = pages(1)?;
    ok("maximum none", set_maximum(region.address(), P, VmProt::NONE))?;
    fails("maximum all", KernReturn::PROTECTION_FAILURE, set_maximum(region.address(), P, VmProt::ALL))
}

/// What I.6-6 says of `vm_read`, and that the protection is back afterwards.
fn reading_what_may_not_be_read() -> Outcome {
    let region = numbered(1)?;
    ok("no access", protect(region.address(), P, VmProt::NONE))?;
    fails("vm_read", KernReturn::INVALID_ADDRESS, vm::vm_read(me(), region.address(), P))?;
    ok("access", protect(region.address(), P, VmProt::READ))?;
    let (data, count) = ok("vm_read", vm::vm_read(me(), region.address(), P))?;
    crate::support::reads(data, 1)?;
    crate::support::free(data, count)
}

fn a_hole_changes_nothing() -> Outcome {
    let region = pages(3)?;
    ok("the hole", vm::vm_deallocate(me(), region.address() + P, P))?;
    fails("vm_protect", KernReturn::INVALID_ADDRESS, protect(region.address(), 3 * P, VmProt::READ))?;
    let first = region_at(region.address())?.protection;
    let last = region_at(region.address() + 2 * P)?.protection;
    same("protections", (VmProt::DEFAULT, VmProt::DEFAULT), (first, last))
}

fn where_nothing_is() -> Outcome {
    fails("unmapped", KernReturn::INVALID_ADDRESS, protect(hole(1)?, P, VmProt::READ))?;
    fails("beyond the map", KernReturn::INVALID_ADDRESS, protect(map_end()?, P, VmProt::READ))
}

fn wrapping() -> Outcome {
    for (address, size) in [(1, u64::MAX), (P, LAST_PAGE), (LAST_PAGE, P), (u64::MAX, 1)] {
        fails("vm_protect", KernReturn::INVALID_ARGUMENT, protect(address, size, VmProt::READ))?;
    }
    Ok(())
}

fn an_end_that_rounds_to_zero() -> Outcome {
    fails("from 0", KernReturn::INVALID_ADDRESS, protect(0, u64::MAX, VmProt::READ))?;
    fails("from P", KernReturn::INVALID_ARGUMENT, protect(P, LAST_PAGE - 1, VmProt::READ))
}

fn one_entry_that_forbids() -> Outcome {
    let region = pages(2)?;
    ok("vm_protect", protect(region.address(), P, VmProt::READ))?;
    ok("maximum of the second", set_maximum(region.address() + P, P, VmProt::READ))?;
    fails("both", KernReturn::PROTECTION_FAILURE, protect(region.address(), 2 * P, VmProt::DEFAULT))?;
    same("protections", [VmProt::READ; 2], protections(&region)?)
}

fn every_page_touched_changes() -> Outcome {
    const RW: VmProt = VmProt::DEFAULT;
    const R: VmProt = VmProt::READ;
    for (start, size, want) in [(P + 1, 1, [RW, R, RW, RW]), (P - 1, 2, [R, R, RW, RW])] {
        let region = pages(4)?;
        ok("vm_protect", protect(region.address() + start, size, R))?;
        same("protections", want, protections(&region)?)?;
    }
    Ok(())
}

fn a_child_is_not_changed() -> Outcome {
    let region = kept(numbered(1)?);
    let step = crate::support::shared_page()?;
    let child = ok(
        "fork",
        libmach::task::fork(move || {
            while step.words()[0].load(SeqCst) == 0 {
                thread::sleep(1);
            }
            store(region, 0, 9);
            i32::from(load(region, 0) != 9)
        }),
    )?;
    ok("vm_protect", region.protect(VmProt::READ))?;
    step.words()[0].store(1, SeqCst);
    let end = ok("wait", child.wait(Timeout::Millis(20_000)))?;
    same("the child's end", libmach::task::TaskEnd::Exited { status: 0 }, end)?;
    same("the parent's byte", 1, load(region, 0))?;
    crate::support::free(region.address(), P)
}

fn untouched_memory_stays_zero() -> Outcome {
    let region = pages(2)?;
    ok("read only", region.protect(VmProt::READ))?;
    ok("read-write", region.protect(VmProt::DEFAULT))?;
    holds("zero", page_is(&region, 0, 0) && page_is(&region, 1, 0))
}

fn targets_that_are_no_task() -> Outcome {
    let region = pages(1)?;
    wrong_targets(|target| vm::vm_protect(target, region.address(), P, Which::Current, VmProt::READ))
}

fn code_can_be_made_executable() -> Outcome {
    let region = pages(1)?;
    // brk #0: executing it is an exception of its own kind.
    const BRK: u64 = 0xd420_0000;
    region.words()[0].store(BRK, SeqCst);
    ok("vm_protect", region.protect(VmProt::READ | VmProt::EXECUTE))?;
    let raised = run_code(region.address())?;
    same("exception", ExceptionType::BREAKPOINT, raised.exception)
}

fn a_writer_is_stopped() -> Outcome {
    let region = kept(pages(1)?);
    let handler = ok("handler", Handler::new())?;
    let writer = ok(
        "spawn",
        thread::spawn_with(
            |thread| handler.attach_to_thread(thread),
            move || {
                loop {
                    region.words()[0].fetch_add(1, SeqCst);
                }
            },
        ),
    )?;
    while region.words()[0].load(SeqCst) == 0 {
        thread::sleep(1);
    }
    ok("vm_protect", region.protect(VmProt::READ))?;
    let seen = region.words()[0].load(SeqCst);
    let waiting = ok("the exception", handler.wait(Timeout::Millis(20_000)))?;
    let raised = *waiting.raised();
    let later = region.words()[0].load(SeqCst);
    let handle: thread::JoinHandle<()> = writer;
    handle.terminate();
    drop(waiting);
    same("no later write landed", seen, later)?;
    let got = (raised.exception, KernReturn(raised.code), raised.subcode);
    same("exception", (ExceptionType::BAD_ACCESS, KernReturn::PROTECTION_FAILURE, region.address()), got)?;
    crate::support::free(region.address(), P)
}

/// What debuggers do to plant breakpoints.
fn a_private_copy_of_what_is_shared() -> Outcome {
    const COPY: u32 = 0x10;
    let manager = Manager::new()?;
    let read_only = MapRequest {
        protection: VmProt::READ,
        max_protection: VmProt::READ,
        ..MapRequest::object(manager.object(), 2 * P)
    };
    let region = manager.map_by(&read_only)?;
    manager.init()?;
    manager.say_ready(false, CopyStrategy::DELAY)?;
    manager.fill(2)?;
    write_faults(region, 5, KernReturn::PROTECTION_FAILURE)?;
    let private = VmProt::from_bits_retain(VmProt::DEFAULT.bits() | COPY);
    ok("vm_protect", protect(region.address(), P, private))?;
    let info = region_at(region.address())?;
    same("current protection", VmProt::DEFAULT, info.protection)?;
    holds("the maximum has WRITE now", info.max_protection.contains(VmProt::WRITE))?;
    Access::write(region, 5, 77)?.gives(77)?;
    same("the rest of the page", [1, 1], [load(region, 4), load(region, P - 1)])?;
    // The object has what it had, and the page beside is what it was.
    let object = manager.map(2)?;
    same("the object's bytes", [1, 2], [load(object, 5), load(object, P + 5)])?;
    write_faults(region, P + 5, KernReturn::PROTECTION_FAILURE)?;
    crate::support::free(region.address(), 2 * P)?;
    // Nothing of the object was written: nothing comes back.
    manager.finish(object)
}
