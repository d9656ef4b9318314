//! What `mach_msg` is asked and what it answers, as they travel.

use super::{
    CarriedRight, FROM_SERVER, MACH_MSG_RECEIVE, MACH_MSG_RPC, MACH_MSG_SEND, MsgHeader, MsgOption, PortMessage,
    halves, pack_body, split,
};
use crate::port::Disposition;
use crate::table::{LAST_KERNEL_ERROR, REPLY_OFFSET};
use crate::wire::{Malformed, Reader, Words};
use crate::{KernReturn, PortName};

/// What `mach_msg` is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MsgRequest {
    /// Send.
    Send(MsgSend),
    /// Receive.
    Receive(MsgReceive),
    /// Send, then receive.
    Rpc(MsgSend, MsgReceive),
}

/// The send of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MsgSend {
    /// The message; the rights of its header and body are names of the caller's.
    pub message: PortMessage,
    /// Options, of the receive as well.
    pub option: MsgOption,
    /// Milliseconds for each half, where the options give it a time limit.
    pub timeout_ms: u32,
    /// The port for `SEND_NOTIFY`, or null.
    pub notify: PortName,
}

/// The receive of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MsgReceive {
    /// The receive right, or the port set.
    pub name: PortName,
    /// Options.
    pub option: MsgOption,
    /// Milliseconds, where the options give it a time limit.
    pub timeout_ms: u32,
    /// Bytes of data that the caller has room for.
    pub size: u32,
    /// Where memory that comes with the message is copied to.
    pub landing: Landing,
}

/// A place in the receiver's memory for what comes with a message, if it fits there: whole pages. The memory itself goes.
/// Otherwise it is mapped where there is room, as always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Landing {
    /// Where it begins.
    pub address: u64,
    /// How many bytes; 0 for no such place.
    pub size: u64,
}

impl MsgRequest {
    /// The id that the request travels under.
    #[must_use]
    pub const fn id(&self) -> u32 {
        match self {
            Self::Send(_) => MACH_MSG_SEND,
            Self::Receive(_) => MACH_MSG_RECEIVE,
            Self::Rpc(..) => MACH_MSG_RPC,
        }
    }

    /// The words of the request, the target's name first.
    #[must_use]
    pub fn pack(&self) -> Words {
        let mut words = Words::new();
        match self {
            Self::Send(send) => send.pack(None, &mut words),
            Self::Rpc(send, receive) => send.pack(Some(receive), &mut words),
            Self::Receive(receive) => receive.pack(&mut words),
        }
        words
    }

    /// Reads the request with this id from all its words.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if they are none, or the id is another's.
    pub fn unpack(id: u32, words: &[u64]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(words);
        let target = PortName(u32::try_from(reader.word()?).map_err(|_| Malformed)?);
        let request = match id {
            MACH_MSG_RECEIVE => Self::Receive(MsgReceive::unpack(target, &mut reader)?),
            MACH_MSG_SEND => Self::Send(MsgSend::unpack(target, &mut reader)?.0),
            MACH_MSG_RPC => {
                let (send, receive) = MsgSend::unpack(target, &mut reader)?;
                Self::Rpc(send, receive)
            }
            _ => return Err(Malformed),
        };
        reader.finish()?;
        Ok(request)
    }
}

impl MsgReceive {
    pub(crate) fn pack(&self, words: &mut Words) {
        words.push(u64::from(self.name.0));
        words.push(halves(self.option.bits(), self.timeout_ms));
        words.push(halves(self.size, 0));
        if self.landing.size > 0 {
            words.push(self.landing.address);
            words.push(self.landing.size);
        }
    }

    pub(crate) fn unpack(name: PortName, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (option, timeout_ms) = split(reader.word()?);
        let (size, _) = split(reader.word()?);
        let landing = match reader.is_empty() {
            true => Landing::default(),
            false => Landing { address: reader.word()?, size: reader.word()? },
        };
        Ok(Self { name, option: MsgOption::from_bits_retain(option), timeout_ms, size, landing })
    }
}

impl MsgSend {
    fn pack(&self, receive: Option<&MsgReceive>, words: &mut Words) {
        let header = &self.message.header;
        let (name, size) = receive.map_or((PortName::NULL, 0), |receive| (receive.name, receive.size));
        let option = self.option | receive.map_or(MsgOption::empty(), |receive| receive.option);
        words.push(u64::from(header.remote.name.0));
        words.push(halves(self.message.bits(), header.id as u32));
        words.push(halves(header.local.name.0, name.0));
        words.push(halves(option.bits(), self.timeout_ms));
        words.push(halves(size, self.notify.0));
        self.message.pack_body(words);
    }

