//! Messages between ports: how `mach_msg` travels to the Mach server and back
//! (`spec/mach-ports-tasks.md` D.6).
//!
//! Three ids: 7120 sends, 7121 receives, 7122 sends and then receives.
//!
//! **How long a message can be.** As every call, `mach_msg` is one kernel message: the target's name and up to 119
//! words behind it. Five of them are the head of the message (what Mach's header, the options, the time limit and the
//! receiver's room need), so rights and data share [`MAX_BODY_WORDS`], 114: up to 912 bytes of data without rights, 880
//! with all of [`MAX_RIGHTS`]. What does not fit is refused where the message is put together, with [`Full`], and again
//! by the server, with `MIG_BAD_ARGUMENTS`. Longer data go by memory instead: the sender writes them into the
//! receiver's map or remaps its own there (`vm_write`, `vm_remap`), or both map a memory object.
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
//! notifications; then, if there is one, a [`Landing`]: MR3 its address, MR4 its bytes.
//!
//! Replies: MR0 is the `mach_msg_return_t`. If a message was received, or comes back to its sender (D.6,
//! send 5), it follows: MR1 bits and id, MR2 remote and local port, MR3 sequence number, MR4 bytes and rights, then
//! rights and data as above. Received headers are swapped: remote is the sender's reply right. Where the port has a
//! protected payload, the local disposition is 23, and the high halves of MR2 and MR3 are the payload's low and high half.

mod request;
#[cfg(test)]
mod tests;

pub use request::{Landing, MsgReceive, MsgReply, MsgRequest, MsgSend};

use smallvec::SmallVec;

use crate::PortName;
use crate::port::Disposition;
use crate::wire::{MAX_WORDS, Malformed, Reader, Words};

/// The id of a send.
pub const MACH_MSG_SEND: u32 = 7120;
/// The id of a receive.
pub const MACH_MSG_RECEIVE: u32 = 7121;
/// The id of a send that is followed by a receive.
pub const MACH_MSG_RPC: u32 = 7122;

/// Rights that a message carries at most, besides those of its header.
pub const MAX_RIGHTS: usize = 4;
/// Words of a request before its rights and data: the target's name and five of the head.
const HEAD_WORDS: usize = 6;
/// Words that rights and data share.
pub const MAX_BODY_WORDS: usize = MAX_WORDS - HEAD_WORDS;
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
    /// The port to reply to; in a received message the port it arrived at, or null with
    /// [`PROTECTED_PAYLOAD`](Disposition::PROTECTED_PAYLOAD).
    pub local: CarriedRight,
    /// What the message means.
    pub id: i32,
    /// Its number among the messages received from the port.
    pub seqno: u32,
    /// In a received message: what `mach_port_set_protected_payload` said of the port that it arrived at.
    pub payload: Option<u64>,
    /// In a received message: whether the Mach server made it, [`FROM_SERVER`].
    pub is_from_server: bool,
}

/// Words of data that a message holds in place; what is longer is on the heap.
const IN_PLACE: usize = 8;

/// A message: header, rights and data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMessage {
    /// The header.
    pub header: MsgHeader,
    rights: [CarriedRight; MAX_RIGHTS],
    right_count: usize,
    /// The last word is filled up with zeros.
    data: SmallVec<[u64; IN_PLACE]>,
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
            data: SmallVec::new(),
            bytes: 0,
        }
    }

    /// A message whose data are these words, cut at what one can carry.
    #[must_use]
    pub fn with_words(id: i32, words: &[u64]) -> Self {
        let mut message = Self::new(id);
        let words = words.get(..words.len().min(MAX_BODY_WORDS)).unwrap_or_default();
        message.data = SmallVec::from_slice(words);
        message.bytes = 8 * words.len();
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
        self.data.push(word);
        self.bytes = 8 * (index + 1);
        Ok(())
    }

    /// Adds bytes of data, as many as fit, behind the last whole word; answers how many.
    pub fn push_bytes(&mut self, bytes: &[u8]) -> usize {
        let start = self.data_len_words();
        let room = 8 * MAX_BODY_WORDS.saturating_sub(self.right_count + start);
        let bytes = bytes.get(..bytes.len().min(room)).unwrap_or_default();
        self.data.extend(bytes.chunks(8).map(|chunk| {
            let mut all = [0; 8];
            all.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            u64::from_le_bytes(all)
        }));
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
        &self.data
    }

    /// Cuts the data to `bytes`, if it is longer.
    pub fn truncate(&mut self, bytes: usize) {
        self.bytes = self.bytes.min(bytes);
        self.data.truncate(self.bytes.div_ceil(8));
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
        self.header.bits(self.right_count)
    }

    fn pack_body(&self, words: &mut Words) {
        pack_body(words, self.rights().iter().copied(), self.data_words(), self.bytes);
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
        self.data = SmallVec::from_slice(data);
        self.bytes = bytes;
        Ok(())
    }
}

impl MsgHeader {
    /// The bits of a message with so many rights in its body.
    const fn bits(&self, rights: usize) -> u32 {
        let complex = if rights > 0 { MACH_MSGH_BITS_COMPLEX } else { 0 };
        let from_server = if self.is_from_server { FROM_SERVER } else { 0 };
        (self.remote.disposition.0 & 0xff) | (self.local.disposition.0 & 0xff) << 8 | complex | from_server
    }
}

/// Adds the words behind the head of a message.
fn pack_body(words: &mut Words, rights: impl ExactSizeIterator<Item = CarriedRight>, data: &[u64], bytes: usize) {
    words.push(halves(bytes as u32, rights.len() as u32));
    rights.for_each(|right| words.push(halves(right.name.0, right.disposition.0)));
    words.extend(data);
}

const fn halves(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

const fn split(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}
