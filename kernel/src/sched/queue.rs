//! Queues of threads: an intrusive doubly linked list through the links in each TCB.
//!
//! A [`TcbQueue`] is two references and is kept wherever there is room for them: in the ready queues,
//! in the two words of an endpoint, in a notification. The owner reads it, changes it, stores it.
//!
//! # Invariants
//!
//! - `QUEUE-1` a thread is in at most one queue, so one pair of links is enough; its
//!   [`Queued`](crate::object::tcb::Queued) says of which kind;
//! - `QUEUE-2` head and tail are both set or both empty; the head has no `prev`, the tail no `next`;
//! - `QUEUE-3` `a.next == b` exactly when `b.prev == a`.

use crate::Kernel;
use crate::kobj::KRef;
use crate::object::tcb::Tcb;

/// A list of threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcbQueue {
    /// The first thread.
    pub head: Option<KRef<Tcb>>,
    /// The last thread.
    pub tail: Option<KRef<Tcb>>,
}

impl TcbQueue {
    /// A queue without threads.
    pub const EMPTY: TcbQueue = TcbQueue { head: None, tail: None };

    /// Whether there is no thread in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.head.is_none()
    }

    /// Puts `t` in front of all others.
    pub fn push_front(&mut self, k: &Kernel, t: KRef<Tcb>) {
        self.insert_before(k, t, self.head);
    }

    /// Puts `t` behind all others.
    pub fn push_back(&mut self, k: &Kernel, t: KRef<Tcb>) {
        self.insert_before(k, t, None);
    }

    /// Puts `t` directly before `before`, a member of this queue, or last if there is none.
    pub fn insert_before(&mut self, k: &Kernel, t: KRef<Tcb>, before: Option<KRef<Tcb>>) {
        let prev = match before {
            Some(b) => b.get(k).links.prev.get(),
            None => self.tail,
        };
        t.get(k).links.prev.set(prev);
        t.get(k).links.next.set(before);
        match prev {
            Some(p) => p.get(k).links.next.set(Some(t)),
            None => self.head = Some(t),
        }
        match before {
            Some(b) => b.get(k).links.prev.set(Some(t)),
            None => self.tail = Some(t),
        }
    }

    /// Puts `t` behind all threads of its priority or a higher one.
    ///
    /// Linear in the number of lower threads, which it passes from the tail.
    pub fn insert_by_priority(&mut self, k: &Kernel, t: KRef<Tcb>) {
        let priority = t.get(k).priority.get();
        let mut before = None;
        let mut at = self.tail;
        while let Some(other) = at {
            if other.get(k).priority.get() >= priority {
                break;
            }
            before = Some(other);
            at = other.get(k).links.prev.get();
        }
        self.insert_before(k, t, before);
    }

    /// Takes `t`, a member of this queue, out of it.
    pub fn remove(&mut self, k: &Kernel, t: KRef<Tcb>) {
        let prev = t.get(k).links.prev.take();
        let next = t.get(k).links.next.take();
        match prev {
            Some(p) => p.get(k).links.next.set(next),
            None => self.head = next,
        }
        match next {
            Some(n) => n.get(k).links.prev.set(prev),
            None => self.tail = prev,
        }
    }

    /// Takes the first thread out.
    pub fn pop_front(&mut self, k: &Kernel) -> Option<KRef<Tcb>> {
        let first = self.head?;
        self.remove(k, first);
        Some(first)
    }

    /// The threads from the first to the last.
    pub fn iter<'k>(self, k: &'k Kernel) -> impl Iterator<Item = KRef<Tcb>> + use<'k> {
        core::iter::successors(self.head, move |t| t.get(k).links.next.get())
    }

    /// Checks `QUEUE-2` and `QUEUE-3`.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn assert_valid(self, k: &Kernel) {
        assert_eq!(self.head.is_some(), self.tail.is_some(), "QUEUE-2");
        let mut prev = None;
        for t in self.iter(k) {
            assert_eq!(t.get(k).links.prev.get(), prev, "QUEUE-3");
            prev = Some(t);
        }
        assert_eq!(self.tail, prev, "QUEUE-2");
    }
}
