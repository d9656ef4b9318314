//! XNU's ids of calls that have GNU's ones, with their own flavors.

use mach_protocol::boot::HOST_PRIV;
use mach_protocol::host::{HostInfo, HostReboot, HostStatistics, ThreadWire};
use mach_protocol::port::MachPortType;
use mach_protocol::table::{pack_request, unpack_reply_to};
use mach_protocol::task::{TaskGetSpecialPort, TaskInfo, TaskWire, XnuTaskCreate};
use mach_protocol::thread::{
    ThreadAbort, ThreadAbortSafely, ThreadCreateRunning, ThreadGetState, ThreadInfo, ThreadSetState, ThreadState,
    ThreadTerminateRelease,
};
use mach_protocol::vm::VmMap;
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

#[test]
fn the_host_is_described_in_both_families_shapes() {
    let mut host = Host::new();
    let memory = u64::from(host.server.hw.memory.total_frames()) * PAGE;
    let port = host.call(PortName::NULL, &MachHostSelf {}).unwrap().name;
    let mut info = |id, flavor, count| host.call_id(id, port, &HostInfo { flavor, count }).map(|reply| reply.info);
    let basic = [1, 1, memory as u32, 0x0100_000c, 0, 0, 1, 1, 1, 1, memory as u32, 0];
    assert_eq!(info(200, 1, 12).unwrap().as_slice(), basic);
    assert_eq!(info(2638, 1, 6).unwrap().len(), 6);
    for id in [200, 2638] {
        assert_eq!(info(id, 3, 2).unwrap().as_slice(), [5, 5], "a tick, a turn");
        assert_eq!(info(id, 3, 1), Err(KernReturn::FAILURE));
        assert_eq!(info(id, 2, 64), Err(BAD));
    }
    assert_eq!(info(200, 1, 11), Err(KernReturn::FAILURE));
}

#[test]
fn counts_of_the_memory_are_64_bits_wide_by_their_own_id() {
    let mut host = Host::new();
    let own = host.own_task();
    let port = host.call(PortName::NULL, &MachHostSelf {}).unwrap().name;
    let at = host.call(own, &bytes_of(1 << 40)).unwrap().address;
    assert!(host.touch(ROOT, at) && host.touch(ROOT, at + PAGES));
    let get = |host: &mut Host, id, target, flavor, count| {
        host.call_id(id, target, &HostStatistics { flavor, count }).map(|reply| reply.info)
    };
    let (wide, narrow) = (get(&mut host, 219, port, 4, 38).unwrap(), get(&mut host, 216, port, 2, 15).unwrap());
    assert_eq!(wide.len(), 38);
    assert_eq!(&wide.as_slice()[..4], &narrow.as_slice()[..4], "free, active, inactive, wired");
    let events: Vec<u64> = (2..10).map(|word| wide.word(word)).collect();
    let narrow_events: Vec<u64> = narrow.as_slice()[4..12].iter().map(|count| u64::from(*count)).collect();
    assert_eq!(events, narrow_events);
    assert!(events[0] >= 2, "two pages were made of zeros");
    let [active, inactive] = [1, 2].map(|index| wide.as_slice()[index]);
    assert_eq!(wide.as_slice()[34..36], [0, active + inactive], "no manager has any of them");
    assert_eq!(get(&mut host, 219, port, 4, 24).unwrap().as_slice(), &wide.as_slice()[..24]);
    assert_eq!(get(&mut host, 219, port, 4, 23), Err(KernReturn::FAILURE));
    assert_eq!(get(&mut host, 219, port, 2, 38), Err(BAD));
    assert_eq!(get(&mut host, 216, port, 4, 38), Err(BAD));
    assert_eq!(get(&mut host, 219, own, 4, 38), Err(KernReturn::INVALID_HOST));
}

#[test]
fn ipt_84_the_host_is_not_rebooted_by_everybody() {
    let mut host = Host::new();
    let (own, port) = (host.own_task(), host.call(PortName::NULL, &MachHostSelf {}).unwrap().name);
    for id in [401, 2635] {
        let mut reboot = |target| host.call_id(id, target, &HostReboot { options: 0 }).map(drop);
        assert_eq!(reboot(port), Err(KernReturn::INVALID_HOST));
        assert_eq!(reboot(own), Err(KernReturn::INVALID_HOST));
        assert_eq!(reboot(HOST_PRIV), Err(KernReturn::NOT_SUPPORTED));
    }
}

#[test]
fn a_thread_is_wired_by_itself_with_the_privileged_port() {
    let mut host = Host::new();
    let port = host.call(PortName::NULL, &MachHostSelf {}).unwrap().name;
    let thread = host.call(PortName::NULL, &MachThreadSelf {}).unwrap().name;
    let task = host.new_task();
    let (other, _) = host.new_thread(task);
    let mut wire = |id, target, thread| host.call_id(id, target, &ThreadWire { thread, wired: true }).map(drop);
    for id in [405, 2637] {
        assert_eq!(wire(id, HOST_PRIV, thread), Ok(()));
        assert_eq!(wire(id, port, thread), Err(BAD));
        for wrong in [other, task, PortName::NULL] {
            assert_eq!(wire(id, HOST_PRIV, wrong), Err(BAD));
        }
    }
}

#[test]
fn a_task_is_made_in_xnus_shape() {
    let mut host = Host::new();
    let own = host.own_task();
    let at = host.call(own, &bytes_of(1 << 40)).unwrap().address;
    for (inherit_memory, answer) in [(true, Ok(())), (false, Err(KernReturn::INVALID_ADDRESS))] {
        let ledgers = Ints::new(&[7, 8]);
        let child = host.call(own, &XnuTaskCreate { ledgers, inherit_memory }).unwrap().child;
        assert_eq!(host.call(child, &VmDeallocate { address: at, size: PAGES }).map(drop), answer);
    }
    assert_eq!(host.call(HOST_PRIV, &XnuTaskCreate::default()).map(drop), Err(BAD));
}

