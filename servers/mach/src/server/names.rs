//! Name ports: what `vm_region` by GNU's id gives for the object behind a range (`spec/mach-memory-objects.md` B.1).
//!
//! A name port is made when an object's name is first asked for, or its manager is told of it. One of the first kind
//! goes when the object does, so that its holders are left with dead names, or when its last send right does, so
//! that names nobody holds cost nothing. One of the second kind is handed over to the manager, or dies with it.

use alloc::collections::BTreeMap;

use mach_protocol::{KernReturn, PortName};
use vm::ObjectId;

use super::Server;
use crate::machine::Machine;
use crate::port::{Object, ObjectKind, PortId, SpaceId};

/// Who decides when a name port goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeper {
    Holders,
    Manager,
}

/// The name ports of all objects that have one.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<ObjectId, (PortId, Keeper)>);

impl Names {
    /// Forgets a name port that is the manager's affair from now on.
    pub(super) fn release(&mut self, object: ObjectId) {
        self.0.remove(&object);
    }
}

impl<M: Machine> Server<M> {
    /// A send right, in `space`, to an object's name port.
    ///
    /// # Errors
    /// `NO_SPACE`: the space is full.
    pub(super) fn name_of(&mut self, space: SpaceId, object: ObjectId) -> Result<PortName, KernReturn> {
        let (port, _) = *self.name_port(object);
        self.ports.give_send(space, port)
    }

    /// The name port of an object that has a manager, who decides on its end.
    pub(super) fn managed_name(&mut self, object: ObjectId) -> PortId {
        let (port, keeper) = self.name_port(object);
        *keeper = Keeper::Manager;
        *port
    }

    fn name_port(&mut self, object: ObjectId) -> &mut (PortId, Keeper) {
        let ports = &mut self.ports;
        self.names.0.entry(object).or_insert_with(|| {
            let port = ports.create_server_port(Object { kind: ObjectKind::MemoryName, id: object.to_word() });
            (port, Keeper::Holders)
        })
    }

    /// Destroys the name port of an object that is gone, or whose name nobody holds.
    pub(super) fn forget_name(&mut self, object: ObjectId) {
        if let Some((port, Keeper::Holders)) = self.names.0.get(&object).copied() {
            self.names.0.remove(&object);
            self.ports.destroy_port(port);
        }
    }
}
