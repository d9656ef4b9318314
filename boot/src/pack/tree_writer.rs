//! Writes flattened device trees.

use std::{string::String, vec::Vec};

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;
const HEADER_BYTES: usize = 40;

/// A device tree being written: [`begin`](Self::begin) the root with an empty name, add properties,
/// then children, [`end`](Self::end) each node, and [`finish`](Self::finish).
#[derive(Default)]
pub struct TreeWriter {
    reservations: Vec<u8>,
    structure: Vec<u8>,
    strings: Vec<u8>,
}

impl TreeWriter {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry to the header's list of reserved memory.
    pub fn reserve(&mut self, base: u64, size: u64) -> &mut Self {
        self.reservations.extend(base.to_be_bytes());
        self.reservations.extend(size.to_be_bytes());
        self
    }

    /// Begins a node inside the one begun last.
    pub fn begin(&mut self, name: &str) -> &mut Self {
        self.word(BEGIN_NODE);
        self.structure.extend(name.as_bytes());
        self.structure.push(0);
        self.align();
        self
    }

    /// Ends the node begun last.
    pub fn end(&mut self) -> &mut Self {
        self.word(END_NODE);
        self
    }

    /// Adds a token that means nothing.
    pub fn nop(&mut self) -> &mut Self {
        self.word(NOP);
        self
    }

    /// Adds a property.
    pub fn bytes(&mut self, name: &str, value: &[u8]) -> &mut Self {
        let name_offset = self.strings.len() as u32;
        self.strings.extend(name.as_bytes());
        self.strings.push(0);
        self.word(PROP);
        self.word(value.len() as u32);
        self.word(name_offset);
        self.structure.extend(value);
        self.align();
        self
    }

    /// Adds a property of 32-bit cells.
    pub fn cells(&mut self, name: &str, cells: &[u32]) -> &mut Self {
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        self.bytes(name, &bytes)
    }

    /// Adds a property of one or more texts.
    pub fn texts(&mut self, name: &str, texts: &[&str]) -> &mut Self {
        let joined: String = texts.iter().flat_map(|text| [*text, "\0"]).collect();
        self.bytes(name, joined.as_bytes())
    }

    /// The tree's bytes.
    pub fn finish(&self) -> Vec<u8> {
        let mut structure = self.structure.clone();
        structure.extend(END.to_be_bytes());
        let mut reservations = self.reservations.clone();
        reservations.extend([0; 16]);
        let structure_at = HEADER_BYTES + reservations.len();
        let strings_at = structure_at + structure.len();
        let total = (strings_at + self.strings.len()).next_multiple_of(8);
        let header = [
            0xd00d_feed,
            total,
            structure_at,
            strings_at,
            HEADER_BYTES,
            17,
            16,
            0,
            self.strings.len(),
            structure.len(),
        ];
        let mut tree: Vec<u8> = header.iter().flat_map(|word| (*word as u32).to_be_bytes()).collect();
        tree.extend(reservations);
        tree.extend(structure);
        tree.extend(&self.strings);
        tree.resize(total, 0);
        tree
    }

    fn word(&mut self, word: u32) {
        self.structure.extend(word.to_be_bytes());
    }

    fn align(&mut self) {
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
    }
}
