//! One test for each row of the error tables of scheduling contexts and scheduling control.

use sel4_abi::{ErrorCode, InvocationLabel as L};

use super::sched_context;
use super::tcb::ThreadState;
use crate::cap::Cap;
use crate::object::SchedContext;
use crate::object::Tcb;
use crate::sched::Ticks;
use crate::world::{Answer, Named, World};

const TRUNCATED: ErrorCode = ErrorCode::TruncatedMessage;
const ILLEGAL: ErrorCode = ErrorCode::IllegalOperation;
const MAX_US: u64 = 0x218d_ef41_6bdb;

/// A world with a manager that runs, a scheduling context of 256 bytes, and scheduling control.
struct Setup {
    w: World,
    manager: Named<Tcb>,
    sc: Named<SchedContext>,
    control: u64,
}

fn setup() -> Setup {
    let mut w = World::new();
    let manager = w.thread(100);
    let sc = w.raw_context(8);
    let control = w.put(Cap::SchedControl { core: 0 });
    w.start(manager);
    Setup { w, manager, sc, control }
}

impl Setup {
    fn ask(&mut self, label: L, caps: &[u64]) -> Answer {
        let cptr = self.sc.cptr;
        self.w.invoke(cptr, label, &[], caps)
    }

    fn configure(&mut self, words: &[u64]) -> Answer {
        let (control, sc) = (self.control, self.sc.cptr);
        self.w.invoke(control, L::SchedControlConfigureFlags, words, &[sc])
    }

    fn own_context(&mut self) {
        let obj = self.w.context_of(self.manager).unwrap();
        let cap = crate::cap::SchedContextCap { sched_context: obj, size_bits: 8 };
        self.sc = Named { obj, cptr: self.w.put(Cap::SchedContext(cap)) };
    }

    fn blocked(&mut self) -> Named<Tcb> {
        let ep = self.w.endpoint();
        let t = self.w.thread(200);
        self.w.start(t);
        self.w.wait(ep.cptr);
        let own = self.w.context_of(t).unwrap();
        sched_context::unbind_tcb(self.w.k(), own);
        t
    }
}

fn error(code: ErrorCode, words: &[u64]) -> Answer {
    Answer::error(code, words)
}

// ---- scheduling control ----

#[test]
fn sched_control_err01_other_label() {
    let mut s = setup();
    let control = s.control;
    assert_eq!(s.w.invoke(control, L::SchedContextBind, &[], &[]), error(ILLEGAL, &[]));
}

#[test]
fn sched_control_configure_err02_missing_capability() {
    let mut s = setup();
    let control = s.control;
    let answer = s.w.invoke(control, L::SchedControlConfigureFlags, &[1; 5], &[]);
    assert_eq!(answer, error(TRUNCATED, &[]));
}

#[test]
fn sched_control_configure_err03_truncated() {
    assert_eq!(setup().configure(&[1000, 1000, 0, 0]), error(TRUNCATED, &[]));
}

#[test]
fn sched_control_configure_err04_budget_and_err05_period_too_long() {
    let mut s = setup();
    let range = error(ErrorCode::RangeError, &[20, MAX_US]);
    assert_eq!(s.configure(&[MAX_US + 1, MAX_US, 0, 0, 0]), range);
    assert_eq!(s.configure(&[1000, MAX_US + 1, 0, 0, 0]), range);
    assert_eq!(s.configure(&[1000, MAX_US, 0, 0, 0]), Answer::ok(&[]));
}

#[test]
fn sched_control_configure_err06_budget_and_err07_period_too_short() {
    let mut s = setup();
    let range = error(ErrorCode::RangeError, &[20, MAX_US]);
    assert_eq!(s.configure(&[19, 1000, 0, 0, 0]), range);
    assert_eq!(s.configure(&[20, 19, 0, 0, 0]), range);
    assert_eq!(s.configure(&[20, 20, 0, 0, 0]), Answer::ok(&[]));
}

#[test]
fn sched_control_configure_err08_budget_above_period() {
    assert_eq!(setup().configure(&[1001, 1000, 0, 0, 0]), error(ErrorCode::RangeError, &[20, 1000]));
}

#[test]
fn sched_control_configure_err09_no_context() {
    let mut s = setup();
    s.sc.cptr = s.manager.cptr;
    assert_eq!(s.configure(&[1000, 1000, 99, 0, 0]), error(ErrorCode::InvalidCapability, &[1]));
}

#[test]
fn sched_control_configure_err10_too_many_refills() {
    let mut s = setup();
    assert_eq!(s.configure(&[1000, 2000, 9, 0, 0]), error(ErrorCode::RangeError, &[0, 8]));
    assert_eq!(s.configure(&[1000, 2000, 8, 77, 1]), Answer::ok(&[]));
    let sc = s.sc.obj.get(s.w.k());
    assert_eq!((sc.badge.get().0, sc.is_sporadic.get(), sc.refill_max.get()), (77, true, 10));
    s.sc = s.w.raw_context(7);
    assert_eq!(s.configure(&[1000, 2000, 1, 0, 0]), error(ErrorCode::RangeError, &[0, 0]));
}

#[test]
fn sched_control_configures_round_robin_and_periods() {
    let mut s = setup();
    assert_eq!(s.configure(&[1000, 1000, 0, 0, 0]), Answer::ok(&[]));
    assert!(s.sc.obj.get(s.w.k()).is_round_robin());
    assert_eq!(s.configure(&[1000, 2000, 0, 0, 0]), Answer::ok(&[]));
    assert_eq!(s.sc.obj.get(s.w.k()).period.get(), Ticks(125_000));
    assert_eq!(sched_context::refills(s.w.k(), s.sc.obj).head().amount, Ticks(62_500));
}

