//! Each row of the tables, on ELF files made here.

use std::{vec, vec::Vec};

use proptest::{collection, prelude::*};

use super::*;

/// A segment of a made-up file.
#[derive(Clone)]
struct Part {
    kind: u32,
    flags: u32,
    virt: u64,
    phys: u64,
    contents: Vec<u8>,
    mem_size: u64,
}

impl Part {
    fn load(virt: u64, phys: u64, contents: &[u8], mem_size: u64) -> Self {
        Self { kind: abi::PT_LOAD, flags: abi::PF_R | abi::PF_X, virt, phys, contents: contents.to_vec(), mem_size }
    }

    fn note(version: u32) -> Self {
        let mut contents: Vec<u8> = [8_u32, 4, KernelNote::KIND].iter().flat_map(|w| w.to_le_bytes()).collect();
        contents.extend(b"Tessera\0");
        contents.extend(version.to_le_bytes());
        Self { kind: abi::PT_NOTE, flags: 0, virt: 0, phys: 0, mem_size: contents.len() as u64, contents }
    }
}

/// Writes an ELF file with these segments.
struct Made {
    kind: u16,
    machine: u16,
    entry: u64,
    parts: Vec<Part>,
}

impl Made {
    fn new(entry: u64, parts: &[Part]) -> Self {
        Self { kind: abi::ET_EXEC, machine: abi::EM_AARCH64, entry, parts: parts.to_vec() }
    }

    fn file(&self) -> Vec<u8> {
        let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let halves = |file: &mut Vec<u8>, list: &[u16]| list.iter().for_each(|h| file.extend(h.to_le_bytes()));
        halves(&mut file, &[self.kind, self.machine, 1, 0]);
        [self.entry, 64, 0].iter().for_each(|w| file.extend(w.to_le_bytes()));
        halves(&mut file, &[0, 0, 64, 56, self.parts.len() as u16, 0, 0, 0]);
        let mut at = 64 + 56 * self.parts.len() as u64;
        for part in &self.parts {
            [part.kind, part.flags].iter().for_each(|w| file.extend(w.to_le_bytes()));
            let len = part.contents.len() as u64;
            [at, part.virt, part.phys, len, part.mem_size, 4].iter().for_each(|w| file.extend(w.to_le_bytes()));
            at += len;
        }
        self.parts.iter().for_each(|part| file.extend(&part.contents));
        file
    }
}

fn parse(made: &Made) -> Result<(u64, u64, u64), ElfError> {
    Image::parse(&made.file()).map(|image| (image.virt_base, image.size, image.entry))
}

fn kernel(entry: u64, parts: &[Part]) -> Result<KernelAddress, ElfError> {
    Image::parse(&Made::new(entry, parts).file())?.kernel_address()
}

fn simple() -> Part {
    Part::load(0x40_0010, 0x40_0010, b"code", 0x1000)
}

#[test]
fn an_image_is_whole_pages_around_its_segments() {
    let data = Part::load(0x40_5000, 0x40_5000, b"data!", 0x2001);
    let made = Made::new(0x40_0010, &[simple(), data]);
    assert_eq!(parse(&made), Ok((0x40_0000, 0x8000, 0x40_0010)));
    let file = made.file();
    let image = Image::parse(&file).unwrap();
    let segments: Vec<_> = image.segments().map(|s| (s.offset, s.bytes)).collect();
    assert_eq!(segments, [(0x10, &b"code"[..]), (0x5000, &b"data!"[..])]);
}

#[test]
fn err01_format() {
    let good = Made::new(0x40_0010, &[simple()]).file();
    for damage in [0, 4, 5] {
        let mut file = good.clone();
        file[damage] ^= 3;
        assert_eq!(Image::parse(&file).err(), Some(ElfError::Format), "byte {damage}");
    }
    assert_eq!(Image::parse(&good[..80]).err(), Some(ElfError::Format), "headers cut");
    assert_eq!(Image::parse(b"").err(), Some(ElfError::Format));
}

#[test]
fn err02_machine_and_err03_type() {
    assert_eq!(parse(&Made { machine: 62, ..Made::new(0x40_0010, &[simple()]) }), Err(ElfError::Machine(62)));
    assert_eq!(parse(&Made { kind: abi::ET_DYN, ..Made::new(0x40_0010, &[simple()]) }), Err(ElfError::Type(3)));
}

#[test]
fn err04_no_segments() {
    assert_eq!(parse(&Made::new(0, &[])), Err(ElfError::NoSegments));
    assert_eq!(parse(&Made::new(0, &[Part::note(1)])), Err(ElfError::NoSegments));
}

#[test]
fn err05_too_large() {
    let wraps = Part { virt: u64::MAX - 10, ..simple() };
    assert_eq!(parse(&Made::new(0x40_0010, &[wraps])), Err(ElfError::TooLarge));
    let last_page = Part { virt: u64::MAX - 0x1000, ..simple() };
    assert_eq!(parse(&Made::new(u64::MAX - 0x1000, &[last_page])), Err(ElfError::TooLarge), "no room to round up");
}

