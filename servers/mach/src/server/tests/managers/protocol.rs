//! Messages and calls, in order.

use super::*;

const NO_CHANGE: u32 = 8;

fn lock(should_return: ShouldReturn, flush: bool, lock_value: u32) -> MemoryObjectLockRequest {
    MemoryObjectLockRequest {
        offset: 0,
        size: 64 * PAGES,
        should_return: should_return.0,
        should_flush: u32::from(flush),
        lock_value,
        ..MemoryObjectLockRequest::default()
    }
}

/// The address of the data of a data_return, as the manager has it now.
fn returned(upcall: Option<Upcall>) -> DataReturn {
    match upcall {
        Some(Upcall::DataReturn(pages)) => pages,
        other => panic!("a data_return, not {other:?}"),
    }
}

impl World {
    /// A port of the manager's for completions, and how a call names it.
    fn reply_port(&mut self) -> (PortName, u32) {
        (self.host.new_port(self.manager.thread), Disposition::MAKE_SEND_ONCE.0)
    }

    fn at(&mut self, port: PortName) -> Option<Upcall> {
        self.host.next_upcall(self.manager, port).map(|(upcall, _)| upcall)
    }

    /// The id of a notification at a port.
    fn notified(&mut self, port: PortName) -> Option<i32> {
        self.host.receive_by(self.manager, port).message.map(|message| message.header.id)
    }
}

#[test]
fn one_page_goes_the_whole_way() {
    let mut w = World::new();
    let (client, manager) = (w.client, w.manager);
    assert_eq!(w.map(client, w.mine, 4), Ok(AT));
    // 1: init comes, and vm_map did not wait for the answer.
    let assoc = w.init();
    // 3, 4: no request before the manager is ready.
    assert_eq!(w.fault(client, AT + PAGES + 8, READ), None);
    assert_eq!(w.upcall(), None);
    let attributes = |w: &mut World| w.host.call_by(manager.thread, assoc.control, &MemoryObjectGetAttributes {});
    assert!(!attributes(&mut w).unwrap().object_ready);
    // 5
    let bad = MemoryObjectReady { may_cache: true, copy_strategy: 7 };
    assert_eq!(w.say(assoc, &bad), Err(KernReturn::INVALID_ARGUMENT));
    assert!(!attributes(&mut w).unwrap().object_ready);
    assert_eq!(w.say(assoc, &MemoryObjectReady { may_cache: true, copy_strategy: 2 }), Ok(()));
    let expected =
        MemoryObjectGetAttributesReply { object_ready: true, may_cache: true, copy_strategy: 2, temporary: false };
    assert_eq!(attributes(&mut w), Ok(expected));
    assert_eq!(w.upcall(), World::request(PAGES, VmProt::READ));
    assert_eq!(w.upcall(), None);
    // 10
    assert_eq!(w.supply(assoc, PAGES, &[7]), Ok(()));
    assert!(w.host.goes_on(client));
    assert_eq!(w.host.byte(client, AT + PAGES), 7);
    assert_eq!(w.host.server_usage().associations, 1);
}

#[test]
fn imo_02_08_09_two_mappings_are_one_object() {
    let (mut w, assoc) = World::ready(4);
    let second = w.host.new_who();
    let theirs = w.host.give_send(w.manager, w.object, second);
    assert_eq!(w.map_at(second, theirs, AT, 3 * PAGES, 2), Ok(AT));
    assert_eq!(w.upcall(), None, "no second init");
    assert_eq!(w.fault(second, AT, READ), None);
    assert_eq!(w.upcall(), World::request(3 * PAGES, VmProt::READ));
    assert_eq!(w.supply(assoc, 3 * PAGES, &[9]), Ok(()));
    assert!(w.host.goes_on(second));
    assert_eq!(w.host.byte(w.client, AT + 3 * PAGES), 9);
}

#[test]
fn imo_10_13_a_supply_is_completed() {
    let (mut w, assoc) = World::ready(4);
    let (port, reply_disposition) = w.reply_port();
    w.host.fill(w.manager, DATA, &[1]);
    let call = MemoryObjectDataSupply {
        data: DATA,
        size: PAGES,
        reply_to: port,
        reply_disposition,
        ..MemoryObjectDataSupply::default()
    };
    assert_eq!(w.say(assoc, &call), Ok(()));
    let done = SupplyCompleted { offset: 0, length: PAGES, result: 0, error_offset: 0 };
    assert_eq!(w.at(port), Some(Upcall::SupplyCompleted(done)));
    assert_eq!(w.say(assoc, &call), Err(KernReturn::MEMORY_PRESENT));
    assert_eq!(w.at(port), Some(Upcall::SupplyCompleted(SupplyCompleted { result: 23, ..done })));
    assert_eq!(w.upcall(), None);
}

