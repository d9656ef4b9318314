//! Messages: what they carry, and where they go when ports die.

use super::*;

#[test]
fn ipt_34_35_messages_and_replies() {
    let (mut p, client) = one();
    let server = p.create_space();
    let service = p.new_port(server);
    let to = p.share(server, service, client);
    let reply = p.allocate(client, RECEIVE).expect("room");
    let header =
        Header { remote: to, remote_disposition: COPY_SEND, local: reply, local_disposition: MAKE_ONCE, id: 42 };
    let message = p.copy_in(client, header, smallvec![1, 2, 3], &[]).expect("sendable");
    assert_eq!(p.send(message, None), Sent::Done);
    let got = p.get(server, service).expect("there");
    assert_eq!(
        (got.message.id, got.message.words.to_vec(), got.remote.disposition, got.local_disposition),
        (42, vec![1, 2, 3], MOVE_ONCE, MOVE_SEND)
    );
    assert_eq!(p.post(server, got.remote.name, MOVE_ONCE, 142, &[]), Ok(Sent::Done));
    assert_eq!(p.post(server, got.remote.name, MOVE_ONCE, 142, &[]), Err(KernReturn::SEND_INVALID_DEST));
    assert_eq!(p.get(client, reply).map(|m| m.message.id), Some(142));
    p.assert_valid();
}

#[test]
fn ipt_36_full_queue_gives_the_rights_back() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    let carried = p.new_port(s);
    for id in 0..QUEUE_LIMIT_DEFAULT {
        assert_eq!(p.post(s, n, COPY_SEND, id as i32, &[]), Ok(Sent::Done));
    }
    let Ok(Sent::Full(message)) = p.post(s, n, COPY_SEND, 9, &[(carried, MOVE_SEND)]) else { panic!("not full") };
    assert_eq!(p.get_refs(s, carried, SEND), Ok(0));
    let back = p.give_back(s, message);
    assert_eq!((back.remote.name, back.rights[0].name, back.trouble), (n, carried, None));
    assert_eq!(p.get_refs(s, carried, SEND), Ok(1));
    p.assert_valid();
}

#[test]
fn ipt_39_40_receivers_are_told_of_death() {
    let (mut p, s) = one();
    let n = p.allocate(s, RECEIVE).expect("room");
    assert_eq!(p.receive(s, n, Some(Waiter(7))), Ok(Received::Nothing));
    assert_eq!(p.mod_refs(s, n, RECEIVE, -1), Ok(()));
    assert_eq!(p.next_event(), Some(Event::ReceiveFails(Waiter(7), KernReturn::RCV_PORT_DIED)));
    assert_eq!(p.next_event(), None);
}

#[test]
fn ipt_46_47_rights_in_messages() {
    let (mut p, a) = one();
    let b = p.create_space();
    let to = p.new_port(b);
    let to_b = p.share(b, to, a);
    let moved = p.new_port(a);
    let kept = p.new_port(a);
    assert_eq!(p.post(a, moved, COPY_SEND, 77, &[]), Ok(Sent::Done));
    let body = [(moved, MOVE_RECEIVE), (kept, MAKE_SEND), (kept, MAKE_ONCE), (NULL, COPY_SEND)];
    assert_eq!(p.post(a, to_b, COPY_SEND, 1, &body), Ok(Sent::Done));
    assert_eq!(p.port_type(a, moved), Ok(0x10000));
    p.assert_valid();
    let got = p.get(b, to).expect("there");
    assert_eq!(
        got.rights.iter().map(|r| r.disposition).collect::<Vec<_>>(),
        [MOVE_RECEIVE, MOVE_SEND, MOVE_ONCE, MOVE_SEND]
    );
    assert_eq!(got.rights[3].name, NULL);
    let status = p.receive_status(b, got.rights[0].name).expect("receive right");
    assert_eq!((status.sequence, status.make_send, status.queued), (0, 0, 1));
    assert_eq!(p.get(b, got.rights[0].name).map(|m| m.message.id), Some(77));
    p.assert_valid();
}

#[test]
fn ipt_49_header_corner_cases() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    let head = |rd, l, ld| Header { remote: n, remote_disposition: rd, local: l, local_disposition: ld, id: 0 };
    assert_eq!(p.copy_in(s, head(0, NULL, 0), smallvec![], &[]), Err(KernReturn::SEND_INVALID_HEADER));
    assert_eq!(p.copy_in(s, head(MOVE_SEND, n, MOVE_SEND), smallvec![], &[]), Err(KernReturn::SEND_INVALID_REPLY));
    assert_eq!(p.get_refs(s, n, SEND), Ok(1));
    let other = p.allocate(s, RECEIVE).expect("room");
    assert_eq!(p.copy_in(s, head(COPY_SEND, other, COPY_SEND), smallvec![], &[]), Err(KernReturn::SEND_INVALID_REPLY));
    let message = p.copy_in(s, head(MOVE_SEND, n, COPY_SEND), smallvec![], &[]).expect("one reference is enough");
    p.destroy_message(message);
    assert_eq!(p.get_refs(s, n, SEND), Ok(0));
    let dead = p.allocate(s, DEAD_NAME).expect("room");
    assert!(matches!(p.post(s, dead, COPY_SEND, 0, &[]), Err(KernReturn::SEND_INVALID_DEST)));
    assert_eq!(
        p.copy_in(s, head(COPY_SEND, NULL, 0), smallvec![0; BODY_WORDS_MAX + 1], &[]),
        Err(KernReturn::SEND_MSG_TOO_SMALL)
    );
    p.assert_valid();
}

