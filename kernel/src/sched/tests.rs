//! Queues against simple models, the rules of who runs next, and budgets over time.

use std::collections::{BTreeMap, VecDeque};
use std::vec::Vec;

use proptest::prelude::*;
use sel4_abi::{ErrorCode, InvocationLabel, Syscall};

use super::queue::TcbQueue;
use super::ready::ReadyQueues;
use super::release::ReleaseQueue;
use super::{Micros, Priority, Ticks};
use crate::object::sched_context::{self, Parameters};
use crate::object::tcb::{Queued, thread};
use crate::world::{Answer, Named, World};

// ---- queues against models ----

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn thread_queues_equal_deques(ops in prop::collection::vec((0usize..8, 0u8..4), 0..80)) {
        let mut w = World::new();
        let threads: Vec<_> = (0..8).map(|i| w.passive(i as u8 % 3).obj).collect();
        let k = w.k();
        let (mut queue, mut model) = (TcbQueue::EMPTY, VecDeque::new());
        for (i, op) in ops {
            let t = threads[i];
            let position = model.iter().position(|m| *m == t);
            match (op, position) {
                (_, Some(at)) => {
                    queue.remove(k, t);
                    model.remove(at);
                }
                (0, None) => {
                    queue.push_front(k, t);
                    model.push_front(t);
                }
                (1, None) => {
                    queue.push_back(k, t);
                    model.push_back(t);
                }
                _ => prop_assert_eq!(queue.pop_front(k), model.pop_front()),
            }
            queue.assert_valid(k);
            prop_assert_eq!(&queue.iter(k).collect::<VecDeque<_>>(), &model);
        }
    }

    #[test]
    fn ordered_insertion_is_a_stable_sort(priorities in prop::collection::vec(0u8..4, 1..12)) {
        let mut w = World::new();
        let threads: Vec<_> = priorities.iter().map(|p| w.passive(*p).obj).collect();
        let mut queue = TcbQueue::EMPTY;
        threads.iter().for_each(|t| queue.insert_by_priority(w.k(), *t));
        queue.assert_valid(w.k());
        let mut expected: Vec<_> = threads.iter().zip(&priorities).collect();
        expected.sort_by_key(|(_, p)| core::cmp::Reverse(**p));
        prop_assert_eq!(queue.iter(w.k()).collect::<Vec<_>>(), expected.iter().map(|(t, _)| **t).collect::<Vec<_>>());
    }

    #[test]
    fn ready_queues_equal_a_map_of_deques(ops in prop::collection::vec((0usize..10, 0u8..3), 0..80)) {
        let mut w = World::new();
        let priorities = [0u8, 1, 63, 64, 64, 64, 128, 200, 255, 255];
        let threads: Vec<_> = priorities.iter().map(|p| w.passive(*p).obj).collect();
        let k = w.k();
        let (queues, mut model) = (ReadyQueues::new(), BTreeMap::<u8, VecDeque<_>>::new());
        for (i, op) in ops {
            let (t, list) = (threads[i], model.entry(priorities[i]).or_default());
            match (op, list.iter().position(|m| *m == t)) {
                (0, Some(at)) => {
                    queues.remove(k, t);
                    list.remove(at);
                }
                (0, None) => {
                    queues.push_front(k, t);
                    list.push_front(t);
                }
                (1, None) => {
                    queues.push_back(k, t);
                    list.push_back(t);
                }
                _ => {
                    let highest = model.values_mut().rev().find(|l| !l.is_empty());
                    prop_assert_eq!(queues.pop_highest(k), highest.and_then(VecDeque::pop_front));
                }
            }
            queues.assert_valid(k);
            let highest = model.iter().rev().find(|(_, l)| !l.is_empty()).map(|(p, _)| Priority(*p));
            prop_assert_eq!(queues.highest(), highest);
        }
    }

    #[test]
    fn the_release_queue_is_sorted_by_time_then_arrival(times in prop::collection::vec(0u64..5, 1..10)) {
        let mut w = World::new();
        let queue = ReleaseQueue::new();
        let mut expected = Vec::new();
        for time in times {
            let t = w.passive(10).obj;
            let sc = w.context(1000, 2000).obj;
            let k = w.k();
            sched_context::refills(k, sc).start(Ticks(time), Ticks(100));
            sc.get(k).tcb.set(Some(t));
            t.get(k).sched_context.set(Some(sc));
            queue.insert(k, t);
            expected.push((time, t));
            queue.assert_valid(k);
        }
        expected.sort_by_key(|(time, _)| *time);
        prop_assert_eq!(queue.iter(w.k()).collect::<Vec<_>>(), expected.iter().map(|(_, t)| *t).collect::<Vec<_>>());
    }
}

