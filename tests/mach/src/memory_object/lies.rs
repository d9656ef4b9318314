//! I-MO 65 to 70: managers that lie, flood or say nothing, and clients that forge.

use alloc::vec::Vec;

use libmach::KernReturn;
use libmach::memory_object::{
    Answer, CopyStrategy, Data, MemoryManager, Object, Returned, Served, Server, ShouldReturn, Upcall,
    memory_object_data_supply, memory_object_destroy, memory_object_ready,
};
use libmach::msg::{CarriedRight, PortMessage, Timeout, receive, send};
use libmach::port::{Disposition, mach_port_destroy};
use libmach::task::{fork, task_terminate};
use libmach::thread::{sleep, spawn};
use libmach::vm::{MapRequest, VmProt, vm_statistics};

use super::{Access, LONG_MS, Manager};
use crate::support::{P, free, holds, kept, me, ok, pages, same, store};
use crate::{Case, Outcome};

pub(super) const CASES: &[Case] = &[
    ("memory_object.imo.65", thousands_of_pages_that_nobody_asked_for),
    ("memory_object.imo.66", a_manager_that_never_answers),
    ("memory_object.imo.67", faults_beyond_the_outstanding),
    ("memory_object.imo.68", forged_messages),
    ("memory_object.imo.69", a_stale_control_port),
    ("memory_object.imo.70", the_longest_lock_request),
];

fn thousands_of_pages_that_nobody_asked_for() -> Outcome {
    const PAGES: u64 = 10_000;
    let (manager, region) = Manager::ready(PAGES, CopyStrategy::DELAY)?;
    let piece = crate::support::numbered(50)?;
    let free_frames = || Ok::<u32, alloc::string::String>(ok("vm_statistics", vm_statistics(me()))?.free_count);
    let before = free_frames()?;
    let mut refused = 0;
    for first in (0..PAGES).step_by(50) {
        match manager.supply_from(first * P, &piece, VmProt::NONE, false, None) {
            Ok(()) => {}
            Err(KernReturn::RESOURCE_SHORTAGE) => refused += 1,
            Err(code) => return Err(alloc::format!("supply: {code:?}")),
        }
    }
    let taken = before.saturating_sub(free_frames()?);
    holds(&alloc::format!("few frames went: {taken}"), taken < 200)?;
    holds("nearly all was refused", refused >= 198)?;
    // Somebody who asks is served all the same.
    let reader = Access::read(region.address() + (PAGES - 1) * P)?;
    manager.request((PAGES - 1) * P)?;
    manager.supply((PAGES - 1) * P, 33)?;
    reader.gives(33)?;
    manager.finish(region)
}

fn a_manager_that_never_answers() -> Outcome {
    let (manager, region) = Manager::ready(4, CopyStrategy::DELAY)?;
    manager.deadline(1000)?;
    let victim = ok("fork", fork(move || i32::from(libmach::region::touch(region.address()))))?;
    manager.request(0)?;
    // Others go on: this task for one.
    store(&pages(1)?, 0, 1);
    ok("task_terminate", task_terminate(victim.task()))?;
    ok("its end comes at once", victim.wait(Timeout::Millis(500)))?;
    let readers = [Access::read(region.address() + P)?, Access::read(region.address() + 2 * P)?];
    for _ in &readers {
        manager.next()?;
    }
    sleep(500);
    for reader in &readers {
        reader.waits()?;
    }
    sleep(1000);
    for reader in readers {
        holds("over by the deadline", reader.thread.is_finished())?;
        reader.fails(KernReturn::MEMORY_ERROR)?;
    }
    // A later touch asks again.
    let reader = Access::read(region.address() + P)?;
    manager.request(P)?;
    manager.supply(P, 6)?;
    reader.gives(6)?;
    manager.finish(region)
}

fn faults_beyond_the_outstanding() -> Outcome {
    const THREADS: u64 = 120;
    let (manager, region) = Manager::ready(THREADS, CopyStrategy::DELAY)?;
    let mut readers = Vec::new();
    for page in 0..THREADS {
        let address = region.address() + page * P;
        readers.push(ok("spawn", spawn(move || libmach::region::touch(address)))?);
    }
    let mut requests = Vec::new();
    while let Ok(message) = receive(manager.object(), Timeout::Millis(300)) {
        match Upcall::from_words(message.header.id, message.data_words()) {
            Some(Upcall::DataRequest(request)) => requests.push(request.offset),
            other => return Err(alloc::format!("wanted data_request, got {other:?}")),
        }
    }
    same("requests at once", 50, requests.len())?;
    // Each answer makes room for another request.
    let mut served = 0;
    while served < THREADS {
        let offset = match requests.pop() {
            Some(offset) => offset,
            None => match manager.next()?.0 {
                Upcall::DataRequest(request) => request.offset,
                other => return Err(alloc::format!("wanted data_request, got {other:?}")),
            },
        };
        manager.supply(offset, (offset / P) as u8)?;
        served += 1;
    }
    for (page, reader) in readers.into_iter().enumerate() {
        same("what each reads", page as u8, ok("join", reader.join())?)?;
    }
    manager.finish(region)
}

