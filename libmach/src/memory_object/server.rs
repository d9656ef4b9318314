//! The loop around a manager: receives, checks, calls a method, answers.
//!
//! What becomes of a message that arrives on an object's port:
//!
//! | message | what happens |
//! |---|---|
//! | not made by the server, whatever its id | its rights and its memory are destroyed |
//! | names another control port than the object's, or is none of a manager's | the same |
//! | init | the control and name ports are remembered; [`MemoryManager::init`], then ready or destroy |
//! | request | [`MemoryManager::data_request`]; a supply goes with the next receive, in one call |
//! | others but terminate | their method |
//! | no senders, of an object that is not mapped ([`Server::add_shared`]) | [`MemoryManager::no_senders`]; the object is kept or closed |
//! | terminate | [`MemoryManager::terminate`]; control and name ports are destroyed; the object is kept or closed |
//!
//! A create of the server's at the default pager's port ([`Server::serve_creations`]) brings a new object, with its ports:
//! [`MemoryManager::create`].
//!
//! Each message brings one more send right to the control port. They are counted, and dropped together when there are
//! many: one by one they would be a call for each message. The memory that came with a message is dropped after the
//! method, unless the method kept it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use mach_protocol::memory_object::{Create, DataReturn, MemoryObjectDataSupply, Upcall};

use super::manager::forget_if_taken;
use super::surplus::Surplus;
use super::{After, Answer, Doorbell, Init, Landed, MemoryManager, Object, Returned, Synchronized};
use super::{memory_object_data_error, port_doorbell, supply_and_receive, supply_request, with_receive};
use crate::msg::{
    self, Landing, MsgReceive, MsgRequest, NO_ROOM, PortMessage, Timeout, destroy_right, mach_msg_destroy,
};
use crate::port::{Disposition, Right, mach_port_allocate, mach_port_destroy, notify};
use crate::port::{mach_port_insert_right, mach_port_move_member, mach_port_request_notification};
use crate::task::mach_task_self;
use crate::vm::{PAGE_SIZE, VmProt};
use crate::{KernReturn, PortName, Region, Result};

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub enum Served {
    /// A message for the manager, which has it.
    Manager,
    /// A message that no manager should hear of; it was destroyed.
    Dropped,
    /// A message at a port that is no object's: [`Server::add_port`]. Its rights are the caller's.
    Other(Box<PortMessage>),
    /// Nothing, within the time.
    Nothing,
    /// The last object was closed, and nobody waits on another port.
    Done,
}

/// A supply that goes with the next receive.
struct Pending {
    control: PortName,
    supply: MemoryObjectDataSupply,
    moved: Option<Region>,
}

/// A manager, its objects, and the port set by which it hears of them.
///
/// The blocking form is [`Server::run`], or [`Server::next`] without a time limit. The other one, for a manager that
/// waits for a device as well: [`Server::doorbell`], and after each of its signals [`Server::next`] with a limit of
/// 0 until it answers [`Served::Nothing`].
pub struct Server<M> {
    manager: M,
    objects: BTreeMap<PortName, Object>,
    set: PortName,
    other_ports: usize,
    /// The default pager's port.
    creations: PortName,
    pending: Option<Pending>,
    surplus: Surplus,
    dropped: u64,
    /// Where the pages of the next message may be.
    landing: Landing,
}

impl<M: MemoryManager> Server<M> {
    /// A loop around `manager`, without objects yet.
    ///
    /// # Errors
    ///
    /// `NO_SPACE`, `RESOURCE_SHORTAGE`.
    pub fn new(manager: M) -> Result<Self> {
        let set = mach_port_allocate(mach_task_self(), Right::PORT_SET)?;
        let (objects, creations) = (BTreeMap::new(), PortName::NULL);
        let surplus = Surplus::default();
        Ok(Self {
            manager,
            objects,
            set,
            other_ports: 0,
            creations,
            pending: None,
            surplus,
            dropped: 0,
            landing: Landing::default(),
        })
    }

