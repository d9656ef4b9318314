//! The whole server on the host, over a machine of ordinary memory: what tasks ask and get, and that nothing is left.

extern crate std;

mod flavors;
mod host;
mod hostile;
mod maps;
mod tasks;

use alloc::vec::Vec;

use mach_protocol::host::HostPageSize;
use mach_protocol::message::{MsgOption, MsgReceive, MsgReply, MsgRequest, MsgSend, PortMessage};
use mach_protocol::port::{Disposition, MachPortAllocate, MachPortDeallocate, MachPortDestroy, Right};
use mach_protocol::private::{
    MachHostSelf, MachTaskSelf, MachThreadSelf, TaskEnd, TaskEnded, TaskExit, TaskWatch, ThreadPark, ThreadSetBudget,
    ThreadUnpark,
};
use mach_protocol::table::{pack_request, unpack_reply};
use mach_protocol::task::{
    TaskCreate, TaskGetExceptionPorts, TaskResume, TaskSetExceptionPorts, TaskSetSpecialPort, TaskSuspend,
    TaskTerminate, TaskThreads,
};
use mach_protocol::thread::{ThreadCreate, ThreadResume, ThreadSuspend, ThreadTerminate};
use mach_protocol::vm::{VmAllocate, VmDeallocate, VmRead, VmStatistics, VmWrite};
use mach_protocol::{KernReturn, PortName, Routine};
use proptest::prelude::*;

use super::*;
use crate::badge::{Badge, TICKER};
use crate::fake::{Fake, Reply};
use crate::memory::{Layout, Usage};

mod doorbells;
mod managers;

const CHUNKS: u32 = 24;
const ROOT: ThreadId = ThreadId::new(0, 1);
const PAGES: u64 = PAGE;

/// The server under test.
struct Host {
    server: Server<Fake>,
}

impl Host {
    fn new() -> Self {
        Self::with_chunks(CHUNKS)
    }

    fn with_chunks(chunks: u32) -> Self {
        let layout =
            Layout { chunks, chunk_base: Slot(1000), unit_base: Slot(2000), slot_base: Slot(100_000), slots: 4096 };
        let start = Start { reply: Slot(1), root_tcb: Slot(2), root_table: Slot(3), root_map: (1 << 40, 1 << 41) };
        let fake = Fake::new(layout.chunk_base, chunks, start.root_table);
        Self { server: Server::new(fake, Memory::new(layout), start).expect("there is memory") }
    }

    fn fake(&mut self) -> &mut Fake {
        &mut self.server.hw.machine
    }

    /// Sends a message of a thread, and lets the server work until nothing is left to do. Answers what came back to
    /// that thread.
    fn send(&mut self, badge: Badge, label: u64, words: &[u64]) -> Option<Reply> {
        let (Badge::Call(id) | Badge::Fault(id)) = badge else { panic!("a thread's badge") };
        let spare = self.server.spare();
        self.server.message(badge.pack(), label, words);
        self.settle();
        let is_held_by_spare = self.server.threads.get(id).is_none_or(|thread| {
            // A fault that is over at once leaves the spare what it was.
            thread.reply == spare || (!thread.is_blocked && self.server.spare() == spare)
        });
        assert!(is_held_by_spare, "REPLY-1: the sender is held by what was the spare, or answered on it");
        let replies = &mut self.fake().replies;
        let index = replies.iter().position(|reply| reply.reply == spare)?;
        Some(replies.remove(index))
    }

    fn settle(&mut self) {
        while self.server.has_work() {
            self.server.work();
        }
    }

    fn call_by<R: Routine>(&mut self, thread: ThreadId, target: PortName, request: &R) -> Result<R::Reply, KernReturn> {
        let words = pack_request(target, request);
        let reply = self.send(Badge::Call(thread), u64::from(R::ID), words.as_slice()).expect("an answer");
        unpack_reply::<R>(reply.label, &reply.words)
    }

