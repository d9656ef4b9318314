//! Budgets and their ends. Kernel ABI 4.

use mach_sys::abi::{InvocationLabel as L, Syscall};

use crate::agent::Arguments;
use crate::call::{call, nb_send, recv, reply_recv, signal, syscall, wait};
use crate::case::cases;
use crate::sched::run_on;
use crate::trace::note;
use crate::world::Must;

/// Runs for ever.
pub(crate) fn spin(_: Arguments) {
    loop {
        core::hint::spin_loop();
    }
}

cases! {
    "time.a_budget_that_ends_postpones_the_thread" => [1, 1], |w| {
        // 1 ms of 20 ms: the lowest thread runs while the spinner waits for its next refill.
        let context = w.context(1000, 20_000)?;
        let agent = w.passive(0, 100, [0; 6], spin)?;
        run_on(context, &agent)?;
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
        run_on(context, &agent)?;
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
        run_on(context, &agent)?;
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
        run_on(context, &agent)?;
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
        run_on(context, &agent)?;
        note(recv(endpoint, reply).info.label());
        nb_send(reply, 1, &[], &[]);
        w.settle();
        agent.suspend().note();
        Ok(())
    };
}
