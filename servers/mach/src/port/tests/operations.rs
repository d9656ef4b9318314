//! `mach_msg` as an operation: cases of "I-PT", and operations that wait.

use mach_protocol::message::{CarriedRight, MsgOption, MsgReceive, MsgReply, MsgRequest, MsgSend, PortMessage};

use mach_protocol::wire::Words;

use alloc::boxed::Box;

use super::*;

fn send(to: Name, disposition: u8, id: i32, option: MsgOption) -> MsgSend {
    let mut message = PortMessage::new(id);
    let disposition = mach_protocol::port::Disposition(u32::from(disposition));
    message.header.remote = CarriedRight { name: to, disposition };
    message.push_bytes(b"hello");
    MsgSend { message, option, timeout_ms: 0, notify: Name::NULL }
}

fn receive(name: Name, size: u32, option: MsgOption) -> MsgReceive {
    MsgReceive { name, option, timeout_ms: 0, size, ..MsgReceive::default() }
}

fn run(
    p: &mut Ports,
    s: SpaceId,
    request: MsgRequest,
) -> Result<(KernReturn, Option<PortMessage>), Box<MessageOperation>> {
    let mut operation = Box::new(MessageOperation::new(s, Waiter(3), request));
    match operation.step(p) {
        Progress::Done(reply) => {
            let mut words = Words::new();
            reply.pack_into(&mut words);
            let reply = MsgReply::unpack(7120, 7220, words.as_slice()).expect("a reply");
            Ok((reply.code, reply.message))
        }
        _ => Err(operation),
    }
}

fn code(p: &mut Ports, s: SpaceId, request: MsgRequest) -> Option<KernReturn> {
    run(p, s, request).ok().map(|(code, _)| code)
}

#[test]
fn ipt_34_bytes_arrive_with_their_length() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    let rpc = MsgRequest::Rpc(send(n, COPY_SEND, 7, MsgOption::empty()), receive(n, 4096, MsgOption::empty()));
    let (code, message) = run(&mut p, s, rpc).ok().expect("over");
    let message = message.expect("received");
    assert_eq!((code, message.header.id, message.header.local.name), (K::SUCCESS, 7, n));
    assert_eq!(message.data_bytes_from(0).collect::<Vec<_>>(), b"hello");
    p.assert_valid();
}

#[test]
fn ipt_52_a_protected_payload_is_delivered_in_place_of_the_name() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    let payload = 0x0123_4567_89ab_cdef;
    let rpc = || MsgRequest::Rpc(send(n, COPY_SEND, 7, MsgOption::empty()), receive(n, 4096, MsgOption::empty()));
    let header = |p: &mut Ports| run(p, s, rpc()).ok().and_then(|(_, message)| message).expect("received").header;
    assert_eq!(p.set_payload(s, n, Some(payload)), Ok(()));
    let with = header(&mut p);
    assert_eq!((with.payload, with.local.name, with.local.disposition.0), (Some(payload), NULL, 23));
    assert_eq!(p.set_payload(s, n, Some(0)), Ok(()));
    assert_eq!(header(&mut p).payload, Some(0));
    assert_eq!(p.set_payload(s, n, None), Ok(()));
    let without = header(&mut p);
    assert_eq!((without.payload, without.local.name, without.local.disposition.0), (None, n, u32::from(MOVE_SEND)));
    p.assert_valid();
}

#[test]
fn mach_port_3221_3222_need_a_receive_right() {
    let (mut p, s) = one();
    let other = p.create_space();
    let n = p.new_port(s);
    let sender = p.share(s, n, other);
    for payload in [Some(1), None] {
        assert_eq!(p.set_payload(other, Name(999), payload), Err(K::INVALID_NAME));
        assert_eq!(p.set_payload(other, sender, payload), Err(K::INVALID_RIGHT));
    }
    assert_eq!(p.set_payload(s, n, None), Ok(()), "there is none to be cleared");
}

#[test]
fn a_payload_goes_with_the_receive_right() {
    let (mut p, s) = one();
    let other = p.create_space();
    let (n, home) = (p.new_port(s), p.new_port(s));
    assert_eq!(p.set_payload(s, n, Some(5)), Ok(()));
    let right = p.extract_right(s, n, MOVE_RECEIVE).expect("the receive right");
    let there = p.copy_out(other, right).expect("room");
    assert_eq!(p.post(s, n, COPY_SEND, 1, &[]), Ok(Sent::Done));
    let got = p.get(other, there).expect("there");
    assert_eq!((got.payload, got.local, got.local_disposition), (None, there, MOVE_SEND));
    // The same in a message, and even if it comes back to who had set it.
    assert_eq!(p.set_payload(other, there, Some(6)), Ok(()));
    let to_home = p.share(s, home, other);
    assert_eq!(p.post(other, to_home, COPY_SEND, 2, &[(there, MOVE_RECEIVE)]), Ok(Sent::Done));
    assert_eq!(p.get(s, home).map(|got| got.rights[0].name), Some(n));
    assert_eq!(p.post(s, n, COPY_SEND, 3, &[]), Ok(Sent::Done));
    assert_eq!(p.get(s, n).and_then(|got| got.payload), None);
    p.assert_valid();
}

