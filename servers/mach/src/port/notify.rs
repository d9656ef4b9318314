//! Notifications: requests for them, and the messages that answer (`spec/mach-ports-tasks.md` D.5).

use alloc::boxed::Box;

use super::table::Entry;
use super::{Data, Event, KernReturn, Message, Name, PortId, Ports, REFERENCES_MAX, Receiver, Right, Rights, SpaceId};

/// What a notification says, besides its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notification {
    /// 65: a name with a dead-name request was deleted or moved away.
    PortDeleted {
        /// The name.
        name: Name,
    },
    /// 70: no send rights exist any more.
    NoSenders {
        /// Send rights ever made from the receive right.
        make_send: u32,
    },
    /// 71: a send-once right was destroyed unused.
    SendOnce,
    /// 72: the port behind the name died.
    DeadName {
        /// The name, which got one reference more.
        name: Name,
    },
}

/// Id of the port-destroyed notification, whose payload is the receive right.
pub(super) const PORT_DESTROYED: i32 = 69;

impl Notification {
    /// The message id.
    pub fn id(self) -> i32 {
        match self {
            Notification::PortDeleted { .. } => 65,
            Notification::NoSenders { .. } => 70,
            Notification::SendOnce => 71,
            Notification::DeadName { .. } => 72,
        }
    }

    fn word(self) -> Option<u64> {
        match self {
            Notification::PortDeleted { name } | Notification::DeadName { name } => Some(u64::from(name.0)),
            Notification::NoSenders { make_send } => Some(u64::from(make_send)),
            Notification::SendOnce => None,
        }
    }
}

/// What a notification can be requested for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestKind {
    /// 69, on a receive right.
    PortDestroyed,
    /// 70, on a receive right.
    NoSenders,
    /// 72, on a send, send-once or receive right, or a dead name.
    DeadName,
}

impl RequestKind {
    /// The kind with this message id.
    pub fn from_id(id: i32) -> Option<Self> {
        match id {
            69 => Some(RequestKind::PortDestroyed),
            70 => Some(RequestKind::NoSenders),
            72 => Some(RequestKind::DeadName),
            _ => None,
        }
    }
}

/// Sends a notification through the send-once right `request`, which is used up.
pub(super) fn post(ports: &mut Ports, request: PortId, what: Notification) {
    let words = what.word().into_iter().collect();
    ports.post_inner(request, what.id(), words, Rights::new());
}

impl Ports {
    /// Queues a message of the server's own making through a send-once right, whatever the queue's limit.
    pub fn post_message(&mut self, request: PortId, id: i32, words: Data, rights: Rights) {
        self.post_inner(request, id, words, rights);
        self.release_doomed();
    }

    /// As [`Ports::post_message`]; what falls free stays on the doomed list.
    pub(super) fn post_inner(&mut self, request: PortId, id: i32, words: Data, rights: Rights) {
        let message = Message::new(Right::SendOnce(request), Right::Null, id, words, rights);
        match self.receiver(request) {
            None => self.doom_message(message),
            Some(Receiver::Server(object)) => {
                self.consume_send_once(request);
                self.events.push_back(Event::Serve(object, Box::new(message.without_destination())));
            }
            Some(_) => self.enqueue(request, Box::new(message)),
        }
    }

    /// `mach_port_request_notification` (3214). `notify` is the send-once right to use, or `Right::Null` to
    /// cancel; the answer is the one registered before.
    ///
    /// | # | check | error |
    /// |---|---|---|
    /// | 1 | the name denotes something | `INVALID_NAME` |
    /// | 2 | it is a right that `kind` applies to | `INVALID_RIGHT` |
    /// | 3 | `notify` is not dead | `INVALID_CAPABILITY` |
    /// | 4 | port-destroyed: `sync` is 0 | `INVALID_VALUE` |
    /// | 5 | dead name already: `sync` is not 0 and `notify` is given | `INVALID_ARGUMENT` |
    /// | 6 | the reference that such a notification adds fits | `UREFS_OVERFLOW` |
    ///
    /// # Errors
    ///
    /// As above; `notify` is then released.
    pub fn request_notification(
        &mut self,
        space: SpaceId,
        name: Name,
        kind: RequestKind,
        sync: u32,
        notify: Right,
    ) -> Result<Right, KernReturn> {
        let notify_port = match &notify {
            Right::SendOnce(port) => Some(*port),
            _ => None,
        };
        let answer = self.register(space, name, kind, sync, &notify, notify_port);
        match answer {
            Ok(previous) => {
                self.release_doomed();
                Ok(previous)
            }
            Err(code) => {
                self.release(notify);
                Err(code)
            }
        }
    }