#[test]
fn ipt_50_dying_port_releases_the_rights_in_its_queue() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    let to = p.new_port(s);
    let header = Header { remote: n, remote_disposition: COPY_SEND, local: to, local_disposition: MAKE_ONCE, id: 1 };
    let message = p.copy_in(s, header, smallvec![], &[]).expect("sendable");
    assert_eq!(p.send(message, None), Sent::Done);
    assert_eq!(p.destroy(s, n), Ok(()));
    assert_eq!(p.get(s, to).map(|m| m.message.id), Some(71));
    p.assert_valid();
}

#[test]
fn ipt_51_order_is_kept() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    assert_eq!(p.set_limit(s, n, QUEUE_LIMIT_MAX), Ok(()));
    for id in 0..1000 {
        assert_eq!(p.post(s, n, COPY_SEND, id, &[]), Ok(Sent::Done));
    }
    for id in 0..1000 {
        assert_eq!(p.get(s, n).map(|m| m.message.id), Some(id));
    }
}

#[test]
fn a_circle_of_receive_rights_is_destroyed() {
    let (mut p, s) = one();
    let a = p.new_port(s);
    let b = p.new_port(s);
    assert_eq!(p.post(s, a, COPY_SEND, 1, &[(b, MOVE_RECEIVE)]), Ok(Sent::Done));
    assert_eq!(p.post(s, b, COPY_SEND, 2, &[(a, MOVE_RECEIVE)]), Ok(Sent::Done));
    assert_eq!(p.port_type(s, a), Ok(0x100000), "both ports died with the circle");
    assert_eq!(p.port_type(s, b), Ok(0x100000));
    assert_eq!(p.counts().0, 0);
    let own = p.new_port(s);
    assert_eq!(p.post(s, own, MAKE_SEND, 3, &[(own, MOVE_RECEIVE)]), Ok(Sent::Done));
    assert_eq!(p.counts().0, 0);
    p.assert_valid();
}

#[test]
fn senders_are_woken_one_for_each_message_taken() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    assert_eq!(p.set_limit(s, n, 1), Ok(()));
    assert_eq!(p.post(s, n, COPY_SEND, 0, &[]), Ok(Sent::Done));
    let header = Header { remote: n, remote_disposition: COPY_SEND, local: NULL, local_disposition: 0, id: 1 };
    let message = p.copy_in(s, header, smallvec![], &[]).expect("sendable");
    let Sent::Full(message) = p.send(message, Some(Waiter(1))) else { panic!("not full") };
    assert_eq!(p.next_event(), None);
    assert!(p.get(s, n).is_some());
    assert_eq!(p.next_event(), Some(Event::Wake(Waiter(1))));
    assert_eq!(p.send(message, Some(Waiter(1))), Sent::Done);
    assert_eq!(p.get(s, n).map(|m| m.message.id), Some(1));
}

#[test]
fn a_full_space_refuses_and_loses_nothing() {
    let (mut p, s) = one();
    let other = p.create_space();
    let port = p.new_port(other);
    while p.allocate(s, DEAD_NAME).is_ok() {}
    assert_eq!(p.allocate(s, RECEIVE), Err(K::NO_SPACE));
    assert_eq!(p.allocate_name(s, RECEIVE, Name(1 << 20)), Err(K::NO_SPACE));
    let right = p.extract_right(other, port, MAKE_SEND).expect("receive right");
    assert_eq!(p.copy_out(s, right), Err(K::NO_SPACE));
    while !p.destroy_space_step(s, 64) {}
    p.assert_valid();
}

