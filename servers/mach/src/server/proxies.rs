//! Proxies: ports that `vm_map` accepts in place of a memory object, for a part of it and with less protection
//! (`spec/mach-memory-objects.md` B.11).
//!
//! A proxy holds a send right to its object and disappears with its own last send right; mappings made through it stay.
//! Its manager never sees it. A proxy of a proxy is one of the object, with ranges and protections put together. A proxy of
//! memory that has no manager holds the memory itself.

use alloc::boxed::Box;

use arena::Id;
use mach_protocol::memory_object::{
    MemoryObjectCreateProxy, MemoryObjectCreateProxyReply, VmRegionCreateProxy, VmRegionCreateProxyReply,
};
use mach_protocol::table::pack_reply;
use mach_protocol::{KernReturn, PortName};
use vm::{Behind, Cancel, ManagerId, MapObject, ObjectId, Operation, Prot, Range, ShareRegion, Shared, Step, Vm};

use super::operation::{Op, Progress, Work};
use super::{Caller, Server};
use crate::machine::Machine;
use crate::port::{Object, ObjectKind, PortId, Receiver, Right, RightKind, SpaceId};

/// Identity of a proxy.
pub(super) type ProxyId = Id<Proxy>;

/// A proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    /// The proxy's port.
    port: PortId,
    target: Target,
    max_prot: Prot,
    /// The part of the object.
    window: Range,
}

/// What a proxy stands for.
#[derive(Debug)]
enum Target {
    /// A memory object: the send right to it.
    Port(Right),
    /// Memory without a manager, of which this is a holder.
    Memory(ObjectId),
}

/// A `vm_region_create_proxy` under way.
#[derive(Debug)]
pub(super) struct RegionProxy {
    op: ShareRegion,
    /// Who gets the proxy.
    space: SpaceId,
    max_prot: Prot,
    len: u64,
}

impl RegionProxy {
    /// Gives it up. `false`: it has to be stepped to its end.
    pub(super) fn cancel(&mut self, vm: &mut Vm) -> bool {
        self.op.cancel(vm) == Cancel::Dropped
    }
}

impl<M: Machine> Server<M> {
    /// `memory_object_create_proxy` (4010).
    ///
    /// | # | check | error |
    /// |---|---|---|
    /// | 1 | the target is a usable send right | `SEND_INVALID_DEST` |
    /// | 2 | it is a task | `INVALID_TASK` |
    /// | 3 | all arrays have one element | `INVALID_ARGUMENT` |
    /// | 4 | the object is a send right to a live port | `INVALID_NAME` |
    /// | 5 | of a memory object or a proxy | `INVALID_ARGUMENT` |
    /// | 6 | the offset is 0, the protection has known bits only | `INVALID_ARGUMENT` |
    /// | 7 | start and length do not wrap, and lie within an inner proxy | `INVALID_ARGUMENT` |
    /// | 8 | the caller's space has room | `NO_SPACE` |
    pub(super) fn create_proxy(
        &mut self,
        caller: Caller,
        target: PortName,
        call: &MemoryObjectCreateProxy,
    ) -> Result<MemoryObjectCreateProxyReply, KernReturn> {
        const BAD: KernReturn = KernReturn::INVALID_ARGUMENT;
        self.named_task(caller.space, target)?.ok_or(KernReturn::INVALID_TASK)?;
        if call.counts != [1; 4] {
            return Err(BAD);
        }
        let (port, receiver) = self.send_right(caller.space, call.object).ok_or(KernReturn::INVALID_NAME)?;
        let (behind, allowed, outer) = match receiver {
            Receiver::Server(Object { kind: ObjectKind::Proxy, id }) => {
                let proxy = self.proxies.get(ProxyId::from_word(id)).ok_or(BAD)?;
                let behind = match &proxy.target {
                    Target::Port(right) => Behind::Manager(ManagerId(right.port().ok_or(BAD)?.to_word())),
                    Target::Memory(object) => Behind::Memory(*object),
                };
                (behind, proxy.max_prot, proxy.window)
            }
            Receiver::Server(_) => return Err(BAD),
            _ => (Behind::Manager(ManagerId(port.to_word())), Prot::ALL, Range { start: 0, end: u64::MAX }),
        };
        let max_prot = Prot::from_wire(call.max_protection).filter(|_| call.offset == 0).ok_or(BAD)?;
        let start = outer.start.checked_add(call.start).ok_or(BAD)?;
        let end = start.checked_add(call.len).filter(|end| *end <= outer.end).ok_or(BAD)?;
        if let Behind::Memory(object) = behind {
            self.vm.hold(object)?;
        }
        let proxy = self.enter_proxy(caller.space, behind, max_prot & allowed, Range { start, end })?;
        Ok(MemoryObjectCreateProxyReply { proxy })
    }