    fn register(
        &mut self,
        space: SpaceId,
        name: Name,
        kind: RequestKind,
        sync: u32,
        notify: &Right,
        notify_port: Option<PortId>,
    ) -> Result<Right, KernReturn> {
        let entry = *self.entry(space, name).ok_or(KernReturn::INVALID_NAME)?;
        let dead = matches!(notify, Right::Dead) || notify_port.is_some_and(|port| self.ports.get(port).is_none());
        match (kind, entry) {
            (RequestKind::PortDestroyed | RequestKind::NoSenders, Entry::Port { port, receive: true, .. }) => {
                if dead {
                    return Err(KernReturn::INVALID_CAPABILITY);
                }
                let p = self.ports.get_mut(port).ok_or(KernReturn::INVALID_NAME)?;
                if kind == RequestKind::PortDestroyed {
                    if sync != 0 {
                        return Err(KernReturn::INVALID_VALUE);
                    }
                    return Ok(previous(core::mem::replace(&mut p.port_destroyed, notify_port)));
                }
                if let Some(request) = notify_port
                    && p.send_rights == 0
                    && sync <= p.make_send
                {
                    let old = p.no_senders.take();
                    let count = p.make_send;
                    post(self, request, Notification::NoSenders { make_send: count });
                    return Ok(previous(old));
                }
                Ok(previous(core::mem::replace(&mut p.no_senders, notify_port)))
            }
            (RequestKind::DeadName, Entry::Port { port, .. } | Entry::SendOnce { port, .. }) => {
                if dead {
                    return Err(KernReturn::INVALID_CAPABILITY);
                }
                let table = &mut self.spaces.get_mut(space).ok_or(KernReturn::INVALID_TASK)?.table;
                let Some(Entry::Port { request, .. } | Entry::SendOnce { request, .. }) = table.get_mut(name) else {
                    return Err(KernReturn::INVALID_NAME);
                };
                let old = core::mem::replace(request, notify_port);
                if let Some(p) = self.ports.get_mut(port) {
                    p.dead_name_requests.retain(|r| *r != (space, name));
                    if notify_port.is_some() {
                        p.dead_name_requests.push((space, name));
                    }
                }
                Ok(previous(old))
            }
            (RequestKind::DeadName, Entry::DeadName { references }) => {
                if dead {
                    return Err(KernReturn::INVALID_CAPABILITY);
                }
                let Some(request) = notify_port.filter(|_| sync != 0) else {
                    return Err(KernReturn::INVALID_ARGUMENT);
                };
                if references >= REFERENCES_MAX {
                    return Err(KernReturn::UREFS_OVERFLOW);
                }
                self.set_dead_references(space, name, references + 1);
                post(self, request, Notification::DeadName { name });
                Ok(Right::Null)
            }
            _ => Err(KernReturn::INVALID_RIGHT),
        }
    }

    pub(super) fn set_dead_references(&mut self, space: SpaceId, name: Name, references: u32) {
        if let Some(s) = self.space_mut(space) {
            s.table.replace(name, Entry::DeadName { references });
        }
    }

    /// Drops the dead-name request of an entry that goes away while its port lives: message 65 tells so.
    pub(super) fn cancel_request(&mut self, space: SpaceId, name: Name, port: PortId, request: Option<PortId>) {
        let Some(request) = request else { return };
        if let Some(p) = self.ports.get_mut(port) {
            p.dead_name_requests.retain(|r| *r != (space, name));
        }
        post(self, request, Notification::PortDeleted { name });
    }
}

fn previous(old: Option<PortId>) -> Right {
    old.map_or(Right::Null, Right::SendOnce)
}
