//! XNU's ids of calls that have GNU's ones, with their own flavors.

use mach_protocol::host::HostStatistics;
use mach_protocol::table::{pack_request, unpack_reply_to};
use mach_protocol::task::{TaskGetSpecialPort, TaskInfo, TaskWire};
use mach_protocol::thread::{ThreadGetState, ThreadInfo, ThreadSetState, ThreadState};
use mach_protocol::wire::Ints;

use super::*;

const BAD: KernReturn = KernReturn::INVALID_ARGUMENT;

impl Host {
    fn call_id<R: Routine>(&mut self, id: u32, target: PortName, request: &R) -> Result<R::Reply, KernReturn> {
        let words = pack_request(target, request);
        let reply = self.send(Badge::Call(ROOT), u64::from(id), words.as_slice()).expect("an answer");
        unpack_reply_to::<R>(id, reply.label, &reply.words)
    }
}

#[test]
fn tasks_are_described_in_xnus_shapes() {
    let mut host = Host::new();
    let task = host.new_task();
    let size = 5 * PAGES;
    host.call(task, &VmAllocate { address: 0, size, flags: 1 }).unwrap();
    assert_eq!(host.call(task, &TaskSuspend {}).map(drop), Ok(()));
    let mut info = |flavor, count| host.call_id(3405, task, &TaskInfo { flavor, count }).map(|reply| reply.info);
    let size = size as u32;
    assert_eq!(info(18, 10).unwrap().as_slice(), [1, size, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(info(20, 12).unwrap().as_slice(), [size, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    assert_eq!(info(3, 4).unwrap().as_slice(), [0; 4]);
    assert_eq!(info(22, 6).unwrap().as_slice(), [size, 0, 1, PAGES as u32, 0, 0]);
    for (flavor, count) in [(22, 5), (18, 9), (20, 11), (3, 3), (1, 30), (2, 64), (99, 64)] {
        assert_eq!(info(flavor, count), Err(BAD), "{flavor}, {count}");
    }
    assert_eq!(host.call(task, &TaskWire { must_wire: true }).map(drop), Err(KernReturn::NOT_SUPPORTED));
    let own = host.own_task();
    for (which, answer) in [(1, Ok(own)), (11, Err(BAD))] {
        let port = host.call_id(3409, own, &TaskGetSpecialPort { which }).map(|reply| reply.port);
        assert_eq!(port, answer, "{which}");
    }
}

#[test]
fn threads_are_described_in_xnus_shapes() {
    const USED_US: u64 = 3_000_007;
    let mut host = Host::new();
    let task = host.new_task();
    let (thread, id) = host.new_thread(task);
    host.server.threads.get_mut(id).unwrap().used_us = USED_US;
    assert_eq!(host.call(thread, &ThreadSuspend {}).map(drop), Ok(()));
    let mut info = |id, flavor, count| host.call_id(id, thread, &ThreadInfo { flavor, count }).map(|reply| reply.info);
    assert_eq!(info(3612, 3, 10).unwrap().as_slice(), [3, 7, 0, 0, 0, 1, 2, 0, 1, 0]);
    for (id, flavor, count) in [(3612, 3, 9), (3612, 1, 26), (2019, 3, 26)] {
        assert_eq!(info(id, flavor, count), Err(BAD), "{id}, {flavor}, {count}");
    }
}

#[test]
fn registers_travel_in_xnus_shapes() {
    let mut host = Host::new();
    let task = host.new_task();
    let (thread, _) = host.new_thread(task);
    let state =
        ThreadState { x: core::array::from_fn(|n| n as u64 + 7), sp: 16, pc: 32, tpidr_el0: 64, cpsr: 0x8000_0000 };
    let gnu = ThreadSetState { flavor: 1, state: state.to_ints() };
    assert_eq!(host.call(thread, &gnu).map(drop), Ok(()));
    let get = |host: &mut Host, id, flavor, count| {
        host.call_id(id, thread, &ThreadGetState { flavor, count }).map(|reply| reply.state)
    };
    let arm = get(&mut host, 3603, 6, 68).unwrap();
    assert_eq!((arm.len(), arm.word(0), arm.word(31), arm.word(32), arm.word(33)), (68, 7, 16, 32, 0x8000_0000));
    let unified = get(&mut host, 3603, 1, 70).unwrap();
    assert_eq!((unified.len(), &unified.as_slice()[..2], unified.word(1)), (70, &[6, 68][..], 7));
    // Written back in that shape, one register changed, the thread register stays.
    let mut ints = arm.as_slice().to_vec();
    ints[0] = 99;
    let set = ThreadSetState { flavor: 6, state: Ints::new(&ints) };
    assert_eq!(host.call_id(3604, thread, &set).map(drop), Ok(()));
    let after = ThreadState::from_ints(&get(&mut host, 2017, 1, 70).unwrap()).unwrap();
    assert_eq!((after.x[0], after.x[1], after.tpidr_el0), (99, 8, 64));
    for (id, flavor, count) in [(3603, 6, 67), (3603, 1, 69), (3603, 7, 136), (3603, 17, 136), (2017, 6, 136)] {
        assert_eq!(get(&mut host, id, flavor, count), Err(BAD), "{id}, {flavor}, {count}");
    }
    // The unified shape must say what it carries; in GNU's, the same numbers are registers.
    assert_eq!(host.call_id(3604, thread, &gnu).map(drop), Err(BAD));
    assert_eq!(host.call_id(3604, thread, &ThreadSetState { flavor: 1, state: unified }).map(drop), Ok(()));
}

#[test]
fn ipt_82_the_host_counts_memory() {
    let mut host = Host::new();
    let own = host.own_task();
    let port = host.call(PortName::NULL, &MachHostSelf {}).unwrap().name;
    let mut info = |target, flavor, count| host.call(target, &HostStatistics { flavor, count }).map(|reply| reply.info);
    let (all, first) = (info(port, 2, 40).unwrap(), info(port, 2, 12).unwrap());
    assert_eq!((all.len(), first.len()), (15, 12));
    assert_eq!(&all.as_slice()[..4], &first.as_slice()[..4]);
    assert_eq!(info(port, 2, 11), Err(KernReturn::FAILURE));
    assert_eq!(info(port, 99, 15), Err(BAD));
    assert_eq!(info(own, 2, 15), Err(KernReturn::INVALID_HOST));
    let gnu = host.call(own, &VmStatistics {}).unwrap();
    assert_eq!((all.as_slice()[0], all.as_slice()[3]), (gnu.free_count, gnu.wire_count));
}

#[test]
fn a_call_to_a_tasks_port_is_a_message_to_that_task() {
    let mut host = Host::new();
    let own = host.own_task();
    let port = host.call(own, &MachPortAllocate { right: Right::RECEIVE.0 }).unwrap().name;
    let allocate = VmAllocate { address: 0, size: PAGES, flags: 1 };
    let answer = host.call(port, &allocate).map(drop);
    assert_eq!(answer, Err(KernReturn::SEND_INVALID_DEST), "no send right");
    let insert =
        mach_protocol::port::MachPortInsertRight { name: port, poly: port, disposition: Disposition::MAKE_SEND.0 };
    assert_eq!(host.call(own, &insert).map(drop), Ok(()));
    let elsewhere = Err(KernReturn::SEND_TO_TASK);
    assert_eq!(host.call(port, &allocate).map(drop), elsewhere);
    assert_eq!(host.call(port, &TaskSuspend {}).map(drop), elsewhere);
    assert_eq!(host.call(port, &ThreadCreate {}).map(drop), elsewhere);
    assert_eq!(host.call(port, &MachPortAllocate { right: Right::RECEIVE.0 }).map(drop), elsewhere);
    assert_eq!(host.call(port, &HostPageSize {}).map(drop), elsewhere);
}
