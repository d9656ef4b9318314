//! The one list of types that can be placed in memory, with their sizes.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use super::{KRef, SlotArray};
use crate::cap::Slot;
use crate::object::{AsidPool, Endpoint, Notification, PageTable, Refill, Reply, SchedContext, Tcb};
use sel4_abi::object;

/// A type that can be placed in retyped memory.
///
/// # Safety
///
/// `2^SIZE_BITS` is at least the size of the type and a multiple of its alignment, and all its fields
/// are `Cell`s (KOBJ-4). The list below checks the first two.
pub unsafe trait KernelObject: Sized {
    /// The size of the memory that an object takes.
    const SIZE_BITS: u32;

    /// The object as retype makes it.
    fn initial() -> Self;
}

macro_rules! placeable {
    ($($name:ident: $bits:expr, $initial:expr;)*) => {
        $(
            // SAFETY: the assertion below; the fields of every kernel object are Cells (KOBJ-4).
            unsafe impl KernelObject for $name {
                const SIZE_BITS: u32 = $bits;

                fn initial() -> Self {
                    $initial
                }
            }

            const _: () = assert!(size_of::<$name>() <= 1 << $bits);
            const _: () = assert!((1usize << $bits) % align_of::<$name>() == 0);
        )*
    };
}

placeable! {
    Tcb: object::TCB_BITS, Tcb::initial();
    Endpoint: object::ENDPOINT_BITS, Endpoint::initial();
    Notification: object::NOTIFICATION_BITS, Notification::initial();
    Reply: object::REPLY_BITS, Reply::initial();
    PageTable: object::PAGE_TABLE_BITS, PageTable::initial();
    AsidPool: object::ASID_POOL_BITS, AsidPool::initial();
}

// Types of variable size or number: see `MemRegion::place_slots` and `place_sched_context`.
const _: () = assert!(size_of::<Slot>() == 1 << object::SLOT_BITS);
const _: () = assert!(align_of::<Slot>() == 1 << object::SLOT_BITS);
const _: () = assert!(size_of::<Refill>() as u64 == object::REFILL_BYTES);
const _: () = assert!(size_of::<SchedContext>() as u64 + 2 * object::REFILL_BYTES == object::CORE_SCHED_CONTEXT_BYTES);

/// Initialises `len` slots.
///
/// Private to `kobj`; the callers vouch for the memory.
pub(super) fn init_slots(first: NonNull<Slot>, len: usize) {
    for i in 0..len {
        // SAFETY: the caller owns room for `len` slots at `first`.
        unsafe { first.as_ptr().wrapping_add(i).write(Slot::empty()) };
    }
}

/// Initialises the refills behind a scheduling context.
///
/// Private to `kobj`; the callers vouch for the memory.
pub(super) fn init_refills(sc: NonNull<SchedContext>, refills: u32) {
    let first = sc.as_ptr().wrapping_add(1).cast::<Refill>();
    for i in 0..refills as usize {
        // SAFETY: the caller owns room for the context and `refills` refills behind it.
        unsafe { first.wrapping_add(i).write(Refill::default()) };
    }
}

impl KRef<SchedContext> {
    /// The refills of the context, as many as its size has room for.
    #[must_use]
    pub fn refills(self, k: &crate::Kernel) -> &[Refill] {
        let len = self.get(k).refill_capacity() as usize;
        let base: *const SchedContext = core::ptr::with_exposed_provenance(self.expose());
        let first = base.wrapping_add(1).cast::<Refill>();
        // SAFETY: `init_refills` initialised `refill_capacity` refills behind the structure, whose
        // size is a multiple of their alignment; the capacity never changes; KOBJ-1, KOBJ-2, KOBJ-4.
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
    let first = NonNull::from(memory).cast::<Slot>();
    init_slots(first, len);
    // SAFETY: initialised, live for ever, and the exclusive reference is given up here.
    let first = unsafe { KRef::mint(first) };
    // SAFETY: `len` slots were just made there.
    unsafe { SlotArray::new(first, len) }
}