    /// Makes an object. Its port can be given to clients by its name, copying the send right. The tag comes back in
    /// every [`Object`].
    ///
    /// # Errors
    ///
    /// `NO_SPACE`, `RESOURCE_SHORTAGE`.
    pub fn add(&mut self, tag: u64) -> Result<Object> {
        let task = mach_task_self();
        let port = mach_port_allocate(task, Right::RECEIVE)?;
        let inserted = mach_port_insert_right(task, port, port, Disposition::MAKE_SEND);
        inserted.and_then(|()| self.adopt(port, tag)).inspect_err(|_| destroy(port))
    }

    /// Makes an object to which the manager keeps no right: a client's is made of the receive right
    /// ([`Disposition::MAKE_SEND`]). When nobody has one any more, [`MemoryManager::no_senders`] is called.
    ///
    /// # Errors
    ///
    /// `NO_SPACE`, `RESOURCE_SHORTAGE`.
    pub fn add_shared(&mut self, tag: u64) -> Result<Object> {
        let task = mach_task_self();
        let port = mach_port_allocate(task, Right::RECEIVE)?;
        // After the first right was made.
        let (kind, once) = (notify::NO_SENDERS, Disposition::MAKE_SEND_ONCE);
        let watched = mach_port_request_notification(task, port, kind, 1, port, once);
        watched.and_then(|_| self.adopt(port, tag)).inspect_err(|_| destroy(port))
    }

    /// Makes an object of a port that the task receives from.
    ///
    /// # Errors
    ///
    /// `INVALID_NAME`, `INVALID_RIGHT`.
    pub fn adopt(&mut self, port: PortName, tag: u64) -> Result<Object> {
        mach_port_move_member(mach_task_self(), port, self.set)?;
        let object = Object { port, control: PortName::NULL, name: PortName::NULL, tag };
        self.objects.insert(port, object);
        Ok(object)
    }

    /// Receives from `port` as well; its messages are [`Served::Other`].
    ///
    /// # Errors
    ///
    /// `INVALID_NAME`, `INVALID_RIGHT`.
    pub fn add_port(&mut self, port: PortName) -> Result<()> {
        mach_port_move_member(mach_task_self(), port, self.set)?;
        self.other_ports += 1;
        Ok(())
    }

    /// Receives from `port` as the default pager's: objects that the server makes come there. Other messages to it are
    /// [`Served::Other`].
    ///
    /// # Errors
    ///
    /// `INVALID_NAME`, `INVALID_RIGHT`.
    pub fn serve_creations(&mut self, port: PortName) -> Result<()> {
        self.add_port(port)?;
        self.creations = port;
        Ok(())
    }

    /// Closes an object that nobody has mapped: its port is destroyed, and who has a right to it a dead name.
    pub fn close(&mut self, port: PortName) {
        if let Some(object) = self.objects.remove(&port) {
            destroy(object.port);
        }
    }

    /// The manager.
    pub fn manager(&mut self) -> &mut M {
        &mut self.manager
    }

    /// The port set by which the loop hears of everything; what comes to other members than [`Server::add_port`]'s and objects is
    /// [`Served::Other`] as well.
    #[must_use]
    pub fn set(&self) -> PortName {
        self.set
    }

    /// The object of this port, as it is now.
    #[must_use]
    pub fn object(&self, port: PortName) -> Option<Object> {
        self.objects.get(&port).copied()
    }

    /// How many messages were thrown away because the server had not made them, or they made no sense.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// A signal for the calling thread whenever there is something for [`Server::next`].
    ///
    /// # Errors
    ///
    /// Those of [`port_doorbell`].
    pub fn doorbell(&self) -> Result<Doorbell> {
        port_doorbell(self.set)
    }

    /// Serves until the last object is closed.
    ///
    /// # Errors
    ///
    /// Those of receiving.
    pub fn run(&mut self) -> Result<()> {
        loop {
            match self.next(Timeout::Never)? {
                Served::Done => return Ok(()),
                Served::Other(message) => mach_msg_destroy(&message),
                Served::Manager | Served::Dropped | Served::Nothing => {}
            }
        }
    }