#[test]
fn a_thread_that_is_made_running_runs_with_its_registers() {
    let mut host = Host::new();
    let task = host.new_task();
    let state = ThreadState { x: [3; 31], sp: 16, pc: 0x40_0000, tpidr_el0: 0, cpsr: 0 };
    let form = mach_protocol::thread::StateForm::find(3412, 6).unwrap();
    let request = ThreadCreateRunning { flavor: 6, state: form.pack(&state) };
    let before = host.usage();
    for wrong in
        [ThreadCreateRunning { flavor: 2, ..request }, ThreadCreateRunning { state: Ints::new(&[0; 67]), ..request }]
    {
        assert_eq!(host.call(task, &wrong).map(drop), Err(BAD));
    }
    assert_eq!(host.call(HOST_PRIV, &request).map(drop), Err(BAD));
    assert_eq!(host.usage(), before, "nothing was made");
    let thread = host.call(task, &request).unwrap().thread;
    let id = host.server.named_thread(host.server.tasks.get(host.server.root).unwrap().space, thread).unwrap().unwrap();
    let tcb = host.server.threads.get(id).unwrap().tcb;
    assert!(host.fake().runs(tcb));
    let now = host.call(thread, &ThreadGetState { flavor: 1, count: 70 }).unwrap().state;
    assert_eq!(ThreadState::from_ints(&now), Some(state));
    assert_eq!(host.call(thread, &ThreadResume {}).map(drop), Err(KernReturn::FAILURE), "it is not suspended");
}

#[test]
fn a_call_that_runs_on_is_not_aborted_safely() {
    let mut host = Host::new();
    let own = host.own_task();
    let (thread, id) = host.new_thread(own);
    let (me, port) = (
        host.call(PortName::NULL, &MachThreadSelf {}).unwrap().name,
        host.call(own, &MachPortAllocate { right: Right::RECEIVE.0 }).unwrap().name,
    );
    assert_eq!(host.call(me, &ThreadAbortSafely {}).map(drop), Err(BAD));
    assert_eq!(host.call(thread, &ThreadAbortSafely {}).map(drop), Ok(()), "it waits for nothing");
    // A receive ends.
    let receive = MsgRequest::Receive(MsgReceive {
        name: port,
        option: MsgOption::empty(),
        timeout_ms: 0,
        size: 64,
        ..MsgReceive::default()
    });
    assert_eq!(host.send(Badge::Call(id), u64::from(receive.id()), receive.pack().as_slice()), None);
    let held = host.server.threads.get(id).unwrap().reply;
    assert_eq!(host.call(thread, &ThreadAbortSafely {}).map(drop), Ok(()));
    let reply = host.fake().replies.pop().expect("an answer");
    assert_eq!((reply.reply, reply.words[0] as i32), (held, KernReturn::RCV_INTERRUPTED.0));
    // A copy of an object whose manager is not ready waits in the middle of a call.
    let insert =
        mach_protocol::port::MachPortInsertRight { name: port, poly: port, disposition: Disposition::MAKE_SEND.0 };
    assert_eq!(host.call(own, &insert).map(drop), Ok(()));
    let map = VmMap { size: PAGES, flags: 1, memory_object: port, copy: true, cur_protection: 1, ..VmMap::default() };
    let words = pack_request(own, &map);
    assert_eq!(host.send(Badge::Call(id), u64::from(VmMap::ID), words.as_slice()), None);
    assert_eq!(host.call(thread, &ThreadAbortSafely {}).map(drop), Err(KernReturn::FAILURE));
    assert_eq!(host.call(thread, &ThreadAbort {}).map(drop), Ok(()));
    assert!(host.server.threads.get(id).unwrap().op.is_some(), "neither ends it");
}

#[test]
fn a_thread_that_ends_gives_up_its_names_and_its_stack() {
    let mut host = Host::new();
    let own = host.own_task();
    let kind = |host: &mut Host, name| host.call(own, &MachPortType { name }).map(|reply| reply.port_type);
    let used = host.usage().0.threads;
    for is_by_itself in [true, false] {
        let (thread, id) = host.new_thread(own);
        let port = host.call(own, &MachPortAllocate { right: Right::RECEIVE.0 }).unwrap().name;
        let address = host.call(own, &bytes_of(1 << 40)).unwrap().address;
        let request =
            ThreadTerminateRelease { task: own, thread_name: thread, reply_port: port, address, size: 4 * PAGES };
        let wrong = ThreadTerminateRelease { task: thread, ..request };
        assert_eq!(host.call(thread, &wrong).map(drop), Err(BAD));
        assert_eq!(host.usage().0.threads, used + 1, "nothing was done");
        if is_by_itself {
            let words = pack_request(thread, &request);
            assert_eq!(host.send(Badge::Call(id), u64::from(ThreadTerminateRelease::ID), words.as_slice()), None);
        } else {
            assert_eq!(host.call(thread, &request).map(drop), Ok(()));
        }
        for name in [thread, port] {
            assert_eq!(kind(&mut host, name), Err(KernReturn::INVALID_NAME));
        }
        assert_eq!(host.call(own, &VmDeallocate { address, size: PAGES }).map(drop), Err(KernReturn::INVALID_ADDRESS));
        assert_eq!(host.usage().0.threads, used);
    }
}
