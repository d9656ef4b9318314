//! Managers and clients that end, in each state of an association; and managers that say nothing.

use super::*;
use mach_protocol::private::MANAGER_DEADLINE_MS;

/// Ticks that a limit of one second takes at the most.
const SECOND: u32 = 203;

impl World {
    fn counts(&mut self) -> ServerUsageReply {
        self.host.server_usage()
    }

    fn end(&mut self, who: Who) {
        assert_eq!(self.host.call(who.task, &TaskTerminate {}).map(drop), Ok(()));
    }

    fn limit(&mut self, name: PortName, milliseconds: u32) -> Result<(), KernReturn> {
        let host_priv = mach_protocol::boot::HOST_PRIV;
        self.host.call(name, &MemoryObjectSetDeadline { host_priv, milliseconds }).map(drop)
    }

    /// Root's own name of the object port.
    fn roots(&mut self) -> PortName {
        let extract = MachPortExtractRight { name: self.object, disposition: Disposition::MAKE_SEND.0 };
        self.host.call(self.manager.task, &extract).unwrap().poly
    }
}

/// What the ports of a manager and a client are counted as, with all that they cause: back when both have ended.
fn nothing_is_left(end_manager_first: bool, prepare: impl Fn(&mut World)) {
    let mut w = World::new();
    let own = w.host.own_task();
    let mut seen = Vec::new();
    for _ in 0..3 {
        prepare(&mut w);
        let (first, second) = if end_manager_first { (w.manager, w.client) } else { (w.client, w.manager) };
        w.end(first);
        // A client that waited has been killed by now.
        let _ = w.host.call(second.task, &TaskTerminate {});
        for name in [w.manager.task, w.client.task] {
            while w.host.call(own, &MachPortDeallocate { name }).is_ok() {}
        }
        let usage = w.counts();
        assert_eq!((usage.associations, usage.operations, usage.messages), (0, 0, 0));
        seen.push(ServerUsageReply { ..usage });
        let World { host, .. } = w;
        let mut host = host;
        let [manager, client] = [(); 2].map(|()| host.new_who());
        let object = host.new_port(manager.thread);
        let mine = host.give_send(manager, object, client);
        w = World { host, manager, client, object, mine };
    }
    assert_eq!(seen[1], seen[2]);
}

fn mapped(w: &mut World) -> Assoc {
    assert_eq!(w.map(w.client, w.mine, 8), Ok(AT));
    w.init()
}

fn ready(w: &mut World) -> Assoc {
    let assoc = mapped(w);
    assert_eq!(w.say(assoc, &MemoryObjectReady { may_cache: false, copy_strategy: 2 }), Ok(()));
    assoc
}

#[test]
fn ends_leave_nothing_behind_in_any_state() {
    let states: [fn(&mut World); 7] = [
        // init is not received.
        |w| assert_eq!(w.map(w.client, w.mine, 8), Ok(AT)),
        // A fault waits for ready.
        |w| {
            mapped(w);
            assert_eq!(w.fault(w.client, AT, READ), None);
        },
        // A request is queued.
        |w| {
            ready(w);
            assert_eq!(w.fault(w.client, AT, READ), None);
        },
        // A request is received.
        |w| {
            ready(w);
            assert_eq!(w.fault(w.client, AT, READ), None);
            assert_eq!(w.upcall(), World::request(0, VmProt::READ));
        },
        // A page is dirty.
        |w| {
            let assoc = ready(w);
            assert_eq!(w.supply(assoc, 0, &[1, 2]), Ok(()));
            assert!(w.fault(w.client, AT, WRITE).is_some());
        },
        // A page is on its way back.
        |w| {
            let assoc = ready(w);
            assert_eq!(w.supply(assoc, 0, &[1, 2]), Ok(()));
            assert!(w.fault(w.client, AT, WRITE).is_some());
            w.unmap(8);
        },
        // Destroyed, with its terminate in the queue.
        |w| {
            let assoc = ready(w);
            assert_eq!(w.supply(assoc, 0, &[1, 2]), Ok(()));
            assert_eq!(w.say(assoc, &MemoryObjectDestroy { reason: 0 }), Ok(()));
        },
    ];
    for state in states {
        nothing_is_left(true, state);
        nothing_is_left(false, state);
    }
}

