//! Calls on maps that take more than a target: hosts, other tasks, lists. Numbers are those of the cases.

use mach_protocol::boot::HOST_PRIV;
use mach_protocol::host::{VmSetSizeLimit, VmWire};
use mach_protocol::vm::{
    VmBehaviorSet, VmGetSizeLimit, VmMachineAttribute, VmMsync, VmReadList, VmRegionRecurse, VmRemap, VmRemapNew,
};
use mach_protocol::wire::Words;

use super::*;

const ROOT_MEMORY: u64 = 1 << 40;

/// Calls a routine by another of its ids.
fn call_by_id<R: Routine>(host: &mut Host, id: u32, target: PortName, request: &R) -> Result<R::Reply, KernReturn> {
    let words: Words = pack_request(target, request);
    let reply = host.send(Badge::Call(ROOT), u64::from(id), words.as_slice()).expect("an answer");
    mach_protocol::table::unpack_reply_to::<R>(id, reply.label, &reply.words)
}

fn wire_count(host: &mut Host, task: PortName) -> u32 {
    host.call(task, &VmStatistics {}).unwrap().wire_count
}

fn plain_host(host: &mut Host) -> PortName {
    host.call(PortName::NULL, &MachHostSelf {}).unwrap().name
}

#[test]
fn i13_wiring_takes_a_host_and_a_task() {
    let mut host = Host::new();
    let (task, plain) = (host.new_task(), plain_host(&mut host));
    let (thread, _) = host.new_thread(task);
    let address = host.call(task, &bytes_of(0x40_0000)).unwrap().address;
    let wire = VmWire { task, address, size: 4 * PAGES, access: 3 };
    for (port, xnu, gnu) in [
        (plain, Err(KernReturn::INVALID_HOST), Ok(())),
        (task, Err(KernReturn::INVALID_HOST), Err(KernReturn::INVALID_HOST)),
        (HOST_PRIV, Ok(()), Ok(())),
    ] {
        for (id, want) in [(404, xnu), (418, xnu), (2636, gnu)] {
            assert_eq!(call_by_id(&mut host, id, port, &wire).map(drop), want, "{id}");
        }
    }
    for no_task in [thread, PortName::NULL, PortName(0x7777)] {
        let wire = VmWire { task: no_task, ..wire };
        assert_eq!(host.call(HOST_PRIV, &wire).map(drop), Err(KernReturn::INVALID_TASK));
    }
    assert_eq!(host.call(PortName(0x7777), &wire).map(drop), Err(KernReturn::SEND_INVALID_DEST));
}

#[test]
fn i13_08_wirings_count_by_the_privileged_ids() {
    let mut host = Host::new();
    let task = host.new_task();
    let address = host.call(task, &bytes_of(0x40_0000)).unwrap().address;
    for (access, wired) in [(3, 4), (3, 4), (0, 4), (0, 0)] {
        let wire = VmWire { task, address, size: 4 * PAGES, access };
        assert_eq!(host.call(HOST_PRIV, &wire).map(drop), Ok(()));
        assert_eq!(wire_count(&mut host, task), wired);
    }
    let wire = VmWire { task, address, size: 5 * PAGES, access: 3 };
    assert_eq!(host.call(HOST_PRIV, &wire).map(drop), Err(KernReturn::INVALID_ADDRESS));
    assert_eq!(call_by_id(&mut host, 2636, HOST_PRIV, &wire).map(drop), Err(KernReturn::NO_SPACE));
    assert_eq!(wire_count(&mut host, task), 0);
}

