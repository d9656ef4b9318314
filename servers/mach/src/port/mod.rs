//! Ports, rights and name spaces: Mach's naming of capabilities, as pure logic.
//!
//! A *port* is a bounded message queue with one receive right. A task names its rights by 32-bit
//! names in a *space* of its own. This module keeps ports and spaces, moves rights between them,
//! queues messages and produces notifications; it never waits and makes no system call. Who would
//! have to wait registers a [`Waiter`] and is told by an [`Event`] when to try again.
//!
//! Source: `spec/mach-ports-tasks.md` D, the GNU numbers and codes.
//!
//! | file | holds |
//! |---|---|
//! | `dense` | entries under small names |
//! | `table` | name → entry, port → name, for one space |
//! | `right` | rights on their way, dispositions, releasing |
//! | `space` | the `mach_port_*` calls on one name |
//! | `set` | port sets |
//! | `transfer` | rights into spaces and out of them |
//! | `message` | copy-in, queueing, receiving, copy-out |
//! | `notify` | requests for notifications, and the notifications |
//! | `calls` | the wire form of the calls on spaces |
//! | `bell` | doorbells: who is told that a queue is no longer empty |
//! | `operation` | `mach_msg` as an operation that can wait |
//! | `death` | what happens when a port or a space goes |
//!
//! # Invariants (checked by the tests after every step)
//!
//! - PORT-1: a live port's receive right is in exactly one place: a space's entry, a message, or the server.
//! - PORT-2: `send_rights` counts the entries and messages that hold a send right to the port; user references do not count.
//! - PORT-3: `send_once_rights` counts the entries, messages and requests that hold a send-once right to it.
//! - PORT-4: a space names one port's send and receive rights by one name.
//! - PORT-5: an entry that names a port that is gone counts as a dead name with the entry's send references; it is rewritten when next looked at.
//! - PORT-7: a space's `queued_bytes` is the sum over the queued messages whose `payer` it is.
//! - PORT-6: a member's `set` and the set's `members` agree, and both belong to one space.

mod bell;
mod calls;
mod death;
mod dense;
mod message;
mod notify;
mod operation;
mod right;
mod set;
mod space;
mod table;
#[cfg(test)]
mod tests;
mod transfer;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

pub use bell::{Bell, Hook};
pub use calls::{Answer, serve};
pub use message::{
    BODY_RIGHTS_MAX, BODY_WORDS_MAX, Data, Delivered, DeliveredRight, Header, Mark, Message, Origin, Received, Rights,
    Sent,
};
pub use notify::{Notification, RequestKind};
pub use operation::{MessageOperation, Progress, Reply, With};
pub use right::{Disposition, Right, RightKind};
pub use space::{NameType, ReceiveStatus};

use arena::Arena;
pub use arena::Id;
pub use mach_protocol::port::{QLIMIT_DEFAULT as QUEUE_LIMIT_DEFAULT, QLIMIT_MAX as QUEUE_LIMIT_MAX};
pub use mach_protocol::{KernReturn, PortName as Name};
use table::Table;

/// `MACH_PORT_NULL`.
pub const NULL: Name = Name::NULL;
/// `MACH_PORT_DEAD`.
pub const DEAD: Name = Name::DEAD;
/// Send-once rights to one port that tasks can make, those of queued messages counted. Each is a message some day, and
/// their messages ask for no room in the queue.
pub const SEND_ONCE_MAX: u32 = QUEUE_LIMIT_MAX;
/// `MACH_RCV_BODY_ERROR`: the space is full, rights of the body came as `NULL`.
pub const BODY_NO_SPACE: KernReturn = KernReturn(KernReturn::RCV_BODY_ERROR.0 | 0x2000);
/// `MACH_RCV_BODY_ERROR`: the map has no room for the memory that comes with the message, which stays in its queue.
pub const BODY_NO_ROOM: KernReturn = KernReturn(KernReturn::RCV_BODY_ERROR.0 | 0x1000);
/// `MACH_RCV_HEADER_ERROR`: the space is full, the reply right did not fit; the message is gone.
pub const HEADER_NO_SPACE: KernReturn = KernReturn(KernReturn::RCV_HEADER_ERROR.0 | 0x2000);
/// User references to one send right or dead name stop here (GNU's limit).
pub const REFERENCES_MAX: u32 = 65_535;
/// Names that one space may hold: what bounds the memory a task can make the server use.
pub const NAMES_MAX: usize = 16_384;

/// Bytes of queued messages that one space may answer for, see [`Message`]: what bounds the memory a task can make the
/// server use by sending and not receiving. A space that answers for more sends nothing, but by send-once rights.
pub const QUEUED_BYTES_MAX: usize = 1 << 20;

