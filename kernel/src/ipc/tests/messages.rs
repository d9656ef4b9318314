//! What a message carries, in which order threads meet, and what a call to the kernel answers.

use std::vec::Vec;

use sel4_abi::message::IpcBuffer;
use sel4_abi::{CapRights, ErrorCode, InvocationLabel, MessageInfo, Syscall};

use super::{give_handler, serve};
use crate::object::TcbSlot;
use crate::object::tcb::ThreadState;
use crate::sched;
use crate::world::{Answer, World};

// ---- messages ----

#[test]
fn a_send_waits_for_its_receiver_and_arrives_whole() {
    let mut w = World::new();
    let ep = w.endpoint();
    let badged = w.badged(ep, 77, CapRights::WRITE);
    let (high, low) = (w.thread(20), w.thread(10));
    w.start(high);
    let words: Vec<u64> = (100..110).collect();
    w.send(badged, 5, &words);
    assert!(matches!(w.state(high), ThreadState::BlockedOnSend { .. }));
    w.start(low);
    let reply = w.reply();
    w.recv(ep.cptr, reply.cptr);
    assert!(w.runs(high), "the sender was woken and is higher");
    let (badge, info, got) = w.received(low);
    assert_eq!((badge, info.label(), got), (77, 5, words));
}

#[test]
fn length_above_120_counts_as_120() {
    let mut w = World::new();
    let ep = w.endpoint();
    let (a, b) = (w.thread(10), w.thread(20));
    serve(&mut w, b, ep);
    w.start(a);
    w.syscall(Syscall::Send, &[(0, ep.cptr), (1, MessageInfo::new(1, 0, 0, 127).0)]);
    assert_eq!(w.received(b).1.length(), 120);
}

#[test]
fn without_a_buffer_four_words_arrive() {
    let mut w = World::new();
    let ep = w.endpoint();
    let (a, b) = (w.thread(10), w.thread(20));
    serve(&mut w, b, ep);
    crate::cap::delete::delete_one(w.k(), b.obj.slot(w.k(), TcbSlot::IpcBuffer));
    w.start(a);
    w.send(ep.cptr, 0, &[1, 2, 3, 4, 5, 6]);
    assert_eq!(w.received(b).2, [1, 2, 3, 4]);
}

#[test]
fn send_leaves_all_registers_alone() {
    let mut w = World::new();
    let ep = w.endpoint();
    let (a, b) = (w.thread(10), w.thread(20));
    serve(&mut w, b, ep);
    w.start(a);
    (8..31).for_each(|i| w.set_x(a.obj, i, 1000 + i as u64));
    w.send(ep.cptr, 9, &[1, 2]);
    assert!(w.runs(b));
    assert_eq!(w.state(a), ThreadState::Running);
    assert_eq!((w.x(a, 0), w.x(a, 1), w.x(a, 2)), (ep.cptr, MessageInfo::new(9, 0, 0, 2).0, 1));
    (8..31).for_each(|i| assert_eq!(w.x(a, i), 1000 + i as u64));
}

#[test]
fn a_poll_without_success_writes_the_badge_register_only() {
    let mut w = World::new();
    let (ep, n, reply) = (w.endpoint(), w.notification(1), w.reply());
    let t = w.thread(10);
    w.start(t);
    for (call, cptr) in [(Syscall::NbRecv, ep.cptr), (Syscall::NbWait, ep.cptr), (Syscall::NbWait, n.cptr)] {
        w.syscall(call, &[(0, cptr), (1, 1234), (2, 5678), (6, reply.cptr)]);
        assert_eq!((w.x(t, 0), w.x(t, 1), w.x(t, 2)), (0, 1234, 5678));
    }
}

#[test]
fn receivers_are_served_by_priority_then_by_arrival() {
    let mut w = World::new();
    let ep = w.endpoint();
    let receivers: Vec<_> = [30, 50, 30, 40].map(|p| w.thread(p)).to_vec();
    for r in &receivers {
        serve(&mut w, *r, ep);
    }
    let t = w.thread(10);
    w.start(t);
    for expected in [1, 3, 0, 2] {
        w.send(ep.cptr, 0, &[7]);
        let r = receivers[expected];
        assert!(w.runs(r), "receiver {expected}");
        w.suspend(r.obj);
        assert!(w.runs(t));
    }
}

#[test]
fn a_new_priority_puts_a_waiting_thread_behind_its_equals() {
    let mut w = World::new();
    let ep = w.endpoint();
    let (a, b) = (w.thread(30), w.thread(30));
    serve(&mut w, a, ep);
    serve(&mut w, b, ep);
    sched::set_priority(w.k(), a.obj, sched::Priority(30));
    let order: Vec<_> = ep.obj.get(w.k()).queue().iter(w.k()).collect();
    assert_eq!(order, [b.obj, a.obj]);
    w.assert_valid();
}

