//! Messages and calls, in order.

use super::*;

#[test]
fn one_page_goes_the_whole_way() {
    let mut w = World::new();
    let (client, manager) = (w.client, w.manager);
    assert_eq!(w.map(client, w.mine, 4), Ok(AT));
    // 1, 2: init comes once, and vm_map did not wait for the answer.
    let assoc = w.init();
    // 3, 4: no request before the manager is ready.
    assert_eq!(w.fault(client, AT + PAGES + 8, READ), None);
    assert_eq!(w.upcall(), None);
    let attributes = |w: &mut World| w.host.call_by(manager.thread, assoc.control, &MemoryObjectGetAttributes {});
    assert!(!attributes(&mut w).unwrap().object_ready);
    // 5
    assert_eq!(
        w.say(assoc, &MemoryObjectReady { may_cache: true, copy_strategy: 7 }),
        Err(KernReturn::INVALID_ARGUMENT)
    );
    assert!(!attributes(&mut w).unwrap().object_ready);
    assert_eq!(w.say(assoc, &MemoryObjectReady { may_cache: true, copy_strategy: 2 }), Ok(()));
    let expected = MemoryObjectGetAttributesReply { object_ready: true, may_cache: true, copy_strategy: 2 };
    assert_eq!(attributes(&mut w), Ok(expected));
    assert_eq!(w.upcall(), World::request(PAGES, VmProt::READ));
    assert_eq!(w.upcall(), None);
    // 10
    assert_eq!(w.supply(assoc, PAGES, &[7]), Ok(()));
    assert!(w.host.goes_on(client));
    assert_eq!(w.host.byte(client, AT + PAGES), 7);
    assert_eq!(w.host.server_usage().associations, 1);
}