// ---- who runs next (spec §4.5) ----

fn suspend_current(w: &mut World) {
    let t = w.current().unwrap();
    w.suspend(t);
}

#[test]
fn an_equal_that_is_woken_waits_behind_all_equals() {
    let mut w = World::new();
    let n = w.notification(1);
    let (waiter, waker, other) = (w.thread(10), w.thread(10), w.thread(10));
    w.start(waiter);
    w.wait(n.cptr);
    w.start(waker);
    w.start(other);
    assert!(w.runs(waker));
    w.send(n.cptr, 0, &[]);
    assert!(w.runs(waker), "the waker keeps running");
    suspend_current(&mut w);
    assert!(w.runs(other));
    suspend_current(&mut w);
    assert!(w.runs(waiter));
}

#[test]
fn a_preempted_thread_resumes_before_its_equals() {
    let mut w = World::new();
    let (a, b, high) = (w.thread(10), w.thread(10), w.thread(20));
    w.start(a);
    w.start(b);
    w.start(high);
    assert!(w.runs(high));
    suspend_current(&mut w);
    assert!(w.runs(a));
}

#[test]
fn an_equal_that_is_called_runs_at_once_before_queued_equals() {
    let mut w = World::new();
    let ep = w.endpoint();
    let (server, other, client) = (w.thread(10), w.thread(10), w.thread(10));
    let reply = w.reply();
    w.start(server);
    w.recv(ep.cptr, reply.cptr);
    w.start(client);
    w.start(other);
    assert!(w.runs(client));
    w.call(ep.cptr, 0, &[]);
    assert!(w.runs(server));
    w.reply_recv(ep.cptr, reply.cptr, &[]);
    assert!(w.runs(client));
}

#[test]
fn a_lower_candidate_does_not_pass_a_queued_higher_thread() {
    let mut w = World::new();
    let n = w.notification(1);
    let (low, high, mid) = (w.thread(10), w.thread(30), w.thread(20));
    w.start(low);
    w.wait(n.cptr);
    w.start(high);
    w.start(mid);
    assert!(w.runs(high));
    w.send(n.cptr, 0, &[]);
    assert!(w.runs(high));
    suspend_current(&mut w);
    assert!(w.runs(mid));
}

#[test]
fn lowering_oneself_to_others_keeps_one_ahead_of_them() {
    let mut w = World::new();
    let (a, b) = (w.thread(20), w.thread(10));
    w.start(a);
    w.start(b);
    let answer = w.invoke(a.cptr, InvocationLabel::TcbSetPriority, &[10], &[a.cptr]);
    assert_eq!(answer, Answer::ok(&[]));
    assert!(w.runs(a));
    w.invoke(a.cptr, InvocationLabel::TcbSetPriority, &[9], &[a.cptr]);
    assert!(w.runs(b));
}

#[test]
fn raising_another_switches_at_once() {
    let mut w = World::new();
    let (a, b) = (w.thread(20), w.thread(10));
    w.start(a);
    w.start(b);
    w.invoke(b.cptr, InvocationLabel::TcbSetPriority, &[21], &[a.cptr]);
    assert!(w.runs(b));
}

#[test]
fn yield_goes_behind_equals_and_counts_nothing() {
    let mut w = World::new();
    let (a, b) = (w.thread(10), w.thread(10));
    w.start(a);
    w.start(b);
    w.set_x(a.obj, 0, 123);
    w.yield_slice();
    assert!(w.runs(b));
    assert_eq!(w.x(a, 0), 123);
    let sc = w.context_of(a).unwrap();
    assert_eq!(sched_context::take_consumed(w.k(), sc), Micros(0));
    w.yield_slice();
    assert!(w.runs(a));
}

#[test]
fn a_thread_without_or_with_an_unconfigured_context_does_not_run() {
    let mut w = World::new();
    let t = w.passive(10);
    w.start(t);
    assert_eq!(w.current(), None);
    let sc = w.raw_context(7);
    sched_context::bind_tcb(w.k(), sc.obj, t.obj);
    w.settle();
    assert_eq!(w.current(), None);
}

// ---- budgets over time (spec §4.4, §4.6) ----

#[test]
fn equals_share_the_processor_in_slices_of_their_budgets() {
    let mut w = World::new();
    let (a, b) = (w.thread(10), w.thread(10));
    w.start(a);
    w.start(b);
    let mut turns = Vec::new();
    for _ in 0..8 {
        turns.push(w.runs(a));
        w.pass_time(5000);
    }
    assert_eq!(turns, [true, false, true, false, true, false, true, false]);
    for t in [a, b] {
        let sc = w.context_of(t).unwrap();
        let Micros(consumed) = sched_context::take_consumed(w.k(), sc);
        assert!((19_900..=20_100).contains(&consumed), "{consumed}");
    }
}

