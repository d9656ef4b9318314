//! Messages between ports: how `mach_msg` travels to the Mach server and back
//! (`spec/mach-ports-tasks.md` D.6).
//!
//! Three ids: 7120 sends, 7121 receives, 7122 sends and then receives. A message carries up to four rights and
//! inline data; all words together, with their head, fit one kernel message.
//!
//! Request 7120 and 7122, by message register:
//!
//! | MR | low half | high half |
//! |---:|---|---|
//! | 0 | destination, a name of the caller's | – |
//! | 1 | bits: disposition of the destination 0–7, of the reply port 8–15, COMPLEX 31 | message id |
//! | 2 | reply port, a name of the caller's, or null | port to receive from (7122) |
//! | 3 | options | time limit in milliseconds |
//! | 4 | data bytes accepted when receiving (7122) | port for notifications |
//! | 5 | bytes of data | rights |
//! | 6 … | a word a right: name, | disposition |
//! | … | the data, the last word filled up with zeros | |
//!
//! Request 7121: MR0 port to receive from, MR1 options and time limit, MR2 data bytes accepted and port for
//! notifications.
//!
//! Replies: MR0 is the `mach_msg_return_t`. If a message was received, or comes back to its sender (D.6,
//! send 5), it follows: MR1 bits and id, MR2 remote and local port, MR3 sequence number, MR4 bytes and rights, then
//! rights and data as above. Received headers are swapped: remote is the sender's reply right.

use crate::port::Disposition;
use crate::table::{LAST_KERNEL_ERROR, REPLY_OFFSET};
use crate::wire::{Malformed, Reader, Words};
use crate::{KernReturn, PortName};

/// The id of a send.
pub const MACH_MSG_SEND: u32 = 7120;
/// The id of a receive.
pub const MACH_MSG_RECEIVE: u32 = 7121;
/// The id of a send that is followed by a receive.
pub const MACH_MSG_RPC: u32 = 7122;

/// Rights that a message carries at most, besides those of its header.
pub const MAX_RIGHTS: usize = 4;
/// Words that rights and data share.
pub const MAX_BODY_WORDS: usize = 114;
/// Bytes of data of a message without rights.
pub const MAX_DATA_BYTES: usize = MAX_BODY_WORDS * 8;

bitflags::bitflags! {
    /// `mach_msg_option_t`, GNU's values.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct MsgOption: u32 {
        /// Give up sending when the time limit is over.
        const SEND_TIMEOUT = 0x10;
        /// Tell a port when a message that did not fit was accepted.
        const SEND_NOTIFY = 0x20;
        /// Return when the send is interrupted.
        const SEND_INTERRUPT = 0x40;
        /// Give up receiving when the time limit is over.
        const RCV_TIMEOUT = 0x100;
        /// Return when the receive is interrupted.
        const RCV_INTERRUPT = 0x400;
        /// Leave a message that is too large in the queue.
        const RCV_LARGE = 0x800;
    }
}

/// Set in a header's bits if the body carries rights.
pub const MACH_MSGH_BITS_COMPLEX: u32 = 0x8000_0000;

/// Set in a received header's bits if the Mach server itself made the message. In a message that a task sends it means
/// nothing: no task can make another believe that it is the server.
pub const FROM_SERVER: u32 = 0x0100_0000;

/// A right in a message: the name and what becomes, or became, of the right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CarriedRight {
    /// The name.
    pub name: PortName,
    /// What becomes of the right.
    pub disposition: Disposition,
}

/// The head of a message, `mach_msg_header_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MsgHeader {
    /// The destination; in a received message the port to reply to.
    pub remote: CarriedRight,
    /// The port to reply to; in a received message the port it arrived at.
    pub local: CarriedRight,
    /// What the message means.
    pub id: i32,
    /// Its number among the messages received from the port.
    pub seqno: u32,
    /// In a received message: whether the Mach server made it, [`FROM_SERVER`].
    pub is_from_server: bool,
}

/// A message: header, rights and data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMessage {
    /// The header.
    pub header: MsgHeader,
    rights: [CarriedRight; MAX_RIGHTS],
    right_count: usize,
    data: [u64; MAX_BODY_WORDS],
    bytes: usize,
}