    fn call<R: Routine>(&mut self, target: PortName, request: &R) -> Result<R::Reply, KernReturn> {
        self.call_by(ROOT, target, request)
    }

    fn own_task(&mut self) -> PortName {
        self.call(PortName::NULL, &MachTaskSelf {}).expect("a name").name
    }

    /// A task of root's without memory.
    fn new_task(&mut self) -> PortName {
        let own = self.own_task();
        self.call(own, &TaskCreate { inherit_memory: false }).expect("a task").child
    }

    /// A thread of a task, running, with its identity in the server.
    fn new_thread(&mut self, task: PortName) -> (PortName, ThreadId) {
        let before: Vec<ThreadId> = self.server.threads.iter().map(|(id, _)| id).collect();
        let thread = self.call(task, &ThreadCreate {}).expect("a thread").thread;
        assert_eq!(self.call(thread, &ThreadResume {}).map(drop), Ok(()));
        let id = self.server.threads.iter().map(|(id, _)| id).find(|id| !before.contains(id)).expect("a thread");
        let tcb = self.server.threads.get(id).expect("it lives").tcb;
        assert!(self.fake().runs(tcb));
        (thread, id)
    }

    /// A write of a thread at an address: `true` if it may go on.
    fn touch(&mut self, thread: ThreadId, address: u64) -> bool {
        const WRITE_FAULT: u64 = 0x9200_0046;
        let reply = self.send(Badge::Fault(thread), 6, &[0x40_0000, address, 0, WRITE_FAULT]);
        reply.is_some_and(|reply| reply.label == 0 && reply.words.is_empty())
    }

    fn usage(&self) -> (Usage, u32) {
        (self.server.hw.memory.usage(), self.server.hw.memory.free_frames())
    }

    /// A port of root's, watching a task, and the message of its end.
    fn watch(&mut self, task: PortName, cookie: u64) -> PortName {
        let own = self.own_task();
        let port = self.call(own, &MachPortAllocate { right: Right::RECEIVE.0 }).expect("a port").name;
        let disposition = Disposition::MAKE_SEND.0;
        assert_eq!(self.call(task, &TaskWatch { notify: port, disposition, cookie }).map(drop), Ok(()));
        port
    }

    fn receive(&mut self, port: PortName) -> MsgReply {
        let request = MsgRequest::Receive(MsgReceive {
            name: port,
            option: MsgOption::RCV_TIMEOUT,
            timeout_ms: 0,
            size: 1000,
            ..MsgReceive::default()
        });
        let words = request.pack();
        let reply = self.send(Badge::Call(ROOT), u64::from(request.id()), words.as_slice()).expect("an answer");
        MsgReply::unpack(request.id(), reply.label, &reply.words).expect("a reply of mach_msg")
    }

    fn ended(&mut self, port: PortName) -> Option<TaskEnded> {
        TaskEnded::from_words(self.receive(port).message?.data_words())
    }
}

fn bytes_of(address: u64) -> VmAllocate {
    VmAllocate { address, size: 4 * PAGES, flags: 0 }
}

#[test]
fn the_first_right_of_root_is_the_privileged_host_port() {
    let mut host = Host::new();
    assert_eq!(host.call(mach_protocol::boot::HOST_PRIV, &HostPageSize {}).map(|reply| reply.size), Ok(PAGES));
    let plain = host.call(PortName::NULL, &MachHostSelf {}).unwrap().name;
    assert_ne!(plain, mach_protocol::boot::HOST_PRIV);
}

#[test]
fn a_task_gets_memory_and_leaves_none_behind() {
    let mut host = Host::new();
    let before = (host.usage(), host.fake().occupied());
    for _ in 0..3 {
        let task = host.new_task();
        let (_, thread) = host.new_thread(task);
        let at = host.call(task, &bytes_of(0x40_0000)).unwrap().address;
        assert_eq!(at, 0x40_0000);
        assert!(host.touch(thread, at) && host.touch(thread, at + 3 * PAGES));
        assert_eq!(host.server.hw.memory.usage().threads, before.0.0.threads + 1);
        assert_eq!(host.call(task, &TaskTerminate {}).map(drop), Ok(()));
        assert_eq!(host.call(task, &ThreadCreate {}).map(drop), Err(KernReturn::SEND_INVALID_DEST));
    }
    let own = host.own_task();
    assert_eq!(host.call(own, &VmStatistics {}).unwrap().free_count, before.0.1);
    assert_eq!(host.usage().0, Usage { replies: host.usage().0.replies, ..before.0.0 });
}

