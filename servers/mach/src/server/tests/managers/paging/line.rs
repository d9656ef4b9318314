//! The line of those who wait for frames, while the default pager has no space.

use mach_protocol::table::unpack_reply_to;

use super::*;
use crate::memory::Need;

/// Ticks of a second, and a few more.
const SECOND: u32 = 204;

/// A machine whose frames are used up, and whose pager has no space but for a few pages of the client's.
struct Full {
    bench: Bench,
    /// Has resident pages at `AT`.
    holder: Who,
    /// Have room for pages, and one resident; so they have page tables.
    others: [Who; 4],
    /// The same, and takes what is left.
    rest: Who,
    /// Pages that the holder has given back.
    freed: u64,
    /// Pages that `rest` has touched.
    taken: u64,
    /// Pages of the client's that were written to.
    pages: u64,
}

impl Full {
    fn new(space: usize) -> Self {
        // Enough that page tables are no question.
        let mut bench = Bench::with_chunks(128);
        bench.space = space;
        bench.allocate(3000);
        // The first to go.
        assert!((0..8).all(|page| bench.write(page, Bench::byte_of(page))));
        let holder = bench.host.new_who();
        let call = VmAllocate { address: AT, size: 40 * PAGES, flags: 0 };
        bench.host.call_by(holder.thread, holder.own, &call).unwrap();
        assert!((0..40).all(|page| bench.host.touch(holder.thread, AT + page * PAGES)));
        let [a, b, c, d, rest] = [(); 5].map(|()| bench.host.new_who());
        for who in [a, b, c, d, rest] {
            let call = VmAllocate { address: MEMORY, size: 400 * PAGES, flags: 0 };
            bench.host.call_by(who.thread, who.own, &call).unwrap();
            assert!(bench.host.touch(who.thread, MEMORY));
        }
        // Some are left for `rest`.
        let has_more = |bench: &Bench| bench.host.usage().1 > crate::memory::RESERVE + 60;
        let mut pages = 8;
        while has_more(&bench) && bench.write(pages, Bench::byte_of(pages)) {
            pages += 1;
        }
        bench.tell(PagingSpace::Full);
        bench.serve_all();
        assert_eq!(bench.store.len(), space);
        let mut full = Self { bench, holder, others: [a, b, c, d], rest, freed: 0, taken: 0, pages };
        full.break_off();
        full.use_up();
        full
    }

    /// What all wait for is broken off.
    fn break_off(&mut self) {
        let waiting: Vec<ThreadId> = self.bench.host.server.threads.iter().map(|(id, _)| id).collect();
        waiting.into_iter().for_each(|id| self.bench.host.server.interrupt(id));
        self.bench.host.settle();
        self.bench.host.fake().replies.clear();
    }

    /// Somebody takes what is left.
    fn use_up(&mut self) {
        while self.wants(self.rest, self.taken + 1) {
            self.taken += 1;
        }
        self.break_off();
    }

    /// The same gives some of it back.
    fn let_go(&mut self, count: u64) {
        self.taken -= count;
        let call = VmDeallocate { address: MEMORY + (self.taken + 1) * PAGES, size: count * PAGES };
        let Who { thread, own, .. } = self.rest;
        assert_eq!(self.bench.host.call_by(thread, own, &call).map(drop), Ok(()));
        let again = VmAllocate { address: call.address, size: call.size, flags: 0 };
        assert_eq!(self.bench.host.call_by(thread, own, &again).map(drop), Ok(()));
    }

    /// Whether somebody gets a page at once.
    fn wants(&mut self, who: Who, page: u64) -> bool {
        self.bench.host.touch(who.thread, MEMORY + page * PAGES)
    }

    /// The holder gives a page back.
    fn free_one(&mut self) {
        let call = VmDeallocate { address: AT + self.freed * PAGES, size: PAGES };
        self.freed += 1;
        let Who { thread, own, .. } = self.holder;
        assert_eq!(self.bench.host.call_by(thread, own, &call).map(drop), Ok(()));
    }

