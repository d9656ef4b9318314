//! Images as the boot stage will find them.

use std::{vec, vec::Vec};

use super::*;
use crate::{machine::Machine, payload::Payload, tree::Tree};

/// A boot stage: an ELF file with one segment at 0 that begins with an image header.
fn boot_file(magic: &[u8; 4], mem_size: u64) -> Vec<u8> {
    let mut code = vec![0xaa; 100];
    code[16..24].fill(0);
    code[56..60].copy_from_slice(magic);
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    [abi::ET_DYN, abi::EM_AARCH64, 1, 0].iter().for_each(|h| file.extend(h.to_le_bytes()));
    [0_u64, 64, 0].iter().for_each(|w| file.extend(w.to_le_bytes()));
    [0_u16, 0, 64, 56, 1, 0, 0, 0].iter().for_each(|h| file.extend(h.to_le_bytes()));
    [abi::PT_LOAD, 7].iter().for_each(|w| file.extend(w.to_le_bytes()));
    [120, 0, 0, code.len() as u64, mem_size, 4096].iter().for_each(|w| file.extend(w.to_le_bytes()));
    file.extend(code);
    file
}

#[test]
fn an_image_is_boot_stage_and_payload() {
    let image = pack(&boot_file(b"ARM\x64", 5000), b"the kernel", b"the root task", None).unwrap();
    assert_eq!(image[16..24], (image.len() as u64).to_le_bytes(), "the header knows the size");
    assert!(image[100..5000].iter().all(|byte| *byte == 0), "zeroed memory is in the image");
    let payload = Payload::parse(&image[8192..]).unwrap();
    assert_eq!((payload.kernel, payload.root), (&b"the kernel"[..], &b"the root task"[..]));
    assert!(Machine::from_tree(&Tree::parse(payload.device_tree).unwrap()).is_ok(), "a tree to fall back on");
}

#[test]
fn a_given_tree_replaces_the_built_in_one() {
    let image = pack(&boot_file(b"ARM\x64", 100), b"", b"", Some(b"mine")).unwrap();
    assert_eq!(Payload::parse(&image[4096..]).unwrap().device_tree, b"mine");
}

#[test]
fn what_is_no_boot_stage_is_refused() {
    let refused = |file: &[u8]| pack(file, b"", b"", None).err().unwrap();
    assert!(matches!(refused(b"text"), PackError::Elf(_)));
    assert!(matches!(refused(&boot_file(b"none", 100)), PackError::NoImageHeader));
    assert!(matches!(refused(&boot_file(b"ARM\x64", 1 << 40)), PackError::Segment));
    assert!(matches!(refused(&boot_file(b"ARM\x64", 50)), PackError::Segment), "more bytes than memory");
}
