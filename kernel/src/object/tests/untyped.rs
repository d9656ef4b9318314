//! Retype: a test per row of its error table, the watermark, and a random sequence against a naive
//! allocator.

use std::vec::Vec;

use proptest::prelude::*;

use super::{Bench, RADIX, ROOT, UNTYPED};
use crate::arch::irq;
use crate::cap::{Cap, FrameCap, UntypedCap, cdt};
use crate::error::{InvocationError, LookupFault, LookupSide, SyscallError};
use crate::irq::Irq;
use crate::kobj::{MemRegion, UserBuffer};
use crate::mem::PhysAddr;
use sel4_abi::InvocationLabel::{CNodeDelete, CNodeRevoke, TcbSuspend, UntypedRetype};
use sel4_abi::ObjectType;

const FRAME: u64 = ObjectType::SmallPage as u64;
const ENDPOINT: u64 = ObjectType::Endpoint as u64;
const CNODE: u64 = ObjectType::CNode as u64;
const SUB: u64 = ObjectType::Untyped as u64;
const SC: u64 = ObjectType::SchedContext as u64;
const TCB: u64 = ObjectType::Tcb as u64;

fn refused(words: &[u64], caps: &[usize]) -> SyscallError {
    Bench::new(14).refused(UNTYPED, UntypedRetype, words, caps)
}

#[test]
fn untyped_retype_err01_other_label() {
    let error = Bench::new(14).refused(UNTYPED, TcbSuspend, &[ENDPOINT, 0, 0, 0, 4, 1], &[ROOT]);
    assert_eq!(error, SyscallError::IllegalOperation);
}

#[test]
fn untyped_retype_err02_truncated() {
    assert_eq!(refused(&[ENDPOINT, 0, 0, 0, 4], &[ROOT]), SyscallError::TruncatedMessage);
    assert_eq!(refused(&[ENDPOINT, 0, 0, 0, 4, 1], &[]), SyscallError::TruncatedMessage);
}

#[test]
fn untyped_retype_err03_unknown_type() {
    for ty in [12, 0xfffe, u64::MAX] {
        assert_eq!(refused(&[ty, 64, 0, 0, 4, 1], &[ROOT]), SyscallError::InvalidArgument { index: 0 });
    }
}

#[test]
fn untyped_retype_err04_size_out_of_range() {
    let range = SyscallError::RangeError { min: 0, max: 47 };
    for (ty, bits) in [(ENDPOINT, 64), (TCB, u64::MAX), (SUB, 48), (CNODE, 43), (SC, 48)] {
        assert_eq!(refused(&[ty, bits, 0, 0, 4, 1], &[ROOT]), range);
    }
    // A size that is ignored may be 63.
    Bench::new(14).done(UNTYPED, UntypedRetype, &[ENDPOINT, 63, 0, 0, 4, 1], &[ROOT]);
}

#[test]
fn untyped_retype_err05_cnode_of_no_bits() {
    assert_eq!(refused(&[CNODE, 0, 0, 0, 4, 1], &[ROOT]), SyscallError::InvalidArgument { index: 1 });
}

#[test]
fn untyped_retype_err06_small_untyped() {
    assert_eq!(refused(&[SUB, 3, 0, 0, 4, 1], &[ROOT]), SyscallError::InvalidArgument { index: 1 });
}

#[test]
fn untyped_retype_err07_small_sched_context() {
    assert_eq!(refused(&[SC, 6, 0, 0, 4, 1], &[ROOT]), SyscallError::InvalidArgument { index: 1 });
}

#[test]
fn untyped_retype_err08_destination_lookup() {
    let failed = |fault| SyscallError::FailedLookup { side: LookupSide::Destination, fault };
    assert_eq!(refused(&[ENDPOINT, 0, 0, 65, 4, 1], &[ROOT]), SyscallError::RangeError { min: 1, max: 64 });
    assert_eq!(refused(&[ENDPOINT, 0, 0, 64, 4, 1], &[UNTYPED]), failed(LookupFault::InvalidRoot));
    assert_eq!(
        refused(&[ENDPOINT, 0, 1 << RADIX, 64, 4, 1], &[ROOT]),
        failed(LookupFault::GuardMismatch { bits_left: 64, guard_found: 0, bits_found: 60 })
    );
}

#[test]
fn untyped_retype_err09_destination_is_no_cnode() {
    let missing = |bits_left| SyscallError::FailedLookup {
        side: LookupSide::Destination,
        fault: LookupFault::MissingCapability { bits_left },
    };
    assert_eq!(refused(&[ENDPOINT, 0, 9, 64, 4, 1], &[ROOT]), missing(64));
    assert_eq!(refused(&[ENDPOINT, 0, 0, 0, 4, 1], &[UNTYPED]), missing(0));
}

