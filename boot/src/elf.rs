//! ELF files as the boot stage sees them: a few pieces to copy, an entry point, perhaps a note.
//!
//! Parsing is the `elf` crate's; this module checks what a loader relies on and the format does not
//! promise.

use elf::{ElfBytes, abi, endian::LittleEndian, note::Note, segment::ProgramHeader};
use handoff::KernelNote;

use crate::machine::PAGE;

/// Why a file cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElfError {
    /// Not a 64-bit little-endian ELF file, or its tables are damaged.
    Format,
    /// For another machine (its number).
    Machine(u16),
    /// Not an executable with fixed addresses (its type).
    Type(u16),
    /// Nothing to load.
    NoSegments,
    /// A segment reaches beyond the end of the address space.
    TooLarge,
    /// A segment is larger in the file than in memory, or not in the file.
    Segment,
    /// The entry point is in no executable segment.
    Entry(u64),
    /// A kernel whose segments differ in the distance of virtual and physical address, or whose
    /// distance is not a multiple of 2 MiB.
    Distance,
    /// A kernel that is linked in the lower half of the address space, as those for EL2 are; its virtual base.
    LowerHalf(u64),
    /// A kernel that reaches beyond the GiB of its virtual base, which is all that the tables map.
    Span,
    /// A kernel that wants a hand-off of this other version.
    HandoffVersion(u32),
}

/// A file that can be loaded into one contiguous range.
#[derive(Debug)]
pub struct Image<'a> {
    file: ElfBytes<'a, LittleEndian>,
    bytes: &'a [u8],
    /// First virtual address, on a page.
    pub virt_base: u64,
    /// Bytes from there to the end of the last segment, in whole pages.
    pub size: u64,
    /// Virtual address of the first instruction.
    pub entry: u64,
}

/// A piece of an image: bytes to copy, the rest of its memory is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Distance from the image's base.
    pub offset: u64,
    /// What to copy there.
    pub bytes: &'a [u8],
}

/// Where a kernel may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelAddress {
    /// To this physical address alone (seL4's kernels).
    Fixed(u64),
    /// To any physical address that is this much above a multiple of 2 MiB; it wants a hand-off.
    Anywhere {
        /// The virtual base modulo 2 MiB.
        above_block: u64,
    },
}

/// Size of the blocks by which the kernel is mapped at its entry.
pub const BLOCK: u64 = 2 << 20;
const GIB: u64 = 1 << 30;
/// The first virtual address that `TTBR1_EL1` translates.
const UPPER_HALF: u64 = 0xffff << 48;

