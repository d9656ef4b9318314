//! Conformance cases of `spec/mach-ports-tasks.md` "I-PT" that need no task around them, by number.

use alloc::vec;
use alloc::vec::Vec;

use smallvec::smallvec;

use super::table::Entry;
use super::*;
use KernReturn as K;

mod bells;
mod messages;
mod operations;
mod random;

const SEND: u32 = RightKind::Send as u32;
const RECEIVE: u32 = RightKind::Receive as u32;
const SET: u32 = RightKind::PortSet as u32;
const DEAD_NAME: u32 = RightKind::DeadName as u32;
const MAKE_SEND: u8 = Disposition::MakeSend as u8;
const MAKE_ONCE: u8 = Disposition::MakeSendOnce as u8;
const COPY_SEND: u8 = Disposition::CopySend as u8;
const MOVE_SEND: u8 = Disposition::MoveSend as u8;
const MOVE_ONCE: u8 = Disposition::MoveSendOnce as u8;
const MOVE_RECEIVE: u8 = Disposition::MoveReceive as u8;

impl Ports {
    /// Recomputes every count from scratch and compares (PORT-1 to PORT-6).
    pub(super) fn assert_valid(&self) {
        assert!(self.doomed.is_empty(), "rights left to release");
        self.assert_valid_charges();
        let messages = || self.ports.iter().flat_map(|(_, p)| p.queue.iter());
        let rights = || messages().flat_map(|m| m.rights.iter().chain([&m.destination, &m.reply]));
        let entries = || {
            self.spaces
                .iter()
                .flat_map(|(s, space)| space.table.names().map(move |n| (s, n, *space.table.get(n).expect("listed"))))
        };
        for (id, p) in self.ports.iter() {
            let mut send = rights().filter(|r| **r == Right::Send(id)).count();
            let mut once = rights().filter(|r| **r == Right::SendOnce(id)).count();
            let mut receive = rights().filter(|r| **r == Right::Receive(id)).count();
            for (space, name, entry) in entries() {
                match entry {
                    Entry::Port { port, receive: r, send: s, request } => {
                        if port == id {
                            send += usize::from(s > 0);
                            receive += usize::from(r);
                            assert!(r || s > 0, "an entry that holds nothing");
                            assert_eq!(self.spaces.get(space).expect("live").table.name_of(id), Some(name), "PORT-4");
                            if r {
                                assert_eq!(p.receiver, Receiver::Space(space, name), "PORT-1");
                            }
                            assert_eq!(request.is_some(), p.dead_name_requests.contains(&(space, name)));
                        }
                        once += usize::from(request == Some(id));
                    }
                    Entry::SendOnce { port, request } => {
                        once += usize::from(port == id) + usize::from(request == Some(id));
                    }
                    _ => {}
                }
            }
            for (_, other) in self.ports.iter() {
                once += usize::from(other.no_senders == Some(id));
                once += usize::from(other.port_destroyed == Some(id));
            }
            assert_eq!(p.send_rights as usize, send, "PORT-2 {id:?}");
            assert_eq!(p.send_once_rights as usize, once, "PORT-3 {id:?}");
            let server = usize::from(matches!(p.receiver, Receiver::Server(_)));
            assert_eq!(receive + server, 1, "PORT-1 {id:?}");
            if let Some(set) = p.set {
                assert!(self.sets.get(set).expect("live").members.contains(&id), "PORT-6");
            }
        }
        for (id, set) in self.sets.iter() {
            for member in &set.members {
                assert_eq!(self.ports.get(*member).expect("live").set, Some(id), "PORT-6");
            }
        }
    }

    fn new_port(&mut self, space: SpaceId) -> Name {
        let name = self.allocate(space, RECEIVE).expect("room");
        self.add_send(space, name);
        name
    }

    fn add_send(&mut self, space: SpaceId, name: Name) {
        let right = self.extract_right(space, name, MAKE_SEND).expect("receive right");
        self.insert_right(space, name, right).expect("same name");
    }

    /// A send-once right to `name` of `space` as an argument.
    fn once(&mut self, space: SpaceId, name: Name) -> Right {
        self.extract_right(space, name, MAKE_ONCE).expect("receive right")
    }

    fn post(
        &mut self,
        space: SpaceId,
        to: Name,
        disposition: u8,
        id: i32,
        rights: &[(Name, u8)],
    ) -> Result<Sent, KernReturn> {
        let header = Header { remote: to, remote_disposition: disposition, local: NULL, local_disposition: 0, id };
        let message = self.copy_in(space, header, smallvec![id as u64], rights)?;
        Ok(self.send(message, None))
    }

