//! Processor time: scheduling control, scheduling contexts, who runs next. Kernel ABI 3.5, 3.6 and 4.

use mach_sys::CPtr;
use mach_sys::abi::{InvocationLabel as L, ObjectType as O, Syscall};

use crate::agent::{Agent, Arguments};
use crate::call::{
    Answer, call, nb_send, nb_send_recv, nb_send_wait, nb_wait, recv, reply_recv, signal, syscall, wait,
};
use crate::case::{Done, ILLEGAL, TRUNCATED, Trouble, capability, cases, range};
use crate::trace::note;
use crate::world::{DEPTH, Must, OWN_CONTEXT, ROOT, TCB, World, delete, revoke};

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

fn bind(context: CPtr, object: CPtr) -> Answer {
    call(context, L::SchedContextBind, &[], &[object])
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
    bind(context, agent.tcb).must("cannot be bound")?;
    agent.resume().must("cannot be resumed")?;
    w.settle();
    call(context, L::SchedContextUnbind, &[], &[]).must("cannot be unbound")?;
    Ok(agent.tcb)
}

/// Waits for `a[0]`, then notes `a[1]`.
fn wait_and_note(a: Arguments) {
    let _ = wait(a[0]);
    note(a[1]);
}

/// Notes `a[1]` as often as `a[2]` says, and yields after each.
fn note_and_yield(a: Arguments) {
    for _ in 0..a[2] {
        note(a[1]);
        syscall(Syscall::Yield, &mut [0; 9]);
    }
}

/// Notes `a[1]`.
fn note_once(a: Arguments) {
    note(a[1]);
}

/// Waits on endpoint `a[0]` with reply object `a[1]` as a passive server: `a[2]` is signalled first. Notes each label,
/// and answers with it.
fn serve(a: Arguments) {
    let mut got = nb_send_recv(a[2], a[0], a[1], 0, &[]);
    loop {
        note(got.info.label());
        got = reply_recv(a[0], a[1], got.info.label() + 1, &[]);
    }
}

/// A passive server on a new endpoint: its endpoint, its reply object, the thread, and its old scheduling context.
fn server(w: &mut World, number: u64, priority: u64) -> Result<(CPtr, CPtr, Agent, CPtr), Trouble> {
    let (endpoint, reply, ready, context) = (w.endpoint()?, w.reply()?, w.notification()?, w.long_context()?);
    let agent = w.passive(number, priority, [endpoint, reply, ready, 0, 0, 0], serve)?;
    bind(context, agent.tcb).must("cannot be bound")?;
    agent.resume().must("cannot be resumed")?;
    let _ = wait(ready);
    w.settle();
    call(context, L::SchedContextUnbind, &[], &[]).must("cannot be unbound")?;
    Ok((endpoint, reply, agent, context))
}

/// Calls `a[0]` with label `a[1]`, notes the answer.
fn ask_server(a: Arguments) {
    note(call(a[0], a[1], &[], &[]).info.label());
}

/// Whether it has a scheduling context: one more is refused then.
fn has_context(w: &mut World, tcb: CPtr) -> Result<u64, Trouble> {
    let spare = w.long_context()?;
    let answer = bind(spare, tcb);
    if answer.is_ok() {
        call(spare, L::SchedContextUnbind, &[], &[]).must("cannot be unbound")?;
    }
    Ok(u64::from(!answer.is_ok()))
}

