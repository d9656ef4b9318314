//! Changes to ELF files: dropping what is never loaded, and giving root its boot archive.
//!
//! Only little-endian 64-bit files for AArch64 are taken. Reading goes through `object`; the few words that
//! change are written at the offsets that the ELF specification gives them.

use anyhow::{Context, Result, bail};
use object::elf::{EM_AARCH64, FileHeader64, PF_R, PF_W, PT_LOAD, ProgramHeader64};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol};

/// The symbol in root that tells it where its archive is: address and size, a word each.
const ARCHIVE_SYMBOL: &str = "BOOT_ARCHIVE";

const PAGE: u64 = 4096;
const LE: LittleEndian = LittleEndian;

/// Offsets in the file header.
const E_PHOFF: usize = 0x20;
const E_SHOFF: usize = 0x28;
const E_PHNUM: usize = 0x38;
const E_SHENTSIZE: usize = 0x3a;
const E_SHNUM: usize = 0x3c;
const E_SHSTRNDX: usize = 0x3e;
/// Size of a program header.
const PH_SIZE: usize = 56;

type Elf<'a> = ElfFile64<'a, LittleEndian>;

/// Opens an ELF file for AArch64.
pub(crate) fn open(bytes: &[u8]) -> Result<Elf<'_>> {
    let elf = Elf::parse(bytes).context("not a little-endian 64-bit ELF file")?;
    let machine = elf.elf_header().e_machine(LE);
    if machine != EM_AARCH64 {
        bail!("an ELF file for machine {machine}, not for AArch64");
    }
    Ok(elf)
}

/// Drops sections, symbols and debug information: what is behind the last byte that is loaded.
pub(crate) fn strip(bytes: &[u8]) -> Result<Vec<u8>> {
    let elf = open(bytes)?;
    let header = elf.elf_header();
    let table_end = header.e_phoff.get(LE) + u64::from(header.e_phnum.get(LE)) * PH_SIZE as u64;
    let end = elf
        .elf_program_headers()
        .iter()
        .map(|h| h.p_offset(LE) + h.p_filesz(LE))
        .fold(table_end.max(size_of::<FileHeader64<LittleEndian>>() as u64), u64::max);
    let mut out = bytes.get(..usize::try_from(end)?).context("the ELF file is cut short")?.to_vec();
    put(&mut out, E_SHOFF, &0_u64.to_le_bytes())?;
    for at in [E_SHENTSIZE, E_SHNUM, E_SHSTRNDX] {
        put(&mut out, at, &0_u16.to_le_bytes())?;
    }
    Ok(out)
}

/// Appends `archive` to root's ELF as one more loadable segment and tells root where it is.
pub(crate) fn with_archive(root: &[u8], archive: &[u8]) -> Result<Vec<u8>> {
    let (words, end, headers) = {
        let elf = open(root)?;
        let end = loads(&elf).map(|h| h.p_vaddr(LE) + h.p_memsz(LE)).max().context("root has no loadable segment")?;
        (archive_words(&elf)?, end.next_multiple_of(PAGE), elf.elf_program_headers().to_vec())
    };
    let physical = {
        let elf = open(root)?;
        let last = loads(&elf).max_by_key(|h| h.p_vaddr(LE)).context("root has no loadable segment")?;
        end.wrapping_sub(last.p_vaddr(LE)).wrapping_add(last.p_paddr(LE))
    };
    // The words are patched first: in the original file their offset is known.
    let mut out = root.to_vec();
    put(&mut out, words, &end.to_le_bytes())?;
    put(&mut out, words + 8, &(archive.len() as u64).to_le_bytes())?;
    let mut out = strip(&out)?;

    out.resize(out.len().next_multiple_of(8), 0);
    let table = out.len();
    for header in &headers {
        out.extend_from_slice(&encode(header));
    }
    let size = archive.len() as u64;
    let offset = (table + (headers.len() + 1) * PH_SIZE).next_multiple_of(PAGE as usize);
    let mut segment = Vec::with_capacity(PH_SIZE);
    segment.extend_from_slice(&PT_LOAD.0.to_le_bytes());
    segment.extend_from_slice(&(PF_R | PF_W).0.to_le_bytes());
    for word in [offset as u64, end, physical, size, size, PAGE] {
        segment.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&segment);
    out.resize(offset, 0);
    out.extend_from_slice(archive);
    put(&mut out, E_PHOFF, &(table as u64).to_le_bytes())?;
    put(&mut out, E_PHNUM, &u16::try_from(headers.len() + 1)?.to_le_bytes())?;
    Ok(out)
}

/// The loadable segments.
fn loads<'a>(elf: &'a Elf<'_>) -> impl Iterator<Item = &'a ProgramHeader64<LittleEndian>> {
    elf.elf_program_headers().iter().filter(|h| h.p_type(LE) == PT_LOAD && h.p_memsz(LE) > 0)
}

/// Offset in the file of the two words behind [`ARCHIVE_SYMBOL`].
fn archive_words(elf: &Elf<'_>) -> Result<usize> {
    let symbol = elf
        .symbols()
        .find(|s| s.name() == Ok(ARCHIVE_SYMBOL))
        .with_context(|| format!("root has no symbol {ARCHIVE_SYMBOL}"))?;
    let section = symbol.section_index().context("the symbol is in no section")?;
    let section = elf.section_by_index(section)?;
    let (start, size) = section.file_range().with_context(|| {
        format!("{ARCHIVE_SYMBOL} is in {}, which is not in the file", section.name().unwrap_or("?"))
    })?;
    let inside = symbol.address().checked_sub(section.address()).filter(|at| at + 16 <= size);
    let inside = inside.with_context(|| format!("{ARCHIVE_SYMBOL} is not two words long"))?;
    Ok(usize::try_from(start + inside)?)
}

/// A program header as it stands in a file.
fn encode(header: &ProgramHeader64<LittleEndian>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PH_SIZE);
    bytes.extend_from_slice(&header.p_type(LE).0.to_le_bytes());
    bytes.extend_from_slice(&header.p_flags(LE).0.to_le_bytes());
    let words = [
        header.p_offset(LE),
        header.p_vaddr(LE),
        header.p_paddr(LE),
        header.p_filesz(LE),
        header.p_memsz(LE),
        header.p_align(LE),
    ];
    for word in words {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) -> Result<()> {
    bytes.get_mut(at..at + new.len()).context("the ELF file is cut short")?.copy_from_slice(new);
    Ok(())
}