    fn get(&mut self, space: SpaceId, name: Name) -> Option<Delivered> {
        match self.receive(space, name, None).expect("receivable") {
            Received::Message(message, port) => Some(self.deliver(space, message, port)),
            Received::Nothing => None,
        }
    }

    /// Moves a send right to `name` of `from` into `to`.
    fn share(&mut self, from: SpaceId, name: Name, to: SpaceId) -> Name {
        let right = self.extract_right(from, name, MAKE_SEND).expect("receive right");
        self.copy_out(to, right).expect("room")
    }
}

fn one() -> (Ports, SpaceId) {
    let mut ports = Ports::new();
    let space = ports.create_space();
    (ports, space)
}

#[test]
fn ipt_01_allocate_receive() {
    let (mut p, s) = one();
    let n = p.allocate(s, RECEIVE).expect("room");
    assert_eq!(p.port_type(s, n), Ok(0x20000));
    assert_eq!(p.get_refs(s, n, RECEIVE), Ok(1));
    assert_eq!(p.get_refs(s, n, SEND), Ok(0));
    p.assert_valid();
}

#[test]
fn ipt_02_insert_make_send_counts() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    assert_eq!(p.port_type(s, n), Ok(0x30000));
    assert_eq!(p.get_refs(s, n, SEND), Ok(1));
    p.add_send(s, n);
    assert_eq!(p.get_refs(s, n, SEND), Ok(2));
    p.assert_valid();
}

#[test]
fn ipt_03_to_05_insert_refusals() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    let other = p.allocate(s, RECEIVE).expect("room");
    for (name, code) in
        [(Name(900), K::RIGHT_EXISTS), (other, K::NAME_EXISTS), (NULL, K::INVALID_VALUE), (DEAD, K::INVALID_VALUE)]
    {
        let right = p.extract_right(s, n, MAKE_SEND).expect("receive right");
        assert_eq!(p.insert_right(s, name, right), Err(code), "{name:?}");
        p.assert_valid();
    }
    assert_eq!(p.insert_right(s, Name(900), Right::Dead), Err(K::INVALID_CAPABILITY));
}

#[test]
fn ipt_06_to_08_mod_refs() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    assert_eq!(p.mod_refs(s, n, SEND, -1), Ok(()));
    assert_eq!(p.port_type(s, n), Ok(0x20000));
    assert_eq!(p.mod_refs(s, n, SEND, -1), Err(K::INVALID_RIGHT));
    assert_eq!(p.mod_refs(s, n, RECEIVE, 1), Err(K::INVALID_VALUE));
    assert_eq!(p.mod_refs(s, n, RECEIVE, 0), Ok(()));
    p.add_send(s, n);
    assert_eq!(p.mod_refs(s, n, SEND, -2), Err(K::INVALID_VALUE));
    assert_eq!(p.mod_refs(s, n, SEND, i32::MAX), Err(K::UREFS_OVERFLOW));
    assert_eq!(p.mod_refs(s, n, 9, -1), Err(K::INVALID_VALUE));
    assert_eq!(p.mod_refs(s, Name(999), SEND, -1), Err(K::INVALID_NAME));
    p.assert_valid();
}

#[test]
fn ipt_09_10_death_leaves_a_dead_name_with_the_references() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    p.add_send(s, n);
    assert_eq!(p.mod_refs(s, n, RECEIVE, -1), Ok(()));
    assert_eq!(p.port_type(s, n), Ok(0x100000));
    assert_eq!(p.get_refs(s, n, DEAD_NAME), Ok(2));
    assert_eq!(p.mod_refs(s, n, SEND, -1), Err(K::INVALID_RIGHT));
    assert_eq!(p.deallocate(s, n), Ok(()));
    assert_eq!(p.deallocate(s, n), Ok(()));
    assert_eq!(p.deallocate(s, n), Err(K::INVALID_NAME));
    p.assert_valid();
}

