//! Disks: the messages of the block server, and the memory that it shares with a client ([`ring`]).
//!
//! Whatever the device is, a client sees a *disk*: a whole one, or a partition of one. It opens a *session* with it, or with
//! a part of it, which is exclusive, and gets memory that the driver and the device see as well: a page with two rings of words
//! ([`ring`]) and the data pages. Requests go into the one ring, completions come out of the other; a message is needed only to
//! wake who sleeps.
//!
//! | message | from, to | data | rights |
//! |---|---|---|---|
//! | [`BLOCK_INFO`] | client, either of the server's ports | the index of a disk | |
//! | answer | | code, [`DiskInfo`]; INVALID_ARGUMENT beyond the last | |
//! | [`BLOCK_OPEN`] | client, the port [`DISKS`] | [`OpenRequest`] | notify port (send) |
//! | answer | | code, [`OpenReply`] | the session port (send), the memory (send) |
//! | [`BLOCK_KICK`] | client, session port | | |
//! | [`BLOCK_DONE`] | server, notify port | | |
//! | [`BLOCK_RING`] | client, session port | | |
//!
//! A client with a doorbell for its notify port says so by [`BLOCK_RING`], and is not sent [`BLOCK_DONE`] from then on: its bell is
//! rung. It need not send [`BLOCK_KICK`] either, but ring the server's bell, at the session port (`port_ring`). Where no bell can
//! be rung the messages go on.
//!
//! Everybody finds the port [`BLOCK`] at the name service, which tells what disks there are. The port [`DISKS`] is found by those
//! alone to whom the system description grants the disks.
//!
//! Codes of an open, in the order of the checks: INVALID_CAPABILITY, it came to the port [`BLOCK`]; INVALID_ARGUMENT, the request is
//! none, its right is none, or the number of pages is out of range; RESOURCE_SHORTAGE, there are too many sessions or data pages;
//! INVALID_NAME, there is no such disk; INVALID_ARGUMENT, the part does not lie on it; NO_ACCESS, some of it is open. The client maps
//! the memory by its right, a proxy (`vm_map`). A session ends when nobody has a send right to its port any more, and with it
//! the driver's interest in the memory; the client's mapping is the client's own.

pub mod ring;

use crate::message::PortMessage;
use crate::table::wire_struct;
use crate::wire::{Reader, Text, Wire, Words};

/// What the server knows of a disk.
pub const BLOCK_INFO: i32 = 7400;
/// Begins a session.
pub const BLOCK_OPEN: i32 = 7401;
/// Requests are in the ring. There is no answer.
pub const BLOCK_KICK: i32 = 7402;
/// Completions are in the ring. There is no answer.
pub const BLOCK_DONE: i32 = 7403;
/// The client's doorbell is to be rung in place of [`BLOCK_DONE`]. There is no answer.
pub const BLOCK_RING: i32 = 7404;

/// The block server's name at the name service.
pub const BLOCK: &str = "block";
/// The name there of the port by which disks are opened, for those who may.
pub const DISKS: &str = "disks";

/// Bytes of a sector, the unit of all positions on a disk.
pub const SECTOR: u64 = 512;
/// The most data pages that a session can have.
pub const MAX_DATA_PAGES: u64 = 256;
/// The most bytes of one request.
pub const MAX_REQUEST: u64 = 64 * 1024;

/// The type byte of a partition that is a paging area.
pub const PAGING_AREA: u8 = 0x82;

/// The name of a disk.
pub type DiskName = Text<3>;

wire_struct! {
    /// A disk or a partition, on the wire.
    DiskInfo {
        /// What a client opens it by.
        name: DiskName,
        /// The serial number that the device tells, of a whole disk; it can be opened by that name too.
        serial: DiskName,
        /// Its size.
        sectors: u64,
        /// [`DISK`], or the type byte of the partition.
        kind: u32,
        /// Whether writing is refused.
        is_read_only: bool,
        /// Whether it can be opened only in parts: it has partitions.
        is_divided: bool,
        /// Of a whole disk: whether its first sector has a boot signature, or cannot be read. Then something is on it (a
        /// volume, a table of partitions, which need not be sound), and nobody writes over that unasked.
        is_signed: bool,
    }
}

impl DiskInfo {
    /// Whether it is where the files are: a FAT partition, or the whole disk with the serial number `volume`.
    #[must_use]
    pub fn is_volume(&self) -> bool {
        const FAT: [u32; 6] = [0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e];
        FAT.contains(&self.kind) || (self.kind == DISK && !self.is_divided && self.serial == DiskName::new(VOLUME))
    }
}

/// The serial number of a disk that is a volume.
const VOLUME: &str = "volume";

/// The kind of a whole disk.
pub const DISK: u32 = 0x100;

wire_struct! {
    /// What a client asks a session for.
    OpenRequest {
        /// The disk.
        name: DiskName,
        /// The first sector of the part that is wanted.
        start: u64,
        /// The sectors of the part; 0 for all behind the first.
        sectors: u64,
        /// Data pages to share, 1 to [`MAX_DATA_PAGES`].
        pages: u64,
    }
}

wire_struct! {
    /// The session that a client got.
    OpenReply {
        /// The size of what was opened.
        sectors: u64,
        /// Whether writing is refused.
        is_read_only: bool,
    }
}

/// A message with this id and these words.
#[must_use]
pub fn message(id: i32, body: &impl Wire) -> PortMessage {
    let mut words = Words::new();
    body.pack(&mut words);
    PortMessage::with_words(id, words.as_slice())
}

/// The body of a message, from a word on: 0 of a request, 1 of an answer.
#[must_use]
pub fn body<T: Wire>(message: &PortMessage, from: usize) -> Option<T> {
    T::unpack(&mut Reader::new(message.data_words().get(from..)?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_a_fat_partition_or_the_disk_of_that_name() {
        let disk = DiskInfo { kind: DISK, serial: DiskName::new("volume"), ..DiskInfo::default() };
        assert!(disk.is_volume());
        assert!(!DiskInfo { is_divided: true, ..disk }.is_volume());
        assert!(!DiskInfo { serial: DiskName::new("disk"), ..disk }.is_volume());
        assert!(DiskInfo { kind: 0x0c, ..DiskInfo::default() }.is_volume());
        assert!(!DiskInfo { kind: u32::from(PAGING_AREA), ..DiskInfo::default() }.is_volume());
    }

    #[test]
    fn bodies_come_back() {
        let request = OpenRequest { name: DiskName::new("disk0p1"), start: 8, sectors: 0, pages: 17 };
        assert_eq!(body(&message(BLOCK_OPEN, &request), 0), Some(request));
        assert_eq!(body::<OpenRequest>(&message(BLOCK_OPEN, &7_u64), 0), None);
        assert_eq!(body::<OpenRequest>(&PortMessage::new(BLOCK_OPEN), 1), None);
    }
}
