//! Notifications: kernel ABI 1.10.

use mach_sys::abi::InvocationLabel as L;

use crate::call::{call, nb_recv, nb_wait, recv, send, signal, wait};
use crate::case::{Done, capability, cases};
use crate::trace::note;
use crate::world::{Must, World, delete};

/// Waits for `a[0]` and notes the badge, then `a[1]`.
fn waiter(a: crate::agent::Arguments) {
    note(wait(a[0]).badge);
    note(a[1]);
}

/// A thread that receives on an endpoint with a notification bound to it: the notification, badged 4, and the endpoint.
fn bound(w: &mut World, program: fn(crate::agent::Arguments)) -> Result<(u64, u64), crate::case::Trouble> {
    let (notification, endpoint, reply) = (w.notification()?, w.endpoint()?, w.reply()?);
    let badged = w.mint(notification, 15, 4)?;
    let agent = w.prepare(0, 100, [endpoint, reply, notification, 0, 0, 0], program)?;
    call(agent.tcb, L::TcbBindNotification, &[], &[notification]).must("cannot be bound")?;
    agent.resume().must("cannot be resumed")?;
    w.settle();
    Ok((badged, endpoint))
}

fn receive_twice(a: crate::agent::Arguments) {
    for _ in 0..2 {
        note(recv(a[0], a[1]).badge);
    }
}

fn signals(w: &mut World, badges: &[u64]) -> Result<u64, crate::case::Trouble> {
    let notification = w.notification()?;
    for badge in badges {
        let badged = w.mint(notification, 15, *badge)?;
        signal(badged);
    }
    Ok(notification)
}

fn polls(notification: u64, count: usize) -> Done {
    for _ in 0..count {
        note(nb_wait(notification).badge);
    }
    Ok(())
}

cases! {
    "notification.signal.err01_without_write" => capability(0), |w| {
        let notification = w.notification()?;
        let readable = w.copy(notification, 2)?;
        call(readable, 0, &[], &[]).note();
        Ok(())
    };
    "notification.signal.without_write_is_silent_in_a_send" => [0], |w| {
        let notification = w.notification()?;
        let readable = w.mint(notification, 2, 5)?;
        signal(readable);
        polls(notification, 1)
    };
    "notification.signal.badges_gather" => [7, 0], |w| {
        let notification = signals(w, &[1, 2, 4, 2])?;
        polls(notification, 2)
    };
    "notification.signal.of_badge_0_is_a_signal" => [0, 1], |w| {
        let notification = w.notification()?;
        signal(notification);
        // It does not block.
        note(wait(notification).badge);
        note(1);
        Ok(())
    };
    "notification.signal.of_all_bits" => [u64::MAX, 0], |w| {
        let notification = signals(w, &[u64::MAX])?;
        polls(notification, 2)
    };
    "notification.signal.wakes_one" => [4, 1, 4, 2], |w| {
        let notification = w.notification()?;
        let badged = w.mint(notification, 15, 4)?;
        for number in 0..2 {
            w.start(number, 100, [notification, number + 1, 0, 0, 0, 0], waiter)?;
            w.settle();
        }
        signal(badged);
        w.settle();
        signal(badged);
        w.settle();
        Ok(())
    };
    "notification.signal.what_it_carries_is_ignored" => [0, 4], |w| {
        let notification = w.notification()?;
        let badged = w.mint(notification, 15, 4)?;
        call(badged, 77, &[1, 2, 3, 4, 5], &[]).note();
        polls(notification, 1)
    };
    "notification.delete.restarts_its_waiters" => [1, 1], |w| {
        // The waiter asks again, finds an empty slot, and tells its handler.
        let (notification, endpoint, reply) = (w.notification()?, w.endpoint()?, w.reply()?);
        let agent = w.prepare(0, 100, [notification, 0, 0, 0, 0, 0], waiter)?;
        agent.set_fault_handler(endpoint).must("no fault handler")?;
        agent.resume().must("cannot be resumed")?;
        w.settle();
        delete(notification).must("cannot be deleted")?;
        let fault = recv(endpoint, reply);
        note(fault.info.label());
        note(fault.word(2));
        Ok(())
    };
    "notification.bound.a_receive_takes_a_signal" => [4, 9], |w| {
        let (badged, endpoint) = bound(w, receive_twice)?;
        signal(badged);
        w.settle();
        let message = w.mint(endpoint, 15, 9)?;
        send(message, 0, &[], &[]);
        w.settle();
        Ok(())
    };
    "notification.bound.a_signal_before_the_receive" => [4, 0], |w| {
        let (badged, _) = bound(w, |a| {
            let _ = wait(a[2]);
            note(nb_recv(a[0], a[1]).badge);
            note(nb_recv(a[0], a[1]).badge);
        })?;
        // The first one ends the wait, the second stays.
        signal(badged);
        signal(badged);
        w.settle();
        Ok(())
    };
    "notification.bound.only_its_thread_may_wait" => [1, 2, 0], |w| {
        let (badged, _) = bound(w, receive_twice)?;
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        let other = w.prepare(1, 100, [badged, 0, 0, 0, 0, 0], waiter)?;
        other.set_fault_handler(endpoint).must("no fault handler")?;
        other.resume().must("cannot be resumed")?;
        let fault = recv(endpoint, reply);
        note(fault.info.label());
        note(fault.word(3));
        note(fault.word(4));
        Ok(())
    };
    "notification.bound.a_caller_that_waits_for_its_reply_is_left_alone" => [8, 4], |w| {
        let (notification, endpoint, reply) = (w.notification()?, w.endpoint()?, w.reply()?);
        let badged = w.mint(notification, 15, 4)?;
        let agent = w.prepare(0, 100, [endpoint, notification, 0, 0, 0, 0], |a| {
            note(call(a[0], 1u64, &[], &[]).info.label());
            note(nb_wait(a[1]).badge);
        })?;
        call(agent.tcb, L::TcbBindNotification, &[], &[notification]).must("cannot be bound")?;
        agent.resume().must("cannot be resumed")?;
        let _ = recv(endpoint, reply);
        signal(badged);
        send(reply, 8, &[], &[]);
        w.settle();
        Ok(())
    };
}
