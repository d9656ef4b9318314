//! I-MO 71 to 77: proxies.

use libmach::memory_object::{CopyStrategy, memory_object_create_proxy, vm_region_create_proxy};
use libmach::port::mach_port_deallocate;
use libmach::rpc::call;
use libmach::vm::{self, MapRequest, VmProt};
use libmach::{KernReturn, PortName, Region};
use mach_protocol::memory_object::MemoryObjectCreateProxy;

use super::Manager;
use crate::support::{P, fails, free, kept, me, numbered, ok, pages_apart, reads, region_at, same, store};
use crate::{Case, Outcome};

pub(super) const CASES: &[Case] = &[
    ("memory_object.imo.71", protections_are_reduced),
    ("memory_object.imo.72", a_copy_needs_to_read),
    ("memory_object.imo.73", beyond_the_range),
    ("memory_object.imo.74", longer_arrays),
    ("memory_object.imo.75", no_object),
    ("memory_object.imo.76", a_proxy_that_is_gone),
    ("memory_object.imo.77", a_region_of_anonymous_memory),
];

/// A proxy for pages 1 and 2 of the manager's object.
fn proxy(manager: &Manager, protection: VmProt) -> Result<PortName, KernReturn> {
    memory_object_create_proxy(me(), protection, manager.object(), 0, P, 2 * P)
}

fn protections_are_reduced() -> Outcome {
    let (manager, region) = Manager::full(3, CopyStrategy::DELAY)?;
    let proxy = ok("create_proxy", proxy(&manager, VmProt::READ))?;
    let address = ok("vm_map", vm::vm_map(me(), &MapRequest::object(proxy, 2 * P)))?;
    let mapped = region_at(address)?;
    same("protections", (VmProt::READ, VmProt::READ), (mapped.protection, mapped.max_protection))?;
    reads(address, 2)?;
    reads(address + P, 3)?;
    free(address, 2 * P)?;
    ok("deallocate", mach_port_deallocate(me(), proxy))?;
    manager.finish(region)
}

fn a_copy_needs_to_read() -> Outcome {
    let (manager, region) = Manager::full(3, CopyStrategy::DELAY)?;
    let proxy = ok("create_proxy", proxy(&manager, VmProt::WRITE))?;
    let copy = vm::vm_map(me(), &MapRequest { copy: true, ..MapRequest::object(proxy, P) });
    fails("vm_map", KernReturn::PROTECTION_FAILURE, copy)?;
    ok("deallocate", mach_port_deallocate(me(), proxy))?;
    manager.finish(region)
}

fn beyond_the_range() -> Outcome {
    let (manager, region) = Manager::full(3, CopyStrategy::DELAY)?;
    let proxy = ok("create_proxy", proxy(&manager, VmProt::ALL))?;
    fails("size", KernReturn::INVALID_ARGUMENT, vm::vm_map(me(), &MapRequest::object(proxy, 3 * P)))?;
    let beyond = MapRequest { offset: P, ..MapRequest::object(proxy, 2 * P) };
    fails("offset", KernReturn::INVALID_ARGUMENT, vm::vm_map(me(), &beyond))?;
    let inner = memory_object_create_proxy(me(), VmProt::ALL, proxy, 0, P, 2 * P);
    fails("a proxy of the proxy", KernReturn::INVALID_ARGUMENT, inner)?;
    let wraps = memory_object_create_proxy(me(), VmProt::ALL, manager.object(), 0, P, 0_u64.wrapping_sub(P));
    fails("a range that wraps", KernReturn::INVALID_ARGUMENT, wraps)?;
    ok("deallocate", mach_port_deallocate(me(), proxy))?;
    manager.finish(region)
}

fn longer_arrays() -> Outcome {
    let (manager, region) = Manager::full(1, CopyStrategy::DELAY)?;
    for which in 0..4 {
        let mut counts = [1; 4];
        counts[which] = 2;
        let object = manager.object();
        let max_protection = VmProt::ALL.bits();
        let request = MemoryObjectCreateProxy { max_protection, counts, object, offset: 0, start: 0, len: P };
        fails("create_proxy", KernReturn::INVALID_ARGUMENT, call(me(), &request))?;
    }
    manager.finish(region)
}

fn no_object() -> Outcome {
    let none = memory_object_create_proxy(me(), VmProt::ALL, PortName::NULL, 0, 0, P);
    fails("create_proxy", KernReturn::INVALID_NAME, none)
}

fn a_region_of_anonymous_memory() -> Outcome {
    let region = kept(numbered(3)?);
    let proxy = ok("region_create_proxy", vm_region_create_proxy(me(), region.address() + P, VmProt::DEFAULT, 2 * P))?;
    let mapped = kept(ok("vm_map", Region::map(&MapRequest::object(proxy, 2 * P)))?);
    same("the maximum", VmProt::DEFAULT, region_at(mapped.address())?.max_protection)?;
    reads(mapped.address(), 2)?;
    store(mapped, 0, 20);
    store(region, 2 * P, 30);
    reads(region.address() + P, 20)?;
    reads(mapped.address() + P, 30)?;
    // The memory lives as long as the proxy.
    free(mapped.address(), 2 * P)?;
    free(region.address(), 3 * P)?;
    let mapped = ok("vm_map", Region::map(&MapRequest::object(proxy, 2 * P)))?;
    reads(mapped.address(), 20)?;
    drop(mapped);
    ok("deallocate", mach_port_deallocate(me(), proxy))?;
    let nothing = vm_region_create_proxy(me(), region.address(), VmProt::ALL, P);
    fails("region_create_proxy of nothing", KernReturn::NO_SPACE, nothing)?;
    let short = pages_apart(1)?;
    let long = vm_region_create_proxy(me(), short.address(), VmProt::ALL, 2 * P);
    fails("region_create_proxy of too much", KernReturn::INVALID_ARGUMENT, long)
}

fn a_proxy_that_is_gone() -> Outcome {
    let (manager, region) = Manager::full(3, CopyStrategy::DELAY)?;
    let proxy = ok("create_proxy", proxy(&manager, VmProt::ALL))?;
    let mapped = kept(ok("vm_map", Region::map(&MapRequest::object(proxy, 2 * P)))?);
    ok("deallocate", mach_port_deallocate(me(), proxy))?;
    reads(mapped.address(), 2)?;
    store(mapped, 0, 9);
    reads(region.address() + P, 9)?;
    free(mapped.address(), 2 * P)?;
    manager.finish_dirty(region, 1)
}
