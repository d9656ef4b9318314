//! I.1: `vm_allocate`.

use alloc::vec::Vec;

use libmach::KernReturn;
use libmach::vm::{self, VmFlags, VmInherit, VmProt};

use crate::support::{
    EmptyTask, LAST_PAGE, P, fails, faults, fixed, free, holds, hole, is_mapped, load, lowest_gap, map_end, me,
    numbered, ok, page_is, pages, reads, region_at, same, store, wrong_targets,
};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("vm_allocate.i01.01", anywhere_gives_zeros),
    ("vm_allocate.i01.02", one_byte_is_a_page),
    ("vm_allocate.i01.03", a_byte_more_is_a_page_more),
    ("vm_allocate.i01.04", size_zero_anywhere),
    ("vm_allocate.i01.05", size_zero_fixed),
    ("vm_allocate.i01.06", fixed_is_exactly_there),
    ("vm_allocate.i01.07", fixed_in_a_page_takes_that_page),
    ("vm_allocate.i01.08", size_is_rounded_on_its_own),
    ("vm_allocate.i01.09", page_zero_is_out_of_bounds),
    ("vm_allocate.i01.10", occupied_is_refused),
    ("vm_allocate.i01.11", occupied_middle_allocates_nothing),
    ("vm_allocate.i01.12", beyond_the_map_is_refused),
    ("vm_allocate.i01.13", wrapping_is_refused),
    ("vm_allocate.i01.14", absurd_sizes_anywhere),
    ("vm_allocate.i01.15", absurd_size_fixed),
    ("vm_allocate.i01.16", unknown_flags),
    ("vm_allocate.i01.17", impossible_pairs_of_flags),
    ("vm_allocate.i01.18", hints_are_ignored),
    ("vm_allocate.i01.19", the_lowest_gap_is_used_again),
    ("vm_allocate.i01.20", a_thousand_pages_are_disjoint),
    ("vm_allocate.i01.21", targets_that_are_no_task),
    ("vm_allocate.i01.22", overwrite_replaces_one_page),
    ("vm_allocate.i01.23", in_another_task),
    ("vm_allocate.i01.24", by_the_gnu_id),
];

fn anywhere(size: u64) -> Result<u64, KernReturn> {
    vm::vm_allocate(me(), 0, size, VmFlags::ANYWHERE)
}

fn anywhere_gives_zeros() -> Outcome {
    let region = pages(1)?;
    holds("aligned and not 0", region.address() % P == 0 && region.address() != 0)?;
    holds("zero everywhere", page_is(&region, 0, 0))?;
    let info = region_at(region.address())?;
    let attributes = (info.protection, info.max_protection, info.inheritance);
    same("attributes", (VmProt::DEFAULT, VmProt::ALL, VmInherit::COPY), attributes)
}

fn one_byte_is_a_page() -> Outcome {
    let address = ok("vm_allocate", anywhere(1))?;
    reads(address, 0)?;
    reads(address + P - 1, 0)?;
    ok("vm_write at the end", vm::vm_write(me(), address + P - 1, &[7]))?;
    reads(address + P - 1, 7)?;
    free(address, P)
}

fn a_byte_more_is_a_page_more() -> Outcome {
    let address = ok("vm_allocate", anywhere(P + 1))?;
    reads(address + 2 * P - 1, 0)?;
    free(address, 2 * P)
}

fn size_zero_anywhere() -> Outcome {
    same("address", Ok(0), vm::vm_allocate(me(), 0xdead_beef, 0, VmFlags::ANYWHERE))
}

fn size_zero_fixed() -> Outcome {
    let taken = pages(1)?;
    same("address", Ok(0), fixed(taken.address(), 0))
}

fn fixed_is_exactly_there() -> Outcome {
    let address = hole(1)?;
    same("address", Ok(address), fixed(address, P))?;
    free(address, P)
}

fn fixed_in_a_page_takes_that_page() -> Outcome {
    let address = hole(4)?;
    same("address", Ok(address), fixed(address + 1, P))?;
    reads(address + P - 1, 0)?;
    faults(address + P, KernReturn::INVALID_ADDRESS)?;
    free(address, P)
}

fn size_is_rounded_on_its_own() -> Outcome {
    let address = hole(4)?;
    same("address", Ok(address), fixed(address + P - 1, 2))?;
    holds("one page only", !is_mapped(address + P))?;
    free(address, P)
}

fn page_zero_is_out_of_bounds() -> Outcome {
    fails("page 0", KernReturn::INVALID_ADDRESS, fixed(0, P))
}

