//! Rights outside of name spaces: in messages, in requests, in the server's hands.

use super::{Doomed, Event, Name, PortId, Ports, Receiver, Space, SpaceId, notify, table::Entry};

/// A right on its way. Whoever holds one must hand it on or [`Ports::release`] it.
#[derive(PartialEq, Eq, Debug)]
#[must_use = "a right that is dropped without release breaks the port's counts"]
pub enum Right {
    /// `MACH_PORT_NULL`.
    Null,
    /// `MACH_PORT_DEAD`: a right whose port is gone.
    Dead,
    /// A send right.
    Send(PortId),
    /// A send-once right.
    SendOnce(PortId),
    /// The receive right.
    Receive(PortId),
}

/// The kinds of right that calls name (`MACH_PORT_RIGHT_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum RightKind {
    /// 0.
    Send = 0,
    /// 1.
    Receive = 1,
    /// 2.
    SendOnce = 2,
    /// 3.
    PortSet = 3,
    /// 4.
    DeadName = 4,
}

impl RightKind {
    /// The kind with this number, `None` above 4.
    pub fn from_number(number: u32) -> Option<Self> {
        use RightKind::*;
        [Send, Receive, SendOnce, PortSet, DeadName].get(number as usize).copied()
    }

    /// `MACH_PORT_TYPE(right)`.
    pub fn type_bit(self) -> u32 {
        1 << (self as u32 + 16)
    }
}

/// How a name in a message or call turns into a right (`MACH_MSG_TYPE_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Disposition {
    /// The receive right leaves the space.
    MoveReceive = 16,
    /// One reference leaves the space.
    MoveSend = 17,
    /// The send-once right leaves the space.
    MoveSendOnce = 18,
    /// One more send right, the space keeps its own.
    CopySend = 19,
    /// A new send right from the receive right.
    MakeSend = 20,
    /// A new send-once right from the receive right.
    MakeSendOnce = 21,
}

impl Disposition {
    /// The disposition with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        use Disposition::*;
        let all = [MoveReceive, MoveSend, MoveSendOnce, CopySend, MakeSend, MakeSendOnce];
        all.into_iter().find(|d| *d as u8 == number)
    }

    /// Whether what results can be sent to: all but the receive right.
    pub fn is_sendable(self) -> bool {
        self != Disposition::MoveReceive
    }
}

impl Right {
    /// The disposition number under which a receiver finds the right.
    pub fn received_disposition(&self) -> u8 {
        match self {
            Right::Receive(_) => Disposition::MoveReceive as u8,
            Right::SendOnce(_) => Disposition::MoveSendOnce as u8,
            Right::Null | Right::Dead | Right::Send(_) => Disposition::MoveSend as u8,
        }
    }

    /// The port, unless null or dead.
    pub fn port(&self) -> Option<PortId> {
        match self {
            Right::Null | Right::Dead => None,
            Right::Send(port) | Right::SendOnce(port) | Right::Receive(port) => Some(*port),
        }
    }
}

impl Ports {
    pub(super) fn space_mut(&mut self, space: SpaceId) -> Option<&mut Space> {
        self.spaces.get_mut(space)
    }

    /// The entry under `name`, rewritten to a dead name first if its port is gone (PORT-5).
    pub(super) fn entry(&mut self, space: SpaceId, name: Name) -> Option<&Entry> {
        let table = &mut self.spaces.get_mut(space)?.table;
        let dead = match table.get(name)? {
            Entry::Port { port, send, .. } if self.ports.get(*port).is_none() => *send,
            Entry::SendOnce { port, .. } if self.ports.get(*port).is_none() => 1,
            _ => 0,
        };
        if dead > 0 {
            table.replace(name, Entry::DeadName { references: dead });
        }
        table.get(name)
    }

    /// Lets a right go, and everything that hangs on it: a receive right kills its port, the last send right
    /// may fire a no-senders notification, a send-once right is answered by message 71.
    pub fn release(&mut self, right: Right) {
        if !self.is_released(&right) {
            self.doom(right);
            self.release_doomed();
        }
    }

    /// Lets a right go on which nothing hangs. `false`: something does, and nothing was done.
    #[inline]
    fn is_released(&mut self, right: &Right) -> bool {
        match right {
            Right::Null | Right::Dead => true,
            Right::Send(port) => match self.ports.get_mut(*port) {
                Some(p) if p.send_rights > 1 => {
                    p.send_rights -= 1;
                    true
                }
                Some(_) => false,
                None => true,
            },
            Right::SendOnce(_) | Right::Receive(_) => false,
        }
    }

    /// Releases rights until none is left. Released rights add the rights in their messages to the list, so
    /// chains of ports in messages cost no stack.
    #[inline]
    pub(super) fn release_doomed(&mut self) {
        if !self.doomed.is_empty() {
            self.release_all_doomed();
        }
    }

    fn release_all_doomed(&mut self) {
        while let Some(doomed) = self.doomed.pop() {
            match doomed {
                Doomed::Right(right) => self.release_one(right),
                Doomed::Rights(mut rights) => {
                    if let Some(right) = rights.next() {
                        self.doomed.push(Doomed::Rights(rights));
                        self.release_one(right);
                    }
                }
                Doomed::Queue(mut queue) => {
                    if let Some(message) = queue.pop_front() {
                        self.doomed.push(Doomed::Queue(queue));
                        self.doom_message(*message);
                    }
                }
            }
        }
    }

    fn release_one(&mut self, right: Right) {
        match right {
            Right::Null | Right::Dead => {}
            Right::Send(port) => self.release_send(port),
            Right::SendOnce(port) if self.ports.get(port).is_some() => {
                notify::post(self, port, notify::Notification::SendOnce);
            }
            Right::SendOnce(_) => {}
            Right::Receive(port) => self.kill(port),
        }
    }

    /// Leaves a right to be released by [`Ports::release_doomed`].
    pub(super) fn doom(&mut self, right: Right) {
        self.doomed.push(Doomed::Right(right));
    }

    /// One send right to `port` less.
    pub(super) fn release_send(&mut self, port: PortId) {
        let Some(p) = self.ports.get_mut(port) else { return };
        p.send_rights -= 1;
        if p.send_rights > 0 {
            return;
        }
        if let Receiver::Server(object) = p.receiver {
            self.events.push_back(Event::NoSenders(object));
        } else if let Some(request) = p.no_senders.take() {
            let count = p.make_send;
            notify::post(self, request, notify::Notification::NoSenders { make_send: count });
        }
    }

    /// A send-once right is used up by the delivery of its message: it goes without a trace.
    pub(super) fn consume_send_once(&mut self, port: PortId) {
        if let Some(p) = self.ports.get_mut(port) {
            p.send_once_rights -= 1;
        }
    }
}