    /// The holder gives pages back until one of these goes on.
    fn next_of(&mut self, waiting: &[Who]) -> PortName {
        for _ in 0..20 {
            self.free_one();
            if let Some(who) = waiting.iter().find(|who| self.bench.host.goes_on(**who)) {
                return who.task;
            }
        }
        panic!("nobody goes on");
    }

    fn ticks(&mut self, count: u32) {
        (0..count).for_each(|_| self.bench.host.tick());
    }
}

impl Bench {
    fn tell(&mut self, space: PagingSpace) {
        let call = DefaultPagerSpace { host_priv: HOST_PRIV, state: space as u32 };
        assert_eq!(self.host.call(PortName::NULL, &call).map(drop), Ok(()));
    }
}

#[test]
fn each_who_waits_is_refused_by_its_own_time() {
    let mut full = Full::new(0);
    let [first, second, ..] = full.others;
    // What is refused ends nobody, so that nothing is freed.
    let own = full.bench.host.own_task();
    let handlers = [first, second].map(|who| {
        let port = full.bench.host.call(own, &MachPortAllocate { right: Right::RECEIVE.0 }).unwrap().name;
        let which = mach_protocol::task::TASK_EXCEPTION_PORT;
        assert_eq!(full.bench.host.call(who.task, &TaskSetSpecialPort { which, port }).map(drop), Ok(()));
        port
    });
    let refused = |full: &mut Full, index: usize| {
        let raised = full.bench.host.receive(handlers[index]).message?;
        raised.data_words().get(1).copied()
    };
    assert!(!full.wants(first, 1));
    full.ticks(SECOND / 2);
    assert!(!full.wants(second, 1));
    full.ticks(SECOND / 2);
    assert_eq!(refused(&mut full, 0), Some(6));
    assert_eq!(refused(&mut full, 1), None, "its second is not over");
    full.ticks(SECOND / 2);
    assert_eq!(refused(&mut full, 1), Some(6));
}

#[test]
fn who_came_first_is_served_first_and_latecomers_wait() {
    let mut full = Full::new(0);
    let [first, second, late, _] = full.others;
    assert!(!full.wants(first, 1) && !full.wants(second, 1));
    assert_eq!(full.next_of(&[first, second]), first.task);
    assert!(!full.wants(late, 1), "the line is not for it to jump");
    // A second page of the first one's is behind the late one's first.
    assert!(!full.wants(first, 2));
    for who in [second, late, first] {
        assert_eq!(full.next_of(&[first, second, late]), who.task);
    }
    assert_eq!(full.bench.host.server.hw.memory.promised(), 0);
}

#[test]
fn a_server_waits_in_the_line_and_is_not_refused() {
    let mut full = Full::new(0);
    let server = full.others[0];
    let task = full.bench.host.server.threads.get(server.thread).unwrap().task;
    full.bench.host.server.tasks.get_mut(task).unwrap().is_server = true;
    let got = (1..100).take_while(|page| full.wants(server, *page)).count();
    assert_eq!(got as u32, crate::memory::RESERVE * 3 / 4, "what is kept from tasks, but for the last");
    let watch = full.bench.host.watch(server.task, 1);
    full.ticks(3 * SECOND);
    assert_eq!(full.bench.host.ended(watch), None);
    assert_eq!(full.next_of(&[server]), server.task);
}

#[test]
fn a_frame_whose_page_does_not_come_is_the_next_ones() {
    let mut full = Full::new(4);
    let (reader, someone) = (full.bench.client, full.others[0]);
    full.free_one();
    let (port, offset) = *full.bench.store.keys().next().expect("a page is out");
    assert_eq!(port, full.bench.objects[0].port);
    assert!(full.bench.host.send(Badge::Fault(reader.thread), 6, &[0x40_0000, MEMORY + offset, 0, READ]).is_none());
    assert!(!full.wants(someone, 1), "the frame is promised");
    let control = full.bench.objects[0].control;
    let error = MemoryObjectDataError { offset, size: PAGES, error_value: KernReturn::MEMORY_ERROR.0 };
    assert_eq!(full.bench.host.call_by(full.bench.pager.thread, control, &error).map(drop), Ok(()));
    assert!(full.bench.host.goes_on(someone));
}

