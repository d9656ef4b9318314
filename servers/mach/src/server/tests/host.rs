//! Calls to the host.

use mach_protocol::boot::HOST_PRIV;
use mach_protocol::host::{
    HostGetExceptionPorts, HostGetTime, HostGetTimeReply, HostGetUptime64, HostGetUptime64Reply, HostSetExceptionPorts,
    HostSwapExceptionPorts, VM_PAGES_PHYS_MAX, VmPagesPhys,
};
use mach_protocol::vm::VmCacheStatistics;

use super::*;

const BAD_ACCESS: u32 = 1 << 1;
const WIDE: u32 = 0x8000_0001;

fn set(new_port: PortName) -> HostSetExceptionPorts {
    HostSetExceptionPorts { exception_mask: BAD_ACCESS, new_port, behavior: WIDE, flavor: 0 }
}

#[test]
fn e4_414_the_hosts_handler_is_asked_last() {
    for by_task in [false, true] {
        let mut host = Host::new();
        let own = host.own_task();
        let first = host.call(own, &MachPortAllocate { right: Right::RECEIVE.0 }).unwrap().name;
        let (ends, thread) = handled(&mut host, 2405, if by_task { 5 } else { 0 }, |host, task, port| {
            let last = if by_task { first } else { port };
            assert_eq!(host.call(HOST_PRIV, &set(last)).map(drop), Ok(()));
            if by_task {
                let set =
                    TaskSetExceptionPorts { exception_mask: BAD_ACCESS, new_port: port, behavior: WIDE, flavor: 0 };
                assert_eq!(host.call(task, &set).map(drop), Ok(()));
            }
        });
        assert_eq!(host.ended(ends), None, "somebody is asked, or has answered success");
        let asked = host.receive(first).message.map(|message| message.header.id);
        assert_eq!(asked, by_task.then_some(2405), "after the task's handler has failed");
        let reply = host.server.threads.get(thread).unwrap().reply;
        assert_eq!(host.fake().replies.iter().any(|answer| answer.reply == reply), !by_task);
    }
}

#[test]
fn e4_414_when_the_hosts_handler_fails_the_task_ends() {
    let mut host = Host::new();
    let (ends, _) = handled(&mut host, 2405, 5, |host, _, port| {
        assert_eq!(host.call(HOST_PRIV, &set(port)).map(drop), Ok(()));
    });
    assert!(matches!(host.ended(ends).map(|ended| ended.end), Some(TaskEnd::Killed { exception: 1, .. })));
}

#[test]
fn e4_415_416_tell_what_was_set() {
    let mut host = Host::new();
    let own = host.own_task();
    let port = host.call(own, &MachPortAllocate { right: Right::RECEIVE.0 }).unwrap().name;
    let swap =
        |new_port| HostSwapExceptionPorts { exception_mask: BAD_ACCESS | 1 << 2, new_port, behavior: WIDE, flavor: 0 };
    assert_eq!(host.call(HOST_PRIV, &set(port)).map(drop), Ok(()));
    let old = host.call(HOST_PRIV, &swap(PortName::NULL)).unwrap();
    assert_eq!((old.masks.as_slice(), old.ports.as_slice()), (&[BAD_ACCESS, 1 << 2][..], &[port.0, 0][..]));
    let now = host.call(HOST_PRIV, &HostGetExceptionPorts { exception_mask: BAD_ACCESS | 1 << 2 }).unwrap();
    assert_eq!((now.masks.as_slice(), now.ports.as_slice()), (&[BAD_ACCESS | 1 << 2][..], &[0][..]));
    assert_eq!(now.behaviors.as_slice(), [1]);
}

#[test]
fn e4_414_to_416_are_for_who_has_the_privileged_port() {
    const BAD: Result<(), KernReturn> = Err(KernReturn::INVALID_ARGUMENT);
    let mut host = Host::new();
    let own = host.own_task();
    let plain = host.call(PortName::NULL, &MachHostSelf {}).unwrap().name;
    let port = host.call(own, &MachPortAllocate { right: Right::RECEIVE.0 }).unwrap().name;
    for target in [plain, own] {
        let swap = HostSwapExceptionPorts { exception_mask: 2, new_port: port, behavior: WIDE, flavor: 0 };
        assert_eq!(host.call(target, &set(port)).map(drop), BAD);
        assert_eq!(host.call(target, &HostGetExceptionPorts { exception_mask: 2 }).map(drop), BAD);
        assert_eq!(host.call(target, &swap).map(drop), BAD);
    }
    let unknown = HostSetExceptionPorts { exception_mask: 0x8000_0000, ..set(port) };
    assert_eq!(host.call(HOST_PRIV, &unknown).map(drop), BAD);
    assert_eq!(host.call(HOST_PRIV, &HostSetExceptionPorts { behavior: 9, ..set(port) }).map(drop), BAD);
    let nobody = set(PortName(0x7777));
    assert_eq!(host.call(HOST_PRIV, &nobody).map(drop), Err(KernReturn::INVALID_CAPABILITY));
}

