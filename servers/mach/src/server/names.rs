//! Name ports: what `vm_region` by GNU's id gives for the object behind a range (`spec/mach-memory-objects.md` B.1).
//!
//! A name port is made when an object's name is first asked for. It goes when the object does, so that its holders are
//! left with dead names, or when its last send right does, so that names nobody holds cost nothing.

use alloc::collections::BTreeMap;

use mach_protocol::{KernReturn, PortName};
use vm::ObjectId;

use super::Server;
use crate::machine::Machine;
use crate::port::{Object, ObjectKind, PortId, SpaceId};

/// The name ports of all objects that have one.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<ObjectId, PortId>);

impl<M: Machine> Server<M> {
    /// A send right, in `space`, to an object's name port.
    ///
    /// # Errors
    /// `NO_SPACE`: the space is full.
    pub(super) fn name_of(&mut self, space: SpaceId, object: ObjectId) -> Result<PortName, KernReturn> {
        let ports = &mut self.ports;
        let port =
            *self.names.0.entry(object).or_insert_with(|| {
                ports.create_server_port(Object { kind: ObjectKind::MemoryName, id: object.to_word() })
            });
        self.ports.give_send(space, port)
    }

    /// Destroys the name port of an object that is gone, or whose name nobody holds.
    pub(super) fn forget_name(&mut self, object: ObjectId) {
        if let Some(port) = self.names.0.remove(&object) {
            self.ports.destroy_port(port);
        }
    }
}
