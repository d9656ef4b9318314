//! Refill arithmetic: how a scheduling context's budget is used up and comes back (manual §6.1,
//! "sporadic servers").
//!
//! Pure: a [`RefillQueue`] is a view of a ring of refills and its two indices, wherever they lie.
//! It knows neither threads nor the clock; the caller says what time it is.
//!
//! A refill `(time, amount)` is an amount of budget that can be used from a point in time on. The
//! queue is ordered by time, and a thread runs on the head only.
//!
//! # Invariants (of a configured context with a period)
//!
//! - `REFILL-1` there is at least one refill, and never more than there are slots (two at least);
//! - `REFILL-2` refills are sorted and disjoint: each `time + amount` ≤ the next one's `time`;
//! - `REFILL-3` the sum of the amounts is the budget;
//! - `REFILL-4` the head's amount is at least `MIN_BUDGET`.
//!
//! A *round-robin* context (budget = period) uses the ring as a pair: slot 0 is what remains of the
//! slice, slot 1 what is used. Only `REFILL-3` holds for it.

use core::cell::Cell;

use super::time::Ticks;

/// An amount of budget, and when it may first be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Refill {
    /// From when on the amount may be used.
    pub time: Ticks,
    /// How much may be used.
    pub amount: Ticks,
}

impl Refill {
    /// Where the refill ends if it is used without a pause from its start.
    fn end(self) -> Ticks {
        self.time + self.amount
    }
}

/// A view of the ring of refills of one scheduling context.
#[derive(Clone, Copy)]
pub struct RefillQueue<'k> {
    slots: &'k [Cell<Refill>],
    head: &'k Cell<u32>,
    len: &'k Cell<u32>,
}

impl<'k> RefillQueue<'k> {
    /// A view of `slots` with `len` refills in use, the first at index `head`.
    #[must_use]
    pub fn new(slots: &'k [Cell<Refill>], head: &'k Cell<u32>, len: &'k Cell<u32>) -> Self {
        RefillQueue { slots, head, len }
    }

