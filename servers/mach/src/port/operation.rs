//! `mach_msg` as an operation: send, then receive, waiting where it must (`spec/mach-ports-tasks.md` D.6).
//!
//! | phase | event | next |
//! |---|---|---|
//! | `CopyIn` | refused | done with the send error; the receive is skipped |
//! | `CopyIn` | taken | `Sending` |
//! | `Sending` | queued, or the port died | `Receiving`, or done without one |
//! | `Sending` | full | waits; poll or time-out: done with `SEND_TIMED_OUT` and the message given back |
//! | `Receiving` | message | done |
//! | `Receiving` | message that brings memory | `Attaching` |
//! | `Attaching` | the memory has its place in the receiver, or there is no room | done; `RCV_BODY_ERROR` without |
//! | `Receiving` | nothing | waits; poll or time-out: done with `RCV_TIMED_OUT` |
//! | waiting | interrupted | done with `SEND_INTERRUPTED` (message given back) or `RCV_INTERRUPTED` |

use alloc::boxed::Box;

use mach_protocol::message::{CarriedRight, Landing, MsgHeader, MsgOption, MsgReceive, MsgReply, MsgRequest, MsgSend};
use mach_protocol::port::Disposition as WireDisposition;
use mach_protocol::wire::Words;
use smallvec::SmallVec;

use super::{
    BODY_NO_ROOM, BODY_RIGHTS_MAX, Delivered, DeliveredRight, Header, KernReturn, Message, Name, Object, Origin,
    PortId, Ports, Received, Sent, SpaceId, Waiter,
};

enum Phase {
    CopyIn(Box<MsgSend>),
    Sending { message: Box<Message>, option: MsgOption, timeout_ms: u32 },
    Receiving,
    Attaching { message: Box<Message>, port: PortId },
    Over,
}

/// One call of `mach_msg` in progress.
pub struct MessageOperation {
    space: SpaceId,
    waiter: Waiter,
    phase: Phase,
    receive: Option<MsgReceive>,
}

/// What a step of a [`MessageOperation`] ends in.
#[derive(Debug)]
pub enum Progress {
    /// The call is over.
    Done(Reply),
    /// Step again when the waiter is woken; call [`MessageOperation::time_out`] after so many milliseconds, if any.
    Wait(Option<u32>),
    /// The message is a call on an object of the server's. Serve or destroy it, then step again.
    Serve(Object, Box<Message>),
    /// A message with this mark was received that brings memory: give the memory a place in the receiver, then call
    /// [`MessageOperation::attached`].
    Attach(u64),
}

/// What `mach_msg` answers.
#[derive(Debug)]
pub struct Reply {
    /// The `mach_msg_return_t`.
    pub code: KernReturn,
    /// What comes with it.
    pub message: With,
}

/// What comes with the code of a `mach_msg`.
#[derive(Debug)]
pub enum With {
    /// Nothing.
    Nothing,
    /// The message that was received, or comes back.
    Message(Delivered),
    /// The header of one that was too large.
    Header(MsgHeader),
}

impl Reply {
    const fn code(code: KernReturn) -> Self {
        Self { code, message: With::Nothing }
    }

    fn of(delivered: Delivered) -> Self {
        Self { code: delivered.trouble.unwrap_or(KernReturn::SUCCESS), message: With::Message(delivered) }
    }

    /// Adds the words of the answer.
    pub fn pack_into(&self, words: &mut Words) {
        let delivered = match &self.message {
            With::Nothing => return MsgReply::pack_code(words, self.code),
            With::Header(header) => return MsgReply::pack_message(words, self.code, header, [].into_iter(), (&[], 0)),
            With::Message(delivered) => delivered,
        };
        let Delivered { remote, local, local_disposition, payload, rights, message, .. } = delivered;
        let header = MsgHeader {
            remote: carried(remote),
            local: CarriedRight { name: *local, disposition: WireDisposition(u32::from(*local_disposition)) },
            payload: *payload,
            id: message.id,
            seqno: message.sequence,
            is_from_server: message.origin == Origin::Server,
        };
        let data = (message.words.as_slice(), message.bytes);
        MsgReply::pack_message(words, self.code, &header, rights.iter().map(carried), data);
    }
}

