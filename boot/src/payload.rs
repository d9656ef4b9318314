//! What the image carries behind the boot stage: kernel, root task, a device tree to fall back on.
//!
//! All numbers are little-endian. Offsets count from the payload's first byte; parts are page aligned
//! and fill the payload in order. Both checksums are CRC-32 (ISO-HDLC).
//!
//! | offset  | size | field                                                     |
//! |--------:|-----:|-----------------------------------------------------------|
//! | 0       | 8    | `TessLoad`                                                |
//! | 8       | 4    | version, 1                                                |
//! | 12      | 4    | checksum of the header's other fields (bytes 16 to 96)    |
//! | 16      | 8    | length of the whole payload                               |
//! | 24      | 3×24 | kernel, root task, device tree: offset (8), length (8), checksum (4), 0 (4) |

use crc::{CRC_32_ISO_HDLC, Crc, Table};

/// First bytes of a payload.
pub const MAGIC: [u8; 8] = *b"TessLoad";
/// The version of the layout above.
pub const VERSION: u32 = 1;
/// Size of the header.
pub const HEADER_BYTES: usize = 24 + 3 * PART_BYTES;
/// Alignment of each part.
pub const PART_ALIGN: usize = 4096;

const PART_BYTES: usize = 24;
const CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// A checked payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// The kernel's ELF file.
    pub kernel: &'a [u8],
    /// The root task's ELF file.
    pub root: &'a [u8],
    /// The device tree for a board whose firmware gives none; may be empty.
    pub device_tree: &'a [u8],
}

/// Why a payload is not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadError {
    /// There is no payload behind the boot stage.
    Missing,
    /// It has another version.
    Version(u32),
    /// The header's checksum is wrong.
    Header,
    /// It says it is longer than the image: the file was cut.
    Cut {
        /// What it should have.
        wanted: u64,
        /// What there is.
        found: u64,
    },
    /// The named part's checksum is wrong or it lies outside the payload.
    Part(&'static str),
}

/// The names of the parts in order, as messages give them.
pub const PART_NAMES: [&str; 3] = ["kernel", "root task", "device tree"];

impl<'a> Payload<'a> {
    /// Checks everything; the first failing row is what the caller sees.
    ///
    /// | # | check                                       | error     |
    /// |---|---------------------------------------------|-----------|
    /// | 1 | magic                                       | `Missing` |
    /// | 2 | version                                     | `Version` |
    /// | 3 | checksum of the header                      | `Header`  |
    /// | 4 | all of its length is there                  | `Cut`     |
    /// | 5 | each part inside, with the right checksum   | `Part`    |
    ///
    /// # Errors
    /// As the table says.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PayloadError> {
        let header = bytes.get(..HEADER_BYTES).ok_or(PayloadError::Missing)?;
        if header.get(..8) != Some(&MAGIC) {
            return Err(PayloadError::Missing);
        }
        let version = le32(header, 8).ok_or(PayloadError::Missing)?;
        if version != VERSION {
            return Err(PayloadError::Version(version));
        }
        if le32(header, 12) != header.get(16..).map(checksum) {
            return Err(PayloadError::Header);
        }
        let wanted = le64(header, 16).ok_or(PayloadError::Header)?;
        let cut = PayloadError::Cut { wanted, found: bytes.len() as u64 };
        let body = usize::try_from(wanted).ok().and_then(|len| bytes.get(..len)).ok_or(cut)?;
        let part = |i: usize| {
            let name = PART_NAMES.get(i).copied().unwrap_or_default();
            part(header, body, 24 + i * PART_BYTES).ok_or(PayloadError::Part(name))
        };
        Ok(Self { kernel: part(0)?, root: part(1)?, device_tree: part(2)? })
    }
}

/// The part that the entry at this offset of the header describes, if it is whole.
fn part<'a>(header: &[u8], body: &'a [u8], entry: usize) -> Option<&'a [u8]> {
    let offset = usize::try_from(le64(header, entry)?).ok()?;
    let len = usize::try_from(le64(header, entry + 8)?).ok()?;
    let bytes = body.get(offset..)?.get(..len)?;
    (checksum(bytes) == le32(header, entry + 16)?).then_some(bytes)
}

/// The checksum used throughout.
pub fn checksum(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests;
