//! Interrupts: kernel ABI 3.8, 3.9 and 8. The largest is the board's, so upstream's kernel for the board and Tessera
//! agree whatever the controller has.

use mach_sys::CPtr;
use mach_sys::abi::{InvocationLabel as L, Syscall};

use crate::call::{Answer, call, nb_wait, receive, signal};
use crate::case::{
    DELETE_FIRST, Done, ILLEGAL, NOT_SOURCE, REVOKE_FIRST, TRUNCATED, Trouble, argument, capability, cases,
    invalid_root, range, too_deep,
};
use crate::trace::note;
use crate::world::{DEPTH, IRQ_CONTROL, Must, ROOT, World, copy, delete, is_empty, mint, revoke};

/// The interrupt of the kernel's timer.
const TIMER: u64 = 27;
/// An interrupt that no device here raises.
const QUIET: u64 = 50;
/// A software-generated interrupt, and this core.
const SGI: u64 = 5;
const THIS_CORE: u64 = 0;

/// The largest interrupt of the board, by a name in its device tree.
fn last_irq(w: &World) -> Result<u64, Trouble> {
    let tree = w.boot.device_tree().ok_or(Trouble("there is no device tree"))?;
    let names = |board: &[u8]| tree.windows(board.len()).any(|bytes| bytes == board);
    match () {
        () if names(b"linux,dummy-virt\0") => Ok(159),
        () if names(b"brcm,bcm2711\0") => Ok(216),
        () => Err(Trouble("the board is none that is known")),
    }
}

fn issue(irq: u64, slot: CPtr) -> Answer {
    call(IRQ_CONTROL, L::IrqIssueIrqHandler, &[irq, slot, DEPTH], &[ROOT])
}

fn issue_with_trigger(irq: u64, trigger: u64, slot: CPtr) -> Answer {
    call(IRQ_CONTROL, L::IrqIssueIrqHandlerTrigger, &[irq, trigger, slot, DEPTH], &[ROOT])
}

fn issue_sgi(irq: u64, target: u64, slot: CPtr) -> Answer {
    call(IRQ_CONTROL, L::IrqIssueSgiSignal, &[irq, target, slot, DEPTH], &[ROOT])
}

fn handler(w: &mut World, irq: u64) -> Result<CPtr, Trouble> {
    let slot = w.slot();
    issue(irq, slot).must("no handler")?;
    Ok(slot)
}

/// Interrupts beyond the board's last one: whether each is a range error that names the last.
fn beyond(w: &mut World, issue: fn(u64, CPtr) -> Answer) -> Done {
    let (last, slot) = (last_irq(w)?, w.slot());
    for irq in [last + 1, 250, 287, 1 << 32 | 40, u64::MAX] {
        let answer = issue(irq, slot);
        note(u64::from((answer.info.label(), answer.word(0), answer.word(1)) == (4, 0, last)));
    }
    Ok(())
}

/// A handler for an SGI whose signals come to a notification with badge 6, and a capability that raises it.
fn sgi(w: &mut World) -> Result<(CPtr, CPtr, CPtr), Trouble> {
    let (handler, notification) = (handler(w, SGI)?, w.notification()?);
    let badged = w.mint(notification, 15, 6)?;
    call(handler, L::IrqSetIrqHandler, &[], &[badged]).must("no notification")?;
    let raise = w.slot();
    issue_sgi(SGI, THIS_CORE, raise).must("no SGI capability")?;
    Ok((handler, notification, raise))
}

