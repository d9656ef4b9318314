//! Scheduling control and scheduling contexts. Kernel ABI 3.5 and 3.6.

use mach_sys::CPtr;
use mach_sys::abi::{InvocationLabel as L, ObjectType as O};

use crate::agent::{Agent, Arguments};
use crate::call::{Answer, call, signal, wait};
use crate::case::{Done, ILLEGAL, TRUNCATED, Trouble, capability, cases, range};
use crate::trace::note;
use crate::world::{Must, OWN_CONTEXT, ROOT, TCB, World, revoke};

/// The longest period of qemu-arm-virt and of a Raspberry Pi 4: as the kernel says it.
fn longest(w: &mut World) -> Result<u64, Trouble> {
    let context = w.raw_context()?;
    Ok(w.configure(context, u64::MAX, 0, 0).word(1))
}

/// A configuration that is refused as longer than the longest, or shorter than the shortest: minimum, and whether the
/// maximum is the longest.
fn out_of_range(w: &mut World, budget: u64, period: u64) -> Done {
    let (longest, context) = (longest(w)?, w.raw_context()?);
    let answer = w.configure(context, budget, period, 0);
    note(answer.info.label());
    note(answer.word(0));
    note(u64::from(answer.word(1) == longest && longest > 1 << 40));
    Ok(())
}

/// Binds a context to a thread or a notification.
pub(crate) fn bind(context: CPtr, object: CPtr) -> Answer {
    call(context, L::SchedContextBind, &[], &[object])
}

/// Gives a thread a scheduling context and lets it run.
pub(crate) fn run_on(context: CPtr, agent: &Agent) -> Done {
    bind(context, agent.tcb).must("cannot be bound")?;
    agent.resume().must("cannot be resumed")
}

/// Two objects to one operation of a new scheduling context.
fn ask(w: &mut World, label: L, object: CPtr) -> Done {
    let context = w.raw_context()?;
    call(context, label, &[], &[object]).note();
    Ok(())
}

/// A thread blocked on an endpoint, without a scheduling context.
fn blocked(w: &mut World) -> Result<CPtr, Trouble> {
    let (endpoint, context) = (w.endpoint()?, w.long_context()?);
    let agent = w.passive(0, 100, [endpoint, 0, 0, 0, 0, 0], |a| {
        let _ = wait(a[0]);
    })?;
    run_on(context, &agent)?;
    w.settle();
    call(context, L::SchedContextUnbind, &[], &[]).must("cannot be unbound")?;
    Ok(agent.tcb)
}

/// Notes `a[1]`.
pub(crate) fn note_once(a: Arguments) {
    note(a[1]);
}

