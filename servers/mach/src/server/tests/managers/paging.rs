//! Anonymous memory that is paged out, through the whole server: a default pager that is a task, and a client with more
//! memory than there is. Numbers are those of `spec/mach-memory-objects.md`, "I-DP".

use alloc::collections::BTreeMap;

use mach_protocol::boot::HOST_PRIV;
use mach_protocol::host::{HostDefaultMemoryManager, VmSetDefaultMemoryManager, VmWire};
use mach_protocol::private::{DefaultPagerSpace, PagingSpace, SetFreeTargets};

use super::*;

mod line;

/// Where the client's memory is.
const MEMORY: u64 = 0x4000_0000;

/// An object as the default pager has it.
#[derive(Clone, Copy, Debug)]
struct Paged {
    port: PortName,
    control: PortName,
}

/// A default pager that keeps the first byte of each page, and a client.
struct Bench {
    host: Host,
    pager: Who,
    /// The default pager's port.
    port: PortName,
    client: Who,
    objects: Vec<Paged>,
    store: BTreeMap<(PortName, u64), u8>,
    creates: usize,
    /// Pages in each data_return, and in each data_request.
    returned: Vec<u64>,
    requested: Vec<u64>,
    /// Pages that it has room for.
    space: usize,
}

impl Bench {
    fn new() -> Self {
        Self::with_chunks(CHUNKS)
    }

    fn with_chunks(chunks: u32) -> Self {
        let mut host = Host::with_chunks(chunks);
        let [pager, client] = [(); 2].map(|()| host.new_who());
        let port = host.new_port(pager.thread);
        let mut bench = Self {
            host,
            pager,
            port,
            client,
            objects: Vec::new(),
            store: BTreeMap::new(),
            creates: 0,
            returned: Vec::new(),
            requested: Vec::new(),
            space: usize::MAX,
        };
        let name = bench.send_right();
        assert_eq!(bench.set(HOST_PRIV, name), Ok(PortName::NULL));
        bench
    }

    /// Root's send right to the pager's port.
    fn send_right(&mut self) -> PortName {
        let extract = MachPortExtractRight { name: self.port, disposition: Disposition::MAKE_SEND.0 };
        self.host.call(self.pager.task, &extract).unwrap().poly
    }

    fn set(&mut self, host: PortName, default_manager: PortName) -> Result<PortName, KernReturn> {
        self.host.call(host, &VmSetDefaultMemoryManager { default_manager }).map(|reply| reply.default_manager)
    }

    fn allocate(&mut self, pages: u64) {
        let call = VmAllocate { address: MEMORY, size: pages * PAGES, flags: 0 };
        self.host.call_by(self.client.thread, self.client.own, &call).unwrap();
    }

    /// Whether the client's access goes on, after the pager has done what it can.
    fn access(&mut self, page: u64, syndrome: u64) -> bool {
        let words = [0x40_0000, MEMORY + page * PAGES, 0, syndrome];
        let mut answer = self.host.send(Badge::Fault(self.client.thread), 6, &words);
        while answer.is_none() && self.serve() {
            answer = self.host.answered(self.client);
        }
        answer.is_some_and(|reply| (reply.label, reply.words.len()) == (0, 0))
    }

    fn write(&mut self, page: u64, byte: u8) -> bool {
        let may = self.access(page, WRITE);
        if may {
            self.host.set_byte(self.client, MEMORY + page * PAGES, byte);
        }
        may
    }

    fn read(&mut self, page: u64) -> Option<u8> {
        self.access(page, READ).then(|| self.host.byte(self.client, MEMORY + page * PAGES))
    }

    /// The pager takes a message, if there is one.
    fn serve(&mut self) -> bool {
        if let Some((upcall, message)) = self.host.next_upcall(self.pager, self.port) {
            let Upcall::Create(Create { page_size: PAGES, .. }) = upcall else { panic!("{upcall:?}") };
            let [port, control, _] = [0, 1, 2].map(|index| message.rights()[index]);
            assert_eq!(port.disposition, Disposition::PORT_RECEIVE);
            self.objects.push(Paged { port: port.name, control: control.name });
            self.creates += 1;
            return true;
        }
        for object in self.objects.clone() {
            let Some((upcall, message)) = self.host.next_upcall(self.pager, object.port) else { continue };
            match upcall {
                Upcall::DataReturn(data) => self.take(object, data),
                Upcall::DataRequest(request) => self.answer(object, request),
                Upcall::Terminate(_) => {
                    self.store.retain(|(port, _), _| *port != object.port);
                    self.objects.retain(|other| other.port != object.port);
                    let names = message.rights().iter().map(|right| right.name);
                    for name in names.chain([object.port]).collect::<Vec<_>>() {
                        let destroy = MachPortDestroy { name };
                        self.host.call_by(self.pager.thread, self.pager.own, &destroy).unwrap();
                    }
                }
                other => panic!("{other:?}"),
            }
            return true;
        }
        false
    }