#[test]
fn ipt_36_poll_on_a_full_queue() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    assert_eq!(p.set_limit(s, n, 0), Ok(()));
    let request = MsgRequest::Send(send(n, MOVE_SEND, 7, MsgOption::SEND_TIMEOUT));
    let (code, message) = run(&mut p, s, request).ok().expect("over");
    assert_eq!((code, message.expect("returned").header.remote.name), (K::SEND_TIMED_OUT, n));
    assert_eq!(p.get_refs(s, n, SEND), Ok(1));
    p.assert_valid();
}

#[test]
fn ipt_38_poll_on_an_empty_queue() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    assert_eq!(code(&mut p, s, MsgRequest::Receive(receive(n, 64, MsgOption::RCV_TIMEOUT))), Some(K::RCV_TIMED_OUT));
    assert_eq!(
        code(&mut p, s, MsgRequest::Receive(receive(Name(999), 64, MsgOption::empty()))),
        Some(K::RCV_INVALID_NAME)
    );
}

#[test]
fn ipt_39_interrupted_receiver_leaves_the_queue() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    let Err(mut waiting) = run(&mut p, s, MsgRequest::Receive(receive(n, 64, MsgOption::empty()))) else {
        panic!("nothing to receive")
    };
    assert_eq!(waiting.interrupt(&mut p).code, K::RCV_INTERRUPTED);
    assert_eq!(code(&mut p, s, MsgRequest::Send(send(n, COPY_SEND, 1, MsgOption::empty()))), Some(K::SUCCESS));
    assert_eq!(p.next_event(), None, "nobody waits any more");
}

#[test]
fn ipt_41_too_large() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    for _ in 0..2 {
        assert_eq!(code(&mut p, s, MsgRequest::Send(send(n, COPY_SEND, 1, MsgOption::empty()))), Some(K::SUCCESS));
    }
    assert_eq!(code(&mut p, s, MsgRequest::Receive(receive(n, 4, MsgOption::RCV_LARGE))), Some(K::RCV_TOO_LARGE));
    assert_eq!(p.receive_status(s, n).map(|r| (r.queued, r.sequence)), Ok((2, 0)));
    assert_eq!(code(&mut p, s, MsgRequest::Receive(receive(n, 4, MsgOption::empty()))), Some(K::RCV_TOO_LARGE));
    assert_eq!(p.receive_status(s, n).map(|r| r.queued), Ok(1));
    assert_eq!(code(&mut p, s, MsgRequest::Receive(receive(n, 5, MsgOption::empty()))), Some(K::SUCCESS));
    p.assert_valid();
}

#[test]
fn a_sender_that_waits_goes_on_when_there_is_room_and_is_cancelled_clean() {
    let (mut p, s) = one();
    let n = p.new_port(s);
    assert_eq!(p.set_limit(s, n, 1), Ok(()));
    assert_eq!(code(&mut p, s, MsgRequest::Send(send(n, COPY_SEND, 1, MsgOption::empty()))), Some(K::SUCCESS));
    let Err(mut one) = run(&mut p, s, MsgRequest::Send(send(n, COPY_SEND, 2, MsgOption::empty()))) else {
        panic!("full")
    };
    let Err(mut two) = run(&mut p, s, MsgRequest::Send(send(n, COPY_SEND, 3, MsgOption::empty()))) else {
        panic!("full")
    };
    two.cancel(&mut p);
    assert_eq!(p.get(s, n).map(|m| m.message.id), Some(1));
    let Progress::Done(reply) = one.step(&mut p) else { panic!("there is room") };
    assert_eq!(reply.code, K::SUCCESS);
    assert_eq!(p.get(s, n).map(|m| m.message.id), Some(2));
    p.assert_valid();
}

#[test]
fn a_message_to_a_server_port_is_served_and_then_received_for() {
    let (mut p, s) = one();
    let object = Object { kind: ObjectKind::Task, id: 4 };
    let port = p.create_server_port(object);
    let name = p.give_send(s, port).expect("room");
    let mut operation =
        MessageOperation::new(s, Waiter(1), MsgRequest::Send(send(name, COPY_SEND, 2012, MsgOption::empty())));
    let Progress::Serve(found, message) = operation.step(&mut p) else { panic!("not served") };
    assert_eq!((found, message.id), (object, 2012));
    p.destroy_message(*message);
    assert!(matches!(operation.step(&mut p), Progress::Done(reply) if reply.code == K::SUCCESS));
    p.assert_valid();
}
