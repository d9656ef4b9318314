//! I.10: `vm_region`.

use libmach::port::mach_port_deallocate;
use libmach::task::task_info;
use libmach::vm::{
    self, MapRequest, VM_REGION_BASIC_INFO_64, VM_REGION_BASIC_INFO_64_COUNT, VM_REGION_EXTENDED_INFO,
    VM_REGION_EXTENDED_INFO_COUNT, VM_REGION_SUBMAP_INFO_COUNT_64, VmInherit, VmProt, gnu_vm_region, vm_region,
    vm_region_flavor, vm_region_recurse,
};
use libmach::{KernReturn, PortName};

use crate::support::{
    EmptyTask, P, fails, free, holds, hole, in_child, kept, me, numbered, ok, pages, pages_apart, region_at, same,
    store,
};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("vm_region.i10.01", inside_an_entry),
    ("vm_region.i10.02", in_a_hole),
    ("vm_region.i10.03", above_the_last),
    ("vm_region.i10.04", unknown_flavors),
    ("vm_region.i10.05", short_counts),
    ("vm_region.i10.06", fields_follow_the_calls),
    ("vm_region.i10.07", a_walk_sums_to_the_virtual_size),
    ("vm_region.i10.08", object_names_by_the_gnu_id),
    ("vm_region.i10.09", no_object_name_by_the_other_ids),
    ("vm_region.i10.10", the_form_for_maps_of_maps),
    ("vm_region.i10.11", share_modes),
    ("vm_region.i10.12", inaccessible_regions_are_listed),
];

fn inside_an_entry() -> Outcome {
    let region = pages(2)?;
    let found = region_at(region.address() + P + 5)?;
    holds("its start is at or below", found.address <= region.address())?;
    holds("its end is at or above", found.address + found.size >= region.address() + 2 * P)
}

fn in_a_hole() -> Outcome {
    let region = pages(3)?;
    ok("the hole", vm::vm_deallocate(me(), region.address() + P, P))?;
    same("the next entry", region.address() + 2 * P, region_at(region.address() + P + 9)?.address)
}

fn above_the_last() -> Outcome {
    let child = EmptyTask::new()?;
    let address = ok("vm_allocate", vm::vm_allocate(child.0, 0, P, vm::VmFlags::ANYWHERE))?;
    fails("vm_region", KernReturn::INVALID_ADDRESS, vm_region(child.0, address + P))?;
    fails("by the GNU id", KernReturn::NO_SPACE, gnu_vm_region(child.0, address + P))
}

fn unknown_flavors() -> Outcome {
    let region = pages(1)?;
    fails("flavor 99", KernReturn::INVALID_ARGUMENT, vm_region_flavor(me(), region.address(), 99, 20))
}

fn short_counts() -> Outcome {
    let region = pages(1)?;
    let (address, bad) = (region.address(), KernReturn::INVALID_ARGUMENT);
    let basic = |count| vm_region_flavor(me(), address, VM_REGION_BASIC_INFO_64, count);
    fails("count 8", bad, basic(VM_REGION_BASIC_INFO_64_COUNT - 1))?;
    same("count 9", 9, ok("vm_region", basic(VM_REGION_BASIC_INFO_64_COUNT))?.info.len())
}

fn fields_follow_the_calls() -> Outcome {
    let region = pages(3)?;
    let middle = region.address() + P;
    ok("vm_protect", vm::vm_protect(me(), middle, P, vm::Which::Current, VmProt::READ))?;
    ok("vm_inherit", vm::vm_inherit(me(), middle, P, VmInherit::SHARE))?;
    let host = ok("mach_host_self", libmach::host::mach_host_self())?;
    let wire = |access| vm::gnu_vm_wire(host, me(), middle, P, access);
    ok("vm_wire", wire(VmProt::READ))?;
    let info = region_at(middle)?;
    ok("unwire", wire(VmProt::NONE))?;
    ok("deallocate", mach_port_deallocate(me(), host))?;
    let fields = (info.address, info.size, info.protection, info.max_protection, info.inheritance);
    same("fields", (middle, P, VmProt::READ, VmProt::ALL, VmInherit::SHARE), fields)?;
    same("wired", [1, 0], [info.user_wired_count, region_at(middle)?.user_wired_count])
}