cases! {
    "sched_control.configure.err01_other_label" => ILLEGAL, |w| {
        call(w.sched_control, L::SchedContextBind, &[], &[]).note();
        Ok(())
    };
    "sched_control.configure.err02_no_context" => TRUNCATED, |w| {
        call(w.sched_control, L::SchedControlConfigureFlags, &[1000, 1000, 0, 0, 0], &[]).note();
        Ok(())
    };
    "sched_control.configure.err03_four_words" => TRUNCATED, |w| {
        call(w.sched_control, L::SchedControlConfigureFlags, &[u64::MAX, 1000, 0, 0], &[ROOT]).note();
        Ok(())
    };
    "sched_control.configure.err04_budget_too_long" => [4, 20, 1], |w| {
        let longest = longest(w)?;
        out_of_range(w, longest + 1, longest + 1)
    };
    "sched_control.configure.err05_period_too_long" => [4, 20, 1], |w| {
        let longest = longest(w)?;
        out_of_range(w, 1, longest + 1)
    };
    "sched_control.configure.err06_budget_too_short" => [4, 20, 1], |w| out_of_range(w, 19, 19);
    "sched_control.configure.err07_period_too_short" => [4, 20, 1], |w| out_of_range(w, 20, 19);
    "sched_control.configure.err08_budget_beyond_the_period" => range(20, 1000), |w| {
        call(w.sched_control, L::SchedControlConfigureFlags, &[1001, 1000, 1000, 0, 0], &[ROOT]).note();
        Ok(())
    };
    "sched_control.configure.err09_is_no_context" => capability(1), |w| {
        call(w.sched_control, L::SchedControlConfigureFlags, &[1000, 1000, 1000, 0, 0], &[ROOT]).note();
        Ok(())
    };
    "sched_control.configure.err10_more_refills_than_fit" => range(0, 8), |w| {
        let context = w.raw_context()?;
        call(w.sched_control, L::SchedControlConfigureFlags, &[1000, 1000, 9, 0, 0], &[context]).note();
        Ok(())
    };
    "sched_control.configure.err10_of_the_smallest" => range(0, 0), |w| {
        let context = w.object(O::SchedContext, 7)?;
        call(w.sched_control, L::SchedControlConfigureFlags, &[1000, 2000, 1, 0, 0], &[context]).note();
        Ok(())
    };
    "sched_control.configure.limits" => [0, 0, 0], |w| {
        let (longest, context) = (longest(w)?, w.raw_context()?);
        w.configure(context, 20, 20, 0).note();
        w.configure(context, 20, longest, 0).note();
        w.configure(context, longest, longest, 0).note();
        Ok(())
    };

    "sched_context.common.err01_other_label" => ILLEGAL, |_| {
        call(OWN_CONTEXT, L::SchedControlConfigureFlags, &[], &[]).note();
        Ok(())
    };
    "sched_context.bind.err01_nothing" => TRUNCATED, |w| {
        let context = w.raw_context()?;
        call(context, L::SchedContextBind, &[], &[]).note();
        Ok(())
    };
    "sched_context.bind.err02_context_has_a_thread" => ILLEGAL, |w| {
        let tcb = w.tcb()?;
        bind(OWN_CONTEXT, tcb).note();
        Ok(())
    };
    "sched_context.bind.err03_thread_has_a_context" => ILLEGAL, |w| ask(w, L::SchedContextBind, TCB);
    "sched_context.bind.err04_blocked_and_not_released" => ILLEGAL, |w| {
        let blocked = blocked(w)?;
        ask(w, L::SchedContextBind, blocked)
    };
    "sched_context.bind.err05_context_has_a_notification" => [0, 3], |w| {
        let (context, first, second) = (w.raw_context()?, w.notification()?, w.notification()?);
        bind(context, first).note();
        bind(context, second).note();
        Ok(())
    };
    "sched_context.bind.err06_notification_has_a_context" => [0, 3], |w| {
        let (context, notification) = (w.raw_context()?, w.notification()?);
        bind(context, notification).note();
        ask(w, L::SchedContextBind, notification)
    };
    "sched_context.bind.err07_other_kind" => capability(1), |w| ask(w, L::SchedContextBind, ROOT);
    "sched_context.bind.err07_null" => capability(1), |w| ask(w, L::SchedContextBind, 0);
    "sched_context.bind.thread_and_notification" => [0, 0], |w| {
        let (context, notification, tcb) = (w.raw_context()?, w.notification()?, w.tcb()?);
        // Its rights are of no account.
        let bare = w.copy(notification, 0)?;
        bind(context, bare).note();
        bind(context, tcb).note();
        Ok(())
    };
    "sched_context.unbind.err01_of_the_current_thread" => ILLEGAL, |_| {
        call(OWN_CONTEXT, L::SchedContextUnbind, &[], &[]).note();
        Ok(())
    };
    "sched_context.unbind.of_nothing" => [0], |w| {
        let context = w.raw_context()?;
        call(context, L::SchedContextUnbind, &[], &[]).note();
        Ok(())
    };
    "sched_context.unbind.both" => [0, 0, 0, 0, 0], |w| {
        let (context, notification, tcb) = (w.raw_context()?, w.notification()?, w.tcb()?);
        bind(context, notification).note();
        bind(context, tcb).note();
        call(context, L::SchedContextUnbind, &[], &[]).note();
        bind(context, notification).note();
        bind(context, tcb).note();
        Ok(())
    };
    "sched_context.unbind_object.err01_nothing" => TRUNCATED, |w| {
        let context = w.raw_context()?;
        call(context, L::SchedContextUnbindObject, &[], &[]).note();
        Ok(())
    };
    "sched_context.unbind_object.err02_not_its_thread" => ILLEGAL, |w| ask(w, L::SchedContextUnbindObject, TCB);
    "sched_context.unbind_object.err03_current_thread" => ILLEGAL, |_| {
        call(OWN_CONTEXT, L::SchedContextUnbindObject, &[], &[TCB]).note();
        Ok(())
    };
    "sched_context.unbind_object.err04_not_its_notification" => ILLEGAL, |w| {
        let notification = w.notification()?;
        ask(w, L::SchedContextUnbindObject, notification)
    };
    "sched_context.unbind_object.err05_other_kind" => capability(1), |w| ask(w, L::SchedContextUnbindObject, ROOT);
    "sched_context.unbind_object.one_of_two" => [0, 3, 0, 3], |w| {
        let (context, notification, tcb) = (w.raw_context()?, w.notification()?, w.tcb()?);
        bind(context, notification).must("cannot be bound")?;
        bind(context, tcb).must("cannot be bound")?;
        call(context, L::SchedContextUnbindObject, &[], &[tcb]).note();
        bind(context, notification).note();
        call(context, L::SchedContextUnbindObject, &[], &[notification]).note();
        call(context, L::SchedContextUnbindObject, &[], &[notification]).note();
        Ok(())
    };
    "sched_context.consumed.of_one_that_is_not_configured" => [0, 0], |w| {
        let context = w.raw_context()?;
        call(context, L::SchedContextConsumed, &[], &[]).note();
        Ok(())
    };
    "sched_context.consumed.is_what_was_used_since_it_was_asked" => [1, 1], |w| {
        let (context, done) = (w.context(1000, 1000)?, w.notification()?);
        let agent = w.passive(0, 100, [done, 0, 0, 0, 0, 0], |a| {
            for _ in 0..200_000 {
                core::hint::spin_loop();
            }
            signal(a[0]);
        })?;
        run_on(context, &agent)?;
        let _ = wait(done);
        w.settle();
        note(u64::from(call(context, L::SchedContextConsumed, &[], &[]).word(0) > 0));
        note(u64::from(call(context, L::SchedContextConsumed, &[], &[]).word(0) == 0));
        Ok(())
    };
    "sched_context.yield_to.err01_no_thread" => ILLEGAL, |w| {
        let context = w.raw_context()?;
        call(context, L::SchedContextYieldTo, &[], &[]).note();
        Ok(())
    };
    "sched_context.yield_to.err02_to_itself" => ILLEGAL, |_| {
        call(OWN_CONTEXT, L::SchedContextYieldTo, &[], &[]).note();
        Ok(())
    };
    "sched_context.yield_to.err03_priority_beyond_the_mcp" => [3, 1], |w| {
        let context = w.long_context()?;
        let target = w.passive(0, 100, [0, 1, 0, 0, 0, 0], note_once)?;
        bind(context, target.tcb).must("cannot be bound")?;
        let agent = w.prepare(1, 99, [context, 0, 0, 0, 0, 0], |a| {
            call(a[0], L::SchedContextYieldTo, &[], &[]).note();
        })?;
        call(agent.tcb, L::TcbSetMcPriority, &[99], &[TCB]).must("no maximum")?;
        agent.resume().must("cannot be resumed")?;
        w.settle();
        target.resume().must("cannot be resumed")?;
        w.settle();
        Ok(())
    };
    "sched_context.yield_to.an_inactive_thread_returns_at_once" => [0, 0], |w| {
        let (context, tcb) = (w.long_context()?, w.tcb()?);
        bind(context, tcb).must("cannot be bound")?;
        call(context, L::SchedContextYieldTo, &[], &[]).note();
        Ok(())
    };
    "sched_context.yield_to.a_lower_thread_is_put_before_its_equals" => [0, 2, 5], |w| {
        let (context, other) = (w.long_context()?, w.prepare(1, 100, [0, 5, 0, 0, 0, 0], note_once)?);
        let target = w.passive(0, 100, [0, 2, 0, 0, 0, 0], note_once)?;
        bind(context, target.tcb).must("cannot be bound")?;
        // The one that is resumed last would run first.
        target.resume().must("cannot be resumed")?;
        other.resume().must("cannot be resumed")?;
        note(call(context, L::SchedContextYieldTo, &[], &[]).info.label());
        w.settle();
        Ok(())
    };
    "sched_context.yield_to.an_equal_runs_first" => [1, 2, 3], |w| {
        let context = w.long_context()?;
        let target = w.passive(0, 100, [0, 2, 0, 0, 0, 0], note_once)?;
        bind(context, target.tcb).must("cannot be bound")?;
        let agent = w.prepare(1, 100, [context, 0, 0, 0, 0, 0], |a| {
            note(1);
            let answer = call(a[0], L::SchedContextYieldTo, &[], &[]);
            note(3 + answer.info.label());
        })?;
        target.resume().must("cannot be resumed")?;
        agent.resume().must("cannot be resumed")?;
        w.settle();
        Ok(())
    };
    "sched_context.revoke.of_its_memory_frees_the_thread" => [0, 0], |w| {
        let (untyped, tcb, slot) = (w.untyped(12)?, w.tcb()?, w.slot());
        crate::world::retype(untyped, O::SchedContext, 8, slot, 1).must("no context")?;
        bind(slot, tcb).must("cannot be bound")?;
        revoke(untyped).note();
        let context = w.raw_context()?;
        bind(context, tcb).note();
        Ok(())
    };
}