    fn unpack(remote: PortName, reader: &mut Reader<'_>) -> Result<(Self, MsgReceive), Malformed> {
        let (bits, id) = split(reader.word()?);
        let (local, receive_name) = split(reader.word()?);
        let (option, timeout_ms) = split(reader.word()?);
        let (size, notify) = split(reader.word()?);
        let option = MsgOption::from_bits_retain(option);
        let mut message = PortMessage::new(id as i32);
        message.header.remote = CarriedRight { name: remote, disposition: Disposition(bits & 0xff) };
        message.header.local = CarriedRight { name: PortName(local), disposition: Disposition(bits >> 8 & 0xff) };
        message.unpack_body(reader)?;
        let send = Self { message, option, timeout_ms, notify: PortName(notify) };
        Ok((send, MsgReceive { name: PortName(receive_name), option, timeout_ms, size, landing: Landing::default() }))
    }
}

/// What `mach_msg` answers: a code, and the message that was received or came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MsgReply {
    /// The `mach_msg_return_t`.
    pub code: KernReturn,
    /// The message, if one comes with the code.
    pub message: Option<PortMessage>,
}

impl MsgReply {
    /// The words of the reply.
    #[must_use]
    pub fn pack(&self) -> Words {
        let mut words = Words::new();
        self.pack_into(&mut words);
        words
    }

    /// Adds the words of the reply.
    pub(crate) fn pack_into(&self, words: &mut Words) {
        match &self.message {
            None => Self::pack_code(words, self.code),
            Some(message) => {
                let data = (message.data_words(), message.data_len());
                Self::pack_message(words, self.code, &message.header, message.rights().iter().copied(), data);
            }
        }
    }

    /// Adds the words of a reply without a message.
    pub fn pack_code(words: &mut Words, code: KernReturn) {
        words.push(i64::from(code.0) as u64);
    }

    /// Adds the words of a reply with the message that has this header, these rights and data, of so many bytes.
    pub fn pack_message(
        words: &mut Words,
        code: KernReturn,
        header: &MsgHeader,
        rights: impl ExactSizeIterator<Item = CarriedRight>,
        (data, bytes): (&[u64], usize),
    ) {
        Self::pack_code(words, code);
        words.push(halves(header.bits(rights.len()), header.id as u32));
        let (local, high) = header.payload.map_or((header.local.name.0, 0), split);
        words.push(halves(header.remote.name.0, local));
        words.push(halves(header.seqno, high));
        pack_body(words, rights, data, bytes);
    }

    /// Reads the reply with this label to the request with this id.
    ///
    /// # Errors
    ///
    /// `SEND_INVALID_DEST` if the kernel refused the call, so that it never left; `MIG_REPLY_MISMATCH` for the
    /// reply to another request; `MIG_TYPE_ERROR` for a malformed one.
    pub fn unpack(id: u32, label: u64, words: &[u64]) -> Result<Self, KernReturn> {
        if label <= LAST_KERNEL_ERROR {
            return Err(KernReturn::SEND_INVALID_DEST);
        }
        if label != u64::from(id + REPLY_OFFSET) {
            return Err(KernReturn::MIG_REPLY_MISMATCH);
        }
        Self::unpack_words(words).map_err(|_| KernReturn::MIG_TYPE_ERROR)
    }

    pub(crate) fn unpack_words(words: &[u64]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(words);
        let code = i32::try_from(reader.word()? as i64).map_err(|_| Malformed)?;
        let code = KernReturn(code);
        if words.len() == 1 {
            return Ok(Self { code, message: None });
        }
        let (bits, id) = split(reader.word()?);
        let (remote, local) = split(reader.word()?);
        let (seqno, high) = split(reader.word()?);
        let mut message = PortMessage::new(id as i32);
        message.header.remote = CarriedRight { name: PortName(remote), disposition: Disposition(bits & 0xff) };
        let disposition = Disposition(bits >> 8 & 0xff);
        message.header.payload = (disposition == Disposition::PROTECTED_PAYLOAD).then_some(halves(local, high));
        let name = if message.header.payload.is_some() { PortName::NULL } else { PortName(local) };
        message.header.local = CarriedRight { name, disposition };
        message.header.seqno = seqno;
        message.header.is_from_server = bits & FROM_SERVER != 0;
        message.unpack_body(&mut reader)?;
        reader.finish()?;
        Ok(Self { code, message: Some(message) })
    }
}
