//! Copies of which the manager is told, case 62.

use super::*;

/// A manager that wants to be asked, with one resident page.
fn calling() -> (World, Assoc) {
    let mut w = World::new();
    assert_eq!(w.map(w.client, w.mine, 2), Ok(AT));
    let old = w.init();
    assert_eq!(w.say(old, &MemoryObjectReady { may_cache: false, copy_strategy: 1 }), Ok(()));
    assert_eq!(w.supply(old, 0, &[5]), Ok(()));
    (w, old)
}

impl World {
    /// The client makes a snapshot of two pages at this address.
    fn snapshot(&mut self, address: u64) -> Result<u64, KernReturn> {
        let call = VmMap {
            address,
            size: 2 * PAGES,
            memory_object: self.mine,
            copy: true,
            cur_protection: 3,
            max_protection: 3,
            ..VmMap::default()
        };
        self.host.call_by(self.client.thread, self.client.own, &call).map(|reply| reply.address)
    }
}

#[test]
fn imo_62_the_manager_receives_from_the_copys_port() {
    let (mut w, old) = calling();
    let before = w.host.server_usage();
    let copy = AT + 8 * PAGES;
    assert_eq!(w.snapshot(copy), Ok(copy));
    let (upcall, message) = w.next().expect("memory_object_copy");
    assert_eq!(upcall, Upcall::CopyObject(CopyObject { offset: 0, length: 2 * PAGES }));
    let [control, port] = [0, 1].map(|index| message.rights()[index]);
    assert_eq!((control.name, control.disposition), (old.control, Disposition::PORT_SEND));
    assert_eq!(port.disposition, Disposition::PORT_RECEIVE);
    // Its init waits at its own port.
    let (upcall, message) = w.host.next_upcall(w.manager, port.name).expect("init");
    assert_eq!(upcall, Upcall::Init(Init { page_size: PAGES }));
    let [control, name] = [0, 1].map(|index| message.rights()[index].name);
    let new = Assoc { control, name };
    assert_eq!(w.fault(w.client, copy, READ), None);
    assert_eq!(w.say(new, &MemoryObjectReady { may_cache: false, copy_strategy: 2 }), Ok(()));
    let asked = w.host.next_upcall(w.manager, port.name).map(|(upcall, _)| upcall);
    assert_eq!(asked, World::request(0, VmProt::READ));
    assert_eq!(w.say(new, &MemoryObjectDataUnavailable { offset: 0, size: PAGES }), Ok(()));
    assert!(w.host.goes_on(w.client));
    assert_eq!(w.host.byte(w.client, copy), 5);
    assert_eq!(w.fault(w.client, AT, WRITE), None, "the old page is locked");
    let unlock = DataUnlock { offset: 0, length: PAGES, desired_access: VmProt::WRITE.bits() };
    assert_eq!(w.upcall(), Some(Upcall::DataUnlock(unlock)));
    // The manager gives the new object up: what is not resident is lost to the client.
    let destroy = MachPortDestroy { name: port.name };
    assert_eq!(w.host.call_by(w.manager.thread, w.manager.own, &destroy).map(drop), Ok(()));
    assert_eq!(w.host.call(w.client.task, &TaskTerminate {}).map(drop), Ok(()));
    assert_eq!(w.upcall(), Some(Upcall::Terminate(Terminate {})));
    let after = w.host.server_usage();
    assert_eq!(after.associations, 0);
    assert!(after.objects < before.objects && after.ports <= before.ports, "{after:?} {before:?}");
    assert!(w.host.server.hw.managers.is_settled());
}

#[test]
fn a_copy_that_no_manager_hears_of_leaves_nothing() {
    let (mut w, _) = calling();
    let ports = w.host.server_usage().ports;
    for number in 1..=3 {
        let copy = AT + number * 8 * PAGES;
        assert_eq!(w.snapshot(copy), Ok(copy));
    }
    // Three object ports, three controls, three names.
    assert_eq!(w.host.server_usage().ports, ports + 9);
    assert_eq!(w.host.call(w.manager.task, &TaskTerminate {}).map(drop), Ok(()));
    let usage = w.host.server_usage();
    assert_eq!((usage.associations, usage.messages), (0, 0));
    assert!(w.host.server.hw.managers.is_settled());
    let watch = w.host.watch(w.client.task, 7);
    assert_eq!(w.fault(w.client, AT + 8 * PAGES, READ), None);
    assert_eq!(w.host.killed_by(watch), Some(KernReturn::MEMORY_ERROR.0));
}