#[test]
fn ipt_11_to_18_refusals_and_names() {
    let (mut p, s) = one();
    let n = p.allocate(s, RECEIVE).expect("room");
    assert_eq!(p.deallocate(s, n), Err(K::INVALID_RIGHT));
    assert_eq!(p.get_refs(s, n, 5), Err(K::INVALID_VALUE));
    assert_eq!(p.get_refs(s, Name(777), SEND), Err(K::INVALID_NAME));
    let set = p.allocate(s, SET).expect("room");
    assert_eq!(p.move_member(s, n, set), Ok(()));
    assert_eq!(p.destroy(s, set), Ok(()));
    assert_eq!(p.receive_status(s, n).map(|r| r.set), Ok(NULL));
    assert_eq!(p.allocate(s, SEND), Err(K::INVALID_VALUE));
    assert_eq!(p.allocate_name(s, RECEIVE, Name(1000)), Ok(()));
    assert_eq!(p.allocate_name(s, RECEIVE, Name(1000)), Err(K::NAME_EXISTS));
    assert_eq!(p.allocate_name(s, RECEIVE, DEAD), Err(K::INVALID_VALUE));
    p.add_send(s, Name(1000));
    assert_eq!(p.post(s, Name(1000), COPY_SEND, 5, &[]), Ok(Sent::Done));
    assert_eq!(p.rename(s, Name(1000), Name(1001)), Ok(()));
    assert_eq!(p.port_type(s, Name(1000)), Err(K::INVALID_NAME));
    for name in [NULL, DEAD] {
        assert_eq!(p.rename(s, Name(1001), name), Err(K::INVALID_VALUE), "{name:?}");
    }
    assert_eq!(p.rename(s, Name(1001), n), Err(K::NAME_EXISTS));
    assert_eq!(p.rename(s, Name(1000), Name(1002)), Err(K::INVALID_NAME));
    assert_eq!(p.get(s, Name(1001)).map(|m| (m.message.id, m.local)), Some((5, Name(1001))));
    assert_eq!(p.set_limit(s, n, QUEUE_LIMIT_MAX + 1), Err(K::INVALID_VALUE));
    assert_eq!(p.set_limit(s, n, u32::MAX), Err(K::INVALID_VALUE));
    p.add_send(s, n);
    assert_eq!(p.set_limit(s, n, 0), Ok(()));
    let Ok(Sent::Full(message)) = p.post(s, n, COPY_SEND, 1, &[]) else { panic!("not full") };
    p.destroy_message(*message);
    assert_eq!(p.post(s, n, MAKE_ONCE, 2, &[]), Ok(Sent::Done));
    p.assert_valid();
}

#[test]
fn ipt_19_to_21_sets_and_status() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    let set = p.allocate(s, SET).expect("room");
    assert_eq!(p.move_member(s, n, set), Ok(()));
    assert_eq!(p.set_members(s, set), Ok(vec![n]));
    assert_eq!(p.receive(s, n, None), Err(KernReturn::RCV_IN_SET));
    assert_eq!(p.post(s, n, COPY_SEND, 3, &[]), Ok(Sent::Done));
    assert_eq!(p.get(s, set).map(|m| (m.message.id, m.local)), Some((3, n)));
    assert_eq!(p.move_member(s, n, NULL), Ok(()));
    assert_eq!(p.move_member(s, n, NULL), Err(K::NOT_IN_SET));
    assert_eq!(p.move_member(s, n, n), Err(K::INVALID_RIGHT));
    for id in 0..4 {
        assert_eq!(p.post(s, n, COPY_SEND, id, &[]), Ok(Sent::Done));
    }
    assert_eq!(p.get(s, n).map(|m| m.message.sequence), Some(1));
    assert_eq!(p.get(s, n).map(|m| m.message.sequence), Some(2));
    let status = p.receive_status(s, n).expect("receive right");
    assert_eq!((status.queued, status.sequence, status.make_send), (2, 3, 1));
    p.assert_valid();
}

#[test]
fn ipt_22_stale_space() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    assert!(p.destroy_space_step(s, 64));
    assert_eq!(p.port_type(s, n), Err(K::INVALID_TASK));
    assert_eq!(p.allocate(s, RECEIVE), Err(K::INVALID_TASK));
    assert_eq!(p.counts(), (0, 0, 0));
}

#[test]
fn ipt_23_names_and_types_agree() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    let set = p.allocate(s, SET).expect("room");
    let far = Name(70_000);
    assert_eq!(p.allocate_name(s, DEAD_NAME, far), Ok(()));
    let list = p.names(s).expect("live");
    let expected = [(n, 0x30000), (set, 0x80000), (far, 0x100000)];
    assert_eq!(list.iter().map(|e| (e.name, e.kind)).collect::<Vec<_>>(), expected);
}

#[test]
fn ipt_24_33_dead_name_notification() {
    let (mut p, a) = one();
    let b = p.create_space();
    let port = p.new_port(b);
    let name = p.share(b, port, a);
    let notify = p.new_port(a);
    let once = p.once(a, notify);
    assert_eq!(p.request_notification(a, name, RequestKind::DeadName, 0, once), Ok(Right::Null));
    assert_eq!(p.port_type(a, name), Ok(0x8001_0000));
    p.assert_valid();
    while !p.destroy_space_step(b, 1) {}
    let message = p.get(a, notify).expect("72");
    assert_eq!((message.message.id, message.message.words.to_vec()), (72, vec![u64::from(name.0)]));
    assert_eq!(p.get_refs(a, name, DEAD_NAME), Ok(2));
    p.assert_valid();
}

