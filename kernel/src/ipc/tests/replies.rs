//! Calls, replies, donation along chains, and the order in which threads wake up.

use std::vec;
use std::vec::Vec;

use sel4_abi::{CapRights, InvocationLabel, MessageInfo, Syscall};

use super::{Server, serve, serve_passively};
use crate::arch::irq;
use crate::arch::types::Irq;
use crate::cap::{Badge, Cap, delete};
use crate::kobj::KRef;
use crate::object::tcb::{ThreadState, thread};
use crate::object::{Endpoint, SchedContext, Tcb, endpoint, sched_context};
use crate::sched;
use crate::world::{Answer, Named, World};

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
    super::delete(&mut w, second.reply.cptr);
    assert_eq!((w.state(first.tcb), w.context_of(first.tcb)), (ThreadState::Inactive, sc));
    super::delete(&mut w, first.reply.cptr);
    assert_eq!((w.state(client), w.context_of(client)), (ThreadState::Inactive, sc));
}

#[test]
fn deleting_reply_objects_bottom_up_does_not_reach_the_client() {
    let Chain { mut w, client, first, second, sc, .. } = chain();
    let manager = w.thread(200);
    w.start(manager);
    super::delete(&mut w, first.reply.cptr);
    assert_eq!((w.state(client), w.context_of(client)), (ThreadState::Inactive, None));
    super::delete(&mut w, second.reply.cptr);
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
    super::delete(&mut w, ep.cptr);
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

/// More threads than are restarted between two looks at what else is due.
const CROWD: usize = 50;

/// Lets [`CROWD`] threads wait at what `wait` waits at.
fn crowd(w: &mut World, wait: impl Fn(&mut World)) -> Vec<Named<Tcb>> {
    (0..CROWD)
        .map(|_| {
            let t = w.thread(50);
            w.start(t);
            wait(w);
            t
        })
        .collect()
}

/// How many of them were restarted.
fn restarted(w: &World, threads: &[Named<Tcb>]) -> usize {
    threads.iter().filter(|t| w.state(**t) == ThreadState::Restart).count()
}

#[test]
fn deleting_what_many_wait_at_is_preempted_and_lets_nobody_wait_anew() {
    for is_endpoint in [true, false] {
        let mut w = World::with_memory(20);
        let (ep, n) = (w.endpoint(), w.notification(1));
        let cptr = if is_endpoint { ep.cptr } else { n.cptr };
        let threads = crowd(&mut w, |w| if is_endpoint { w.send(cptr, 0, &[]) } else { w.wait(cptr) });
        let manager = w.thread(100);
        w.start(manager);
        let mut done = 0;
        irq::raise(Irq(40));
        while delete::delete(w.k(), w.slot(cptr)).is_err() {
            let now = restarted(&w, &threads);
            assert!((done + 1..=done + 16).contains(&now), "{now} after {done}");
            done = now;
            match w.cap(cptr) {
                Cap::Endpoint(c) => assert!(c.rights.is_empty()),
                Cap::Notification(c) => assert!(c.rights.is_empty()),
                other => panic!("{other:?}"),
            }
        }
        irq::take(|_| ());
        assert!(done > 0, "it was never preempted");
        assert_eq!(restarted(&w, &threads), CROWD);
        assert_eq!(w.cap(cptr), Cap::Null);
        w.settle();
        w.assert_valid();
    }
}

#[test]
fn cancelling_many_badged_sends_is_preempted_and_goes_on() {
    let mut w = World::with_memory(20);
    let ep = w.endpoint();
    let badged = w.badged(ep, 7, CapRights::ALL);
    let threads = crowd(&mut w, |w| w.send(badged, 0, &[]));
    let manager = w.thread(100);
    w.start(manager);
    let mut done = 0;
    irq::raise(Irq(40));
    while endpoint::cancel_badged_sends(w.k(), ep.obj, Badge(7)).is_err() {
        let now = restarted(&w, &threads);
        assert!((done + 1..=done + 16).contains(&now), "{now} after {done}");
        done = now;
    }
    irq::take(|_| ());
    assert!(done > 0, "it was never preempted");
    assert_eq!(restarted(&w, &threads), CROWD);
    w.settle();
    w.assert_valid();
}