#[test]
fn imo_24_38_a_refused_call_destroys_its_reply_right() {
    let (mut w, assoc) = World::ready(4);
    let (reply_to, reply_disposition) = w.reply_port();
    const REFUSED: Result<(), KernReturn> = Err(KernReturn::INVALID_ARGUMENT);
    let supply = MemoryObjectDataSupply {
        data: DATA,
        size: PAGES,
        lock_value: 8,
        reply_to,
        reply_disposition,
        ..MemoryObjectDataSupply::default()
    };
    w.host.fill(w.manager, DATA, &[1]);
    assert_eq!(w.say(assoc, &supply), REFUSED);
    assert_eq!(w.notified(reply_to), Some(71));
    let request = lock(ShouldReturn::NONE, false, 0x18);
    assert_eq!(w.say(assoc, &MemoryObjectLockRequest { reply_to, reply_disposition, ..request }), REFUSED);
    assert_eq!(w.notified(reply_to), Some(71));
    // Of a right that there is not nothing is taken.
    let foreign =
        MemoryObjectLockRequest { reply_to: PortName(4711), reply_disposition, ..lock(ShouldReturn::NONE, false, 0) };
    assert_eq!(w.say(assoc, &foreign), Err(KernReturn::SEND_INVALID_RIGHT));
    let receive = MemoryObjectLockRequest { reply_to, reply_disposition: 16, ..foreign };
    assert_eq!(w.say(assoc, &receive), Err(KernReturn::SEND_INVALID_TYPE));
    assert_eq!(w.notified(reply_to), None);
}

#[test]
fn imo_16_an_error_is_an_exception_and_the_next_access_asks_again() {
    let (mut w, assoc) = World::ready(4);
    let watch = w.host.watch(w.client.task, 1);
    assert_eq!(w.fault(w.client, AT, READ), None);
    assert_eq!(w.upcall(), World::request(0, VmProt::READ));
    let error = MemoryObjectDataError { offset: 0, size: PAGES, error_value: 3 };
    assert_eq!(w.say(assoc, &error), Ok(()));
    assert_eq!(w.host.killed_by(watch), Some(10));
}

#[test]
fn imo_25_27_written_pages_come_back_before_the_completion() {
    let (mut w, assoc) = World::ready(4);
    assert_eq!(w.supply(assoc, 0, &[1, 2, 3]), Ok(()));
    for page in 0..2 {
        assert!(w.fault(w.client, AT + page * PAGES, WRITE).is_some());
        w.host.set_byte(w.client, AT + page * PAGES, 40 + page as u8);
    }
    // To the object port itself, so that the order shows.
    let (reply_to, reply_disposition) = (w.object, Disposition::MAKE_SEND_ONCE.0);
    let request =
        MemoryObjectLockRequest { reply_to, reply_disposition, ..lock(ShouldReturn::DIRTY, false, NO_CHANGE) };
    let completed = Some(Upcall::LockCompleted(LockCompleted { offset: 0, length: 64 * PAGES }));
    assert_eq!(w.say(assoc, &request), Ok(()));
    let pages = returned(w.upcall());
    assert_eq!((pages.offset, pages.size, pages.dirty, pages.kernel_copy), (0, 2 * PAGES, true, true));
    assert_eq!([0, 1].map(|page| w.host.byte(w.manager, pages.data + page * PAGES)), [40, 41]);
    assert_eq!(w.upcall(), completed);
    // 26
    assert_eq!(w.say(assoc, &request), Ok(()));
    assert_eq!(w.upcall(), completed);
    // 27
    assert!(w.fault(w.client, AT, WRITE).is_some());
    let flush = lock(ShouldReturn::DIRTY, true, NO_CHANGE);
    assert_eq!(w.say(assoc, &flush), Ok(()));
    let pages = returned(w.upcall());
    assert_eq!((pages.size, pages.kernel_copy), (PAGES, false));
    assert_eq!(w.fault(w.client, AT, READ), None);
    assert_eq!(w.upcall(), World::request(0, VmProt::READ));
    // 35, 70
    let nothing = MemoryObjectLockRequest { size: 0, ..request };
    assert_eq!(w.say(assoc, &nothing), Ok(()));
    assert_eq!(w.upcall(), Some(Upcall::LockCompleted(LockCompleted { offset: 0, length: 0 })));
    let everything = MemoryObjectLockRequest { size: u64::MAX - PAGES + 1, ..request };
    assert_eq!(w.say(assoc, &everything), Ok(()));
    assert!(matches!(w.upcall(), Some(Upcall::LockCompleted(_))));
}

