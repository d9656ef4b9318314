//! I.9: `vm_copy`.

use alloc::format;
use alloc::vec::Vec;

use libmach::vm::{self, VmProt, vm_copy};
use libmach::{KernReturn, Region};

use crate::support::{
    LAST_PAGE, P, fails, holds, hole, in_child, load, me, numbered, ok, page_is, pages, protect, same, shared_page,
    store,
};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("vm_copy.i09.01", a_page),
    ("vm_copy.i09.02", unaligned),
    ("vm_copy.i09.03", overlapping_is_memmove),
    ("vm_copy.i09.04", size_zero),
    ("vm_copy.i09.05", holes),
    ("vm_copy.i09.06", protection),
    ("vm_copy.i09.07", absurd_ranges),
    ("vm_copy.i09.08", an_absurd_size),
    ("vm_copy.i09.09", later_writes_are_not_shared),
    ("vm_copy.i09.10", a_child_that_shares_sees_it),
    ("vm_copy.i09.11", untouched_memory_copies_zeros),
    ("vm_copy.i09.12", onto_itself),
];

fn copy(source: u64, size: u64, dest: u64) -> Result<(), KernReturn> {
    vm_copy(me(), source, size, dest)
}

fn a_page() -> Outcome {
    let (source, dest) = (numbered(1)?, pages(1)?);
    ok("vm_copy", copy(source.address(), P, dest.address()))?;
    holds("contents", page_is(&dest, 0, 1))
}

fn unaligned() -> Outcome {
    let (source, dest) = (numbered(2)?, pages(1)?);
    ok("vm_copy", copy(source.address() + P - 50, 100, dest.address() + 7))?;
    let edges = [6, 7, 56, 57, 106, 107].map(|index| load(&dest, index));
    same("bytes at the edges", [0, 1, 1, 2, 2, 0], edges)
}

/// The bytes of a region.
fn contents(region: &Region) -> Vec<u8> {
    (0..region.size()).map(|index| load(region, index)).collect()
}

fn overlapping_is_memmove() -> Outcome {
    for (from, to) in [(0, P), (P, 0), (0, 7), (7, 0)] {
        let region = pages(4)?;
        for index in 0..region.size() {
            store(&region, index, ((index * 31) >> 3) as u8);
        }
        let mut want = contents(&region);
        let size = 4 * P - P.max(7);
        want.copy_within(from as usize..(from + size) as usize, to as usize);
        ok("vm_copy", copy(region.address() + from, size, region.address() + to))?;
        holds(&format!("from {from} to {to}"), contents(&region) == want)?;
    }
    Ok(())
}

fn size_zero() -> Outcome {
    ok("vm_copy", copy(hole(1)?, 0, u64::MAX))
}

fn holes() -> Outcome {
    let region = numbered(1)?;
    let empty = hole(1)?;
    fails("source", KernReturn::INVALID_ADDRESS, copy(empty, P, region.address()))?;
    fails("destination", KernReturn::INVALID_ADDRESS, copy(region.address(), P, empty))?;
    holds("nothing changed", page_is(&region, 0, 1))
}

fn protection() -> Outcome {
    let (good, bad) = (numbered(2)?, pages(2)?);
    for (protection, from, to) in [(VmProt::NONE, &bad, &good), (VmProt::READ, &good, &bad)] {
        ok("vm_protect", protect(bad.address(), 2 * P, protection))?;
        let copy = |size| copy(from.address(), size, to.address());
        fails("small", KernReturn::INVALID_ADDRESS, copy(2 * P - 1))?;
        fails("large", KernReturn::PROTECTION_FAILURE, copy(2 * P))?;
    }
    holds("nothing changed", page_is(&good, 0, 1) && page_is(&good, 1, 2))
}

fn absurd_ranges() -> Outcome {
    let region = pages(1)?;
    fails("source wraps", KernReturn::INVALID_ADDRESS, copy(LAST_PAGE, 2 * P, region.address()))
}

fn an_absurd_size() -> Outcome {
    let region = pages(1)?;
    fails("2^64-1 bytes", KernReturn::INVALID_ADDRESS, copy(region.address(), u64::MAX, region.address()))
}

fn later_writes_are_not_shared() -> Outcome {
    let (source, dest) = (numbered(4)?, pages(4)?);
    ok("vm_copy", copy(source.address(), 4 * P, dest.address()))?;
    store(&source, 0, 8);
    store(&dest, P, 9);
    same("the copy", [1, 9], [load(&dest, 0), load(&dest, P)])?;
    same("the source", [8, 2], [load(&source, 0), load(&source, P)])
}

fn a_child_that_shares_sees_it() -> Outcome {
    let page = shared_page()?;
    let source = numbered(1)?;
    let address = source.address();
    in_child(move || ok("vm_copy", copy(address, P, page.address())))?;
    holds("the copied data", page_is(page, 0, 1))
}

fn untouched_memory_copies_zeros() -> Outcome {
    let (source, dest) = (pages(2)?, numbered(2)?);
    ok("vm_copy", vm::vm_copy(me(), source.address(), 2 * P, dest.address()))?;
    holds("zeros", page_is(&dest, 0, 0) && page_is(&dest, 1, 0))
}

fn onto_itself() -> Outcome {
    let region = numbered(2)?;
    ok("vm_copy", copy(region.address(), 2 * P, region.address()))?;
    holds("unchanged", page_is(&region, 0, 1) && page_is(&region, 1, 2))
}
