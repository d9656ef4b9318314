//! Messages: copied in from a space, queued on a port, copied out into another (`spec/mach-ports-tasks.md` D.6).

use alloc::boxed::Box;

use smallvec::SmallVec;

use super::right::Disposition;
use super::table::Entry;
use super::{
    BODY_NO_SPACE, DEAD, Event, HEADER_NO_SPACE, KernReturn, NULL, Name, Object, PortId, Ports, Receiver, Right, SetId,
    SpaceId, Waiter,
};

/// Words of data and rights together that one message carries.
pub const BODY_WORDS_MAX: usize = mach_protocol::message::MAX_BODY_WORDS;
/// Rights that one message carries in its body.
pub const BODY_RIGHTS_MAX: usize = mach_protocol::message::MAX_RIGHTS;
/// Words of data of a message; most have few.
pub type Data = SmallVec<[u64; 8]>;
/// Rights in the body of a message.
pub type Rights = SmallVec<[Right; BODY_RIGHTS_MAX]>;
/// The same as the receiver sees them.
pub(super) type DeliveredRights = SmallVec<[DeliveredRight; BODY_RIGHTS_MAX]>;
/// What a received header says of a port with a payload, instead of the sender's right.
const PROTECTED_PAYLOAD: u8 = mach_protocol::port::Disposition::PROTECTED_PAYLOAD.0 as u8;
/// Steps that the search for a circle of receive rights in messages takes before it assumes one.
const CIRCLE_STEPS: usize = 256;

/// What a sender says about where a message goes and where an answer is expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Destination name.
    pub remote: Name,
    /// Disposition of the destination (`MACH_MSG_TYPE_*`).
    pub remote_disposition: u8,
    /// Reply name, or `NULL`.
    pub local: Name,
    /// Disposition of the reply name, 0 with `NULL`.
    pub local_disposition: u8,
    /// Message id.
    pub id: i32,
}

/// The server's own mark on a message: how it hears what became of it, by [`Event::Delivered`] or [`Event::Destroyed`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// The server's number for the message.
    pub number: u64,
    /// Memory comes with the message: this word of the data gets its address, the next one has its size.
    pub address_word: Option<usize>,
}

/// Who made a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A task.
    Task,
    /// The server. Nobody else's message says so.
    Server,
}

/// A message that belongs to no task: its rights are taken out of spaces.
#[derive(PartialEq, Eq, Debug)]
#[must_use = "a message that is dropped loses its rights; destroy or send it"]
pub struct Message {
    pub(super) destination: Right,
    pub(super) reply: Right,
    /// The id that the sender gave.
    pub id: i32,
    /// Data, the last word filled up with zeros.
    pub words: Data,
    /// Bytes of data.
    pub bytes: usize,
    /// Rights in the body.
    pub rights: Rights,
    /// Port's sequence number, set when received.
    pub sequence: u32,
    pub(super) origin: Origin,
    pub(super) mark: Option<Mark>,
    /// The space that answers for its memory while it is queued: whose send right it was sent by, or whose task receives it
    /// if that was a send-once right, which that task made. Nobody answers for the server's own.
    pub(super) payer: Option<SpaceId>,
}

impl Message {
    /// Bytes of the server's memory that it takes while it is queued, about.
    fn cost(&self) -> usize {
        size_of::<Self>() + self.words.len() * 8 + self.rights.len() * size_of::<Right>()
    }

    /// A message of the server's, out of rights that it holds.
    pub fn new(destination: Right, reply: Right, id: i32, words: impl Into<Data>, rights: Rights) -> Self {
        let words = words.into();
        let bytes = words.len() * 8;
        Message {
            destination,
            reply,
            id,
            words,
            bytes,
            rights,
            sequence: 0,
            origin: Origin::Server,
            mark: None,
            payer: None,
        }
    }

    /// The message, marked.
    pub fn with_mark(self, mark: Mark) -> Self {
        Message { mark: Some(mark), ..self }
    }

    /// The mark of a message that brings memory, until the memory has its place.
    pub(super) fn awaits_memory(&self) -> Option<Mark> {
        self.mark.filter(|mark| mark.address_word.is_some())
    }

