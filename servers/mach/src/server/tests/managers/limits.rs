//! Managers that lie and flood: `spec/mach-memory-objects.md` B.10, row by row where it concerns the server.

use super::*;

#[test]
fn imo_67_at_most_fifty_requests_are_outstanding() {
    let (mut w, assoc) = World::ready(1000);
    let own = w.host.own_task();
    let mut threads = vec![];
    for page in 0..70 {
        let (_, thread) = w.host.new_thread(w.client.task);
        let who = Who { thread, ..w.client };
        assert_eq!(w.fault(who, AT + page * PAGES, READ), None);
        threads.push(who);
    }
    assert_eq!(w.host.server_usage().operations, 70);
    let mut offsets = Vec::new();
    while let Some(upcall) = w.upcall() {
        let Upcall::DataRequest(request) = upcall else { panic!("{upcall:?}") };
        offsets.push(request.offset);
    }
    assert_eq!(offsets.len(), MAX_OUTSTANDING as usize);
    // Each answer lets one more through.
    assert_eq!(w.supply(assoc, offsets[0], &[1]), Ok(()));
    assert_eq!(w.upcall(), World::request(50 * PAGES, VmProt::READ));
    assert_eq!(w.upcall(), None);
    // 66: a client of a silent manager can be killed at once.
    assert_eq!(w.host.call(w.client.task, &TaskTerminate {}).map(drop), Ok(()));
    assert_eq!(w.host.server_usage().operations, 0);
    assert!(w.host.call(own, &TaskThreads {}).is_ok());
}

