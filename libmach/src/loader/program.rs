//! The headers of an ELF64 program, checked.

use core::fmt;

use elf::ElfBytes;
use elf::abi::{EM_AARCH64, ET_EXEC, PF_R, PF_W, PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;

use crate::vm::{PAGE_SIZE, VmProt};

/// Why a file is no program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadProgram {
    /// It is no ELF file of 64 bits, or its headers lie outside it.
    NotElf,
    /// It is an ELF file, but no executable of fixed addresses for AArch64.
    WrongKind,
    /// It has nothing to load.
    Empty,
    /// A segment's contents lie outside the file, or its memory is smaller than its contents, or wraps.
    BadSegment,
    /// Two segments have a page in common.
    SharedPage,
    /// The entry point is in no executable segment.
    BadEntry,
}

impl fmt::Display for BadProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotElf => "not an ELF file of 64 bits",
            Self::WrongKind => "not an AArch64 executable of fixed addresses",
            Self::Empty => "no segment to load",
            Self::BadSegment => "a segment does not fit its file or its memory",
            Self::SharedPage => "two segments have a page in common",
            Self::BadEntry => "the entry point is in no executable segment",
        })
    }
}

impl core::error::Error for BadProgram {}

/// A part of a program: memory that begins with contents from the file and goes on with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Where it starts.
    pub address: u64,
    /// Its contents.
    pub data: &'a [u8],
    /// The bytes of memory, contents included.
    pub memory: u64,
    /// What the task may do with it.
    pub protection: VmProt,
}

impl Segment<'_> {
    /// The pages that it touches: address and bytes.
    #[must_use]
    pub fn pages(&self) -> (u64, u64) {
        let start = self.address & !(PAGE_SIZE - 1);
        let end = (self.address + self.memory).next_multiple_of(PAGE_SIZE);
        (start, end - start)
    }
}

/// A program whose headers were checked.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    file: &'a [u8],
    headers: elf::segment::SegmentTable<'a, LittleEndian>,
    entry: u64,
}

