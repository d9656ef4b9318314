//! I.11: `vm_remap`.

use alloc::string::String;

use libmach::KernReturn;
use libmach::vm::{self, RemapRequest, Remapped, VmFlags, VmInherit, VmProt, vm_remap, vm_remap_new};

use crate::support::{
    EmptyTask, P, fails, faults, free, hole, load, me, numbered, ok, pages, protect, reads, same, store, wrong_targets,
};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("vm_remap.i11.01", one_memory_at_two_addresses),
    ("vm_remap.i11.02", a_snapshot),
    ("vm_remap.i11.03", size_zero),
    ("vm_remap.i11.04", holes_in_the_source),
    ("vm_remap.i11.05", unknown_inheritance),
    ("vm_remap.i11.06", occupied_places),
    ("vm_remap.i11.07", protections_come_out_intersected),
    ("vm_remap.i11.08", wanted_protections_are_checked),
    ("vm_remap.i11.09", it_outlives_its_source),
    ("vm_remap.i11.10", it_outlives_the_task_of_its_source),
    ("vm_remap.i11.11", unknown_flags),
    ("vm_remap.i11.12", unaligned_sources),
    ("vm_remap.targets", targets_that_are_no_task),
];

const BAD: KernReturn = KernReturn::INVALID_ARGUMENT;

fn anywhere(source: u64, size: u64) -> RemapRequest {
    RemapRequest::anywhere(me(), source, size)
}

fn remap(request: &RemapRequest) -> Result<Remapped, String> {
    ok("vm_remap", vm_remap(me(), request))
}

fn one_memory_at_two_addresses() -> Outcome {
    let region = numbered(2)?;
    let twin = remap(&anywhere(region.address(), 2 * P))?;
    same("protections", (VmProt::DEFAULT, VmProt::ALL), (twin.protection, twin.max_protection))?;
    store(&region, 7, 42);
    reads(twin.address + 7, 42)?;
    ok("vm_write", vm::vm_write(me(), twin.address + P, &[43]))?;
    same("the first sees it", 43, load(&region, P))?;
    free(twin.address, 2 * P)
}

fn a_snapshot() -> Outcome {
    let region = numbered(2)?;
    let copy = remap(&RemapRequest { copy: true, ..anywhere(region.address(), 2 * P) })?;
    store(&region, 0, 42);
    ok("vm_write", vm::vm_write(me(), copy.address + P, &[43]))?;
    reads(copy.address, 1)?;
    same("the source", [42, 2], [load(&region, 0), load(&region, P)])?;
    free(copy.address, 2 * P)
}

fn size_zero() -> Outcome {
    let region = pages(1)?;
    fails("vm_remap", BAD, vm_remap(me(), &anywhere(region.address(), 0)))
}

fn holes_in_the_source() -> Outcome {
    let region = pages(3)?;
    ok("the hole", vm::vm_deallocate(me(), region.address() + P, P))?;
    fails("in the middle", KernReturn::INVALID_ADDRESS, vm_remap(me(), &anywhere(region.address(), 3 * P)))?;
    fails("all of it", KernReturn::INVALID_ADDRESS, vm_remap(me(), &anywhere(hole(1)?, P)))
}

fn unknown_inheritance() -> Outcome {
    let region = pages(1)?;
    let request = RemapRequest { inheritance: VmInherit(3), ..anywhere(region.address(), P) };
    fails("vm_remap", BAD, vm_remap(me(), &request))
}

fn occupied_places() -> Outcome {
    let (region, place) = (numbered(1)?, numbered(2)?);
    let fixed = RemapRequest { address: place.address() + P, flags: VmFlags::FIXED, ..anywhere(region.address(), P) };
    fails("occupied", KernReturn::NO_SPACE, vm_remap(me(), &fixed))?;
    same("untouched", 2, load(&place, P))?;
    let over = remap(&RemapRequest { flags: VmFlags::OVERWRITE, ..fixed })?;
    same("there", place.address() + P, over.address)?;
    same("replaced", [1, 1], [load(&place, 0), load(&place, P)])
}