fn a_walk_sums_to_the_virtual_size() -> Outcome {
    let walk = || {
        let (mut address, mut sum, mut count) = (0, 0, 0);
        while let Ok(region) = vm_region(me(), address) {
            address = region.address + region.size;
            sum += region.size;
            count += 1;
            if count > 10_000 {
                break;
            }
        }
        (sum, count)
    };
    let (sum, count) = walk();
    holds("the walk ends", count <= 10_000)?;
    same("virtual size", ok("task_info", task_info(me()))?.virtual_size, sum)
}

fn object_names_by_the_gnu_id() -> Outcome {
    let region = pages_apart(1)?;
    let name =
        || Ok::<PortName, alloc::string::String>(ok("vm_region", gnu_vm_region(me(), region.address()))?.object_name);
    same("untouched", PortName::NULL, name()?)?;
    store(&region, 0, 1);
    let (first, second) = (name()?, name()?);
    holds("touched: a name", first.is_valid())?;
    same("one object, one name", first, second)?;
    ok("deallocate", mach_port_deallocate(me(), first))?;
    ok("deallocate again", mach_port_deallocate(me(), first))
}

fn no_object_name_by_the_other_ids() -> Outcome {
    let region = numbered(1)?;
    let basic = vm_region_flavor(me(), region.address(), VM_REGION_BASIC_INFO_64, VM_REGION_BASIC_INFO_64_COUNT);
    same("object name", PortName::NULL, ok("vm_region", basic)?.object_name)
}

fn the_form_for_maps_of_maps() -> Outcome {
    let region = pages(1)?;
    let child = EmptyTask::new()?;
    let recurse = |task, address, count| vm_region_recurse(task, address, count);
    let full = VM_REGION_SUBMAP_INFO_COUNT_64;
    let found = ok("vm_region_recurse", recurse(me(), region.address(), full))?;
    same("depth and count", (0, full as usize), (found.nesting_depth, found.info.len()))?;
    holds("the region", (found.address..found.address + found.size).contains(&region.address()))?;
    same("protection", Some(&VmProt::DEFAULT.bits()), found.info.as_slice().first())?;
    same("an older form", 16, ok("vm_region_recurse", recurse(me(), region.address(), 16))?.info.len())?;
    fails("none", KernReturn::INVALID_ADDRESS, recurse(child.0, 0, full))
}

fn share_modes() -> Outcome {
    const SHARE_MODE_WORD: usize = 7;
    let mode = |address| {
        let info = vm_region_flavor(me(), address, VM_REGION_EXTENDED_INFO, VM_REGION_EXTENDED_INFO_COUNT);
        let info = ok("vm_region", info)?.info;
        Ok::<u32, alloc::string::String>(info.as_slice().get(SHARE_MODE_WORD).map_or(0, |word| word >> 24))
    };
    let region = kept(pages_apart(1)?);
    same("untouched: EMPTY", 3, mode(region.address())?)?;
    store(region, 0, 1);
    same("touched: PRIVATE", 2, mode(region.address())?)?;
    in_child(move || same("after a fork: COW", 1, mode(region.address())?))?;
    ok("vm_inherit", region.inherit(VmInherit::SHARE))?;
    in_child(move || {
        let mode = mode(region.address())?;
        holds("shared on purpose", mode == 4 || mode == 5)
    })?;
    free(region.address(), P)
}

fn inaccessible_regions_are_listed() -> Outcome {
    let request = MapRequest {
        address: hole(1)?,
        protection: VmProt::NONE,
        max_protection: VmProt::NONE,
        ..MapRequest::anonymous(P)
    };
    let address = ok("vm_map", vm::vm_map(me(), &request))?;
    let found = region_at(address)?;
    free(address, P)?;
    same("it is listed", (address, VmProt::NONE), (found.address, found.max_protection))
}
