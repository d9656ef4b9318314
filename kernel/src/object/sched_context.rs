//! Scheduling contexts: budgets of processor time (manual §6.1).
//!
//! Layout: `2^n` bytes with n ≥ 7: 96 bytes of context, then refills of 16 bytes each.

use core::cell::Cell;

use super::{Notification, Reply, Tcb};
use crate::cap::Badge;
use crate::kobj::KRef;
use crate::sched::Ticks;
use sel4_abi::object::{MIN_SCHED_CONTEXT_BITS, REFILL_BYTES};

/// An amount of time that may be used from some time on.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Refill {
    /// From when.
    pub(crate) time: Cell<Ticks>,
    /// How much.
    pub(crate) amount: Cell<Ticks>,
}

/// A scheduling context; its refills follow it in memory (`KRef::<SchedContext>::refills`).
#[derive(Debug)]
#[repr(C, align(32))]
pub struct SchedContext {
    /// The period; 0 for round robin.
    pub(crate) period: Cell<Ticks>,
    /// What was charged since the last reading.
    pub(crate) consumed: Cell<Ticks>,
    /// The thread that has it.
    pub(crate) tcb: Cell<Option<KRef<Tcb>>>,
    /// The top of the call chain.
    pub(crate) reply: Cell<Option<KRef<Reply>>>,
    /// The notification bound to it.
    pub(crate) notification: Cell<Option<KRef<Notification>>>,
    /// What timeout faults report.
    pub(crate) badge: Cell<Badge>,
    /// The thread whose YieldTo to this context is pending.
    pub(crate) yield_from: Cell<Option<KRef<Tcb>>>,
    /// Index of the head refill.
    pub(crate) refill_head: Cell<u32>,
    /// Refills in the queue; 0 if not configured.
    pub(crate) refill_count: Cell<u32>,
    /// Refills that the queue may have.
    pub(crate) refill_max: Cell<u32>,
    /// Refills that the object has room for; never changes.
    capacity: u32,
    /// Unblocking happens when the thread wakes, not when it is switched to.
    pub(crate) is_sporadic: Cell<bool>,
    /// The core that it was configured for.
    pub(crate) core: Cell<u32>,
}

impl SchedContext {
    /// A scheduling context that is not configured.
    #[must_use]
    pub const fn initial(refill_capacity: u32) -> Self {
        SchedContext {
            period: Cell::new(Ticks(0)),
            consumed: Cell::new(Ticks(0)),
            tcb: Cell::new(None),
            reply: Cell::new(None),
            notification: Cell::new(None),
            badge: Cell::new(Badge::NONE),
            yield_from: Cell::new(None),
            refill_head: Cell::new(0),
            refill_count: Cell::new(0),
            refill_max: Cell::new(0),
            capacity: refill_capacity,
            is_sporadic: Cell::new(false),
            core: Cell::new(0),
        }
    }

    /// The refills that an object of this size has room for; `None` below the smallest size.
    #[must_use]
    pub fn refills_of_size(size_bits: u32) -> Option<u32> {
        if size_bits < MIN_SCHED_CONTEXT_BITS {
            return None;
        }
        let bytes = 1u64.checked_shl(size_bits)? - size_of::<SchedContext>() as u64;
        u32::try_from(bytes / REFILL_BYTES).ok()
    }

    /// The refills that this object has room for.
    #[must_use]
    pub const fn refill_capacity(&self) -> u32 {
        self.capacity
    }
}