    fn slot(&self, i: u32) -> Option<&'k Cell<Refill>> {
        // Head and `i` are below the size (REFILL-1), so that one turn around the ring is enough.
        let index = self.head.get() as usize + i as usize;
        self.slots.get(index).or_else(|| self.slots.get(index.wrapping_sub(self.slots.len())))
    }

    fn get(&self, i: u32) -> Refill {
        self.slot(i).map(Cell::get).unwrap_or_default()
    }

    fn set(&self, i: u32, refill: Refill) {
        if let Some(slot) = self.slot(i) {
            slot.set(refill);
        }
    }

    /// How many refills there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len.get()
    }

    /// Whether there is none: the context is not configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_full(&self) -> bool {
        self.len() as usize >= self.slots.len()
    }

    /// The refill that the context runs on.
    #[must_use]
    pub fn head(&self) -> Refill {
        self.get(0)
    }

    fn tail_index(&self) -> u32 {
        self.len().saturating_sub(1)
    }

    /// The refills in order.
    pub fn iter(&self) -> impl Iterator<Item = Refill> + use<'k> {
        let this = *self;
        (0..this.len()).map(move |i| this.get(i))
    }

    /// Whether the head can be used at `now`.
    #[must_use]
    pub fn is_ready(&self, now: Ticks) -> bool {
        self.head().time <= now
    }

    fn pop(&self) -> Refill {
        let head = self.get(0);
        let size = self.slots.len().max(1) as u32;
        let next = self.head.get() + 1;
        self.head.set(if next >= size { 0 } else { next });
        self.len.set(self.len.get().saturating_sub(1));
        head
    }

    fn push(&self, refill: Refill) {
        self.len.set(self.len.get() + 1);
        self.set(self.tail_index(), refill);
    }

    // ---- configuring ----

    /// Leaves the queue without refills: the context is not configured any more.
    pub fn clear(&self) {
        self.head.set(0);
        self.len.set(0);
    }

    /// The whole `budget` at `now`.
    pub fn start(&self, now: Ticks, budget: Ticks) {
        self.clear();
        self.push(Refill { time: now, amount: budget });
    }

    /// The whole `budget` at `now`, for a round-robin context.
    pub fn start_round_robin(&self, now: Ticks, budget: Ticks) {
        self.start(now, budget);
        self.push(Refill { time: now, amount: Ticks::ZERO });
    }

    /// Starts anew from what an earlier configuration left as its head, so that the change of
    /// parameters gives no budget away: see [`RefillQueue::head`] for `kept`.
    pub fn restart_from(&self, kept: Refill, now: Ticks, budget: Ticks, period: Ticks) {
        let time = if kept.time <= now { now } else { kept.time };
        self.clear();
        if kept.amount >= budget {
            self.push(Refill { time, amount: budget });
        } else {
            self.push(Refill { time, amount: kept.amount });
            self.push(Refill { time: time + period, amount: budget - kept.amount });
        }
    }

    // ---- using up, with a period ----

    /// Charges `usage` to a context with the given `period`: what was used comes back one period
    /// after it could first have been used.
    ///
    /// Bounded by the number of refills plus `usage / budget`.
    pub fn charge(&self, mut usage: Ticks, period: Ticks, min_budget: Ticks) {
        while !self.is_empty() && self.head().amount <= usage && self.head().amount > Ticks::ZERO {
            usage -= self.head().amount;
            if self.len() == 1 {
                let head = self.head();
                self.set(0, Refill { time: head.time + period, ..head });
            } else {
                let used = self.pop();
                self.schedule(Refill { time: used.time + period, ..used });
            }
        }
        if usage > Ticks::ZERO && !self.is_empty() {
            let head = self.head();
            self.schedule(Refill { time: head.time + period, amount: usage });
            // A full queue may just have merged into its tail, but never into its head: it has two
            // slots at least, and is not full while there is only the head.
            self.set(0, Refill { time: head.time + usage, amount: head.amount - usage });
        }
        while self.len() > 1 && self.head().amount < min_budget {
            let small = self.pop();
            let next = self.head();
            self.set(0, Refill { time: next.time - small.amount, amount: next.amount + small.amount });
        }
    }

    /// Puts a refill behind all others, merged with the last one where they touch or where there is
    /// no room. Never makes budget usable earlier than `refill` says.
    fn schedule(&self, refill: Refill) {
        let tail = self.get(self.tail_index());
        if tail.end() >= refill.time {
            self.set(self.tail_index(), Refill { time: tail.time, amount: tail.amount + refill.amount });
        } else if !self.is_full() {
            self.push(refill);
        } else {
            let time = refill.time - tail.amount;
            self.set(self.tail_index(), Refill { time, amount: tail.amount + refill.amount });
        }
    }

    /// The context starts to be used at `now`: the head cannot be counted from an earlier time, and
    /// refills that it then runs into become part of it. Nothing if the head is not ready.
    pub fn unblock(&self, now: Ticks) {
        if self.is_empty() || !self.is_ready(now) {
            return;
        }
        self.set(0, Refill { time: now, ..self.head() });
        while self.len() > 1 && self.get(1).time <= self.head().end() {
            let head = self.pop();
            self.set(0, Refill { time: head.time, amount: head.amount + self.head().amount });
        }
    }

    // ---- using up, round robin ----

    /// Charges `usage` to a round-robin context: it moves from what remains to what is used.
    pub fn charge_round_robin(&self, usage: Ticks) {
        // Nothing is ever taken from this ring, so it starts at slot 0.
        let [left, used, ..] = self.slots else { return };
        let moved = usage.min(left.get().amount);
        left.set(Refill { amount: left.get().amount - moved, ..left.get() });
        used.set(Refill { amount: used.get().amount + moved, ..used.get() });
    }

    /// The slice is over: all of it remains again.
    pub fn replenish_round_robin(&self) {
        let (left, used) = (self.get(0), self.get(1));
        self.set(0, Refill { amount: left.amount + used.amount, ..left });
        self.set(1, Refill { amount: Ticks::ZERO, ..used });
    }

    /// Checks the invariants of a queue with a period against its `budget`.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn assert_valid(&self, budget: Ticks, min_budget: Ticks) {
        assert!(!self.is_empty() && self.len() as usize <= self.slots.len(), "REFILL-1");
        let refills: std::vec::Vec<_> = self.iter().collect();
        for pair in refills.windows(2) {
            assert!(pair[0].end() <= pair[1].time, "REFILL-2: {refills:?}");
        }
        let sum: u64 = refills.iter().map(|r| r.amount.0).sum();
        assert_eq!(sum, budget.0, "REFILL-3: {refills:?}");
        assert!(self.head().amount >= min_budget, "REFILL-4: {refills:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// Memory for a queue.
    struct Ring {
        slots: Vec<Cell<Refill>>,
        head: Cell<u32>,
        len: Cell<u32>,
    }

    impl Ring {
        fn new(size: usize) -> Ring {
            Ring { slots: (0..size).map(|_| Cell::default()).collect(), head: Cell::new(0), len: Cell::new(0) }
        }
        fn queue(&self) -> RefillQueue<'_> {
            RefillQueue::new(&self.slots, &self.head, &self.len)
        }
        fn list(&self) -> Vec<(u64, u64)> {
            self.queue().iter().map(|r| (r.time.0, r.amount.0)).collect()
        }
    }

    /// The reference: one entry for each tick of budget, the time from which it can be used. Using a
    /// tick gives it back one period after that time, but never before the one returned last.
    #[derive(Clone, Debug)]
    struct TickModel {
        ticks: Vec<u64>,
    }

    impl TickModel {
        fn of(list: &[(u64, u64)]) -> TickModel {
            TickModel { ticks: list.iter().flat_map(|&(t, a)| t..t + a).collect() }
        }
        fn use_tick(&mut self, period: u64) {
            let tick = self.ticks.remove(0);
            let last = self.ticks.last().map_or(0, |l| l + 1);
            self.ticks.push(last.max(tick + period));
        }
        fn unblock(&mut self, now: u64) {
            // The head run is the ticks that follow without gap or fall into it once it has moved.
            if self.ticks[0] > now {
                return;
            }
            for (t, next) in self.ticks.iter_mut().zip(now..) {
                if *t > next {
                    break;
                }
                *t = next;
            }
        }
    }

    #[test]
    fn the_only_refill_moves_by_one_period_when_used_up() {
        let ring = Ring::new(2);
        ring.queue().start(Ticks(1000), Ticks(100));
        ring.queue().charge(Ticks(100), Ticks(500), Ticks(10));
        assert_eq!(ring.list(), [(1500, 100)]);
    }

    #[test]
    fn partial_use_splits_the_head() {
        let ring = Ring::new(4);
        ring.queue().start(Ticks(1000), Ticks(100));
        ring.queue().charge(Ticks(30), Ticks(500), Ticks(10));
        assert_eq!(ring.list(), [(1030, 70), (1500, 30)]);
        ring.queue().charge(Ticks(70), Ticks(500), Ticks(10));
        assert_eq!(ring.list(), [(1500, 100)]);
    }

    #[test]
    fn a_full_queue_delays_its_tail() {
        let ring = Ring::new(2);
        ring.queue().start(Ticks(0), Ticks(100));
        ring.queue().charge(Ticks(30), Ticks(500), Ticks(10));
        ring.queue().unblock(Ticks(200));
        assert_eq!(ring.list(), [(200, 70), (500, 30)]);
        ring.queue().charge(Ticks(20), Ticks(500), Ticks(10));
        assert_eq!(ring.list(), [(220, 50), (670, 50)]);
    }

    #[test]
    fn a_head_too_small_to_run_merges_into_the_next() {
        let ring = Ring::new(4);
        ring.queue().start(Ticks(0), Ticks(100));
        ring.queue().charge(Ticks(95), Ticks(500), Ticks(10));
        assert_eq!(ring.list(), [(495, 100)]);
    }

    #[test]
    fn unblocking_merges_what_the_head_runs_into() {
        let ring = Ring::new(4);
        ring.queue().start(Ticks(0), Ticks(100));
        ring.queue().charge(Ticks(40), Ticks(200), Ticks(10));
        assert_eq!(ring.list(), [(40, 60), (200, 40)]);
        ring.queue().unblock(Ticks(139));
        assert_eq!(ring.list(), [(139, 60), (200, 40)]);
        ring.queue().unblock(Ticks(140));
        assert_eq!(ring.list(), [(140, 100)]);
        ring.queue().unblock(Ticks(100));
        assert_eq!(ring.list(), [(140, 100)], "a head that is not ready stays");
    }

    #[test]
    fn round_robin_moves_between_remaining_and_used() {
        let ring = Ring::new(2);
        ring.queue().start_round_robin(Ticks(7), Ticks(100));
        ring.queue().charge_round_robin(Ticks(60));
        ring.queue().charge_round_robin(Ticks(30));
        assert_eq!(ring.list(), [(7, 10), (7, 90)]);
        ring.queue().charge_round_robin(Ticks(50));
        assert_eq!(ring.list(), [(7, 0), (7, 100)]);
        ring.queue().replenish_round_robin();
        assert_eq!(ring.list(), [(7, 100), (7, 0)]);
    }

    #[test]
    fn restarting_keeps_only_the_head() {
        let ring = Ring::new(4);
        let kept = Refill { time: Ticks(50), amount: Ticks(30) };
        ring.queue().restart_from(kept, Ticks(80), Ticks(20), Ticks(100));
        assert_eq!(ring.list(), [(80, 20)]);
        ring.queue().restart_from(kept, Ticks(80), Ticks(70), Ticks(100));
        assert_eq!(ring.list(), [(80, 30), (180, 40)]);
        ring.queue().restart_from(kept, Ticks(40), Ticks(70), Ticks(100));
        assert_eq!(ring.list(), [(50, 30), (150, 40)]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// Runs for a share (in 1/16) of what the head allows.
        Run(u64),
        /// Is blocked for some time, then wakes.
        Block(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![(1u64..=17).prop_map(Step::Run), (1u64..200).prop_map(Step::Block)];
        prop::collection::vec(step, 1..60)
    }

    proptest! {
        /// With room for every refill and no minimum, the ring is the per-tick model exactly, also
        /// where more is charged than the head holds.
        #[test]
        fn equals_the_per_tick_model(
            budget in 1u64..40, extra in 1u64..60,
            ops in prop::collection::vec((any::<bool>(), 1u64..90), 1..40),
        ) {
            let period = budget + extra;
            let ring = Ring::new(256);
            ring.queue().start(Ticks(1000), Ticks(budget));
            let mut model = TickModel::of(&ring.list());
            let mut now = 1000;
            for (run, n) in ops {
                if run {
                    ring.queue().charge(Ticks(n), Ticks(period), Ticks(1));
                    (0..n).for_each(|_| model.use_tick(period));
                } else {
                    now += n;
                    ring.queue().unblock(Ticks(now));
                    model.unblock(now);
                }
                ring.queue().assert_valid(Ticks(budget), Ticks(1));
                prop_assert_eq!(&TickModel::of(&ring.list()).ticks, &model.ticks);
            }
        }

        /// However few slots there are, the invariants hold, and no window of one period's length
        /// sees more than the budget used.
        #[test]
        fn no_window_exceeds_the_budget(
            size in 2usize..6, budget in 20u64..60, extra in 1u64..100, ops in steps(),
        ) {
            const MIN: u64 = 8;
            let period = budget + extra;
            let ring = Ring::new(size);
            let q = ring.queue();
            let mut now = 1000u64;
            q.start(Ticks(now), Ticks(budget));
            let mut used: Vec<u64> = Vec::new();
            for op in ops {
                match op {
                    Step::Block(n) => now += n,
                    Step::Run(share) => {
                        now = now.max(q.head().time.0);
                        q.unblock(Ticks(now));
                        let n = (q.head().amount.0 * share / 16).clamp(1, q.head().amount.0);
                        used.extend(now..now + n);
                        now += n;
                        q.charge(Ticks(n), Ticks(period), Ticks(MIN));
                    }
                }
                q.assert_valid(Ticks(budget), Ticks(MIN));
            }
            for (i, &t) in used.iter().enumerate() {
                let in_window = used[i..].iter().take_while(|&&u| u < t + period).count() as u64;
                prop_assert!(in_window <= budget, "{in_window} of {budget} used from {t} within {period}");
            }
        }

        /// Round robin never loses or invents budget.
        #[test]
        fn round_robin_keeps_the_sum(budget in 1u64..1000, ops in prop::collection::vec(0u64..400, 1..40)) {
            let ring = Ring::new(2);
            ring.queue().start_round_robin(Ticks(0), Ticks(budget));
            for n in ops {
                if n == 0 { ring.queue().replenish_round_robin() } else { ring.queue().charge_round_robin(Ticks(n)) }
                prop_assert_eq!(ring.list().iter().map(|r| r.1).sum::<u64>(), budget);
            }
        }
    }
}