#[test]
fn imo_54_the_managers_end_is_an_error_for_who_waits_and_resident_pages_stay() {
    let (mut w, assoc) = World::ready(8);
    let watch = w.host.watch(w.client.task, 1);
    let other = w.host.new_who();
    let theirs = w.host.give_send(w.manager, w.object, other);
    assert_eq!(w.map(other, theirs, 8), Ok(AT));
    assert_eq!(w.supply(assoc, 0, &[3]), Ok(()));
    assert_eq!(w.fault(w.client, AT + PAGES, READ), None);
    let region = mach_protocol::vm::GnuVmRegion { address: AT };
    let name = w.host.call_by(other.thread, other.own, &region).unwrap().object_name;
    w.end(w.manager);
    assert_eq!(w.host.killed_by(watch), Some(10));
    assert!(w.fault(other, AT, WRITE).is_some());
    assert_eq!(w.host.byte(other, AT), 3);
    // 56
    let kind = w.host.call_by(other.thread, other.own, &MachPortType { name }).unwrap().port_type;
    assert_eq!(kind, 1 << 20, "the name is dead");
    // Who maps it now is told.
    assert_eq!(w.map_at(other, theirs, AT + (1 << 24), 0, 1), Err(KernReturn::INVALID_ARGUMENT));
}

#[test]
fn imo_55_so_is_the_end_of_the_object_port_alone() {
    let (mut w, _) = World::ready(8);
    let watch = w.host.watch(w.client.task, 1);
    assert_eq!(w.fault(w.client, AT, READ), None);
    let destroy = MachPortDestroy { name: w.object };
    assert_eq!(w.host.call_by(w.manager.thread, w.manager.own, &destroy).map(drop), Ok(()));
    assert_eq!(w.host.killed_by(watch), Some(10));
}

#[test]
fn imo_50_52_53_destroying_twice_is_destroying_once() {
    let (mut w, assoc) = World::ready(8);
    assert_eq!(w.supply(assoc, 0, &[3]), Ok(()));
    assert!(w.fault(w.client, AT, WRITE).is_some());
    for _ in 0..2 {
        assert_eq!(w.say(assoc, &MemoryObjectDestroy { reason: 1 }), Ok(()));
    }
    let (upcall, message) = w.next().expect("terminate");
    assert_eq!(upcall, Upcall::Terminate(Terminate {}));
    assert_eq!(message.rights()[0].disposition, Disposition::PORT_RECEIVE);
    assert_eq!(w.say(assoc, &MemoryObjectDestroy { reason: 1 }), Ok(()), "a stale control right");
    assert_eq!(w.upcall(), None);
    assert!(w.fault(w.client, AT, WRITE).is_some(), "what is here stays");
    let other = w.host.new_who();
    let theirs = w.host.give_send(w.manager, w.object, other);
    assert_eq!(w.map(other, theirs, 8), Ok(AT));
    assert_ne!(w.init(), assoc);
    let watch = w.host.watch(w.client.task, 1);
    w.fault(w.client, AT + PAGES, READ);
    assert_eq!(w.host.killed_by(watch), Some(10), "the old mapping has nobody to ask");
}

#[test]
fn imo_06_who_waits_for_ready_gets_an_error_by_destroy() {
    let mut w = World::new();
    let watch = w.host.watch(w.client.task, 1);
    let assoc = mapped(&mut w);
    assert_eq!(w.fault(w.client, AT, READ), None);
    assert_eq!(w.say(assoc, &MemoryObjectDestroy { reason: 1 }), Ok(()));
    assert_eq!(w.host.killed_by(watch), Some(10));
    assert_eq!(w.upcall(), Some(Upcall::Terminate(Terminate {})));
}

