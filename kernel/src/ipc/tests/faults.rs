//! Faults and the replies to them (spec chapter 5).

use std::vec::Vec;

use sel4_abi::registers::CONTEXT;
use sel4_abi::{MessageInfo, Syscall};

use super::{Server, give_handler, serve, serve_passively};
use crate::arch::context::SPSR_USER;
use crate::cap::Badge;
use crate::ipc::fault::{self, VmFault};
use crate::object::tcb::{ThreadState, thread};
use crate::object::{Endpoint, Tcb, TcbSlot, endpoint, sched_context};
use crate::world::{Named, World};

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
    assert_eq!(context.spsr.get(), 0xf000_0000 | SPSR_USER);
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
    assert_eq!(endpoint::cancel_badged_sends(w.k(), ep.obj, Badge(55)), Ok(()));
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