impl<'a> Image<'a> {
    /// Checks a file; the first failing row is what the caller sees.
    ///
    /// | # | check                                                        | error        |
    /// |---|--------------------------------------------------------------|--------------|
    /// | 1 | 64-bit little-endian ELF with program headers                | `Format`     |
    /// | 2 | for AArch64                                                  | `Machine`    |
    /// | 3 | an executable with fixed addresses                           | `Type`       |
    /// | 4 | a segment to load                                            | `NoSegments` |
    /// | 5 | each: ends inside the address space                          | `TooLarge`   |
    /// | 6 | each: not more bytes than memory, all of them in the file    | `Segment`    |
    /// | 7 | entry point in an executable segment                         | `Entry`      |
    ///
    /// # Errors
    /// As the table says.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ElfError> {
        let file = ElfBytes::<LittleEndian>::minimal_parse(bytes).map_err(|_| ElfError::Format)?;
        if file.ehdr.class != elf::file::Class::ELF64 {
            return Err(ElfError::Format);
        }
        if file.ehdr.e_machine != abi::EM_AARCH64 {
            return Err(ElfError::Machine(file.ehdr.e_machine));
        }
        if file.ehdr.e_type != abi::ET_EXEC {
            return Err(ElfError::Type(file.ehdr.e_type));
        }
        let entry = file.ehdr.e_entry;
        let mut image = Self { file, bytes, virt_base: 0, size: 0, entry };
        let mut span: Option<(u64, u64)> = None;
        for header in image.loads() {
            let end = end_of(&header).ok_or(ElfError::TooLarge)?;
            if header.p_filesz > header.p_memsz || image.contents(&header).is_none() {
                return Err(ElfError::Segment);
            }
            let (low, high) = span.unwrap_or((header.p_vaddr, end));
            span = Some((low.min(header.p_vaddr), high.max(end)));
        }
        let (low, high) = span.ok_or(ElfError::NoSegments)?;
        image.virt_base = low & !(PAGE - 1);
        image.size = high.next_multiple_of(PAGE) - image.virt_base;
        let holds_entry =
            |h: &ProgramHeader| h.p_flags & abi::PF_X != 0 && (h.p_vaddr..h.p_vaddr + h.p_memsz).contains(&image.entry);
        if !image.loads().any(|h| holds_entry(&h)) {
            return Err(ElfError::Entry(image.entry));
        }
        Ok(image)
    }

    /// The pieces to copy, in the file's order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> + '_ {
        self.loads()
            .filter_map(|h| Some(Segment { offset: h.p_vaddr.checked_sub(self.virt_base)?, bytes: self.contents(&h)? }))
    }

    /// Where this image may go, taken as a kernel; checks what only kernels must keep.
    ///
    /// # Errors
    /// `LowerHalf`, `Span`, `HandoffVersion` or `Distance`, in this order.
    pub fn kernel_address(&self) -> Result<KernelAddress, ElfError> {
        if self.virt_base < UPPER_HALF {
            return Err(ElfError::LowerHalf(self.virt_base));
        }
        if self.virt_base % GIB + self.size > GIB {
            return Err(ElfError::Span);
        }
        match self.handoff_version() {
            Some(handoff::VERSION) => Ok(KernelAddress::Anywhere { above_block: self.virt_base % BLOCK }),
            Some(other) => Err(ElfError::HandoffVersion(other)),
            None => {
                let mut distances = self.loads().map(|h| h.p_vaddr.wrapping_sub(h.p_paddr));
                let first = distances.next().ok_or(ElfError::NoSegments)?;
                if !first.is_multiple_of(BLOCK) || distances.any(|d| d != first) {
                    return Err(ElfError::Distance);
                }
                Ok(KernelAddress::Fixed(self.virt_base.wrapping_sub(first)))
            }
        }
    }

    /// The version of the hand-off that the file's note asks for, if it has Tessera's note.
    fn handoff_version(&self) -> Option<u32> {
        let headers = self.file.segments()?;
        headers.iter().filter(|h| h.p_type == abi::PT_NOTE).find_map(|h| {
            let notes = self.file.segment_data_as_notes(&h).ok()?;
            notes.into_iter().find_map(|note| match note {
                Note::Unknown(note) if is_kernel_note(note.name, note.n_type) => {
                    Some(u32::from_le_bytes(*note.desc.first_chunk()?))
                }
                _ => None,
            })
        })
    }

    fn loads(&self) -> impl Iterator<Item = ProgramHeader> + use<'a> {
        let headers = self.file.segments();
        headers.into_iter().flatten().filter(|h| h.p_type == abi::PT_LOAD && h.p_memsz != 0)
    }

    fn contents(&self, header: &ProgramHeader) -> Option<&'a [u8]> {
        let start = usize::try_from(header.p_offset).ok()?;
        self.bytes.get(start..)?.get(..usize::try_from(header.p_filesz).ok()?)
    }
}

fn is_kernel_note(name: &[u8], kind: u64) -> bool {
    let name = name.strip_suffix(b"\0").unwrap_or(name);
    name == KernelNote::OWNER.as_bytes() && kind == u64::from(KernelNote::KIND)
}

/// The end of a segment, if the address space has room for it in whole pages.
fn end_of(header: &ProgramHeader) -> Option<u64> {
    header.p_vaddr.checked_add(header.p_memsz).filter(|end| end.checked_next_multiple_of(PAGE).is_some())
}

#[cfg(test)]
mod tests;