/// A manager that counts what it hears.
#[derive(Default)]
struct Counts {
    requests: u32,
    returns: u32,
    ends: u32,
}

impl MemoryManager for Counts {
    fn data_request(&mut self, _: &Object, _: u64, _: u64, _: VmProt) -> Answer {
        self.requests += 1;
        Answer::Unavailable
    }

    fn data_return(&mut self, _: &Object, _: Returned) {
        self.returns += 1;
    }

    fn terminate(&mut self, _: &Object) -> libmach::memory_object::After {
        self.ends += 1;
        libmach::memory_object::After::Close
    }
}

/// A message as the server would send it, from this task.
fn forge(upcall: Upcall, to: libmach::PortName, control: libmach::PortName) -> Outcome {
    let mut message = PortMessage::with_words(upcall.id(), upcall.words().as_slice());
    message.header.remote = CarriedRight { name: to, disposition: Disposition::COPY_SEND };
    message.header.is_from_server = true;
    for _ in 0..upcall.rights() {
        let right = CarriedRight { name: control, disposition: Disposition::COPY_SEND };
        message.push_right(right).map_err(|_| "the rights fit")?;
    }
    ok("send", send(&message, Timeout::Millis(LONG_MS)))
}

fn forged_messages() -> Outcome {
    use mach_protocol::memory_object as proto;
    let mut server = ok("Server::new", Server::new(Counts::default()))?;
    let object = ok("Server::add", server.add(0))?;
    let region = kept(ok("vm_map", libmach::Region::map(&MapRequest::object(object.port(), 2 * P)))?);
    let serve = |server: &mut Server<Counts>| ok("serve", server.next(Timeout::Millis(LONG_MS)));
    same("init", Served::Manager, serve(&mut server)?)?;
    let control = server.object(object.port()).ok_or("the object")?.control();
    let returned = proto::DataReturn { offset: 0, data: region.address(), size: P, dirty: true, kernel_copy: false };
    let forged = [
        Upcall::DataReturn(returned),
        Upcall::Terminate(proto::Terminate {}),
        Upcall::DataRequest(proto::DataRequest { offset: 0, length: P, desired_access: 1 }),
        Upcall::LockCompleted(proto::LockCompleted { offset: 0, length: P }),
    ];
    for upcall in forged {
        // With the right control port even, as if it had leaked.
        forge(upcall, object.port(), control)?;
        same("a forged message", Served::Dropped, serve(&mut server)?)?;
    }
    same("dropped", 4, server.dropped())?;
    let reader = Access::read(region.address() + P)?;
    same("a true message", Served::Manager, serve(&mut server)?)?;
    reader.gives(0)?;
    store(region, P, 1);
    free(region.address(), 2 * P)?;
    while serve(&mut server)? != Served::Done {}
    let counts = server.manager();
    same("requests, returns, ends", (1, 1, 1), (counts.requests, counts.returns, counts.ends))
}

fn a_stale_control_port() -> Outcome {
    let (manager, region) = Manager::full(1, CopyStrategy::DELAY)?;
    free(region.address(), P)?;
    let [stale, _] = manager.terminate_rights()?;
    let region = manager.map(1)?;
    manager.init()?;
    holds("ready", memory_object_ready(stale, false, CopyStrategy::DELAY) != Ok(()))?;
    let reader = Access::read(region.address())?;
    manager.nothing()?;
    manager.say_ready(false, CopyStrategy::DELAY)?;
    manager.request(0)?;
    let data = super::filled(0x66)?;
    let data = Data { address: data.address(), size: P, deallocate: false };
    let supplied = memory_object_data_supply(stale, 0, data, VmProt::NONE, false, None);
    holds("supply", supplied.is_err())?;
    // What it answers says nothing; that it has no effect is what counts.
    let _ = memory_object_destroy(stale, KernReturn::SUCCESS);
    reader.waits()?;
    manager.supply(0, 5)?;
    reader.gives(5)?;
    manager.finish(region)?;
    ok("destroy the old port", mach_port_destroy(me(), stale))
}

fn the_longest_lock_request() -> Outcome {
    let (manager, region) = Manager::full(3, CopyStrategy::DELAY)?;
    store(region, P, 9);
    let all = (0, 0_u64.wrapping_sub(P));
    manager.lock(all, ShouldReturn::DIRTY, true, VmProt::NO_CHANGE)?;
    manager.one_back(P, 9, true, false)?;
    manager.locked(all.0, all.1)?;
    manager.finish(region)
}