#[test]
fn bytes_written_to_a_task_are_read_back() {
    let mut host = Host::new();
    let own = host.own_task();
    let (from, to) = (host.call(own, &bytes_of(1 << 40)).unwrap().address, host.new_task());
    host.call(to, &bytes_of(0x1_0000)).unwrap();
    assert!(host.touch(ROOT, from));
    let write = VmWrite { address: 0x1_0100, data: from, count: 2 * PAGES };
    assert_eq!(host.call(to, &write).map(drop), Ok(()));
    let read = host.call(to, &VmRead { address: 0x1_0100, size: 2 * PAGES }).unwrap();
    assert_eq!(read.count, 2 * PAGES);
    let gone = VmDeallocate { address: 0x100_0000, size: PAGES };
    assert_eq!(host.call(to, &gone).map(drop), Err(KernReturn::INVALID_ADDRESS));
}

#[test]
fn an_exception_without_handler_ends_the_task_and_tells_the_watcher() {
    let mut host = Host::new();
    let task = host.new_task();
    let port = host.watch(task, 77);
    let before = host.usage();
    let (_, thread) = host.new_thread(task);
    assert!(!host.touch(thread, 0xdead_0000));
    let end = TaskEnd::Killed { exception: 1, code: 1, subcode: 0xdead_0000, pc: 0x40_0000, access: 2 };
    assert_eq!(host.ended(port), Some(TaskEnded { cookie: 77, end }));
    // What the task itself needed is free as well now.
    assert!(host.usage().1 >= before.1);
    assert_eq!(host.ended(port), None);
}

#[test]
fn the_end_of_the_first_task_is_reported_at_once() {
    let mut host = Host::new();
    assert!(!host.touch(ROOT, 0xdead_0000));
    let why = host.fake().stopped.clone().expect("the run is to end");
    assert!(why.starts_with("root: stopped: the first task has ended: killed: EXC_BAD_ACCESS"), "{why}");
    assert!(why.contains("0xdead0000"), "{why}");
}

/// Sets a port of root's as handler by `set`, lets a thread fault, and answers the exception with `code`.
fn handled(
    host: &mut Host,
    message_id: i32,
    code: u64,
    set: impl FnOnce(&mut Host, PortName, PortName),
) -> (PortName, ThreadId) {
    let own = host.own_task();
    let task = host.new_task();
    let ends = host.watch(task, 1);
    let (_, thread) = host.new_thread(task);
    let handler = host.call(own, &MachPortAllocate { right: Right::RECEIVE.0 }).unwrap().name;
    set(host, task, handler);
    assert!(!host.touch(thread, 0xdead_0000));
    let raised = host.receive(handler).message.expect("the exception");
    assert_eq!(raised.header.id, message_id);
    assert_eq!(raised.data_words(), [1, 1, 0xdead_0000]);
    assert_eq!(raised.rights().len(), 2);
    let mut answer = PortMessage::with_words(message_id + 100, &[code]);
    answer.header.remote = raised.header.remote;
    let request = MsgRequest::Send(MsgSend {
        message: answer,
        option: MsgOption::empty(),
        timeout_ms: 0,
        notify: PortName::NULL,
    });
    host.send(Badge::Call(ROOT), u64::from(request.id()), request.pack().as_slice()).expect("an answer");
    (ends, thread)
}