    fn serve_all(&mut self) {
        while self.serve() {}
    }

    fn take(&mut self, object: Paged, data: DataReturn) {
        assert!(data.dirty && !data.kernel_copy && data.size <= 16 * PAGES);
        self.returned.push(data.size / PAGES);
        for at in (0..data.size).step_by(PAGES as usize) {
            let key = (object.port, data.offset + at);
            if self.store.len() < self.space || self.store.contains_key(&key) {
                let byte = self.host.byte(self.pager, data.data + at);
                self.store.insert(key, byte);
            } else {
                self.supply(object, data.offset + at, data.data + at, true);
            }
        }
        let call = VmDeallocate { address: data.data, size: data.size };
        let gone = self.host.call_by(self.pager.thread, self.pager.own, &call).map(drop);
        assert!(gone.is_ok() || self.store.len() >= self.space, "{gone:?}");
    }

    fn answer(&mut self, object: Paged, request: DataRequest) {
        self.requested.push(request.length / PAGES);
        for at in (request.offset..request.offset + request.length).step_by(PAGES as usize) {
            let Some(byte) = self.store.get(&(object.port, at)).copied() else { continue };
            self.host.fill(self.pager, DATA, &[byte]);
            self.supply(object, at, DATA, false);
        }
    }

    fn supply(&mut self, object: Paged, offset: u64, data: u64, precious: bool) {
        let call = MemoryObjectDataSupply {
            offset,
            data,
            size: PAGES,
            deallocate: true,
            precious,
            ..MemoryObjectDataSupply::default()
        };
        let supplied = self.host.call_by(self.pager.thread, object.control, &call).map(drop);
        // The object may have ended since it was asked for.
        assert!(supplied == Ok(()) || supplied == Err(KernReturn::INVALID_ARGUMENT), "{supplied:?}");
    }

    fn byte_of(page: u64) -> u8 {
        (page * 7 % 251) as u8 + 1
    }

    /// The client writes to all of `pages`.
    fn fill(&mut self, pages: u64) {
        self.allocate(pages);
        for page in 0..pages {
            assert!(self.write(page, Self::byte_of(page)), "page {page}");
        }
    }
}

#[test]
fn i_dp_01_02_06_more_memory_than_there_is() {
    let mut bench = Bench::new();
    let before = (bench.host.usage(), bench.host.server.ports.counts());
    let pages = 2 * u64::from(before.0.1);
    bench.fill(pages);
    assert_eq!(bench.creates, 1, "one object, one create");
    for page in (0..pages).chain((0..pages).rev()) {
        assert_eq!(bench.read(page), Some(Bench::byte_of(page)), "page {page}");
    }
    let own = bench.host.own_task();
    let counts = bench.host.call(own, &VmStatistics {}).unwrap();
    assert_eq!(u64::from(counts.pageouts), bench.returned.iter().sum::<u64>(), "every page counted");
    assert_eq!(u64::from(counts.pageins), bench.requested.iter().sum::<u64>());
    assert!(bench.returned.contains(&16), "clusters: {:?}", bench.returned);
    assert!(bench.requested.contains(&16), "read-ahead: {:?}", bench.requested);
    assert_eq!(bench.host.call(bench.client.task, &TaskTerminate {}).map(drop), Ok(()));
    bench.serve_all();
    assert!(bench.objects.is_empty() && bench.store.is_empty(), "terminated");
    assert_eq!(bench.host.server.hw.memory.promised(), 0);
    let kit = 1 + bench.host.usage().0.tables.abs_diff(before.0.0.tables);
    assert!(bench.host.usage().1 + kit >= before.0.1, "every frame comes back");
    assert!(bench.host.server.ops.is_empty());
}