#[test]
fn imo_65_unsolicited_pages_are_bounded() {
    let (mut w, assoc) = World::ready(1000);
    let frames = w.host.server_usage().frames;
    w.host.fill(w.manager, DATA, &[1; 8]);
    let mut refused = 0;
    for call in 0..1250_u64 {
        let supply = MemoryObjectDataSupply {
            offset: call * 8 * PAGES,
            data: DATA,
            size: 8 * PAGES,
            ..MemoryObjectDataSupply::default()
        };
        match w.say(assoc, &supply) {
            Ok(()) => {}
            Err(KernReturn::RESOURCE_SHORTAGE) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 1200);
    assert!(w.host.server_usage().frames <= frames + 8 + 64 + 4, "8 of its own, 64 supplied, tables");
}

#[test]
fn b10_a_wrong_supply_leaves_the_request_open() {
    let (mut w, assoc) = World::ready(4);
    w.host.fill(w.manager, DATA, &[1]);
    assert_eq!(w.fault(w.client, AT, READ), None);
    let good = MemoryObjectDataSupply { data: DATA, size: PAGES, ..MemoryObjectDataSupply::default() };
    for (bad, code) in [
        (MemoryObjectDataSupply { size: PAGES / 2, ..good }, KernReturn::INVALID_ARGUMENT),
        (MemoryObjectDataSupply { offset: 7, ..good }, KernReturn::INVALID_ARGUMENT),
        (MemoryObjectDataSupply { lock_value: 0x18, ..good }, KernReturn::INVALID_ARGUMENT),
        (MemoryObjectDataSupply { data: 0xdead_0000, ..good }, KernReturn::SEND_INVALID_MEMORY),
    ] {
        assert_eq!(w.say(assoc, &bad), Err(code), "{bad:?}");
        assert!(!w.host.goes_on(w.client));
    }
    assert_eq!(w.say(assoc, &good), Ok(()));
    assert!(w.host.goes_on(w.client));
}

#[test]
fn b10_a_client_can_neither_forge_the_server_nor_use_what_is_not_a_control_port() {
    let (mut w, assoc) = World::ready(4);
    w.host.send_to(w.client.thread, w.mine, Disposition::COPY_SEND, 2208);
    let forged = w.host.receive_by(w.manager, w.object).message.unwrap();
    assert_eq!((forged.header.id, forged.header.is_from_server), (2208, false));
    // A client has no control right; the object port is none, nor is the name port.
    let region = mach_protocol::vm::GnuVmRegion { address: AT };
    let name = w.host.call_by(w.client.thread, w.client.own, &region).unwrap().object_name;
    let error = MemoryObjectDataError { offset: 0, size: PAGES, error_value: 0 };
    for target in [w.mine, name, w.client.own] {
        let answer = w.host.call_by(w.client.thread, target, &error).map(drop);
        assert_eq!(answer, Err(KernReturn::INVALID_ARGUMENT));
        let answer = w.host.call_by(w.client.thread, target, &MemoryObjectDestroy { reason: 0 });
        assert_eq!(answer.map(drop), Ok(()), "without effect");
    }
    assert!(w.say(assoc, &MemoryObjectGetAttributes {}).is_ok(), "it is still there");
    assert_eq!(w.upcall(), None);
}

#[test]
fn what_is_mapped_and_unmapped_before_a_deaf_manager_is_bounded() {
    let mut w = World::new();
    let mut made = 0;
    while w.map(w.client, w.mine, 4).is_ok() {
        w.unmap(4);
        made += 1;
        assert!(made < 1000);
    }
    assert_eq!(w.map(w.client, w.mine, 4), Err(KernReturn::RESOURCE_SHORTAGE));
    assert_eq!(made, crate::manager::PORT_MESSAGES / 2);
    // Taking two messages makes room for one more.
    let assoc = w.init();
    assert_eq!(w.upcall(), Some(Upcall::Terminate(Terminate {})));
    assert_eq!(w.map(w.client, w.mine, 4), Ok(AT));
    assert!(w.say(assoc, &MemoryObjectGetAttributes {}).is_err());
    assert_eq!(w.host.call(w.manager.task, &TaskTerminate {}).map(drop), Ok(()));
    assert_eq!(w.host.server_usage().associations, 0);
    assert!(w.host.server.hw.managers.is_settled());
}

#[test]
fn a_task_that_takes_no_completions_gets_no_more() {
    let (mut w, assoc) = World::ready(4);
    let reply_to = w.host.new_port(w.manager.thread);
    let request = MemoryObjectLockRequest {
        size: 0,
        lock_value: 8,
        reply_to,
        reply_disposition: Disposition::MAKE_SEND.0,
        ..MemoryObjectLockRequest::default()
    };
    let sent = (0..5000).take_while(|_| w.say(assoc, &request).is_ok()).count();
    assert_eq!(sent, crate::manager::TASK_MESSAGES as usize);
    assert_eq!(w.say(assoc, &request), Err(KernReturn::SEND_NO_BUFFER));
    // Its clients wait, as the manager has no room.
    assert_eq!(w.fault(w.client, AT, READ), None);
    assert_eq!(w.upcall(), None);
    assert!(w.host.receive_by(w.manager, reply_to).message.is_some());
    assert_eq!(w.upcall(), World::request(0, VmProt::READ), "there is room");
}

#[test]
fn messages_add_references_that_the_manager_drops() {
    let (mut w, assoc) = World::ready(4);
    let refs = MachPortGetRefs { name: assoc.control, right: Right::SEND.0 };
    let before = w.host.call_by(w.manager.thread, w.manager.own, &refs).unwrap().refs;
    assert_eq!(w.fault(w.client, AT, READ), None);
    assert!(w.upcall().is_some());
    assert_eq!(w.host.call_by(w.manager.thread, w.manager.own, &refs).unwrap().refs, before + 1);
    let drop_it = MachPortModRefs { name: assoc.control, right: Right::SEND.0, delta: -1 };
    assert_eq!(w.host.call_by(w.manager.thread, w.manager.own, &drop_it).map(drop), Ok(()));
}

#[test]
fn only_a_port_that_a_task_receives_from_can_be_mapped() {
    let mut w = World::new();
    let client = w.client;
    assert_eq!(w.map(client, client.own, 1), Err(KernReturn::INVALID_OBJECT));
    assert_eq!(w.map(client, PortName(4711), 1), Err(KernReturn::INVALID_ARGUMENT));
    assert_eq!(w.map_at(client, w.mine, AT, 5, 1), Err(KernReturn::INVALID_ARGUMENT), "an offset within a page");
    let once = {
        let extract = MachPortExtractRight { name: w.object, disposition: Disposition::MAKE_SEND_ONCE.0 };
        let poly = w.host.call(w.manager.task, &extract).unwrap().poly;
        let disposition = Disposition::MOVE_SEND_ONCE.0;
        let insert = MachPortInsertRight { name: PortName(0x9999), poly, disposition };
        assert_eq!(w.host.call(client.task, &insert).map(drop), Ok(()));
        insert.name
    };
    assert_eq!(w.map(client, once, 1), Err(KernReturn::INVALID_OBJECT));
    assert_eq!(w.host.server_usage().associations, 0);
    assert_eq!(w.upcall(), None);
}

#[test]
fn imo_33_34_43_memory_pressure_takes_the_pages_of_managers_before_it_refuses_anybody() {
    const PAGES_SUPPLIED: u64 = 60;
    let (mut w, assoc) = World::ready(200);
    for page in 0..PAGES_SUPPLIED {
        assert_eq!(w.supply(assoc, page * PAGES, &[page as u8]), Ok(()));
        let is_written = page % 2 == 0;
        assert!(w.fault(w.client, AT + page * PAGES, if is_written { WRITE } else { READ }).is_some());
    }
    let hog = w.host.new_who();
    let whole = VmAllocate { address: AT, size: 2 << 20, flags: 0 };
    assert!(w.host.call_by(hog.thread, hog.own, &whole).is_ok());
    let watch = w.host.watch(hog.task, 1);
    let touched = (0..512).take_while(|page| w.fault(hog, AT + page * PAGES, WRITE).is_some()).count();
    assert_eq!(w.host.killed_by(watch), Some(6), "it took {touched} pages");
    // What was clean is gone silently, what was written is on its way, each page once.
    let mut returned = Vec::new();
    while let Some(upcall) = w.upcall() {
        let Upcall::DataReturn(pages) = upcall else { panic!("{upcall:?}") };
        assert!(pages.dirty && !pages.kernel_copy);
        assert_eq!(w.host.byte(w.manager, pages.data), (pages.offset / PAGES) as u8);
        returned.push(pages.offset / PAGES);
    }
    returned.sort_unstable();
    assert_eq!(returned, (0..PAGES_SUPPLIED).step_by(2).collect::<Vec<_>>());
    assert_eq!(w.fault(w.client, AT, READ), None);
    assert_eq!(w.upcall(), World::request(0, VmProt::READ));
}
