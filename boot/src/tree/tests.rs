//! Real trees against the `fdt` crate, damaged trees against panics, and each kind of damage once.

use std::{format, string::String, vec, vec::Vec};

use proptest::{collection, prelude::*};

use super::*;
use crate::{
    machine::Machine,
    pack::{TreeWriter, raspberry_pi_4},
};

/// Trees as QEMU 10 passes them, without their room to grow, and the built-in one.
pub(crate) fn fixtures() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("virt gicv2 128M", include_bytes!("../../tests/fixtures/virt-gicv2-el1-128m.dtb").to_vec()),
        ("virt gicv3 4G", include_bytes!("../../tests/fixtures/virt-gicv3-el2-4g.dtb").to_vec()),
        ("virt secure 1G", include_bytes!("../../tests/fixtures/virt-secure-1g.dtb").to_vec()),
        ("raspberry pi 4", raspberry_pi_4()),
    ]
}

/// A small tree with everything in it.
fn sample() -> TreeWriter {
    let mut t = TreeWriter::new();
    t.reserve(0x1000, 0x2000).nop();
    t.begin("").nop().texts("model", &["sample"]).nop().cells("#address-cells", &[2]).nop();
    t.begin("a@1").cells("reg", &[1]).nop().end().nop();
    t.begin("a@2").begin("inner").bytes("odd", &[1, 2, 3]).end().nop().end();
    t.begin("b").texts("compatible", &["x,y", "z"]).texts("status", &["disabled"]).end();
    t.nop().end();
    t
}

/// Every node's path and properties, depth first.
fn dump(node: &Node<'_>, path: &str, out: &mut Vec<String>) {
    for p in node.properties() {
        out.push(format!("{path}:{}={:?}", p.name, p.value));
    }
    for child in node.children() {
        dump(&child, &format!("{path}/{}", child.name()), out);
    }
}

fn dump_reference(node: fdt::node::FdtNode<'_, '_>, path: &str, out: &mut Vec<String>) {
    for p in node.properties() {
        out.push(format!("{path}:{}={:?}", p.name, p.value));
    }
    for child in node.children() {
        dump_reference(child, &format!("{path}/{}", child.name), out);
    }
}

#[test]
fn real_trees_read_as_the_reference_reads_them() {
    for (name, bytes) in fixtures() {
        let tree = Tree::parse(&bytes).unwrap();
        let reference = fdt::Fdt::new(&bytes).unwrap();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        dump(&tree.root().unwrap(), "", &mut ours);
        dump_reference(reference.find_node("/").unwrap(), "", &mut theirs);
        assert!(ours.len() > 40, "{name}: {} properties", ours.len());
        assert_eq!(ours, theirs, "{name}");
        let reserved: Vec<_> = reference.memory_reservations().map(|r| (r.address() as u64, r.size() as u64)).collect();
        assert_eq!(tree.reservations().map(|r| (r.base, r.size)).collect::<Vec<_>>(), reserved, "{name}");
    }
}

#[test]
fn meaningless_tokens_change_nothing() {
    let bytes = sample().finish();
    let tree = Tree::parse(&bytes).unwrap();
    let root = tree.root().unwrap();
    assert_eq!(root.children().map(|n| n.name()).collect::<Vec<_>>(), ["a@1", "a@2", "b"]);
    assert_eq!(root.properties().count(), 2);
    assert_eq!(root.text("model"), Some("sample"));
    assert_eq!(tree.find("/a@2/inner").and_then(|n| n.property("odd")), Some(&[1, 2, 3][..]));
    assert_eq!(tree.find("/a").and_then(|n| n.cell("reg")), Some(1), "without an address: the first");
    assert!(tree.find("/a/none").is_none() && tree.find("a").is_none());
    let b = tree.find("/b").unwrap();
    assert!(b.is_compatible(&["z"]) && !b.is_compatible(&["x"]) && !b.is_enabled() && root.is_enabled());
}

