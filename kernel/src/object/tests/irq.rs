//! IRQ control, handlers and SGI signals, one test per row of their error tables (spec §3.8–§3.10),
//! and delivery (§8.3).

use super::{Bench, ROOT};
use crate::arch::irq::raise;
use crate::arch::record::{Event, record};
use crate::arch::{SgiTarget, Trigger};
use crate::cap::{Badge, Cap, NotificationCap, SgiSignalCap, cdt, delete};
use crate::error::{LookupFault, LookupSide, SyscallError};
use crate::irq::{Irq, IrqState, handle_interrupt};
use crate::object::{Notification, NotificationState};
use sel4_abi::InvocationLabel::*;
use sel4_abi::{CapRights, ObjectType};

const CONTROL: usize = 2;
const HANDLER: usize = 3;
const NOTIFICATION: usize = 4;
const SGI: usize = 5;
const FREE: u64 = 8;
const DEPTH: u64 = 64;
/// An interrupt that is nobody's.
const IRQ: u64 = 33;

/// IRQ control and a notification.
fn bench() -> Bench {
    let mut b = Bench::new(14);
    b.put(CONTROL, Cap::IrqControl);
    b.m.kernel.irqs.set_state(Irq(27), IrqState::Timer);
    b.retype(ObjectType::Notification, 0, NOTIFICATION as u64, 1);
    b
}

/// The same with a handler for [`IRQ`].
fn bench_with_handler() -> Bench {
    let mut b = bench();
    b.done(CONTROL, IrqIssueIrqHandler, &[IRQ, HANDLER as u64, DEPTH], &[ROOT]);
    b
}

impl Bench {
    fn notification_cap(&self) -> NotificationCap {
        match self.cap(NOTIFICATION) {
            Cap::Notification(cap) => cap,
            other => panic!("{other:?} is no notification"),
        }
    }

    fn notification(&self) -> &Notification {
        self.notification_cap().notification.get(&self.m.kernel)
    }

    fn irq_slot(&self) -> Cap {
        self.m.kernel.irqs.slot(Irq(IRQ as u16)).unwrap().cap(&self.m.kernel)
    }

    /// Lets the interrupt come, and answers what the hardware was asked.
    fn interrupt(&self, irq: u16) -> std::vec::Vec<Event> {
        raise(Irq(irq));
        record(|| handle_interrupt(&self.m.kernel))
    }
}

// ---- IRQ control ----

#[test]
fn issue_handler_unmasks_the_interrupt() {
    let mut b = bench();
    let events = record(|| b.done(CONTROL, IrqIssueIrqHandler, &[IRQ, HANDLER as u64, DEPTH], &[ROOT]));
    assert_eq!(events, [Event::Unmask(Irq(33))]);
    assert_eq!(b.cap(HANDLER), Cap::IrqHandler(Irq(33)));
    assert!(cdt::is_parent_of(&b.m.kernel, b.slot(CONTROL), b.slot(HANDLER)));
}

#[test]
fn issue_handler_with_trigger_sets_it_first() {
    for (word, trigger) in [(0, Trigger::Level), (1, Trigger::Edge), (7, Trigger::Edge)] {
        let mut b = bench();
        let words = [IRQ, word, HANDLER as u64, DEPTH];
        let events = record(|| b.done(CONTROL, IrqIssueIrqHandlerTrigger, &words, &[ROOT]));
        assert_eq!(events, [Event::Trigger(Irq(33), trigger), Event::Unmask(Irq(33))]);
    }
}

#[test]
fn issue_handler_err01_truncated() {
    let mut b = bench();
    let error = SyscallError::TruncatedMessage;
    assert_eq!(b.refused(CONTROL, IrqIssueIrqHandler, &[999, FREE], &[ROOT]), error);
    assert_eq!(b.refused(CONTROL, IrqIssueIrqHandler, &[999, FREE, DEPTH], &[]), error);
    assert_eq!(b.refused(CONTROL, IrqIssueIrqHandlerTrigger, &[999, 0, FREE], &[ROOT]), error);
    assert_eq!(b.refused(CONTROL, IrqIssueIrqHandlerTrigger, &[999, 0, FREE, DEPTH], &[]), error);
}