#[test]
fn a_task_that_waits_for_its_handler_ends_without_a_trace() {
    let mut host = Host::new();
    let own = host.own_task();
    let port = host.call(own, &MachPortAllocate { right: Right::RECEIVE.0 }).unwrap().name;
    let which = mach_protocol::task::TASK_EXCEPTION_PORT;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let task = host.new_task();
        let (name, thread) = host.new_thread(task);
        host.call(task, &bytes_of(0x40_0000)).unwrap();
        assert!(host.touch(thread, 0x40_0000));
        assert_eq!(host.call(task, &TaskSetSpecialPort { which, port }).map(drop), Ok(()));
        assert!(!host.touch(thread, 0xdead_0000));
        assert_eq!(host.call(task, &TaskTerminate {}).map(drop), Ok(()));
        // The message is there all the same; its rights name what is gone.
        let raised = host.receive(port).message.expect("the exception");
        for name in [task, name].into_iter().chain(raised.rights().iter().map(|right| right.name)) {
            while host.call(own, &MachPortDeallocate { name }).is_ok() {
                if !name.is_valid() {
                    break;
                }
            }
        }
        seen.push((host.usage(), host.server.ports.counts(), host.server.ops.is_empty()));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    assert!(seen[0].2, "no operation is left");
}

#[test]
fn a_task_that_nobody_can_reach_and_that_cannot_run_ends() {
    let mut host = Host::new();
    let own = host.own_task();
    let before = (host.usage(), host.server.ports.counts(), host.server.tasks.iter().count());
    // Without threads; with a thread that was never started; with one that is let go before the task.
    for order in [None, Some([0, 1]), Some([1, 0])] {
        let task = host.new_task();
        host.call(task, &bytes_of(0x1_0000)).unwrap();
        let names = match order {
            None => alloc::vec![task],
            Some(order) => {
                let thread = host.call(task, &ThreadCreate {}).unwrap().thread;
                order.map(|index| [task, thread][index]).to_vec()
            }
        };
        for name in names {
            assert_eq!(host.server.tasks.iter().count(), before.2 + 1);
            assert_eq!(host.call(own, &MachPortDeallocate { name }).map(drop), Ok(()));
        }
        let (now, usage) = (host.server.tasks.iter().count(), host.usage());
        assert_eq!(now, before.2, "{order:?}");
        assert_eq!(usage.0, Usage { replies: usage.0.replies, ..before.0.0 });
        assert_eq!(host.server.ports.counts(), before.1);
    }
    // One that runs goes on, and ends with its last thread.
    let task = host.new_task();
    let (name, thread) = host.new_thread(task);
    for name in [task, name] {
        assert_eq!(host.call(own, &MachPortDeallocate { name }).map(drop), Ok(()));
    }
    assert_eq!(host.server.tasks.iter().count(), before.2 + 1);
    let me = host.call_by(thread, PortName::NULL, &MachThreadSelf {}).unwrap().name;
    let words = pack_request(me, &ThreadTerminate {});
    assert_eq!(host.send(Badge::Call(thread), u64::from(ThreadTerminate::ID), words.as_slice()), None);
    assert_eq!(host.server.tasks.iter().count(), before.2);
}

/// Many tasks wait for one handler, which goes away: all of them end, on a stack of the size that the server has.
#[test]
fn any_number_of_tasks_can_end_at_once() {
    fn run() {
        let mut host = Host::with_chunks(800);
        let own = host.own_task();
        let port = host.call(own, &MachPortAllocate { right: Right::RECEIVE.0 }).unwrap().name;
        let which = mach_protocol::task::TASK_EXCEPTION_PORT;
        let before = host.server.tasks.iter().count();
        for _ in 0..400 {
            let task = host.new_task();
            let (_, thread) = host.new_thread(task);
            assert_eq!(host.call(task, &TaskSetSpecialPort { which, port }).map(drop), Ok(()));
            assert!(!host.touch(thread, 0xdead_0000));
        }
        assert_eq!(host.server.tasks.iter().count(), before + 400);
        assert_eq!(host.call(own, &MachPortDestroy { name: port }).map(drop), Ok(()));
        host.settle();
        assert_eq!(host.server.tasks.iter().count(), before);
    }
    let server = std::thread::Builder::new().stack_size(256 * 1024).spawn(run).unwrap();
    server.join().unwrap();
}