/// Runs for ever.
fn spin(_: Arguments) {
    loop {
        core::hint::spin_loop();
    }
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
        bind(context, agent.tcb).must("cannot be bound")?;
        agent.resume().must("cannot be resumed")?;
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

    "sched.order.higher_first" => [3, 2, 1], |w| {
        for (number, priority) in [(0, 100), (1, 101), (2, 102)] {
            w.start(number, priority, [0, number + 1, 0, 0, 0, 0], note_once)?;
        }
        w.settle();
        Ok(())
    };
    "sched.order.equals_take_turns_by_yield" => [1, 2, 1, 2, 1, 2], |w| {
        let first = w.prepare(0, 100, [0, 1, 3, 0, 0, 0], note_and_yield)?;
        let second = w.prepare(1, 100, [0, 2, 3, 0, 0, 0], note_and_yield)?;
        // Whom a higher thread wakes goes to the head of its queue: the one that is woken last runs first.
        second.resume().must("cannot be resumed")?;
        first.resume().must("cannot be resumed")?;
        w.settle();
        Ok(())
    };
    "sched.order.woken_by_the_deletion_of_their_endpoint" => [4, 3, 2, 1], |w| {
        let endpoint = w.endpoint()?;
        for number in 0..4 {
            w.start(number, 100, [endpoint, number + 1, 0, 0, 0, 0], |a| {
                crate::call::send(a[0], 0, &[], &[]);
                note(a[1]);
            })?;
            w.settle();
        }
        delete(endpoint).must("cannot be deleted")?;
        w.settle();
        Ok(())
    };
    "sched.order.a_woken_equal_waits_until_the_waker_blocks" => [1, 2], |w| {
        let notification = w.notification()?;
        w.start(0, 100, [notification, 2, 0, 0, 0, 0], wait_and_note)?;
        w.settle();
        w.start(1, 100, [notification, 1, 0, 0, 0, 0], |a| {
            signal(a[0]);
            note(a[1]);
        })?;
        w.settle();
        Ok(())
    };
    "sched.order.a_woken_higher_thread_runs_at_once" => [2, 1], |w| {
        let notification = w.notification()?;
        w.start(0, 101, [notification, 2, 0, 0, 0, 0], wait_and_note)?;
        w.settle();
        w.start(1, 100, [notification, 1, 0, 0, 0, 0], |a| {
            signal(a[0]);
            note(a[1]);
        })?;
        w.settle();
        Ok(())
    };
    "sched.set_priority.raising_another_switches_at_once" => [2, 1], |w| {
        let target = w.start(0, 90, [0, 2, 0, 0, 0, 0], note_once)?;
        w.start(1, 100, [target.tcb, 1, 0, 0, 0, 0], |a| {
            let _ = call(a[0], L::TcbSetPriority, &[101], &[TCB]);
            note(a[1]);
        })?;
        w.settle();
        Ok(())
    };
    "sched.set_priority.lowering_itself_to_an_equal_stays_ahead" => [1, 2, 3], |w| {
        let agent = w.prepare(0, 101, [0; 6], |a| {
            note(1);
            let _ = call(a[0], L::TcbSetPriority, &[100], &[TCB]);
            note(2);
        })?;
        agent.load([agent.tcb, 0, 0, 0, 0, 0], |a| {
            note(1);
            let _ = call(a[0], L::TcbSetPriority, &[100], &[TCB]);
            note(2);
        }).must("cannot be loaded")?;
        w.start(1, 100, [0, 3, 0, 0, 0, 0], note_once)?;
        agent.resume().must("cannot be resumed")?;
        w.settle();
        Ok(())
    };
    "sched.set_priority.lowering_itself_below_another_switches" => [1, 3, 2], |w| {
        let agent = w.prepare(0, 101, [0; 6], spin)?;
        agent.load([agent.tcb, 0, 0, 0, 0, 0], |a| {
            note(1);
            let _ = call(a[0], L::TcbSetPriority, &[99], &[TCB]);
            note(2);
        }).must("cannot be loaded")?;
        w.start(1, 100, [0, 3, 0, 0, 0, 0], note_once)?;
        agent.resume().must("cannot be resumed")?;
        w.settle();
        Ok(())
    };
    "sched.queues.endpoints_serve_the_highest_first" => [3, 2, 1], |w| {
        let endpoint = w.endpoint()?;
        for number in 0..3 {
            w.start(number, 100 + number, [endpoint, number + 1, 0, 0, 0, 0], |a| {
                crate::call::send(a[0], a[1], &[], &[]);
            })?;
        }
        w.settle();
        for _ in 0..3 {
            wait(endpoint).note();
        }
        Ok(())
    };
    "sched.queues.a_new_priority_takes_the_place_behind_its_equals" => [2, 3, 1], |w| {
        let endpoint = w.endpoint()?;
        let mut agents = [None; 3];
        for (number, agent) in (0..).zip(&mut agents) {
            *agent = Some(w.start(number, 100, [endpoint, number + 1, 0, 0, 0, 0], |a| {
                crate::call::send(a[0], a[1], &[], &[]);
            })?);
            w.settle();
        }
        if let Some(first) = agents[0] {
            call(first.tcb, L::TcbSetPriority, &[100], &[TCB]).must("no priority")?;
        }
        for _ in 0..3 {
            wait(endpoint).note();
        }
        Ok(())
    };
    "sched.queues.notifications_wake_the_highest" => [2, 1], |w| {
        let notification = w.notification()?;
        for number in 0..2 {
            w.start(number, 100 + number, [notification, number + 1, 0, 0, 0, 0], wait_and_note)?;
        }
        w.settle();
        for _ in 0..2 {
            signal(notification);
            w.settle();
        }
        Ok(())
    };
    "sched.without_a_context_nobody_runs" => [0, 1], |w| {
        let agent = w.passive(0, 100, [0, 1, 0, 0, 0, 0], note_once)?;
        agent.resume().must("cannot be resumed")?;
        w.settle();
        note(0);
        let context = w.long_context()?;
        bind(context, agent.tcb).must("cannot be bound")?;
        w.settle();
        Ok(())
    };
    "sched.with_a_context_that_is_not_configured_nobody_runs" => [0, 0, 0, 1], |w| {
        let (agent, context) = (w.passive(0, 100, [0, 1, 0, 0, 0, 0], note_once)?, w.raw_context()?);
        bind(context, agent.tcb).note();
        agent.resume().must("cannot be resumed")?;
        w.settle();
        note(0);
        w.configure(context, 100_000, 100_000, 0).note();
        w.settle();
        Ok(())
    };
    "sched.a_deleted_context_stops_its_thread" => [1, 0, 2], |w| {
        let (context, notification) = (w.long_context()?, w.notification()?);
        let agent = w.passive(0, 100, [notification, 0, 0, 0, 0, 0], |a| {
            note(1);
            let _ = wait(a[0]);
            note(2);
        })?;
        bind(context, agent.tcb).must("cannot be bound")?;
        agent.resume().must("cannot be resumed")?;
        w.settle();
        delete(context).must("cannot be deleted")?;
        signal(notification);
        w.settle();
        note(0);
        let other = w.long_context()?;
        bind(other, agent.tcb).must("cannot be bound")?;
        w.settle();
        Ok(())
    };

    "donation.a_call_takes_the_context_along_and_the_reply_brings_it_back" => [0, 3, 4, 0], |w| {
        let (endpoint, _, agent, _) = server(w, 0, 100)?;
        note(has_context(w, agent.tcb)?);
        w.start(1, 100, [endpoint, 3, 0, 0, 0, 0], ask_server)?;
        w.settle();
        note(has_context(w, agent.tcb)?);
        Ok(())
    };
    "donation.through_a_chain_of_servers" => [7, 1, 2, 8], |w| {
        let (endpoint, reply, ready, context) = (w.endpoint()?, w.reply()?, w.notification()?, w.long_context()?);
        let (second, ..) = server(w, 0, 100)?;
        // Label 7 comes in; it asks the second server with 1, which answers 2.
        let agent = w.passive(1, 100, [endpoint, reply, ready, second, 0, 0], |a| {
            let got = nb_send_recv(a[2], a[0], a[1], 0, &[]);
            note(got.info.label());
            note(call(a[3], 1u64, &[], &[]).info.label());
            let _ = reply_recv(a[0], a[1], got.info.label() + 1, &[]);
        })?;
        bind(context, agent.tcb).must("cannot be bound")?;
        agent.resume().must("cannot be resumed")?;
        let _ = wait(ready);
        w.settle();
        call(context, L::SchedContextUnbind, &[], &[]).must("cannot be unbound")?;
        w.start(2, 100, [endpoint, 7, 0, 0, 0, 0], ask_server)?;
        w.settle();
        Ok(())
    };
    "donation.a_plain_send_does_not_donate" => [0, 0, 5], |w| {
        let (endpoint, _, agent, context) = server(w, 0, 100)?;
        crate::call::send(endpoint, 5, &[], &[]);
        w.settle();
        note(has_context(w, agent.tcb)?);
        // It has the message, and goes on when it can run.
        bind(context, agent.tcb).note();
        w.settle();
        Ok(())
    };
    "donation.deleting_the_reply_object_brings_the_context_back" => [1, 0, 1], |w| {
        let (endpoint, reply, ready, context) = (w.endpoint()?, w.reply()?, w.notification()?, w.long_context()?);
        let agent = w.passive(0, 100, [endpoint, reply, ready, w.never, 0, 0], |a| {
            let _ = nb_send_recv(a[2], a[0], a[1], 0, &[]);
            let _ = wait(a[3]);
        })?;
        bind(context, agent.tcb).must("cannot be bound")?;
        agent.resume().must("cannot be resumed")?;
        let _ = wait(ready);
        w.settle();
        call(context, L::SchedContextUnbind, &[], &[]).must("cannot be unbound")?;
        let client = w.start(1, 100, [endpoint, 3, 0, 0, 0, 0], ask_server)?;
        w.settle();
        note(has_context(w, agent.tcb)?);
        delete(reply).must("cannot be deleted")?;
        note(has_context(w, agent.tcb)?);
        note(has_context(w, client.tcb)?);
        Ok(())
    };
    "donation.suspending_the_caller_leaves_the_context" => [1, 0], |w| {
        let (endpoint, reply, ready, context) = (w.endpoint()?, w.reply()?, w.notification()?, w.long_context()?);
        let agent = w.passive(0, 100, [endpoint, reply, ready, w.never, 0, 0], |a| {
            let _ = nb_send_recv(a[2], a[0], a[1], 0, &[]);
            let _ = wait(a[3]);
        })?;
        bind(context, agent.tcb).must("cannot be bound")?;
        agent.resume().must("cannot be resumed")?;
        let _ = wait(ready);
        w.settle();
        call(context, L::SchedContextUnbind, &[], &[]).must("cannot be unbound")?;
        let client = w.start(1, 100, [endpoint, 3, 0, 0, 0, 0], ask_server)?;
        w.settle();
        client.suspend().must("cannot be suspended")?;
        note(has_context(w, agent.tcb)?);
        note(has_context(w, client.tcb)?);
        Ok(())
    };
    "donation.a_notifications_context_goes_to_who_is_woken" => [1, 1, 0], |w| {
        let (notification, context, ready) = (w.notification()?, w.long_context()?, w.notification()?);
        let agent = w.passive(0, 100, [notification, ready, 0, 0, 0, 0], |a| {
            let _ = nb_send_wait(a[1], a[0], 0, &[]);
            note(1);
            let _ = wait(a[0]);
        })?;
        let start = w.long_context()?;
        bind(start, agent.tcb).must("cannot be bound")?;
        agent.resume().must("cannot be resumed")?;
        let _ = wait(ready);
        w.settle();
        call(start, L::SchedContextUnbind, &[], &[]).must("cannot be unbound")?;
        bind(context, notification).must("cannot be bound")?;
        signal(notification);
        w.settle();
        // It ran, and gave the context back when it waited again.
        note(1 - has_context(w, agent.tcb)?);
        note(nb_wait(notification).badge);
        Ok(())
    };
    "donation.a_server_that_is_destroyed_frees_the_context" => [0, 0], |w| {
        let (endpoint, reply, ready, context) = (w.endpoint()?, w.reply()?, w.notification()?, w.long_context()?);
        let agent = w.passive(0, 100, [endpoint, reply, ready, w.never, 0, 0], |a| {
            let _ = nb_send_recv(a[2], a[0], a[1], 0, &[]);
            let _ = wait(a[3]);
        })?;
        bind(context, agent.tcb).must("cannot be bound")?;
        agent.resume().must("cannot be resumed")?;
        let _ = wait(ready);
        w.settle();
        call(context, L::SchedContextUnbind, &[], &[]).must("cannot be unbound")?;
        let lent = w.long_context()?;
        let client = w.passive(1, 100, [endpoint, 3, 0, 0, 0, 0], ask_server)?;
        bind(lent, client.tcb).must("cannot be bound")?;
        client.resume().must("cannot be resumed")?;
        w.settle();
        delete(agent.tcb).note();
        let other = w.tcb()?;
        bind(lent, other).note();
        Ok(())
    };

    "time.a_budget_that_ends_postpones_the_thread" => [1, 1], |w| {
        // 1 ms of 20 ms: the lowest thread runs while the spinner waits for its next refill.
        let context = w.context(1000, 20_000)?;
        let agent = w.passive(0, 100, [0; 6], spin)?;
        bind(context, agent.tcb).must("cannot be bound")?;
        agent.resume().must("cannot be resumed")?;
        w.settle();
        note(1);
        w.settle();
        note(1);
        agent.suspend().must("cannot be suspended")?;
        Ok(())
    };
    "time.round_robin_never_ends" => [1, 2], |w| {
        let context = w.context(1000, 1000)?;
        let done = w.notification()?;
        let agent = w.passive(0, 100, [done, 0, 0, 0, 0, 0], |a| {
            for _ in 0..2_000_000 {
                core::hint::spin_loop();
            }
            note(1);
            signal(a[0]);
        })?;
        bind(context, agent.tcb).must("cannot be bound")?;
        agent.resume().must("cannot be resumed")?;
        w.settle();
        note(2);
        Ok(())
    };
    "time.yield_gives_up_the_rest_of_a_budget" => [1, 0, 2], |w| {
        let (context, done) = (w.context(10_000, 40_000)?, w.notification()?);
        let agent = w.passive(0, 100, [done, 0, 0, 0, 0, 0], |a| {
            note(1);
            syscall(Syscall::Yield, &mut [0; 9]);
            note(2);
            signal(a[0]);
        })?;
        bind(context, agent.tcb).must("cannot be bound")?;
        agent.resume().must("cannot be resumed")?;
        w.settle();
        note(0);
        let _ = wait(done);
        Ok(())
    };
    "time.a_timeout_handler_is_told" => [5, 2, 77, 1, 5, 2, 77], |w| {
        let (context, endpoint, reply) = (w.raw_context()?, w.endpoint()?, w.reply()?);
        w.configure(context, 1000, 10_000, 77).must("cannot be configured")?;
        let agent = w.passive(0, 100, [0; 6], spin)?;
        call(agent.tcb, L::TcbSetTimeoutEndpoint, &[], &[endpoint]).must("no timeout handler")?;
        bind(context, agent.tcb).must("cannot be bound")?;
        agent.resume().must("cannot be resumed")?;
        let fault = recv(endpoint, reply);
        note(fault.info.label());
        note(fault.info.length() as u64);
        note(fault.word(0));
        // All of the budget but for what is too little to go on with; more where the machine itself was stopped.
        note(u64::from(fault.word(1) >= 900));
        let fault = reply_recv(endpoint, reply, 0, &[]);
        note(fault.info.label());
        note(fault.info.length() as u64);
        note(fault.word(0));
        Ok(())
    };
    "time.a_timeout_reply_with_a_label_stops_the_thread" => [5, 0], |w| {
        let (context, endpoint, reply) = (w.raw_context()?, w.endpoint()?, w.reply()?);
        w.configure(context, 1000, 10_000, 77).must("cannot be configured")?;
        let agent = w.passive(0, 100, [0; 6], spin)?;
        call(agent.tcb, L::TcbSetTimeoutEndpoint, &[], &[endpoint]).must("no timeout handler")?;
        bind(context, agent.tcb).must("cannot be bound")?;
        agent.resume().must("cannot be resumed")?;
        note(recv(endpoint, reply).info.label());
        nb_send(reply, 1, &[], &[]);
        w.settle();
        agent.suspend().note();
        Ok(())
    };

    "domain.set.err00_other_label" => ILLEGAL, |_| {
        call(crate::world::DOMAIN, L::TcbSuspend, &[], &[]).note();
        Ok(())
    };
    "domain.set.err01_no_word" => TRUNCATED, |_| {
        call(crate::world::DOMAIN, L::DomainSetSet, &[], &[TCB]).note();
        Ok(())
    };
    "domain.set.err02_domain_out_of_range" => [1, 0], |_| {
        call(crate::world::DOMAIN, L::DomainSetSet, &[1], &[]).note();
        Ok(())
    };
    "domain.set.err03_no_thread" => TRUNCATED, |_| {
        call(crate::world::DOMAIN, L::DomainSetSet, &[0], &[]).note();
        Ok(())
    };
    "domain.set.err04_is_no_thread" => [1, 1], |_| {
        call(crate::world::DOMAIN, L::DomainSetSet, &[0], &[ROOT]).note();
        Ok(())
    };
    "domain.set.of_a_thread" => [0, 0], |w| {
        let tcb = w.tcb()?;
        call(crate::world::DOMAIN, L::DomainSetSet, &[0], &[tcb]).note();
        call(crate::world::DOMAIN, L::DomainSetSet, &[0], &[TCB]).note();
        Ok(())
    };
    "domain.schedule_configure.err01_two_words" => TRUNCATED, |_| schedule(L::DomainScheduleConfigure, &[9, 9]);
    "domain.schedule_configure.err02_index_out_of_range" => range(0, 0), |_| {
        schedule(L::DomainScheduleConfigure, &[1, 9, 0])
    };
    "domain.schedule_configure.err03_domain_out_of_range" => range(0, 0), |_| {
        schedule(L::DomainScheduleConfigure, &[0, 1, 0])
    };
    "domain.schedule_configure.err04_duration_too_long" => [1, 2], |_| {
        schedule(L::DomainScheduleConfigure, &[0, 0, 1 << 56])
    };
    "domain.schedule_configure.err06_start_without_duration" => [1, 2], |_| {
        schedule(L::DomainScheduleConfigure, &[0, 0, 0])
    };
    "domain.schedule_configure.of_the_one_entry" => [0], |_| {
        schedule(L::DomainScheduleConfigure, &[0, 0, (1 << 56) - 1])
    };
    "domain.schedule_set_start.err01_no_word" => TRUNCATED, |_| schedule(L::DomainScheduleSetStart, &[]);
    "domain.schedule_set_start.err02_index_out_of_range" => range(0, 1), |_| schedule(L::DomainScheduleSetStart, &[2]);
    "domain.schedule_set_start.err03_end_marker" => [1, 0], |_| schedule(L::DomainScheduleSetStart, &[1]);
    "domain.schedule_set_start.of_the_one_entry" => [0], |_| schedule(L::DomainScheduleSetStart, &[0]);
    "sched_context.revoke.of_its_memory_frees_the_thread" => [0, 0], |w| {
        let (untyped, tcb, slot) = (w.untyped(12)?, w.tcb()?, w.slot());
        crate::world::retype(untyped, O::SchedContext, 8, slot, 1).must("no context")?;
        bind(slot, tcb).must("cannot be bound")?;
        revoke(untyped).note();
        let context = w.raw_context()?;
        bind(context, tcb).note();
        let _ = DEPTH;
        Ok(())
    };
}

/// A domain operation on the schedule.
fn schedule(label: L, words: &[u64]) -> Done {
    call(crate::world::DOMAIN, label, words, &[]).note();
    Ok(())
}
