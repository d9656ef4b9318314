//! What is kept of tasks and threads: names, times, handlers.

use alloc::vec;

use mach_protocol::boot::HOST_PRIV;
use mach_protocol::host::{
    HOST_BASIC_INFO, HOST_BASIC_INFO_COUNT, HostInfo, HostProcessorSetPriv, ProcessorSetDefault, ProcessorSetTasks,
};
use mach_protocol::private::{TaskGetName, ThreadCpuTime};
use mach_protocol::task::{
    MachPortsLookup, MachPortsRegister, TASK_BASIC_INFO, TASK_BASIC_INFO_COUNT, TASK_THREAD_TIMES_INFO, TaskCreate,
    TaskInfo, TaskSetName, TaskSwapExceptionPorts,
};
use mach_protocol::thread::{ThreadGetName, ThreadSetName, ThreadSwapExceptionPorts};
use mach_protocol::wire::{Ints, Text};

use super::*;

#[test]
fn names_are_kept() {
    let mut host = Host::new();
    let task = host.new_task();
    let (thread, _) = host.new_thread(task);
    assert_eq!(host.call(task, &TaskGetName {}).map(|reply| reply.name), Ok(Text::new("")));
    let name = Text::new("a task with a name of more than thirty-two bytes");
    assert_eq!(host.call(task, &TaskSetName { name }).map(drop), Ok(()));
    assert_eq!(host.call(task, &TaskGetName {}).map(|reply| reply.name), Ok(name));
    let name = Text::new("worker");
    assert_eq!(host.call(thread, &ThreadSetName { name }).map(drop), Ok(()));
    assert_eq!(host.call(thread, &ThreadGetName {}).map(|reply| reply.name), Ok(name));
    assert_eq!(host.call(task, &ThreadGetName {}).map(drop), Err(KernReturn::INVALID_ARGUMENT));
    assert_eq!(host.call(thread, &TaskGetName {}).map(drop), Err(KernReturn::INVALID_ARGUMENT));
}

#[test]
fn times_of_threads_go_over_to_their_task() {
    const USED_US: u64 = 2_345_678;
    let mut host = Host::new();
    let task = host.new_task();
    let (thread, id) = host.new_thread(task);
    let (_, other) = host.new_thread(task);
    for (id, share) in [(id, 3), (other, 4)] {
        host.server.threads.get_mut(id).unwrap().used_us = USED_US / share;
    }
    let times = |host: &mut Host| {
        let info = |host: &mut Host, flavor, count| host.call(task, &TaskInfo { flavor, count }).unwrap().info;
        let ended = info(host, TASK_BASIC_INFO, TASK_BASIC_INFO_COUNT);
        let live = info(host, TASK_THREAD_TIMES_INFO, 8);
        assert_eq!((ended.len(), live.len()), (30, 8));
        let of = |seconds, us| seconds * 1_000_000 + us;
        assert_eq!((ended.word(9), ended.word(10)), (ended.word(3), ended.word(4) * 1000));
        (of(ended.word(3), ended.word(4)), of(live.word(0), live.word(1)))
    };
    assert_eq!(times(&mut host), (0, USED_US / 3 + USED_US / 4));
    assert_eq!(host.call(thread, &ThreadCpuTime {}).map(|reply| reply.microseconds), Ok(USED_US / 3));
    assert_eq!(host.call(thread, &ThreadTerminate {}).map(drop), Ok(()));
    assert_eq!(times(&mut host), (USED_US / 3, USED_US / 4));
    for (flavor, count) in [(TASK_THREAD_TIMES_INFO, 7), (TASK_BASIC_INFO, 17), (99, 30)] {
        let answer = host.call(task, &TaskInfo { flavor, count });
        assert_eq!(answer.map(drop), Err(KernReturn::INVALID_ARGUMENT));
    }
}

#[test]
fn a_count_of_suspensions_never_wraps() {
    let mut host = Host::new();
    let task = host.new_task();
    let (thread, id) = host.new_thread(task);
    let tcb = host.server.threads.get(id).unwrap().tcb;
    host.server.threads.get_mut(id).unwrap().suspended = u32::MAX - 1;
    assert_eq!(host.call(thread, &ThreadSuspend {}).map(drop), Ok(()));
    assert_eq!(host.call(thread, &ThreadSuspend {}).map(drop), Err(KernReturn::FAILURE));
    assert_eq!(host.server.threads.get(id).unwrap().suspended, u32::MAX);
    assert!(!host.fake().runs(tcb));
    host.server.threads.get_mut(id).unwrap().suspended = 1;
    let known = host.server.threads.get(id).unwrap().task;
    host.server.tasks.get_mut(known).unwrap().suspended = u32::MAX;
    assert_eq!(host.call(task, &TaskSuspend {}).map(drop), Err(KernReturn::FAILURE));
    assert_eq!(host.call(thread, &ThreadResume {}).map(drop), Ok(()));
    assert!(!host.fake().runs(tcb), "its task is suspended as often as can be");
    host.server.tasks.get_mut(known).unwrap().suspended = 1;
    assert_eq!(host.call(task, &TaskResume {}).map(drop), Ok(()));
    assert!(host.fake().runs(tcb));
}

