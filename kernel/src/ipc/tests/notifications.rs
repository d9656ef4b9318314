//! Signals, bound notifications, and scheduling contexts that notifications lend.

use super::serve;
use crate::cap::{Badge, Cap, NotificationCap};
use crate::object::tcb::ThreadState;
use crate::object::{notification, sched_context};
use crate::world::World;

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
    let other = w.put(Cap::Notification(NotificationCap { badge: Badge(0b10), ..cap }));
    let zero = w.put(Cap::Notification(NotificationCap { badge: Badge(0), ..cap }));
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
    notification::bind_tcb(w.k(), n.obj, bound.obj);
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
    notification::bind_tcb(w.k(), n.obj, bound.obj);
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
    notification::bind_tcb(w.k(), n.obj, server.obj);
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