#[test]
fn i_dp_08_who_may_name_the_default_pager() {
    let mut bench = Bench::new();
    let plain = bench.host.call(PortName::NULL, &MachHostSelf {}).unwrap().name;
    let name = bench.send_right();
    assert_eq!(bench.set(plain, name), Err(KernReturn::INVALID_HOST));
    let task = bench.host.own_task();
    assert_eq!(bench.set(task, PortName::NULL), Err(KernReturn::INVALID_HOST));
    assert_eq!(bench.set(HOST_PRIV, PortName::NULL), Ok(name), "null reads it");
    let own = bench.host.own_task();
    let other = bench.host.call(own, &MachPortAllocate { right: Right::RECEIVE.0 }).unwrap().name;
    let osf = HostDefaultMemoryManager { default_manager: other, cluster_size: 1 };
    assert_eq!(bench.host.call(HOST_PRIV, &osf).map(|reply| reply.default_manager), Ok(name));
    assert_eq!(bench.set(HOST_PRIV, PortName::NULL), Ok(other));
    assert_eq!(bench.set(HOST_PRIV, PortName(0x7777)), Err(KernReturn::INVALID_CAPABILITY));
    for (state, code) in [(0, KernReturn::SUCCESS), (2, KernReturn::SUCCESS), (3, KernReturn::INVALID_ARGUMENT)] {
        let answer = bench.host.call(PortName::NULL, &DefaultPagerSpace { host_priv: HOST_PRIV, state });
        assert_eq!(answer.map_or_else(|code| code, |_| KernReturn::SUCCESS), code);
    }
    let answer = bench.host.call(PortName::NULL, &DefaultPagerSpace { host_priv: plain, state: 0 });
    assert_eq!(answer.map(drop), Err(KernReturn::INVALID_HOST));
    let answer = bench.host.call(PortName::NULL, &SetFreeTargets { host_priv: HOST_PRIV, low: 3, high: 2 });
    assert_eq!(answer.map(drop), Err(KernReturn::INVALID_ARGUMENT));
}

#[test]
fn i_dp_08_a_new_manager_gets_new_objects_only() {
    let mut bench = Bench::new();
    let pages = 2 * u64::from(bench.host.usage().1);
    bench.fill(pages);
    let own = bench.host.own_task();
    let other = bench.host.call(own, &MachPortAllocate { right: Right::RECEIVE.0 }).unwrap().name;
    bench.set(HOST_PRIV, other).unwrap();
    for page in 0..pages {
        assert_eq!(bench.read(page), Some(Bench::byte_of(page)), "page {page}");
    }
    assert!(bench.host.receive(other).message.is_none(), "nothing new was paged out");
}

/// The pager takes nothing: who wants memory is refused after a second, and everything else lives.
#[test]
fn a_silent_pager_costs_writers_an_error_after_a_second() {
    let mut bench = Bench::new();
    let watch = bench.host.watch(bench.client.task, 3);
    bench.allocate(1000);
    let mut page = 0;
    let waits = |bench: &mut Bench, page: u64| {
        let words = [0x40_0000, MEMORY + page * PAGES, 0, WRITE];
        bench.host.send(Badge::Fault(bench.client.thread), 6, &words).is_none()
    };
    while !waits(&mut bench, page) {
        page += 1;
    }
    for tick in 0..199 {
        bench.host.tick();
        assert_eq!(bench.host.ended(watch), None, "tick {tick}");
    }
    for _ in 0..4 {
        bench.host.tick();
    }
    assert_eq!(bench.host.killed_by(watch), Some(KernReturn::RESOURCE_SHORTAGE.0));
    let task = bench.host.new_task();
    let (_, thread) = bench.host.new_thread(task);
    bench.host.call(task, &bytes_of(0x40_0000)).unwrap();
    assert!(bench.host.touch(thread, 0x40_0000), "others have memory");
    bench.serve_all();
    assert!(bench.objects.is_empty());
}

