//! I.3: `vm_map` of anonymous memory.

use alloc::format;

use libmach::port::ReceivePort;
use libmach::rpc::call;
use libmach::vm::{self, MapRequest, VmFlags, VmInherit, VmProt};
use libmach::{KernReturn, PortName};
use mach_protocol::vm::GnuVmMap;

use crate::support::{
    LAST_PAGE, P, fails, faults, free, holds, hole, map_end, me, numbered, ok, page_is, reads, region_at, same,
};
use crate::{Case, Outcome};

pub(crate) const CASES: &[Case] = &[
    ("vm_map.i03.01", anonymous_memory_is_zero),
    ("vm_map.i03.02", size_zero),
    ("vm_map.i03.03", absurd_sizes),
    ("vm_map.i03.04", wrapping),
    ("vm_map.i03.05", unknown_protections),
    ("vm_map.i03.06", unknown_inheritance),
    ("vm_map.i03.07", current_is_cut_to_maximum),
    ("vm_map.i03.08", a_mask_aligns),
    ("vm_map.i03.09", fixed_against_the_mask),
    ("vm_map.i03.10", a_mask_of_ones),
    ("vm_map.i03.11", hints),
    ("vm_map.i03.12", a_hint_does_not_wrap),
    ("vm_map.i03.13", occupied),
    ("vm_map.i03.14", unknown_flags),
    ("vm_map.i03.15", inheritance_shows),
    ("vm_map.i03.16", no_protection_no_access),
    ("vm_map.i03.17", objects_that_are_none),
    ("vm_map.i03.18", a_port_that_is_no_object),
    ("vm_map.i03.19", unaligned_offsets),
    ("vm_map.i03.20", offsets_that_wrap),
    ("vm_map.i03.21", page_zero_is_never_given),
];

fn map(request: &MapRequest) -> Result<u64, KernReturn> {
    vm::vm_map(me(), request)
}

fn at(address: u64, size: u64) -> MapRequest {
    MapRequest { address, flags: VmFlags::FIXED, ..MapRequest::anonymous(size) }
}

fn anonymous_memory_is_zero() -> Outcome {
    let address = ok("vm_map", map(&MapRequest::anonymous(P)))?;
    reads(address, 0)?;
    reads(address + P - 1, 0)?;
    free(address, P)
}

fn size_zero() -> Outcome {
    fails("anywhere", KernReturn::INVALID_ARGUMENT, map(&MapRequest::anonymous(0)))?;
    fails("fixed", KernReturn::INVALID_ARGUMENT, map(&at(hole(1)?, 0)))
}

fn absurd_sizes() -> Outcome {
    fails("2^64-1", KernReturn::INVALID_ARGUMENT, map(&MapRequest::anonymous(u64::MAX)))?;
    fails("2^64-P", KernReturn::NO_SPACE, map(&MapRequest::anonymous(LAST_PAGE)))
}

fn wrapping() -> Outcome {
    fails("the last page", KernReturn::INVALID_ARGUMENT, map(&at(LAST_PAGE, P)))
}

fn unknown_protections() -> Outcome {
    let taken = numbered(1)?;
    let bad = |bits| VmProt::from_bits_retain(bits);
    for place in [MapRequest::anonymous(P), at(taken.address(), P)] {
        for bits in [8, !0, 0x7fff_ffff] {
            let what = format!("protection {bits:#x}");
            fails(&what, KernReturn::INVALID_ARGUMENT, map(&MapRequest { protection: bad(bits), ..place }))?;
            fails(&what, KernReturn::INVALID_ARGUMENT, map(&MapRequest { max_protection: bad(bits), ..place }))?;
        }
    }
    Ok(())
}

fn unknown_inheritance() -> Outcome {
    let taken = numbered(1)?;
    for place in [MapRequest::anonymous(P), at(taken.address(), P)] {
        for value in [3, !0] {
            let request = MapRequest { inheritance: VmInherit(value), ..place };
            fails(&format!("inheritance {value}"), KernReturn::INVALID_ARGUMENT, map(&request))?;
        }
    }
    Ok(())
}

fn current_is_cut_to_maximum() -> Outcome {
    let request = MapRequest { protection: VmProt::ALL, max_protection: VmProt::READ, ..MapRequest::anonymous(P) };
    let address = ok("vm_map", map(&request))?;
    let info = region_at(address)?;
    free(address, P)?;
    same("protections", (VmProt::READ, VmProt::READ), (info.protection, info.max_protection))
}

/// Address bits that multiples of 2 MiB lack.
const MASK: u64 = (2 << 20) - 1;

fn a_mask_aligns() -> Outcome {
    let address = ok("anywhere", map(&MapRequest { mask: MASK, ..MapRequest::anonymous(P) }))?;
    free(address, P)?;
    same("aligned", 0, address & MASK)
}

