use super::*;
use mach_protocol::block::ring::ClientEnd;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::rc::Rc;

const DATA: u64 = 0x10_0000;
const BYTES: u64 = 64 * 1024;
const BOUNDS: Bounds = Bounds { sectors: 100, data: BYTES, is_read_only: false };

#[derive(Clone, Debug)]
struct Page(Rc<Vec<AtomicU64>>, u64);

impl Page {
    fn new(index: u64) -> Self {
        Self(Rc::new((0..512).map(|_| AtomicU64::new(0)).collect()), DATA + index * 2 * BYTES)
    }
}

impl Memory for Page {
    fn rings(&self) -> &[AtomicU64] {
        &self.0
    }

    fn data(&self) -> u64 {
        self.1
    }
}

/// A device with room for some jobs, which checks where they go.
#[derive(Debug, Default)]
struct Disk {
    jobs: VecDeque<Job>,
    room: usize,
    may_finish: usize,
}

impl Device for Disk {
    fn has_room(&self) -> bool {
        self.jobs.len() < self.room
    }

    fn start(&mut self, job: &Job) -> Result<(), Status> {
        assert!(self.has_room());
        if job.op != Op::Flush {
            let session = (job.address - DATA) / (2 * BYTES);
            let offset = (job.address - DATA) % (2 * BYTES);
            assert!(offset + u64::from(job.length) <= BYTES, "{job:?} leaves its memory");
            let first = 1000 * (session + 1);
            assert!(job.sector >= first && job.sector + u64::from(job.length) / 512 <= first + 100, "{job:?}");
        }
        self.jobs.push_back(*job);
        Ok(())
    }

    fn finished(&mut self) -> Option<(u32, Status)> {
        self.may_finish = self.may_finish.checked_sub(1)?;
        // The last one first: devices keep no order.
        self.jobs.pop_back().map(|job| (job.id, Status::Ok))
    }
}

fn two_sessions() -> (Traffic<Page>, [Page; 2]) {
    let pages = [Page::new(0), Page::new(1)];
    let mut traffic = Traffic::default();
    for (page, start) in pages.iter().zip([1000, 2000]) {
        traffic.begin(page.clone(), Place { device: 0, start }, BOUNDS);
    }
    (traffic, pages)
}

fn read(tag: u64) -> Request {
    Request { op: Op::Read, tag, sector: tag % 90, offset: 4096, length: 4096 }
}

#[test]
fn requests_of_all_sessions_come_back() {
    let (mut traffic, pages) = two_sessions();
    let mut devices = [Disk { room: 4, ..Disk::default() }];
    let mut clients = [ClientEnd::default(); 2];
    for tag in 0..20 {
        for (client, page) in clients.iter_mut().zip(&pages) {
            client.submit(page.rings(), &read(tag)).unwrap();
        }
    }
    let mut seen = [0; 2];
    for _ in 0..40 {
        devices[0].may_finish = 2;
        traffic.pump(&mut devices);
        for ((client, page), seen) in clients.iter_mut().zip(&pages).zip(&mut seen) {
            while let Some(done) = client.take(page.rings()) {
                assert_eq!(done.status, Status::Ok);
                *seen += 1;
            }
        }
        assert!(i32::abs_diff(seen[0], seen[1]) <= 4, "both get on: {seen:?}");
    }
    assert_eq!(seen, [20, 20]);
}

#[test]
fn what_makes_no_sense_is_completed_at_once() {
    let (mut traffic, [page, _]) = two_sessions();
    let mut client = ClientEnd::default();
    client.submit(page.rings(), &Request { sector: 99, ..read(5) }).unwrap();
    traffic.pump(&mut [Disk { room: 4, ..Disk::default() }]);
    assert_eq!(client.take(page.rings()), Some(Completion { tag: 5, status: Status::OutOfRange }));
}

#[test]
fn memory_is_kept_while_a_job_is_under_way() {
    let (mut traffic, [page, _]) = two_sessions();
    let mut devices = [Disk { room: 4, ..Disk::default() }];
    ClientEnd::default().submit(page.rings(), &read(1)).unwrap();
    traffic.pump(&mut devices);
    traffic.end(0);
    assert!(traffic.take_ended().is_none());
    devices[0].may_finish = 1;
    traffic.pump(&mut devices);
    assert_eq!(traffic.take_ended().map(|(index, _)| index), Some(0));
    assert!(traffic.take_ended().is_none());
    assert_eq!(traffic.begin(Page::new(0), Place { device: 0, start: 1000 }, BOUNDS), 0);
}

#[test]
fn a_sleeping_client_is_woken_once() {
    let (mut traffic, [page, _]) = two_sessions();
    let mut client = ClientEnd::default();
    let mut devices = [Disk { room: 4, may_finish: 9, ..Disk::default() }];
    for tag in 0..3 {
        client.submit(page.rings(), &read(tag)).unwrap();
    }
    assert!(!client.sleeps(page.rings()));
    traffic.pump(&mut devices);
    traffic.pump(&mut devices);
    assert_eq!(traffic.take_wake(), Some(0));
    assert_eq!(traffic.take_wake(), None);
}

proptest! {
    /// One client writes rubbish all over its page: the device is never asked to touch anything but the client's own memory
    /// and disk (the device asserts it), and the other client's requests come back.
    #[test]
    fn a_hostile_client_hurts_itself(
        rubbish in proptest::collection::vec((0..448_usize, prop_oneof![any::<u64>(), 0..300_u64, Just(4096 << 32)]), 1..300),
        finish in proptest::collection::vec(0..4_usize, 300),
    ) {
        let (mut traffic, [bad, good]) = two_sessions();
        let mut devices = [Disk { room: 8, ..Disk::default() }];
        let mut client = ClientEnd::default();
        let (mut sent, mut seen) = (0, 0);
        for ((at, value), finish) in rubbish.into_iter().zip(finish) {
            let at = if at % 4 == 0 { 0 } else { at };
            bad.rings()[at].store(value, core::sync::atomic::Ordering::SeqCst);
            sent += u64::from(client.submit(good.rings(), &read(sent)).is_ok());
            devices[0].may_finish = finish;
            traffic.pump(&mut devices);
            seen += std::iter::from_fn(|| client.take(good.rings())).count() as u64;
        }
        for _ in 0..200 {
            devices[0].may_finish = 100;
            traffic.pump(&mut devices);
            seen += std::iter::from_fn(|| client.take(good.rings())).count() as u64;
        }
        prop_assert_eq!(sent, seen);
    }
}