#[test]
fn untyped_retype_err10_offset_beyond_the_cnode() {
    assert_eq!(refused(&[ENDPOINT, 0, 0, 0, 16, 0], &[ROOT]), SyscallError::RangeError { min: 0, max: 15 });
}

#[test]
fn untyped_retype_err11_number_of_objects() {
    for count in [0, 257, 1 << 31, u64::MAX] {
        assert_eq!(refused(&[ENDPOINT, 0, 0, 0, 0, count], &[ROOT]), SyscallError::RangeError { min: 1, max: 256 });
    }
}

#[test]
fn untyped_retype_err12_window_beyond_the_cnode() {
    assert_eq!(refused(&[ENDPOINT, 0, 0, 0, 12, 5], &[ROOT]), SyscallError::RangeError { min: 1, max: 4 });
}

#[test]
fn untyped_retype_err13_slots_in_use() {
    assert_eq!(refused(&[ENDPOINT, 0, 0, 0, 0, 16], &[ROOT]), SyscallError::DeleteFirst);
    // Before the check for room.
    assert_eq!(refused(&[SUB, 40, 0, 0, 1, 1], &[ROOT]), SyscallError::DeleteFirst);
}

#[test]
fn untyped_retype_err14_no_room() {
    assert_eq!(refused(&[SUB, 15, 0, 0, 4, 1], &[ROOT]), SyscallError::NotEnoughMemory { bytes_left: 1 << 14 });
    assert_eq!(refused(&[CNODE, 40, 0, 0, 4, 1], &[ROOT]), SyscallError::NotEnoughMemory { bytes_left: 1 << 14 });
    // With children, what is left is counted without regard to alignment.
    let mut b = Bench::new(14);
    b.retype(ObjectType::Endpoint, 0, 4, 1);
    assert_eq!(
        b.refused(UNTYPED, UntypedRetype, &[SUB, 14, 0, 0, 5, 1], &[ROOT]),
        SyscallError::NotEnoughMemory { bytes_left: (1 << 14) - 16 }
    );
}

#[test]
fn untyped_retype_err15_kernel_object_in_device_memory() {
    let mut b = Bench::new(14);
    let device = UntypedCap::full(MemRegion::device(PhysAddr(0x900_0000), 14));
    cdt::insert_root(&b.m.kernel, b.slot(2), Cap::Untyped(device));
    for ty in [TCB, ENDPOINT, ObjectType::PageTable as u64] {
        assert_eq!(
            b.refused(2, UntypedRetype, &[ty, 0, 0, 0, 4, 1], &[ROOT]),
            SyscallError::InvalidArgument { index: 1 }
        );
    }
    b.done(2, UntypedRetype, &[ObjectType::SmallPage as u64, 0, 0, 0, 4, 4], &[ROOT]);
    let Cap::Frame(frame) = b.cap(7) else { panic!("{:?}", b.cap(7)) };
    assert!(frame.region.is_device());
    assert_eq!(frame.region.base(), PhysAddr(0x900_3000));
}

#[test]
fn objects_follow_each_other_and_the_watermark_is_their_end() {
    let mut b = Bench::new(14);
    b.retype(ObjectType::Endpoint, 0, 4, 1);
    b.retype(ObjectType::Tcb, 0, 5, 2);
    let Cap::Untyped(u) = b.cap(UNTYPED) else { panic!() };
    assert_eq!(u.watermark, 3 << 11);
    let (Cap::Thread(a), Cap::Thread(c)) = (b.cap(5), b.cap(6)) else { panic!() };
    assert_eq!(a.addr().to_phys(), u.region.base().add(1 << 11));
    assert_eq!(c.addr().to_phys(), u.region.base().add(2 << 11));
}

#[test]
fn memory_is_zero_again_after_a_reset() {
    let mut b = Bench::new(14);
    b.retype(ObjectType::Tcb, 0, 4, 8);
    b.done(ROOT, CNodeRevoke, &[UNTYPED as u64, 64], &[]);
    assert!((4..12).all(|i| b.cap(i).is_null()));
    b.retype(ObjectType::SmallPage, 0, 4, 4);
    let Cap::Frame(last) = b.cap(7) else { panic!() };
    for page in 4..8 {
        let Cap::Frame(frame) = b.cap(page) else { panic!() };
        for offset in (0..4096).step_by(1024) {
            let Some(words) = crate::kobj::UserBuffer::new(frame.region, offset) else { panic!() };
            assert!((0..128).all(|w| words.read(&b.m.kernel, w) == 0));
        }
    }
    let Cap::Untyped(u) = b.cap(UNTYPED) else { panic!() };
    assert_eq!(last.region.last(), u.region.last());
}

