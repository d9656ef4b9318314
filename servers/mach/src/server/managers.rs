//! Between the virtual memory and the managers' ports: what it tells them becomes messages, what becomes of the
//! messages is told to it (`spec/mach-memory-objects.md` B.2, B.6).

use mach_protocol::memory_object::{Create, DataReturn, Init, Terminate, Upcall};
use mach_protocol::private::MANAGER_DEADLINE_MS;
use mach_protocol::{KernReturn, PortName};
use smallvec::smallvec;
use vm::{AssocId, ManagerId};

use super::Server;
use crate::machine::Machine;
use crate::manager::{AssocPorts, Left, Told};
use crate::memory::PAGE;
use crate::port::{Mark, Message, Object, ObjectKind, PortId, Receiver, Right, Rights, SpaceId};

/// The word of a data_return that gets the address of the data.
const DATA_WORD: usize = 1;

impl<M: Machine> Server<M> {
    /// Posts everything that the virtual memory told managers.
    pub(super) fn post_all_told(&mut self) {
        while let Some(told) = self.hw.managers.next_told() {
            self.post_told(told);
        }
    }

    /// Posts one thing that the virtual memory told a manager.
    pub(super) fn post_told(&mut self, told: Told) {
        match told {
            Told::Init(assoc, number) => self.post_init(assoc, number),
            Told::Create(assoc, number, size) => self.post_create(assoc, number, size),
            Told::Message(assoc, number, upcall) => {
                let address_word = matches!(upcall, Upcall::DataReturn(DataReturn { .. })).then_some(DATA_WORD);
                let mark = Mark { number, address_word };
                let object = self.object_right(assoc);
                let control = self.control_right(assoc);
                self.post_to_object(assoc, mark, object, &upcall, smallvec![control]);
            }
            Told::Copy(assoc, number, part, port) => {
                let rights = smallvec![self.control_right(assoc), self.ports.hand_over(port)];
                let object = self.object_right(assoc);
                let mark = Mark { number, address_word: None };
                self.post_to_object(assoc, mark, object, &Upcall::CopyObject(part), rights);
                self.prepare_copy();
            }
            Told::Terminate(assoc, number) => self.post_terminate(assoc, number),
        }
    }

    /// Makes the port of the next copy that a manager is told of: where the virtual memory makes the copy it must know
    /// the port, and has no way to make one.
    pub(super) fn prepare_copy(&mut self) {
        if self.hw.managers.wants_port() {
            let port = self.ports.create_server_port(Object { kind: ObjectKind::Unclaimed, id: 0 });
            self.hw.managers.keep_port(port);
        }
    }

    /// A send right to an association's object port; a dead one if it is over.
    fn object_right(&mut self, assoc: AssocId) -> Right {
        match self.hw.managers.ports(assoc) {
            Some((port, Some(_))) => self.ports.copy_send(&Right::Send(port)),
            _ => Right::Dead,
        }
    }

    /// A send right to an association's control port; a dead one if it is over.
    pub(super) fn control_right(&mut self, assoc: AssocId) -> Right {
        let control = self.hw.managers.ports(assoc).and_then(|(_, ports)| ports).map(|ports| ports.control);
        control.and_then(|control| self.ports.make_send(control)).unwrap_or(Right::Dead)
    }

    /// The task that receives on a port.
    fn receiving_task(&self, port: PortId) -> Option<SpaceId> {
        match self.ports.receiver(port) {
            Some(Receiver::Space(space, _)) => Some(space),
            _ => None,
        }
    }

    /// Posts a message about an association to its object port. Without one, the message is destroyed.
    fn post_to_object(&mut self, assoc: AssocId, mark: Mark, object: Right, upcall: &Upcall, rights: Rights) {
        let receiver = object.port().and_then(|port| self.receiving_task(port));
        self.hw.managers.address(assoc, mark.number, receiver);
        let words = upcall.words();
        self.ports.deposit(Message::new(object, Right::Null, upcall.id(), words.as_slice(), rights).with_mark(mark));
    }

    /// Makes the ports of a new association, and announces it.
    fn post_init(&mut self, assoc: AssocId, number: u64) {
        let Some((port, _)) = self.hw.managers.ports(assoc) else { return self.message_destroyed(number) };
        let object = self.ports.copy_send(&Right::Send(port));
        let named = self.vm.object_of(assoc);
        let (true, Some(named)) = (self.ports.watch(port), named) else {
            // It died while the call that maps it waited.
            self.ports.release(object);
            self.message_destroyed(number);
            return self.manager_died(port);
        };
        let id = assoc.to_word();
        let control = self.ports.create_server_port(Object { kind: ObjectKind::MemoryControl, id });
        let name = self.managed_name(named);
        let ports = AssocPorts { object, control, name, named };
        self.hw.managers.set_ports(assoc, ports);
        let rights = [control, name].map(|port| self.ports.make_send(port).unwrap_or(Right::Dead));
        let object = self.ports.copy_send(&Right::Send(port));
        let mark = Mark { number, address_word: None };
        self.post_to_object(assoc, mark, object, &Upcall::Init(Init { page_size: PAGE }), rights.into_iter().collect());
    }

