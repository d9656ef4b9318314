//! I.12 and I.14: `vm_msync`, `vm_machine_attribute`, `vm_behavior_set`, on anonymous memory.

use libmach::KernReturn;
use libmach::vm::{
    self, MATTR_CACHE, MATTR_VAL_CACHE_SYNC, MATTR_VAL_ICACHE_FLUSH, VmBehavior, VmProt, VmSync, vm_behavior_set,
    vm_machine_attribute, vm_msync,
};

use crate::support::{
    LAST_PAGE, P, fails, hole, in_child, kept, load, map_end, me, numbered, ok, pages, protect, region_at, same, store,
    wrong_targets,
};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("vm_msync.i12.01", both_kinds_of_returning),
    ("vm_msync.i12.02", targets_of_msync),
    ("vm_msync.i12.03", msync_of_nothing),
    ("vm_msync.i12.04", anonymous_memory_keeps_its_contents),
    ("vm_msync.i12.08", holes_and_contiguity),
    ("vm_msync.i12.09", wrapping),
    ("vm_machine_attribute.i14.01", caches_of_code),
    ("vm_machine_attribute.i14.02", caches_of_a_hole),
    ("vm_machine_attribute.i14.03", caches_of_nothing),
    ("vm_machine_attribute.i14.04", caches_beyond_the_map),
    ("vm_machine_attribute.i14.05", caches_of_a_range_that_wraps),
    ("vm_behavior_set.i14.06", unknown_behaviors),
    ("vm_behavior_set.i14.07", behavior_of_nothing),
    ("vm_behavior_set.i14.08", behavior_of_a_hole),
    ("vm_behavior_set.i14.09", behavior_beyond_the_map),
    ("vm_behavior_set.i14.10", zeroing),
    ("vm_behavior_set.i14.11", zeroing_is_private),
    ("vm_behavior_set.i14.12", contents_stay_when_not_needed),
    ("vm_behavior_set.i14.14", a_behavior_is_seen_in_the_region),
    ("vm_behavior_set.targets", targets_that_are_no_task),
];

const BAD: KernReturn = KernReturn::INVALID_ARGUMENT;

fn both_kinds_of_returning() -> Outcome {
    let both = VmSync::SYNCHRONOUS | VmSync::ASYNCHRONOUS;
    fails("vm_msync", BAD, vm_msync(me(), pages(1)?.address(), P, both))?;
    fails("of nothing", BAD, vm_msync(me(), 0, 0, both))
}

fn targets_of_msync() -> Outcome {
    let address = pages(1)?.address();
    fails("null", KernReturn::SEND_INVALID_DEST, vm_msync(libmach::PortName::NULL, address, P, VmSync::SYNCHRONOUS))?;
    let thread = ok("mach_thread_self", libmach::thread::mach_thread_self())?;
    fails("a thread", KernReturn::INVALID_TASK, vm_msync(thread, address, P, VmSync::SYNCHRONOUS))?;
    ok("deallocate", libmach::port::mach_port_deallocate(me(), thread))
}

fn msync_of_nothing() -> Outcome {
    ok("vm_msync", vm_msync(me(), hole(1)? + 9, 0, VmSync::SYNCHRONOUS | VmSync::CONTIGUOUS))
}

fn anonymous_memory_keeps_its_contents() -> Outcome {
    let region = numbered(2)?;
    for flags in [VmSync::SYNCHRONOUS, VmSync::ASYNCHRONOUS | VmSync::INVALIDATE, VmSync::INVALIDATE] {
        ok("vm_msync", vm_msync(me(), region.address(), 2 * P, flags))?;
    }
    same("contents", [1, 2], [load(&region, 0), load(&region, P)])
}

fn holes_and_contiguity() -> Outcome {
    let region = numbered(3)?;
    ok("the hole", vm::vm_deallocate(me(), region.address() + P, P))?;
    ok("a hole", vm_msync(me(), region.address(), 3 * P, VmSync::SYNCHRONOUS))?;
    let contiguous = VmSync::SYNCHRONOUS | VmSync::CONTIGUOUS;
    fails("contiguous", KernReturn::INVALID_ADDRESS, vm_msync(me(), region.address(), 3 * P, contiguous))
}

fn wrapping() -> Outcome {
    for (address, size) in [(1, u64::MAX), (LAST_PAGE, P), (0, u64::MAX)] {
        fails("vm_msync", KernReturn::INVALID_ADDRESS, vm_msync(me(), address, size, VmSync::SYNCHRONOUS))?;
    }
    Ok(())
}

fn sync_caches(address: u64, size: u64) -> Result<u32, KernReturn> {
    vm_machine_attribute(me(), address, size, MATTR_CACHE, MATTR_VAL_CACHE_SYNC)
}