#[test]
fn a_manager_of_one_thread_takes_what_its_lock_request_returns() {
    const COUNT: u64 = 90;
    let (mut w, assoc) = World::ready(2 * COUNT);
    for page in 0..COUNT {
        // Every other page, so that each is a message of its own; more than the queue holds.
        assert_eq!(w.supply(assoc, 2 * page * PAGES, &[1]), Ok(()), "page {page}");
        assert!(w.fault(w.client, AT + 2 * page * PAGES, WRITE).is_some());
    }
    let (reply_to, reply_disposition) = w.reply_port();
    let request = MemoryObjectLockRequest {
        size: u64::MAX,
        reply_to,
        reply_disposition,
        ..lock(ShouldReturn::DIRTY, true, NO_CHANGE)
    };
    assert_eq!(w.say(assoc, &request), Ok(()), "it is answered at once");
    assert!(w.host.server_usage().messages < crate::manager::PORT_MESSAGES + 2);
    assert_eq!(w.at(reply_to), None);
    let mut offsets = Vec::new();
    while let Some(upcall) = w.upcall() {
        offsets.push(returned(Some(upcall)).offset / PAGES);
    }
    assert_eq!(offsets, (0..COUNT).map(|page| 2 * page).collect::<Vec<_>>());
    assert!(matches!(w.at(reply_to), Some(Upcall::LockCompleted(_))));
}

#[test]
fn imo_39_44_the_last_unmapping_returns_and_hands_everything_over() {
    let (mut w, assoc) = World::ready(4);
    let before = w.host.server_usage();
    assert_eq!(w.supply(assoc, 0, &[1, 2]), Ok(()));
    assert!(w.fault(w.client, AT + PAGES, WRITE).is_some());
    w.unmap(4);
    let pages = returned(w.upcall());
    assert_eq!((pages.offset, pages.size, pages.dirty), (PAGES, PAGES, true));
    let (upcall, message) = w.next().expect("terminate");
    assert_eq!(upcall, Upcall::Terminate(Terminate {}));
    let rights: Vec<_> = message.rights().iter().map(|right| (right.name, right.disposition)).collect();
    // 45: the manager's send rights and the receive rights have one name each.
    assert_eq!(rights, [(assoc.control, Disposition::PORT_RECEIVE), (assoc.name, Disposition::PORT_RECEIVE)]);
    assert_eq!(w.upcall(), None, "nothing after it");
    assert_eq!(w.host.server_usage().associations, before.associations - 1);
    // 48, 69, 52: what comes late has no effect.
    assert_eq!(
        w.say(assoc, &MemoryObjectReady { may_cache: true, copy_strategy: 2 }),
        Err(KernReturn::INVALID_ARGUMENT)
    );
    assert_eq!(w.say(assoc, &MemoryObjectDestroy { reason: 0 }), Ok(()));
    // 46, 47: mapped again it is another association.
    assert_eq!(w.map(w.client, w.mine, 4), Ok(AT));
    let again = w.init();
    assert_ne!(again.control, assoc.control);
    assert_eq!(w.supply(assoc, 0, &[5]), Err(KernReturn::INVALID_ARGUMENT));
    assert_eq!(w.upcall(), None);
}