fn protections_come_out_intersected() -> Outcome {
    let region = numbered(2)?;
    ok("vm_protect", protect(region.address(), P, VmProt::READ))?;
    let twin = remap(&anywhere(region.address(), 2 * P))?;
    same("protections", (VmProt::READ, VmProt::ALL), (twin.protection, twin.max_protection))?;
    free(twin.address, 2 * P)
}

fn wanted_protections_are_checked() -> Outcome {
    let region = numbered(1)?;
    let new = |current, max| vm_remap_new(me(), &anywhere(region.address(), P), current, max);
    fails("the current beyond the maximum", BAD, new(VmProt::DEFAULT, VmProt::READ))?;
    fails("bits that mean nothing", BAD, new(VmProt::READ, VmProt::from_bits_retain(9)))?;
    fails("WRITE and EXECUTE", KernReturn::PROTECTION_FAILURE, new(VmProt::READ, VmProt::ALL))?;
    let read_only = ok("vm_remap_new", new(VmProt::READ, VmProt::READ))?;
    reads(read_only.address, 1)?;
    let write = vm::vm_protect(me(), read_only.address, P, vm::Which::Current, VmProt::DEFAULT);
    fails("its maximum holds", KernReturn::PROTECTION_FAILURE, write)?;
    free(read_only.address, P)?;
    ok("vm_protect", region.protect(VmProt::READ))?;
    fails("of a read-only source", KernReturn::PROTECTION_FAILURE, new(VmProt::DEFAULT, VmProt::DEFAULT))
}

fn it_outlives_its_source() -> Outcome {
    let region = numbered(2)?;
    let twin = remap(&anywhere(region.address(), 2 * P))?;
    let source = region.address();
    drop(region);
    faults(source, KernReturn::INVALID_ADDRESS)?;
    reads(twin.address, 1)?;
    reads(twin.address + P, 2)?;
    free(twin.address, 2 * P)
}

fn it_outlives_the_task_of_its_source() -> Outcome {
    let child = EmptyTask::new()?;
    let source = ok("vm_allocate", vm::vm_allocate(child.0, 0, P, VmFlags::ANYWHERE))?;
    ok("vm_write", vm::vm_write(child.0, source, &[42]))?;
    let twin = remap(&RemapRequest { source: child.0, ..anywhere(source, P) })?;
    reads(twin.address, 42)?;
    ok("vm_write", vm::vm_write(me(), twin.address, &[43]))?;
    let mut seen = [0];
    let to = seen.as_mut_ptr().expose_provenance() as u64;
    ok("vm_read_overwrite", vm::vm_read_overwrite(child.0, source, 1, to))?;
    same("the child sees it", [43], seen)?;
    drop(child);
    reads(twin.address, 43)?;
    free(twin.address, P)
}

fn unknown_flags() -> Outcome {
    let region = pages(1)?;
    let request = RemapRequest { flags: VmFlags::ANYWHERE | VmFlags::PERMANENT, ..anywhere(region.address(), P) };
    fails("vm_remap", BAD, vm_remap(me(), &request))
}

fn unaligned_sources() -> Outcome {
    let region = numbered(2)?;
    let request = anywhere(region.address() + 17, P);
    let one = remap(&request)?;
    same("aligned, and the size alone is rounded", 0, one.address % P)?;
    reads(one.address, 1)?;
    free(one.address, P)?;
    let both = remap(&RemapRequest { flags: VmFlags::ANYWHERE | VmFlags::RETURN_DATA_ADDR, ..request })?;
    same("the offset is kept", 17, both.address % P)?;
    reads(both.address + P - 17, 2)?;
    free(both.address, P)
}

fn targets_that_are_no_task() -> Outcome {
    let region = pages(1)?;
    wrong_targets(|target| vm_remap(target, &anywhere(region.address(), P)).map(drop))?;
    let thread = ok("mach_thread_self", libmach::thread::mach_thread_self())?;
    for source in [libmach::PortName::NULL, libmach::PortName::DEAD, thread] {
        let request = RemapRequest { source, ..anywhere(region.address(), P) };
        fails("a source that is no task", BAD, vm_remap(me(), &request))?;
    }
    ok("deallocate", libmach::port::mach_port_deallocate(me(), thread))
}
