//! How values travel: one 64-bit word an argument, in the order of the arguments.
//!
//! Message register 0 holds the target's name in a request and the return code in a reply; what these
//! types pack comes after it.

use core::fmt::{self, Write as _};

use smallvec::SmallVec;

use crate::PortName;

/// Message registers of the longest message.
pub const MAX_WORDS: usize = 120;

/// The words do not make a value of the type: too few, too many, or out of range.
///
/// A server answers [`crate::KernReturn::MIG_BAD_ARGUMENTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Words that a message under construction holds in place; a longer one is on the heap.
const IN_PLACE: usize = 16;

/// A message under construction, or as it arrived: up to 120 words. Most have a few, so moving one is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    words: SmallVec<[u64; IN_PLACE]>,
}

impl Words {
    /// No words.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a word. Beyond the longest message nothing is added: every table of this crate is shorter, which
    /// its tests show, and [`Words::room`] tells who packs data of variable length.
    pub fn push(&mut self, word: u64) {
        if self.words.len() < MAX_WORDS {
            self.words.push(word);
        }
    }

    /// Adds words, as far as they fit.
    pub fn extend(&mut self, words: &[u64]) {
        self.words.extend_from_slice(words.get(..self.room()).unwrap_or(words));
    }

    /// Words that can still be added.
    #[must_use]
    pub fn room(&self) -> usize {
        MAX_WORDS - self.words.len()
    }

    /// The words.
    #[must_use]
    pub fn as_slice(&self) -> &[u64] {
        &self.words
    }
}

/// Reads words from the front.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u64],
}

impl<'a> Reader<'a> {
    /// Reads `words` from their front.
    #[must_use]
    pub const fn new(words: &'a [u64]) -> Self {
        Self { rest: words }
    }

    /// The next word.
    ///
    /// # Errors
    ///
    /// [`Malformed`] at the end.
    pub fn word(&mut self) -> Result<u64, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    /// The next `count` words.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if there are fewer.
    pub fn words(&mut self, count: usize) -> Result<&'a [u64], Malformed> {
        let (first, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(first)
    }

    /// Whether all words were read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Succeeds if all words were read.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if some were not.
    pub const fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// A value that travels in words.
pub trait Wire: Sized {
    /// Adds the value's words.
    fn pack(&self, words: &mut Words);

    /// Takes the value's words.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if they make no value of this type.
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Malformed>;
}

impl Wire for u64 {
    fn pack(&self, words: &mut Words) {
        words.push(*self);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.word()
    }
}

impl Wire for u32 {
    fn pack(&self, words: &mut Words) {
        words.push(u64::from(*self));
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        u32::try_from(reader.word()?).map_err(|_| Malformed)
    }
}

/// Sign-extended to a word.
impl Wire for i32 {
    fn pack(&self, words: &mut Words) {
        words.push(i64::from(*self) as u64);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        i32::try_from(reader.word()? as i64).map_err(|_| Malformed)
    }
}

/// Zero is false, any other value true: `boolean_t` is an `int` of its sender's.
impl Wire for bool {
    fn pack(&self, words: &mut Words) {
        words.push(u64::from(*self));
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(reader.word()? != 0)
    }
}

impl Wire for PortName {
    fn pack(&self, words: &mut Words) {
        self.0.pack(words);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        u32::unpack(reader).map(PortName)
    }
}

impl<const N: usize> Wire for [u64; N] {
    fn pack(&self, words: &mut Words) {
        self.iter().for_each(|word| words.push(*word));
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.words(N)?.try_into().map_err(|_| Malformed)
    }
}

/// A variable number of 32-bit integers, at most `N`: `thread_state_t`, `task_info_t` and their like.
///
/// On the wire: the count, then two integers a word, the first in the low half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ints<const N: usize> {
    len: usize,
    ints: [u32; N],
}

impl<const N: usize> Default for Ints<N> {
    fn default() -> Self {
        Self { len: 0, ints: [0; N] }
    }
}

impl<const N: usize> Ints<N> {
    /// The integers, cut at `N`.
    #[must_use]
    pub fn new(ints: &[u32]) -> Self {
        let mut all = Self::default();
        all.ints.iter_mut().zip(ints).for_each(|(to, from)| *to = *from);
        all.len = ints.len().min(N);
        all
    }

    /// The 64-bit `words`, each as two integers, low half first, cut at `N` integers.
    #[must_use]
    pub fn from_words(words: &[u64]) -> Self {
        let mut all = Self::default();
        let halves = words.iter().flat_map(|word| [*word as u32, (*word >> 32) as u32]);
        all.ints.iter_mut().zip(halves).for_each(|(to, from)| *to = from);
        all.len = (2 * words.len()).min(N);
        all
    }

    /// The integers.
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        self.ints.get(..self.len).unwrap_or_default()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The 64-bit word that the integers `2 * index` and `2 * index + 1` make; 0 beyond the end.
    #[must_use]
    pub fn word(&self, index: usize) -> u64 {
        let int = |index| u64::from(self.as_slice().get(index).copied().unwrap_or_default());
        int(2 * index) | int(2 * index + 1) << 32
    }
}

impl<const N: usize> Wire for Ints<N> {
    fn pack(&self, words: &mut Words) {
        words.push(self.len as u64);
        (0..self.len.div_ceil(2)).for_each(|index| words.push(self.word(index)));
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let len = usize::try_from(reader.word()?).map_err(|_| Malformed)?;
        if len > N {
            return Err(Malformed);
        }
        let mut ints = Self::from_words(reader.words(len.div_ceil(2))?);
        if len % 2 == 1 && ints.len > len && ints.ints.get(len) != Some(&0) {
            return Err(Malformed);
        }
        ints.len = len;
        Ok(ints)
    }
}

/// A text of at most `8 * N` bytes, without NUL, in `N` words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<const N: usize> {
    words: [u64; N],
}

impl<const N: usize> Text<N> {
    /// The text, cut at `8 * N` bytes and at the first NUL.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut words = [0; N];
        let text = text.split('\0').next().unwrap_or_default();
        for (word, chunk) in words.iter_mut().zip(text.as_bytes().chunks(8)) {
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            *word = u64::from_le_bytes(bytes);
        }
        Self { words }
    }

    /// The bytes up to the first NUL.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.words.iter().flat_map(|word| word.to_le_bytes()).take_while(|byte| *byte != 0)
    }
}

/// Printable ASCII as it is, other bytes as `?`.
impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |byte: u8| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '?' };
        self.bytes().try_for_each(|byte| f.write_char(shown(byte)))
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self { words: [0; N] }
    }
}

impl<const N: usize> Wire for Text<N> {
    fn pack(&self, words: &mut Words) {
        self.words.pack(words);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        <[u64; N]>::unpack(reader).map(|words| Self { words })
    }
}