/// Any task can make itself a memory manager.
#[test]
fn a_manager_gets_a_few_frames_of_the_reserve_and_no_more() {
    let mut full = Full::new(0);
    full.let_go(20);
    let manager = full.others[0];
    let client = full.others[1];
    let object = full.bench.host.new_port(manager.thread);
    let memory_object = full.bench.host.give_send(manager, object, client);
    let map = VmMap {
        address: AT,
        size: PAGES,
        memory_object,
        cur_protection: VmProt::ALL.bits(),
        max_protection: VmProt::ALL.bits(),
        ..VmMap::default()
    };
    full.bench.host.call_by(client.thread, client.own, &map).unwrap();
    full.use_up();
    let got = (1..100).take_while(|page| full.wants(manager, *page)).count();
    assert_eq!(got, 8);
    // Tasks get frames again: what it had taken is forgotten.
    full.break_off();
    full.let_go(20);
    let more = (100..200).take_while(|page| full.wants(manager, *page)).count();
    assert!(more > 8, "{more}");
}

/// I-DP 15: what is out comes in, whoever waits for new memory, and however long.
#[test]
fn i_dp_15_what_is_out_comes_in_while_new_memory_is_refused() {
    let mut full = Full::new(4);
    let watch = full.bench.host.watch(full.bench.client.task, 3);
    for page in (0..full.pages).chain((0..full.pages).rev()) {
        assert_eq!(full.bench.read(page), Some(Bench::byte_of(page)), "page {page}");
        assert!(full.bench.write(page, Bench::byte_of(page)));
    }
    assert_eq!(full.bench.host.ended(watch), None);
}

/// I-DP 15: who wants back what it has waits as long as it takes, even where the frames kept for that are used up.
#[test]
fn i_dp_15_who_waits_for_a_page_that_is_out_is_not_refused() {
    let mut full = Full::new(4);
    let reader = full.bench.client;
    let (_, offset) = *full.bench.store.keys().next().expect("a page is out");
    let watch = full.bench.host.watch(reader.task, 3);
    let mut promised = 0;
    while full.bench.host.server.hw.memory.promise_frame(Need::Ordinary, true).is_ok() {
        promised += 1;
    }
    assert!(promised > 0, "there is a floor");
    assert!(full.bench.host.send(Badge::Fault(reader.thread), 6, &[0x40_0000, MEMORY + offset, 0, READ]).is_none());
    full.ticks(3 * SECOND);
    assert_eq!(full.bench.host.ended(watch), None);
    (0..promised).for_each(|_| full.bench.host.server.hw.memory.redeem_frame());
    full.ticks(1);
    full.free_one();
    full.bench.serve_all();
    assert!(full.bench.host.goes_on(reader));
}

/// C.6: address space needs no frame; wiring new memory does, and is refused without a trace.
#[test]
fn i_dp_15_address_space_is_had_while_there_is_no_space_and_wiring_is_refused() {
    let mut full = Full::new(0);
    let who = full.others[0];
    let call = VmAllocate { address: 2 * MEMORY, size: 1 << 28, flags: 0 };
    assert_eq!(full.bench.host.call_by(who.thread, who.own, &call).map(drop), Ok(()));
    let wired = |full: &mut Full| full.bench.host.call(who.task, &VmStatistics {}).unwrap().wire_count;
    let before = wired(&mut full);
    // The form of GNU's that takes any host port.
    const ID: u32 = 2636;
    let host = full.bench.host.call_by(who.thread, PortName::NULL, &MachHostSelf {}).unwrap().name;
    let words = pack_request(host, &VmWire { task: who.own, address: MEMORY, size: 3 * PAGES, access: 3 });
    assert!(full.bench.host.send(Badge::Call(who.thread), u64::from(ID), words.as_slice()).is_none(), "it waits");
    full.ticks(SECOND);
    let reply = full.bench.host.answered(who).expect("its time is over");
    let answer = unpack_reply_to::<VmWire>(ID, reply.label, &reply.words);
    assert_eq!(answer.map(drop), Err(KernReturn::RESOURCE_SHORTAGE));
    assert_eq!(wired(&mut full), before);
}