    /// `vm_region_create_proxy` (4011), which waits while somebody works on the map.
    ///
    /// | # | check | error |
    /// |---|---|---|
    /// | 1 | the target is a usable send right | `SEND_INVALID_DEST` |
    /// | 2 | the protection has known bits only | `INVALID_ARGUMENT` |
    /// | 3… | the region, see [`ShareRegion`] | `INVALID_ARGUMENT`, `NO_SPACE` |
    /// | 8 | the caller's space has room | `NO_SPACE` |
    pub(super) fn begin_region_proxy(
        &mut self,
        caller: Caller,
        request: u32,
        target: PortName,
        call: &VmRegionCreateProxy,
    ) {
        let map = match self.named_map(caller.space, target) {
            Ok(map) => map,
            Err(code) => return self.answer_code(caller.thread, request, code),
        };
        let Some(max_prot) = Prot::from_wire(call.max_protection) else {
            return self.answer_code(caller.thread, request, KernReturn::INVALID_ARGUMENT);
        };
        let op = ShareRegion::new(map, call.address, call.len);
        let work = RegionProxy { op, space: caller.space, max_prot, len: call.len };
        self.begin(Op::new(Some(caller.thread), request, Work::RegionProxy(Box::new(work))));
    }

    /// Takes one step of a `vm_region_create_proxy`.
    pub(super) fn advance_region_proxy(&mut self, work: &mut RegionProxy) -> Progress {
        let shared = match work.op.step(&mut self.vm, &mut self.hw) {
            Step::Again => return Progress::Again,
            Step::Wait(on) => return Progress::WaitVm(on),
            Step::Done(shared) => shared,
        };
        let proxy = shared.and_then(|Shared { behind, offset, max_prot }| {
            let window = Range { start: offset, end: offset + work.len };
            self.enter_proxy(work.space, behind, max_prot & work.max_prot, window)
        });
        Progress::Done(pack_reply(&proxy.map(|proxy| VmRegionCreateProxyReply { proxy })))
    }

    /// Makes a proxy of what the caller holds if it is memory, and gives it to a task.
    fn enter_proxy(
        &mut self,
        space: SpaceId,
        behind: Behind,
        max_prot: Prot,
        window: Range,
    ) -> Result<PortName, KernReturn> {
        let target = match behind {
            Behind::Manager(manager) => Target::Port(self.ports.copy_send(&Right::Send(PortId::from_word(manager.0)))),
            Behind::Memory(object) => Target::Memory(object),
        };
        let ports = &mut self.ports;
        let id = self.proxies.insert_with(|id| Proxy {
            port: ports.create_server_port(Object { kind: ObjectKind::Proxy, id: id.to_word() }),
            target,
            max_prot,
            window,
        });
        let port = self.proxies.get(id).map(|proxy| proxy.port).ok_or(KernReturn::FAILURE)?;
        // Refused for want of room, the only send right goes, and the proxy with it.
        self.ports.give_send(space, port)
    }

    /// Where a name that holds a send right leads.
    fn send_right(&mut self, space: SpaceId, name: PortName) -> Option<(PortId, Receiver)> {
        let has_send = self.ports.port_type(space, name).is_ok_and(|bits| bits & RightKind::Send.type_bit() != 0);
        self.ports.destination(space, name).ok().filter(|_| has_send)
    }

    /// What `vm_map` is asked to map: any port that a task receives on is a memory object.
    pub(super) fn mappable(&mut self, caller: Caller, name: PortName) -> MapObject {
        match name {
            PortName::NULL => return MapObject::Null,
            PortName::DEAD => return MapObject::Dead,
            _ => {}
        }
        if self.ports.destination(caller.space, name).is_err() {
            return MapObject::Dead;
        }
        let (port, max_prot, window) = match self.send_right(caller.space, name) {
            None => return MapObject::Invalid,
            Some((_, Receiver::Server(Object { kind: ObjectKind::Proxy, id }))) => {
                match self.proxies.get(ProxyId::from_word(id)) {
                    Some(Proxy { target: Target::Port(Right::Send(port)), max_prot, window, .. }) => {
                        (*port, *max_prot, Some(*window))
                    }
                    Some(Proxy { target: Target::Memory(object), max_prot, window, .. }) => {
                        return MapObject::Memory { object: *object, max_prot: *max_prot, window: *window };
                    }
                    _ => return MapObject::Invalid,
                }
            }
            Some((_, Receiver::Server(_))) => return MapObject::Invalid,
            Some((port, _)) => (port, Prot::ALL, None),
        };
        let Some(receiver) = self.ports.receiver(port) else { return MapObject::Dead };
        let manager = ManagerId(port.to_word());
        let task = if let Receiver::Space(space, _) = receiver { Some(space) } else { None };
        // A task that leaves too many messages unreceived gets no new object.
        let takes_init = self.hw.managers.may_map(manager, task);
        MapObject::Manager { manager, takes_init, max_prot, window }
    }

    /// A proxy's last send right is gone.
    pub(super) fn forget_proxy(&mut self, id: ProxyId) {
        if let Some(proxy) = self.proxies.remove(id) {
            self.ports.destroy_port(proxy.port);
            match proxy.target {
                Target::Port(right) => self.ports.release(right),
                Target::Memory(object) => {
                    self.vm.let_go(object);
                    self.is_untidy = true;
                }
            }
        }
    }
}