#[test]
fn a_copied_untyped_is_full_until_the_copy_is_revoked() {
    let mut b = Bench::new(14);
    b.done(ROOT, sel4_abi::InvocationLabel::CNodeCopy, &[4, 64, UNTYPED as u64, 64, 15], &[ROOT]);
    assert_eq!(
        b.refused(UNTYPED, UntypedRetype, &[ENDPOINT, 0, 0, 0, 5, 1], &[ROOT]),
        SyscallError::NotEnoughMemory { bytes_left: 0 }
    );
    b.done(4, UntypedRetype, &[ENDPOINT, 0, 0, 0, 5, 1], &[ROOT]);
    b.done(ROOT, CNodeRevoke, &[UNTYPED as u64, 64], &[]);
    assert!(b.cap(4).is_null() && b.cap(5).is_null());
    b.done(UNTYPED, UntypedRetype, &[ENDPOINT, 0, 0, 0, 5, 1], &[ROOT]);
}

/// What the naive allocator knows of a live object: slot, offset, bytes.
type Live = Vec<(usize, u64, u64)>;

/// Where a capability's object lies in the untyped.
fn extent(cap: Cap, base: PhysAddr) -> (u64, u64) {
    let (start, bits) = match cap {
        Cap::Untyped(c) => (c.region.base(), c.region.size_bits()),
        Cap::Endpoint(c) => (c.endpoint.addr().to_phys(), 4),
        Cap::Thread(t) => (t.addr().to_phys(), 11),
        Cap::Frame(c) => (c.region.base(), c.region.size_bits()),
        Cap::Reply(c) => (c.reply.addr().to_phys(), 5),
        other => panic!("{other:?}"),
    };
    (start.0 - base.0, 1 << bits)
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Retype { object: ObjectType, bits: u64, slot: usize, count: usize },
    Delete { slot: usize },
    Revoke,
}

fn op() -> impl Strategy<Value = Op> {
    let object = prop_oneof![
        Just(ObjectType::Untyped),
        Just(ObjectType::Endpoint),
        Just(ObjectType::Tcb),
        Just(ObjectType::SmallPage),
        Just(ObjectType::Reply),
    ];
    prop_oneof![
        6 => (object, 4u64..13, 2usize..16, 1usize..6)
            .prop_map(|(object, bits, slot, count)| Op::Retype { object, bits, slot, count }),
        3 => (2usize..16).prop_map(|slot| Op::Delete { slot }),
        1 => Just(Op::Revoke),
    ]
}

proptest! {
    /// Objects are aligned, inside, and never overlap a live one; the room that is reported is the
    /// room there is.
    #[test]
    fn retype_against_a_naive_allocator(ops in proptest::collection::vec(op(), 1..40)) {
        const BITS: u32 = 14;
        let mut b = Bench::new(BITS);
        let Cap::Untyped(untyped) = b.cap(UNTYPED) else { panic!() };
        let base = untyped.region.base();
        let mut live: Live = Vec::new();
        let mut mark = 0;
        for op in ops {
            match op {
                Op::Retype { object, bits, slot, count } => {
                    if live.is_empty() {
                        mark = 0;
                    }
                    let size = 1u64 << object.object_bits(bits as u32);
                    let start = u64::next_multiple_of(mark, size);
                    let end = start + size * count as u64;
                    let is_free = slot + count <= 16 && (slot..slot + count).all(|s| b.cap(s).is_null());
                    let words = [object.number(), bits, 0, 0, slot as u64, count as u64];
                    if !is_free || end > 1 << BITS {
                        let error = b.refused(UNTYPED, UntypedRetype, &words, &[ROOT]);
                        if is_free {
                            prop_assert_eq!(error, SyscallError::NotEnoughMemory { bytes_left: (1 << BITS) - mark });
                        }
                        continue;
                    }
                    b.done(UNTYPED, UntypedRetype, &words, &[ROOT]);
                    mark = end;
                    for (i, s) in (slot..slot + count).enumerate() {
                        let (offset, bytes) = extent(b.cap(s), base);
                        prop_assert_eq!((offset, bytes), (start + i as u64 * size, size));
                        for (_, other, len) in &live {
                            prop_assert!(offset + bytes <= *other || other + len <= offset, "overlap");
                        }
                        live.push((s, offset, bytes));
                        // It is what it should be from the first, and is written to.
                        if let Cap::Frame(frame) = b.cap(s) {
                            prop_assert!(b.m.is_zero(frame.region), "old content in a frame");
                            b.scribble(frame);
                        }
                    }
                }
                Op::Delete { slot } => {
                    b.done(ROOT, CNodeDelete, &[slot as u64, 64], &[]);
                    live.retain(|(s, _, _)| *s != slot);
                }
                Op::Revoke => {
                    b.done(ROOT, CNodeRevoke, &[UNTYPED as u64, 64], &[]);
                    live.clear();
                }
            }
            prop_assert_eq!(cdt::has_children(&b.m.kernel, b.slot(UNTYPED)), !live.is_empty());
        }
    }
}

