//! Scheduling contexts that go along with messages. Kernel ABI 4.

use mach_sys::CPtr;
use mach_sys::abi::InvocationLabel as L;

use crate::agent::{Agent, Arguments};
use crate::call::{call, nb_send_recv, nb_send_wait, nb_wait, reply_recv, send, signal, wait};
use crate::case::{Done, Trouble, cases};
use crate::sched::{bind, run_on};
use crate::trace::note;
use crate::world::{Must, World, delete};

/// Waits on endpoint `a[0]` with reply object `a[1]` as a passive server: `a[2]` is signalled first. Notes each label,
/// and answers with it.
fn serve(a: Arguments) {
    let mut got = nb_send_recv(a[2], a[0], a[1], 0, &[]);
    loop {
        note(got.info.label());
        got = reply_recv(a[0], a[1], got.info.label() + 1, &[]);
    }
}

/// Lets a thread run on `context` until it has signalled `ready` and waits, then takes the context away.
fn make_passive(w: &mut World, context: CPtr, ready: CPtr, agent: &Agent) -> Done {
    run_on(context, agent)?;
    let _ = wait(ready);
    w.settle();
    call(context, L::SchedContextUnbind, &[], &[]).must("cannot be unbound")
}

/// A passive server on a new endpoint: its endpoint, its reply object, the thread, and its old scheduling context.
fn server(w: &mut World, number: u64, priority: u64) -> Result<(CPtr, CPtr, Agent, CPtr), Trouble> {
    let (endpoint, reply, ready, context) = (w.endpoint()?, w.reply()?, w.notification()?, w.long_context()?);
    let agent = w.passive(number, priority, [endpoint, reply, ready, 0, 0, 0], serve)?;
    make_passive(w, context, ready, &agent)?;
    Ok((endpoint, reply, agent, context))
}

/// A passive thread that waits for a call and never answers it: its endpoint, its reply object, and itself.
fn keeper(w: &mut World) -> Result<(CPtr, CPtr, Agent), Trouble> {
    let (endpoint, reply, ready, context) = (w.endpoint()?, w.reply()?, w.notification()?, w.long_context()?);
    let agent = w.passive(0, 100, [endpoint, reply, ready, w.never, 0, 0], |a| {
        let _ = nb_send_recv(a[2], a[0], a[1], 0, &[]);
        let _ = wait(a[3]);
    })?;
    make_passive(w, context, ready, &agent)?;
    Ok((endpoint, reply, agent))
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

cases! {
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
        make_passive(w, context, ready, &agent)?;
        w.start(2, 100, [endpoint, 7, 0, 0, 0, 0], ask_server)?;
        w.settle();
        Ok(())
    };
    "donation.a_plain_send_does_not_donate" => [0, 0, 5], |w| {
        let (endpoint, _, agent, context) = server(w, 0, 100)?;
        send(endpoint, 5, &[], &[]);
        w.settle();
        note(has_context(w, agent.tcb)?);
        // It has the message, and goes on when it can run.
        bind(context, agent.tcb).note();
        w.settle();
        Ok(())
    };
    "donation.deleting_the_reply_object_brings_the_context_back" => [1, 0, 1], |w| {
        let (endpoint, reply, agent) = keeper(w)?;
        let client = w.start(1, 100, [endpoint, 3, 0, 0, 0, 0], ask_server)?;
        w.settle();
        note(has_context(w, agent.tcb)?);
        delete(reply).must("cannot be deleted")?;
        note(has_context(w, agent.tcb)?);
        note(has_context(w, client.tcb)?);
        Ok(())
    };
    "donation.suspending_the_caller_leaves_the_context" => [1, 0], |w| {
        let (endpoint, _, agent) = keeper(w)?;
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
        make_passive(w, start, ready, &agent)?;
        bind(context, notification).must("cannot be bound")?;
        signal(notification);
        w.settle();
        // It ran, and gave the context back when it waited again.
        note(1 - has_context(w, agent.tcb)?);
        note(nb_wait(notification).badge);
        Ok(())
    };
    "donation.a_server_that_is_destroyed_frees_the_context" => [0, 0], |w| {
        let (endpoint, _, agent) = keeper(w)?;
        let lent = w.long_context()?;
        let client = w.passive(1, 100, [endpoint, 3, 0, 0, 0, 0], ask_server)?;
        run_on(lent, &client)?;
        w.settle();
        delete(agent.tcb).note();
        let other = w.tcb()?;
        bind(lent, other).note();
        Ok(())
    };
}