/// Identity of a port; stale once the port is gone.
pub type PortId = Id<Port>;
/// Identity of a task's name space.
pub type SpaceId = Id<Space>;
/// Identity of a port set.
pub type SetId = Id<PortSet>;

/// Whoever waits for a port to get a message or room: the caller's own number, handed back in [`Event`]s.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Waiter(pub u64);

/// What a port whose receiver is the server stands for. A message to such a port is a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Object {
    /// Which kind of thing `id` numbers.
    pub kind: ObjectKind,
    /// The thing, numbered by its owner.
    pub id: u64,
}

/// The kinds of things that the server gives ports to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ObjectKind {
    /// The host, unprivileged.
    Host,
    /// The host, privileged.
    HostPrivileged,
    /// The processor set, by its name.
    ProcessorSetName,
    /// The processor set, with the right to its tasks.
    ProcessorSet,
    /// A task.
    Task,
    /// A thread.
    Thread,
    /// A memory object's cache control.
    MemoryControl,
    /// A memory object's name.
    MemoryName,
    /// A proxy for a memory object.
    Proxy,
    /// Nothing yet: the next copy that a manager is told of gets the port.
    Unclaimed,
    /// Where the reply to a message that the server sent is expected.
    Reply,
}

/// Who holds a port's receive right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Receiver {
    /// A task, under this name.
    Space(SpaceId, Name),
    /// The server: the port stands for an object.
    Server(Object),
    /// A message, queued in `within` if it is queued already.
    Transit {
        /// The port whose queue holds the message.
        within: Option<PortId>,
    },
}

/// Something the caller must act on after a call into this module.
#[derive(PartialEq, Eq, Debug)]
pub enum Event {
    /// The waiter should try again: a message came, or there is room, or what it waits for is gone.
    Wake(Waiter),
    /// The waiting receiver must end with this code.
    ReceiveFails(Waiter, KernReturn),
    /// A message for a port whose receiver is the server, other than by [`Ports::send`].
    Serve(Object, Box<Message>),
    /// The last send right to a server port is gone.
    NoSenders(Object),
    /// A port with a receiver is gone that the server asked to be told about.
    PortDied(PortId),
    /// A marked message was received.
    Delivered(u64),
    /// A marked message was destroyed, and nobody received it.
    Destroyed(u64),
    /// A queue that was empty has a message: ring this bell.
    Ring(Bell),
}

/// One port.
pub struct Port {
    receiver: Receiver,
    /// Boxed, as all long queues: the server's heap is not asked for large pieces.
    queue: VecDeque<Box<Message>>,
    limit: u32,
    sequence: u32,
    make_send: u32,
    send_rights: u32,
    send_once_rights: u32,
    /// What received messages say instead of the receiver's name of the port.
    payload: Option<u64>,
    set: Option<SetId>,
    /// Send-once right to tell when the last send right goes.
    no_senders: Option<PortId>,
    /// Send-once right that gets the receive right instead of its destruction.
    port_destroyed: Option<PortId>,
    /// Entries to look at when the port dies because a dead-name request stands in them.
    dead_name_requests: Vec<(SpaceId, Name)>,
    /// The server wants [`Event::PortDied`].
    watched: bool,
    senders: VecDeque<Waiter>,
    receivers: VecDeque<Waiter>,
    bells: Vec<Bell>,
}

impl Port {
    fn new(receiver: Receiver) -> Self {
        Port {
            receiver,
            queue: VecDeque::new(),
            limit: QUEUE_LIMIT_DEFAULT,
            sequence: 0,
            make_send: 0,
            send_rights: 0,
            send_once_rights: 0,
            payload: None,
            set: None,
            no_senders: None,
            port_destroyed: None,
            dead_name_requests: Vec::new(),
            watched: false,
            senders: VecDeque::new(),
            receivers: VecDeque::new(),
            bells: Vec::new(),
        }
    }
}

/// A group of receive rights of one space, received from together.
pub struct PortSet {
    name: Name,
    members: Vec<PortId>,
    /// Where the next search for a message starts, so that no member starves the others.
    next: usize,
    receivers: VecDeque<Waiter>,
    bells: Vec<Bell>,
}

/// A task's name space.
pub struct Space {
    table: Table,
    /// Bytes of the queued messages that it answers for (PORT-7).
    queued_bytes: usize,
}

/// Something that is left to be released. A queue stands there as a whole, so that the list stays short.
enum Doomed {
    Right(Right),
    Rights(alloc::vec::IntoIter<Right>),
    Queue(VecDeque<Box<Message>>),
}