    /// Serves one message.
    ///
    /// # Errors
    ///
    /// Those of receiving, but for the time limit; those of [`MemoryManager::no_room`].
    pub fn next(&mut self, timeout: Timeout) -> Result<Served> {
        if self.objects.is_empty() && self.other_ports == 0 {
            self.flush();
            return Ok(Served::Done);
        }
        loop {
            match self.receive(timeout) {
                Ok(message) => return Ok(self.serve(message)),
                Err(KernReturn::RCV_TIMED_OUT) => return Ok(Served::Nothing),
                Err(NO_ROOM) => self.manager.no_room()?,
                // The server is short of memory for itself: the manager goes on, as others wait for it.
                Err(KernReturn::RESOURCE_SHORTAGE) => crate::thread::sleep(msg::SHORT_OF_MEMORY_MS),
                Err(code) => return Err(code),
            }
        }
    }

    /// The next message, by the call that also gives what was promised last.
    fn receive(&mut self, timeout: Timeout) -> Result<PortMessage> {
        self.landing = self.manager.landing();
        let receive = MsgReceive { landing: self.landing, ..msg::incoming(self.set, timeout) };
        let received = match self.pending.take() {
            Some(Pending { control, supply, moved }) => {
                let answered = supply_and_receive(&with_receive(control, supply, receive));
                if let Err(KernReturn::RESOURCE_SHORTAGE) = answered {
                    // Nothing was done: it is promised still.
                    self.pending = Some(Pending { control, supply, moved });
                    return Err(KernReturn::RESOURCE_SHORTAGE);
                }
                let (supplied, received) = answered?;
                settle(control, &supply, moved, supplied.ok());
                received
            }
            None => msg::mach_msg(&MsgRequest::Receive(receive)),
        };
        // A message of which a part did not fit says so by its code, and is here all the same.
        received.message.ok_or(received.code)
    }

    /// Gives what was promised last, without waiting for anything.
    fn flush(&mut self) {
        if let Some(Pending { control, supply, moved }) = self.pending.take() {
            settle(control, &supply, moved, crate::rpc::call(control, &supply).map(drop));
        }
    }

    fn serve(&mut self, message: PortMessage) -> Served {
        let port = message.header.local.name;
        let Some(object) = self.objects.get(&port).copied() else {
            return match creation(&message).filter(|_| port == self.creations) {
                Some(create) => self.create(create, &message),
                None if self.brings_landed(&message) => self.drop_message(&message),
                None => Served::Other(Box::new(message)),
            };
        };
        if is_no_senders(&object, &message) {
            if self.manager.no_senders(&object) == After::Close {
                self.close(port);
            }
            return Served::Manager;
        }
        let upcall = Upcall::from_words(message.header.id, message.data_words())
            .filter(|upcall| message.header.is_from_server && is_about(&object, upcall, &message));
        let Some(upcall) = upcall else { return self.drop_message(&message) };
        self.dispatch(object, upcall, &message);
        Served::Manager
    }

    /// Whether what came back is where the manager wanted it.
    fn has_landed(&self, data: &DataReturn) -> bool {
        self.landing.size > 0 && data.data == self.landing.address
    }

    /// Whether the memory that came with a message is the manager's own.
    fn brings_landed(&self, message: &PortMessage) -> bool {
        let upcall = Upcall::from_words(message.header.id, message.data_words());
        message.header.is_from_server && matches!(upcall, Some(Upcall::DataReturn(data)) if self.has_landed(&data))
    }

    /// Destroys a message with what came with it.
    fn drop_message(&mut self, message: &PortMessage) -> Served {
        if self.brings_landed(message) {
            message.rights().iter().for_each(destroy_right);
        } else {
            mach_msg_destroy(message);
        }
        self.dropped += 1;
        Served::Dropped
    }