fn occupied_is_refused() -> Outcome {
    let region = numbered(4)?;
    for page in 0..4 {
        fails("an occupied page", KernReturn::NO_SPACE, fixed(region.address() + page * P, P))?;
    }
    holds("contents are intact", (0..4).all(|page| page_is(&region, page, page as u8 + 1)))
}

fn occupied_middle_allocates_nothing() -> Outcome {
    let address = hole(3)?;
    ok("the middle page", fixed(address + P, P))?;
    fails("all three", KernReturn::NO_SPACE, fixed(address, 3 * P))?;
    holds("nothing else allocated", !is_mapped(address) && !is_mapped(address + 2 * P))?;
    free(address + P, P)
}

fn beyond_the_map_is_refused() -> Outcome {
    let end = map_end()?;
    fails("over the end", KernReturn::INVALID_ADDRESS, fixed(end - P, 2 * P))
}

fn wrapping_is_refused() -> Outcome {
    fails("the last page", KernReturn::INVALID_ADDRESS, fixed(LAST_PAGE, P))?;
    fails("from P on", KernReturn::INVALID_ADDRESS, fixed(P, LAST_PAGE))
}

fn absurd_sizes_anywhere() -> Outcome {
    fails("2^64-1", KernReturn::INVALID_ARGUMENT, anywhere(u64::MAX))?;
    fails("2^64-P", KernReturn::NO_SPACE, anywhere(LAST_PAGE))
}

fn absurd_size_fixed() -> Outcome {
    let address = hole(1)?;
    fails("2^64-1", KernReturn::INVALID_ARGUMENT, fixed(address, u64::MAX))
}

fn unknown_flags() -> Outcome {
    let flags = VmFlags::from_bits_retain(0x100) | VmFlags::ANYWHERE;
    for size in [P, 0] {
        fails("flags 0x100", KernReturn::INVALID_ARGUMENT, vm::vm_allocate(me(), 0, size, flags))?;
    }
    Ok(())
}

fn impossible_pairs_of_flags() -> Outcome {
    let flags = VmFlags::PURGABLE | VmFlags::SUPERPAGE_SIZE_ANY | VmFlags::ANYWHERE;
    for size in [P, 0] {
        fails("purgable superpages", KernReturn::INVALID_ARGUMENT, vm::vm_allocate(me(), 0, size, flags))?;
    }
    Ok(())
}

fn hints_are_ignored() -> Outcome {
    let lowest = lowest_gap(1)?;
    let hinted = ok("with a hint", vm::vm_allocate(me(), 0x10_0000_0000, P, VmFlags::ANYWHERE))?;
    free(hinted, P)?;
    same("address", lowest, hinted)
}

fn the_lowest_gap_is_used_again() -> Outcome {
    let first = lowest_gap(3)?;
    let second = lowest_gap(3)?;
    same("the same address", first, second)
}

fn a_thousand_pages_are_disjoint() -> Outcome {
    let mut addresses = Vec::new();
    for _ in 0..1000 {
        addresses.push(ok("vm_allocate", anywhere(P))?);
    }
    addresses.sort_unstable();
    let disjoint = addresses.windows(2).all(|pair| pair[1] - pair[0] >= P);
    for address in addresses {
        free(address, P)?;
    }
    holds("disjoint", disjoint)
}

fn targets_that_are_no_task() -> Outcome {
    wrong_targets(|target| vm::vm_allocate(target, 0, P, VmFlags::ANYWHERE).map(drop))
}

fn overwrite_replaces_one_page() -> Outcome {
    let region = numbered(4)?;
    let flags = VmFlags::FIXED | VmFlags::OVERWRITE;
    same("address", Ok(region.address() + P), vm::vm_allocate(me(), region.address() + P, P, flags))?;
    holds("the page is zero", page_is(&region, 1, 0))?;
    holds("the others are not", [0, 2, 3].iter().all(|page| page_is(&region, *page, *page as u8 + 1)))
}

fn in_another_task() -> Outcome {
    let child = EmptyTask::new()?;
    let own = pages(1)?;
    store(&own, 0, 5);
    let address = ok("vm_allocate", vm::vm_allocate(child.0, 0, P, VmFlags::ANYWHERE))?;
    let there = ok("vm_region in the child", vm::vm_region(child.0, 0))?;
    same("the child's only region", (address, P), (there.address, there.size))?;
    same("the parent's memory", 5, load(&own, 0))
}

fn by_the_gnu_id() -> Outcome {
    let address = ok("vm_allocate", vm::gnu_vm_allocate(me(), 0x7fff_dead_beef, P, 1))?;
    reads(address, 0)?;
    free(address, P)
}