#[test]
fn i11_memory_is_mapped_twice_and_between_tasks() {
    let mut host = Host::new();
    let own = host.own_task();
    let source_address = host.call(own, &bytes_of(ROOT_MEMORY)).unwrap().address;
    assert!(host.touch(ROOT, source_address));
    let (task, other) = (host.new_task(), host.new_task());
    let request = VmRemap {
        address: 0,
        size: 2 * PAGES,
        mask: 0,
        flags: 1,
        source: own,
        source_address,
        copy: false,
        inheritance: 1,
    };
    let there = host.call(task, &request).unwrap();
    assert_eq!((there.cur_protection, there.max_protection), (3, 7));
    let onward = VmRemap { source: task, source_address: there.address, ..request };
    let third = host.call(other, &onward).unwrap();
    assert_eq!(host.call(task, &TaskTerminate {}).map(drop), Ok(()));
    // The third mapping is of the first's memory still.
    let write = VmWrite { address: third.address, data: source_address, count: 8 };
    assert_eq!(host.call(other, &write).map(drop), Ok(()));
    for (bad, code) in [
        (VmRemap { source: task, ..request }, KernReturn::INVALID_ARGUMENT),
        (VmRemap { source: PortName::NULL, ..request }, KernReturn::INVALID_ARGUMENT),
        (VmRemap { size: 0, ..request }, KernReturn::INVALID_ARGUMENT),
        (VmRemap { source_address: source_address + 4 * PAGES, ..request }, KernReturn::INVALID_ADDRESS),
    ] {
        assert_eq!(host.call(other, &bad).map(drop), Err(code));
    }
    let new = VmRemapNew {
        address: 0,
        size: PAGES,
        mask: 0,
        flags: 1,
        source: own,
        source_address,
        copy: true,
        cur_protection: 1,
        max_protection: 3,
        inheritance: 1,
    };
    let got = host.call(other, &new).unwrap();
    assert_eq!((got.cur_protection, got.max_protection), (1, 3));
    let both = VmRemapNew { max_protection: 7, ..new };
    assert_eq!(call_by_id(&mut host, 4821, other, &both).map(drop), Err(KernReturn::PROTECTION_FAILURE));
}

#[test]
fn i12_i14_attributes_have_the_codes_of_their_family() {
    let mut host = Host::new();
    let task = host.new_task();
    let (thread, _) = host.new_thread(task);
    let address = host.call(task, &bytes_of(0x40_0000)).unwrap().address;
    let sync = VmMsync { address, size: PAGES, sync_flags: 2 };
    assert_eq!(host.call(task, &sync).map(drop), Ok(()));
    assert_eq!(host.call(thread, &sync).map(drop), Err(KernReturn::INVALID_TASK));
    assert_eq!(call_by_id(&mut host, 4209, thread, &sync).map(drop), Err(KernReturn::INVALID_ARGUMENT));
    let caches = VmMachineAttribute { address, size: PAGES, attribute: 1, value: 9 };
    for id in [3813, 4812, 2099] {
        assert_eq!(call_by_id(&mut host, id, task, &caches).map(|reply| reply.value), Ok(9));
    }
    let beyond = VmMachineAttribute { address: MAP_END, ..caches };
    assert_eq!(host.call(task, &beyond).map(drop), Err(KernReturn::INVALID_ADDRESS));
    assert_eq!(call_by_id(&mut host, 2099, task, &beyond).map(drop), Err(KernReturn::INVALID_ARGUMENT));
    let behavior = VmBehaviorSet { address, size: PAGES, new_behavior: 2 };
    assert_eq!(host.call(task, &behavior).map(drop), Ok(()));
    let beyond = VmBehaviorSet { address: MAP_END, ..behavior };
    assert_eq!(host.call(task, &beyond).map(drop), Err(KernReturn::NO_SPACE));
}

#[test]
fn i07_read_lists_come_from_the_caller_and_go_back_there() {
    let mut host = Host::new();
    let (own, task) = (host.own_task(), host.new_task());
    let list = host.call(own, &bytes_of(ROOT_MEMORY)).unwrap().address;
    let address = host.call(task, &bytes_of(0x40_0000)).unwrap().address;
    // Zeros as they are, the list's elements ask for nothing.
    assert_eq!(host.call(task, &VmReadList { list, count: 256 }).map(drop), Ok(()));
    let frame_words = [address, PAGES, address + 3 * PAGES, 2 * PAGES];
    let bytes: Vec<u8> = frame_words.iter().flat_map(|word| word.to_le_bytes()).collect();
    put(&mut host, list, &bytes);
    assert_eq!(host.call(task, &VmReadList { list, count: 2 }).map(drop), Err(KernReturn::INVALID_ADDRESS));
    let words: Vec<u64> = get(&mut host, list, 32).as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    assert!(words[0] >= ROOT_MEMORY && words[0] != list, "{words:x?}");
    assert_eq!(words[1..], [PAGES, 0, 0]);
    assert_eq!(host.call(task, &VmReadList { list, count: 257 }).map(drop), Err(KernReturn::INVALID_ARGUMENT));
    let nowhere = VmReadList { list: list + (1 << 30), count: 1 };
    assert_eq!(host.call(task, &nowhere).map(drop), Err(KernReturn::SEND_INVALID_MEMORY));
    assert_eq!(host.call(HOST_PRIV, &VmReadList { list, count: 0 }).map(drop), Err(KernReturn::INVALID_ARGUMENT));
}