#[test]
fn swapping_handlers_answers_the_old_ones() {
    const BAD_ACCESS: u32 = 1 << 1;
    let mut host = Host::new();
    let (own, task) = (host.own_task(), host.new_task());
    let (thread, _) = host.new_thread(task);
    let mut port = || host.call(own, &MachPortAllocate { right: Right::RECEIVE.0 }).unwrap().name;
    let (first, second) = (port(), port());
    let swap =
        |new_port, behavior| TaskSwapExceptionPorts { exception_mask: BAD_ACCESS, new_port, behavior, flavor: 0 };
    let old = host.call(task, &swap(first, 1)).unwrap();
    assert_eq!((old.masks.as_slice(), old.ports.as_slice()), (&[BAD_ACCESS][..], &[0][..]));
    let old = host.call(task, &swap(second, 0x8000_0001)).unwrap();
    assert_eq!((old.ports.as_slice(), old.behaviors.as_slice()), (&[first.0][..], &[1][..]));
    let now = host.call(task, &TaskGetExceptionPorts { exception_mask: BAD_ACCESS }).unwrap();
    assert_eq!((now.ports.as_slice(), now.behaviors.as_slice()), (&[second.0][..], &[0x8000_0001][..]));
    assert_eq!(host.call(task, &swap(first, 9)).map(drop), Err(KernReturn::INVALID_ARGUMENT));
    let bad_name = swap(PortName(0x7777), 1);
    assert_eq!(host.call(task, &bad_name).map(drop), Err(KernReturn::INVALID_CAPABILITY));
    let request = ThreadSwapExceptionPorts { exception_mask: BAD_ACCESS, new_port: first, behavior: 1, flavor: 0 };
    assert_eq!(host.call(thread, &request).unwrap().ports.as_slice(), [0]);
    assert_eq!(host.call(thread, &request).unwrap().ports.as_slice(), [first.0]);
}

#[test]
fn the_processor_set_is_the_right_to_all_tasks() {
    let mut host = Host::new();
    let (own, task) = (host.own_task(), host.new_task());
    let port = host.call(PortName::NULL, &MachHostSelf {}).unwrap().name;
    let set_name = host.call(port, &ProcessorSetDefault {}).unwrap().default_set;
    assert_eq!(host.call(own, &ProcessorSetDefault {}).map(drop), Err(KernReturn::INVALID_ARGUMENT));
    let privileged = |set_name| HostProcessorSetPriv { set_name };
    assert_eq!(host.call(port, &privileged(set_name)).map(drop), Err(KernReturn::INVALID_HOST));
    assert_eq!(host.call(HOST_PRIV, &privileged(port)).map(drop), Err(KernReturn::INVALID_ARGUMENT));
    let set = host.call(HOST_PRIV, &privileged(set_name)).unwrap().set;
    for wrong in [set_name, port, task] {
        assert_eq!(host.call(wrong, &ProcessorSetTasks {}).map(drop), Err(KernReturn::INVALID_ARGUMENT));
    }
    let reply = host.call(set, &ProcessorSetTasks {}).unwrap();
    assert_eq!(reply.count, 2, "root and the task");
    assert!(host.touch(ROOT, reply.tasks), "their names are in memory of the caller's");
    assert_eq!(host.call(task, &TaskTerminate {}).map(drop), Ok(()));
    assert_eq!(host.call(set, &ProcessorSetTasks {}).unwrap().count, 1);
}

#[test]
fn the_host_says_how_much_memory_it_has() {
    let mut host = Host::new();
    let port = host.call(PortName::NULL, &MachHostSelf {}).unwrap().name;
    let info = |flavor, count| HostInfo { flavor, count };
    let basic = host.call(port, &info(HOST_BASIC_INFO, HOST_BASIC_INFO_COUNT)).unwrap().info;
    let memory = u64::from(host.server.hw.memory.total_frames()) * PAGE;
    assert_eq!((basic.word(0), basic.word(1), basic.len()), (1 | 1 << 32, memory, 6));
    for (target, flavor, count, code) in [
        (port, HOST_BASIC_INFO, HOST_BASIC_INFO_COUNT - 1, KernReturn::FAILURE),
        (port, 99, 64, KernReturn::INVALID_ARGUMENT),
        (host.own_task(), HOST_BASIC_INFO, 64, KernReturn::INVALID_ARGUMENT),
    ] {
        assert_eq!(host.call(target, &info(flavor, count)).map(drop), Err(code));
    }
}

#[test]
fn registered_ports_are_kept_and_inherited() {
    let mut host = Host::new();
    let (task, own) = (host.new_task(), host.own_task());
    let lookup = |host: &mut Host, of| host.call(of, &MachPortsLookup {}).map(|reply| reply.ports.as_slice().to_vec());
    let register =
        |host: &mut Host, of, ports: &[u32]| host.call(of, &MachPortsRegister { ports: Ints::new(ports) }).map(drop);
    assert_eq!(lookup(&mut host, task), Ok(vec![0; 4]));
    assert_eq!(register(&mut host, task, &[own.0, 0, task.0]), Ok(()));
    assert_eq!(lookup(&mut host, task), Ok(vec![own.0, 0, task.0, 0]));
    let child = host.call(task, &TaskCreate { inherit_memory: false }).unwrap().child;
    assert_eq!(lookup(&mut host, child), Ok(vec![own.0, 0, task.0, 0]));
    // 66: too many, and a name that is no right; nothing has changed.
    assert_eq!(register(&mut host, task, &[0; 5]), Err(KernReturn::INVALID_ARGUMENT));
    assert_eq!(register(&mut host, task, &[own.0, 0x7777]), Err(KernReturn::INVALID_CAPABILITY));
    assert_eq!(lookup(&mut host, task), Ok(vec![own.0, 0, task.0, 0]));
    assert_eq!(register(&mut host, task, &[]), Ok(()));
    assert_eq!(lookup(&mut host, task), Ok(vec![0; 4]));
    assert_eq!(lookup(&mut host, child), Ok(vec![own.0, 0, task.0, 0]), "the child's are its own");
}
