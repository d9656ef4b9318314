//! CNode operations: a test per row of the error tables.

use super::{Bench, ROOT, UNTYPED};
use crate::arch::irq;
use crate::cap::{Badge, CNodeCap, Cap, EndpointCap, VmRights};
use crate::error::{InvocationError, LookupFault, LookupSide, SyscallError};
use crate::irq::Irq;
use sel4_abi::InvocationLabel::{
    self, CNodeCancelBadgedSends, CNodeCopy, CNodeDelete, CNodeMint, CNodeMove, CNodeMutate, CNodeRevoke, CNodeRotate,
    DomainSetSet, UntypedRetype,
};
use sel4_abi::{CNodeCapData, CapRights, ObjectType};

const TRANSFERS: [InvocationLabel; 4] = [CNodeCopy, CNodeMint, CNodeMove, CNodeMutate];

/// Endpoints in slots 4 and 5, a CNode of 2 slots in 6, a frame in 7.
fn bench() -> Bench {
    let mut b = Bench::new(14);
    b.retype(ObjectType::SmallPage, 0, 7, 1);
    b.retype(ObjectType::Endpoint, 0, 4, 2);
    b.retype(ObjectType::CNode, 1, 6, 1);
    b
}

fn failed(side: LookupSide, fault: LookupFault) -> SyscallError {
    SyscallError::FailedLookup { side, fault }
}

fn missing(side: LookupSide, bits_left: u64) -> SyscallError {
    failed(side, LookupFault::MissingCapability { bits_left })
}

fn endpoint(b: &Bench, slot: usize) -> EndpointCap {
    match b.cap(slot) {
        Cap::Endpoint(c) => c,
        other => panic!("{other:?} in slot {slot}"),
    }
}

#[test]
fn cnode_err01_other_label() {
    let mut b = bench();
    for label in [UntypedRetype, InvocationLabel::TcbSetFlags, InvocationLabel::IrqIssueIrqHandler, DomainSetSet] {
        assert_eq!(b.refused(ROOT, label, &[], &[]), SyscallError::IllegalOperation);
    }
}

#[test]
fn cnode_err02_truncated() {
    for label in [CNodeRevoke, CNodeDelete, CNodeCancelBadgedSends, CNodeCopy, CNodeRotate] {
        assert_eq!(bench().refused(ROOT, label, &[9], &[ROOT]), SyscallError::TruncatedMessage);
    }
}

#[test]
fn cnode_err03_destination_lookup() {
    let mut b = bench();
    for label in [CNodeRevoke, CNodeDelete, CNodeCancelBadgedSends, CNodeCopy, CNodeRotate] {
        assert_eq!(b.refused(ROOT, label, &[9, 0], &[]), SyscallError::RangeError { min: 1, max: 64 });
        let fault = LookupFault::DepthMismatch { bits_left: 63, bits_found: 64 };
        assert_eq!(b.refused(ROOT, label, &[1, 63], &[]), failed(LookupSide::Destination, fault));
    }
}

#[test]
fn cnode_transfer_err04_truncated() {
    let mut b = bench();
    for label in TRANSFERS {
        assert_eq!(b.refused(ROOT, label, &[9, 64, 4], &[ROOT]), SyscallError::TruncatedMessage);
        assert_eq!(b.refused(ROOT, label, &[9, 64, 4, 64, 15, 0], &[]), SyscallError::TruncatedMessage);
    }
}

#[test]
fn cnode_transfer_err05_destination_in_use() {
    let mut b = bench();
    for label in TRANSFERS {
        // Also if the source is empty, or the same slot.
        for source in [4, 5, 9] {
            assert_eq!(b.refused(ROOT, label, &[5, 64, source, 64, 15, 0], &[ROOT]), SyscallError::DeleteFirst);
        }
    }
}

#[test]
fn cnode_transfer_err06_source_lookup() {
    let mut b = bench();
    for label in TRANSFERS {
        assert_eq!(
            b.refused(ROOT, label, &[9, 64, 4, 64, 15, 0], &[UNTYPED]),
            failed(LookupSide::Source, LookupFault::InvalidRoot)
        );
        assert_eq!(
            b.refused(ROOT, label, &[9, 64, 4, 65, 15, 0], &[ROOT]),
            SyscallError::RangeError { min: 1, max: 64 }
        );
    }
}

#[test]
fn cnode_transfer_err07_source_empty() {
    let mut b = bench();
    for label in TRANSFERS {
        // Before the words of the operation are counted.
        assert_eq!(b.refused(ROOT, label, &[9, 64, 10, 64], &[ROOT]), missing(LookupSide::Source, 64));
    }
}

#[test]
fn cnode_transfer_err08_words_of_the_operation() {
    let mut b = bench();
    for (label, words) in [(CNodeCopy, 4), (CNodeMint, 5), (CNodeMutate, 4)] {
        let all = [9, 64, 4, 64, 15, 0];
        assert_eq!(b.refused(ROOT, label, &all[..words], &[ROOT]), SyscallError::TruncatedMessage);
    }
}

