//! Builds `kernel8.img`: the boot stage as a flat binary, and the payload behind it.
//!
//! | part                | where from                                                    |
//! |---------------------|---------------------------------------------------------------|
//! | boot stage          | the loadable segments of its ELF file, zeroed parts included  |
//! | payload             | [`payload`](crate::payload)'s header and parts                |
//! | header's image size | patched in: firmware and boot stage learn the length from it  |

mod fallback;
mod tree_writer;

use std::{fmt, vec, vec::Vec};

use elf::{ElfBytes, abi, endian::LittleEndian};

pub use fallback::raspberry_pi_4;
pub use tree_writer::TreeWriter;

use crate::payload::{HEADER_BYTES, MAGIC, PART_ALIGN, VERSION, checksum};

/// Offset of the image's size in the arm64 `Image` header.
const IMAGE_SIZE_AT: usize = 16;
/// Offset and value of that header's magic.
const IMAGE_MAGIC: (usize, &[u8]) = (56, b"ARM\x64");

/// Why the boot stage's file cannot be made an image. (Kernel and root task are not judged here: the
/// boot stage does that, with the better message.)
#[derive(Debug)]
pub enum PackError {
    /// It is no ELF file.
    Elf(elf::ParseError),
    /// A segment lies outside the file or far from the image's start.
    Segment,
    /// It does not start with an arm64 `Image` header.
    NoImageHeader,
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elf(error) => write!(f, "the boot stage is no ELF file: {error}"),
            Self::Segment => write!(f, "the boot stage's ELF file has a segment that cannot be"),
            Self::NoImageHeader => write!(f, "the boot stage does not start with an arm64 image header"),
        }
    }
}

impl std::error::Error for PackError {}

/// Builds an image from four files: the boot stage's ELF, the kernel's, the root task's, and the device
/// tree for boards whose firmware gives none ([`raspberry_pi_4`]'s if not given).
///
/// # Errors
/// [`PackError`] if `boot` is not this boot stage.
pub fn pack(boot: &[u8], kernel: &[u8], root: &[u8], tree: Option<&[u8]>) -> Result<Vec<u8>, PackError> {
    let own_tree = raspberry_pi_4();
    let mut image = flatten(boot)?;
    image.resize(image.len().next_multiple_of(PART_ALIGN), 0);
    image.extend(payload(&[kernel, root, tree.unwrap_or(&own_tree)]));
    let size = image.len() as u64;
    let (magic_at, magic) = IMAGE_MAGIC;
    if image.get(magic_at..magic_at + magic.len()) != Some(magic) {
        return Err(PackError::NoImageHeader);
    }
    let field = image.get_mut(IMAGE_SIZE_AT..IMAGE_SIZE_AT + 8).ok_or(PackError::NoImageHeader)?;
    field.copy_from_slice(&size.to_le_bytes());
    Ok(image)
}

/// The payload: header, then each part on a page.
pub(crate) fn payload(parts: &[&[u8]; 3]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    let mut entries = Vec::new();
    for part in parts {
        bytes.resize(bytes.len().next_multiple_of(PART_ALIGN), 0);
        entries.extend((bytes.len() as u64).to_le_bytes());
        entries.extend((part.len() as u64).to_le_bytes());
        entries.extend(u64::from(checksum(part)).to_le_bytes());
        bytes.extend(*part);
    }
    bytes.resize(bytes.len().next_multiple_of(PART_ALIGN), 0);
    let mut checked = (bytes.len() as u64).to_le_bytes().to_vec();
    checked.extend(entries);
    let mut header = MAGIC.to_vec();
    header.extend(VERSION.to_le_bytes());
    header.extend(checksum(&checked).to_le_bytes());
    header.extend(checked);
    bytes.splice(..HEADER_BYTES, header);
    bytes
}

/// The loadable segments of an ELF file linked at 0, as they lie in memory.
fn flatten(file: &[u8]) -> Result<Vec<u8>, PackError> {
    /// More than any boot stage.
    const LIMIT: u64 = 64 << 20;
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(PackError::Elf)?;
    let mut image = Vec::new();
    for header in elf.segments().into_iter().flatten().filter(|h| h.p_type == abi::PT_LOAD) {
        let end = header.p_vaddr.checked_add(header.p_memsz).filter(|end| *end <= LIMIT).ok_or(PackError::Segment)?;
        let contents = elf.segment_data(&header).map_err(PackError::Elf)?;
        image.resize(image.len().max(end as usize), 0);
        let at = header.p_vaddr as usize;
        image.get_mut(at..at + contents.len()).ok_or(PackError::Segment)?.copy_from_slice(contents);
    }
    Ok(image)
}

#[cfg(test)]
mod tests;