/// Of two pages, each time.
#[test]
fn what_comes_back_lands_where_the_manager_wants_it_or_is_mapped() {
    const PLACE: u64 = 0x5000_0000;
    let (mut w, assoc) = World::ready(4);
    let manager = w.manager;
    w.host.fill(manager, PLACE, &[1; 4]);
    let protect =
        VmProtect { address: PLACE + 3 * PAGES, size: PAGES, set_maximum: false, new_protection: VmProt::READ.bits() };
    w.host.call_by(manager.thread, manager.own, &protect).unwrap();
    let good = Landing { address: PLACE, size: 2 * PAGES };
    let places = [
        ("no place", Landing::default(), false),
        ("a place", good, true),
        ("a larger one", Landing { size: 3 * PAGES + 5, ..good }, true),
        ("too small", Landing { size: 2 * PAGES - 1, ..good }, false),
        ("within a page", Landing { address: PLACE + 8, ..good }, false),
        ("not to be written", Landing { address: PLACE + 2 * PAGES, ..good }, false),
        ("beyond the memory", Landing { address: PLACE - PAGES, ..good }, false),
        ("beyond the last address", Landing { address: PAGES.wrapping_neg(), size: 2 * PAGES }, false),
    ];
    for (number, (what, landing, lands)) in (10..).zip(places) {
        assert_eq!(w.supply(assoc, 0, &[0, 0]), Ok(()));
        for page in 0..2 {
            assert!(w.fault(w.client, AT + page * PAGES, WRITE).is_some());
            w.host.set_byte(w.client, AT + page * PAGES, number + 100 * page as u8);
        }
        assert_eq!(w.say(assoc, &lock(ShouldReturn::ALL, true, NO_CHANGE)), Ok(()));
        let before = w.host.server.vm.statistics(&w.host.server.hw);
        let message = w.host.receive_to(manager, w.object, landing).message.expect(what);
        let pages = returned(Upcall::from_words(message.header.id, message.data_words()));
        assert_eq!((pages.offset, pages.size, pages.dirty), (0, 2 * PAGES, true), "{what}");
        assert_eq!(pages.data == landing.address, lands, "{what}");
        for page in 0..2 {
            assert_eq!(w.host.byte(manager, pages.data + page * PAGES), number + 100 * page as u8, "{what}");
        }
        let after = w.host.server.vm.statistics(&w.host.server.hw);
        assert_eq!(after.free_count - before.free_count, if lands { 2 } else { 0 }, "{what}: the pages go at once");
        if !lands {
            let call = VmDeallocate { address: pages.data, size: pages.size };
            w.host.call_by(manager.thread, manager.own, &call).unwrap();
        }
        assert_eq!(w.upcall(), None, "{what}");
    }
    assert_eq!(w.host.byte(manager, PLACE + 2 * PAGES), 1, "nothing else is written");
}

#[test]
fn imo_41_what_stops_being_cached_ends_before_it_is_confirmed() {
    let (mut w, assoc) = World::ready(4);
    assert_eq!(w.say(assoc, &MemoryObjectReady { may_cache: true, copy_strategy: 2 }), Ok(()));
    assert_eq!(w.supply(assoc, 0, &[1]), Ok(()));
    w.unmap(4);
    assert_eq!(w.upcall(), None, "cached");
    // 40
    assert_eq!(w.map(w.client, w.mine, 4), Ok(AT));
    assert!(w.fault(w.client, AT, READ).is_some(), "no request either");
    w.unmap(4);
    let change = MemoryObjectChangeAttributes {
        may_cache: false,
        copy_strategy: 2,
        reply_to: w.object,
        reply_disposition: Disposition::MAKE_SEND.0,
    };
    assert_eq!(w.say(assoc, &change), Ok(()));
    assert_eq!(w.upcall(), Some(Upcall::Terminate(Terminate {})));
    let done = ChangeCompleted { may_cache: false, copy_strategy: 2 };
    assert_eq!(w.upcall(), Some(Upcall::ChangeCompleted(done)));
}

#[test]
fn a_change_of_attributes_is_confirmed_even_if_it_is_refused() {
    let (mut w, assoc) = World::ready(4);
    let (reply_to, reply_disposition) = w.reply_port();
    let change = MemoryObjectChangeAttributes { may_cache: true, copy_strategy: 9, reply_to, reply_disposition };
    assert_eq!(w.say(assoc, &change), Err(KernReturn::INVALID_ARGUMENT));
    let done = ChangeCompleted { may_cache: false, copy_strategy: 2 };
    assert_eq!(w.at(reply_to), Some(Upcall::ChangeCompleted(done)));
}

#[test]
fn imo_49_no_senders_comes_when_nobody_holds_the_object() {
    let (mut w, _) = World::ready(4);
    let notify = w.host.new_port(w.manager.thread);
    let request = mach_protocol::port::MachPortRequestNotification {
        name: w.object,
        id: 70,
        sync: 0,
        notify,
        notify_disposition: Disposition::MAKE_SEND_ONCE.0,
    };
    assert!(w.host.call_by(w.manager.thread, w.manager.own, &request).is_ok());
    let drop_it = MachPortDeallocate { name: w.mine };
    assert_eq!(w.host.call_by(w.client.thread, w.client.own, &drop_it).map(drop), Ok(()));
    assert_eq!(w.notified(notify), None, "the server holds one");
    w.unmap(4);
    assert_eq!(w.notified(notify), None, "it travels in the message");
    assert_eq!(w.upcall(), Some(Upcall::Terminate(Terminate {})));
    assert_eq!(w.notified(notify), Some(70));
}

