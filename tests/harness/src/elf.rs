//! Changes to ELF files: dropping what is never loaded, and giving root its boot archive.
//!
//! Only little-endian 64-bit files for AArch64 are taken. Reading goes through the crate `elf`; the few words
//! that change are written at the offsets that the ELF specification gives them.

use anyhow::{Context, Result, bail};
use elf::ElfBytes;
use elf::abi::{EM_AARCH64, PF_R, PF_W, PT_LOAD};
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::segment::ProgramHeader;

/// The symbol in root that tells it where its archive is: address and size, a word each.
const ARCHIVE_SYMBOL: &str = "BOOT_ARCHIVE";

const PAGE: u64 = 4096;

/// Offsets in the file header.
const E_PHOFF: usize = 0x20;
const E_SHOFF: usize = 0x28;
const E_PHNUM: usize = 0x38;
const E_SHENTSIZE: usize = 0x3a;
const E_SHNUM: usize = 0x3c;
const E_SHSTRNDX: usize = 0x3e;
/// Sizes of the file header and of a program header.
const EH_SIZE: u64 = 64;
const PH_SIZE: usize = 56;

/// A checked file.
pub(crate) type Elf<'a> = ElfBytes<'a, LittleEndian>;

/// Opens an ELF file for AArch64.
pub(crate) fn open(bytes: &[u8]) -> Result<Elf<'_>> {
    let elf = Elf::minimal_parse(bytes).context("not a little-endian ELF file")?;
    if elf.ehdr.class != Class::ELF64 || elf.ehdr.e_machine != EM_AARCH64 {
        bail!("an ELF file, but not for 64-bit AArch64");
    }
    Ok(elf)
}

/// Drops sections, symbols and debug information: what is behind the last byte that is loaded.
pub(crate) fn strip(bytes: &[u8]) -> Result<Vec<u8>> {
    let elf = open(bytes)?;
    let table_end = elf.ehdr.e_phoff + u64::from(elf.ehdr.e_phnum) * PH_SIZE as u64;
    let end = segments(&elf)?.iter().map(|h| h.p_offset + h.p_filesz).fold(table_end.max(EH_SIZE), u64::max);
    let mut out = bytes.get(..usize::try_from(end)?).context("the ELF file is cut short")?.to_vec();
    put(&mut out, E_SHOFF, &0_u64.to_le_bytes())?;
    for at in [E_SHENTSIZE, E_SHNUM, E_SHSTRNDX] {
        put(&mut out, at, &0_u16.to_le_bytes())?;
    }
    Ok(out)
}

/// Appends `archive` to root's ELF as one more loadable segment and tells root where it is.
pub(crate) fn with_archive(root: &[u8], archive: &[u8]) -> Result<Vec<u8>> {
    let elf = open(root)?;
    let headers = segments(&elf)?;
    let last = headers.iter().filter(|h| h.p_type == PT_LOAD && h.p_memsz > 0).max_by_key(|h| h.p_vaddr);
    let last = last.context("root has no loadable segment")?;
    let address = (last.p_vaddr + last.p_memsz).next_multiple_of(PAGE);
    let size = archive.len() as u64;

    // The words are patched first: in the original file their offset is known.
    let words = archive_words(&elf)?;
    let mut out = root.to_vec();
    put(&mut out, words, &address.to_le_bytes())?;
    put(&mut out, words + 8, &size.to_le_bytes())?;
    let mut out = strip(&out)?;

    // A longer table of segments, the archive on the next page of the file.
    out.resize(out.len().next_multiple_of(8), 0);
    let table = out.len();
    let offset = (table + (headers.len() + 1) * PH_SIZE).next_multiple_of(PAGE as usize);
    let segment = ProgramHeader {
        p_type: PT_LOAD,
        p_offset: offset as u64,
        p_vaddr: address,
        p_paddr: address.wrapping_sub(last.p_vaddr).wrapping_add(last.p_paddr),
        p_filesz: size,
        p_memsz: size,
        p_flags: PF_R | PF_W,
        p_align: PAGE,
    };
    for header in headers.iter().chain([&segment]) {
        encode(header, &mut out);
    }
    out.resize(offset, 0);
    out.extend_from_slice(archive);
    put(&mut out, E_PHOFF, &(table as u64).to_le_bytes())?;
    put(&mut out, E_PHNUM, &u16::try_from(headers.len() + 1)?.to_le_bytes())?;
    Ok(out)
}

