//! Proxies, cases 71 to 77.

use mach_protocol::vm::VmProtect;

use super::*;

const BAD: KernReturn = KernReturn::INVALID_ARGUMENT;

impl World {
    fn proxy(&mut self, call: &MemoryObjectCreateProxy) -> Result<PortName, KernReturn> {
        self.host.call_by(self.manager.thread, self.manager.own, call).map(|reply| reply.proxy)
    }

    /// A proxy of the manager's for pages 2 and 3, and the client's right to it.
    fn two_pages(&mut self, max_protection: VmProt) -> PortName {
        let object = self.own_send();
        let call = MemoryObjectCreateProxy { max_protection: max_protection.bits(), ..whole(object) };
        let proxy = self.proxy(&MemoryObjectCreateProxy { start: 2 * PAGES, len: 2 * PAGES, ..call }).unwrap();
        let poly = self
            .host
            .call(self.manager.task, &MachPortExtractRight { name: proxy, disposition: Disposition::MOVE_SEND.0 })
            .unwrap()
            .poly;
        let name = PortName(0x7_0000 + max_protection.bits());
        let insert = MachPortInsertRight { name, poly, disposition: Disposition::MOVE_SEND.0 };
        assert_eq!(self.host.call(self.client.task, &insert).map(drop), Ok(()));
        name
    }

    /// The manager's object port with a send right of its own.
    fn own_send(&mut self) -> PortName {
        let insert =
            MachPortInsertRight { name: self.object, poly: self.object, disposition: Disposition::MAKE_SEND.0 };
        let _ = self.host.call_by(self.manager.thread, self.manager.own, &insert);
        self.object
    }
}

fn whole(object: PortName) -> MemoryObjectCreateProxy {
    MemoryObjectCreateProxy {
        max_protection: VmProt::ALL.bits(),
        counts: [1; 4],
        object,
        offset: 0,
        start: 0,
        len: 8 * PAGES,
    }
}

#[test]
fn imo_71_73_76_a_proxy_gives_a_part_with_less_protection() {
    let mut w = World::new();
    let mine = w.two_pages(VmProt::READ);
    // 73
    assert_eq!(w.map(w.client, mine, 3), Err(BAD));
    assert_eq!(w.map_at(w.client, mine, AT, PAGES, 2), Err(BAD));
    assert_eq!(w.map(w.client, mine, 2), Ok(AT));
    let assoc = w.init();
    assert_eq!(w.say(assoc, &MemoryObjectReady { may_cache: false, copy_strategy: 2 }), Ok(()));
    assert_eq!(w.fault(w.client, AT + PAGES, READ), None);
    assert_eq!(w.upcall(), World::request(3 * PAGES, VmProt::READ));
    assert_eq!(w.supply(assoc, 3 * PAGES, &[6]), Ok(()));
    assert!(w.host.goes_on(w.client));
    assert_eq!(w.host.byte(w.client, AT + PAGES), 6);
    // 71
    let raise = VmProtect { address: AT, size: PAGES, set_maximum: false, new_protection: 3 };
    let raised = w.host.call_by(w.client.thread, w.client.own, &raise).map(drop);
    assert_eq!(raised, Err(KernReturn::PROTECTION_FAILURE));
    // 76
    let ports = w.host.server_usage().ports;
    let drop_it = MachPortDeallocate { name: mine };
    assert_eq!(w.host.call_by(w.client.thread, w.client.own, &drop_it).map(drop), Ok(()));
    assert_eq!(w.host.server_usage().ports, ports - 1, "the proxy is gone");
    assert_eq!(w.host.byte(w.client, AT + PAGES), 6);
    assert_eq!(w.upcall(), None);
}

#[test]
fn imo_72_a_snapshot_through_a_proxy_needs_read() {
    let mut w = World::new();
    let mine = w.two_pages(VmProt::WRITE);
    let call = VmMap {
        address: AT,
        size: PAGES,
        memory_object: mine,
        copy: true,
        cur_protection: 3,
        max_protection: 3,
        ..VmMap::default()
    };
    let answer = w.host.call_by(w.client.thread, w.client.own, &call);
    assert_eq!(answer.map(drop), Err(KernReturn::PROTECTION_FAILURE));
}

