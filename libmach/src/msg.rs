//! Messages between ports (`spec/mach-ports-tasks.md` D.6), over Tessera's transport: up to [`MAX_RIGHTS`] rights and,
//! without any, [`MAX_DATA_BYTES`] bytes of inline data; a right takes eight of them. `mach_protocol::message` says where
//! the limit comes from, and what longer data do.

pub use mach_protocol::message::{
    CarriedRight, Full, Landing, MAX_DATA_BYTES, MAX_RIGHTS, MsgHeader, MsgOption, MsgReceive, MsgReply, MsgRequest,
    MsgSend, PortMessage,
};

use mach_protocol::memory_object::Upcall;

use crate::port::{Disposition, mach_reply_port};
use crate::rpc::exchange;
use crate::rt::thread_data;
use crate::{KernReturn, PortName, Result, port, task, vm};

/// A time limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timeout {
    /// As long as it takes.
    #[default]
    Never,
    /// So many milliseconds; 0 does not wait at all.
    Millis(u32),
}

impl Timeout {
    const fn option(self, flag: MsgOption) -> MsgOption {
        match self {
            Self::Never => MsgOption::empty(),
            Self::Millis(_) => flag,
        }
    }

    const fn millis(self) -> u32 {
        match self {
            Self::Never => 0,
            Self::Millis(millis) => millis,
        }
    }
}

/// `mach_msg`: sends, receives, or both. Answers the code and the message that was received or came back.
#[must_use]
pub fn mach_msg(request: &MsgRequest) -> MsgReply {
    let id = request.id();
    exchange(id, &request.pack(), |label, words| MsgReply::unpack(id, label, words))
        .unwrap_or_else(|code| MsgReply { code, message: None })
}

/// Sends a message whose header names its destination.
///
/// # Errors
///
/// `SEND_INVALID_DEST`, `SEND_INVALID_REPLY`, `SEND_INVALID_HEADER`, `SEND_INVALID_TYPE`, `SEND_INVALID_RIGHT`,
/// `SEND_TIMED_OUT`, `SEND_INTERRUPTED`; `SEND_NO_BUFFER`: too many send-once rights to one port, or more than a MiB of this
/// task's messages waits in queues.
pub fn send(message: &PortMessage, timeout: Timeout) -> Result<()> {
    mach_msg(&MsgRequest::Send(outgoing(message, timeout))).code.ok()
}

/// Receives a message from the port or the port set `from`.
///
/// # Errors
///
/// `RCV_INVALID_NAME`, `RCV_TIMED_OUT`, `RCV_INTERRUPTED`, `RCV_PORT_DIED`, `RCV_PORT_CHANGED`; [`NO_ROOM`].
pub fn receive(from: PortName, timeout: Timeout) -> Result<PortMessage> {
    received(mach_msg(&MsgRequest::Receive(incoming(from, timeout))))
}

/// Milliseconds after which a server tries again that was refused because memory is short.
pub(crate) const SHORT_OF_MEMORY_MS: u32 = 10;

/// The next message of a server, which goes on when memory is short: it tries again after a moment.
///
/// # Errors
///
/// Those of [`receive`] without a time limit, but for `RESOURCE_SHORTAGE`.
pub fn receive_request(from: PortName) -> Result<PortMessage> {
    loop {
        match receive(from, Timeout::Never) {
            Err(KernReturn::RESOURCE_SHORTAGE) => crate::thread::sleep(SHORT_OF_MEMORY_MS),
            other => return other,
        }
    }
}

/// Sends `message` to `dest` with a reply port of this thread's, and waits for the answer.
///
/// # Errors
///
/// Those of [`send`] and [`receive`]; `MIG_SERVER_DIED` if the message was thrown away.
pub fn rpc(dest: PortName, message: &PortMessage) -> Result<PortMessage> {
    match thread_data() {
        Some(data) => rpc_by(dest, message, data.reply_port()?),
        None => {
            let reply = mach_reply_port()?;
            let answer = rpc_by(dest, message, reply);
            // The port was made for this call alone; a failure to destroy it changes nothing for the caller.
            let _ = port::mach_port_mod_refs(task::mach_task_self(), reply, port::Right::RECEIVE, -1);
            answer
        }
    }
}

fn rpc_by(dest: PortName, message: &PortMessage, reply: PortName) -> Result<PortMessage> {
    let mut message = message.clone();
    message.header.remote = CarriedRight { name: dest, disposition: Disposition::COPY_SEND };
    message.header.local = CarriedRight { name: reply, disposition: Disposition::MAKE_SEND_ONCE };
    let send = outgoing(&message, Timeout::Never);
    let answer = received(mach_msg(&MsgRequest::Rpc(send, incoming(reply, Timeout::Never))))?;
    if answer.header.id == port::notify::SEND_ONCE as i32 {
        return Err(KernReturn::MIG_SERVER_DIED);
    }
    Ok(answer)
}