    /// Tells the receiver where the memory is that came with the message; `None`: there was no room for it.
    pub(super) fn place_memory(&mut self, address: Option<u64>) {
        let Some(at) = self.mark.as_mut().and_then(|mark| mark.address_word.take()) else { return };
        if let Some([to, size]) = self.words.get_mut(at..).and_then(|words| words.first_chunk_mut()) {
            (*to, *size) = address.map_or((0, 0), |address| (address, *size));
        }
    }

    /// The message after its destination right was used up.
    pub(super) fn without_destination(self) -> Self {
        Message { destination: Right::Null, ..self }
    }

    /// Takes the reply right out, for a server that answers the message itself.
    pub fn take_reply(&mut self) -> Right {
        core::mem::replace(&mut self.reply, Right::Null)
    }
}

/// What became of a message that was sent.
#[derive(PartialEq, Eq, Debug)]
#[must_use]
pub enum Sent {
    /// It is queued, or was destroyed because its port died: success to the sender.
    Done,
    /// The queue is full. The message comes back; the waiter, if one was given, is woken when there is room.
    Full(Box<Message>),
    /// The port stands for an object of the server: the message is a call for it to serve.
    Serve(Object, Box<Message>),
}

/// What a receive found.
#[derive(PartialEq, Eq, Debug)]
#[must_use]
pub enum Received {
    /// A message, dequeued.
    Message(Box<Message>, PortId),
    /// Nothing there; the waiter, if one was given, is woken when something comes.
    Nothing,
}

/// A right of a received message, as the receiver sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeliveredRight {
    /// Name in the receiver's space.
    pub name: Name,
    /// 16, 17 or 18.
    pub disposition: u8,
}

/// A received message in the receiver's own names.
#[derive(PartialEq, Eq, Debug)]
pub struct Delivered {
    /// `SUCCESS` is `None`; else what did not fit.
    pub trouble: Option<KernReturn>,
    /// Remote port: the sender's reply right.
    pub remote: DeliveredRight,
    /// Local port: the receiver's name of the port, or `NULL` if the port has a payload.
    pub local: Name,
    /// What the sender's right to the port was, or 23 if the port has a payload.
    pub local_disposition: u8,
    /// The port's payload.
    pub payload: Option<u64>,
    /// Rights in the body.
    pub rights: DeliveredRights,
    /// The rest of the message, which has no rights any more.
    pub message: Box<Message>,
}

