//! Doorbells: signals when messages wait, and that they go with their thread.

use mach_protocol::message::CarriedRight;
use mach_protocol::port::{MachPortInsertRight, MachPortMoveMember};
use mach_protocol::private::{PortDoorbell, PortRing, ServerUsage};
use mach_protocol::thread::ThreadTerminate;

use super::*;

impl Host {
    fn signalled(&mut self) -> usize {
        core::mem::take(&mut self.fake().signals).len()
    }

    pub(super) fn server_usage(&mut self) -> mach_protocol::private::ServerUsageReply {
        self.call(PortName::NULL, &ServerUsage {}).expect("anybody may ask")
    }

    /// A port of a thread's task, with a send right under the same name.
    pub(super) fn new_port(&mut self, thread: ThreadId) -> PortName {
        let own = self.call_by(thread, PortName::NULL, &MachTaskSelf {}).unwrap().name;
        self.call_by(thread, own, &MachPortAllocate { right: Right::RECEIVE.0 }).unwrap().name
    }

    /// Makes a send right under the name of a receive right.
    fn make_send(&mut self, thread: ThreadId, port: PortName) {
        let own = self.call_by(thread, PortName::NULL, &MachTaskSelf {}).unwrap().name;
        let disposition = Disposition::MAKE_SEND.0;
        let made = self.call_by(thread, own, &MachPortInsertRight { name: port, poly: port, disposition });
        assert_eq!(made.map(drop), Ok(()));
    }

    pub(super) fn send_to(&mut self, thread: ThreadId, remote: PortName, disposition: Disposition, id: i32) {
        let mut message = PortMessage::new(id);
        message.header.remote = CarriedRight { name: remote, disposition };
        let option = MsgOption::empty();
        let request = MsgRequest::Send(MsgSend { message, option, timeout_ms: 0, notify: PortName::NULL });
        let reply = self.send(Badge::Call(thread), u64::from(request.id()), request.pack().as_slice()).unwrap();
        assert_eq!(reply.words, [0], "sent");
    }
}

#[test]
fn a_doorbell_is_signalled_for_the_first_message_and_goes_with_its_thread() {
    let mut host = Host::new();
    let task = host.new_task();
    let (name, thread) = host.new_thread(task);
    let port = host.new_port(thread);
    let before = host.server_usage();
    let slot = host.call_by(thread, port, &PortDoorbell {}).unwrap().slot;
    assert_eq!(host.call_by(thread, port, &PortDoorbell {}).map(|reply| reply.slot), Ok(slot), "the same again");
    assert_eq!(host.server_usage().notifications, 1);
    assert_eq!(host.signalled(), 0);
    host.send_to(thread, port, Disposition::MAKE_SEND, 1);
    assert_eq!(host.signalled(), 1);
    host.send_to(thread, port, Disposition::MAKE_SEND, 2);
    assert_eq!(host.signalled(), 0);
    assert_eq!(host.server_usage().messages, before.messages + 2);
    assert_eq!(host.call(name, &ThreadTerminate {}).map(drop), Ok(()));
    assert_eq!(host.server_usage().notifications, 0);
    // The port is there still, and the bell that hung on it is no longer rung: the machine would refuse.
    let (_, other) = host.new_thread(task);
    let drained = MachPortDeallocate { name: port };
    let own = host.call_by(other, PortName::NULL, &MachTaskSelf {}).unwrap().name;
    assert!(host.call_by(other, own, &drained).is_err(), "only a receive right");
    host.send_to(other, port, Disposition::MAKE_SEND, 3);
    assert_eq!(host.signalled(), 0);
}

