//! Messages come back as they were packed, and nothing else is understood.

use proptest::prelude::*;

use super::*;
use crate::KernReturn;

fn right() -> impl Strategy<Value = CarriedRight> {
    (any::<u32>(), 0_u32..23)
        .prop_map(|(name, disposition)| CarriedRight { name: PortName(name), disposition: Disposition(disposition) })
}

prop_compose! {
    fn message()(
        id in any::<i32>(),
        remote in right(),
        local in right(),
        rights in proptest::collection::vec(right(), 0..=MAX_RIGHTS),
        data in proptest::collection::vec(any::<u8>(), 0..=MAX_DATA_BYTES),
    ) -> PortMessage {
        let mut message = PortMessage::new(id);
        message.header.remote = remote;
        message.header.local = local;
        rights.iter().for_each(|right| message.push_right(*right).unwrap());
        message.push_bytes(&data);
        message
    }
}

proptest! {
    #[test]
    fn requests_come_back(message in message(), option in any::<u32>(), timeout_ms in any::<u32>(),
                          name in any::<u32>(), size in any::<u32>(), notify in any::<u32>()) {
        let option = MsgOption::from_bits_retain(option);
        let send = MsgSend { message, option, timeout_ms, notify: PortName(notify) };
        let receive = MsgReceive { name: PortName(name), option, timeout_ms, size, landing: Landing::default() };
        let landing = Landing { address: u64::from(name), size: u64::from(size).max(1) };
        let landed = MsgRequest::Receive(MsgReceive { landing, ..receive });
        let rpc = MsgRequest::Rpc(send.clone(), receive);
        for request in [MsgRequest::Send(send), landed, MsgRequest::Receive(receive), rpc] {
            let words = request.pack();
            prop_assert!(words.as_slice().len() <= MAX_WORDS);
            prop_assert_eq!(MsgRequest::unpack(request.id(), words.as_slice()), Ok(request));
        }
    }

    #[test]
    fn replies_come_back(mut message in message(), seqno in any::<u32>(), code in any::<i32>(), from in any::<bool>(),
                         payload in any::<Option<u64>>()) {
        message.header.seqno = seqno;
        message.header.payload = payload;
        if payload.is_some() {
            message.header.local = CarriedRight { name: PortName::NULL, disposition: Disposition::PROTECTED_PAYLOAD };
        }
        message.header.is_from_server = from;
        for message in [None, Some(message)] {
            let reply = MsgReply { code: KernReturn(code), message };
            let words = reply.pack();
            prop_assert_eq!(MsgReply::unpack(7120, 7220, words.as_slice()), Ok(reply));
        }
    }

    #[test]
    fn any_words_are_refused_or_understood(id in 7119_u32..7124, words in proptest::collection::vec(any::<u64>(), 0..=MAX_WORDS)) {
        if let Ok(request) = MsgRequest::unpack(id, &words) {
            prop_assert!(request.pack().as_slice().len() <= MAX_WORDS);
        }
        if let Ok(MsgReply { message: Some(message), .. }) = MsgReply::unpack(7120, 7220, &words) {
            prop_assert!(message.rights().len() <= MAX_RIGHTS);
            prop_assert!(message.data_words().len() <= MAX_BODY_WORDS);
        }
    }
}

#[test]
fn the_longest_message_fills_the_kernels() {
    let mut message = PortMessage::new(1);
    assert_eq!(message.push_bytes(&[7; 1000]), 114 * 8);
    let send = MsgSend { message, option: MsgOption::empty(), timeout_ms: 0, notify: PortName::NULL };
    let words = MsgRequest::Rpc(send, MsgReceive::default()).pack();
    assert_eq!(words.as_slice().len(), 1 + 119);
}

#[test]
fn no_task_can_say_that_it_is_the_server() {
    let mut forged = PortMessage::new(2201);
    forged.header.is_from_server = true;
    let send = MsgSend { message: forged, option: MsgOption::empty(), timeout_ms: 0, notify: PortName::NULL };
    let words = MsgRequest::Send(send).pack();
    let Ok(MsgRequest::Send(send)) = MsgRequest::unpack(MACH_MSG_SEND, words.as_slice()) else {
        panic!("the message is well formed");
    };
    assert!(!send.message.header.is_from_server);
}

#[test]
fn a_message_takes_no_more_than_fits() {
    let mut message = PortMessage::new(1);
    let right = CarriedRight { name: PortName(5), disposition: Disposition::COPY_SEND };
    for _ in 0..MAX_RIGHTS {
        assert_eq!(message.push_right(right), Ok(()));
    }
    assert_eq!(message.push_right(right), Err(Full));
    assert_eq!(message.push_bytes(&[7; 2000]), MAX_DATA_BYTES - 8 * MAX_RIGHTS);
    assert_eq!(message.push_word(1), Err(Full));
    assert_eq!(message.data_bytes_from(0).count(), message.data_len());
}

#[test]
fn more_rights_or_bytes_than_fit_are_malformed() {
    let head = [9, 0, 0, 0, 0];
    let with = |word: u64| [&head[..], &[word], &[0; 114]].concat();
    assert!(MsgRequest::unpack(MACH_MSG_SEND, &with(halves(0, 5))).is_err());
    assert!(MsgRequest::unpack(MACH_MSG_SEND, &with(halves(914 * 8, 0))).is_err());
    assert!(MsgRequest::unpack(MACH_MSG_SEND, &with(halves(u32::MAX, u32::MAX))).is_err());
    assert!(MsgRequest::unpack(MACH_MSG_SEND, &with(halves(914 - 2, 0))).is_ok());
}

#[test]
fn a_request_of_another_id_is_malformed() {
    let send =
        MsgSend { message: PortMessage::new(1), option: MsgOption::empty(), timeout_ms: 0, notify: PortName::NULL };
    let words = MsgRequest::Send(send).pack();
    for id in [0, MACH_MSG_SEND + 100, u32::MAX] {
        assert_eq!(MsgRequest::unpack(id, words.as_slice()), Err(Malformed), "{id}");
    }
}

#[test]
fn a_reply_is_refused_by_its_label() {
    let words = MsgReply { code: KernReturn::SUCCESS, message: None }.pack();
    let unpack = |label, words: &[u64]| MsgReply::unpack(MACH_MSG_SEND, label, words);
    let label = u64::from(MACH_MSG_SEND) + 100;
    assert_eq!(unpack(3, words.as_slice()), Err(KernReturn::SEND_INVALID_DEST), "the kernel refused the call");
    for other in [label - 1, label + 1, label | 1 << 32] {
        assert_eq!(unpack(other, words.as_slice()), Err(KernReturn::MIG_REPLY_MISMATCH), "{other}");
    }
    assert_eq!(unpack(label, &[]), Err(KernReturn::MIG_TYPE_ERROR));
}