fn carried(right: &DeliveredRight) -> CarriedRight {
    CarriedRight { name: right.name, disposition: WireDisposition(u32::from(right.disposition)) }
}

impl MessageOperation {
    /// The operation for a decoded request of a task with this space.
    pub fn new(space: SpaceId, waiter: Waiter, request: MsgRequest) -> Self {
        let (phase, receive) = match request {
            MsgRequest::Send(send) => (Phase::CopyIn(Box::new(send)), None),
            MsgRequest::Rpc(send, receive) => (Phase::CopyIn(Box::new(send)), Some(receive)),
            MsgRequest::Receive(receive) => (Phase::Receiving, Some(receive)),
        };
        MessageOperation { space, waiter, phase, receive }
    }

    /// Goes on as far as it can without waiting.
    pub fn step(&mut self, ports: &mut Ports) -> Progress {
        loop {
            match core::mem::replace(&mut self.phase, Phase::Over) {
                Phase::CopyIn(send) => match copy_in(ports, self.space, &send) {
                    Ok(message) => {
                        let MsgSend { option, timeout_ms, .. } = *send;
                        self.phase = Phase::Sending { message: Box::new(message), option, timeout_ms };
                    }
                    Err(code) => return done(code),
                },
                Phase::Sending { message, option, timeout_ms } => {
                    let limit = option.contains(MsgOption::SEND_TIMEOUT).then_some(timeout_ms);
                    let waiter = (limit != Some(0)).then_some(self.waiter);
                    match ports.send(message, waiter) {
                        Sent::Done => self.phase = Phase::Receiving,
                        Sent::Serve(object, message) => {
                            self.phase = Phase::Receiving;
                            return Progress::Serve(object, message);
                        }
                        Sent::Full(message) if waiter.is_none() => {
                            return self.return_message(ports, message, KernReturn::SEND_TIMED_OUT);
                        }
                        Sent::Full(message) => {
                            self.phase = Phase::Sending { message, option, timeout_ms };
                            return Progress::Wait(limit);
                        }
                    }
                }
                Phase::Receiving => match self.receive {
                    None => return done(KernReturn::SUCCESS),
                    Some(receive) => return self.step_receive(ports, receive),
                },
                Phase::Attaching { message, port } => {
                    let mark = message.mark.map_or(0, |mark| mark.number);
                    self.phase = Phase::Attaching { message, port };
                    return Progress::Attach(mark);
                }
                Phase::Over => return done(KernReturn::FAILURE),
            }
        }
    }

    /// The memory that came with the message is at this address of the receiver's; `None`: there was no room for it, so the
    /// message waits as if it had not been received, and the receive fails.
    pub fn attached(&mut self, ports: &mut Ports, address: Option<u64>) -> Reply {
        let Phase::Attaching { mut message, port } = core::mem::replace(&mut self.phase, Phase::Over) else {
            return Reply::code(KernReturn::FAILURE);
        };
        if address.is_none() {
            ports.put_back(port, message);
            return Reply::code(BODY_NO_ROOM);
        }
        message.place_memory(address);
        Reply::of(ports.deliver(self.space, message, port))
    }

    fn step_receive(&mut self, ports: &mut Ports, receive: MsgReceive) -> Progress {
        let limit = receive.option.contains(MsgOption::RCV_TIMEOUT).then_some(receive.timeout_ms);
        let waiter = (limit != Some(0)).then_some(self.waiter);
        match ports.receive(self.space, receive.name, waiter) {
            Err(code) => done(code),
            Ok(Received::Nothing) if waiter.is_none() => done(KernReturn::RCV_TIMED_OUT),
            Ok(Received::Nothing) => {
                self.phase = Phase::Receiving;
                Progress::Wait(limit)
            }
            Ok(Received::Message(message, port)) => {
                if message.bytes <= receive.size as usize {
                    if let Some(mark) = message.awaits_memory() {
                        self.phase = Phase::Attaching { message, port };
                        return Progress::Attach(mark.number);
                    }
                    return Progress::Done(Reply::of(ports.deliver(self.space, message, port)));
                }
                if receive.option.contains(MsgOption::RCV_LARGE) {
                    ports.put_back(port, message);
                    return done(KernReturn::RCV_TOO_LARGE);
                }
                let (id, sequence) = (message.id, message.sequence);
                ports.destroy_message(*message);
                let local = CarriedRight { name: receive.name, ..CarriedRight::default() };
                let header = MsgHeader { id, seqno: sequence, local, ..MsgHeader::default() };
                Progress::Done(Reply { code: KernReturn::RCV_TOO_LARGE, message: With::Header(header) })
            }
        }
    }