impl<'a> Program<'a> {
    /// Reads and checks the headers of `file`.
    ///
    /// # Errors
    ///
    /// [`BadProgram`], in the order of its variants.
    pub fn parse(file: &'a [u8]) -> Result<Self, BadProgram> {
        let parsed = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| BadProgram::NotElf)?;
        if parsed.ehdr.class != elf::file::Class::ELF64 {
            return Err(BadProgram::NotElf);
        }
        if parsed.ehdr.e_machine != EM_AARCH64 || parsed.ehdr.e_type != ET_EXEC {
            return Err(BadProgram::WrongKind);
        }
        let headers = parsed.segments().ok_or(BadProgram::Empty)?;
        let program = Self { file, headers, entry: parsed.ehdr.e_entry };
        program.check()?;
        Ok(program)
    }

    fn check(&self) -> Result<(), BadProgram> {
        if self.loadable().next().is_none() {
            return Err(BadProgram::Empty);
        }
        if self.loadable().any(|header| self.segment(&header).is_none()) {
            return Err(BadProgram::BadSegment);
        }
        for (index, one) in self.segments().enumerate() {
            let (start, size) = one.pages();
            let overlaps = |(other, other_size)| start < other + other_size && other < start + size;
            if self.segments().skip(index + 1).any(|other| overlaps(other.pages())) {
                return Err(BadProgram::SharedPage);
            }
        }
        let enters = |segment: Segment<'_>| {
            let inside = segment.address..segment.address + segment.memory;
            segment.protection.contains(VmProt::EXECUTE) && inside.contains(&self.entry)
        };
        if self.segments().any(enters) { Ok(()) } else { Err(BadProgram::BadEntry) }
    }

    fn loadable(&self) -> impl Iterator<Item = ProgramHeader> + use<'a> {
        self.headers.iter().filter(|header| header.p_type == PT_LOAD && header.p_memsz != 0)
    }

    /// The segment of a header; `None` if its numbers make no sense.
    fn segment(&self, header: &ProgramHeader) -> Option<Segment<'a>> {
        let offset = usize::try_from(header.p_offset).ok()?;
        let len = usize::try_from(header.p_filesz).ok()?;
        let data = self.file.get(offset..offset.checked_add(len)?)?;
        let end = header.p_vaddr.checked_add(header.p_memsz)?.checked_next_multiple_of(PAGE_SIZE)?;
        if header.p_memsz < header.p_filesz || end == 0 {
            return None;
        }
        let mut protection = VmProt::NONE;
        protection.set(VmProt::READ, header.p_flags & PF_R != 0);
        protection.set(VmProt::WRITE, header.p_flags & PF_W != 0);
        protection.set(VmProt::EXECUTE, header.p_flags & PF_X != 0);
        Some(Segment { address: header.p_vaddr, data, memory: header.p_memsz, protection })
    }

    /// The segments to load.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> {
        self.loadable().filter_map(|header| self.segment(&header))
    }

    /// Where the program starts.
    #[must_use]
    pub fn entry(&self) -> u64 {
        self.entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: usize = 64;
    const ENTRY: usize = 56;

    /// Numbers of a program header: type, flags, offset, address, bytes in the file, bytes in memory.
    type Numbers = (u32, u32, u64, u64, u64, u64);

    const TEXT: Numbers = (PT_LOAD, PF_R | PF_X, 0x200, 0x40_0000, 0x10, 0x10);
    const DATA: Numbers = (PT_LOAD, PF_R | PF_W, 0x210, 0x40_1010, 0x8, 0x2000);

    fn file(machine: u16, entry: u64, segments: &[Numbers]) -> Vec<u8> {
        let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
        file.resize(16, 0);
        file.extend(2_u16.to_le_bytes());
        file.extend(machine.to_le_bytes());
        file.extend(1_u32.to_le_bytes());
        for word in [entry, HEADER as u64, 0] {
            file.extend(word.to_le_bytes());
        }
        file.extend([0; 4]);
        for half in [HEADER as u16, ENTRY as u16, segments.len() as u16, 0, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        for (kind, flags, offset, address, in_file, in_memory) in segments {
            file.extend(kind.to_le_bytes());
            file.extend(flags.to_le_bytes());
            for word in [offset, address, address, in_file, in_memory, &0x1000] {
                file.extend(word.to_le_bytes());
            }
        }
        file.resize(0x200, 0);
        file.extend((0..0x18).map(|byte: u8| byte));
        file
    }

    #[test]
    fn segments_come_with_pages_contents_and_protection() {
        let file = file(183, 0x40_0004, &[TEXT, (6, 0, 0, 0, 0, 0), DATA]);
        let program = Program::parse(&file).unwrap();
        let segments: Vec<_> = program.segments().collect();
        assert_eq!(segments.len(), 2);
        assert_eq!(segments[0].protection, VmProt::READ | VmProt::EXECUTE);
        assert_eq!(segments[0].pages(), (0x40_0000, 0x1000));
        assert_eq!(segments[1].protection, VmProt::DEFAULT);
        assert_eq!(segments[1].pages(), (0x40_1000, 0x3000));
        assert_eq!(segments[1].data, (0x10..0x18).collect::<Vec<u8>>());
        assert_eq!(program.entry(), 0x40_0004);
    }

    #[test]
    fn each_mistake_has_its_answer() {
        let bad = |file: Vec<u8>| Program::parse(&file).err();
        assert_eq!(bad(vec![]), Some(BadProgram::NotElf));
        assert_eq!(bad(file(183, 0x40_0004, &[TEXT])[..70].to_vec()), Some(BadProgram::NotElf));
        assert_eq!(bad(file(62, 0x40_0004, &[TEXT])), Some(BadProgram::WrongKind));
        assert_eq!(bad(file(183, 0, &[])), Some(BadProgram::Empty));
        assert_eq!(bad(file(183, 0, &[(6, 0, 0, 0, 0, 8)])), Some(BadProgram::Empty));
        let (kind, flags, offset, address, in_file, in_memory) = TEXT;
        let with = |offset, address, in_file, in_memory| {
            bad(file(183, 0x40_0004, &[(kind, flags, offset, address, in_file, in_memory)]))
        };
        assert_eq!(with(0x209, address, in_file, in_memory), Some(BadProgram::BadSegment));
        assert_eq!(with(u64::MAX, address, in_file, in_memory), Some(BadProgram::BadSegment));
        assert_eq!(with(offset, address, in_file, 0xf), Some(BadProgram::BadSegment));
        assert_eq!(with(offset, u64::MAX, in_file, in_memory), Some(BadProgram::BadSegment));
        assert_eq!(with(offset, address, u64::MAX, u64::MAX), Some(BadProgram::BadSegment));
        assert_eq!(bad(file(183, 0x40_0004, &[TEXT, TEXT])), Some(BadProgram::SharedPage));
        assert_eq!(bad(file(183, 0x40_0010, &[TEXT, DATA])), Some(BadProgram::BadEntry));
        assert_eq!(bad(file(183, 0x40_1010, &[TEXT, DATA])), Some(BadProgram::BadEntry));
    }

    #[test]
    fn no_file_of_random_changes_breaks_the_parser() {
        let good = file(183, 0x40_0004, &[TEXT, DATA]);
        for index in 0..HEADER + 2 * ENTRY {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = good.clone();
                changed[index] = value;
                if let Ok(program) = Program::parse(&changed) {
                    assert!(program.segments().all(|segment| segment.data.len() as u64 <= segment.memory));
                }
            }
        }
    }
}
