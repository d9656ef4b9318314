use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

fn page() -> Vec<AtomicU64> {
    (0..512).map(|_| AtomicU64::new(0)).collect()
}

fn request(tag: u64) -> Request {
    Request { op: Op::Write, tag, sector: 3 * tag, offset: 512, length: 4096 }
}

const BOUNDS: Bounds = Bounds { sectors: 1000, data: 8192, is_read_only: false };

#[test]
fn what_is_submitted_arrives_and_what_is_completed_returns() {
    let page = page();
    let (mut client, mut server) = (ClientEnd::default(), ServerEnd::default());
    for round in 0..200 {
        client.submit(&page, &request(round)).unwrap();
        assert_eq!(server.take(&page), Ok(Some(Ok(request(round)))));
        assert_eq!(server.take(&page), Ok(None));
        let completion = Completion { tag: round, status: Status::Io };
        server.give(&page, completion);
        assert_eq!(client.take(&page), Some(completion));
        assert_eq!(client.take(&page), None);
    }
}

#[test]
fn the_ring_takes_so_many_and_no_more() {
    let page = page();
    let mut client = ClientEnd::default();
    for tag in 0..ENTRIES {
        client.submit(&page, &request(tag)).unwrap();
    }
    assert_eq!(client.submit(&page, &request(0)), Err(Full));
}

#[test]
fn who_sleeps_is_woken_once() {
    let page = page();
    let (mut client, mut server) = (ClientEnd::default(), ServerEnd::default());
    assert!(!ClientEnd::must_kick(&page));
    ServerEnd::sleeps(&page);
    assert!(ClientEnd::must_kick(&page));
    assert!(!ClientEnd::must_kick(&page));
    client.submit(&page, &request(1)).unwrap();
    client.submit(&page, &request(2)).unwrap();
    assert!(matches!((server.take(&page), server.take(&page)), (Ok(Some(_)), Ok(Some(_)))));
    assert!(!client.sleeps(&page));
    assert!(server.give(&page, Completion { tag: 1, status: Status::Ok }));
    assert!(!server.give(&page, Completion { tag: 2, status: Status::Ok }));
    assert!(client.sleeps(&page));
}

#[test]
fn an_unknown_operation_is_told_by_its_tag() {
    let page = page();
    let (mut client, mut server) = (ClientEnd::default(), ServerEnd::default());
    client.submit(&page, &request(9)).unwrap();
    page[REQUESTS].store(77, SeqCst);
    assert_eq!(server.take(&page), Ok(Some(Err(9))));
}

#[test]
fn requests_are_checked_in_order() {
    let good = Request { op: Op::Read, tag: 0, sector: 990, offset: 0, length: 4096 };
    assert_eq!(good.check(&BOUNDS), Ok(()));
    for (bad, status) in [
        (Request { offset: 1, ..good }, Status::Invalid),
        (Request { length: 0, ..good }, Status::Invalid),
        (Request { length: 513, ..good }, Status::Invalid),
        (Request { length: MAX_REQUEST as u32 + 512, ..good }, Status::Invalid),
        (Request { offset: 4608, ..good }, Status::Invalid),
        (Request { offset: u32::MAX - 511, ..good }, Status::Invalid),
        (Request { sector: 993, ..good }, Status::OutOfRange),
        (Request { sector: u64::MAX, ..good }, Status::OutOfRange),
    ] {
        assert_eq!(bad.check(&BOUNDS), Err(status), "{bad:?}");
    }
    let read_only = Bounds { is_read_only: true, ..BOUNDS };
    assert_eq!(Request { op: Op::Write, ..good }.check(&read_only), Err(Status::ReadOnly));
    assert_eq!(good.check(&read_only), Ok(()));
    assert_eq!(Request { op: Op::Flush, length: 7, ..good }.check(&read_only), Ok(()));
}

proptest! {
    /// Whatever a client writes anywhere in the page, whenever: the server never has more than the ring's entries in
    /// flight, and what it accepts lies in the bounds.
    #[test]
    fn rubbish_in_the_ring_stays_there(
        writes in proptest::collection::vec((0..512_usize, prop_oneof![any::<u64>(), 0..200_u64]), 1..200),
        gives in proptest::collection::vec(0..3_u8, 200),
    ) {
        let page = page();
        let mut server = ServerEnd::default();
        let mut taken = VecDeque::new();
        for ((at, value), gives) in writes.into_iter().zip(gives) {
            // The counters are written often, else hardly anything would be taken.
            let at = if at % 3 == 0 { [SUBMITTED, TAKEN, COMPLETED][at / 3 % 3] } else { at };
            page[at].store(value, SeqCst);
            match server.take(&page) {
                Err(Broken) | Ok(None) => {}
                Ok(Some(Err(tag))) => taken.push_back(tag),
                Ok(Some(Ok(request))) => {
                    if request.check(&BOUNDS).is_ok() && request.op != Op::Flush {
                        prop_assert!(u64::from(request.offset) + u64::from(request.length) <= BOUNDS.data);
                        prop_assert!(request.sector + u64::from(request.length) / SECTOR <= BOUNDS.sectors);
                    }
                    taken.push_back(request.tag);
                }
            }
            prop_assert_eq!(server.in_flight(), taken.len() as u64);
            prop_assert!(server.in_flight() <= ENTRIES);
            for tag in (0..gives).filter_map(|_| taken.pop_front()) {
                server.give(&page, Completion { tag, status: Status::Ok });
            }
        }
    }

    /// Requests of a client that keeps the rules come back once each, whatever the order.
    #[test]
    fn every_request_is_completed_once(steps in proptest::collection::vec(0..4_u8, 0..600)) {
        let page = page();
        let (mut client, mut server) = (ClientEnd::default(), ServerEnd::default());
        let (mut next, mut taken, mut expected) = (0, VecDeque::new(), VecDeque::new());
        for step in steps {
            match step {
                0 | 1 => next += u64::from(client.submit(&page, &request(next)).is_ok()),
                2 => if let Some(Ok(request)) = server.take(&page).unwrap() {
                    taken.push_back(request.tag);
                },
                _ => if let Some(tag) = taken.pop_back() {
                    server.give(&page, Completion { tag, status: Status::Ok });
                    expected.push_back(tag);
                },
            }
            if step == 3 && next % 2 == 0 {
                prop_assert_eq!(client.take(&page).map(|done| done.tag), expected.pop_front());
            }
        }
        while let Some(done) = client.take(&page) {
            prop_assert_eq!(Some(done.tag), expected.pop_front());
        }
        prop_assert!(expected.is_empty());
    }
}
