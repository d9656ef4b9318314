//! Whole IPC scenarios over the arena: messages, replies, donation, signals, faults.

use std::vec;
use std::vec::Vec;

use sel4_abi::message::IpcBuffer;
use sel4_abi::registers::CONTEXT;
use sel4_abi::{CapRights, ErrorCode, InvocationLabel, MessageInfo, Syscall};

use crate::cap::{Badge, Cap, EndpointCap};
use crate::ipc::fault::{self, VmFault};
use crate::kobj::KRef;
use crate::object::tcb::{ThreadState, thread};
use crate::object::{Endpoint, Reply, SchedContext, Tcb, TcbSlot, endpoint, sched_context};
use crate::sched;
use crate::world::{Answer, Named, World};

/// A server that waits on an endpoint with a reply object, and how it was started.
struct Server {
    tcb: Named<Tcb>,
    reply: Named<Reply>,
}

/// Starts `tcb`, which must be the highest thread, and lets it receive on `ep`.
fn serve(w: &mut World, tcb: Named<Tcb>, ep: Named<Endpoint>) -> Server {
    let reply = w.reply();
    w.start(tcb);
    assert!(w.runs(tcb), "a server must be able to start");
    w.recv(ep.cptr, reply.cptr);
    Server { tcb, reply }
}

/// A server that has no scheduling context while it waits.
fn serve_passively(w: &mut World, priority: u8, ep: Named<Endpoint>) -> Server {
    let tcb = w.thread(priority);
    let server = serve(w, tcb, ep);
    let sc = w.context_of(tcb).unwrap();
    sched_context::unbind_tcb(w.k(), sc);
    w.settle();
    server
}

fn delete(w: &mut World, cptr: u64) {
    assert_eq!(w.invoke(World::ROOT, InvocationLabel::CNodeDelete, &[cptr, 64], &[]), Answer::ok(&[]));
}

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

// ---- calls, replies, donation ----

#[test]
fn a_call_is_answered_through_the_reply_object() {
    let mut w = World::new();
    let ep = w.endpoint();
    let (client, server) = (w.thread(10), w.thread(20));
    let s = serve(&mut w, server, ep);
    w.start(client);
    w.call(ep.cptr, 3, &[1, 2, 3]);
    assert!(w.runs(server));
    assert_eq!(w.state(client), ThreadState::BlockedOnReply { reply: s.reply.obj });
    assert!(w.context_of(client).is_some(), "the server has its own context: nothing is lent");
    w.reply_recv(ep.cptr, s.reply.cptr, &[42]);
    assert!(w.runs(client));
    assert_eq!(w.received(client), (0, MessageInfo::new(0, 0, 0, 1), vec![42]));
}

#[test]
fn a_passive_server_runs_on_its_clients_context_and_gives_it_back() {
    let mut w = World::new();
    let ep = w.endpoint();
    let server = serve_passively(&mut w, 20, ep);
    let client = w.thread(10);
    let sc = w.context_of(client);
    w.start(client);
    w.call(ep.cptr, 0, &[]);
    assert!(w.runs(server.tcb));
    assert_eq!((w.context_of(server.tcb), w.context_of(client)), (sc, None));
    w.reply_recv(ep.cptr, server.reply.cptr, &[]);
    assert!(w.runs(client));
    assert_eq!((w.context_of(server.tcb), w.context_of(client)), (None, sc));
}

/// A client and two passive servers, the first of which has called the second.
struct Chain {
    w: World,
    client: Named<Tcb>,
    first: Server,
    second: Server,
    second_ep: Named<Endpoint>,
    sc: Option<KRef<SchedContext>>,
}