    fn dispatch(&mut self, object: Object, upcall: Upcall, message: &PortMessage) {
        match upcall {
            Upcall::Init(_) => self.init(object, message),
            Upcall::Terminate(_) => self.terminate(object, message),
            Upcall::DataRequest(request) => {
                let access = VmProt::from_bits_retain(request.desired_access);
                let answer = self.manager.data_request(&object, request.offset, request.length, access);
                self.answer(object, request.offset, request.length, answer);
            }
            Upcall::DataUnlock(unlock) => {
                let access = VmProt::from_bits_retain(unlock.desired_access);
                self.manager.data_unlock(&object, unlock.offset, unlock.length, access);
            }
            Upcall::DataReturn(data) if self.has_landed(&data) => {
                let DataReturn { offset, size, dirty, kernel_copy, .. } = data;
                self.manager.data_landed(&object, Landed { offset, size, dirty, kernel_copy });
            }
            Upcall::DataReturn(data) => {
                let (dirty, kernel_copy) = (data.dirty, data.kernel_copy);
                let region = Region::adopt(data.data, data.size);
                self.manager.data_return(&object, Returned { offset: data.offset, data: region, dirty, kernel_copy });
            }
            Upcall::DataInitialize(data) => {
                let data = Returned {
                    offset: data.offset,
                    data: Region::adopt(data.data, data.size),
                    dirty: true,
                    kernel_copy: false,
                };
                self.manager.data_initialize(&object, data);
            }
            Upcall::CopyObject(copy) => {
                if let Some(new) = message.rights().get(1) {
                    self.copy(object, copy.offset, copy.length, new.name);
                }
            }
            Upcall::Synchronize(request) => {
                // Who waited may have given up.
                let _ = match self.manager.synchronize(&object, request.offset, request.length) {
                    Synchronized::Done => object.synchronized(request.offset, request.length, Ok(())),
                    Synchronized::Failed(code) => object.synchronized(request.offset, request.length, Err(code)),
                    Synchronized::Later => Ok(()),
                };
            }
            Upcall::LockCompleted(completed) => self.manager.lock_completed(&object, completed),
            Upcall::SupplyCompleted(completed) => self.manager.supply_completed(&object, completed),
            Upcall::ChangeCompleted(completed) => self.manager.change_completed(&object, completed),
            // Not of an object that is known already: `is_about`.
            Upcall::Create(_) => {}
        }
        // The surplus send right to the control port. Init's is kept, and terminate's rights are gone.
        if !matches!(upcall, Upcall::Init(_) | Upcall::Terminate(_) | Upcall::ChangeCompleted(_)) {
            self.surplus.add(object.control);
        }
    }

    /// Enters an object that came with its ports.
    fn create(&mut self, create: Create, message: &PortMessage) -> Served {
        let &[port, control, name] = message.rights() else { return Served::Dropped };
        let Ok(object) = self.adopt(port.name, 0) else {
            mach_msg_destroy(message);
            self.dropped += 1;
            return Served::Dropped;
        };
        let object = Object { control: control.name, name: name.name, ..object };
        let tag = self.manager.create(&object, create.size);
        self.objects.insert(object.port, Object { tag, ..object });
        Served::Manager
    }

    fn init(&mut self, object: Object, message: &PortMessage) {
        let &[control, name] = message.rights() else { return };
        let object = Object { control: control.name, name: name.name, ..object };
        self.objects.insert(object.port, object);
        // Nobody waits for an object that is gone already.
        let _ = match self.manager.init(&object) {
            Init::Ready(attributes) => object.ready(attributes),
            Init::Refuse => object.destroy(),
            Init::Later => Ok(()),
        };
    }

    /// A new object, for a snapshot of a part of an old one. One that the manager does not want is destroyed.
    fn copy(&mut self, old: Object, offset: u64, length: u64, port: PortName) {
        let tag = self.adopt(port, old.tag).ok().and_then(|new| {
            let tag = self.manager.copy(&old, offset, length, &new)?;
            self.objects.insert(port, Object { tag, ..new });
            Some(tag)
        });
        if tag.is_none() {
            self.objects.remove(&port);
            destroy(port);
        }
    }

    fn terminate(&mut self, object: Object, message: &PortMessage) {
        let after = self.manager.terminate(&object);
        for right in message.rights() {
            // Send rights that were left merge with the receive right under its name: all go.
            destroy(right.name);
            self.surplus.forget(right.name);
        }
        match after {
            After::Keep => {
                let kept = Object { control: PortName::NULL, name: PortName::NULL, ..object };
                self.objects.insert(object.port, kept);
            }
            After::Close => {
                self.objects.remove(&object.port);
                destroy(object.port);
            }
        }
    }