/// All ports, sets and spaces of the server.
#[derive(Default)]
pub struct Ports {
    ports: Arena<Port>,
    sets: Arena<PortSet>,
    spaces: Arena<Space>,
    events: VecDeque<Event>,
    /// Messages in all queues.
    queued: usize,
    /// What was found while releasing rights and has to be released too: a list instead of recursion.
    doomed: Vec<Doomed>,
}

impl Ports {
    /// No ports, no spaces.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an empty space.
    pub fn create_space(&mut self) -> SpaceId {
        self.spaces.insert(Space { table: Table::new(), queued_bytes: 0 })
    }

    /// Makes a port whose receiver is the server.
    pub fn create_server_port(&mut self, object: Object) -> PortId {
        self.ports.insert(Port::new(Receiver::Server(object)))
    }

    /// What the server must still act on; call until it gives `None`.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether there is any of it.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Where a send right of `space` leads, without using it up: the first step of every call.
    ///
    /// # Errors
    ///
    /// `MACH_SEND_INVALID_DEST` for `NULL`, `DEAD`, an unused name, a dead name, or a name without a send or
    /// send-once right.
    pub fn destination(&mut self, space: SpaceId, name: Name) -> Result<(PortId, Receiver), KernReturn> {
        use table::Entry;
        let port = match self.entry(space, name) {
            Some(Entry::Port { port, send, .. }) if *send > 0 => *port,
            Some(Entry::SendOnce { port, .. }) => *port,
            _ => return Err(KernReturn::SEND_INVALID_DEST),
        };
        let receiver = self.ports.get(port).ok_or(KernReturn::SEND_INVALID_DEST)?.receiver;
        Ok((port, receiver))
    }

    /// The object that a send right of `space` stands for, if the server receives there.
    ///
    /// # Errors
    ///
    /// As [`Ports::destination`]. `Ok(None)` when a task receives there.
    pub fn object(&mut self, space: SpaceId, name: Name) -> Result<Option<Object>, KernReturn> {
        match self.destination(space, name)?.1 {
            Receiver::Server(object) => Ok(Some(object)),
            _ => Ok(None),
        }
    }

    /// What an identity that the server keeps stands for now.
    pub fn receiver(&self, port: PortId) -> Option<Receiver> {
        self.ports.get(port).map(|p| p.receiver)
    }

    /// Makes a send right to `port` and gives it to `space`, as when a call returns a port.
    ///
    /// # Errors
    ///
    /// `KERN_NO_SPACE` when the space is full; `KERN_INVALID_CAPABILITY` when the port is gone.
    pub fn give_send(&mut self, space: SpaceId, port: PortId) -> Result<Name, KernReturn> {
        let right = self.make_send(port).ok_or(KernReturn::INVALID_CAPABILITY)?;
        self.copy_out(space, right)
    }

    /// Whether anybody holds a send right to a port; not if it is gone.
    pub fn has_senders(&self, port: PortId) -> bool {
        self.ports.get(port).is_some_and(|port| port.send_rights > 0)
    }

    /// Makes a send right out of nothing but the server's knowledge of the port. `None`: the port is gone.
    pub fn make_send(&mut self, port: PortId) -> Option<Right> {
        let p = self.ports.get_mut(port)?;
        p.make_send = p.make_send.wrapping_add(1);
        p.send_rights += 1;
        Some(Right::Send(port))
    }

    /// Makes a send-once right to `port`. `None`: the port is gone. For tasks [`Ports::may_make`] comes first.
    pub fn make_send_once(&mut self, port: PortId) -> Option<Right> {
        self.ports.get_mut(port)?.send_once_rights += 1;
        Some(Right::SendOnce(port))
    }

    /// One more send right beside an existing one. A dead port gives a dead right.
    pub fn copy_send(&mut self, right: &Right) -> Right {
        match right {
            Right::Send(port) => match self.ports.get_mut(*port) {
                Some(p) => {
                    p.send_rights += 1;
                    Right::Send(*port)
                }
                None => Right::Dead,
            },
            _ => Right::Dead,
        }
    }

    /// Takes the receive right of a server port, to be given away. A dead port gives a dead right.
    pub fn hand_over(&mut self, port: PortId) -> Right {
        match self.receiver(port) {
            Some(Receiver::Server(_)) => {
                self.detach_receive(port);
                Right::Receive(port)
            }
            _ => Right::Dead,
        }
    }

    /// Asks for [`Event::PortDied`] when `port` goes. False: it is gone already.
    pub fn watch(&mut self, port: PortId) -> bool {
        self.ports.get_mut(port).is_some_and(|p| {
            p.watched = true;
            true
        })
    }

    /// Number of messages in all queues.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Numbers of live ports, sets and spaces: what a leak would show in.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.ports.len(), self.sets.len(), self.spaces.len())
    }
}
