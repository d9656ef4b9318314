//! Calls to the host.

use mach_protocol::boot::HOST_PRIV;
use mach_protocol::host::{HostGetExceptionPorts, HostSetExceptionPorts, HostSwapExceptionPorts};

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