fn chain() -> Chain {
    let mut w = World::new();
    let (first_ep, second_ep) = (w.endpoint(), w.endpoint());
    let first = serve_passively(&mut w, 20, first_ep);
    let second = serve_passively(&mut w, 30, second_ep);
    let client = w.thread(10);
    let sc = w.context_of(client);
    w.start(client);
    w.call(first_ep.cptr, 0, &[]);
    w.call(second_ep.cptr, 0, &[]);
    assert!(w.runs(second.tcb));
    assert_eq!(w.context_of(second.tcb), sc);
    Chain { w, client, first, second, second_ep, sc }
}

#[test]
fn nested_replies_return_the_context_step_by_step() {
    let Chain { mut w, client, first, second, second_ep, sc } = chain();
    w.reply_recv(second_ep.cptr, second.reply.cptr, &[]);
    assert!(w.runs(first.tcb));
    assert_eq!(w.context_of(first.tcb), sc);
    w.send(first.reply.cptr, 0, &[8]);
    assert!(w.runs(client));
    assert_eq!(w.context_of(client), sc);
    assert_eq!(w.received(client).2, [8]);
}

#[test]
fn replying_out_of_the_middle_breaks_the_chain_there() {
    let Chain { mut w, client, first, second, sc, .. } = chain();
    // The second server answers the client directly, past the first one.
    w.send(first.reply.cptr, 0, &[]);
    assert!(w.runs(second.tcb), "the client got no context");
    assert_eq!((w.state(client), w.context_of(client)), (ThreadState::Running, None));
    // What is above keeps working.
    w.send(second.reply.cptr, 0, &[]);
    assert!(w.runs(first.tcb));
    assert_eq!(w.context_of(first.tcb), sc);
}

#[test]
fn suspending_a_caller_at_the_top_leaves_the_context_with_the_server() {
    let Chain { mut w, client, first, second, sc, .. } = chain();
    w.suspend(first.tcb.obj);
    assert_eq!(w.context_of(second.tcb), sc);
    assert_eq!(sc.unwrap().get(w.k()).reply.get(), None, "the whole chain is lost");
    w.send(first.reply.cptr, 0, &[]);
    assert_eq!(w.context_of(client), None, "so a later reply does not move it");
    assert_eq!(w.context_of(second.tcb), sc);
}

#[test]
fn deleting_the_top_reply_object_returns_the_context_and_stops_the_caller() {
    let Chain { mut w, client, first, second, sc, .. } = chain();
    let manager = w.thread(200);
    w.start(manager);
    delete(&mut w, second.reply.cptr);
    assert_eq!((w.state(first.tcb), w.context_of(first.tcb)), (ThreadState::Inactive, sc));
    delete(&mut w, first.reply.cptr);
    assert_eq!((w.state(client), w.context_of(client)), (ThreadState::Inactive, sc));
}

#[test]
fn deleting_reply_objects_bottom_up_does_not_reach_the_client() {
    let Chain { mut w, client, first, second, sc, .. } = chain();
    let manager = w.thread(200);
    w.start(manager);
    delete(&mut w, first.reply.cptr);
    assert_eq!((w.state(client), w.context_of(client)), (ThreadState::Inactive, None));
    delete(&mut w, second.reply.cptr);
    assert_eq!((w.state(first.tcb), w.context_of(first.tcb)), (ThreadState::Inactive, sc));
}

#[test]
fn destroying_a_lent_context_stops_its_thread_and_later_replies_wake_without_one() {
    let Chain { mut w, first, second, sc, .. } = chain();
    let manager = w.thread(200);
    w.start(manager);
    let k = w.k();
    sched_context::finalise(k, sc.unwrap());
    assert_eq!(w.context_of(second.tcb), None);
    w.settle();
    let extra = w.context(1000, 1000);
    sched_context::bind_tcb(w.k(), extra.obj, second.tcb.obj);
    w.suspend(manager.obj);
    assert!(w.runs(second.tcb));
    w.send(second.reply.cptr, 0, &[]);
    assert_eq!((w.state(first.tcb), w.context_of(first.tcb)), (ThreadState::Running, None));
    assert_eq!(w.context_of(second.tcb), Some(extra.obj));
}