fn caches_of_code() -> Outcome {
    let region = numbered(2)?;
    same("the value", Ok(MATTR_VAL_CACHE_SYNC), sync_caches(region.address(), 2 * P))?;
    let flush = vm_machine_attribute(me(), region.address(), P, MATTR_CACHE, MATTR_VAL_ICACHE_FLUSH);
    same("the value", Ok(MATTR_VAL_ICACHE_FLUSH), flush)?;
    fails("the mode", BAD, vm_machine_attribute(me(), region.address(), P, MATTR_CACHE, 0))?;
    fails("another attribute", BAD, vm_machine_attribute(me(), region.address(), P, 2, MATTR_VAL_CACHE_SYNC))
}

fn caches_of_a_hole() -> Outcome {
    let region = pages(3)?;
    ok("the hole", vm::vm_deallocate(me(), region.address() + P, P))?;
    fails("a hole", KernReturn::FAILURE, sync_caches(region.address(), 3 * P))
}

fn caches_of_nothing() -> Outcome {
    ok("vm_machine_attribute", vm_machine_attribute(me(), hole(1)? + 9, 0, 99, 99)).map(drop)
}

fn caches_beyond_the_map() -> Outcome {
    fails("beyond", KernReturn::INVALID_ADDRESS, sync_caches(map_end()?, P))?;
    fails("rounds to zero", KernReturn::INVALID_ADDRESS, sync_caches(0, u64::MAX))
}

fn caches_of_a_range_that_wraps() -> Outcome {
    fails("wraps", BAD, sync_caches(LAST_PAGE, P))
}

fn unknown_behaviors() -> Outcome {
    let region = pages(1)?;
    for behavior in [VmBehavior(13), VmBehavior(u32::MAX)] {
        fails("vm_behavior_set", BAD, vm_behavior_set(me(), region.address(), P, behavior))?;
        fails("of nothing", BAD, vm_behavior_set(me(), region.address(), 0, behavior))?;
    }
    Ok(())
}

fn behavior_of_nothing() -> Outcome {
    ok("vm_behavior_set", vm_behavior_set(me(), hole(1)?, 0, VmBehavior::ZERO))
}

fn behavior_of_a_hole() -> Outcome {
    let region = pages(3)?;
    ok("the hole", vm::vm_deallocate(me(), region.address() + P, P))?;
    let set = vm_behavior_set(me(), region.address(), 3 * P, VmBehavior::RANDOM);
    fails("a hole", KernReturn::INVALID_ADDRESS, set)?;
    same("nothing is changed", VmBehavior::DEFAULT, region_at(region.address())?.behavior)
}

fn behavior_beyond_the_map() -> Outcome {
    let set = |address, size| vm_behavior_set(me(), address, size, VmBehavior::RANDOM);
    fails("beyond", KernReturn::NO_SPACE, set(map_end()?, P))?;
    fails("rounds to zero", KernReturn::NO_SPACE, set(P, u64::MAX - P))?;
    fails("wraps", BAD, set(LAST_PAGE, P))
}

fn zeroing() -> Outcome {
    let region = numbered(3)?;
    ok("vm_behavior_set", vm_behavior_set(me(), region.address() + P, P, VmBehavior::ZERO))?;
    same("bytes", [1, 0, 0, 3], [0, P, 2 * P - 1, 2 * P].map(|at| load(&region, at)))?;
    ok("vm_protect", protect(region.address(), P, VmProt::READ))?;
    let all = vm_behavior_set(me(), region.address(), 3 * P, VmBehavior::ZERO);
    fails("read only", KernReturn::PROTECTION_FAILURE, all)?;
    same("nothing is changed", 3, load(&region, 2 * P))
}

fn zeroing_is_private() -> Outcome {
    let region = kept(numbered(2)?);
    in_child(move || {
        ok("vm_behavior_set", vm_behavior_set(me(), region.address(), 2 * P, VmBehavior::ZERO))?;
        same("the child", [0, 0], [load(region, 0), load(region, P)])
    })?;
    same("the parent", [1, 2], [load(region, 0), load(region, P)])
}

fn contents_stay_when_not_needed() -> Outcome {
    let region = numbered(2)?;
    for behavior in [VmBehavior::DONTNEED, VmBehavior::WILLNEED, VmBehavior::PAGEOUT] {
        ok("vm_behavior_set", vm_behavior_set(me(), region.address(), 2 * P, behavior))?;
    }
    store(&region, 1, 9);
    same("contents", [1, 9, 2], [0, 1, P].map(|at| load(&region, at)))
}

fn a_behavior_is_seen_in_the_region() -> Outcome {
    let region = pages(3)?;
    ok("vm_behavior_set", vm_behavior_set(me(), region.address() + P, P, VmBehavior::SEQUENTIAL))?;
    let found = region_at(region.address() + P)?;
    same("region", (region.address() + P, P, VmBehavior::SEQUENTIAL), (found.address, found.size, found.behavior))?;
    same("beside it", VmBehavior::DEFAULT, region_at(region.address())?.behavior)
}

fn targets_that_are_no_task() -> Outcome {
    let address = pages(1)?.address();
    wrong_targets(|target| vm_behavior_set(target, address, P, VmBehavior::DEFAULT))?;
    wrong_targets(|target| vm_machine_attribute(target, address, P, MATTR_CACHE, MATTR_VAL_CACHE_SYNC).map(drop))
}