#[test]
fn cnode_transfer_err09_not_derivable() {
    let mut b = bench();
    for label in [CNodeCopy, CNodeMint] {
        let untyped = UNTYPED as u64;
        assert_eq!(b.refused(ROOT, label, &[9, 64, untyped, 64, 15, 0], &[ROOT]), SyscallError::RevokeFirst);
    }
    b.retype(ObjectType::PageTable, 0, 8, 1);
    b.retype(ObjectType::VSpace, 0, 10, 1);
    for source in [8, 10] {
        assert_eq!(b.refused(ROOT, CNodeCopy, &[9, 64, source, 64, 15], &[ROOT]), SyscallError::IllegalOperation);
    }
}

#[test]
fn cnode_transfer_err10_result_is_null() {
    let mut b = bench();
    b.done(ROOT, CNodeMint, &[9, 64, 4, 64, 15, 7], &[ROOT]);
    // A badged capability keeps its badge; even the same one is refused.
    assert_eq!(b.refused(ROOT, CNodeMint, &[10, 64, 9, 64, 15, 7], &[ROOT]), SyscallError::IllegalOperation);
    for source in [4, 9] {
        assert_eq!(b.refused(ROOT, CNodeMutate, &[10, 64, source, 64, 7], &[ROOT]), SyscallError::IllegalOperation);
    }
    // Guard size and radix exceed a word.
    let data = CNodeCapData::new(0, 63);
    b.done(ROOT, CNodeMint, &[11, 64, 6, 64, 15, data.0], &[ROOT]);
    let root = ROOT as u64;
    assert_eq!(
        b.refused(ROOT, CNodeMint, &[10, 64, root, 64, 15, CNodeCapData::new(0, 61).0], &[ROOT]),
        SyscallError::IllegalOperation
    );
}

#[test]
fn mint_sets_badge_and_rights() {
    let mut b = bench();
    b.done(ROOT, CNodeMint, &[9, 64, 4, 64, 3, 42], &[ROOT]);
    let c = endpoint(&b, 9);
    assert_eq!((c.badge, c.rights), (Badge(42), CapRights::READ_WRITE));
    b.done(ROOT, CNodeCopy, &[10, 64, 9, 64, 15], &[ROOT]);
    assert_eq!(endpoint(&b, 10), c);
    b.done(ROOT, CNodeMint, &[11, 64, 7, 64, 2, 1], &[ROOT]);
    let Cap::Frame(frame) = b.cap(11) else { panic!() };
    assert_eq!(frame.rights, VmRights::ReadOnly);
}

#[test]
fn mutate_sets_the_guard_even_to_nothing() {
    let mut b = bench();
    b.done(ROOT, CNodeMutate, &[9, 64, 6, 64, CNodeCapData::new(0b1011, 3).0], &[ROOT]);
    let Cap::CNode(CNodeCap { guard, guard_size, .. }) = b.cap(9) else { panic!() };
    assert_eq!((guard, guard_size), (0b011, 3));
    assert!(b.cap(6).is_null());
    b.done(ROOT, CNodeMutate, &[6, 64, 9, 64, 0], &[ROOT]);
    let Cap::CNode(CNodeCap { guard, guard_size, .. }) = b.cap(6) else { panic!() };
    assert_eq!((guard, guard_size), (0, 0));
}

fn rotate(dest: u64, pivot: u64, source: u64) -> [u64; 8] {
    [dest, 64, 0, pivot, 64, 0, source, 64]
}

#[test]
fn cnode_rotate_err04_truncated() {
    let mut b = bench();
    assert_eq!(b.refused(ROOT, CNodeRotate, &rotate(9, 7, 6)[..7], &[ROOT, ROOT]), SyscallError::TruncatedMessage);
    assert_eq!(b.refused(ROOT, CNodeRotate, &rotate(9, 7, 6), &[ROOT]), SyscallError::TruncatedMessage);
}

#[test]
fn cnode_rotate_err05_source_lookup() {
    let mut b = bench();
    let invalid = failed(LookupSide::Source, LookupFault::InvalidRoot);
    assert_eq!(b.refused(ROOT, CNodeRotate, &rotate(9, 7, 6), &[ROOT, UNTYPED]), invalid);
}

#[test]
fn cnode_rotate_err06_pivot_lookup() {
    let mut b = bench();
    let invalid = failed(LookupSide::Source, LookupFault::InvalidRoot);
    assert_eq!(b.refused(ROOT, CNodeRotate, &rotate(9, 7, 6), &[UNTYPED, ROOT]), invalid);
}

#[test]
fn cnode_rotate_err07_pivot_is_source_or_destination() {
    let mut b = bench();
    for words in [rotate(9, 6, 6), rotate(6, 6, 7)] {
        assert_eq!(b.refused(ROOT, CNodeRotate, &words, &[ROOT, ROOT]), SyscallError::IllegalOperation);
    }
}

