//! Ids: an index and a generation, typed by what they name.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;

/// Number of bits of a generation, so that an id has room for a tag beside it in one word.
pub const GENERATION_BITS: u32 = 28;
/// The largest generation.
pub const MAX_GENERATION: u32 = (1 << GENERATION_BITS) - 1;

/// Names a `T` in an arena: its place and which life of the place.
pub struct Id<T> {
    index: u32,
    generation: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// An id from its parts. It may name nothing.
    #[must_use]
    pub const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation, of: PhantomData }
    }

    /// The place in the arena.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Which life of the place.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }

    /// The id as one word, for code that does not know the type.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The id that [`Id::to_word`] made into a word. Any word is safe: one that names nothing finds nothing.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self::new(word as u32, (word >> 32) as u32)
    }

    const fn key(self) -> (u32, u32) {
        (self.index, self.generation)
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}
impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}
