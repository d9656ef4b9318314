//! Messages between threads: kernel ABI 1.4 to 1.8.

use mach_sys::CPtr;
use mach_sys::abi::{InvocationLabel as L, IpcBuffer as Layout};
use mach_sys::ipc_buffer::IpcBuffer;

use crate::agent::{Agent, Arguments};
use crate::call::{Answer, call, nb_recv, nb_send, nb_send_recv, recv, send, wait, word};
use crate::case::{Done, Trouble, capability, cases};
use crate::trace::note;
use crate::world::{ALL, DEPTH, Must, ROOT, World, delete, is_empty, revoke};

/// Sends a message of `a[1]` words, each its own number, with label 1.
fn sender(a: Arguments) {
    let words: [u64; 120] = core::array::from_fn(|index| 0x100 + index as u64);
    send(a[0], 1, words.get(..a[1] as usize).unwrap_or(&words), &[]);
}

/// Receives on `a[0]`, and notes the length, the number of words that are right, and nothing else.
fn note_message(got: &Answer) {
    let registers = [0, 0, got.word(0), got.word(1), got.word(2), got.word(3), 0, 0, 0];
    let length = got.info.length();
    note(length as u64);
    note((0..length).filter(|index| word(&registers, *index) == 0x100 + *index as u64).count() as u64);
}

/// A message of this many words, from a thread that has a buffer.
fn of_length(w: &mut World, length: u64) -> Done {
    let (endpoint, reply) = (w.endpoint()?, w.reply()?);
    w.start(0, 100, [endpoint, length, 0, 0, 0, 0], sender)?;
    note_message(&recv(endpoint, reply));
    Ok(())
}

/// Names the slot of the root CNode for a capability that comes.
fn receive_into(slot: u64, depth: u64) {
    if let Some(buffer) = IpcBuffer::current() {
        buffer.set_receive_slot(ROOT, slot, depth);
        (0..3).for_each(|index| buffer.set_word(Layout::CAPS_WORD + index, 0x99));
    }
}

/// The words where the badges of unwrapped capabilities come, as many as three.
fn note_badges() {
    if let Some(buffer) = IpcBuffer::current() {
        (0..3).for_each(|index| note(buffer.unwrapped_badge(index)));
    }
}

/// Sends three capabilities, `a[2]`, `a[3]`, `a[4]`: `a[1]` of them.
fn giver(a: Arguments) {
    let caps = [a[2], a[3], a[4]];
    send(a[0], 0, &[], caps.get(..a[1] as usize).unwrap_or_default());
}

/// What arrives of capabilities that are sent: extraCaps, capsUnwrapped, and whether the slot was filled.
fn give(w: &mut World, endpoint: CPtr, through: CPtr, caps: &[CPtr]) -> Done {
    let slot = w.slot();
    let mut three = [0; 3];
    three.iter_mut().zip(caps).for_each(|(to, from)| *to = *from);
    w.start(0, 100, [through, caps.len() as u64, three[0], three[1], three[2], 0], giver)?;
    w.settle();
    receive_into(slot, DEPTH);
    let got = wait(endpoint);
    note(got.info.extra_caps() as u64);
    note(got.info.caps_unwrapped());
    if got.info.caps_unwrapped() != 0 {
        note_badges();
    }
    note(u64::from(!is_empty(slot)));
    Ok(())
}

/// A thread without an IPC buffer, with `program`.
fn without_buffer(w: &mut World, arguments: Arguments, program: fn(Arguments)) -> Result<Agent, Trouble> {
    let agent = w.prepare(0, 100, arguments, program)?;
    call(agent.tcb, L::TcbSetIpcBuffer, &[0], &[0]).must("the buffer stays")?;
    agent.resume().must("cannot be resumed")?;
    w.settle();
    Ok(agent)
}