#[test]
fn cnode_rotate_err08_destination_in_use() {
    let mut b = bench();
    assert_eq!(b.refused(ROOT, CNodeRotate, &rotate(4, 7, 6), &[ROOT, ROOT]), SyscallError::DeleteFirst);
}

#[test]
fn cnode_rotate_err09_source_empty() {
    let mut b = bench();
    let error = b.refused(ROOT, CNodeRotate, &rotate(9, 12, 11), &[ROOT, ROOT]);
    assert_eq!(error, missing(LookupSide::Source, 64));
}

#[test]
fn cnode_rotate_err10_pivot_empty() {
    let mut b = bench();
    let error = b.refused(ROOT, CNodeRotate, &rotate(9, 12, 6), &[ROOT, ROOT]);
    assert_eq!(error, missing(LookupSide::Destination, 64));
}

#[test]
fn cnode_rotate_err11_source_cannot_change() {
    let mut b = bench();
    assert_eq!(b.refused(ROOT, CNodeRotate, &rotate(9, 7, 4), &[ROOT, ROOT]), SyscallError::IllegalOperation);
}

#[test]
fn cnode_rotate_err12_pivot_cannot_change() {
    let mut b = bench();
    assert_eq!(b.refused(ROOT, CNodeRotate, &rotate(9, 4, 7), &[ROOT, ROOT]), SyscallError::IllegalOperation);
}

#[test]
fn rotate_moves_two_or_swaps() {
    let mut b = bench();
    let (frame, cnode) = (b.cap(7), b.cap(6));
    b.done(ROOT, CNodeRotate, &rotate(9, 7, 6), &[ROOT, ROOT]);
    assert_eq!((b.cap(9), b.cap(7), b.cap(6)), (frame, cnode, Cap::Null));
    b.done(ROOT, CNodeRotate, &rotate(9, 7, 9), &[ROOT, ROOT]);
    assert_eq!((b.cap(9), b.cap(7)), (cnode, frame));
}

#[test]
fn cnode_cancel_err04_needs_an_endpoint_with_all_rights() {
    let mut b = bench();
    b.done(ROOT, CNodeCopy, &[9, 64, 4, 64, 7], &[ROOT]);
    for slot in [7, 9, 12] {
        assert_eq!(b.refused(ROOT, CNodeCancelBadgedSends, &[slot, 64], &[]), SyscallError::IllegalOperation);
    }
    b.done(ROOT, CNodeCancelBadgedSends, &[4, 64], &[]);
    b.done(ROOT, CNodeMint, &[10, 64, 4, 64, 15, 3], &[ROOT]);
    b.done(ROOT, CNodeCancelBadgedSends, &[10, 64], &[]);
}

#[test]
fn delete_and_revoke_of_an_empty_slot_succeed() {
    let mut b = bench();
    b.done(ROOT, CNodeDelete, &[12, 64], &[]);
    b.done(ROOT, CNodeRevoke, &[12, 64], &[]);
}

#[test]
fn revoking_deletes_copies_and_what_they_hold() {
    let mut b = bench();
    // The endpoint 4, badged, sits in the CNode 6, whose slots are addressed by one bit.
    b.done(6, CNodeMint, &[1, 1, 4, 64, 15, 9], &[ROOT]);
    b.done(ROOT, CNodeCopy, &[9, 64, 4, 64, 15], &[ROOT]);
    b.done(ROOT, CNodeRevoke, &[4, 64], &[]);
    assert!(b.cap(9).is_null());
    let Cap::CNode(inner) = b.cap(6) else { panic!() };
    assert!(inner.slots.slot(1).is_some_and(|s| s.is_empty(&b.m.kernel)));
    assert!(!b.cap(4).is_null());
}

#[test]
fn revoking_stops_for_an_interrupt_and_goes_on() {
    let mut b = bench();
    b.retype(ObjectType::CNode, 8, 8, 1);
    for i in 0..250 {
        b.done(8, CNodeCopy, &[i, 8, 4, 64, 15], &[ROOT]);
    }
    let Cap::CNode(CNodeCap { slots, .. }) = b.cap(8) else { panic!() };
    let left = |b: &Bench| (0..256).filter(|i| slots.slot(*i).is_some_and(|s| !s.is_empty(&b.m.kernel))).count();
    irq::raise(Irq(40));
    assert_eq!(b.invoke(ROOT, CNodeRevoke, &[4, 64], &[]).err(), Some(InvocationError::Preempted));
    let after_one = left(&b);
    assert!((1..250).contains(&after_one), "{after_one} are left");
    irq::take(|_| ());
    b.done(ROOT, CNodeRevoke, &[4, 64], &[]);
    assert_eq!(left(&b), 0);
    assert!(!b.cap(4).is_null());
}