#[test]
fn a_reply_object_that_is_reused_stops_the_caller_it_held() {
    let mut w = World::new();
    let ep = w.endpoint();
    let server = serve_passively(&mut w, 20, ep);
    let client = w.thread(10);
    let sc = w.context_of(client);
    w.start(client);
    w.call(ep.cptr, 0, &[]);
    w.nb_recv(ep.cptr, server.reply.cptr);
    assert_eq!((w.state(client), w.context_of(client)), (ThreadState::Inactive, None));
    assert_eq!(w.context_of(server.tcb), sc, "the context stays where it is");
}

#[test]
fn a_reply_object_that_is_reused_takes_the_other_receiver_out_of_its_queue() {
    let mut w = World::new();
    let ep = w.endpoint();
    let (a, b) = (w.thread(30), w.thread(20));
    let s = serve(&mut w, a, ep);
    w.start(b);
    w.recv(ep.cptr, s.reply.cptr);
    assert_eq!(w.state(a), ThreadState::Inactive);
    assert_eq!(s.reply.obj.get(w.k()).tcb.get(), Some(b.obj));
}

#[test]
fn a_resumed_caller_repeats_its_call() {
    let mut w = World::new();
    let ep = w.endpoint();
    let (client, server) = (w.thread(10), w.thread(20));
    let s = serve(&mut w, server, ep);
    w.start(client);
    w.call(ep.cptr, 0, &[5]);
    let svc = client.obj.get(w.k()).context.restart_pc.get();
    thread::suspend(w.k(), client.obj);
    assert_eq!(s.reply.obj.get(w.k()).tcb.get(), None);
    w.recv(ep.cptr, s.reply.cptr);
    w.start(client);
    assert!(w.runs(client));
    assert_eq!(client.obj.get(w.k()).context.resume_pc.get(), svc);
    w.trap();
    assert!(w.runs(server));
    assert_eq!(w.received(server).2, [5]);
}

#[test]
fn a_call_that_cannot_be_replied_to_is_delivered_and_stops_the_caller() {
    let mut w = World::new();
    let ep = w.endpoint();
    let mute = w.badged(ep, 4, CapRights::WRITE);
    let (client, server) = (w.thread(10), w.thread(20));
    let s = serve(&mut w, server, ep);
    w.start(client);
    w.call(mute, 0, &[6]);
    assert!(w.runs(server));
    assert_eq!(w.received(server).2, [6]);
    assert_eq!(w.state(client), ThreadState::Inactive);
    assert_eq!(s.reply.obj.get(w.k()).tcb.get(), None);
}

#[test]
fn calls_to_signals_and_free_replies_return_at_once() {
    let mut w = World::new();
    let (n, reply) = (w.notification(4), w.reply());
    let t = w.thread(10);
    w.start(t);
    for cptr in [n.cptr, reply.cptr] {
        w.call(cptr, 7, &[1, 2]);
        assert!(w.runs(t));
        assert_eq!((w.x(t, 0), w.x(t, 1), w.x(t, 2)), (0, 0, 1));
    }
}

#[test]
fn sending_without_write_is_an_error_only_for_a_call() {
    let mut w = World::new();
    let ep = w.endpoint();
    let read_only = w.badged(ep, 4, CapRights::READ);
    let t = w.thread(10);
    w.start(t);
    w.send(read_only, 1, &[5]);
    assert_eq!((w.x(t, 0), w.x(t, 2)), (read_only, 5));
    w.call(read_only, 1, &[5, 6]);
    assert!(w.runs(t));
    assert_eq!((w.x(t, 0), w.x(t, 1)), (0, MessageInfo::new(2, 0, 0, 1).0));
    assert_eq!((w.x(t, 2), w.x(t, 3)), (0, 6));
}