#[test]
fn supply_and_receive_in_one_call() {
    let (mut w, assoc) = World::ready(4);
    w.host.fill(w.manager, DATA, &[5]);
    let receive =
        MsgReceive { name: w.object, option: MsgOption::empty(), timeout_ms: 0, size: 1000, ..MsgReceive::default() };
    let supply = MemoryObjectDataSupply { data: DATA, size: PAGES, ..MemoryObjectDataSupply::default() };
    let call = SupplyAndReceive { control: assoc.control, supply, receive };
    let send = |w: &mut World, call: &SupplyAndReceive| {
        w.host.send(Badge::Call(w.manager.thread), u64::from(SUPPLY_AND_RECEIVE), call.pack().as_slice())
    };
    assert_eq!(w.fault(w.client, AT, READ), None);
    assert_eq!(w.upcall(), World::request(0, VmProt::READ));
    assert_eq!(send(&mut w, &call), None, "it waits for the next request");
    assert!(w.host.goes_on(w.client));
    assert_eq!(w.fault(w.client, AT + PAGES, READ), None);
    let reply = w.host.answered(w.manager).expect("the request");
    let reply = SupplyAndReceiveReply::unpack(reply.label, &reply.words).unwrap();
    assert_eq!((reply.supplied, reply.received.code), (KernReturn::SUCCESS, KernReturn::SUCCESS));
    let message = reply.received.message.unwrap();
    assert_eq!(Upcall::from_words(message.header.id, message.data_words()), World::request(PAGES, VmProt::READ));
    // What becomes of the supply does not matter to the receive.
    for (call, supplied) in [
        (
            SupplyAndReceive { supply: MemoryObjectDataSupply { lock_value: 8, ..supply }, ..call },
            KernReturn::INVALID_ARGUMENT,
        ),
        (SupplyAndReceive { control: w.object, ..call }, KernReturn::SEND_INVALID_DEST),
        (SupplyAndReceive { control: w.manager.own, ..call }, KernReturn::INVALID_ARGUMENT),
        (call, KernReturn::MEMORY_PRESENT),
    ] {
        let receive = MsgReceive { option: MsgOption::RCV_TIMEOUT, ..receive };
        let reply = send(&mut w, &SupplyAndReceive { receive, ..call }).expect("nothing to wait for");
        let reply = SupplyAndReceiveReply::unpack(reply.label, &reply.words).unwrap();
        assert_eq!((reply.supplied, reply.received.code), (supplied, KernReturn::RCV_TIMED_OUT));
    }
}

#[test]
fn data_goes_with_its_message_unless_the_call_could_not_be_sent() {
    let (mut w, assoc) = World::ready(4);
    let own = w.manager.own;
    let supply =
        |data| MemoryObjectDataSupply { data, size: PAGES, deallocate: true, ..MemoryObjectDataSupply::default() };
    for (control, change, code, is_gone) in [
        (assoc.control, 1, KernReturn::INVALID_ARGUMENT, true),
        (own, 0, KernReturn::INVALID_ARGUMENT, true),
        (w.object, 0, KernReturn::SEND_INVALID_DEST, false),
    ] {
        let made = w.host.call_by(w.manager.thread, own, &VmAllocate { address: 0, size: PAGES, flags: 1 });
        let data = made.map(|made| made.address).expect("there is room");
        let call = MemoryObjectDataSupply { offset: change, ..supply(data) };
        assert_eq!(w.host.call_by(w.manager.thread, control, &call).map(drop), Err(code));
        let again = VmAllocate { address: data, size: PAGES, flags: 0 };
        let is_free = w.host.call_by(w.manager.thread, own, &again).is_ok();
        assert_eq!(is_free, is_gone, "{code:?}");
    }
}

