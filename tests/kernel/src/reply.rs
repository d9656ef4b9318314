//! Reply objects: kernel ABI 1.9 and 4.8.

use crate::agent::{Agent, Arguments};
use crate::call::{Answer, call, nb_send, recv, reply_recv, send, wait};
use crate::case::{Trouble, cases};
use crate::trace::note;
use crate::world::{Must, World, delete};

/// Calls `a[0]` with label `a[1]` and its badge's word, and notes what comes.
fn caller(a: Arguments) {
    call(a[0], a[1], &[a[1]], &[]).note();
}

/// A thread that called and waits for its reply: endpoint, reply object, the thread.
fn called(w: &mut World, number: u64) -> Result<(u64, u64, Agent), Trouble> {
    let (endpoint, reply) = (w.endpoint()?, w.reply()?);
    let agent = w.start(number, 100, [endpoint, 1, 0, 0, 0, 0], caller)?;
    let _: Answer = recv(endpoint, reply);
    Ok((endpoint, reply, agent))
}

cases! {
    "reply.send.answers_the_caller" => [5, 6, 7], |w| {
        let (_, reply, _) = called(w, 0)?;
        send(reply, 5, &[6, 7], &[]);
        w.settle();
        Ok(())
    };
    "reply.call.answers_and_returns" => [0, 5], |w| {
        let (_, reply, _) = called(w, 0)?;
        call(reply, 5, &[], &[]).note();
        w.settle();
        Ok(())
    };
    "reply.send.twice_does_nothing_more" => [5], |w| {
        let (_, reply, _) = called(w, 0)?;
        send(reply, 5, &[], &[]);
        send(reply, 6, &[], &[]);
        nb_send(reply, 7, &[], &[]);
        w.settle();
        Ok(())
    };
    "reply.send.while_a_receiver_has_it_does_nothing" => [3, 0], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        w.start(0, 100, [endpoint, reply, 0, 0, 0, 0], |a| recv(a[0], a[1]).note())?;
        w.settle();
        send(reply, 5, &[], &[]);
        w.settle();
        send(endpoint, 3, &[], &[]);
        w.settle();
        note(0);
        Ok(())
    };
    "reply.send.long_messages" => [9, 120, 119], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        w.start(0, 100, [endpoint, 0, 0, 0, 0, 0], |a| {
            let got = call(a[0], 1u64, &[], &[]);
            note(got.info.label());
            note(got.info.length() as u64);
            note(crate::call::word(&[0; 9], 119));
        })?;
        let _ = recv(endpoint, reply);
        let words: [u64; 120] = core::array::from_fn(|index| index as u64);
        send(reply, 9, &words, &[]);
        w.settle();
        Ok(())
    };
    "reply.copies_name_the_same_object" => [5], |w| {
        let (_, reply, _) = called(w, 0)?;
        let same = w.copy(reply, 0)?;
        send(same, 5, &[], &[]);
        send(reply, 6, &[], &[]);
        w.settle();
        Ok(())
    };
    "reply.reuse_makes_the_old_caller_inactive" => [1, 0, 1], |w| {
        let (endpoint, reply, agent) = called(w, 0)?;
        let second = w.start(1, 100, [endpoint, 1, 0, 0, 0, 0], caller)?;
        // The receive takes the second; the first will never be answered.
        note(recv(endpoint, reply).info.label());
        second.suspend().must("cannot be suspended")?;
        send(reply, 9, &[], &[]);
        w.settle();
        note(0);
        // It is inactive: resumed, it calls again.
        agent.resume().must("cannot be resumed")?;
        note(recv(endpoint, reply).info.label());
        Ok(())
    };
    "reply.reuse_while_another_receives_stops_that_one" => [3, 0], |w| {
        let (first, second, reply) = (w.endpoint()?, w.endpoint()?, w.reply()?);
        w.start(0, 100, [first, reply, 0, 0, 0, 0], |a| recv(a[0], a[1]).note())?;
        w.settle();
        w.start(1, 100, [second, reply, 0, 0, 0, 0], |a| recv(a[0], a[1]).note())?;
        w.settle();
        // Nobody receives on the first any more.
        nb_send(first, 2, &[], &[]);
        send(second, 3, &[], &[]);
        w.settle();
        note(0);
        Ok(())
    };
    "reply.delete.makes_the_caller_inactive" => [0, 0, 1], |w| {
        let (endpoint, reply, agent) = called(w, 0)?;
        delete(reply).note();
        w.settle();
        note(0);
        let other = w.reply()?;
        agent.resume().must("cannot be resumed")?;
        note(recv(endpoint, other).info.label());
        Ok(())
    };
    "reply.delete.cancels_a_receive" => [0, 0], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        w.start(0, 100, [endpoint, reply, 0, 0, 0, 0], |a| recv(a[0], a[1]).note())?;
        w.settle();
        delete(reply).note();
        nb_send(endpoint, 3, &[], &[]);
        w.settle();
        note(0);
        Ok(())
    };
    "reply.none_was_given" => [1, 0, 1], |w| {
        // A caller whom nobody can answer becomes inactive; it is not told.
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        let agent = w.start(0, 100, [endpoint, 1, 0, 0, 0, 0], caller)?;
        note(wait(endpoint).info.label());
        w.settle();
        note(0);
        agent.resume().must("cannot be resumed")?;
        note(recv(endpoint, reply).info.label());
        Ok(())
    };
    "reply.neither_grant_nor_grant_reply" => [1, 0, 1], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        let bare = w.copy(endpoint, 3)?;
        let agent = w.start(0, 100, [bare, 1, 0, 0, 0, 0], caller)?;
        note(recv(endpoint, reply).info.label());
        send(reply, 8, &[], &[]);
        w.settle();
        note(0);
        agent.resume().must("cannot be resumed")?;
        note(recv(endpoint, reply).info.label());
        Ok(())
    };
    "reply.grant_reply_alone_is_answered" => [1, 8], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        let bare = w.copy(endpoint, 9)?;
        w.start(0, 100, [bare, 1, 0, 0, 0, 0], caller)?;
        note(recv(endpoint, reply).info.label());
        send(reply, 8, &[], &[]);
        w.settle();
        Ok(())
    };
    // Whom a higher thread wakes last runs first.
    "reply.reply_recv_takes_the_next_caller" => [1, 2, 9, 8], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        for number in 0..2 {
            w.start(number, 100, [endpoint, number + 1, 0, 0, 0, 0], |a| note(call(a[0], a[1], &[], &[]).info.label()))?;
            w.settle();
        }
        note(recv(endpoint, reply).info.label());
        note(reply_recv(endpoint, reply, 8, &[]).info.label());
        send(reply, 9, &[], &[]);
        w.settle();
        Ok(())
    };
    "reply.two_callers_two_objects_out_of_order" => [1, 2, 9, 8], |w| {
        let (endpoint, first, second) = (w.endpoint()?, w.reply()?, w.reply()?);
        for number in 0..2 {
            w.start(number, 100, [endpoint, number + 1, 0, 0, 0, 0], |a| note(call(a[0], a[1], &[], &[]).info.label()))?;
            w.settle();
        }
        note(recv(endpoint, first).info.label());
        note(recv(endpoint, second).info.label());
        send(second, 9, &[], &[]);
        w.settle();
        send(first, 8, &[], &[]);
        w.settle();
        Ok(())
    };
}