fn periodic(w: &mut World, priority: u8, budget: u64, period: u64) -> Named<crate::object::Tcb> {
    let t = w.passive(priority);
    let sc = w.context(budget, period);
    sched_context::bind_tcb(w.k(), sc.obj, t.obj);
    t
}

/// Runs for so many milliseconds; counts those during which `t` ran.
fn milliseconds_of(w: &mut World, t: Named<crate::object::Tcb>, total: u64) -> u64 {
    let mut ran = 0;
    for _ in 0..total {
        w.pass_time(500);
        ran += u64::from(w.runs(t));
        w.pass_time(500);
    }
    ran
}

#[test]
fn a_periodic_thread_gets_its_budget_in_each_period_and_no_more() {
    let mut w = World::new();
    let t = periodic(&mut w, 20, 2000, 10_000);
    let background = w.thread(1);
    w.start(background);
    w.start(t);
    for _ in 0..5 {
        assert_eq!(milliseconds_of(&mut w, t, 10), 2);
    }
}

#[test]
fn an_exhausted_thread_is_postponed_and_repeats_its_system_call() {
    let mut w = World::new();
    let t = periodic(&mut w, 20, 2000, 10_000);
    let n = w.notification(1);
    w.start(t);
    w.pass_time(1990);
    let pc = t.obj.get(w.k()).context.resume_pc.get();
    w.send(n.cptr, 0, &[]);
    assert_eq!(w.current(), None);
    assert_eq!(t.obj.get(w.k()).queued.get(), Queued::Release);
    w.pass_time(8_100);
    assert!(w.runs(t));
    assert_eq!(t.obj.get(w.k()).context.resume_pc.get(), pc, "the svc is executed again");
    w.trap();
    w.syscall(Syscall::NbWait, &[(0, n.cptr)]);
    assert_eq!(w.x(t, 0), 1);
}

#[test]
fn suspending_and_resuming_gives_no_budget() {
    let mut w = World::new();
    let t = periodic(&mut w, 20, 2000, 10_000);
    w.start(t);
    w.pass_time(1500);
    w.suspend(t.obj);
    w.start(t);
    assert!(w.runs(t));
    w.pass_time(600);
    assert_eq!(w.current(), None, "only the rest of the budget was left");
}

#[test]
fn several_refills_return_budget_in_pieces() {
    let mut w = World::new();
    let t = periodic(&mut w, 20, 2000, 10_000);
    w.start(t);
    for _ in 0..4 {
        w.pass_time(250);
        w.suspend(t.obj);
        w.pass_time(750);
        w.start(t);
    }
    let sc = w.context_of(t).unwrap();
    assert!(sched_context::refills(w.k(), sc).len() >= 4);
}

#[test]
fn reconfiguring_a_running_thread_preserves_bandwidth() {
    let mut w = World::new();
    let t = periodic(&mut w, 20, 2000, 10_000);
    w.start(t);
    w.pass_time(1500);
    let sc = w.context_of(t).unwrap();
    super::enter(w.k());
    let clock = w.k().cpu.sched.clock;
    let parameters = Parameters {
        budget: clock.to_ticks(Micros(5000)),
        period: clock.to_ticks(Micros(10_000)),
        max_refills: 4,
        badge: crate::cap::Badge(1),
        is_sporadic: false,
    };
    sched_context::configure(w.k(), sc, parameters);
    w.settle();
    assert!(w.runs(t));
    w.pass_time(600);
    assert_eq!(w.current(), None, "the head was kept, the rest comes a period later");
}

#[test]
fn the_consumed_time_is_read_once() {
    let mut w = World::new();
    let t = w.thread(10);
    w.start(t);
    w.pass_time(1000);
    w.timer_interrupt();
    let Named { cptr, .. } = context_cap(&mut w, t);
    assert_eq!(w.invoke(cptr, InvocationLabel::SchedContextConsumed, &[], &[]), Answer::ok(&[1000]));
    assert_eq!(w.invoke(cptr, InvocationLabel::SchedContextConsumed, &[], &[]), Answer::ok(&[0]));
}

fn context_cap(w: &mut World, t: Named<crate::object::Tcb>) -> Named<crate::object::SchedContext> {
    let obj = w.context_of(t).unwrap();
    let cap = crate::cap::SchedContextCap { sched_context: obj, size_bits: 8 };
    Named { obj, cptr: w.put(crate::cap::Cap::SchedContext(cap)) }
}

// ---- YieldTo (spec §4.11) ----

const YIELD_TO: InvocationLabel = InvocationLabel::SchedContextYieldTo;