#[test]
fn one_port_makes_only_so_many_send_once_rights() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    p.add_send(s, n);
    for _ in 0..SEND_ONCE_MAX {
        // Refused or dropped, such a right leaves a message that asks for no room in the queue.
        let once = p.once(s, n);
        p.release(once);
    }
    assert_eq!(p.queued(), SEND_ONCE_MAX as usize);
    assert_eq!(p.extract_right(s, n, MAKE_ONCE), Err(K::RESOURCE_SHORTAGE));
    let header = |local, disposition| Header {
        remote: n,
        remote_disposition: COPY_SEND,
        local,
        local_disposition: disposition,
        id: 1,
    };
    let refused = |message: Result<Message, K>| message.map(|_| ()).map_err(|code| code.0);
    let no_buffer = Err(K::SEND_NO_BUFFER.0);
    let message = p.copy_in(s, header(n, MAKE_ONCE), smallvec![], &[]);
    assert_eq!(refused(message), no_buffer);
    let message = p.copy_in(s, Header { remote_disposition: MAKE_ONCE, ..header(NULL, 0) }, smallvec![], &[]);
    assert_eq!(refused(message), no_buffer);
    let message = p.copy_in(s, header(NULL, 0), smallvec![], &[(n, MAKE_ONCE)]);
    assert_eq!(refused(message), no_buffer);
    p.assert_valid();
    // A message that is taken makes room for one.
    assert_eq!(p.get(s, n).map(|m| m.message.id), Some(71));
    let once = p.once(s, n);
    p.release(once);
    p.assert_valid();
}

#[test]
fn the_end_of_a_long_queue_keeps_few_things_in_the_list() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    assert_eq!(p.set_limit(s, n, QUEUE_LIMIT_MAX), Ok(()));
    p.add_send(s, n);
    for _ in 0..QUEUE_LIMIT_MAX {
        let rights: Vec<(Name, u8)> = (0..4).map(|_| (n, COPY_SEND)).collect();
        assert_eq!(p.post(s, n, COPY_SEND, 9, &rights), Ok(Sent::Done));
    }
    assert_eq!(p.mod_refs(s, n, RECEIVE, -1), Ok(()));
    assert_eq!(p.queued(), 0);
    assert!(p.doomed.capacity() <= 8, "{}", p.doomed.capacity());
    p.assert_valid();
}

/// Who sends and is not received from is refused in time, and can answer others all the same.
#[test]
fn a_task_answers_for_so_many_bytes_in_queues_and_no_more() {
    let (mut p, s) = one();
    let ports: Vec<_> = (0..400).map(|_| p.new_port(s)).collect();
    let other = p.create_space();
    let theirs = p.new_port(other);
    let to_them = p.share(other, theirs, s);
    let header = |remote| Header { remote, remote_disposition: COPY_SEND, local: NULL, local_disposition: 0, id: 1 };
    let mut sent = 0;
    let refused = 'all: loop {
        for port in &ports {
            match p.copy_in(s, header(*port), smallvec![7; 100], &[]) {
                Ok(message) => assert_eq!(p.send(message, None), Sent::Done),
                Err(code) => break 'all code,
            }
            sent += 1;
            p.assert_valid_charges();
        }
    };
    assert_eq!(refused, KernReturn::SEND_NO_BUFFER);
    assert!((800..1300).contains(&sent), "about a MiB: {sent} messages");
    assert_eq!(p.copy_in(s, header(to_them), smallvec![], &[]).err(), Some(KernReturn::SEND_NO_BUFFER), "wherever to");
    let reply = p.allocate(other, RECEIVE).expect("room");
    let once =
        Header { remote: theirs, remote_disposition: COPY_SEND, local: reply, local_disposition: MAKE_ONCE, id: 2 };
    // Theirs is not full, and their question is answered.
    let back = p.share(s, ports[0], other);
    let question = p.copy_in(other, Header { remote: back, ..once }, smallvec![], &[]).expect("sendable");
    assert_eq!(p.send(question, None), Sent::Done);
    let mut asked = None;
    while let Some(got) = p.get(s, ports[0]) {
        asked = (got.message.id == 2).then_some(got.remote.name);
    }
    for port in &ports[1..] {
        if p.copy_in(s, header(*port), smallvec![7; 100], &[]).map(|message| p.send(message, None)) != Ok(Sent::Done) {
            break;
        }
    }
    assert_eq!(p.post(s, asked.expect("the question"), MOVE_ONCE, 102, &[]), Ok(Sent::Done));
    p.assert_valid_charges();
    for port in &ports {
        assert_eq!(p.mod_refs(s, *port, RECEIVE, -1), Ok(()));
    }
    p.assert_valid_charges();
    assert!(p.copy_in(s, header(to_them), smallvec![], &[]).is_ok_and(|message| p.send(message, None) == Sent::Done));
    assert_eq!(p.get(other, reply).map(|message| message.message.id), Some(102));
}

impl Ports {
    /// PORT-7
    pub(super) fn assert_valid_charges(&self) {
        for (id, space) in self.spaces.iter() {
            let queued = self.ports.iter().flat_map(|(_, port)| &port.queue);
            let own = queued.filter(|message| message.payer == Some(id));
            let sum: usize = own
                .map(|message| {
                    let rights = message.rights.len() * size_of::<Right>();
                    size_of::<Message>() + message.words.len() * 8 + rights
                })
                .sum();
            assert_eq!(space.queued_bytes, sum, "PORT-7");
        }
    }
}