#[test]
fn a_client_that_ends_leaves_the_manager_able_to_answer() {
    let (mut w, assoc) = World::ready(8);
    let other = w.host.new_who();
    let theirs = w.host.give_send(w.manager, w.object, other);
    assert_eq!(w.map(other, theirs, 8), Ok(AT));
    assert_eq!(w.fault(w.client, AT, READ), None);
    w.end(w.client);
    assert_eq!(w.upcall(), World::request(0, VmProt::READ));
    assert_eq!(w.supply(assoc, 0, &[8]), Ok(()), "nobody waits for it, but it was asked for");
    assert!(w.fault(other, AT, READ).is_some());
    assert_eq!(w.host.byte(other, AT), 8);
}

#[test]
fn a_silent_manager_costs_its_clients_an_error_and_nobody_anything_else() {
    let (mut w, assoc) = World::ready(8);
    let roots = w.roots();
    assert_eq!(w.limit(roots, 1000), Ok(()));
    let watch = w.host.watch(w.client.task, 1);
    assert_eq!(w.fault(w.client, AT, READ), None);
    assert_eq!(w.upcall(), World::request(0, VmProt::READ));
    for tick in 0..200 {
        w.host.tick();
        assert_eq!(w.host.killed_by(watch), None, "{tick} ticks are too early");
    }
    (200..SECOND).for_each(|_| w.host.tick());
    assert_eq!(w.host.killed_by(watch), Some(10));
    assert_eq!(w.counts().operations, 0);
    // The manager may come back: the object is terminated by its last client's end, in order.
    assert_eq!(w.supply(assoc, 0, &[1]), Err(KernReturn::INVALID_ARGUMENT));
    assert_eq!(w.upcall(), Some(Upcall::Terminate(Terminate {})));
}

#[test]
fn an_answer_to_another_wait_starts_the_time_anew_and_zero_means_no_limit() {
    let (mut w, assoc) = World::ready(8);
    let roots = w.roots();
    assert_eq!(w.limit(roots, 1000), Ok(()));
    let watch = w.host.watch(w.client.task, 1);
    let (_, thread) = w.host.new_thread(w.client.task);
    let other = Who { thread, ..w.client };
    assert_eq!(w.fault(w.client, AT, READ), None);
    assert_eq!(w.fault(other, AT + PAGES, READ), None);
    (0..150).for_each(|_| w.host.tick());
    assert_eq!(w.say(assoc, &MemoryObjectDataUnavailable { offset: PAGES, size: PAGES }), Ok(()));
    assert!(w.host.goes_on(other));
    (0..150).for_each(|_| w.host.tick());
    assert_eq!(w.host.killed_by(watch), None);
    assert_eq!(w.limit(roots, 0), Ok(()));
    (0..1000).for_each(|_| w.host.tick());
    assert_eq!(w.host.killed_by(watch), None);
    assert_eq!(w.limit(roots, 10), Ok(()));
    (0..4).for_each(|_| w.host.tick());
    assert_eq!(w.host.killed_by(watch), Some(10));
}