impl Ports {
    /// Takes a message out of a task's hands.
    ///
    /// | # | check | error | the message |
    /// |---|---|---|---|
    /// | 1 | at most [`BODY_RIGHTS_MAX`] rights, with the data at most [`BODY_WORDS_MAX`] words | `MSG_TOO_SMALL` | untouched |
    /// | 2 | the sender answers for at most [`super::QUEUED_BYTES_MAX`] in queues, or sends by a send-once right | `NO_BUFFER` | untouched |
    /// | 3 | header dispositions | `INVALID_HEADER` | untouched |
    /// | 4 | destination is a live right of its disposition | `INVALID_DEST` | untouched |
    /// | 5 | reply is such a right, or dead, or null | `INVALID_REPLY` | untouched |
    /// | 6 | body dispositions | `INVALID_TYPE` | header rights destroyed |
    /// | 7 | body rights | `INVALID_RIGHT` | destroyed as far as taken |
    ///
    /// A port with [`super::SEND_ONCE_MAX`] send-once rights makes no more: `NO_BUFFER`, with what is in the table's column for
    /// rows 5 and 7.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn copy_in(
        &mut self,
        space: SpaceId,
        header: Header,
        words: Data,
        body: &[(Name, u8)],
    ) -> Result<Message, KernReturn> {
        if words.len() + body.len() > BODY_WORDS_MAX || body.len() > BODY_RIGHTS_MAX {
            return Err(KernReturn::SEND_MSG_TOO_SMALL);
        }
        let is_reply = matches!(Disposition::from_number(header.remote_disposition), Some(Disposition::MoveSendOnce));
        if !is_reply && self.spaces.get(space).is_some_and(|space| space.queued_bytes > super::QUEUED_BYTES_MAX) {
            return Err(KernReturn::SEND_NO_BUFFER);
        }
        let (destination, reply) = self.copy_in_header(space, header)?;
        let mut message = Message::new(destination, reply, header.id, words, Rights::new());
        (message.origin, message.payer) = (Origin::Task, Some(space));
        for &(name, disposition) in body {
            let right = match Disposition::from_number(disposition) {
                None => Err(KernReturn::SEND_INVALID_TYPE),
                Some(_) if name == NULL => Ok(Right::Null),
                Some(_) if name == DEAD => Ok(Right::Dead),
                Some(d) if !self.may_make(space, name, d) => Err(KernReturn::SEND_NO_BUFFER),
                Some(d) => self.take(space, name, d).ok_or(KernReturn::SEND_INVALID_RIGHT),
            };
            match right {
                Ok(right) => message.rights.push(right),
                Err(code) => {
                    self.destroy_message(message);
                    return Err(code);
                }
            }
        }
        self.release_doomed();
        Ok(message)
    }

    /// Destination and reply, moved as if at once: nothing is taken unless both can be.
    fn copy_in_header(&mut self, space: SpaceId, header: Header) -> Result<(Right, Right), KernReturn> {
        let sendable = |number: u8| Disposition::from_number(number).filter(|d| d.is_sendable());
        let remote = sendable(header.remote_disposition).ok_or(KernReturn::SEND_INVALID_HEADER)?;
        let local = match header.local_disposition {
            0 if header.local == NULL => None,
            number => Some(sendable(number).ok_or(KernReturn::SEND_INVALID_HEADER)?),
        };
        let port = self.holds(space, header.remote, remote).flatten().ok_or(KernReturn::SEND_INVALID_DEST)?;
        if self.ports.get(port).is_none() {
            return Err(KernReturn::SEND_INVALID_DEST);
        }
        let local = local.filter(|_| header.local.is_valid());
        if let Some(local) = local {
            self.holds(space, header.local, local).ok_or(KernReturn::SEND_INVALID_REPLY)?;
            if header.local == header.remote && !self.holds_both(space, header.local, remote, local) {
                return Err(KernReturn::SEND_INVALID_REPLY);
            }
        }
        for (name, disposition) in [(header.remote, Some(remote)), (header.local, local)] {
            if disposition.is_some_and(|disposition| !self.may_make(space, name, disposition)) {
                return Err(KernReturn::SEND_NO_BUFFER);
            }
        }
        // What leaves the name standing goes first, so that moving the last reference cannot starve it.
        let moves = |d| matches!(d, Disposition::MoveSend | Disposition::MoveSendOnce);
        let take = |ports: &mut Self, name, d| ports.take(space, name, d).unwrap_or(Right::Dead);
        let (destination, reply) = match local {
            None => (take(self, header.remote, remote), if header.local == DEAD { Right::Dead } else { Right::Null }),
            Some(local) if moves(remote) => {
                let reply = take(self, header.local, local);
                (take(self, header.remote, remote), reply)
            }
            Some(local) => (take(self, header.remote, remote), take(self, header.local, local)),
        };
        Ok((destination, reply))
    }

    /// Whether `name` holds what `disposition` takes: the port, or `Some(None)` for a dead name.
    fn holds(&mut self, space: SpaceId, name: Name, disposition: Disposition) -> Option<Option<PortId>> {
        use Disposition::*;
        match (*self.entry(space, name)?, disposition) {
            (Entry::Port { port, send, .. }, MoveSend | CopySend) if send > 0 => Some(Some(port)),
            (Entry::Port { port, receive: true, .. }, MakeSend | MakeSendOnce) => Some(Some(port)),
            (Entry::SendOnce { port, .. }, MoveSendOnce) => Some(Some(port)),
            (Entry::DeadName { .. }, MoveSend | MoveSendOnce | CopySend) => Some(None),
            _ => None,
        }
    }

    /// Whether one name can give both rights at once.
    fn holds_both(&mut self, space: SpaceId, name: Name, one: Disposition, other: Disposition) -> bool {
        use Disposition::*;
        match (self.entry(space, name), one, other) {
            (Some(Entry::Port { send, .. }), MoveSend, MoveSend) => *send >= 2,
            (Some(Entry::SendOnce { .. }), _, _) => false,
            _ => true,
        }
    }

    /// Queues a message on its destination.
    ///
    /// A full queue gives the message back, and wakes `waiter` when it is worth trying again; send-once rights
    /// always fit. A port that has died meanwhile swallows the message: success.
    pub fn send(&mut self, message: impl Into<Box<Message>>, waiter: Option<Waiter>) -> Sent {
        let message = message.into();
        let (port, once) = match &message.destination {
            Right::Send(port) => (*port, false),
            Right::SendOnce(port) => (*port, true),
            _ => {
                self.destroy_message(*message);
                return Sent::Done;
            }
        };
        let Some(p) = self.ports.get_mut(port) else {
            self.destroy_message(*message);
            return Sent::Done;
        };
        if let Receiver::Server(object) = p.receiver {
            let mut message = message;
            self.use_destination(&mut message);
            return Sent::Serve(object, message);
        }
        if !once && p.queue.len() >= p.limit as usize {
            if let Some(waiter) = waiter {
                p.senders.push_back(waiter);
            }
            return Sent::Full(message);
        }
        self.enqueue(port, message);
        self.release_doomed();
        Sent::Done
    }

    /// Queues a message of the server's own, whatever the queue's limit: whoever deposits bounds how much.
    pub fn deposit(&mut self, message: impl Into<Box<Message>>) {
        let mut message = message.into();
        match message.destination.port().map(|port| (port, self.receiver(port))) {
            None | Some((_, None)) => self.doom_message(*message),
            Some((_, Some(Receiver::Server(object)))) => {
                self.use_destination(&mut message);
                self.events.push_back(Event::Serve(object, message));
            }
            Some((port, Some(_))) => self.enqueue(port, message),
        }
        self.release_doomed();
    }

    /// Appends to the queue and wakes one receiver. A message that would make a circle is destroyed (D.6): it
    /// goes to the doomed list.
    pub(super) fn enqueue(&mut self, port: PortId, mut message: Box<Message>) {
        if self.makes_circle(port, &message) {
            return self.doom_message(*message);
        }
        for right in &message.rights {
            if let Right::Receive(carried) = right
                && let Some(p) = self.ports.get_mut(*carried)
            {
                p.receiver = Receiver::Transit { within: Some(port) };
            }
        }
        self.ring_if_empty(port);
        let Some(p) = self.ports.get_mut(port) else { return self.doom_message(*message) };
        if let (Right::SendOnce(_), Receiver::Space(receiver, _)) = (&message.destination, p.receiver) {
            message.payer = Some(receiver);
        }
        let (payer, cost) = (message.payer, message.cost());
        p.queue.push_back(message);
        self.charge(payer, cost);
        self.queued += 1;
        self.wake_receiver(port);
    }

    /// Whether `port` could be received from only by receiving `message`.
    fn makes_circle(&self, port: PortId, message: &Message) -> bool {
        let carries = |p: PortId| message.rights.contains(&Right::Receive(p));
        let mut at = port;
        for _ in 0..CIRCLE_STEPS {
            if carries(at) {
                return true;
            }
            match self.ports.get(at).map(|p| p.receiver) {
                Some(Receiver::Transit { within: Some(next) }) => at = next,
                _ => return false,
            }
        }
        message.rights.iter().any(|r| matches!(r, Right::Receive(_)))
    }

    /// Takes the next message from the port or set that `name` denotes.
    ///
    /// # Errors
    ///
    /// `RCV_INVALID_NAME`: no receive right and no set; `RCV_IN_SET`: a port that is in a set.
    pub fn receive(&mut self, space: SpaceId, name: Name, waiter: Option<Waiter>) -> Result<Received, KernReturn> {
        match self.entry(space, name).copied() {
            Some(Entry::Port { port, receive: true, .. }) => self.receive_from_port(port, waiter),
            Some(Entry::Set(set)) => Ok(self.receive_from_set(set, waiter)),
            _ => Err(KernReturn::RCV_INVALID_NAME),
        }
    }

    fn receive_from_port(&mut self, port: PortId, waiter: Option<Waiter>) -> Result<Received, KernReturn> {
        let p = self.ports.get_mut(port).ok_or(KernReturn::RCV_INVALID_NAME)?;
        if p.set.is_some() {
            return Err(KernReturn::RCV_IN_SET);
        }
        match self.dequeue(port) {
            Some(message) => Ok(Received::Message(message, port)),
            None => {
                if let (Some(waiter), Some(p)) = (waiter, self.ports.get_mut(port)) {
                    p.receivers.push_back(waiter);
                }
                Ok(Received::Nothing)
            }
        }
    }

    fn receive_from_set(&mut self, id: SetId, waiter: Option<Waiter>) -> Received {
        let Some(set) = self.sets.get(id) else { return Received::Nothing };
        let (count, next) = (set.members.len(), set.next);
        for at in (0..count).map(|i| (next + i) % count) {
            let member = self.sets.get(id).and_then(|set| set.members.get(at)).copied();
            if let Some(port) = member
                && let Some(message) = self.dequeue(port)
            {
                if let Some(set) = self.sets.get_mut(id) {
                    set.next = (at + 1) % count;
                }
                return Received::Message(message, port);
            }
        }
        if let (Some(waiter), Some(set)) = (waiter, self.sets.get_mut(id)) {
            set.receivers.push_back(waiter);
        }
        Received::Nothing
    }

    /// Puts a message that was just received back to the front of its queue, as if it had not been. Another receiver
    /// may have come to wait meanwhile: it is woken.
    pub(super) fn put_back(&mut self, port: PortId, message: Box<Message>) {
        self.ring_if_empty(port);
        let Some(p) = self.ports.get_mut(port) else { return self.destroy_message(*message) };
        if p.sequence == message.sequence.wrapping_add(1) {
            p.sequence = message.sequence;
        }
        let (payer, cost) = (message.payer, message.cost());
        p.queue.push_front(message);
        self.charge(payer, cost);
        self.queued += 1;
        self.wake_receiver(port);
    }

    /// Wakes one of those who wait for a message of the port, directly or through its set.
    fn wake_receiver(&mut self, port: PortId) {
        let Some(p) = self.ports.get_mut(port) else { return };
        let waiter = match p.receivers.pop_front() {
            Some(waiter) => Some(waiter),
            None => p.set.and_then(|set| self.sets.get_mut(set)).and_then(|set| set.receivers.pop_front()),
        };
        if let Some(waiter) = waiter {
            self.events.push_back(Event::Wake(waiter));
        }
    }

    fn dequeue(&mut self, port: PortId) -> Option<Box<Message>> {
        let p = self.ports.get_mut(port)?;
        let mut message = p.queue.pop_front()?;
        self.queued -= 1;
        message.sequence = p.sequence;
        p.sequence = p.sequence.wrapping_add(1);
        if p.queue.len() < p.limit as usize
            && let Some(waiter) = p.senders.pop_front()
        {
            self.events.push_back(Event::Wake(waiter));
        }
        self.uncharge(&message);
        Some(message)
    }

    /// Lets a space answer for a message that is queued.
    fn charge(&mut self, payer: Option<SpaceId>, cost: usize) {
        if let Some(space) = payer.and_then(|payer| self.spaces.get_mut(payer)) {
            space.queued_bytes += cost;
        }
    }

    /// A message is no longer queued.
    pub(super) fn uncharge(&mut self, message: &Message) {
        if let Some(space) = message.payer.and_then(|payer| self.spaces.get_mut(payer)) {
            space.queued_bytes = space.queued_bytes.saturating_sub(message.cost());
        }
    }

    /// Gives a dequeued message to the receiver: its rights get names in `space`. `local` is the port it was
    /// queued on.
    pub fn deliver(&mut self, space: SpaceId, mut message: Box<Message>, local: PortId) -> Delivered {
        let payload = self.ports.get(local).and_then(|port| port.payload);
        let (local, local_disposition) = match payload {
            Some(_) => (NULL, PROTECTED_PAYLOAD),
            None => (
                self.spaces.get(space).and_then(|s| s.table.name_of(local)).unwrap_or(DEAD),
                message.destination.received_disposition(),
            ),
        };
        self.use_destination(&mut message);
        if let Some(mark) = message.mark.take() {
            self.events.push_back(Event::Delivered(mark.number));
        }
        let mut trouble = None;
        let reply = message.take_reply();
        let mut remote = DeliveredRight { name: NULL, disposition: reply.received_disposition() };
        if reply == Right::Null {
            remote.disposition = 0;
        }
        match self.copy_out(space, reply) {
            Ok(name) => remote.name = name,
            Err(_) => {
                // What it would have brought is destroyed.
                (message.words, message.bytes) = (Data::new(), 0);
                let rights = core::mem::take(&mut message.rights);
                rights.into_iter().for_each(|right| self.release(right));
                let (trouble, rights) = (Some(HEADER_NO_SPACE), DeliveredRights::new());
                return Delivered { trouble, remote, local, local_disposition, payload, rights, message };
            }
        }
        let mut rights = DeliveredRights::new();
        for right in core::mem::take(&mut message.rights) {
            let disposition = right.received_disposition();
            let name = self.copy_out(space, right).unwrap_or_else(|_| {
                trouble = Some(BODY_NO_SPACE);
                NULL
            });
            rights.push(DeliveredRight { name, disposition });
        }
        Delivered { trouble, remote, local, local_disposition, payload, rights, message }
    }

    /// Gives a message back to its sender, whose send timed out or was interrupted: the pseudo-receive of D.6.
    /// Destination and reply are not swapped.
    pub fn give_back(&mut self, space: SpaceId, mut message: Box<Message>) -> Delivered {
        message.sequence = 0;
        let destination = core::mem::replace(&mut message.destination, Right::Null);
        let (reply, rights) = (message.take_reply(), core::mem::take(&mut message.rights));
        let mut trouble = None;
        let mut out = |ports: &mut Self, right: Right| {
            let disposition = if right == Right::Null { 0 } else { right.received_disposition() };
            let name = ports.copy_out(space, right).unwrap_or_else(|_| {
                trouble = Some(BODY_NO_SPACE);
                NULL
            });
            DeliveredRight { name, disposition }
        };
        let remote = out(self, destination);
        let back = out(self, reply);
        let rights = rights.into_iter().map(|right| out(self, right)).collect();
        let (local, local_disposition) = (back.name, back.disposition);
        Delivered { trouble, remote, local, local_disposition, payload: None, rights, message }
    }

    /// Uses up the right that addressed a message, now that it is received.
    fn use_destination(&mut self, message: &mut Message) {
        match core::mem::replace(&mut message.destination, Right::Null) {
            Right::SendOnce(port) => self.consume_send_once(port),
            right => self.release(right),
        }
    }

    /// A waiter gave up (interrupted, timed out, or its task died): it is in no queue afterwards.
    pub fn forget(&mut self, port: PortId, waiter: Waiter) {
        if let Some(p) = self.ports.get_mut(port) {
            p.senders.retain(|w| *w != waiter);
            p.receivers.retain(|w| *w != waiter);
        }
    }

    /// As [`Ports::forget`], for a receiver known by the name it receives on.
    pub fn forget_receiver(&mut self, space: SpaceId, name: Name, waiter: Waiter) {
        match self.entry(space, name).copied() {
            Some(Entry::Port { port, .. }) => self.forget(port, waiter),
            Some(Entry::Set(id)) => {
                if let Some(set) = self.sets.get_mut(id) {
                    set.receivers.retain(|w| *w != waiter);
                }
            }
            _ => {}
        }
    }
}