    fn answer(&mut self, object: Object, offset: u64, length: u64, answer: Answer) {
        match answer {
            Answer::Supply(mut supply) => {
                let moved = supply.moved.take();
                let reply_to = if supply.tell { object.reply_to() } else { None };
                let offset = supply.offset.unwrap_or(offset);
                let supply = supply_request(offset, supply.data, supply.lock_value, supply.precious, reply_to);
                self.pending = Some(Pending { control: object.control, supply, moved });
            }
            // An object that was destroyed meanwhile has nobody who waits.
            answer => drop(object.answer(offset, length, answer)),
        }
    }
}

/// What becomes of a supply that was answered: memory that was taken is forgotten, and whoever waits for pages that were
/// refused is told at once, instead of waiting until the manager's time is over.
fn settle(control: PortName, supply: &MemoryObjectDataSupply, moved: Option<Region>, supplied: Result<()>) {
    if let Err(code) = supplied
        && code != KernReturn::MEMORY_PRESENT
    {
        let start = supply.offset & !(PAGE_SIZE - 1);
        let size = (supply.offset - start).saturating_add(supply.size).checked_next_multiple_of(PAGE_SIZE);
        // An object that was destroyed meanwhile has nobody who waits.
        let _ = memory_object_data_error(control, start, size.unwrap_or(PAGE_SIZE), code);
    }
    forget_if_taken(moved, supplied);
}

/// What a message says that brings a new object to the default pager; the server made it.
fn creation(message: &PortMessage) -> Option<Create> {
    let upcall =
        Upcall::from_words(message.header.id, message.data_words()).filter(|_| message.header.is_from_server)?;
    match upcall {
        Upcall::Create(create) if message.rights().len() == Create::RIGHTS => Some(create),
        _ => None,
    }
}

/// Whether a message is the server's word that nobody has a right to an object any more. As long as it is mapped the server has
/// one itself.
fn is_no_senders(object: &Object, message: &PortMessage) -> bool {
    message.header.is_from_server && message.header.id == notify::NO_SENDERS as i32 && !object.control.is_valid()
}

/// Destroys a port of the loop's own, or what is left of it.
fn destroy(port: PortName) {
    // A failure means that it is gone already.
    let _ = mach_port_destroy(mach_task_self(), port);
}

/// Whether a message of the server's fits what is known of the object: its control port, and the rights of its kind.
fn is_about(object: &Object, upcall: &Upcall, message: &PortMessage) -> bool {
    let rights = message.rights();
    let control = rights.first().map(|right| right.name);
    rights.len() == upcall.rights()
        && match upcall {
            Upcall::Init(_) => !object.control.is_valid(),
            Upcall::ChangeCompleted(_) => true,
            Upcall::Create(_) => false,
            // Nothing comes back without pages.
            Upcall::DataReturn(data) if data.size == 0 => false,
            Upcall::DataInitialize(data) if data.size == 0 => false,
            _ => control == Some(object.control) && object.control.is_valid(),
        }
}

impl<M> Drop for Server<M> {
    fn drop(&mut self) {
        let ports = self.objects.values().flat_map(|object| [object.port, object.control, object.name]);
        ports.filter(|port| port.is_valid()).for_each(destroy);
        destroy(self.set);
    }
}

#[cfg(test)]
mod tests {
    use mach_protocol::memory_object::{ChangeCompleted, DataInitialize, DataRequest, Init as InitWords};
    use mach_protocol::memory_object::{LockCompleted, Terminate};

    use super::*;
    use crate::msg::CarriedRight;

    const PORT: PortName = PortName(7);
    const CONTROL: PortName = PortName(8);
    const NAME: PortName = PortName(9);

    fn object(control: PortName) -> Object {
        Object { port: PORT, control, name: PortName::NULL, tag: 0 }
    }

    fn fits(object: &Object, upcall: Upcall, rights: &[PortName]) -> bool {
        let mut message = PortMessage::with_words(upcall.id(), upcall.words().as_slice());
        for name in rights {
            message.push_right(CarriedRight { name: *name, disposition: Disposition::PORT_SEND }).unwrap();
        }
        is_about(object, &upcall, &message)
    }