#[test]
fn noise_buys_a_manager_no_time() {
    let (mut w, assoc) = World::ready(1000);
    let roots = w.roots();
    assert_eq!(w.limit(roots, 1000), Ok(()));
    let watch = w.host.watch(w.client.task, 1);
    assert_eq!(w.fault(w.client, AT, READ), None);
    for tick in 0..=200 {
        assert_eq!(w.host.killed_by(watch), None, "after {tick} ticks");
        if tick % 20 == 0 {
            let flap =
                MemoryObjectLockRequest { size: 900 * PAGES, lock_value: 2, ..MemoryObjectLockRequest::default() };
            assert_eq!(w.say(assoc, &flap), Ok(()));
            assert_eq!(w.say(assoc, &MemoryObjectReady { may_cache: false, copy_strategy: 2 }), Ok(()));
            assert_eq!(w.supply(assoc, (tick + 20) * PAGES, &[1, 2]), Ok(()));
            assert_eq!(w.say(assoc, &MemoryObjectDataError { offset: 8 * PAGES, size: PAGES, error_value: 0 }), Ok(()));
            assert!(w.say(assoc, &MemoryObjectGetAttributes {}).is_ok());
            let _ = w.upcall();
        }
        w.host.tick();
    }
    assert_eq!(w.host.killed_by(watch), Some(10));
}

#[test]
fn a_manager_that_never_becomes_ready_is_a_silent_one() {
    let mut w = World::new();
    let roots = w.roots();
    assert_eq!(w.limit(roots, 10), Err(KernReturn::INVALID_ARGUMENT), "not mapped yet");
    let assoc = mapped(&mut w);
    assert_eq!(w.limit(roots, 10), Ok(()));
    let watch = w.host.watch(w.client.task, 1);
    assert_eq!(w.fault(w.client, AT, READ), None);
    (0..4).for_each(|_| w.host.tick());
    assert_eq!(w.host.killed_by(watch), Some(10));
    assert_eq!(
        w.say(assoc, &MemoryObjectReady { may_cache: false, copy_strategy: 2 }),
        Err(KernReturn::INVALID_ARGUMENT)
    );
}

#[test]
fn a_manager_without_privilege_can_only_be_stricter_with_itself() {
    let (mut w, assoc) = World::ready(8);
    let limit = |milliseconds| MemoryObjectSetDeadline { host_priv: PortName::NULL, milliseconds };
    for milliseconds in [0, MANAGER_DEADLINE_MS + 1, u32::MAX] {
        assert_eq!(w.say(assoc, &limit(milliseconds)), Err(KernReturn::INVALID_HOST));
    }
    assert_eq!(w.say(assoc, &limit(1)), Ok(()));
    assert_eq!(w.say(assoc, &limit(MANAGER_DEADLINE_MS)), Ok(()));
    // Root has a send right to the object, but does not receive from it.
    let roots = w.roots();
    assert_eq!(w.host.call(roots, &limit(1)).map(drop), Err(KernReturn::INVALID_HOST));
    assert_eq!(w.limit(roots, 0), Ok(()));
    assert_eq!(w.limit(w.manager.task, 0), Err(KernReturn::INVALID_ARGUMENT));
    assert_eq!(w.limit(PortName(99_999), 0), Err(KernReturn::SEND_INVALID_DEST));
}

#[test]
fn a_termination_that_waits_for_a_full_queue_ends_by_the_deadline() {
    const COUNT: u64 = 80;
    let (mut w, assoc) = World::ready(2 * COUNT);
    let roots = w.roots();
    assert_eq!(w.limit(roots, 10), Ok(()));
    let before = w.counts();
    for page in 0..COUNT {
        assert_eq!(w.supply(assoc, 2 * page * PAGES, &[1]), Ok(()));
        assert!(w.fault(w.client, AT + 2 * page * PAGES, WRITE).is_some());
    }
    w.unmap(2 * COUNT);
    assert_eq!(w.counts().associations, 1, "it waits for room");
    (0..4).for_each(|_| w.host.tick());
    assert_eq!(w.counts().associations, 0);
    let mut returns = 0;
    let last = loop {
        match w.upcall().expect("terminate is the last one") {
            Upcall::DataReturn(_) => returns += 1,
            other => break other,
        }
    };
    assert_eq!((last, w.upcall()), (Upcall::Terminate(Terminate {}), None));
    assert!(returns > 0 && returns < COUNT, "{returns}");
    assert_eq!(w.counts().messages, before.messages);
}