#[test]
fn clearing_stops_for_an_interrupt_and_goes_on_where_it_stopped() {
    let mut b = Bench::new(20);
    let args = b.args(&[ENDPOINT, 0, 0, 0, 4, 1], &[ROOT]);
    let inv = b.invocation(UNTYPED, UntypedRetype, &args);
    let mut marks = std::vec![1 << 20];
    irq::raise(Irq(40));
    while let Err(error) = crate::syscall::invoke(&mut b.m.kernel, &inv) {
        assert_eq!(error, InvocationError::Preempted);
        let Cap::Untyped(u) = b.cap(UNTYPED) else { panic!() };
        marks.push(u.watermark);
        assert!(b.cap(4).is_null(), "an object from memory that is not clear");
        if marks.len() == 4 {
            irq::take(|_| ());
        }
    }
    assert_eq!(marks.len(), 4, "three attempts stopped");
    assert!(marks.is_sorted_by(|a, b| a > b), "every attempt cleared something: {marks:?}");
    assert!(!b.cap(4).is_null());
}

impl Bench {
    /// Writes to a frame as its owner would.
    fn scribble(&self, frame: FrameCap) {
        for offset in [0, 2048] {
            let Some(words) = UserBuffer::new(frame.region, offset) else { panic!() };
            words.write(&self.m.kernel, 5, 0xdead);
        }
    }

    fn untyped(&self, slot: usize) -> UntypedCap {
        match self.cap(slot) {
            Cap::Untyped(untyped) => untyped,
            other => panic!("{other:?} is no untyped"),
        }
    }
}

/// An untyped of `2^17` bytes, whose first twelve pages were frames that were written to.
fn used() -> Bench {
    let mut b = Bench::new(17);
    for first in [4, 8, 12] {
        b.retype(ObjectType::SmallPage, 0, first, 4);
    }
    for slot in 4..16 {
        let Cap::Frame(frame) = b.cap(slot) else { panic!() };
        b.scribble(frame);
    }
    b.done(ROOT, CNodeRevoke, &[UNTYPED as u64, 64], &[]);
    b
}

#[test]
fn what_is_only_divided_is_not_cleared_before_it_is_used() {
    let mut b = used();
    // No preemption, though one is due: nothing takes long.
    irq::raise(Irq(40));
    b.retype(ObjectType::Untyped, 14, 4, 2);
    b.retype(ObjectType::Untyped, 14, 6, 2);
    irq::take(|_| ());
    let first = b.untyped(4);
    assert!(!b.m.is_zero(first.region), "it was cleared");
    assert_eq!(first, UntypedCap::full(first.region), "it has old content and no children");
    assert_eq!(b.untyped(7), UntypedCap::clear(b.untyped(7).region), "nobody ever had that");
    b.done(4, UntypedRetype, &[FRAME, 0, 0, 0, 8, 4], &[ROOT]);
    for slot in 8..12 {
        let Cap::Frame(frame) = b.cap(slot) else { panic!() };
        assert!(b.m.is_zero(frame.region), "old content in a frame");
    }
}

#[test]
fn objects_beside_untypeds_come_from_memory_that_is_cleared_first() {
    let mut b = used();
    b.retype(ObjectType::Untyped, 12, 4, 1);
    assert_eq!(b.untyped(UNTYPED), UntypedCap { watermark: 1 << 12, dirty: 12 << 12, ..b.untyped(UNTYPED) });
    let args = b.args(&[FRAME, 0, 0, 0, 5, 1], &[ROOT]);
    let inv = b.invocation(UNTYPED, UntypedRetype, &args);
    irq::raise(Irq(40));
    let mut dirty = b.untyped(UNTYPED).dirty;
    while let Err(error) = crate::syscall::invoke(&mut b.m.kernel, &inv) {
        assert_eq!(error, InvocationError::Preempted);
        let now = b.untyped(UNTYPED);
        assert!(now.dirty < dirty && now.watermark == 1 << 12, "no progress");
        dirty = now.dirty;
        assert!(b.cap(5).is_null(), "an object from memory that is not clear");
    }
    irq::take(|_| ());
    assert!(dirty < 12 << 12, "it was never preempted");
    let Cap::Frame(frame) = b.cap(5) else { panic!() };
    assert!(b.m.is_zero(frame.region), "old content in a frame");
    assert!(!b.m.is_zero(b.untyped(4).region), "the untyped was cleared");
    // What is left of it is clear as well, and stays so.
    let rest = b.untyped(UNTYPED);
    assert_eq!((rest.watermark, rest.zero_from()), (2 << 12, 2 << 12));
    b.retype(ObjectType::Untyped, 12, 6, 1);
    assert_eq!(b.untyped(6), UntypedCap::clear(b.untyped(6).region));
}