cases! {
    "irq_control.issue.err00_other_label" => ILLEGAL, |_| {
        call(IRQ_CONTROL, L::IrqAckIrq, &[], &[]).note();
        Ok(())
    };
    "irq_control.issue.err01_two_words" => TRUNCATED, |w| {
        let slot = w.slot();
        call(IRQ_CONTROL, L::IrqIssueIrqHandler, &[QUIET, slot], &[ROOT]).note();
        Ok(())
    };
    "irq_control.issue.err01_no_root" => TRUNCATED, |w| {
        let slot = w.slot();
        call(IRQ_CONTROL, L::IrqIssueIrqHandler, &[QUIET, slot, DEPTH], &[]).note();
        Ok(())
    };
    "irq_control.issue.err02_beyond_the_board" => [1; 5], |w| beyond(w, issue);
    "irq_control.issue.err03_timer" => REVOKE_FIRST, |w| {
        let slot = w.slot();
        issue(TIMER, slot).note();
        Ok(())
    };
    "irq_control.issue.err03_has_a_handler" => REVOKE_FIRST, |w| {
        handler(w, QUIET)?;
        // Before the destination is looked at.
        issue(QUIET, ROOT).note();
        Ok(())
    };
    "irq_control.issue.err04_depth_0" => range(1, 64), |w| {
        let slot = w.slot();
        call(IRQ_CONTROL, L::IrqIssueIrqHandler, &[QUIET, slot, 0], &[ROOT]).note();
        Ok(())
    };
    "irq_control.issue.err04_root_is_no_cnode" => invalid_root(NOT_SOURCE), |w| {
        let slot = w.slot();
        call(IRQ_CONTROL, L::IrqIssueIrqHandler, &[QUIET, slot, DEPTH], &[IRQ_CONTROL]).note();
        Ok(())
    };
    "irq_control.issue.err05_destination_is_occupied" => DELETE_FIRST, |_| {
        issue(QUIET, ROOT).note();
        Ok(())
    };
    "irq_control.issue.the_last_of_the_board" => [0, 0], |w| {
        let slot = w.slot();
        issue(last_irq(w)?, slot).note();
        delete(slot).note();
        Ok(())
    };
    "irq_control.issue_trigger.err01_three_words" => TRUNCATED, |w| {
        let slot = w.slot();
        call(IRQ_CONTROL, L::IrqIssueIrqHandlerTrigger, &[QUIET, 0, slot], &[ROOT]).note();
        Ok(())
    };
    "irq_control.issue_trigger.err01_no_root" => TRUNCATED, |w| {
        let slot = w.slot();
        call(IRQ_CONTROL, L::IrqIssueIrqHandlerTrigger, &[QUIET, 0, slot, DEPTH], &[]).note();
        Ok(())
    };
    "irq_control.issue_trigger.err02_beyond_the_board" => [1; 5], |w| {
        beyond(w, |irq, slot| issue_with_trigger(irq, 1, slot))
    };
    "irq_control.issue_trigger.err03_timer" => REVOKE_FIRST, |w| {
        let slot = w.slot();
        issue_with_trigger(TIMER, 1, slot).note();
        Ok(())
    };
    "irq_control.issue_trigger.err04_root_is_no_cnode" => invalid_root(NOT_SOURCE), |w| {
        let slot = w.slot();
        call(IRQ_CONTROL, L::IrqIssueIrqHandlerTrigger, &[QUIET, 1, slot, DEPTH], &[IRQ_CONTROL]).note();
        Ok(())
    };
    "irq_control.issue_trigger.err05_destination_is_occupied" => DELETE_FIRST, |_| {
        issue_with_trigger(QUIET, 1, ROOT).note();
        Ok(())
    };
    "irq_control.issue_trigger.edge_and_level" => [0, 0, 0], |w| {
        let (first, second) = (w.slot(), w.slot());
        issue_with_trigger(QUIET, 1, first).note();
        issue_with_trigger(QUIET + 1, 0, second).note();
        delete(first).must("cannot be deleted")?;
        issue_with_trigger(QUIET, 0, first).note();
        Ok(())
    };
    "irq_control.issue_sgi.err01_three_words" => TRUNCATED, |w| {
        let slot = w.slot();
        call(IRQ_CONTROL, L::IrqIssueSgiSignal, &[SGI, THIS_CORE, slot], &[ROOT]).note();
        Ok(())
    };
    "irq_control.issue_sgi.err02_irq_16" => range(0, 15), |_| {
        issue_sgi(16, u64::MAX, 0).note();
        Ok(())
    };
    "irq_control.issue_sgi.err03_target_is_none" => argument(1), |_| {
        issue_sgi(SGI, 1 << 32, ROOT).note();
        Ok(())
    };
    "irq_control.issue_sgi.err04_depth_too_small" => too_deep(NOT_SOURCE, 3, 4), |w| {
        let window = w.cnode(4)?;
        call(IRQ_CONTROL, L::IrqIssueSgiSignal, &[SGI, THIS_CORE, 0, 3], &[window]).note();
        Ok(())
    };
    "irq_control.issue_sgi.err05_destination_is_occupied" => DELETE_FIRST, |_| {
        issue_sgi(SGI, THIS_CORE, ROOT).note();
        Ok(())
    };

    "irq_handler.set.err00_other_label" => ILLEGAL, |w| {
        let handler = handler(w, QUIET)?;
        call(handler, L::IrqIssueIrqHandler, &[], &[]).note();
        Ok(())
    };
    "irq_handler.set.err01_no_notification" => TRUNCATED, |w| {
        let handler = handler(w, QUIET)?;
        call(handler, L::IrqSetIrqHandler, &[], &[]).note();
        Ok(())
    };
    "irq_handler.set.err02_is_no_notification" => capability(0), |w| {
        let (handler, endpoint) = (handler(w, QUIET)?, w.endpoint()?);
        call(handler, L::IrqSetIrqHandler, &[], &[endpoint]).note();
        Ok(())
    };
    "irq_handler.set.err02_without_write" => capability(0), |w| {
        let (handler, notification) = (handler(w, QUIET)?, w.notification()?);
        let readable = w.copy(notification, 2)?;
        call(handler, L::IrqSetIrqHandler, &[], &[readable]).note();
        Ok(())
    };
    "irq_handler.ack_and_clear_are_harmless" => [0, 0, 0, 0], |w| {
        let (handler, notification) = (handler(w, QUIET)?, w.notification()?);
        call(handler, L::IrqAckIrq, &[], &[]).note();
        call(handler, L::IrqClearIrqHandler, &[], &[]).note();
        call(handler, L::IrqSetIrqHandler, &[], &[notification]).note();
        call(handler, L::IrqClearIrqHandler, &[], &[]).note();
        Ok(())
    };
    "irq_handler.copies_are_the_same_and_the_last_frees_the_interrupt" => [0, 9, 0, 0, 9, 0, 0], |w| {
        let (first, second, third) = (w.slot(), w.slot(), w.slot());
        issue(QUIET, first).note();
        issue(QUIET, second).note();
        copy(first, second, 15).note();
        delete(first).note();
        issue(QUIET, third).note();
        delete(second).note();
        issue(QUIET, third).note();
        Ok(())
    };
    "irq_handler.revoking_the_control_ends_all" => [0, 1, 1], |w| {
        let (first, second) = (handler(w, QUIET)?, w.slot());
        issue_sgi(SGI, THIS_CORE, second).must("no SGI capability")?;
        revoke(IRQ_CONTROL).note();
        note(u64::from(is_empty(first)));
        note(u64::from(is_empty(second)));
        Ok(())
    };
    "irq_control.copy.is_illegal" => ILLEGAL, |w| {
        let slot = w.slot();
        copy(IRQ_CONTROL, slot, 15).note();
        Ok(())
    };
    // A GICv2 need not be able to mask an SGI, so nothing is said of one that comes before the acknowledgement.
    "irq_handler.signals_after_each_acknowledgement" => [6, 0, 0, 6], |w| {
        let (handler, notification, raise) = sgi(w)?;
        signal(raise);
        note(receive(Syscall::Wait, notification, 0).badge);
        call(handler, L::IrqAckIrq, &[], &[]).note();
        note(nb_wait(notification).badge);
        signal(raise);
        note(receive(Syscall::Wait, notification, 0).badge);
        Ok(())
    };
    "irq_handler.without_a_notification_waits_for_the_acknowledgement" => [0, 0, 0, 6], |w| {
        let (handler, notification, raise) = sgi(w)?;
        call(handler, L::IrqClearIrqHandler, &[], &[]).note();
        signal(raise);
        note(nb_wait(notification).badge);
        let badged = w.mint(notification, 15, 6)?;
        call(handler, L::IrqSetIrqHandler, &[], &[badged]).must("no notification")?;
        call(handler, L::IrqAckIrq, &[], &[]).note();
        signal(raise);
        note(receive(Syscall::Wait, notification, 0).badge);
        Ok(())
    };
    "irq_handler.revoking_the_notification_empties_it" => [0, 0, 0], |w| {
        let (_, notification, raise) = sgi(w)?;
        revoke(notification).note();
        call(raise, 77, &[], &[]).note();
        note(nb_wait(notification).badge);
        Ok(())
    };
    "irq_handler.in_a_first_phase_works" => [6, 6], |w| {
        let (handler, notification, raise) = sgi(w)?;
        signal(raise);
        note(receive(Syscall::Wait, notification, 0).badge);
        signal(raise);
        note(crate::call::nb_send_wait(handler, notification, L::IrqAckIrq, &[]).badge);
        Ok(())
    };
    "sgi.any_label_and_any_call_raise" => [6, 0, 6, 6], |w| {
        let (handler, notification, raise) = sgi(w)?;
        signal(raise);
        note(receive(Syscall::Wait, notification, 0).badge);
        call(handler, L::IrqAckIrq, &[], &[]).must("no acknowledgement")?;
        call(raise, L::TcbSuspend, &[1, 2, 3], &[]).note();
        note(receive(Syscall::Wait, notification, 0).badge);
        call(handler, L::IrqAckIrq, &[], &[]).must("no acknowledgement")?;
        crate::call::nb_send(raise, 0, &[], &[]);
        note(receive(Syscall::Wait, notification, 0).badge);
        Ok(())
    };
    "sgi.copies_and_badges" => [0, 0], |w| {
        let raise = w.slot();
        issue_sgi(SGI, THIS_CORE, raise).must("no SGI capability")?;
        let (first, second) = (w.slot(), w.slot());
        copy(raise, first, 15).note();
        mint(raise, second, 15, 9).note();
        Ok(())
    };
}