#[test]
fn the_first_phase_donates_for_good_and_the_sender_waits_without() {
    let mut w = World::new();
    let (init, ep) = (w.endpoint(), w.endpoint());
    let starter = w.passive(10);
    w.start(starter);
    assert!(!w.runs(starter));
    let server = w.thread(30);
    let reply = w.reply();
    let sc = w.context_of(server);
    // The starter waits for a message without a context; the server's goes with it.
    let receiver = w.passive(20);
    let r = w.reply();
    receiver.obj.get(w.k()).state.set(ThreadState::Inactive);
    let helper = w.context(5000, 5000);
    sched_context::bind_tcb(w.k(), helper.obj, receiver.obj);
    w.start(receiver);
    w.recv(init.cptr, r.cptr);
    sched_context::unbind_tcb(w.k(), helper.obj);
    w.start(server);
    w.compose(&[], &[]);
    w.syscall(Syscall::NbSendRecv, &[(0, ep.cptr), (1, 0), (6, reply.cptr), (8, init.cptr)]);
    assert!(w.runs(receiver));
    assert_eq!((w.context_of(receiver), w.context_of(server)), (sc, None));
    assert!(matches!(w.state(server), ThreadState::BlockedOnReceive { .. }));
}

#[test]
fn the_first_phase_refuses_silently_and_the_receive_follows() {
    let mut w = World::new();
    let n = w.notification(6);
    let t = w.thread(10);
    w.start(t);
    for first in [t.cptr, World::ROOT, 1 << 50, 0] {
        w.send(n.cptr, 0, &[]);
        let info = MessageInfo::new(InvocationLabel::TcbSuspend.number(), 0, 0, 0);
        w.syscall(Syscall::NbSendRecv, &[(0, n.cptr), (1, info.0), (6, 0), (8, first)]);
        assert!(w.runs(t));
        assert_eq!((w.x(t, 0), w.x(t, 1)), (6, info.0));
    }
}

#[test]
fn reply_recv_takes_the_queued_client_before_the_higher_one_it_answered() {
    let mut w = World::new();
    let ep = w.endpoint();
    let (server, a, b) = (w.thread(10), w.thread(20), w.thread(5));
    let reply = w.reply();
    w.start(a);
    w.call(ep.cptr, 0, &[1]);
    w.start(server);
    w.recv(ep.cptr, reply.cptr);
    assert!(w.runs(server));
    thread::resume(w.k(), b.obj);
    w.settle();
    let second = w.badged(ep, 2, CapRights::ALL);
    // The low client has sent while the server works: made so by hand.
    let Cap::Endpoint(cap) = w.cap(second) else { panic!() };
    sched::dequeue(w.k(), b.obj);
    endpoint::send(w.k(), b.obj, ep.obj, endpoint::Authority::of(cap), endpoint::SendMode::Call);
    w.reply_recv(ep.cptr, reply.cptr, &[]);
    assert!(w.runs(a), "the answered client is higher");
    assert_eq!(w.state(b), ThreadState::BlockedOnReply { reply: reply.obj });
    assert_eq!(w.state(server), ThreadState::Running);
}

// ---- wake-up order (spec §4.5) ----

#[test]
fn threads_of_a_deleted_endpoint_continue_in_reverse_order() {
    let mut w = World::new();
    let ep = w.endpoint();
    let senders: Vec<_> = (0..4).map(|_| w.thread(50)).collect();
    for s in &senders {
        w.start(*s);
        w.send(ep.cptr, 0, &[]);
    }
    let manager = w.thread(100);
    w.start(manager);
    delete(&mut w, ep.cptr);
    for expected in [3, 2, 1, 0] {
        let running = w.current().unwrap();
        w.suspend(running);
        assert!(w.runs(senders[expected]), "sender {expected}");
    }
}