// ---- capabilities in messages ----

#[test]
fn one_capability_arrives_and_the_endpoints_own_are_unwrapped() {
    let mut w = World::new();
    let (ep, n) = (w.endpoint(), w.notification(3));
    let (b1, b2) = (w.badged(ep, 11, CapRights::ALL), w.badged(ep, 22, CapRights::ALL));
    let (a, b) = (w.thread(10), w.thread(20));
    let (root, window) = (World::ROOT, w.free_slot());
    for (word, value) in [(125, root), (126, window), (127, 64)] {
        w.set_buffer_word(b.obj, word, value);
    }
    w.set_buffer_word(b.obj, IpcBuffer::CAPS_WORD + 1, 0xdead);
    serve(&mut w, b, ep);
    w.start(a);
    w.send_caps(ep.cptr, 0, &[], &[b1, n.cptr, b2]);
    let info = w.received(b).1;
    assert_eq!((info.extra_caps(), info.caps_unwrapped()), (3, 0b101));
    assert_eq!(w.cap(window), w.cap(n.cptr));
    assert_eq!(w.buffer_word(b.obj, IpcBuffer::CAPS_WORD), 11);
    assert_eq!(w.buffer_word(b.obj, IpcBuffer::CAPS_WORD + 1), 0xdead, "not written for a real capability");
    assert_eq!(w.buffer_word(b.obj, IpcBuffer::CAPS_WORD + 2), 22);
}

#[test]
fn capabilities_need_grant_a_window_and_lookups_that_succeed() {
    let mut w = World::new();
    let (ep, n) = (w.endpoint(), w.notification(3));
    let no_grant = w.badged(ep, 1, CapRights::WRITE | CapRights::GRANT_REPLY);
    let (a, b) = (w.thread(10), w.thread(20));
    let (root, window) = (World::ROOT, w.free_slot());
    let server = serve(&mut w, b, ep);
    w.start(a);
    let arrive = |w: &mut World, ep_cptr: u64, caps: &[u64]| {
        w.send_caps(ep_cptr, 0, &[], caps);
        let info = w.received(b).1;
        w.recv(ep.cptr, server.reply.cptr);
        assert!(w.runs(a));
        info.extra_caps()
    };
    assert_eq!(arrive(&mut w, ep.cptr, &[n.cptr]), 0, "no window named");
    for (word, value) in [(125, root), (126, window), (127, 64)] {
        w.set_buffer_word(b.obj, word, value);
    }
    assert_eq!(arrive(&mut w, no_grant, &[n.cptr]), 0, "no Grant");
    let empty = w.free_slot();
    assert_eq!(arrive(&mut w, ep.cptr, &[empty]), 0, "a null capability stops");
    assert_eq!(arrive(&mut w, ep.cptr, &[n.cptr, n.cptr]), 1, "one window takes one");
    assert_eq!(arrive(&mut w, ep.cptr, &[n.cptr]), 0, "the window is full");
}

#[test]
fn an_extra_capability_that_does_not_resolve_is_a_fault_of_the_sender() {
    let mut w = World::new();
    let (ep, handler) = (w.endpoint(), w.endpoint());
    let a = w.thread(10);
    give_handler(&w, a, TcbSlot::FaultHandler, handler, 9);
    w.start(a);
    w.send_caps(ep.cptr, 0, &[], &[1 << 40]);
    let h = w.thread(20);
    let reply = w.reply();
    w.start(h);
    w.recv(handler.cptr, reply.cptr);
    let (badge, info, words) = w.received(h);
    assert_eq!((badge, info.label()), (9, 1));
    assert_eq!(words, [0x40_0000, 1 << 40, 0, 4, 64, 0, 54]);
}

#[test]
fn errors_of_a_call_write_exactly_their_words() {
    let mut w = World::new();
    let t = w.thread(10);
    w.start(t);
    let answer = w.invoke_raw(t.cptr, 1 << 40, &[1, 2, 3, 4], &[]);
    assert_eq!(answer, Answer::error(ErrorCode::IllegalOperation, &[]));
    assert_eq!((2..6).map(|i| w.x(t, i)).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let empty = w.free_slot();
    let answer = w.invoke(empty, InvocationLabel::TcbResume, &[1, 2, 3, 4], &[]);
    assert_eq!(answer, Answer::error(ErrorCode::InvalidCapability, &[0]));
    assert_eq!((2..6).map(|i| w.x(t, i)).collect::<Vec<_>>(), [0, 2, 3, 4]);
}