    #[test]
    fn a_message_is_heard_only_with_the_control_port_that_init_brought() {
        let request = Upcall::DataRequest(DataRequest { offset: 0, length: 4096, desired_access: 1 });
        assert!(fits(&object(CONTROL), request, &[CONTROL]));
        assert!(!fits(&object(CONTROL), request, &[NAME]));
        assert!(!fits(&object(CONTROL), request, &[]));
        assert!(!fits(&object(CONTROL), request, &[CONTROL, NAME]));
        assert!(!fits(&object(PortName::NULL), request, &[PortName::NULL]));
        let completed = Upcall::LockCompleted(LockCompleted { offset: 0, length: 0 });
        assert!(!fits(&object(CONTROL), completed, &[NAME]));
    }

    #[test]
    fn init_comes_first_and_once() {
        let init = Upcall::Init(InitWords { page_size: 4096 });
        assert!(fits(&object(PortName::NULL), init, &[CONTROL, NAME]));
        assert!(!fits(&object(CONTROL), init, &[CONTROL, NAME]));
        assert!(!fits(&object(PortName::NULL), init, &[CONTROL]));
    }

    #[test]
    fn terminate_brings_both_rights() {
        assert!(fits(&object(CONTROL), Upcall::Terminate(Terminate {}), &[CONTROL, NAME]));
        assert!(!fits(&object(CONTROL), Upcall::Terminate(Terminate {}), &[CONTROL]));
        assert!(!fits(&object(CONTROL), Upcall::Terminate(Terminate {}), &[NAME, CONTROL]));
    }

    #[test]
    fn a_change_completed_names_no_control_port() {
        let completed = Upcall::ChangeCompleted(ChangeCompleted { may_cache: true, copy_strategy: 2 });
        assert!(fits(&object(CONTROL), completed, &[]));
        assert!(fits(&object(PortName::NULL), completed, &[]));
        assert!(!fits(&object(CONTROL), completed, &[CONTROL]));
    }

    #[test]
    fn only_the_server_creates_objects_and_with_all_their_rights() {
        let upcall = Upcall::Create(Create { size: 4096, page_size: 4096 });
        let message = |rights: &[PortName], is_from_server| {
            let mut message = PortMessage::with_words(upcall.id(), upcall.words().as_slice());
            for name in rights {
                message.push_right(CarriedRight { name: *name, disposition: Disposition::PORT_SEND }).unwrap();
            }
            message.header.is_from_server = is_from_server;
            message
        };
        assert!(creation(&message(&[PORT, CONTROL, NAME], true)).is_some());
        assert!(creation(&message(&[PORT, CONTROL, NAME], false)).is_none());
        assert!(creation(&message(&[PORT, CONTROL], true)).is_none());
        assert!(!fits(&object(CONTROL), upcall, &[PORT, CONTROL, NAME]), "an object is made once");
    }

    #[test]
    fn initial_data_comes_with_the_objects_control_port() {
        let some = Upcall::DataInitialize(DataInitialize { offset: 0, data: 0x1000, size: 0x1000 });
        assert!(fits(&object(CONTROL), some, &[CONTROL]));
        assert!(!fits(&object(CONTROL), some, &[NAME]));
        assert!(!fits(&object(PortName::NULL), some, &[CONTROL]));
        let none = Upcall::DataInitialize(DataInitialize { offset: 0, data: 0x1000, size: 0 });
        assert!(!fits(&object(CONTROL), none, &[CONTROL]));
    }

    #[test]
    fn only_the_server_says_that_nobody_has_a_right() {
        let mut message = PortMessage::new(notify::NO_SENDERS as i32);
        assert!(!is_no_senders(&object(PortName::NULL), &message));
        message.header.is_from_server = true;
        assert!(is_no_senders(&object(PortName::NULL), &message));
        assert!(!is_no_senders(&object(CONTROL), &message), "the server has one while it is mapped");
        message.header.id += 1;
        assert!(!is_no_senders(&object(PortName::NULL), &message));
    }
}