#[test]
fn cancelling_badged_sends_restarts_exactly_those() {
    let mut w = World::new();
    let ep = w.endpoint();
    let badges = [1u64, 2, 1, 3];
    let senders: Vec<_> = badges.iter().map(|_| w.thread(50)).collect();
    let cptrs: Vec<_> = badges.iter().map(|b| w.badged(ep, *b, CapRights::ALL)).collect();
    for (s, cptr) in senders.iter().zip(&cptrs) {
        w.start(*s);
        w.call(*cptr, 0, &[]);
    }
    let manager = w.thread(100);
    w.start(manager);
    let label = InvocationLabel::CNodeCancelBadgedSends;
    assert_eq!(w.invoke(World::ROOT, label, &[cptrs[0], 64], &[]), Answer::ok(&[]));
    assert!(w.runs(manager));
    let left: Vec<_> = ep.obj.get(w.k()).queue().iter(w.k()).collect();
    assert_eq!(left, [senders[1].obj, senders[3].obj]);
    assert_eq!((w.state(senders[0]), w.state(senders[2])), (ThreadState::Restart, ThreadState::Restart));
}

// ---- notifications ----

#[test]
fn a_signal_writes_the_badge_register_only() {
    let mut w = World::new();
    let n = w.notification(0b100);
    let (waiter, signaller) = (w.thread(20), w.thread(10));
    w.start(waiter);
    w.set_x(waiter.obj, 1, 99);
    w.wait(n.cptr);
    w.start(signaller);
    w.send(n.cptr, 0, &[1]);
    assert!(w.runs(waiter));
    assert_eq!((w.x(waiter, 0), w.x(waiter, 1)), (0b100, 99));
}

#[test]
fn signals_add_up_and_zero_is_a_signal() {
    let mut w = World::new();
    let n = w.notification(0b01);
    let Cap::Notification(cap) = w.cap(n.cptr) else { panic!() };
    let other = w.put(Cap::Notification(crate::cap::NotificationCap { badge: Badge(0b10), ..cap }));
    let zero = w.put(Cap::Notification(crate::cap::NotificationCap { badge: Badge(0), ..cap }));
    let t = w.thread(10);
    w.start(t);
    w.send(n.cptr, 0, &[]);
    w.send(other, 0, &[]);
    w.wait(n.cptr);
    assert_eq!(w.x(t, 0), 0b11);
    w.send(zero, 0, &[]);
    w.wait(n.cptr);
    assert!(w.runs(t), "a word of 0 is a signal all the same");
    assert_eq!(w.x(t, 0), 0);
}

#[test]
fn a_bound_thread_gets_signals_while_it_receives() {
    let mut w = World::new();
    let (n, ep) = (w.notification(8), w.endpoint());
    let (bound, t) = (w.thread(20), w.thread(10));
    crate::object::notification::bind_tcb(w.k(), n.obj, bound.obj);
    let s = serve(&mut w, bound, ep);
    w.start(t);
    w.send(n.cptr, 0, &[]);
    assert!(w.runs(bound));
    assert_eq!(w.x(bound, 0), 8);
    assert_eq!(s.reply.obj.get(w.k()).tcb.get(), None, "its reply object is free again");
    // While it runs the signal is kept, and a receive takes it before any sender.
    w.suspend(bound.obj);
    w.send(n.cptr, 0, &[]);
    w.start(bound);
    w.recv(ep.cptr, s.reply.cptr);
    assert!(w.runs(bound));
    assert_eq!(w.x(bound, 0), 8);
}

#[test]
fn others_cannot_wait_on_a_bound_notification() {
    let mut w = World::new();
    let n = w.notification(8);
    let (bound, other) = (w.thread(20), w.thread(30));
    crate::object::notification::bind_tcb(w.k(), n.obj, bound.obj);
    w.start(other);
    w.wait(n.cptr);
    assert_eq!(w.state(other), ThreadState::Inactive, "a fault without a handler");
    w.start(bound);
    w.wait(n.cptr);
    assert!(matches!(w.state(bound), ThreadState::BlockedOnNotification { .. }));
}