    /// Where the caller wants the memory that comes with a message.
    pub fn landing(&self) -> Landing {
        self.receive.map_or(Landing::default(), |receive| receive.landing)
    }

    /// Whether what it waits for, or will wait for next, is a message to receive.
    pub fn is_receiving(&self) -> bool {
        matches!(self.phase, Phase::Receiving)
    }

    /// The time limit given by [`Progress::Wait`] is over.
    pub fn time_out(&mut self, ports: &mut Ports) -> Reply {
        self.give_up(ports, KernReturn::SEND_TIMED_OUT, KernReturn::RCV_TIMED_OUT)
    }

    /// The thread was aborted while it waited.
    pub fn interrupt(&mut self, ports: &mut Ports) -> Reply {
        self.give_up(ports, KernReturn::SEND_INTERRUPTED, KernReturn::RCV_INTERRUPTED)
    }

    /// The port that it receives on died or was moved: [`super::Event::ReceiveFails`].
    pub fn receive_failed(&mut self, code: KernReturn) -> Reply {
        self.phase = Phase::Over;
        Reply::code(code)
    }

    /// Nobody wants the answer any more: what it would have sent is destroyed, what it would have received waits again.
    pub fn cancel(&mut self, ports: &mut Ports) {
        self.leave_queues(ports);
        match core::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Sending { message, .. } => ports.destroy_message(*message),
            Phase::Attaching { message, port } => ports.put_back(port, message),
            Phase::CopyIn(_) | Phase::Receiving | Phase::Over => {}
        }
    }

    fn give_up(&mut self, ports: &mut Ports, sending: KernReturn, receiving: KernReturn) -> Reply {
        self.leave_queues(ports);
        let progress = match core::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Sending { message, .. } => self.return_message(ports, message, sending),
            Phase::Attaching { message, port } => {
                ports.put_back(port, message);
                done(receiving)
            }
            _ => done(receiving),
        };
        match progress {
            Progress::Done(reply) => reply,
            _ => Reply::code(receiving),
        }
    }

    fn leave_queues(&self, ports: &mut Ports) {
        match (&self.phase, self.receive) {
            (Phase::Sending { message, .. }, _) => {
                if let Some(port) = message.destination.port() {
                    ports.forget(port, self.waiter);
                }
            }
            (Phase::Receiving, Some(receive)) => ports.forget_receiver(self.space, receive.name, self.waiter),
            _ => {}
        }
    }

    fn return_message(&self, ports: &mut Ports, message: Box<Message>, code: KernReturn) -> Progress {
        let message = With::Message(ports.give_back(self.space, message));
        Progress::Done(Reply { code, message })
    }
}

fn copy_in(ports: &mut Ports, space: SpaceId, send: &MsgSend) -> Result<Message, KernReturn> {
    let message = &send.message;
    let disposition = |right: CarriedRight| u8::try_from(right.disposition.0).unwrap_or(u8::MAX);
    let header = Header {
        remote: message.header.remote.name,
        remote_disposition: disposition(message.header.remote),
        local: message.header.local.name,
        local_disposition: disposition(message.header.local),
        id: message.header.id,
    };
    let rights: SmallVec<[(Name, u8); BODY_RIGHTS_MAX]> =
        message.rights().iter().map(|right| (right.name, disposition(*right))).collect();
    let mut copied = ports.copy_in(space, header, message.data_words().into(), &rights)?;
    copied.bytes = message.data_len();
    Ok(copied)
}

fn done(code: KernReturn) -> Progress {
    Progress::Done(Reply::code(code))
}