#[test]
fn a_trimmed_copy_is_the_same_tree() {
    for (name, mut bytes) in fixtures() {
        let used = bytes.len();
        // As QEMU does it: a megabyte, of which little is used.
        bytes.resize(1 << 20, 0);
        bytes[4..8].copy_from_slice(&(1_u32 << 20).to_be_bytes());
        let tree = Tree::parse(&bytes).unwrap();
        let mut room = vec![0xff; used];
        let copy = copy_trimmed(&tree, &mut room).unwrap();
        assert!(copy.len() <= used, "{name}");
        let (mut before, mut after) = (Vec::new(), Vec::new());
        dump(&tree.root().unwrap(), "", &mut before);
        dump(&Tree::parse(copy).unwrap().root().unwrap(), "", &mut after);
        assert_eq!(before, after, "{name}");
        assert!(copy_trimmed(&tree, &mut vec![0; used / 2]).is_none(), "{name}: no room");
    }
}

/// Changes one word of the header.
fn with_header(word: usize, value: u32) -> Result<(), TreeError> {
    let mut bytes = sample().finish();
    bytes[word * 4..word * 4 + 4].copy_from_slice(&value.to_be_bytes());
    Tree::parse(&bytes).map(|_| ())
}

#[test]
fn each_damage_has_its_error() {
    let len = sample().finish().len() as u32;
    assert_eq!(Tree::parse(&[]).err(), Some(TreeError::TooShort));
    assert_eq!(Tree::parse(&[0; 64]).err(), Some(TreeError::Magic(0)));
    assert_eq!(with_header(1, 39), Err(TreeError::Size(39)));
    assert_eq!(with_header(1, len + 1), Err(TreeError::Size(len + 1)));
    assert_eq!(with_header(5, 15), Err(TreeError::Version(16)));
    assert_eq!(with_header(6, 18), Err(TreeError::Version(18)));
    assert_eq!(with_header(2, u32::MAX), Err(TreeError::Block("structure")));
    assert_eq!(with_header(9, len), Err(TreeError::Block("structure")));
    assert_eq!(with_header(3, len), Err(TreeError::Block("strings")));
    assert_eq!(with_header(4, len - 16), Err(TreeError::Block("reservations")));
    assert!(matches!(with_header(8, 3), Err(TreeError::Token(_))), "names cut off");
}

fn refused(build: fn(&mut TreeWriter) -> &mut TreeWriter) -> bool {
    let mut t = TreeWriter::new();
    build(&mut t);
    matches!(Tree::parse(&t.finish()), Err(TreeError::Token(_)))
}

#[test]
fn wrong_nesting_is_refused() {
    assert!(!refused(|t| t.begin("").bytes("p", &[]).begin("a").end().end()), "this is right");
    assert!(refused(|t| t), "no root");
    assert!(refused(|t| t.begin("")), "root without end");
    assert!(refused(|t| t.begin("").end().end()), "one end too many");
    assert!(refused(|t| t.begin("").end().begin("").end()), "two roots");
    assert!(refused(|t| t.bytes("p", &[]).begin("").end()), "property outside");
    assert!(refused(|t| t.begin("").begin("a").end().bytes("p", &[]).end()), "property after a child");
}

#[test]
fn deep_nesting_is_refused() {
    let nested = |depth: usize| {
        let mut t = TreeWriter::new();
        for _ in 0..depth {
            t.begin("n");
        }
        for _ in 0..depth {
            t.end();
        }
        Tree::parse(&t.finish()).err()
    };
    assert_eq!(nested(MAX_DEPTH), None);
    assert_eq!(nested(MAX_DEPTH + 1), Some(TreeError::TooDeep));
}

/// Reads everything there is to read; the point is to come back.
fn read_all(bytes: &[u8]) {
    let Ok(tree) = Tree::parse(bytes) else { return };
    let mut all = Vec::new();
    if let Some(root) = tree.root() {
        dump(&root, "", &mut all);
    }
    let _ = Machine::from_tree(&tree);
    let _ = copy_trimmed(&tree, &mut vec![0; bytes.len()]);
    assert!(tree.used_len() <= bytes.len() + 16);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_trees_never_panic(
        which in 0..4_usize,
        changes in collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let (_, mut bytes) = fixtures().swap_remove(which);
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        read_all(&bytes);
    }

    #[test]
    fn damaged_headers_and_tokens_never_panic(
        which in 0..4_usize,
        word in 1..300_usize,
        value in prop_oneof![Just(0), Just(1), Just(2), Just(3), Just(4), Just(9), Just(u32::MAX), 0..0x4000_u32, any::<u32>()],
    ) {
        let (_, mut bytes) = fixtures().swap_remove(which);
        bytes[word * 4..word * 4 + 4].copy_from_slice(&value.to_be_bytes());
        read_all(&bytes);
    }
}