#[test]
fn a_notifications_context_is_lent_to_its_waiter_and_comes_back() {
    let mut w = World::new();
    let n = w.notification(1);
    let waiter = w.thread(20);
    let sc = w.context_of(waiter).unwrap();
    sched_context::bind_notification(w.k(), sc, n.obj);
    w.start(waiter);
    w.wait(n.cptr);
    assert_eq!(w.context_of(waiter), None, "given back while it waits");
    let t = w.thread(10);
    w.start(t);
    w.send(n.cptr, 0, &[]);
    assert!(w.runs(waiter));
    assert_eq!(w.context_of(waiter), Some(sc));
    w.wait(n.cptr);
    assert_eq!((w.context_of(waiter), w.runs(t)), (None, true));
}

#[test]
fn receiving_on_the_notifications_context_gives_it_back_even_if_a_sender_waits() {
    let mut w = World::new();
    let (n, ep) = (w.notification(1), w.endpoint());
    let server = w.thread(20);
    let sc = w.context_of(server).unwrap();
    sched_context::bind_notification(w.k(), sc, n.obj);
    crate::object::notification::bind_tcb(w.k(), n.obj, server.obj);
    let client = w.thread(30);
    w.start(client);
    w.call(ep.cptr, 0, &[]);
    let reply = w.reply();
    w.start(server);
    w.recv(ep.cptr, reply.cptr);
    assert!(w.runs(server));
    assert_ne!(w.context_of(server), Some(sc), "it runs on the caller's now");
    assert_eq!(w.context_of(client), None);
}

// ---- faults (spec chapter 5) ----

fn give_handler(w: &World, t: Named<Tcb>, which: TcbSlot, ep: Named<Endpoint>, badge: u64) {
    let cap = EndpointCap { endpoint: ep.obj, badge: Badge(badge), rights: CapRights::ALL };
    crate::cap::cdt::insert(w.k(), w.slot(ep.cptr), t.obj.slot(w.k(), which), Cap::Endpoint(cap));
}

/// A thread with a fault handler that waits for its faults.
fn faulter_and_handler() -> (World, Named<Tcb>, Server, Named<Endpoint>) {
    let mut w = World::new();
    let ep = w.endpoint();
    let (t, h) = (w.thread(10), w.thread(20));
    give_handler(&w, t, TcbSlot::FaultHandler, ep, 55);
    let handler = serve(&mut w, h, ep);
    w.start(t);
    (w, t, handler, ep)
}

#[test]
fn a_vm_fault_is_reported_and_repeated_after_the_reply() {
    let (mut w, t, handler, ep) = faulter_and_handler();
    let pc = t.obj.get(w.k()).context.resume_pc.get();
    let esr = 0xffff_ffff_9200_0006;
    fault::handle_vm_fault(&mut w.m.kernel, VmFault { address: 0xdead_0000, esr, instruction: false });
    w.settle();
    assert!(w.runs(handler.tcb));
    let (badge, info, words) = w.received(handler.tcb);
    assert_eq!((badge, info.label()), (55, 6));
    assert_eq!(words, [pc, 0xdead_0000, 0, 0x9200_0006]);
    assert_eq!(w.state(t), ThreadState::BlockedOnReply { reply: handler.reply.obj });
    // The label of the reply does not matter here.
    w.compose(&[1, 2, 3], &[]);
    let info = MessageInfo::new(9, 0, 0, 3);
    w.syscall(Syscall::ReplyRecv, &[(0, ep.cptr), (1, info.0), (6, handler.reply.cptr)]);
    assert!(w.runs(t));
    assert_eq!(t.obj.get(w.k()).context.resume_pc.get(), pc);
    assert_ne!(w.x(t, 2), 1, "no registers are taken from the reply");
}