#[test]
fn a_returned_page_waits_for_room_in_the_receiver() {
    let (mut w, assoc) = World::ready(4);
    assert_eq!(w.supply(assoc, 0, &[1]), Ok(()));
    assert!(w.fault(w.client, AT, WRITE).is_some());
    let before = w.host.server_usage();
    assert_eq!(w.say(assoc, &lock(ShouldReturn::DIRTY, true, NO_CHANGE)), Ok(()));
    // The manager's map has no room for another page.
    let mut address = 0;
    while let Ok(made) =
        w.host.call_by(w.manager.thread, w.manager.own, &VmAllocate { address, size: 256 << 20, flags: 1 })
    {
        address = made.address;
    }
    let mut size = 256 << 20;
    while size >= PAGES {
        let more = w.host.call_by(w.manager.thread, w.manager.own, &VmAllocate { address: 0, size, flags: 1 });
        size = if more.is_ok() { size } else { size / 2 };
    }
    let reply = w.host.receive_by(w.manager, w.object);
    assert_eq!(reply.code, crate::port::BODY_NO_ROOM);
    assert!(reply.message.is_none());
    assert_eq!(w.host.server_usage().frames, before.frames, "it is not lost");
    let room = VmDeallocate { address, size: PAGES };
    assert_eq!(w.host.call_by(w.manager.thread, w.manager.own, &room).map(drop), Ok(()));
    let pages = returned(w.upcall());
    assert_eq!((pages.data, pages.size, pages.dirty), (address, PAGES, true));
    assert_eq!(w.host.byte(w.manager, pages.data), 1);
    assert_eq!(w.upcall(), None);
}

#[test]
fn the_name_port_is_what_vm_region_names() {
    let (mut w, assoc) = World::ready(4);
    let region = mach_protocol::vm::GnuVmRegion { address: AT };
    let name = w.host.call_by(w.client.thread, w.client.own, &region).unwrap().object_name;
    // The manager learns the same port from the client's right.
    let moved = w.host.call(w.client.task, &MachPortExtractRight { name, disposition: Disposition::COPY_SEND.0 });
    let insert =
        MachPortInsertRight { name: assoc.name, poly: moved.unwrap().poly, disposition: Disposition::MOVE_SEND.0 };
    assert_eq!(w.host.call(w.manager.task, &insert).map(drop), Ok(()), "the same right under the same name");
}

impl World {
    /// The client's msync of two pages, which waits.
    fn begin_msync(&mut self) {
        let words = pack_request(self.client.own, &VmMsync { address: AT, size: 2 * PAGES, sync_flags: 2 });
        let reply = self.host.send(Badge::Call(self.client.thread), u64::from(VmMsync::ID), words.as_slice());
        assert!(reply.is_none(), "it waits: {reply:?}");
    }

    /// What it came to.
    fn synced(&mut self) -> Result<(), KernReturn> {
        let reply = self.host.answered(self.client).expect("it is over");
        unpack_reply::<VmMsync>(reply.label, &reply.words).map(drop)
    }
}

#[test]
fn msync_is_over_when_the_manager_that_wants_to_be_told_says_so() {
    let (mut w, assoc) = World::ready(2);
    assert_eq!(w.say(assoc, &MemoryObjectWantSynchronize { wanted: true }), Ok(()));
    assert_eq!(w.fault(w.client, AT + PAGES, WRITE), None);
    assert_eq!(w.upcall(), World::request(PAGES, VmProt::READ | VmProt::WRITE));
    assert_eq!(w.supply(assoc, PAGES, &[7]), Ok(()));
    assert!(w.host.goes_on(w.client));
    w.host.set_byte(w.client, AT + PAGES, 8);

    w.begin_msync();
    assert_eq!(returned(w.upcall()).offset, PAGES);
    assert!(w.host.answered(w.client).is_none(), "that the pages were received is not enough");
    assert_eq!(w.upcall(), Some(Upcall::Synchronize(Synchronize { offset: 0, length: 2 * PAGES, sync_flags: 2 })));
    let completed = |length| MemoryObjectSynchronizeCompleted { offset: 0, length };
    assert_eq!(w.say(assoc, &completed(PAGES)), Err(KernReturn::INVALID_ARGUMENT));
    assert!(w.host.answered(w.client).is_none());
    assert_eq!(w.say(assoc, &completed(2 * PAGES)), Ok(()));
    assert_eq!(w.synced(), Ok(()));
    assert_eq!(w.say(assoc, &completed(2 * PAGES)), Err(KernReturn::INVALID_ARGUMENT));

    w.begin_msync();
    let failed = MemoryObjectSynchronizeFailed { offset: 0, length: 2 * PAGES, error_value: 5 };
    assert_eq!(w.say(assoc, &failed), Ok(()));
    assert_eq!(w.synced(), Err(KernReturn::MEMORY_ERROR));
}