/// C.6: what cannot be stored comes back, and nothing is lost.
#[test]
fn i_dp_15_a_full_pager_gives_pages_back_and_loses_none() {
    let mut bench = Bench::new();
    bench.space = 40;
    let watch = bench.host.watch(bench.client.task, 3);
    bench.allocate(1000);
    let mut written = 0;
    while bench.write(written, Bench::byte_of(written)) {
        written += 1;
    }
    let full = DefaultPagerSpace { host_priv: HOST_PRIV, state: PagingSpace::Full as u32 };
    assert_eq!(bench.host.call(PortName::NULL, &full).map(drop), Ok(()));
    bench.serve_all();
    assert_eq!(bench.store.len(), 40);
    // There is space again: the writer goes on where it waits.
    bench.space = usize::MAX;
    let ok = DefaultPagerSpace { host_priv: HOST_PRIV, state: PagingSpace::Ok as u32 };
    assert_eq!(bench.host.call(PortName::NULL, &ok).map(drop), Ok(()));
    bench.serve_all();
    assert!(bench.host.goes_on(bench.client));
    bench.host.set_byte(bench.client, MEMORY + written * PAGES, Bench::byte_of(written));
    for page in 0..=written {
        assert_eq!(bench.read(page), Some(Bench::byte_of(page)), "page {page}");
    }
    assert_eq!(bench.host.ended(watch), None);
}

/// What dies with the default pager: the pages that it had, for those who touch them.
#[test]
fn the_death_of_the_default_pager_costs_what_it_had() {
    let mut bench = Bench::new();
    let pages = 2 * u64::from(bench.host.usage().1);
    let watch = bench.host.watch(bench.client.task, 3);
    bench.fill(pages);
    bench.serve_all();
    assert_eq!(bench.host.call(bench.pager.task, &TaskTerminate {}).map(drop), Ok(()));
    assert_eq!(bench.set(HOST_PRIV, PortName::NULL), Ok(PortName::NULL), "there is none");
    assert_eq!(bench.host.server.vm.object_count(), 1, "nothing of the pager's is left");
    let last = pages - 1;
    let words = [0x40_0000, MEMORY + last * PAGES, 0, WRITE];
    assert!(bench.host.send(Badge::Fault(bench.client.thread), 6, &words).is_some(), "resident pages live");
    assert_eq!(bench.host.byte(bench.client, MEMORY + last * PAGES), Bench::byte_of(last));
    let words = [0x40_0000, MEMORY, 0, READ];
    bench.host.send(Badge::Fault(bench.client.thread), 6, &words);
    assert_eq!(bench.host.killed_by(watch), Some(KernReturn::MEMORY_ERROR.0));
    // The system goes on, without paging.
    let task = bench.host.new_task();
    let (_, thread) = bench.host.new_thread(task);
    bench.host.call(task, &bytes_of(0x40_0000)).unwrap();
    assert!(bench.host.touch(thread, 0x40_0000));
}

#[test]
fn i_dp_19_wired_pages_are_never_returned() {
    let mut bench = Bench::new();
    let pages = 2 * u64::from(bench.host.usage().1);
    bench.allocate(pages);
    assert!(bench.write(0, 1), "it is one object");
    let task = bench.client.task;
    let wire = VmWire { task, address: MEMORY + 3 * PAGES, size: 20 * PAGES, access: 3 };
    assert_eq!(bench.host.call(HOST_PRIV, &wire).map(drop), Ok(()));
    for page in 0..pages {
        assert!(bench.write(page, Bench::byte_of(page)));
    }
    let object = bench.objects[0].port;
    assert!((3..23).all(|page| !bench.store.contains_key(&(object, page * PAGES))));
    assert!(bench.store.contains_key(&(object, 0)) && bench.store.contains_key(&(object, 23 * PAGES)));
}

/// I-DP 18: a client that ends in the middle of a page-in leaves nothing.
#[test]
fn i_dp_18_a_client_that_ends_while_its_page_comes_in() {
    let mut bench = Bench::new();
    let pages = 2 * u64::from(bench.host.usage().1);
    bench.fill(pages);
    bench.serve_all();
    let words = [0x40_0000, MEMORY, 0, READ];
    assert!(bench.host.send(Badge::Fault(bench.client.thread), 6, &words).is_none());
    assert_ne!(bench.host.server.hw.memory.promised(), 0);
    assert_eq!(bench.host.call(bench.client.task, &TaskTerminate {}).map(drop), Ok(()));
    assert_eq!(bench.host.server.hw.memory.promised(), 0);
    bench.serve_all();
    assert!(bench.objects.is_empty() && bench.host.server.ops.is_empty());
    assert_eq!(bench.host.server.vm.object_count(), 0);
}