/// The message would have more rights or data than one can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl PortMessage {
    /// A message without body.
    #[must_use]
    pub fn new(id: i32) -> Self {
        Self {
            header: MsgHeader { id, ..MsgHeader::default() },
            rights: [CarriedRight::default(); MAX_RIGHTS],
            right_count: 0,
            data: [0; MAX_BODY_WORDS],
            bytes: 0,
        }
    }

    /// A message whose data are these words, cut at what one can carry.
    #[must_use]
    pub fn with_words(id: i32, words: &[u64]) -> Self {
        let mut message = Self::new(id);
        message.data.iter_mut().zip(words).for_each(|(to, from)| *to = *from);
        message.bytes = 8 * words.len().min(MAX_BODY_WORDS);
        message
    }

    /// Adds a right.
    ///
    /// # Errors
    ///
    /// [`Full`] if it does not fit.
    pub fn push_right(&mut self, right: CarriedRight) -> Result<(), Full> {
        if self.right_count + self.data_len_words() >= MAX_BODY_WORDS {
            return Err(Full);
        }
        *self.rights.get_mut(self.right_count).ok_or(Full)? = right;
        self.right_count += 1;
        Ok(())
    }

    /// Adds a word of data, behind the last whole word.
    ///
    /// # Errors
    ///
    /// [`Full`] if it does not fit.
    pub fn push_word(&mut self, word: u64) -> Result<(), Full> {
        let index = self.data_len_words();
        if self.right_count + index >= MAX_BODY_WORDS {
            return Err(Full);
        }
        *self.data.get_mut(index).ok_or(Full)? = word;
        self.bytes = 8 * (index + 1);
        Ok(())
    }

    /// Adds bytes of data, as many as fit, behind the last whole word; answers how many.
    pub fn push_bytes(&mut self, bytes: &[u8]) -> usize {
        let start = self.data_len_words();
        let room = 8 * MAX_BODY_WORDS.saturating_sub(self.right_count + start);
        let bytes = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        for (word, chunk) in self.data.iter_mut().skip(start).zip(bytes.chunks(8)) {
            let mut all = [0; 8];
            all.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            *word = u64::from_le_bytes(all);
        }
        self.bytes = 8 * start + bytes.len();
        bytes.len()
    }

    /// The rights.
    #[must_use]
    pub fn rights(&self) -> &[CarriedRight] {
        self.rights.get(..self.right_count).unwrap_or_default()
    }

    /// The rights, to be changed in place.
    pub fn rights_mut(&mut self) -> &mut [CarriedRight] {
        self.rights.get_mut(..self.right_count).unwrap_or_default()
    }

    /// The data as words; the last may be filled up with zeros.
    #[must_use]
    pub fn data_words(&self) -> &[u64] {
        self.data.get(..self.data_len_words()).unwrap_or_default()
    }

    /// Cuts the data to `bytes`, if it is longer.
    pub fn truncate(&mut self, bytes: usize) {
        self.bytes = self.bytes.min(bytes);
    }

    /// The bytes of data.
    #[must_use]
    pub const fn data_len(&self) -> usize {
        self.bytes
    }

    /// The data, byte by byte, from word `first` on.
    pub fn data_bytes_from(&self, first: usize) -> impl Iterator<Item = u8> + '_ {
        let count = self.bytes.saturating_sub(8 * first);
        self.data_words().iter().skip(first).flat_map(|word| word.to_le_bytes()).take(count)
    }

    const fn data_len_words(&self) -> usize {
        self.bytes.div_ceil(8)
    }

    /// The word of bits: dispositions of the header's rights, whether the body has rights, who made the message.
    const fn bits(&self) -> u32 {
        let complex = if self.right_count > 0 { MACH_MSGH_BITS_COMPLEX } else { 0 };
        let from_server = if self.header.is_from_server { FROM_SERVER } else { 0 };
        (self.header.remote.disposition.0 & 0xff)
            | (self.header.local.disposition.0 & 0xff) << 8
            | complex
            | from_server
    }

    fn pack_body(&self, words: &mut Words) {
        words.push(halves(self.bytes as u32, self.right_count as u32));
        self.rights().iter().for_each(|right| words.push(halves(right.name.0, right.disposition.0)));
        self.data_words().iter().for_each(|word| words.push(*word));
    }

    fn unpack_body(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let (bytes, rights) = split(reader.word()?);
        let (bytes, rights) = (bytes as usize, rights as usize);
        if rights > MAX_RIGHTS || rights + bytes.div_ceil(8) > MAX_BODY_WORDS {
            return Err(Malformed);
        }
        for right in self.rights.iter_mut().take(rights) {
            let (name, disposition) = split(reader.word()?);
            *right = CarriedRight { name: PortName(name), disposition: Disposition(disposition) };
        }
        self.right_count = rights;
        let data = reader.words(bytes.div_ceil(8))?;
        self.data.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        self.bytes = bytes;
        Ok(())
    }
}

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
    }

    pub(crate) fn unpack(name: PortName, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (option, timeout_ms) = split(reader.word()?);
        let (size, _) = split(reader.word()?);
        Ok(Self { name, option: MsgOption::from_bits_retain(option), timeout_ms, size })
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
        Ok((send, MsgReceive { name: PortName(receive_name), option, timeout_ms, size }))
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
        words.push(i64::from(self.code.0) as u64);
        if let Some(message) = &self.message {
            let header = &message.header;
            words.push(halves(message.bits(), header.id as u32));
            words.push(halves(header.remote.name.0, header.local.name.0));
            words.push(halves(header.seqno, 0));
            message.pack_body(&mut words);
        }
        words
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
        let (seqno, _) = split(reader.word()?);
        let mut message = PortMessage::new(id as i32);
        message.header.remote = CarriedRight { name: PortName(remote), disposition: Disposition(bits & 0xff) };
        message.header.local = CarriedRight { name: PortName(local), disposition: Disposition(bits >> 8 & 0xff) };
        message.header.seqno = seqno;
        message.header.is_from_server = bits & FROM_SERVER != 0;
        message.unpack_body(&mut reader)?;
        reader.finish()?;
        Ok(Self { code, message: Some(message) })
    }
}