/// Answers a received message: sends `answer` to the port that its header names for replies.
///
/// # Errors
///
/// As [`send`].
pub fn reply(request: &PortMessage, answer: &PortMessage) -> Result<()> {
    send(&addressed_reply(request, answer), Timeout::Millis(0))
}

/// Answers a received message, or, if that cannot be, gives up the right to answer and those that `answer` moves. Answers
/// whether it was sent.
pub fn reply_or_destroy(request: &PortMessage, answer: &PortMessage) -> bool {
    let answer = addressed_reply(request, answer);
    let MsgReply { code, message } = mach_msg(&MsgRequest::Send(outgoing(&answer, Timeout::Millis(0))));
    if code.ok().is_ok() {
        return true;
    }
    match message {
        // What was taken came back, maybe by other names.
        Some(back) => mach_msg_destroy(&back),
        None => {
            let moves = |right: &&CarriedRight| {
                matches!(
                    right.disposition,
                    Disposition::MOVE_RECEIVE | Disposition::MOVE_SEND | Disposition::MOVE_SEND_ONCE
                )
            };
            answer.rights().iter().chain([&answer.header.remote]).filter(moves).for_each(destroy_right);
        }
    }
    false
}

/// Answers a received message, then receives the next one from `from`.
///
/// # Errors
///
/// Those of [`receive`]: that the answer could not be sent is its receiver's loss.
pub fn reply_and_receive(request: &PortMessage, answer: &PortMessage, from: PortName) -> Result<PortMessage> {
    reply_or_destroy(request, answer);
    receive(from, Timeout::Never)
}

/// `mach_msg_destroy`: drops the rights that a received message brought, and the memory of returned pages.
pub fn mach_msg_destroy(message: &PortMessage) {
    destroy_right(&message.header.remote);
    message.rights().iter().for_each(destroy_right);
    let upcall = Upcall::from_words(message.header.id, message.data_words());
    let memory = match upcall.filter(|_| message.header.is_from_server) {
        Some(Upcall::DataReturn(data)) => Some((data.data, data.size)),
        Some(Upcall::DataInitialize(data)) => Some((data.data, data.size)),
        _ => None,
    };
    // An address that is none names no memory.
    if let Some((address, size)) = memory.filter(|(address, _)| *address != 0) {
        // It came with the message, so it is the task's own.
        let _ = vm::vm_deallocate(task::mach_task_self(), address, size);
    }
}

/// Gives up a right that came with a message, whatever it is; one that did not come is none.
pub fn destroy_right(right: &CarriedRight) {
    if !right.name.is_valid() {
        return;
    }
    let task = task::mach_task_self();
    // A right that came with a message is the task's own: a failure means that it is gone already.
    let _ = match right.disposition {
        Disposition::PORT_RECEIVE => port::mach_port_mod_refs(task, right.name, port::Right::RECEIVE, -1),
        _ => port::mach_port_deallocate(task, right.name),
    };
}

/// `answer` with the header that takes it to who sent `request`.
fn addressed_reply(request: &PortMessage, answer: &PortMessage) -> PortMessage {
    let mut answer = answer.clone();
    answer.header.remote = request.header.remote;
    answer.header.local = CarriedRight::default();
    answer
}

fn outgoing(message: &PortMessage, timeout: Timeout) -> MsgSend {
    MsgSend {
        message: message.clone(),
        option: timeout.option(MsgOption::SEND_TIMEOUT),
        timeout_ms: timeout.millis(),
        notify: PortName::NULL,
    }
}

pub(crate) fn incoming(name: PortName, timeout: Timeout) -> MsgReceive {
    MsgReceive {
        name,
        option: timeout.option(MsgOption::RCV_TIMEOUT),
        timeout_ms: timeout.millis(),
        size: MAX_DATA_BYTES as u32,
        landing: Landing::default(),
    }
}

/// The message that was received. One of which a part found no room is destroyed.
fn received(MsgReply { code, message }: MsgReply) -> Result<PortMessage> {
    if let Some(message) = message.as_ref().filter(|_| is_body_error(code)) {
        mach_msg_destroy(message);
    }
    code.ok()?;
    message.ok_or(KernReturn::MIG_TYPE_ERROR)
}

/// `MACH_RCV_BODY_ERROR` for the map: there is no room for the memory that comes with the next message, which stays in its
/// queue.
pub const NO_ROOM: KernReturn = KernReturn(KernReturn::RCV_BODY_ERROR.0 | 0x1000);

/// Whether a part of a message found no room at its receiver: `MACH_RCV_BODY_ERROR`, with what was short.
const fn is_body_error(code: KernReturn) -> bool {
    const SHORT_OF: i32 = 0x3c00;
    code.0 & !SHORT_OF == KernReturn::RCV_BODY_ERROR.0
}