#[test]
fn issue_handler_err02_no_such_interrupt() {
    let mut b = bench();
    let error = SyscallError::RangeError { min: 0, max: 159 };
    for irq in [160, 1 << 32 | IRQ, u64::MAX] {
        assert_eq!(b.refused(CONTROL, IrqIssueIrqHandler, &[irq, FREE, 99], &[ROOT]), error);
        assert_eq!(b.refused(CONTROL, IrqIssueIrqHandlerTrigger, &[irq, 0, FREE, 99], &[ROOT]), error);
    }
    b.done(CONTROL, IrqIssueIrqHandler, &[159, FREE, DEPTH], &[ROOT]);
}

#[test]
fn issue_handler_err03_taken_or_the_timer() {
    let mut b = bench_with_handler();
    for irq in [IRQ, 27] {
        let error = b.refused(CONTROL, IrqIssueIrqHandler, &[irq, FREE, 99], &[ROOT]);
        assert_eq!(error, SyscallError::RevokeFirst);
    }
}

#[test]
fn issue_handler_err04_no_destination() {
    let mut b = bench();
    let error = b.refused(CONTROL, IrqIssueIrqHandler, &[IRQ, FREE, 65], &[ROOT]);
    assert_eq!(error, SyscallError::RangeError { min: 1, max: 64 });
    let error = b.refused(CONTROL, IrqIssueIrqHandlerTrigger, &[IRQ, 0, FREE, DEPTH], &[CONTROL]);
    let fault = LookupFault::InvalidRoot;
    assert_eq!(error, SyscallError::FailedLookup { side: LookupSide::Destination, fault });
}

#[test]
fn issue_handler_err05_destination_not_empty() {
    let mut b = bench();
    let error = b.refused(CONTROL, IrqIssueIrqHandler, &[IRQ, NOTIFICATION as u64, DEPTH], &[ROOT]);
    assert_eq!(error, SyscallError::DeleteFirst);
}

#[test]
fn issue_sgi_makes_a_capability() {
    let mut b = bench();
    b.done(CONTROL, IrqIssueSgiSignal, &[5, 7, SGI as u64, DEPTH], &[ROOT]);
    assert_eq!(b.cap(SGI), Cap::SgiSignal(SgiSignalCap { number: 5, target: 7 }));
}

#[test]
fn issue_sgi_err01_truncated() {
    let mut b = bench();
    let error = SyscallError::TruncatedMessage;
    assert_eq!(b.refused(CONTROL, IrqIssueSgiSignal, &[99, 0, FREE], &[ROOT]), error);
    assert_eq!(b.refused(CONTROL, IrqIssueSgiSignal, &[99, 0, FREE, DEPTH], &[]), error);
}

#[test]
fn issue_sgi_err02_no_sgi() {
    let mut b = bench();
    let error = b.refused(CONTROL, IrqIssueSgiSignal, &[16, 99, FREE, DEPTH], &[ROOT]);
    assert_eq!(error, SyscallError::RangeError { min: 0, max: 15 });
}

#[test]
fn issue_sgi_err03_no_such_target() {
    let mut b = bench();
    for target in [8, 1 << 32] {
        let error = b.refused(CONTROL, IrqIssueSgiSignal, &[15, target, FREE, 99], &[ROOT]);
        assert_eq!(error, SyscallError::InvalidArgument { index: 1 });
    }
}

#[test]
fn issue_sgi_err04_no_destination() {
    let mut b = bench();
    let error = b.refused(CONTROL, IrqIssueSgiSignal, &[15, 0, FREE, 0], &[ROOT]);
    assert_eq!(error, SyscallError::RangeError { min: 1, max: 64 });
}

#[test]
fn issue_sgi_err05_destination_not_empty() {
    let mut b = bench();
    let error = b.refused(CONTROL, IrqIssueSgiSignal, &[15, 0, NOTIFICATION as u64, DEPTH], &[ROOT]);
    assert_eq!(error, SyscallError::DeleteFirst);
}

#[test]
fn irq_control_err_other_label() {
    assert_eq!(bench().refused(CONTROL, IrqAckIrq, &[], &[]), SyscallError::IllegalOperation);
}

// ---- handlers ----

#[test]
fn set_handler_err01_truncated() {
    let mut b = bench_with_handler();
    assert_eq!(b.refused(HANDLER, IrqSetIrqHandler, &[], &[]), SyscallError::TruncatedMessage);
}