const fn halves(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

const fn split(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::MAX_WORDS;

    fn right() -> impl Strategy<Value = CarriedRight> {
        (any::<u32>(), 0_u32..24).prop_map(|(name, disposition)| CarriedRight {
            name: PortName(name),
            disposition: Disposition(disposition),
        })
    }

    prop_compose! {
        fn message()(
            id in any::<i32>(),
            remote in right(),
            local in right(),
            rights in proptest::collection::vec(right(), 0..=MAX_RIGHTS),
            data in proptest::collection::vec(any::<u8>(), 0..=MAX_DATA_BYTES),
        ) -> PortMessage {
            let mut message = PortMessage::new(id);
            message.header.remote = remote;
            message.header.local = local;
            rights.iter().for_each(|right| message.push_right(*right).unwrap());
            message.push_bytes(&data);
            message
        }
    }

    proptest! {
        #[test]
        fn requests_come_back(message in message(), option in any::<u32>(), timeout_ms in any::<u32>(),
                              name in any::<u32>(), size in any::<u32>(), notify in any::<u32>()) {
            let option = MsgOption::from_bits_retain(option);
            let send = MsgSend { message, option, timeout_ms, notify: PortName(notify) };
            let receive = MsgReceive { name: PortName(name), option, timeout_ms, size };
            for request in [MsgRequest::Send(send.clone()), MsgRequest::Receive(receive), MsgRequest::Rpc(send, receive)] {
                let words = request.pack();
                prop_assert!(words.as_slice().len() <= MAX_WORDS);
                prop_assert_eq!(MsgRequest::unpack(request.id(), words.as_slice()), Ok(request));
            }
        }

        #[test]
        fn replies_come_back(mut message in message(), seqno in any::<u32>(), code in any::<i32>(), from in any::<bool>()) {
            message.header.seqno = seqno;
            message.header.is_from_server = from;
            for message in [None, Some(message)] {
                let reply = MsgReply { code: KernReturn(code), message };
                let words = reply.pack();
                prop_assert_eq!(MsgReply::unpack(7120, 7220, words.as_slice()), Ok(reply));
            }
        }

        #[test]
        fn any_words_are_refused_or_understood(id in 7119_u32..7124, words in proptest::collection::vec(any::<u64>(), 0..=MAX_WORDS)) {
            if let Ok(request) = MsgRequest::unpack(id, &words) {
                prop_assert!(request.pack().as_slice().len() <= MAX_WORDS);
            }
            if let Ok(MsgReply { message: Some(message), .. }) = MsgReply::unpack(7120, 7220, &words) {
                prop_assert!(message.rights().len() <= MAX_RIGHTS);
                prop_assert!(message.data_words().len() <= MAX_BODY_WORDS);
            }
        }
    }

    #[test]
    fn no_task_can_say_that_it_is_the_server() {
        let mut forged = PortMessage::new(2201);
        forged.header.is_from_server = true;
        let send = MsgSend { message: forged, option: MsgOption::empty(), timeout_ms: 0, notify: PortName::NULL };
        let words = MsgRequest::Send(send).pack();
        let Ok(MsgRequest::Send(send)) = MsgRequest::unpack(MACH_MSG_SEND, words.as_slice()) else {
            panic!("the message is well formed");
        };
        assert!(!send.message.header.is_from_server);
    }

    #[test]
    fn a_message_takes_no_more_than_fits() {
        let mut message = PortMessage::new(1);
        let right = CarriedRight { name: PortName(5), disposition: Disposition::COPY_SEND };
        for _ in 0..MAX_RIGHTS {
            assert_eq!(message.push_right(right), Ok(()));
        }
        assert_eq!(message.push_right(right), Err(Full));
        assert_eq!(message.push_bytes(&[7; 2000]), MAX_DATA_BYTES - 8 * MAX_RIGHTS);
        assert_eq!(message.push_word(1), Err(Full));
        assert_eq!(message.data_bytes_from(0).count(), message.data_len());
    }

    #[test]
    fn more_rights_or_bytes_than_fit_are_malformed() {
        let head = [9, 0, 0, 0, 0];
        let with = |word: u64| [&head[..], &[word], &[0; 114]].concat();
        assert!(MsgRequest::unpack(MACH_MSG_SEND, &with(halves(0, 5))).is_err());
        assert!(MsgRequest::unpack(MACH_MSG_SEND, &with(halves(914 * 8, 0))).is_err());
        assert!(MsgRequest::unpack(MACH_MSG_SEND, &with(halves(u32::MAX, u32::MAX))).is_err());
        assert!(MsgRequest::unpack(MACH_MSG_SEND, &with(halves(914 - 2, 0))).is_ok());
    }
}
