//! Whole IPC scenarios over the arena: messages, replies, donation, signals, faults.

mod faults;
mod messages;
mod notifications;
mod replies;

use sel4_abi::{CapRights, InvocationLabel};

use crate::cap::{Badge, Cap, EndpointCap, cdt};
use crate::object::{Endpoint, Reply, Tcb, TcbSlot, sched_context};
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

fn give_handler(w: &World, t: Named<Tcb>, which: TcbSlot, ep: Named<Endpoint>, badge: u64) {
    let cap = EndpointCap { endpoint: ep.obj, badge: Badge(badge), rights: CapRights::ALL };
    cdt::insert(w.k(), w.slot(ep.cptr), t.obj.slot(w.k(), which), Cap::Endpoint(cap));
}