#[test]
fn doorbells_are_no_more_than_slots_and_those_of_dead_ports_serve_again() {
    let mut host = Host::new();
    let task = host.new_task();
    let (_, thread) = host.new_thread(task);
    let own = host.call_by(thread, PortName::NULL, &MachTaskSelf {}).unwrap().name;
    let ports: Vec<PortName> = (0..12).map(|_| host.new_port(thread)).collect();
    let mut slots: Vec<u32> =
        ports.iter().map(|port| host.call_by(thread, *port, &PortDoorbell {}).unwrap().slot).collect();
    let more = host.new_port(thread);
    assert_eq!(host.call_by(thread, more, &PortDoorbell {}), Err(KernReturn::NO_SPACE));
    assert_eq!(host.server_usage().notifications, 12, "nothing of the refused one is left");
    let dead = mach_protocol::port::MachPortDestroy { name: ports[5] };
    host.signalled();
    assert_eq!(host.call_by(thread, own, &dead).map(drop), Ok(()));
    assert_eq!(host.signalled(), 1, "who waits learns of the port's end");
    assert_eq!(host.call_by(thread, more, &PortDoorbell {}).map(|reply| reply.slot), Ok(slots[5]));
    slots.sort_unstable();
    slots.dedup();
    assert_eq!((slots.len(), slots[0]), (12, mach_protocol::private::FIRST_GRANT_SLOT));
    assert_eq!(host.call_by(thread, own, &PortDoorbell {}), Err(KernReturn::INVALID_RIGHT));
    assert_eq!(host.call_by(thread, PortName(77_777), &PortDoorbell {}), Err(KernReturn::INVALID_NAME));
    assert_eq!(host.call(task, &TaskTerminate {}).map(drop), Ok(()));
    assert_eq!(host.server_usage().notifications, 0);
}

#[test]
fn who_has_a_send_right_can_ring_the_bell_of_the_port_or_of_its_set() {
    let mut host = Host::new();
    let task = host.new_task();
    let (_, thread) = host.new_thread(task);
    let (ringer_name, ringer) = host.new_thread(task);
    let own = host.call_by(thread, PortName::NULL, &MachTaskSelf {}).unwrap().name;
    let port = host.new_port(thread);
    let ring = PortRing { name: port };
    assert_eq!(
        host.call_by(ringer, PortName::NULL, &PortRing { name: PortName(77_777) }),
        Err(KernReturn::INVALID_NAME)
    );
    assert_eq!(host.call_by(ringer, PortName::NULL, &ring), Err(KernReturn::INVALID_RIGHT), "no send right");
    host.make_send(thread, port);
    assert_eq!(host.call_by(ringer, PortName::NULL, &ring), Err(KernReturn::FAILURE), "nobody has a doorbell");
    // The set's is taken as long as the port has none.
    let set = host.call_by(thread, own, &MachPortAllocate { right: Right::PORT_SET.0 }).unwrap().name;
    let moved = MachPortMoveMember { member: port, after: set };
    assert_eq!(host.call_by(thread, own, &moved).map(drop), Ok(()));
    let of_set = host.call_by(thread, set, &PortDoorbell {}).unwrap().slot;
    let slot = host.call_by(ringer, PortName::NULL, &ring).unwrap().slot;
    assert_eq!(host.call_by(ringer, PortName::NULL, &ring).map(|reply| reply.slot), Ok(slot), "the same again");
    let by_itself = host.call_by(thread, PortName::NULL, &ring).unwrap().slot;
    assert_ne!(by_itself, of_set, "a slot of its own");
    let of_port = host.call_by(thread, port, &PortDoorbell {}).unwrap().slot;
    assert_ne!(of_port, of_set);
    assert_ne!(host.call_by(ringer, PortName::NULL, &ring).map(|reply| reply.slot), Ok(slot), "the port's own bell");
    // What rings goes with its thread, and leaves nothing behind.
    let before = host.server_usage();
    assert_eq!(host.call(ringer_name, &ThreadTerminate {}).map(drop), Ok(()));
    assert_eq!(host.server_usage().notifications, before.notifications);
    assert_eq!(host.call(task, &TaskTerminate {}).map(drop), Ok(()));
    assert_eq!(host.server_usage().notifications, 0);
}

#[test]
fn a_thread_rings_no_more_bells_than_it_has_slots() {
    let mut host = Host::new();
    let task = host.new_task();
    let (_, thread) = host.new_thread(task);
    let (_, ringer) = host.new_thread(task);
    let ports: Vec<PortName> = (0..12).map(|_| host.new_port(thread)).collect();
    for port in &ports {
        host.make_send(thread, *port);
        assert!(host.call_by(thread, *port, &PortDoorbell {}).is_ok());
        assert!(host.call_by(ringer, PortName::NULL, &PortRing { name: *port }).is_ok());
    }
    assert_eq!(host.call_by(thread, PortName::NULL, &PortRing { name: ports[0] }), Err(KernReturn::NO_SPACE));
    let more = host.new_port(ringer);
    assert_eq!(host.call_by(ringer, more, &PortDoorbell {}), Err(KernReturn::NO_SPACE));
    assert_eq!(host.call(task, &TaskTerminate {}).map(drop), Ok(()));
    assert_eq!(host.server_usage().notifications, 0);
}
