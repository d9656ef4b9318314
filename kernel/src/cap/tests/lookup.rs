//! Addresses resolve as chapter 2.4 of the interface says, its measured examples included.

use proptest::prelude::*;

use super::super::lookup::{empty_slot, find_slot, lookup_slot, resolve, target_slot};
use super::super::{Cap, cdt};
use super::{at, cnode_cap, make_endpoint, make_slots};
use crate::arch::Machine;
use crate::error::{LookupFault, LookupSide, SyscallError};
use crate::kobj::KRef;
use crate::object::{Tcb, TcbSlot};
use sel4_abi::object::TCB_BITS;

#[test]
fn root_of_radix_13_with_guard_of_51_zeros() {
    let mut m = Machine::new(20);
    let slots = make_slots(&mut m, 13);
    let root = cnode_cap(slots, 0, 51);
    let k = &m.kernel;
    assert_eq!(
        resolve(k, root, 0x777_7777, 64),
        Err(LookupFault::GuardMismatch { bits_left: 64, guard_found: 0, bits_found: 51 })
    );
    assert_eq!(
        target_slot(k, root, 5, 63, LookupSide::Destination),
        Err(SyscallError::FailedLookup {
            side: LookupSide::Destination,
            fault: LookupFault::DepthMismatch { bits_left: 63, bits_found: 64 },
        })
    );
    assert_eq!(target_slot(k, root, 5, 64, LookupSide::Source), Ok(at(slots, 5)));
}

#[test]
fn short_and_long_depths_at_radix_4() {
    let mut m = Machine::new(17);
    let slots = make_slots(&mut m, 4);
    let root = cnode_cap(slots, 0, 0);
    let k = &m.kernel;
    let fault = |depth| match target_slot(k, root, 0, depth, LookupSide::Source) {
        Err(SyscallError::FailedLookup { fault, .. }) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(fault(3), LookupFault::DepthMismatch { bits_left: 3, bits_found: 4 });
    assert_eq!(fault(5), LookupFault::DepthMismatch { bits_left: 1, bits_found: 0 });
    for depth in [0, 65, u64::MAX] {
        assert_eq!(
            target_slot(k, root, 0, depth, LookupSide::Source),
            Err(SyscallError::RangeError { min: 1, max: 64 })
        );
    }
    assert_eq!(
        target_slot(k, Cap::Domain, 0, 65, LookupSide::Source),
        Err(SyscallError::FailedLookup { side: LookupSide::Source, fault: LookupFault::InvalidRoot })
    );
}

#[test]
fn two_levels_with_guards() {
    let mut m = Machine::new(17);
    let (outer, inner) = (make_slots(&mut m, 2), make_slots(&mut m, 3));
    let ep = make_endpoint(&mut m);
    let k = &m.kernel;
    // Outer: 2 bits of index behind the guard 0b1; inner: 3 bits behind the guard 0b01.
    let root = cnode_cap(outer, 1, 1);
    cdt::insert_root(k, at(outer, 2), cnode_cap(inner, 1, 2));
    cdt::insert_root(k, at(inner, 6), Cap::Endpoint(ep));
    // 1, 10 selects the inner CNode; 01, 110 its slot.
    let addr = 0b1100_1110;
    assert_eq!(target_slot(k, root, addr, 8, LookupSide::Source), Ok(at(inner, 6)));
    // Bits above the depth do not matter.
    assert_eq!(target_slot(k, root, addr | 0xff00, 8, LookupSide::Source), Ok(at(inner, 6)));
    // Stopping at the first level names the slot that holds the inner CNode.
    assert_eq!(target_slot(k, root, addr >> 5, 3, LookupSide::Source), Ok(at(outer, 2)));
    assert_eq!(empty_slot(k, root, addr >> 5, 3), Err(SyscallError::DeleteFirst));
    // A wrong inner guard.
    assert_eq!(
        resolve(k, root, 0b1101_1110, 8),
        Err(LookupFault::GuardMismatch { bits_left: 5, guard_found: 1, bits_found: 2 })
    );
    // A slot without a CNode ends a CPtr early.
    let found = resolve(k, root, 0b1010_0000, 8);
    assert_eq!(found.map(|f| (f.slot, f.bits_left)), Ok((at(outer, 1), 5)));
}

#[test]
fn a_guard_longer_than_what_is_left_is_a_mismatch() {
    let mut m = Machine::new(17);
    let slots = make_slots(&mut m, 1);
    let root = cnode_cap(slots, 0, 10);
    assert_eq!(
        resolve(&m.kernel, root, 0, 9),
        Err(LookupFault::GuardMismatch { bits_left: 9, guard_found: 0, bits_found: 10 })
    );
}

/// One level of a CSpace: radix, bits of the guard, the guard, and which slot leads on.
type Shape = (u32, u32, u64, usize);

fn shape() -> impl Strategy<Value = Shape> {
    let guard_size = prop_oneof![0u32..8, 0u32..64];
    (1u32..6, guard_size, any::<u64>(), any::<usize>())
}

proptest! {
    /// The short way to a slot is the long one, wherever it leads.
    #[test]
    fn a_cptr_finds_what_it_resolves_to(
        shapes in proptest::collection::vec(shape(), 0..5),
        addresses in proptest::collection::vec(any::<u64>(), 1..20),
    ) {
        let mut m = Machine::new(17);
        let region = m.take(TCB_BITS);
        let t: KRef<Tcb> = region.place(&mut m.kernel).unwrap();
        let root = t.slot(&m.kernel, TcbSlot::CSpaceRoot);
        let mut parent = root;
        let mut right = 0u64;
        let mut used = 0;
        for (radix, guard_size, guard, next) in &shapes {
            let slots = make_slots(&mut m, *radix);
            let guard_size = (*guard_size).min(64 - radix);
            let guard = if guard_size == 0 { 0 } else { guard >> (64 - guard_size) };
            let index = next % (1 << radix);
            cdt::insert_root(&m.kernel, parent, cnode_cap(slots, guard, guard_size));
            parent = at(slots, index);
            // The address that goes down all the way.
            for (bits, value) in [(guard_size, guard), (*radix, index as u64)] {
                if used + bits <= 64 && bits > 0 {
                    used += bits;
                    right |= value << (64 - used);
                }
            }
        }
        let k = &m.kernel;
        for address in addresses {
            // Any address, the right one, and some that leave the way somewhere.
            for cptr in [address, right, right ^ (1 << (address % 64)), right | address >> (address % 64)] {
                let resolved = resolve(k, root.cap(k), cptr, 64);
                prop_assert_eq!(lookup_slot(k, t, cptr), resolved.map(|found| found.slot));
                prop_assert_eq!(find_slot(k, t, cptr), resolved.ok().map(|found| found.slot));
            }
        }
    }
}