fn fixed_against_the_mask() -> Outcome {
    let free_page = hole(1)? | P;
    let end = map_end()?;
    for place in [free_page, end + P] {
        fails("fixed, not aligned", KernReturn::NO_SPACE, map(&MapRequest { mask: MASK, ..at(place, P) }))?;
    }
    Ok(())
}

fn a_mask_of_ones() -> Outcome {
    let all_ones = MapRequest { mask: !0, ..MapRequest::anonymous(P) };
    fails("all ones", KernReturn::NO_SPACE, map(&all_ones))
}

fn hints() -> Outcome {
    const HINT: u64 = 0x20_0000_0000;
    let hinted = |hint| MapRequest { address: hint, ..MapRequest::anonymous(P) };
    let address = ok("a free hint", map(&hinted(HINT + 0x123)))?;
    let above = ok("a hint in a used page", map(&hinted(HINT + 0x123)))?;
    free(address, 2 * P)?;
    same("addresses", (HINT, HINT + P), (address, above))
}

fn a_hint_does_not_wrap() -> Outcome {
    let last = map_end()? - P;
    ok("the last page", map(&at(last, P)))?;
    let outcome =
        fails("a hint at it", KernReturn::NO_SPACE, map(&MapRequest { address: last, ..MapRequest::anonymous(P) }));
    free(last, P)?;
    outcome
}

fn occupied() -> Outcome {
    let taken = numbered(2)?;
    fails("fixed", KernReturn::NO_SPACE, map(&at(taken.address(), P)))?;
    let over = MapRequest { flags: VmFlags::FIXED | VmFlags::OVERWRITE, ..at(taken.address(), P) };
    same("overwriting", Ok(taken.address()), map(&over))?;
    holds("the page is zero, the next is not", page_is(&taken, 0, 0) && page_is(&taken, 1, 2))
}

fn unknown_flags() -> Outcome {
    let flags = VmFlags::ANYWHERE | VmFlags::from_bits_retain(0x100);
    fails("flags 0x100", KernReturn::INVALID_ARGUMENT, map(&MapRequest { flags, ..MapRequest::anonymous(P) }))
}

fn inheritance_shows() -> Outcome {
    for inheritance in [VmInherit::NONE, VmInherit::SHARE, VmInherit::COPY] {
        let address = ok("vm_map", map(&MapRequest { inheritance, ..MapRequest::anonymous(P) }))?;
        let info = region_at(address)?;
        free(address, P)?;
        same("inheritance", inheritance, info.inheritance)?;
    }
    Ok(())
}

fn no_protection_no_access() -> Outcome {
    let address = ok("vm_map", map(&MapRequest { protection: VmProt::NONE, ..MapRequest::anonymous(P) }))?;
    let outcome = faults(address + 9, KernReturn::PROTECTION_FAILURE);
    free(address, P)?;
    outcome
}

fn objects_that_are_none() -> Outcome {
    let dead = MapRequest { object: PortName::DEAD, ..MapRequest::anonymous(P) };
    fails("a dead name", KernReturn::INVALID_ARGUMENT, map(&dead))?;
    let null = MapRequest { offset: 12345, copy: true, ..MapRequest::anonymous(P) };
    let address = ok("the null object with an offset", map(&null))?;
    reads(address, 0)?;
    free(address, P)
}

fn a_port_that_is_no_object() -> Outcome {
    let request = MapRequest { object: me(), ..MapRequest::anonymous(P) };
    fails("vm_map", KernReturn::INVALID_OBJECT, map(&request))?;
    let gnu = GnuVmMap {
        address: 0,
        size: P,
        mask: 0,
        anywhere: 1,
        memory_object: me(),
        offset: 0,
        copy: false,
        cur_protection: VmProt::DEFAULT.bits(),
        max_protection: VmProt::ALL.bits(),
        inheritance: VmInherit::COPY.0,
    };
    fails("by the GNU id", KernReturn::INVALID_ARGUMENT, call(me(), &gnu).map(drop))
}

fn unaligned_offsets() -> Outcome {
    let object = ok("a port", ReceivePort::new())?;
    let request = MapRequest { object: object.name(), offset: 12, ..MapRequest::anonymous(P) };
    fails("vm_map", KernReturn::INVALID_ARGUMENT, map(&request))
}

fn offsets_that_wrap() -> Outcome {
    let object = ok("a port", ReceivePort::new())?;
    let request = MapRequest { object: object.name(), offset: LAST_PAGE, ..MapRequest::anonymous(2 * P) };
    fails("vm_map", KernReturn::INVALID_ARGUMENT, map(&request))
}

fn page_zero_is_never_given() -> Outcome {
    let address = ok("vm_map", map(&MapRequest::anonymous(P)))?;
    free(address, P)?;
    holds("not page 0", address >= P)
}