    /// Makes the ports of an object that is paged out, and gives the default pager its own of them.
    fn post_create(&mut self, assoc: AssocId, number: u64, size: u64) {
        let (Some(pager), Some(named)) = (&self.default_pager, self.vm.object_of(assoc)) else {
            // It died since, or the object is gone again.
            self.hw.managers.remove(assoc);
            self.message_destroyed(number);
            return self.vm.port_died(&mut self.hw, assoc);
        };
        let manager = self.ports.copy_send(pager.right());
        let id = assoc.to_word();
        let control = self.ports.create_server_port(Object { kind: ObjectKind::MemoryControl, id });
        let port = self.ports.create_server_port(Object { kind: ObjectKind::MemoryControl, id });
        let object = self.ports.make_send(port).unwrap_or(Right::Dead);
        self.ports.watch(port);
        let name = self.managed_name(named);
        self.hw.managers.set_port(assoc, ManagerId(port.to_word()));
        self.hw.managers.set_ports(assoc, AssocPorts { object, control, name, named });
        let sends = [control, name].map(|port| self.ports.make_send(port).unwrap_or(Right::Dead));
        let rights = [self.ports.hand_over(port)].into_iter().chain(sends).collect();
        let upcall = Upcall::Create(Create { size, page_size: PAGE });
        let mark = Mark { number, address_word: None };
        self.post_to_object(assoc, mark, manager, &upcall, rights);
    }

    /// Hands everything over: the server's right to the object port, and the receive rights of control and name.
    fn post_terminate(&mut self, assoc: AssocId, number: u64) {
        let mark = Mark { number, address_word: None };
        let (ports, last_words) = self.hw.managers.remove(assoc).unwrap_or_default();
        match ports {
            Some(AssocPorts { object, control, name, named }) => {
                self.names.release(named);
                let rights = [control, name].map(|port| self.ports.hand_over(port));
                self.post_to_object(
                    assoc,
                    mark,
                    object,
                    &Upcall::Terminate(Terminate {}),
                    rights.into_iter().collect(),
                );
            }
            None => self.message_destroyed(number),
        }
        last_words.into_iter().for_each(|message| self.ports.deposit(message));
    }

    /// An object port is dead: its association is over, and control and name die.
    pub(super) fn manager_died(&mut self, port: PortId) {
        let manager = ManagerId(port.to_word());
        self.vm.manager_died(&mut self.hw, manager);
        self.is_untidy = true;
        let Some(assoc) = self.hw.managers.find(manager) else { return };
        self.vm.port_died(&mut self.hw, assoc);
        let Some((ports, last_words)) = self.hw.managers.remove(assoc) else { return };
        if let Some(ports) = ports {
            self.names.release(ports.named);
            self.destroy_ports(ports);
        }
        last_words.into_iter().for_each(|message| self.ports.deposit(message));
    }

    fn destroy_ports(&mut self, ports: AssocPorts) {
        self.ports.destroy_port(ports.control);
        self.ports.destroy_port(ports.name);
        self.ports.release(ports.object);
    }

    /// A marked message was received.
    pub(super) fn message_delivered(&mut self, number: u64) {
        let left = self.hw.managers.delivered(number);
        self.act_on(left);
    }

    /// A marked message was destroyed.
    pub(super) fn message_destroyed(&mut self, number: u64) {
        let left = self.hw.managers.destroyed(number);
        self.act_on(left);
    }

    /// Tells the virtual memory what a message's end sets free.
    fn act_on(&mut self, left: Left) {
        if let Some(data) = left.data {
            self.vm.discard_returned(data);
            self.is_untidy = true;
        }
        for assoc in left.room {
            self.vm.room(&mut self.hw, assoc);
            self.is_untidy |= !self.vm.is_tidy();
        }
    }

    /// Gives up on managers that let their time pass.
    pub(super) fn expire_managers(&mut self) {
        while let Some(assoc) = self.hw.managers.next_overdue(self.hw.clock) {
            self.vm.overdue(&mut self.hw, assoc);
            self.is_untidy = true;
        }
    }

    /// Sets how long a manager may be silent.
    ///
    /// Checks: the name is a usable send right, else SEND_INVALID_DEST; it is an associated object's port or control
    /// port, else INVALID_ARGUMENT; the caller has privilege, or is the manager and no more generous to itself than the
    /// system is, else INVALID_HOST.
    pub(super) fn set_silence(
        &mut self,
        space: SpaceId,
        name: PortName,
        limit_ms: u32,
        is_privileged: bool,
    ) -> Result<(), KernReturn> {
        let (port, receiver) = self.ports.destination(space, name)?;
        let (assoc, is_manager) = match receiver {
            Receiver::Server(Object { kind: ObjectKind::MemoryControl, id }) => (Some(AssocId::from_word(id)), true),
            Receiver::Space(receiving, _) => (self.hw.managers.find(ManagerId(port.to_word())), receiving == space),
            _ => (self.hw.managers.find(ManagerId(port.to_word())), false),
        };
        let assoc = assoc.ok_or(KernReturn::INVALID_ARGUMENT)?;
        let is_stricter = is_manager && (1..=MANAGER_DEADLINE_MS).contains(&limit_ms);
        if !is_privileged && !is_stricter {
            return Err(KernReturn::INVALID_HOST);
        }
        let clock = self.hw.clock;
        let is_set = self.hw.managers.set_limit(assoc, limit_ms, clock);
        if is_set { Ok(()) } else { Err(KernReturn::INVALID_ARGUMENT) }
    }
}