#[test]
fn a_handler_that_answers_success_lets_the_thread_go_on() {
    let mut host = Host::new();
    let (ends, thread) = handled(&mut host, 2400, 0, |host, task, port| {
        let which = mach_protocol::task::TASK_EXCEPTION_PORT;
        assert_eq!(host.call(task, &TaskSetSpecialPort { which, port }).map(drop), Ok(()));
    });
    let reply = host.server.threads.get(thread).unwrap().reply;
    assert!(host.fake().replies.contains(&Reply { reply, label: 0, words: Vec::new() }));
    assert_eq!(host.ended(ends), None);
}

#[test]
fn a_handler_that_answers_failure_lets_the_task_end() {
    let mut host = Host::new();
    let (ends, _) = handled(&mut host, 2405, 5, |host, task, new_port| {
        let set = TaskSetExceptionPorts { exception_mask: 1 << 1, new_port, behavior: 0x8000_0001, flavor: 0 };
        assert_eq!(host.call(task, &set).map(drop), Ok(()));
        let get = host.call(task, &TaskGetExceptionPorts { exception_mask: 0b110 }).unwrap();
        assert_eq!(get.masks.as_slice(), [0b010, 0b100]);
        assert_eq!(get.ports.as_slice(), [new_port.0, 0]);
    });
    assert!(matches!(host.ended(ends).map(|ended| ended.end), Some(TaskEnd::Killed { exception: 1, .. })));
}

#[test]
fn exit_tells_the_status_and_is_not_answered() {
    let mut host = Host::new();
    let task = host.new_task();
    let port = host.watch(task, 5);
    let (_, thread) = host.new_thread(task);
    let name = host.call_by(thread, PortName::NULL, &MachTaskSelf {}).unwrap().name;
    let words = pack_request(name, &TaskExit { status: -2 });
    assert_eq!(host.send(Badge::Call(thread), u64::from(TaskExit::ID), words.as_slice()), None);
    assert_eq!(host.ended(port), Some(TaskEnded { cookie: 5, end: TaskEnd::Exited { status: -2 } }));
}

#[test]
fn a_suspended_thread_gets_its_answer_when_it_is_resumed() {
    let mut host = Host::new();
    let task = host.new_task();
    let (name, thread) = host.new_thread(task);
    let tcb = host.server.threads.get(thread).unwrap().tcb;
    assert_eq!(host.call(name, &ThreadSuspend {}).map(drop), Ok(()));
    assert!(!host.fake().runs(tcb));
    assert_eq!(host.call(name, &ThreadResume {}).map(drop), Ok(()));
    assert!(host.fake().runs(tcb));
    assert_eq!(host.call(name, &ThreadResume {}).map(drop), Err(KernReturn::FAILURE));

    // Parked: blocked in the server, so suspending marks it only, and its answer is withheld.
    let words = pack_request(PortName::NULL, &ThreadPark { timeout_ms: u32::MAX });
    assert_eq!(host.send(Badge::Call(thread), u64::from(ThreadPark::ID), words.as_slice()), None);
    let reply = host.server.threads.get(thread).unwrap().reply;
    assert_eq!(host.call(task, &TaskSuspend {}).map(drop), Ok(()));
    assert_eq!(host.call(name, &ThreadUnpark {}).map(drop), Ok(()));
    assert!(host.fake().replies.iter().all(|answer| answer.reply != reply));
    assert_eq!(host.call(task, &TaskResume {}).map(drop), Ok(()));
    assert!(host.fake().replies.iter().any(|answer| answer.reply == reply));
}

