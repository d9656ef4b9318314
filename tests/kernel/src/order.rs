//! Who runs next, and who is served first. Kernel ABI 4.

use mach_sys::abi::{InvocationLabel as L, Syscall};

use crate::agent::Arguments;
use crate::call::{call, send, signal, syscall, wait};
use crate::case::cases;
use crate::sched::{bind, note_once, run_on};
use crate::time::spin;
use crate::trace::note;
use crate::world::{Must, TCB, delete};

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

cases! {
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
                send(a[0], 0, &[], &[]);
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
                send(a[0], a[1], &[], &[]);
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
                send(a[0], a[1], &[], &[]);
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
        run_on(context, &agent)?;
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
}