/// Replaces the instructions at a program's entry point.
pub(crate) fn set_first_instructions(bytes: &mut [u8], instructions: &[u32]) -> Result<()> {
    let elf = open(bytes)?;
    let entry = elf.ehdr.e_entry;
    let holds = |s: &ProgramHeader| (s.p_vaddr..s.p_vaddr + s.p_filesz).contains(&entry);
    let segment = segments(&elf)?.into_iter().find(holds).context("no segment holds the entry point")?;
    let at = usize::try_from(segment.p_offset + (entry - segment.p_vaddr))?;
    put(bytes, at, &instructions.iter().flat_map(|i| i.to_le_bytes()).collect::<Vec<_>>())
}

fn segments(elf: &Elf<'_>) -> Result<Vec<ProgramHeader>> {
    Ok(elf.segments().context("an ELF file without segments")?.iter().collect())
}

/// Offset in the file of the two words behind [`ARCHIVE_SYMBOL`].
fn archive_words(elf: &Elf<'_>) -> Result<usize> {
    let (symbols, names) = elf.symbol_table()?.context("root has no symbols")?;
    let symbol = symbols.iter().find(|s| names.get(s.st_name as usize).is_ok_and(|n| n == ARCHIVE_SYMBOL));
    let address = symbol.with_context(|| format!("root has no symbol {ARCHIVE_SYMBOL}"))?.st_value;
    let holder = segments(elf)?.into_iter().filter(|h| h.p_type == PT_LOAD).find_map(|h| {
        let inside = address.checked_sub(h.p_vaddr)?;
        (inside + 16 <= h.p_filesz).then_some(h.p_offset + inside)
    });
    let offset = holder.with_context(|| format!("{ARCHIVE_SYMBOL} is not in the file: it must be in .data"))?;
    Ok(usize::try_from(offset)?)
}

/// Writes a program header as it stands in a file.
fn encode(header: &ProgramHeader, out: &mut Vec<u8>) {
    out.extend_from_slice(&header.p_type.to_le_bytes());
    out.extend_from_slice(&header.p_flags.to_le_bytes());
    let ProgramHeader { p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align, .. } = *header;
    for word in [p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align] {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) -> Result<()> {
    bytes.get_mut(at..at + new.len()).context("the ELF file is cut short")?.copy_from_slice(new);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one segment of 16 loaded bytes at 0x400000 (32 in memory) and something behind it.
    fn small() -> Vec<u8> {
        let mut file = vec![0; EH_SIZE as usize];
        file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        file[0x10..0x12].copy_from_slice(&2_u16.to_le_bytes());
        file[0x12..0x14].copy_from_slice(&EM_AARCH64.to_le_bytes());
        file[0x14] = 1;
        file[E_PHOFF] = EH_SIZE as u8;
        file[0x34] = EH_SIZE as u8;
        file[0x36] = PH_SIZE as u8;
        file[E_PHNUM] = 1;
        let loaded = ProgramHeader {
            p_type: PT_LOAD,
            p_offset: 120,
            p_vaddr: 0x40_0000,
            p_paddr: 0x1000,
            p_filesz: 16,
            p_memsz: 32,
            p_flags: PF_R,
            p_align: PAGE,
        };
        encode(&loaded, &mut file);
        file.extend_from_slice(b"sixteen bytes ok");
        file.extend_from_slice(b"never loaded");
        file
    }

    #[test]
    fn what_is_not_loaded_goes() {
        let out = strip(&small()).expect("is right");
        assert_eq!(out.len(), 136);
        assert!(out.ends_with(b"sixteen bytes ok"));
    }

    #[test]
    fn a_root_that_cannot_take_an_archive_says_why() {
        let error = with_archive(&small(), b"x").expect_err("has no symbols").to_string();
        assert!(error.contains("no symbols"), "{error}");
    }

    #[test]
    fn other_files_are_refused() {
        assert!(open(b"#!/bin/sh").is_err());
        let mut other = small();
        other[0x12] = 62;
        assert!(open(&other).is_err());
    }
}