#[test]
fn a_park_with_a_limit_ends_no_earlier_than_the_limit() {
    let mut host = Host::new();
    let words = pack_request(PortName::NULL, &ThreadPark { timeout_ms: 12 });
    assert_eq!(host.send(Badge::Call(ROOT), u64::from(ThreadPark::ID), words.as_slice()), None);
    // Ticks come 5 ms apart, the first at any moment.
    for tick in 1..=4 {
        assert!(host.fake().replies.is_empty(), "{tick} ticks are too early");
        assert_eq!(host.fake().wakes, tick);
        host.server.message(TICKER, 0, &[]);
        host.settle();
    }
    let reply = host.fake().replies.pop().unwrap();
    assert_eq!(unpack_reply::<ThreadPark>(reply.label, &reply.words).map(|park| park.unparked), Ok(false));
    assert_eq!(host.fake().wakes, 4, "nothing ticks while nobody waits");
}

#[test]
fn a_task_that_takes_all_memory_is_refused_and_everything_comes_back() {
    let mut host = Host::new();
    let own = host.own_task();
    let before = host.usage();
    for _ in 0..3 {
        let task = host.new_task();
        let (_, thread) = host.new_thread(task);
        let whole = VmAllocate { address: 0x100_0000, size: 1 << 30, flags: 0 };
        // The size limit is not what stops it here.
        if host.call(task, &whole).is_err() {
            host.call(task, &VmAllocate { size: 256 << 20, ..whole }).unwrap();
        }
        let port = host.watch(task, 1);
        let touched = (0_u64..).take_while(|page| host.touch(thread, 0x100_0000 + page * PAGES)).count();
        assert!(touched as u32 + 3 * crate::memory::RESERVE > before.1, "it got {touched} of {}", before.1);
        let end = host.ended(port).expect("it is killed").end;
        assert!(matches!(end, TaskEnd::Killed { exception: 1, code: 6, .. }), "{end:?}");
        assert_eq!(host.call(own, &VmStatistics {}).unwrap().free_count, before.1);
        assert_eq!(host.server.hw.memory.usage().frames, before.0.frames);
    }
}

#[test]
fn without_heap_calls_are_refused_and_nothing_else_happens() {
    let mut host = Host::new();
    let task = host.new_task();
    host.fake().heap = 0;
    for _ in 0..10 {
        assert_eq!(host.call(task, &bytes_of(0x1000)).map(drop), Err(KernReturn::RESOURCE_SHORTAGE));
    }
    host.fake().heap = 1 << 30;
    assert_eq!(host.call(task, &bytes_of(0x1000)).map(drop), Ok(()));
}

#[test]
fn the_last_of_the_heap_is_for_servers() {
    let mut host = Host::new();
    let task = host.new_task();
    let (_, thread) = host.new_thread(task);
    let own = host.call_by(thread, PortName::NULL, &MachTaskSelf {}).unwrap().name;
    let mine = host.own_task();
    host.fake().heap = 512 * 1024;
    assert_eq!(host.call_by(thread, own, &bytes_of(0x1000)).map(drop), Err(KernReturn::RESOURCE_SHORTAGE));
    // One that takes nothing of the virtual memory's.
    let port = MachPortAllocate { right: Right::RECEIVE.0 };
    assert_eq!(host.call_by(thread, own, &port).map(drop), Err(KernReturn::RESOURCE_SHORTAGE));
    assert_eq!(host.call(mine, &port).map(drop), Ok(()));
    assert_eq!(host.call(mine, &bytes_of(1 << 40)).map(drop), Ok(()), "root is a server");
    assert!(host.touch(ROOT, 1 << 40), "and so are its faults");
}

#[test]
fn a_stale_badge_reaches_no_later_thread() {
    let mut host = Host::new();
    let task = host.new_task();
    let (name, old) = host.new_thread(task);
    assert_eq!(host.call(name, &ThreadTerminate {}).map(drop), Ok(()));
    let (_, new) = host.new_thread(task);
    assert_eq!(old.index(), new.index());
    let words = pack_request(PortName::NULL, &MachTaskSelf {});
    let reply = host.send(Badge::Call(old), u64::from(MachTaskSelf::ID), words.as_slice()).unwrap();
    assert_eq!((reply.label, reply.words), (0, Vec::new()));
    assert!(!host.server.threads.get(new).unwrap().is_blocked);
}

