//! The structure block's tokens.

use super::be32;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// One token with what belongs to it. `FDT_NOP` is skipped and never seen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Token<'a> {
    /// A node begins; its name.
    Begin(&'a str),
    /// A property of the node that began last.
    Property { name_offset: u32, value: &'a [u8] },
    /// The innermost node ends.
    End,
    /// The tree ends.
    Finish,
}

/// A position in the structure block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens<'a> {
    structure: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(structure: &'a [u8], at: usize) -> Self {
        Self { structure, at }
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// The next token, or `None` (and no progress that matters) if there is none that makes sense.
    pub(super) fn next_token(&mut self) -> Option<Token<'a>> {
        loop {
            let kind = self.word()?;
            return match kind {
                NOP => continue,
                BEGIN_NODE => {
                    let name = c_str(self.structure.get(self.at..)?)?;
                    self.skip(name.len() + 1)?;
                    Some(Token::Begin(name))
                }
                PROP => {
                    let len = self.word()? as usize;
                    let name_offset = self.word()?;
                    let value = self.structure.get(self.at..)?.get(..len)?;
                    self.skip(len)?;
                    Some(Token::Property { name_offset, value })
                }
                END_NODE => Some(Token::End),
                END => Some(Token::Finish),
                _ => None,
            };
        }
    }

    fn word(&mut self) -> Option<u32> {
        let word = be32(self.structure, self.at)?;
        self.at += 4;
        Some(word)
    }

    fn skip(&mut self, len: usize) -> Option<()> {
        self.at = self.at.checked_add(len)?.checked_next_multiple_of(4)?;
        Some(())
    }
}

/// The text up to the first zero byte, if there is one and it is ASCII.
pub(super) fn c_str(bytes: &[u8]) -> Option<&str> {
    let len = bytes.iter().position(|b| *b == 0)?;
    let text = bytes.get(..len)?;
    if text.is_ascii() { core::str::from_utf8(text).ok() } else { None }
}
