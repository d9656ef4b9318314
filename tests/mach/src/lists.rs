//! I.7: `vm_read_list` and `vm_read_overwrite`.

use alloc::vec;

use libmach::KernReturn;
use libmach::vm::{self, READ_LIST_MAX, ReadElement, VmProt, vm_read_list, vm_read_overwrite};

use crate::support::{P, fails, free, holds, hole, load, me, numbered, ok, pages, protect, reads, same, wrong_targets};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("vm_read_list.i07.01", three_good_elements),
    ("vm_read_list.i07.02", a_bad_element_in_the_middle),
    ("vm_read_list.i07.03", a_bad_element_at_the_end),
    ("vm_read_list.i07.04", counts),
    ("vm_read_list.i07.05", elements_of_size_zero),
    ("vm_read_overwrite.i07.06", over_memory_of_the_caller),
    ("vm_read_list.targets", targets_that_are_no_task),
    ("vm_read_list.list", lists_that_are_not_there),
];

fn element(address: u64, size: u64) -> ReadElement {
    ReadElement { address, size }
}

fn three_good_elements() -> Outcome {
    let region = numbered(4)?;
    let at = |page: u64| region.address() + page * P;
    let mut list = [element(at(0), P), element(at(1) + 5, 10), element(at(2), 2 * P)];
    ok("vm_read_list", vm_read_list(me(), &mut list))?;
    same("sizes", [P, 10, 2 * P], list.map(|read| read.size))?;
    for (read, value) in list.iter().zip([1, 2, 3]) {
        holds("a copy elsewhere", !(at(0)..at(4)).contains(&read.address))?;
        reads(read.address, value)?;
        free(read.address, read.size)?;
    }
    Ok(())
}

fn a_bad_element_in_the_middle() -> Outcome {
    let region = numbered(1)?;
    let mut list = [element(region.address(), P), element(hole(1)?, P), element(region.address(), 1)];
    ok("the last one is good", vm_read_list(me(), &mut list))?;
    same("the second", ReadElement::default(), list[1])?;
    reads(list[0].address, 1)?;
    reads(list[2].address, 1)?;
    free(list[0].address, P)?;
    free(list[2].address, 1)
}

fn a_bad_element_at_the_end() -> Outcome {
    let region = numbered(1)?;
    let mut list = [element(region.address(), P), element(hole(1)?, P)];
    fails("vm_read_list", KernReturn::INVALID_ADDRESS, vm_read_list(me(), &mut list))?;
    same("the last", ReadElement::default(), list[1])?;
    reads(list[0].address, 1)?;
    free(list[0].address, P)
}

fn counts() -> Outcome {
    let mut long = vec![element(0, 0); READ_LIST_MAX + 1];
    fails("257", KernReturn::INVALID_ARGUMENT, vm_read_list(me(), &mut long))?;
    long.pop();
    ok("256", vm_read_list(me(), &mut long))?;
    ok("0", vm_read_list(me(), &mut []))
}

fn elements_of_size_zero() -> Outcome {
    let region = numbered(1)?;
    let mut list = [element(1, 0), element(region.address(), P), element(u64::MAX, 0)];
    ok("vm_read_list", vm_read_list(me(), &mut list))?;
    same("both", [ReadElement::default(); 2], [list[0], list[2]])?;
    free(list[1].address, P)?;
    let mut bad = [element(hole(1)?, P), element(7, 0)];
    fails("it changes nothing", KernReturn::INVALID_ADDRESS, vm_read_list(me(), &mut bad))
}

fn over_memory_of_the_caller() -> Outcome {
    let (from, to) = (numbered(2)?, pages(3)?);
    let read = |size, data| vm_read_overwrite(me(), from.address(), size, data);
    same("small", Ok(100), read(100, to.address() + 5))?;
    same("large", Ok(2 * P), read(2 * P, to.address() + 7))?;
    same("bytes", [1, 1, 2], [load(&to, 5), load(&to, 7), load(&to, P + 7)])?;
    fails("nothing there", KernReturn::INVALID_ADDRESS, read(P, hole(1)?))?;
    ok("vm_protect", protect(to.address(), 2 * P, VmProt::READ))?;
    fails("read only, small", KernReturn::INVALID_ADDRESS, read(2 * P - 1, to.address()))?;
    fails("read only, large", KernReturn::PROTECTION_FAILURE, read(2 * P, to.address()))
}

fn targets_that_are_no_task() -> Outcome {
    wrong_targets(|target| vm_read_list(target, &mut [element(0, 0)]))
}

fn lists_that_are_not_there() -> Outcome {
    use libmach::rpc::call;
    use mach_protocol::vm::VmReadList;
    let region = numbered(1)?;
    let read = |list| call(me(), &VmReadList { list, count: 1 }).map(drop);
    fails("unmapped", KernReturn::SEND_INVALID_MEMORY, read(hole(1)?))?;
    let bytes = [region.address(), P].map(u64::to_le_bytes).concat();
    let list = pages(1)?;
    ok("vm_write", vm::vm_write(me(), list.address(), &bytes))?;
    ok("vm_protect", list.protect(VmProt::READ))?;
    fails("read only", KernReturn::RCV_INVALID_DATA, read(list.address()))
}