// ---- binding ----

#[test]
fn sched_context_err01_other_label() {
    assert_eq!(setup().ask(L::TcbResume, &[]), error(ILLEGAL, &[]));
}

#[test]
fn sched_context_bind_err01_truncated() {
    let mut s = setup();
    assert_eq!(s.ask(L::SchedContextBind, &[]), error(TRUNCATED, &[]));
    assert_eq!(s.ask(L::SchedContextUnbindObject, &[]), error(TRUNCATED, &[]));
}

#[test]
fn sched_context_bind_err02_context_has_a_thread() {
    let mut s = setup();
    let (a, b) = (s.w.passive(1), s.w.passive(1));
    assert_eq!(s.ask(L::SchedContextBind, &[a.cptr]), Answer::ok(&[]));
    assert_eq!(s.ask(L::SchedContextBind, &[b.cptr]), error(ILLEGAL, &[]));
}

#[test]
fn sched_context_bind_err03_thread_has_a_context() {
    let mut s = setup();
    let t = s.w.thread(1);
    assert_eq!(s.ask(L::SchedContextBind, &[t.cptr]), error(ILLEGAL, &[]));
}

#[test]
fn sched_context_bind_err04_blocked_thread_and_context_not_released() {
    let mut s = setup();
    let t = s.blocked();
    assert_eq!(s.ask(L::SchedContextBind, &[t.cptr]), error(ILLEGAL, &[]));
    assert_eq!(s.configure(&[1000, 2000, 0, 0, 0]), Answer::ok(&[]));
    assert_eq!(s.ask(L::SchedContextBind, &[t.cptr]), Answer::ok(&[]));
}

#[test]
fn sched_context_bind_err05_and_err06_notification_bindings() {
    let mut s = setup();
    let (a, b) = (s.w.notification(1), s.w.notification(1));
    assert_eq!(s.ask(L::SchedContextBind, &[a.cptr]), Answer::ok(&[]));
    assert_eq!(s.ask(L::SchedContextBind, &[b.cptr]), error(ILLEGAL, &[]));
    s.sc = s.w.raw_context(8);
    assert_eq!(s.ask(L::SchedContextBind, &[a.cptr]), error(ILLEGAL, &[]));
}

#[test]
fn sched_context_bind_err07_other_kind() {
    let mut s = setup();
    let null = s.w.free_slot();
    for label in [L::SchedContextBind, L::SchedContextUnbindObject] {
        assert_eq!(s.ask(label, &[null]), error(ErrorCode::InvalidCapability, &[1]));
    }
}

#[test]
fn sched_context_unbind_err01_of_oneself() {
    let mut s = setup();
    s.own_context();
    assert_eq!(s.ask(L::SchedContextUnbind, &[]), error(ILLEGAL, &[]));
}

#[test]
fn sched_context_unbind_cuts_everything_and_nothing_is_success() {
    let mut s = setup();
    let (t, n) = (s.w.passive(1), s.w.notification(1));
    assert_eq!(s.ask(L::SchedContextUnbind, &[]), Answer::ok(&[]));
    s.ask(L::SchedContextBind, &[t.cptr]);
    s.ask(L::SchedContextBind, &[n.cptr]);
    assert_eq!(s.ask(L::SchedContextUnbind, &[]), Answer::ok(&[]));
    assert_eq!((s.w.context_of(t), n.obj.get(s.w.k()).sched_context.get()), (None, None));
}

#[test]
fn sched_context_unbind_object_err02_not_its_thread() {
    let mut s = setup();
    let t = s.w.passive(1);
    assert_eq!(s.ask(L::SchedContextUnbindObject, &[t.cptr]), error(ILLEGAL, &[]));
    s.ask(L::SchedContextBind, &[t.cptr]);
    assert_eq!(s.ask(L::SchedContextUnbindObject, &[t.cptr]), Answer::ok(&[]));
    assert_eq!(s.w.context_of(t), None);
}

#[test]
fn sched_context_unbind_object_err03_the_current_thread() {
    let mut s = setup();
    s.own_context();
    let own = s.manager.cptr;
    assert_eq!(s.ask(L::SchedContextUnbindObject, &[own]), error(ILLEGAL, &[]));
}

#[test]
fn sched_context_unbind_object_err04_not_its_notification() {
    let mut s = setup();
    let n = s.w.notification(1);
    assert_eq!(s.ask(L::SchedContextUnbindObject, &[n.cptr]), error(ILLEGAL, &[]));
    s.ask(L::SchedContextBind, &[n.cptr]);
    assert_eq!(s.ask(L::SchedContextUnbindObject, &[n.cptr]), Answer::ok(&[]));
}

#[test]
fn sched_context_consumed_of_an_unconfigured_one_is_zero() {
    assert_eq!(setup().ask(L::SchedContextConsumed, &[]), Answer::ok(&[0]));
}

#[test]
fn binding_a_runnable_thread_lets_it_run_at_once_if_higher() {
    let mut s = setup();
    let t = s.w.passive(150);
    s.w.start(t);
    assert!(s.w.runs(s.manager));
    s.configure(&[1000, 1000, 0, 0, 0]);
    s.ask(L::SchedContextBind, &[t.cptr]);
    assert!(s.w.runs(t));
    assert_eq!(s.w.state(s.manager), ThreadState::Running);
}