#[test]
fn yield_to_an_equal_runs_it_and_returns_what_it_used() {
    let mut w = World::new();
    let (a, b) = (w.thread(10), w.thread(10));
    let sc = context_cap(&mut w, b);
    w.start(a);
    w.start(b);
    w.invoke(sc.cptr, YIELD_TO, &[], &[]);
    assert!(w.runs(b));
    assert!(a.obj.get(w.k()).yield_to.get().is_some());
    w.pass_time(5000);
    assert!(w.runs(a));
    let (badge, info, words) = w.received(a);
    assert_eq!((badge, info.label(), info.length()), (0, 0, 1));
    assert!((4_980..=5_000).contains(&words[0]), "{words:?}");
}

#[test]
fn yield_to_a_lower_or_stopped_thread_returns_at_once() {
    let mut w = World::new();
    let (a, low, stopped) = (w.thread(20), w.thread(10), w.thread(20));
    let (low_sc, stopped_sc) = (context_cap(&mut w, low), context_cap(&mut w, stopped));
    w.start(a);
    w.start(low);
    assert_eq!(w.invoke(low_sc.cptr, YIELD_TO, &[], &[]), Answer::ok(&[0]));
    assert_eq!(w.invoke(stopped_sc.cptr, YIELD_TO, &[], &[]), Answer::ok(&[0]));
    assert!(w.runs(a));
}

#[test]
fn a_second_yielder_completes_the_first() {
    let mut w = World::new();
    let (a, b, v) = (w.thread(10), w.thread(10), w.thread(10));
    let sc = context_cap(&mut w, v);
    w.start(a);
    w.start(b);
    w.start(v);
    w.invoke(sc.cptr, YIELD_TO, &[], &[]);
    assert!(w.runs(v));
    w.suspend(v.obj);
    assert!(w.runs(a), "the yielder is directly behind");
    thread::resume(w.k(), v.obj);
    w.invoke(sc.cptr, YIELD_TO, &[], &[]);
    assert!(w.runs(v));
    suspend_current(&mut w);
    assert!(w.runs(a));
    w.yield_slice();
    assert!(w.runs(b));
    thread::resume(w.k(), v.obj);
    w.invoke(sc.cptr, YIELD_TO, &[], &[]);
    assert!(w.runs(v));
    assert_eq!(sc.obj.get(w.k()).yield_from.get(), Some(b.obj));
}

#[test]
fn a_suspended_yielder_is_forgotten_and_a_destroyed_target_answers() {
    let mut w = World::new();
    let (a, v) = (w.thread(10), w.thread(10));
    let sc = context_cap(&mut w, v);
    w.start(a);
    w.start(v);
    w.invoke(sc.cptr, YIELD_TO, &[], &[]);
    thread::suspend(w.k(), a.obj);
    assert_eq!((a.obj.get(w.k()).yield_to.get(), sc.obj.get(w.k()).yield_from.get()), (None, None));
    w.start(a);
    suspend_current(&mut w);
    assert!(w.runs(a));
    w.start(v);
    w.set_x(a.obj, 1, 77);
    w.invoke(sc.cptr, YIELD_TO, &[], &[]);
    assert!(w.runs(v));
    thread::finalise(w.k(), v.obj);
    w.settle();
    assert!(w.runs(a));
    assert_eq!(w.received(a).1.length(), 1);
}

#[test]
fn yield_to_errors() {
    let mut w = World::new();
    let (a, v) = (w.thread(10), w.thread(20));
    let (own, other) = (context_cap(&mut w, a), context_cap(&mut w, v));
    let unbound = w.context(1000, 1000);
    w.start(a);
    a.obj.get(w.k()).mcp.set(Priority(19));
    let refused = Answer::error(ErrorCode::IllegalOperation, &[]);
    for cptr in [unbound.cptr, own.cptr, other.cptr] {
        assert_eq!(w.invoke(cptr, YIELD_TO, &[], &[]), refused);
    }
}

/// All that the scheduler knows, in words, for tests that compare.
pub(crate) fn picture(k: &crate::Kernel) -> std::string::String {
    let s = &k.cpu.sched;
    let now = (s.current.get(), s.current_sc.get(), s.next.get(), s.now.get(), s.consumed.get(), s.reprogram.get());
    let ready: std::vec::Vec<_> =
        (0..=u8::MAX).flat_map(|p| s.ready_threads(k, Priority(p)).map(move |t| (p, t))).collect();
    let highest = s.ready_now().map(ReadyQueues::highest);
    let released: std::vec::Vec<_> = s.released_threads(k).collect();
    std::format!("{now:?} {:?} {ready:?} {highest:?} {released:?} {:?}", s.quiet_until.get(), s.domains.left())
}