#[test]
fn budgets_are_checked() {
    let mut host = Host::new();
    let task = host.new_task();
    let (thread, _) = host.new_thread(task);
    for (budget_us, period_us, code) in [
        (5_000, 10_000, KernReturn::SUCCESS),
        (999, 10_000, KernReturn::INVALID_VALUE),
        (5_000, 4_000, KernReturn::INVALID_VALUE),
        (5_000, 10_000_001, KernReturn::INVALID_VALUE),
    ] {
        let answer = host.call(thread, &ThreadSetBudget { budget_us, period_us });
        assert_eq!(answer.map_or_else(|code| code, |_| KernReturn::SUCCESS), code);
    }
    let answer = host.call(task, &ThreadSetBudget { budget_us: 5_000, period_us: 10_000 });
    assert_eq!(answer.map(drop), Err(KernReturn::INVALID_ARGUMENT));
}

#[test]
fn threads_are_named_in_memory_of_the_caller() {
    let mut host = Host::new();
    let task = host.new_task();
    for _ in 0..3 {
        host.new_thread(task);
    }
    let answer = host.call(task, &TaskThreads {}).unwrap();
    assert_eq!(answer.count, 3);
    assert!(answer.threads >= 1 << 40);
}

#[test]
fn a_message_waits_for_its_receiver_and_comes_whole() {
    let mut host = Host::new();
    let own = host.own_task();
    let port = host.call(own, &MachPortAllocate { right: Right::RECEIVE.0 }).unwrap().name;
    let mut message = PortMessage::new(99);
    message.push_bytes(b"hello");
    message.header.remote.name = port;
    message.header.remote.disposition = Disposition::MAKE_SEND;
    let request =
        MsgRequest::Send(MsgSend { message, option: MsgOption::empty(), timeout_ms: 0, notify: PortName::NULL });
    let reply = host.send(Badge::Call(ROOT), u64::from(request.id()), request.pack().as_slice()).unwrap();
    assert_eq!(MsgReply::unpack(request.id(), reply.label, &reply.words).map(|r| r.code), Ok(KernReturn::SUCCESS));
    let got = host.receive(port).message.unwrap();
    assert_eq!((got.header.id, got.data_len()), (99, 5));
    assert_eq!(host.receive(port).code, KernReturn::RCV_TIMED_OUT);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a task sends, it gets one answer or none, and the server and the other tasks go on.
    #[test]
    fn any_message_gets_at_most_one_answer_and_hurts_nobody(
        messages in proptest::collection::vec(
            (prop_oneof![0_u64..4900, 7100_u64..7160], proptest::collection::vec(prop_oneof![0_u64..8, any::<u64>()], 0..12)),
            1..40,
        )
    ) {
        let mut host = Host::new();
        let task = host.new_task();
        let (_, mut thread) = host.new_thread(task);
        for (label, words) in messages {
            host.fake().replies.clear();
            host.send(Badge::Call(thread), label, &words);
            prop_assert!(host.fake().replies.is_empty(), "one answer at the most");
            let is_free = host.server.threads.get(thread).is_some_and(|thread| !thread.is_blocked);
            if !is_free {
                // It waits, or it ended itself: another one goes on.
                let Ok(made) = host.call(task, &ThreadCreate {}) else { break };
                host.call(made.thread, &ThreadResume {}).unwrap();
                thread = host.server.threads.iter().map(|(id, _)| id).last().unwrap();
            }
        }
        let page_size = host.call(mach_protocol::boot::HOST_PRIV, &HostPageSize {});
        prop_assert_eq!(page_size.map(|reply| reply.size), Ok(PAGES));
        if host.call(task, &TaskTerminate {}).is_ok() {
            prop_assert_eq!(host.server.hw.memory.usage().threads, 0);
        }
    }
}