#[test]
fn set_handler_err02_no_notification_to_signal() {
    let mut b = bench_with_handler();
    let read_only = NotificationCap { rights: CapRights::READ, ..b.notification_cap() };
    cdt::insert(&b.m.kernel, b.slot(NOTIFICATION), b.slot(9), Cap::Notification(read_only));
    for other in [ROOT, 9, 15] {
        let error = b.refused(HANDLER, IrqSetIrqHandler, &[], &[other]);
        assert_eq!(error, SyscallError::InvalidCapability { index: 0 });
    }
}

#[test]
fn irq_handler_err_other_label() {
    let mut b = bench_with_handler();
    assert_eq!(b.refused(HANDLER, IrqIssueIrqHandler, &[], &[]), SyscallError::IllegalOperation);
}

#[test]
fn an_interrupt_signals_with_the_badge_and_stays_masked_until_acknowledged() {
    let mut b = bench_with_handler();
    let badged = NotificationCap { badge: Badge(0x40), ..b.notification_cap() };
    cdt::insert(&b.m.kernel, b.slot(NOTIFICATION), b.slot(9), Cap::Notification(badged));
    b.done(HANDLER, IrqSetIrqHandler, &[], &[9]);
    assert_eq!(b.interrupt(33), [Event::Mask(Irq(33))]);
    assert_eq!(b.notification().state.get(), NotificationState::Active(Badge(0x40)));
    assert_eq!(record(|| b.done(HANDLER, IrqAckIrq, &[], &[])), [Event::Unmask(Irq(33))]);
}

#[test]
fn an_interrupt_without_notification_is_dropped_but_masked() {
    let mut b = bench_with_handler();
    assert_eq!(b.interrupt(33), [Event::Mask(Irq(33))]);
    b.done(HANDLER, IrqSetIrqHandler, &[], &[NOTIFICATION]);
    b.done(HANDLER, IrqClearIrqHandler, &[], &[]);
    assert_eq!(b.interrupt(33), [Event::Mask(Irq(33))]);
    assert_eq!(b.notification().state.get(), NotificationState::Idle);
}

#[test]
fn an_interrupt_of_nobody_is_masked() {
    let b = bench();
    assert_eq!(b.interrupt(40), [Event::Mask(Irq(40))]);
    assert_eq!(b.interrupt(1019), [Event::Mask(Irq(1019))]);
}

#[test]
fn setting_again_replaces_and_revoking_empties() {
    let mut b = bench_with_handler();
    b.done(HANDLER, IrqSetIrqHandler, &[], &[NOTIFICATION]);
    b.done(HANDLER, IrqSetIrqHandler, &[], &[NOTIFICATION]);
    assert_eq!(b.irq_slot(), b.cap(NOTIFICATION));
    delete::revoke(&b.m.kernel, b.slot(NOTIFICATION)).unwrap();
    assert_eq!(b.irq_slot(), Cap::Null);
}

#[test]
fn deleting_the_last_handler_masks_and_frees_the_interrupt() {
    let mut b = bench_with_handler();
    b.done(HANDLER, IrqSetIrqHandler, &[], &[NOTIFICATION]);
    cdt::insert(&b.m.kernel, b.slot(HANDLER), b.slot(9), b.cap(HANDLER));
    assert!(record(|| delete::delete_one(&b.m.kernel, b.slot(9))).is_empty());
    assert_eq!(record(|| delete::delete_one(&b.m.kernel, b.slot(HANDLER))), [Event::Mask(Irq(33))]);
    assert_eq!(b.irq_slot(), Cap::Null);
    b.done(CONTROL, IrqIssueIrqHandler, &[IRQ, FREE, DEPTH], &[ROOT]);
}

#[test]
fn revoking_irq_control_deletes_handlers_and_sgis() {
    let mut b = bench_with_handler();
    b.done(CONTROL, IrqIssueSgiSignal, &[1, 0, SGI as u64, DEPTH], &[ROOT]);
    delete::revoke(&b.m.kernel, b.slot(CONTROL)).unwrap();
    assert_eq!((b.cap(HANDLER), b.cap(SGI)), (Cap::Null, Cap::Null));
}

#[test]
fn an_sgi_signal_raises_whatever_it_is_asked() {
    let mut b = bench();
    b.done(CONTROL, IrqIssueSgiSignal, &[3, 2, SGI as u64, DEPTH], &[ROOT]);
    for label in [UntypedRetype, IrqAckIrq] {
        assert_eq!(record(|| b.done(SGI, label, &[], &[])), [Event::Sgi(3, SgiTarget(2))]);
    }
}