#[test]
fn ipt_25_request_on_a_dead_name() {
    let (mut p, s) = one();
    let dead = p.allocate(s, DEAD_NAME).expect("room");
    let n = p.new_port(s);
    let once = p.once(s, n);
    assert_eq!(p.request_notification(s, dead, RequestKind::DeadName, 0, once), Err(K::INVALID_ARGUMENT));
    assert_eq!(p.get(s, n).map(|m| m.message.id), Some(71), "the refused right is destroyed unused");
    let once = p.once(s, n);
    assert_eq!(p.request_notification(s, dead, RequestKind::DeadName, 1, once), Ok(Right::Null));
    assert_eq!(p.get(s, n).map(|m| m.message.id), Some(72));
    assert_eq!(p.get_refs(s, dead, DEAD_NAME), Ok(2));
    p.assert_valid();
}

#[test]
fn ipt_26_27_no_senders() {
    let (mut p, s) = one();
    let n = p.allocate(s, RECEIVE).expect("room");
    let to = p.new_port(s);
    let once = p.once(s, to);
    assert_eq!(p.request_notification(s, n, RequestKind::NoSenders, 0, once), Ok(Right::Null));
    let at_once = p.get(s, to).expect("70");
    assert_eq!((at_once.message.id, at_once.message.words.to_vec()), (70, vec![0]));
    p.add_send(s, n);
    p.add_send(s, n);
    let once = p.once(s, to);
    assert_eq!(p.request_notification(s, n, RequestKind::NoSenders, 0, once), Ok(Right::Null));
    assert_eq!(p.deallocate(s, n), Ok(()));
    assert_eq!(p.get(s, to), None);
    assert_eq!(p.deallocate(s, n), Ok(()));
    let last = p.get(s, to).expect("70");
    assert_eq!((last.message.id, last.message.words.to_vec()), (70, vec![2]));
    p.assert_valid();
}

#[test]
fn ipt_28_second_request_returns_the_first() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    let to = p.new_port(s);
    let first = p.once(s, to);
    assert_eq!(p.request_notification(s, n, RequestKind::DeadName, 0, first), Ok(Right::Null));
    let second = p.once(s, to);
    let previous = p.request_notification(s, n, RequestKind::DeadName, 0, second).expect("replaced");
    assert!(matches!(previous, Right::SendOnce(_)));
    p.release(previous);
    assert_eq!(p.get(s, to).map(|m| m.message.id), Some(71));
    p.assert_valid();
}

#[test]
fn ipt_29_send_once_destroyed_unused() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    let once = p.once(s, n);
    let name = p.copy_out(s, once).expect("room");
    assert_eq!(p.port_type(s, name), Ok(0x40000));
    assert_eq!(p.deallocate(s, name), Ok(()));
    assert_eq!(p.get(s, n).map(|m| (m.message.id, m.local_disposition)), Some((71, MOVE_ONCE)));
    p.assert_valid();
}

#[test]
fn ipt_30_32_port_destroyed() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    let to = p.new_port(s);
    assert_eq!(p.post(s, n, COPY_SEND, 9, &[]), Ok(Sent::Done));
    let once = p.once(s, to);
    assert_eq!(p.request_notification(s, n, RequestKind::PortDestroyed, 1, once), Err(K::INVALID_VALUE));
    assert_eq!(p.get(s, to).map(|m| m.message.id), Some(71));
    let once = p.once(s, to);
    assert_eq!(p.request_notification(s, n, RequestKind::PortDestroyed, 0, once), Ok(Right::Null));
    assert_eq!(p.mod_refs(s, n, RECEIVE, -1), Ok(()));
    assert_eq!(p.port_type(s, n), Ok(0x10000), "the send right lives");
    p.assert_valid();
    let message = p.get(s, to).expect("69");
    assert_eq!((message.message.id, message.rights[0].disposition), (69, MOVE_RECEIVE));
    assert_eq!(message.rights[0].name, n, "send and receive share a name");
    assert_eq!(p.get(s, n).map(|m| m.message.id), Some(9), "queue intact");
    p.assert_valid();
}

#[test]
fn ipt_31_deleted_name_with_a_request() {
    let (mut p, a) = one();
    let b = p.create_space();
    let port = p.new_port(b);
    let name = p.share(b, port, a);
    let to = p.new_port(a);
    let once = p.once(a, to);
    assert_eq!(p.request_notification(a, name, RequestKind::DeadName, 0, once), Ok(Right::Null));
    assert_eq!(p.deallocate(a, name), Ok(()));
    let message = p.get(a, to).expect("65");
    assert_eq!((message.message.id, message.message.words.to_vec()), (65, vec![u64::from(name.0)]));
    p.assert_valid();
}