#[test]
fn an_unknown_syscall_shows_registers_and_takes_them_back() {
    let (mut w, t, handler, _) = faulter_and_handler();
    (0..8).for_each(|i| w.set_x(t.obj, i, 10 + i as u64));
    w.set_x(t.obj, 7, (-33i64).cast_unsigned());
    w.trap();
    assert!(w.runs(handler.tcb));
    let (_, info, words) = w.received(handler.tcb);
    let (restart, resume) = (0x40_0000, 0x40_0004);
    assert_eq!(info.label(), 2);
    assert_eq!(words[..7], [10, 11, 12, 13, 14, 15, 16]);
    assert_eq!(words[8], restart);
    assert_eq!((words[10], words[12]), (resume, (-33i64).cast_unsigned()));
    let mut answer: Vec<u64> = (70..78).collect();
    answer.extend([resume, 0x8000, 0, 0xf000_03c5]);
    w.send(handler.reply.cptr, 0, &answer);
    let context = &t.obj.get(w.k()).context;
    assert_eq!((w.x(t, 0), w.x(t, 7)), (70, 77));
    assert_eq!((context.restart_pc.get(), context.sp.get()), (resume, 0x8000));
    assert_eq!(context.spsr.get(), 0xf000_0000 | crate::arch::context::SPSR_USER);
    assert_eq!(w.state(t), ThreadState::Restart);
}

#[test]
fn a_fault_reply_with_a_label_stops_the_thread() {
    let (mut w, t, handler, _) = faulter_and_handler();
    fault::handle_user_exception(&mut w.m.kernel, 0x0200_0000);
    w.settle();
    let (_, info, words) = w.received(handler.tcb);
    assert_eq!((info.label(), words.len(), words[3], words[4]), (3, 5, 0x0200_0000, 0));
    w.compose(&[0x1234, 0x5678], &[]);
    w.syscall(Syscall::Send, &[(0, handler.reply.cptr), (1, MessageInfo::new(1, 0, 0, 2).0)]);
    let context = &t.obj.get(w.k()).context;
    assert_eq!(w.state(t), ThreadState::Inactive);
    assert_eq!((context.restart_pc.get(), context.sp.get()), (0x1234, 0x5678));
}

#[test]
fn a_fault_that_is_cancelled_in_the_queue_is_forgotten() {
    let mut w = World::new();
    let ep = w.endpoint();
    let t = w.thread(10);
    give_handler(&w, t, TcbSlot::FaultHandler, ep, 55);
    w.start(t);
    fault::handle_user_exception(&mut w.m.kernel, 0);
    w.settle();
    assert!(matches!(w.state(t), ThreadState::BlockedOnSend { .. }));
    endpoint::cancel_badged_sends(w.k(), ep.obj, Badge(55));
    w.settle();
    assert_eq!((w.state(t), t.obj.get(w.k()).fault.get()), (ThreadState::Inactive, None));
}

#[test]
fn without_a_handler_or_a_reply_object_the_faulter_stops() {
    let (mut w, t, handler, ep) = faulter_and_handler();
    thread::suspend(w.k(), handler.tcb.obj);
    w.start(handler.tcb);
    w.wait(ep.cptr);
    fault::handle_user_exception(&mut w.m.kernel, 7);
    w.settle();
    assert_eq!(w.received(handler.tcb).1.label(), 3);
    assert_eq!(w.state(t), ThreadState::Inactive);
    let alone = w.thread(250);
    w.start(alone);
    w.send(1 << 45, 0, &[]);
    assert_eq!(w.state(alone), ThreadState::Inactive);
}

#[test]
fn a_receive_on_nothing_is_a_fault_even_for_a_poll() {
    let (mut w, _, handler, _) = faulter_and_handler();
    let empty = w.free_slot();
    w.syscall(Syscall::NbRecv, &[(0, empty), (6, empty)]);
    assert!(w.runs(handler.tcb));
    assert_eq!(w.received(handler.tcb).2[1..], [empty, 1, 2, 0]);
}

#[test]
fn a_bad_reply_capability_is_reported_by_its_own_address() {
    let (mut w, _, handler, ep) = faulter_and_handler();
    w.recv(ep.cptr, ep.cptr + 1000);
    assert!(w.runs(handler.tcb));
    let words = w.received(handler.tcb).2;
    assert_eq!((words[1], words[2]), (ep.cptr + 1000, 1));
}

