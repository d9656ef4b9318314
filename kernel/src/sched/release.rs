//! The release queue: runnable threads whose budget comes back later, ordered by when it does
//! (spec §4.4).
//!
//! # Invariants
//!
//! - `RELEASE-1` threads in it are marked [`Queued::Release`], have a scheduling context, and stand in
//!   the order of their head refill's time; equal times in order of arrival.

use core::cell::Cell;

use super::queue::TcbQueue;
use super::time::Ticks;
use crate::Kernel;
use crate::kobj::KRef;
use crate::object::sched_context;
use crate::object::tcb::{Queued, Tcb};

/// The queue of postponed threads.
pub struct ReleaseQueue(Cell<TcbQueue>);

impl ReleaseQueue {
    /// A queue without threads.
    #[must_use]
    pub const fn new() -> Self {
        ReleaseQueue(Cell::new(TcbQueue::EMPTY))
    }

    /// The first thread.
    #[must_use]
    pub fn head(&self) -> Option<KRef<Tcb>> {
        self.0.get().head
    }

    /// When the first thread's budget comes back; [`Ticks::NEVER`] if there is none.
    #[must_use]
    pub fn next_time(&self, k: &Kernel) -> Ticks {
        self.head().map_or(Ticks::NEVER, |t| ready_time(k, t))
    }

    /// Puts `t`, which is in no queue, at its place.
    ///
    /// Linear in the number of threads with a later time, which it passes from the tail.
    pub fn insert(&self, k: &Kernel, t: KRef<Tcb>) {
        let time = ready_time(k, t);
        let mut queue = self.0.get();
        let mut before = None;
        let mut at = queue.tail;
        while let Some(other) = at {
            if ready_time(k, other) <= time {
                break;
            }
            before = Some(other);
            at = other.get(k).links.prev.get();
        }
        queue.insert_before(k, t, before);
        self.0.set(queue);
        t.get(k).queued.set(Queued::Release);
    }

    /// Takes `t`, which is in the queue, out of it.
    pub fn remove(&self, k: &Kernel, t: KRef<Tcb>) {
        let mut queue = self.0.get();
        queue.remove(k, t);
        self.0.set(queue);
        t.get(k).queued.set(Queued::No);
    }

    /// The threads in order.
    pub fn iter<'k>(&self, k: &'k Kernel) -> impl Iterator<Item = KRef<Tcb>> + use<'k> {
        self.0.get().iter(k)
    }

    /// Checks `RELEASE-1`.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn assert_valid(&self, k: &Kernel) {
        self.0.get().assert_valid(k);
        let times: std::vec::Vec<_> = self.iter(k).map(|t| ready_time(k, t)).collect();
        assert!(times.is_sorted(), "RELEASE-1: {times:?}");
        assert!(self.iter(k).all(|t| t.get(k).queued.get() == Queued::Release), "RELEASE-1");
    }
}

impl Default for ReleaseQueue {
    fn default() -> Self {
        Self::new()
    }
}

/// When the head refill of the thread's scheduling context is ready.
fn ready_time(k: &Kernel, t: KRef<Tcb>) -> Ticks {
    match t.get(k).sched_context.get() {
        Some(sc) => sched_context::refills(k, sc).head().time,
        None => Ticks::ZERO,
    }
}
