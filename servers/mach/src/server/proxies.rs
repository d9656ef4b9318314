//! Proxies: ports that `vm_map` accepts in place of a memory object, for a part of it and with less protection
//! (`spec/mach-memory-objects.md` B.11).
//!
//! A proxy holds a send right to its object and disappears with its own last send right; mappings made through it stay.
//! Its manager never sees it. A proxy of a proxy is one of the object, with ranges and protections put together.

use arena::Id;
use mach_protocol::memory_object::{MemoryObjectCreateProxy, MemoryObjectCreateProxyReply};
use mach_protocol::{KernReturn, PortName};
use vm::{ManagerId, MapObject, Prot, Range};

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
    /// The send right to the object.
    object: Right,
    max_prot: Prot,
    /// The part of the object.
    window: Range,
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
        let (port, allowed, outer) = match receiver {
            Receiver::Server(Object { kind: ObjectKind::Proxy, id }) => {
                let proxy = self.proxies.get(ProxyId::from_word(id)).ok_or(BAD)?;
                (proxy.object.port().ok_or(BAD)?, proxy.max_prot, proxy.window)
            }
            Receiver::Server(_) => return Err(BAD),
            _ => (port, Prot::ALL, Range { start: 0, end: u64::MAX }),
        };
        let max_prot = Prot::from_wire(call.max_protection).filter(|_| call.offset == 0).ok_or(BAD)?;
        let start = outer.start.checked_add(call.start).ok_or(BAD)?;
        let end = start.checked_add(call.len).filter(|end| *end <= outer.end).ok_or(BAD)?;
        let object = self.ports.copy_send(&Right::Send(port));
        let ports = &mut self.ports;
        let id = self.proxies.insert_with(|id| Proxy {
            port: ports.create_server_port(Object { kind: ObjectKind::Proxy, id: id.to_word() }),
            object,
            max_prot: max_prot & allowed,
            window: Range { start, end },
        });
        let port = self.proxies.get(id).map(|proxy| proxy.port).ok_or(KernReturn::FAILURE)?;
        // Refused for want of room, the only send right goes, and the proxy with it.
        self.ports.give_send(caller.space, port).map(|proxy| MemoryObjectCreateProxyReply { proxy })
    }

    /// Where a name that holds a send right leads.
    fn send_right(&mut self, space: SpaceId, name: PortName) -> Option<(PortId, Receiver)> {
        let has_send = self.ports.port_type(space, name).is_ok_and(|bits| bits & RightKind::Send.type_bit() != 0);
        self.ports.destination(space, name).ok().filter(|_| has_send)
    }

    /// What `vm_map` is asked to map: any port that a task receives on is a memory object.
    ///
    /// # Errors
    /// RESOURCE_SHORTAGE: it would be a new one, and its task leaves too many messages unreceived.
    pub(super) fn mappable(&mut self, caller: Caller, name: PortName) -> Result<MapObject, KernReturn> {
        match name {
            PortName::NULL => return Ok(MapObject::Null),
            PortName::DEAD => return Ok(MapObject::Dead),
            _ => {}
        }
        if self.ports.destination(caller.space, name).is_err() {
            return Ok(MapObject::Dead);
        }
        let (port, max_prot, window) = match self.send_right(caller.space, name) {
            None => return Ok(MapObject::Invalid),
            Some((_, Receiver::Server(Object { kind: ObjectKind::Proxy, id }))) => {
                match self.proxies.get(ProxyId::from_word(id)) {
                    Some(Proxy { object: Right::Send(port), max_prot, window, .. }) => {
                        (*port, *max_prot, Some(*window))
                    }
                    _ => return Ok(MapObject::Invalid),
                }
            }
            Some((_, Receiver::Server(_))) => return Ok(MapObject::Invalid),
            Some((port, _)) => (port, Prot::ALL, None),
        };
        let Some(receiver) = self.ports.receiver(port) else { return Ok(MapObject::Dead) };
        let manager = ManagerId(port.to_word());
        let task = if let Receiver::Space(space, _) = receiver { Some(space) } else { None };
        if !self.hw.managers.may_map(manager, task) {
            return Err(KernReturn::RESOURCE_SHORTAGE);
        }
        Ok(MapObject::Manager { manager, max_prot, window })
    }

    /// A proxy's last send right is gone.
    pub(super) fn forget_proxy(&mut self, id: ProxyId) {
        if let Some(proxy) = self.proxies.remove(id) {
            self.ports.destroy_port(proxy.port);
            self.ports.release(proxy.object);
        }
    }
}