#[test]
fn err06_segment() {
    assert_eq!(parse(&Made::new(0x40_0010, &[Part { mem_size: 3, ..simple() }])), Err(ElfError::Segment));
    let mut cut = Made::new(0x40_0010, &[simple()]).file();
    cut.pop();
    assert_eq!(Image::parse(&cut).err(), Some(ElfError::Segment));
}

#[test]
fn err07_entry() {
    assert_eq!(parse(&Made::new(0x40_000f, &[simple()])), Err(ElfError::Entry(0x40_000f)));
    assert_eq!(parse(&Made::new(0x40_1010, &[simple()])), Err(ElfError::Entry(0x40_1010)));
    let data = Part { flags: abi::PF_R, ..simple() };
    assert_eq!(parse(&Made::new(0x40_0010, &[data])), Err(ElfError::Entry(0x40_0010)));
}

const SEL4: u64 = 0xffff_ff80_4000_0000;
const TESSERA: u64 = 0xffff_ffff_c000_0000;

#[test]
fn a_kernel_without_a_note_goes_where_it_says() {
    assert_eq!(kernel(SEL4, &[Part::load(SEL4, 0x4000_0000, b"k", 1)]), Ok(KernelAddress::Fixed(0x4000_0000)));
    let pi = Part::load(0xffff_ff80_0000_1000, 0x1000, b"k", 1);
    assert_eq!(kernel(pi.virt, &[pi]), Ok(KernelAddress::Fixed(0x1000)));
}

#[test]
fn a_kernel_with_the_note_goes_anywhere() {
    let anywhere = |virt: u64| kernel(virt, &[Part::load(virt, virt, b"k", 1), Part::note(handoff::VERSION)]);
    assert_eq!(anywhere(TESSERA), Ok(KernelAddress::Anywhere { above_block: 0 }));
    assert_eq!(anywhere(TESSERA + 0x1_2000), Ok(KernelAddress::Anywhere { above_block: 0x1_2000 }));
}

#[test]
fn the_note_of_the_handoff_crate_is_read() {
    // `Part::note` spells the note's bytes out; this ties them to the structure that kernels use.
    assert_eq!(size_of::<KernelNote>(), Part::note(0).contents.len());
    assert!(is_kernel_note(b"Tessera\0", 1) && is_kernel_note(b"Tessera", 1));
    assert!(!is_kernel_note(b"Tessera\0", 2) && !is_kernel_note(b"GNU\0", 1));
}

#[test]
fn err_kernels() {
    let for_el2 = Part::load(0x80_6000_0000, 0x6000_0000, b"k", 1);
    assert_eq!(kernel(for_el2.virt, &[for_el2]), Err(ElfError::LowerHalf(0x80_6000_0000)));
    assert_eq!(kernel(SEL4, &[Part::load(SEL4, 0x4000_1000, b"k", 1)]), Err(ElfError::Distance));
    let two = [Part::load(SEL4, 0x4000_0000, b"k", 1), Part::load(SEL4 + 0x1000, 0x4800_1000, b"k", 1)];
    assert_eq!(kernel(SEL4, &two), Err(ElfError::Distance));
    let large = Part::load(SEL4, 0x4000_0000, b"k", (1 << 30) + 1);
    assert_eq!(kernel(SEL4, &[large]), Err(ElfError::Span));
    let late = Part::load(TESSERA + 0x3fe0_0000, 0, b"k", 0x20_0001);
    assert_eq!(kernel(late.virt, &[late]).err(), Some(ElfError::TooLarge), "would wrap");
    let other = [Part::load(TESSERA, 0, b"k", 1), Part::note(handoff::VERSION + 1)];
    assert_eq!(kernel(TESSERA, &other), Err(ElfError::HandoffVersion(handoff::VERSION + 1)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Headers that say anything: what is accepted has its segments inside the file, the rest has a reason.
    #[test]
    fn damaged_programs_are_read_or_refused(
        changes in collection::vec((4..64 + 2 * 56_usize, prop_oneof![Just(0), Just(0xff), any::<u8>()]), 1..10),
        cut in 0..300_usize,
    ) {
        let parts = [Part::load(0x40_0000, 0x40_0000, &[1; 100], 5000), Part::note(1)];
        let mut bytes = Made::new(0x40_0000, &parts).file();
        changes.iter().for_each(|(at, value)| bytes[*at] = *value);
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        if let Ok(image) = Image::parse(&bytes) {
            for segment in image.segments() {
                prop_assert!(segment.bytes.len() <= bytes.len());
                prop_assert!(segment.offset + segment.bytes.len() as u64 <= image.size);
            }
            let _ = image.kernel_address();
        }
    }
}
