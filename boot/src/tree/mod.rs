//! The flattened device tree, read from untrusted bytes (Devicetree Specification 0.4, chapter 5).
//!
//! [`Tree::parse`] checks the whole of it once: header, block bounds, every token, nesting, names.
//! Everything after that only walks, and still answers `None` rather than panic. Why this is not the
//! `fdt` crate, which is the reference in this module's tests: `docs/adr/0005-device-tree-reader.md`.

mod node;
mod token;

pub use node::{Children, Node, Properties, Property};

use handoff::PhysRange;
use token::{Token, Tokens};

/// Deeper trees are refused; real ones have about six levels.
pub const MAX_DEPTH: usize = 16;

const MAGIC: u32 = 0xd00d_feed;
const HEADER_BYTES: usize = 40;
/// The version whose layout this is; newer trees say which older version can read them.
const VERSION: u32 = 17;

/// A device tree whose structure has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Tree<'a> {
    bytes: &'a [u8],
    structure: &'a [u8],
    strings: &'a [u8],
    reservations: &'a [u8],
}

/// Why bytes are no usable device tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// Fewer bytes than a header has.
    TooShort,
    /// The first word (given) is not the magic number.
    Magic(u32),
    /// The header claims this many bytes, which is more than there are or fewer than its header.
    Size(u32),
    /// The tree needs a reader for this version.
    Version(u32),
    /// The named block is not aligned or not inside the tree.
    Block(&'static str),
    /// The token at this offset of the structure block is damaged or in the wrong place.
    Token(usize),
    /// More than [`MAX_DEPTH`] levels.
    TooDeep,
}

impl<'a> Tree<'a> {
    /// Reads just the header's magic and total size, to learn how many bytes to look at.
    ///
    /// # Errors
    /// `TooShort`, `Magic`, or `Size` if the tree would be smaller than a header.
    pub fn total_size(header: &[u8]) -> Result<u32, TreeError> {
        let magic = be32(header, 0).ok_or(TreeError::TooShort)?;
        if magic != MAGIC {
            return Err(TreeError::Magic(magic));
        }
        let size = be32(header, 4).ok_or(TreeError::TooShort)?;
        if (size as usize) < HEADER_BYTES { Err(TreeError::Size(size)) } else { Ok(size) }
    }

    /// Checks a device tree as a whole.
    ///
    /// # Errors
    /// The first thing found wrong, in the order of [`TreeError`]'s variants.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TreeError> {
        let size = Self::total_size(bytes)?;
        let bytes = bytes.get(..size as usize).ok_or(TreeError::Size(size))?;
        let word = |i: usize| be32(bytes, i * 4).ok_or(TreeError::TooShort);
        let last_compatible = word(6)?;
        if word(5)? < VERSION - 1 || last_compatible > VERSION {
            return Err(TreeError::Version(last_compatible));
        }
        let block = |name, offset: u32, len: u32| {
            let start = offset as usize;
            let end = start.checked_add(len as usize).ok_or(TreeError::Block(name))?;
            bytes.get(start..end).ok_or(TreeError::Block(name))
        };
        let structure = block("structure", word(2)?, word(9)?)?;
        let strings = block("strings", word(3)?, word(8)?)?;
        let reservations_at = word(4)?;
        let reservations = block("reservations", reservations_at, size.saturating_sub(reservations_at))?;
        if !word(2)?.is_multiple_of(4) || !structure.len().is_multiple_of(4) {
            return Err(TreeError::Block("structure"));
        }
        let tree = Self { bytes, structure, strings, reservations };
        tree.check_reservations()?;
        tree.check_structure()?;
        Ok(tree)
    }

    /// The list of reservations must end with a pair of zeros inside the tree.
    fn check_reservations(&self) -> Result<(), TreeError> {
        let mut pairs =
            (0..).step_by(16).map_while(|at| Some((be64(self.reservations, at)?, be64(self.reservations, at + 8)?)));
        if pairs.any(|pair| pair == (0, 0)) { Ok(()) } else { Err(TreeError::Block("reservations")) }
    }

    /// One root node, properties before children, as many ends as begins, names readable.
    fn check_structure(&self) -> Result<(), TreeError> {
        let mut tokens = Tokens::new(self.structure, 0);
        let mut depth = 0_usize;
        let mut may_have_property = false;
        let mut has_root = false;
        loop {
            let at = tokens.offset();
            let wrong = TreeError::Token(at);
            match tokens.next_token().ok_or(wrong)? {
                Token::Begin(_) if depth == MAX_DEPTH => return Err(TreeError::TooDeep),
                Token::Begin(_) if depth == 0 && has_root => return Err(wrong),
                Token::Begin(_) => {
                    depth += 1;
                    has_root = true;
                    may_have_property = true;
                }
                Token::Property { name_offset, .. } => {
                    if !may_have_property || self.string(name_offset).is_none() {
                        return Err(wrong);
                    }
                }
                Token::End => {
                    depth = depth.checked_sub(1).ok_or(wrong)?;
                    may_have_property = false;
                }
                Token::Finish if depth == 0 && has_root => return Ok(()),
                Token::Finish => return Err(wrong),
            }
        }
    }

    /// All bytes of the tree, room to grow included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The root node.
    pub fn root(&self) -> Option<Node<'a>> {
        let mut tokens = Tokens::new(self.structure, 0);
        match tokens.next_token()? {
            Token::Begin(name) => Some(Node::new(*self, name, tokens.offset())),
            _ => None,
        }
    }

    /// The node at an absolute path. A component without `@` matches the first node of that name.
    pub fn find(&self, path: &str) -> Option<Node<'a>> {
        let path = path.strip_prefix('/')?;
        path.split('/').filter(|part| !part.is_empty()).try_fold(self.root()?, |node, part| node.child(part))
    }

    /// The header's list of reserved memory.
    pub fn reservations(&self) -> impl Iterator<Item = PhysRange> + use<'a> {
        let list = self.reservations;
        (0..)
            .step_by(16)
            .map_while(move |at| Some(PhysRange { base: be64(list, at)?, size: be64(list, at + 8)? }))
            .take_while(|range| (range.base, range.size) != (0, 0))
    }

    /// How many bytes are in use: QEMU's trees claim a megabyte, most of it room to grow.
    pub fn used_len(&self) -> usize {
        let end_of = |block: &[u8], field| be32(self.bytes, field).unwrap_or(0) as usize + block.len();
        end_of(self.structure, 8).max(end_of(self.strings, 12)).max(self.reservations_end())
    }

    fn reservations_end(&self) -> usize {
        be32(self.bytes, 16).unwrap_or(0) as usize + (self.reservations().count() + 1) * 16
    }

    fn string(&self, offset: u32) -> Option<&'a str> {
        token::c_str(self.strings.get(offset as usize..)?)
    }
}

/// Copies a checked tree's bytes in use to the start of `to` and makes the copy's header say so.
/// Gives back the copy, or `None` if it does not fit.
pub fn copy_trimmed<'t>(tree: &Tree<'_>, to: &'t mut [u8]) -> Option<&'t [u8]> {
    // A multiple of eight, so that the next thing behind it is as aligned as the tree.
    let len = tree.used_len().next_multiple_of(8).min(tree.bytes.len());
    let copy = to.get_mut(..len)?;
    copy.copy_from_slice(tree.bytes.get(..len)?);
    copy.get_mut(4..8)?.copy_from_slice(&u32::try_from(len).ok()?.to_be_bytes());
    Some(copy)
}

/// The big-endian word at a byte offset.
fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The big-endian double word at a byte offset.
fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
pub(crate) mod tests;