/// Runs an operation of the virtual memory on root's map to its end.
fn run<O: vm::Operation>(host: &mut Host, make: impl FnOnce(vm::MapId) -> O) -> O::Out {
    let server = &mut host.server;
    let map = server.tasks.get(server.root).expect("root lives").map;
    let mut op = make(map);
    loop {
        match op.step(&mut server.vm, &mut server.hw) {
            vm::Step::Done(outcome) => return outcome.unwrap_or_else(|code| panic!("{code:?}")),
            vm::Step::Again => {}
            vm::Step::Wait(on) => panic!("nobody wakes {on:?}"),
        }
    }
}

fn put(host: &mut Host, address: u64, bytes: &[u8]) {
    run(host, |map| vm::PutBytes::new(map, address, bytes.to_vec()));
}

fn get(host: &mut Host, address: u64, size: u64) -> Vec<u8> {
    run(host, |map| vm::GetBytes::new(map, address, size))
}

#[test]
fn i16_limits_are_raised_by_the_privileged_port_only() {
    const MIB: u64 = 1 << 20;
    let mut host = Host::new();
    let (task, plain) = (host.new_task(), plain_host(&mut host));
    let limit = |current_limit, max_limit| VmSetSizeLimit { task, current_limit, max_limit };
    assert_eq!(host.call(plain, &limit(128 * MIB, 512 * MIB)).map(drop), Ok(()));
    let got = host.call(task, &VmGetSizeLimit {}).unwrap();
    assert_eq!((got.current_limit, got.max_limit), (128 * MIB, 512 * MIB));
    assert_eq!(host.call(plain, &limit(128 * MIB, 1024 * MIB)).map(drop), Err(KernReturn::NO_ACCESS));
    let bytes = |size| VmAllocate { address: 0, size, flags: 1 };
    assert_eq!(host.call(task, &bytes(256 * MIB)).map(drop), Err(KernReturn::NO_SPACE));
    assert_eq!(host.call(HOST_PRIV, &limit(640 * MIB, 1024 * MIB)).map(drop), Ok(()));
    assert_eq!(host.call(task, &bytes(512 * MIB)).map(drop), Ok(()));
    assert_eq!(host.call(task, &bytes(129 * MIB)).map(drop), Err(KernReturn::NO_SPACE));
    assert_eq!(host.call(plain, &limit(2, 1)).map(drop), Err(KernReturn::INVALID_ARGUMENT));
    let no_task = VmSetSizeLimit { task: plain, ..limit(1, 2) };
    assert_eq!(host.call(plain, &no_task).map(drop), Err(KernReturn::INVALID_TASK));
    assert_eq!(host.call(task, &limit(1, 2)).map(drop), Err(KernReturn::INVALID_HOST));
}

#[test]
fn i10_10_the_form_for_maps_of_maps() {
    let mut host = Host::new();
    let task = host.new_task();
    let address = host.call(task, &bytes_of(0x40_0000)).unwrap().address;
    let look = |address, info_count| VmRegionRecurse { address, nesting_depth: 7, info_count };
    let found = host.call(task, &look(0, 19)).unwrap();
    assert_eq!((found.address, found.size, found.nesting_depth), (address, 4 * PAGES, 0));
    assert_eq!(found.info.as_slice()[..3], [3, 7, 1]);
    assert_eq!(host.call(task, &look(address + 4 * PAGES, 19)).map(drop), Err(KernReturn::INVALID_ADDRESS));
    assert_eq!(host.call(task, &look(address, 3)).map(drop), Err(KernReturn::INVALID_ARGUMENT));
}
