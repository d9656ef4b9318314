//! I.2: `vm_deallocate` and `mach_vm_deallocate`.

use libmach::KernReturn;
use libmach::exception::ExceptionType;
use libmach::memory_object::CopyStrategy;
use libmach::msg::Timeout;
use libmach::task::{TaskEnd, fork};
use libmach::vm::{self, VmFlags, vm_deallocate};

use crate::memory_object::{Access, Manager};
use crate::support::{
    LAST_PAGE, P, fails, faults, fixed, holds, hole, is_mapped, me, numbered, ok, page_is, pages, region_at, same,
    wrong_targets,
};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("vm_deallocate.i02.01", touching_raises_an_exception),
    ("vm_deallocate.i02.02", twice_by_both_contracts),
    ("vm_deallocate.i02.03", size_zero),
    ("vm_deallocate.i02.04", a_hole_in_the_middle),
    ("vm_deallocate.i02.05", every_page_touched_goes),
    ("vm_deallocate.i02.06", two_bytes_across_a_boundary),
    ("vm_deallocate.i02.07", a_range_with_a_hole),
    ("vm_deallocate.i02.08", nothing_there),
    ("vm_deallocate.i02.09", wrapping),
    ("vm_deallocate.i02.10", an_end_that_rounds_to_zero),
    ("vm_deallocate.i02.11", everything),
    ("vm_deallocate.i02.12", targets_that_are_no_task),
    ("vm_deallocate.i02.13", memory_from_vm_read),
    ("vm_deallocate.i02.15", a_thread_that_waits_there),
];

fn touching_raises_an_exception() -> Outcome {
    let address = hole(1)?;
    ok("vm_allocate", fixed(address, P))?;
    ok("vm_deallocate", vm_deallocate(me(), address, P))?;
    faults(address + 5, KernReturn::INVALID_ADDRESS)
}

fn twice_by_both_contracts() -> Outcome {
    let address = hole(1)?;
    ok("vm_allocate", fixed(address, P))?;
    ok("vm_deallocate", vm_deallocate(me(), address, P))?;
    fails("vm_deallocate again", KernReturn::INVALID_ADDRESS, vm_deallocate(me(), address, P))?;
    fails("by the GNU id", KernReturn::INVALID_ADDRESS, vm::gnu_vm_deallocate(me(), address, P))?;
    ok("mach_vm_deallocate again", vm::mach_vm_deallocate(me(), address, P))
}

fn size_zero() -> Outcome {
    let region = numbered(1)?;
    for address in [region.address(), region.address() + 1, 0, 3, u64::MAX] {
        ok("vm_deallocate", vm_deallocate(me(), address, 0))?;
        ok("mach_vm_deallocate", vm::mach_vm_deallocate(me(), address, 0))?;
    }
    holds("nothing changed", page_is(&region, 0, 1))
}

fn a_hole_in_the_middle() -> Outcome {
    let region = numbered(4)?;
    ok("vm_deallocate", vm_deallocate(me(), region.address() + P, P))?;
    faults(region.address() + P, KernReturn::INVALID_ADDRESS)?;
    holds("neighbours keep their contents", [0, 2, 3].iter().all(|page| page_is(&region, *page, *page as u8 + 1)))?;
    let before = region_at(region.address())?;
    same("the region before ends there", region.address() + P, before.address + before.size)?;
    same("the region behind begins", region.address() + 2 * P, region_at(region.address() + P)?.address)
}

fn every_page_touched_goes() -> Outcome {
    goes(P + 1, P, [false, true, true, false])
}

fn two_bytes_across_a_boundary() -> Outcome {
    goes(P - 1, 2, [true, true, false, false])
}

/// Deallocating this part of four pages removes those.
fn goes(start: u64, size: u64, gone: [bool; 4]) -> Outcome {
    let region = numbered(4)?;
    ok("vm_deallocate", vm_deallocate(me(), region.address() + start, size))?;
    same("pages gone", gone, [0, 1, 2, 3].map(|page| !is_mapped(region.address() + page * P)))
}

fn a_range_with_a_hole() -> Outcome {
    let region = pages(3)?;
    ok("the middle", vm_deallocate(me(), region.address() + P, P))?;
    ok("all", vm_deallocate(me(), region.address(), 3 * P))?;
    holds("both sides are gone", !is_mapped(region.address()) && !is_mapped(region.address() + 2 * P))
}

fn nothing_there() -> Outcome {
    let address = hole(4)?;
    fails("vm_deallocate", KernReturn::INVALID_ADDRESS, vm_deallocate(me(), address, 4 * P))?;
    ok("mach_vm_deallocate", vm::mach_vm_deallocate(me(), address, 4 * P))
}

fn wrapping() -> Outcome {
    for (address, size) in [(1, u64::MAX), (P, LAST_PAGE), (LAST_PAGE, P), (u64::MAX, 1)] {
        fails("vm_deallocate", KernReturn::INVALID_ARGUMENT, vm_deallocate(me(), address, size))?;
        fails("mach_vm_deallocate", KernReturn::INVALID_ARGUMENT, vm::mach_vm_deallocate(me(), address, size))?;
    }
    Ok(())
}

fn an_end_that_rounds_to_zero() -> Outcome {
    let region = numbered(1)?;
    for (address, size) in [(0, u64::MAX), (P, LAST_PAGE - 1)] {
        ok("vm_deallocate", vm_deallocate(me(), address, size))?;
        ok("mach_vm_deallocate", vm::mach_vm_deallocate(me(), address, size))?;
    }
    holds("nothing was removed", page_is(&region, 0, 1))
}

fn everything() -> Outcome {
    let child = ok("fork", fork(|| i32::from(vm_deallocate(me(), 0, LAST_PAGE).is_err())))?;
    match ok("wait", child.wait(Timeout::Millis(20_000)))? {
        TaskEnd::Killed { exception, code, .. } => {
            let got = (ExceptionType(exception), KernReturn(code));
            same("the child's end", (ExceptionType::BAD_ACCESS, KernReturn::INVALID_ADDRESS), got)
        }
        end => Err(alloc::format!("the child should have died: {end:?}")),
    }
}

fn targets_that_are_no_task() -> Outcome {
    let region = pages(1)?;
    wrong_targets(|target| vm_deallocate(target, region.address(), P))?;
    wrong_targets(|target| vm::mach_vm_deallocate(target, region.address(), P))
}

fn memory_from_vm_read() -> Outcome {
    let region = numbered(4)?;
    let (data, count) = ok("vm_read", vm::vm_read(me(), region.address() + 17, 3 * P))?;
    same("the offset in the page is kept", 17, data % P)?;
    ok("vm_deallocate", vm_deallocate(me(), data, count))?;
    ok("the address space is free again", vm::vm_allocate(me(), data - 17, 4 * P, VmFlags::FIXED))?;
    crate::support::free(data - 17, 4 * P)
}

fn a_thread_that_waits_there() -> Outcome {
    let (manager, region) = Manager::ready(2, CopyStrategy::DELAY)?;
    let reader = Access::read(region.address() + P + 3)?;
    manager.request(P)?;
    reader.waits()?;
    ok("vm_deallocate", vm_deallocate(me(), region.address() + P, P))?;
    reader.fails(KernReturn::INVALID_ADDRESS)?;
    // What the manager answers after that goes to the object, of which a part is still mapped.
    manager.supply(P, 1)?;
    manager.finish(region)
}