#[test]
fn e5_2634_2647_tell_the_time_since_the_start() {
    let mut host = Host::new();
    let plain = host.call(PortName::NULL, &MachHostSelf {}).unwrap().name;
    let own = host.own_task();
    for target in [plain, HOST_PRIV] {
        host.fake().uptime_ns = Some(3_000_001_999);
        let time = HostGetTimeReply { seconds: 3, microseconds: 1 };
        assert_eq!(host.call(target, &HostGetTime {}), Ok(time));
        assert_eq!(host.call(target, &HostGetUptime64 {}), Ok(HostGetUptime64Reply { seconds: 3, nanoseconds: 1999 }));
        host.fake().uptime_ns = None;
        assert_eq!(host.call(target, &HostGetTime {}), Err(KernReturn::NOT_SUPPORTED));
        assert_eq!(host.call(target, &HostGetUptime64 {}), Err(KernReturn::NOT_SUPPORTED));
    }
    assert_eq!(host.call(own, &HostGetTime {}), Err(KernReturn::INVALID_HOST));
    assert_eq!(host.call(own, &HostGetUptime64 {}), Err(KernReturn::INVALID_HOST));
}

/// What lies in root's memory.
fn words_at(host: &mut Host, address: u64, count: usize) -> Vec<u64> {
    let map = host.server.tasks.get(host.server.root).unwrap().map;
    let mut get = vm::GetBytes::new(map, address, 8 * count as u64);
    let bytes = loop {
        match vm::Operation::step(&mut get, &mut host.server.vm, &mut host.server.hw) {
            vm::Step::Done(bytes) => break bytes.unwrap(),
            vm::Step::Again => {}
            vm::Step::Wait(on) => panic!("{on:?}"),
        }
    };
    bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

#[test]
fn a18_4212_tells_where_resident_pages_are() {
    let mut host = Host::new();
    let task = host.new_task();
    let (_, thread) = host.new_thread(task);
    let size = 100 * PAGES;
    let at = host.call(task, &VmAllocate { address: 0x40_0000, size, flags: 0 }).unwrap().address;
    for page in [0, 1, 99] {
        assert!(host.touch(thread, at + page * PAGES));
    }
    let reply = host.call(HOST_PRIV, &VmPagesPhys { task, address: at, size: size + PAGES }).unwrap();
    assert_eq!(reply.count, 101);
    let found = words_at(&mut host, reply.pages, 101);
    let map = host.server.map_argument(host.server.tasks.get(host.server.root).unwrap().space, task).unwrap();
    for (page, address) in found.into_iter().enumerate() {
        let frame = host.server.vm.resident_frame(map, at + page as u64 * PAGES);
        assert_eq!(frame.is_some(), [0, 1, 99].contains(&page));
        let slot = frame.map(|frame| host.server.hw.memory.layout().first(crate::memory::Unit(frame.0)));
        assert_eq!(address, slot.map_or(0, |slot| host.fake().frame(slot) * PAGES), "page {page}");
    }
    assert_eq!(host.call(HOST_PRIV, &VmPagesPhys { task, address: at, size: 0 }).map(|reply| reply.count), Ok(0));
}

#[test]
fn a18_4212_checks_in_this_order() {
    let mut host = Host::new();
    let (own, task) = (host.own_task(), host.new_task());
    let plain = host.call(PortName::NULL, &MachHostSelf {}).unwrap().name;
    let mut ask = |target, task, address, size| host.call(target, &VmPagesPhys { task, address, size }).map(drop);
    let too_many = (VM_PAGES_PHYS_MAX + 1) * PAGES;
    assert_eq!(ask(plain, plain, 1, too_many), Err(KernReturn::INVALID_HOST));
    assert_eq!(ask(own, plain, 1, too_many), Err(KernReturn::INVALID_HOST));
    assert_eq!(ask(HOST_PRIV, plain, 1, too_many), Err(KernReturn::INVALID_TASK));
    assert_eq!(ask(HOST_PRIV, task, 1, too_many), Err(KernReturn::INVALID_ARGUMENT));
    assert_eq!(ask(HOST_PRIV, task, 0, 1), Err(KernReturn::INVALID_ARGUMENT));
    assert_eq!(ask(HOST_PRIV, task, u64::MAX - PAGES + 1, PAGES), Err(KernReturn::INVALID_ARGUMENT));
    assert_eq!(ask(HOST_PRIV, task, 0, too_many), Err(KernReturn::RESOURCE_SHORTAGE));
    assert_eq!(ask(HOST_PRIV, task, 0, too_many - PAGES), Ok(()));
}

#[test]
fn a18_4200_counts_what_is_in_memory() {
    let mut host = Host::new();
    let own = host.own_task();
    let before = host.call(own, &VmCacheStatistics {}).unwrap();
    let task = host.new_task();
    let (_, thread) = host.new_thread(task);
    let at = host.call(task, &bytes_of(0x40_0000)).unwrap().address;
    assert!(host.touch(thread, at) && host.touch(thread, at + PAGES));
    let now = host.call(own, &VmCacheStatistics {}).unwrap();
    assert_eq!(now.active_tmp_count + now.inactive_tmp_count, before.active_tmp_count + before.inactive_tmp_count + 2);
    assert_eq!(now.dirty_count, before.dirty_count + 2);
    let usage = host.server.hw.memory.usage();
    assert_eq!(now.slab_count, usage.tables + usage.threads);
    assert!(now.slab_count > before.slab_count);
    assert_eq!((now.active_perm_count, now.cache_object_count, now.laundry_count), (0, 0, 0));
    let thread = host.call(PortName::NULL, &MachThreadSelf {}).unwrap().name;
    assert_eq!(host.call(thread, &VmCacheStatistics {}).map(drop), Err(KernReturn::INVALID_ARGUMENT));
}
