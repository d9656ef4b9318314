//! The one list of types that can be placed in memory, with their sizes.

use core::mem::{MaybeUninit, offset_of};
use core::ops::Range;
use core::ptr::NonNull;

use super::{KRef, SlotArray};
use crate::arch::context::Context;
use crate::arch::fpu::FpuState;
use crate::cap::Slot;
use crate::object::{AsidPool, Endpoint, Notification, PageTable, Refill, Reply, SchedContext, Tcb};
use sel4_abi::object;

/// What has to be written to zeros to make an object as retype makes it.
#[derive(Debug)]
pub enum Initial<T: 'static> {
    /// Nothing.
    Zeros,
    /// All of it.
    Value(T),
    /// These bytes of an object; between them it is zero.
    Parts(&'static T, &'static [Range<usize>]),
}

/// A type that can be placed in retyped memory.
///
/// # Safety
///
/// `2^SIZE_BITS` is at least the size of the type and a multiple of its alignment, all its fields are `Cell`s (KOBJ-4),
/// and zeros with what [`initial`](Self::initial) says are an object. The list below checks the first two.
pub unsafe trait KernelObject: Sized + 'static {
    /// The size of the memory that an object takes.
    const SIZE_BITS: u32;

    /// What makes the object out of zeros.
    fn initial() -> Initial<Self>;
}

/// Makes an object out of zeros.
///
/// Private to `kobj`; the callers vouch for the memory.
#[inline]
pub(super) fn init<T: KernelObject>(at: NonNull<T>) {
    match T::initial() {
        Initial::Zeros => {}
        // SAFETY: the caller owns room for an object at `at`.
        Initial::Value(value) => unsafe { at.write(value) },
        Initial::Parts(object, parts) => {
            for part in parts {
                let from = core::ptr::from_ref(object).cast::<u8>().wrapping_add(part.start);
                let to = at.as_ptr().cast::<u8>().wrapping_add(part.start);
                // SAFETY: the caller owns room for an object at `at`, of which this is a part, and nobody else's.
                unsafe { to.copy_from_nonoverlapping(from, part.len()) };
            }
        }
    }
}

macro_rules! placeable {
    ($($name:ident: $bits:expr, $initial:expr;)*) => {
        $(
            // SAFETY: the assertions below; the fields of every kernel object are Cells (KOBJ-4); what is not written
            // are words or references that may be absent, which zeros are valid for.
            unsafe impl KernelObject for $name {
                const SIZE_BITS: u32 = $bits;

                #[inline]
                fn initial() -> Initial<Self> {
                    $initial
                }
            }

            const _: () = assert!(size_of::<$name>() <= 1 << $bits);
            const _: () = assert!((1usize << $bits) % align_of::<$name>() == 0);
        )*
    };
}

placeable! {
    Tcb: object::TCB_BITS, Initial::Parts(&NEW_TCB.0, &TCB_PARTS);
    Endpoint: object::ENDPOINT_BITS, Initial::Value(Endpoint::initial());
    Notification: object::NOTIFICATION_BITS, Initial::Value(Notification::initial());
    Reply: object::REPLY_BITS, Initial::Value(Reply::initial());
    // Empty descriptors, and ASIDs without a root.
    PageTable: object::PAGE_TABLE_BITS, Initial::Zeros;
    AsidPool: object::ASID_POOL_BITS, Initial::Zeros;
}

/// A thread as retype makes it, to copy from.
struct NewTcb(Tcb);

// SAFETY: it is only read.
unsafe impl Sync for NewTcb {}

static NEW_TCB: NewTcb = NewTcb(Tcb::initial());

/// What is not zero in a new thread: all but its slots and registers, of which SPSR is not zero.
const TCB_PARTS: [Range<usize>; 2] = {
    let spsr = offset_of!(Tcb, context) + offset_of!(Context, spsr);
    [spsr..spsr + size_of::<u64>(), offset_of!(Tcb, fpu) + size_of::<FpuState>()..size_of::<Tcb>()]
};
const _: () = {
    let context = size_of::<[Slot; Tcb::SLOTS]>();
    assert!(offset_of!(Tcb, slots) == 0 && offset_of!(Tcb, context) == context);
    assert!(offset_of!(Tcb, fpu) == (context + size_of::<Context>()).next_multiple_of(align_of::<FpuState>()));
};

// Types of variable size or number: see `MemRegion::place_slots` and `place_sched_context`.
const _: () = assert!(size_of::<Slot>() == 1 << object::SLOT_BITS);
const _: () = assert!(align_of::<Slot>() == 1 << object::SLOT_BITS);
const _: () = assert!(size_of::<Refill>() as u64 == object::REFILL_BYTES);
const _: () = assert!(size_of::<SchedContext>() as u64 + 2 * object::REFILL_BYTES == object::CORE_SCHED_CONTEXT_BYTES);

/// Makes a scheduling context out of zeros; what is behind it are refills.
///
/// Private to `kobj`; the callers vouch for the memory.
pub(super) fn init_sched_context(at: NonNull<SchedContext>, refills: u32) {
    // SAFETY: the caller owns room for the context and so many refills behind it.
    unsafe { at.write(SchedContext::initial(refills)) };
}

impl KRef<SchedContext> {
    /// The refills of the context, as many as its size has room for.
    #[must_use]
    pub fn refills(self, k: &crate::Kernel) -> &[Refill] {
        let len = self.get(k).refill_capacity() as usize;
        let base: *const SchedContext = core::ptr::with_exposed_provenance(self.expose());
        let first = base.wrapping_add(1).cast::<Refill>();
        // SAFETY: behind the structure, whose size is a multiple of their alignment, there was room for
        // `refill_capacity` refills, which zeros are; the capacity never changes; KOBJ-1, KOBJ-2, KOBJ-4.
        unsafe { core::slice::from_raw_parts(first, len) }
    }
}

impl KRef<Tcb> {
    /// The capability slots of the thread.
    #[must_use]
    pub fn slots(self) -> SlotArray {
        const { assert!(core::mem::offset_of!(Tcb, slots) == 0) };
        let first = self.pointer().cast::<Slot>();
        let _ = first.as_ptr().expose_provenance();
        // SAFETY: the slots are the first field of a Tcb (asserted above), so the pointer is theirs;
        // KOBJ-1 holds for the parts as for the whole.
        let first = unsafe { KRef::mint(first) };
        // SAFETY: there are `SLOTS` of them; the reference to the whole thread covers all.
        unsafe { SlotArray::new(first, Tcb::SLOTS) }
    }
}

/// Makes empty slots in memory that will be nothing else: for what the kernel needs before there is any
/// untyped memory.
pub fn adopt_slots(memory: &'static mut [MaybeUninit<Slot>]) -> SlotArray {
    let len = memory.len();
    memory.fill_with(MaybeUninit::zeroed);
    let first = NonNull::from(memory).cast::<Slot>();
    // SAFETY: zeros, which are empty slots (CAP-1), live for ever, and the exclusive reference is given up here.
    let first = unsafe { KRef::mint(first) };
    // SAFETY: `len` slots were just made there.
    unsafe { SlotArray::new(first, len) }
}