#[test]
fn an_exhausted_thread_with_a_handler_raises_a_timeout_fault() {
    let mut w = World::new();
    let ep = w.endpoint();
    let (t, h) = (w.passive(10), w.thread(20));
    let sc = w.context(1000, 10_000);
    sched_context::bind_tcb(w.k(), sc.obj, t.obj);
    give_handler(&w, t, TcbSlot::TimeoutHandler, ep, 7);
    let handler = serve(&mut w, h, ep);
    w.start(t);
    w.pass_time(1000);
    assert!(w.runs(h));
    let (badge, info, words) = w.received(h);
    assert_eq!((badge, info.label(), words[0]), (7, 5, sc.cptr));
    assert!((980..=1000).contains(&words[1]), "consumed {}", words[1]);
    assert_eq!(w.context_of(t), Some(sc.obj), "the context is not lent");
    // All registers can be set; the thread then waits for its budget without another fault.
    let values: Vec<u64> = (0..34).map(|i| 1000 + i).collect();
    w.reply_recv(ep.cptr, handler.reply.cptr, &values);
    for (i, register) in CONTEXT.iter().enumerate().take(34).filter(|(i, _)| *i != 2) {
        assert_eq!(t.obj.get(w.k()).context.get(*register), 1000 + i as u64);
    }
    assert_eq!(w.state(t), ThreadState::Restart);
    assert_eq!(w.current(), None);
    w.pass_time(9_500);
    assert!(w.runs(t));
}

#[test]
fn a_server_on_a_clients_context_faults_through_its_own_handler() {
    let mut w = World::new();
    let (ep, timeouts) = (w.endpoint(), w.endpoint());
    let server = serve_passively(&mut w, 20, ep);
    give_handler(&w, server.tcb, TcbSlot::TimeoutHandler, timeouts, 7);
    let handler = w.thread(30);
    let h = serve(&mut w, handler, timeouts);
    let client = w.passive(10);
    let sc = w.context(1000, 10_000);
    sched_context::bind_tcb(w.k(), sc.obj, client.obj);
    w.start(client);
    w.call(ep.cptr, 0, &[]);
    w.pass_time(1000);
    assert!(w.runs(handler));
    assert_eq!(w.received(handler).2[0], sc.cptr, "the badge tells the client");
    // The handler answers the client in the server's place: that takes the context away.
    w.send(server.reply.cptr, 0, &[33]);
    assert_eq!((w.context_of(client), w.context_of(server.tcb)), (Some(sc.obj), None));
    assert_eq!(w.received(client).2, [33]);
    assert!(matches!(w.state(server.tcb), ThreadState::BlockedOnReply { .. }));
    w.reply_recv(timeouts.cptr, h.reply.cptr, &[]);
    w.pass_time(9_500);
    assert!(w.runs(client));
}

#[test]
fn a_reply_to_a_thread_without_budget_raises_its_timeout_fault() {
    let mut w = World::new();
    let (ep, timeouts) = (w.endpoint(), w.endpoint());
    let server = serve_passively(&mut w, 20, ep);
    let client = w.passive(10);
    give_handler(&w, client, TcbSlot::TimeoutHandler, timeouts, 7);
    let sc = w.context(1000, 10_000);
    sched_context::bind_tcb(w.k(), sc.obj, client.obj);
    w.start(client);
    w.call(ep.cptr, 0, &[]);
    w.pass_time(1000);
    assert_eq!(w.current(), None, "the server has no handler: it is postponed");
    let manager = w.thread(100);
    w.start(manager);
    w.send(server.reply.cptr, 0, &[]);
    assert!(matches!(w.state(client), ThreadState::BlockedOnSend { .. }));
    assert_eq!(server.reply.obj.get(w.k()).tcb.get(), None);
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