#[test]
fn imo_74_75_proxies_are_refused_in_the_order_of_the_checks() {
    let mut w = World::new();
    let object = w.own_send();
    let good = whole(object);
    for (call, code) in [
        (MemoryObjectCreateProxy { counts: [2, 1, 1, 1], object: PortName::NULL, ..good }, BAD),
        (MemoryObjectCreateProxy { counts: [1, 1, 1, 0], ..good }, BAD),
        (MemoryObjectCreateProxy { object: PortName::NULL, offset: 1, ..good }, KernReturn::INVALID_NAME),
        (MemoryObjectCreateProxy { object: PortName(4711), ..good }, KernReturn::INVALID_NAME),
        (MemoryObjectCreateProxy { object: w.manager.own, ..good }, BAD),
        (MemoryObjectCreateProxy { offset: PAGES, ..good }, BAD),
        (MemoryObjectCreateProxy { max_protection: 0x100, ..good }, BAD),
        (MemoryObjectCreateProxy { start: u64::MAX, ..good }, BAD),
    ] {
        assert_eq!(w.proxy(&call), Err(code), "{call:?}");
    }
    let no_task = w.host.call_by(w.manager.thread, object, &good);
    assert_eq!(no_task.map(drop), Err(KernReturn::INVALID_TASK));
    let ports = w.host.server_usage().ports;
    let inner = w.proxy(&MemoryObjectCreateProxy { start: PAGES, len: 2 * PAGES, ..good }).unwrap();
    let beyond = MemoryObjectCreateProxy { object: inner, start: PAGES, len: 2 * PAGES, ..good };
    assert_eq!(w.proxy(&beyond), Err(BAD));
    let outer = w.proxy(&MemoryObjectCreateProxy { len: PAGES, ..beyond }).unwrap();
    let drop_it = |name| MachPortDeallocate { name };
    assert_eq!(w.host.call_by(w.manager.thread, w.manager.own, &drop_it(inner)).map(drop), Ok(()));
    assert_eq!(w.host.server_usage().ports, ports + 1, "the outer one holds the object, not the inner one");
    assert_eq!(w.host.call_by(w.manager.thread, w.manager.own, &drop_it(outer)).map(drop), Ok(()));
    assert_eq!(w.host.server_usage().ports, ports);
}

#[test]
fn imo_77_a_proxy_of_a_region_shares_it() {
    let mut w = World::new();
    let (manager, client) = (w.manager, w.client);
    w.host.fill(manager, DATA, &[1, 2, 3]);
    let before = w.host.server_usage();
    let call = VmRegionCreateProxy { address: DATA + PAGES, max_protection: VmProt::ALL.bits(), len: 2 * PAGES };
    let proxy = w.host.call_by(manager.thread, manager.own, &call).unwrap().proxy;
    let extract = MachPortExtractRight { name: proxy, disposition: Disposition::MOVE_SEND.0 };
    let poly = w.host.call(manager.task, &extract).unwrap().poly;
    let name = PortName(0x7_7000);
    let insert = MachPortInsertRight { name, poly, disposition: Disposition::MOVE_SEND.0 };
    assert_eq!(w.host.call(client.task, &insert).map(drop), Ok(()));
    assert_eq!(w.map(client, name, 3), Err(BAD), "beyond");
    assert_eq!(w.map(client, name, 2), Ok(AT));
    assert_eq!(w.host.byte(client, AT), 2);
    w.host.set_byte(client, AT, 20);
    w.host.set_byte(manager, DATA + 2 * PAGES, 30);
    assert_eq!((w.host.byte(manager, DATA + PAGES), w.host.byte(client, AT + PAGES)), (20, 30));
    // A proxy of the proxy holds the memory as well.
    let inner = MemoryObjectCreateProxy { len: PAGES, ..whole(name) };
    let inner = w.host.call_by(client.thread, client.own, &inner).unwrap().proxy;
    assert_eq!(w.host.call_by(client.thread, client.own, &MachPortDeallocate { name }).map(drop), Ok(()));
    w.unmap(2);
    assert_eq!(w.host.call(manager.task, &TaskTerminate {}).map(drop), Ok(()));
    assert_eq!(w.map(client, inner, 1), Ok(AT));
    assert_eq!(w.host.byte(client, AT), 20);
    assert_eq!(w.host.call(client.task, &TaskTerminate {}).map(drop), Ok(()));
    w.host.settle();
    let after = w.host.server_usage();
    assert!(after.ports < before.ports && after.objects < before.objects, "{after:?}");
    // In the order of the checks.
    let root = w.host.new_who();
    for (call, code) in [
        (VmRegionCreateProxy { address: 0, max_protection: 0x100, len: 0 }, BAD),
        (VmRegionCreateProxy { address: DATA, max_protection: 7, len: PAGES }, KernReturn::NO_SPACE),
    ] {
        assert_eq!(w.host.call_by(root.thread, root.own, &call).map(drop), Err(code));
    }
}