cases! {
    "endpoint.call.err01_null" => capability(0), |_| {
        call(0, 0u64, &[], &[]).note();
        Ok(())
    };
    "endpoint.call.err01_without_write" => capability(0), |w| {
        let endpoint = w.endpoint()?;
        let readable = w.copy(endpoint, 14)?;
        call(readable, 0u64, &[], &[]).note();
        Ok(())
    };
    "endpoint.send.without_write_is_silent" => [1], |w| {
        let endpoint = w.endpoint()?;
        let readable = w.copy(endpoint, 14)?;
        send(readable, 0, &[], &[]);
        send(0, 0, &[], &[]);
        nb_send(readable, 0, &[], &[]);
        note(1);
        Ok(())
    };
    "endpoint.length.0" => [0, 0], |w| of_length(w, 0);
    "endpoint.length.1" => [1, 1], |w| of_length(w, 1);
    "endpoint.length.4" => [4, 4], |w| of_length(w, 4);
    "endpoint.length.5" => [5, 5], |w| of_length(w, 5);
    "endpoint.length.119" => [119, 119], |w| of_length(w, 119);
    "endpoint.length.120" => [120, 120], |w| of_length(w, 120);
    "endpoint.length.127_counts_as_120" => [120], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        w.start(0, 100, [endpoint, 0, 0, 0, 0, 0], |a| {
            let mut x = [a[0], 0x7f, 0, 0, 0, 0, 0, 0, 0];
            crate::call::syscall(mach_sys::abi::Syscall::Send, &mut x);
        })?;
        note(recv(endpoint, reply).info.length() as u64);
        Ok(())
    };
    "endpoint.length.a_sender_without_a_buffer_sends_four" => [4, 4], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        without_buffer(w, [endpoint, 7, 0, 0, 0, 0], sender)?;
        note_message(&recv(endpoint, reply));
        Ok(())
    };
    "endpoint.length.a_receiver_without_a_buffer_gets_four" => [4, 2], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        without_buffer(w, [endpoint, reply, 0, 0, 0, 0], |a| {
            let got = recv(a[0], a[1]);
            note(got.info.length() as u64);
            note(got.word(1));
        })?;
        send(endpoint, 1, &[1, 2, 3, 4, 5, 6], &[]);
        w.settle();
        Ok(())
    };
    "endpoint.label.all_52_bits" => [(1 << 52) - 1], |w| {
        let endpoint = w.endpoint()?;
        w.start(0, 100, [endpoint, 0, 0, 0, 0, 0], |a| send(a[0], (1u64 << 52) - 1, &[], &[]))?;
        note(wait(endpoint).info.label());
        Ok(())
    };
    "endpoint.badge.is_the_senders" => [u64::MAX, 5], |w| {
        let endpoint = w.endpoint()?;
        let badged = w.mint(endpoint, ALL, u64::MAX)?;
        w.start(0, 100, [badged, 0, 0, 0, 0, 0], |a| send(a[0], 5, &[], &[]))?;
        let got = wait(endpoint);
        note(got.badge);
        note(got.info.label());
        Ok(())
    };
    "endpoint.badge.is_read_when_the_send_starts" => [5], |w| {
        let endpoint = w.endpoint()?;
        let badged = w.mint(endpoint, ALL, 5)?;
        w.start(0, 100, [badged, 0, 0, 0, 0, 0], |a| send(a[0], 0, &[], &[]))?;
        w.settle();
        delete(badged).must("cannot be deleted")?;
        note(wait(endpoint).badge);
        Ok(())
    };
    "endpoint.nb_send.without_a_receiver_is_dropped" => [0], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        nb_send(endpoint, 5, &[], &[]);
        note(nb_recv(endpoint, reply).badge);
        Ok(())
    };
    "endpoint.send.words_are_those_of_the_moment_of_transfer" => [9], |w| {
        // A blocked sender whose register is written.
        let endpoint = w.endpoint()?;
        let agent = w.start(0, 100, [endpoint, 1, 0, 0, 0, 0], sender)?;
        w.settle();
        let mut registers = crate::registers::read(agent.tcb);
        if let Some(x2) = registers.get_mut(5) {
            *x2 = 9;
        }
        let mut words = [0; 38];
        words[1] = 36;
        words.iter_mut().skip(2).zip(registers).for_each(|(to, from)| *to = from);
        call(agent.tcb, L::TcbWriteRegisters, &words, &[]).must("cannot be written")?;
        note(wait(endpoint).word(0));
        Ok(())
    };
    "endpoint.delete.restarts_a_sender_that_then_meets_nothing" => [1], |w| {
        // Its send through an empty slot is silent.
        let endpoint = w.endpoint()?;
        w.start(0, 100, [endpoint, 0, 0, 0, 0, 0], |a| {
            send(a[0], 0, &[], &[]);
            note(1);
        })?;
        w.settle();
        delete(endpoint).must("cannot be deleted")?;
        w.settle();
        Ok(())
    };
    "endpoint.delete.restarts_a_caller_that_then_hears_of_it" => [2, 0], |w| {
        let endpoint = w.endpoint()?;
        w.start(0, 100, [endpoint, 0, 0, 0, 0, 0], |a| call(a[0], 0u64, &[], &[]).note())?;
        w.settle();
        delete(endpoint).must("cannot be deleted")?;
        w.settle();
        Ok(())
    };
    "endpoint.cancel_badged_sends.restarts_those_and_no_others" => [2, 0, 1, 3], |w| {
        let endpoint = w.endpoint()?;
        let caps = [w.mint(endpoint, ALL, 1)?, w.mint(endpoint, ALL, 2)?, w.mint(endpoint, ALL, 3)?];
        for (number, cap) in (0..).zip(caps) {
            w.start(number, 100, [cap, number + 1, 0, 0, 0, 0], |a| {
                let answer = call(a[0], 0u64, &[], &[]);
                if !answer.is_ok() {
                    answer.note();
                }
            })?;
            w.settle();
        }
        // Its capability goes first; then it is made to ask again, with what is not there any more.
        let [_, second, _] = caps;
        let kept = w.copy(second, ALL)?;
        delete(second).must("cannot be deleted")?;
        call(ROOT, L::CNodeCancelBadgedSends, &[kept, DEPTH], &[]).must("cannot be cancelled")?;
        w.settle();
        note(wait(endpoint).badge);
        note(wait(endpoint).badge);
        Ok(())
    };
    "endpoint.recv.takes_a_sender_before_it_blocks" => [1, 0x100], |w| {
        let (endpoint, reply) = (w.endpoint()?, w.reply()?);
        w.start(0, 100, [endpoint, 1, 0, 0, 0, 0], sender)?;
        w.settle();
        nb_recv(endpoint, reply).note();
        Ok(())
    };
    "endpoint.nb_send_recv.sends_then_receives" => [5, 6], |w| {
        let (first, second, reply) = (w.endpoint()?, w.endpoint()?, w.reply()?);
        w.start(0, 100, [first, second, 0, 0, 0, 0], |a| {
            note(wait(a[0]).info.label());
            send(a[1], 6, &[], &[]);
        })?;
        w.settle();
        note(nb_send_recv(first, second, reply, 5, &[]).info.label());
        Ok(())
    };
    "endpoint.nb_send_recv.drops_what_nobody_takes" => [0, 7], |w| {
        let (first, ready, reply) = (w.endpoint()?, w.notification()?, w.reply()?);
        let badged = w.mint(ready, ALL, 7)?;
        crate::call::signal(badged);
        let got = nb_send_recv(first, ready, reply, 5, &[]);
        note(nb_recv(first, reply).badge);
        note(got.badge);
        Ok(())
    };

    "endpoint.capabilities.one" => [1, 0, 1], |w| {
        let (endpoint, tcb) = (w.endpoint()?, w.tcb()?);
        give(w, endpoint, endpoint, &[tcb])
    };
    "endpoint.capabilities.not_without_grant" => [0, 0, 0], |w| {
        let (endpoint, tcb) = (w.endpoint()?, w.tcb()?);
        let through = w.copy(endpoint, 11)?;
        give(w, endpoint, through, &[tcb])
    };
    "endpoint.capabilities.of_two_the_first" => [1, 0, 1], |w| {
        let (endpoint, tcb) = (w.endpoint()?, w.tcb()?);
        give(w, endpoint, endpoint, &[tcb, tcb])
    };
    "endpoint.capabilities.of_this_endpoint_are_unwrapped" => [3, 0b101, 3, 0x99, 4, 1], |w| {
        let (endpoint, notification) = (w.endpoint()?, w.notification()?);
        let (third, fourth) = (w.mint(endpoint, ALL, 3)?, w.mint(endpoint, ALL, 4)?);
        give(w, endpoint, endpoint, &[third, notification, fourth])
    };
    "endpoint.capabilities.an_untyped_with_children_stops_them" => [1, 1, 0, 0x99, 0x99, 0], |w| {
        let endpoint = w.endpoint()?;
        let (untyped, child) = (w.untyped(12)?, w.slot());
        crate::world::retype(untyped, mach_sys::ObjectType::Endpoint, 0, child, 1).must("no endpoint")?;
        give(w, endpoint, endpoint, &[endpoint, untyped, endpoint])
    };
    "endpoint.capabilities.an_empty_one_stops_them" => [0, 0, 0], |w| {
        let (endpoint, empty) = (w.endpoint()?, w.slot());
        give(w, endpoint, endpoint, &[empty, endpoint])
    };
    "endpoint.capabilities.into_a_slot_that_is_occupied" => [0, 0], |w| {
        let (endpoint, tcb) = (w.endpoint()?, w.tcb()?);
        w.start(0, 100, [endpoint, 1, tcb, 0, 0, 0], giver)?;
        w.settle();
        receive_into(tcb, DEPTH);
        let got = wait(endpoint);
        note(got.info.extra_caps() as u64);
        note(got.info.caps_unwrapped());
        Ok(())
    };
    "endpoint.capabilities.into_a_slot_that_is_not_found" => [0, 0], |w| {
        let (endpoint, tcb) = (w.endpoint()?, w.tcb()?);
        w.start(0, 100, [endpoint, 1, tcb, 0, 0, 0], giver)?;
        w.settle();
        receive_into(0, 65);
        let got = wait(endpoint);
        note(got.info.extra_caps() as u64);
        note(got.info.caps_unwrapped());
        Ok(())
    };
    "endpoint.capabilities.come_as_children_of_the_senders" => [1, 0, 1, 0, 1], |w| {
        let (endpoint, other) = (w.endpoint()?, w.endpoint()?);
        give(w, endpoint, endpoint, &[other])?;
        revoke(other).note();
        let received = other + 1;
        note(u64::from(is_empty(received)));
        Ok(())
    };
    "endpoint.capabilities.a_reply_carries_one" => [1, 1, 1], |w| {
        let (endpoint, reply, tcb) = (w.endpoint()?, w.reply()?, w.tcb()?);
        let slot = w.slot();
        w.start(0, 100, [endpoint, slot, 0, 0, 0, 0], |a| {
            receive_into(a[1], DEPTH);
            note(call(a[0], 1u64, &[], &[]).info.extra_caps() as u64);
        })?;
        note(recv(endpoint, reply).info.label());
        send(reply, 0, &[], &[tcb]);
        w.settle();
        note(u64::from(!is_empty(slot)));
        Ok(())
    };
    "endpoint.capabilities.not_by_a_reply_without_grant" => [1, 0, 0], |w| {
        let (endpoint, reply, tcb) = (w.endpoint()?, w.reply()?, w.tcb()?);
        let (slot, bare) = (w.slot(), w.copy(reply, 0)?);
        w.start(0, 100, [endpoint, slot, 0, 0, 0, 0], |a| {
            receive_into(a[1], DEPTH);
            note(call(a[0], 1u64, &[], &[]).info.extra_caps() as u64);
        })?;
        note(recv(endpoint, reply).info.label());
        send(bare, 0, &[], &[tcb]);
        w.settle();
        note(u64::from(!is_empty(slot)));
        Ok(())
    };
}
