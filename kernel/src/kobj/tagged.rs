//! An optional reference and a few flag bits in one word.

use core::fmt;
use core::marker::PhantomData;

use super::KRef;

/// `Option<KRef<T>>` with flags in the low bits that the alignment of `T` leaves free.
pub struct Tagged<T> {
    word: usize,
    target: PhantomData<KRef<T>>,
}

impl<T> Tagged<T> {
    const MASK: usize = align_of::<T>() - 1;

    /// No reference, no flags.
    pub const NONE: Self = Tagged { word: 0, target: PhantomData };

    /// Packs a reference and flags; flags beyond the alignment of `T` are cut.
    #[must_use]
    pub fn new(target: Option<KRef<T>>, flags: usize) -> Self {
        let addr = target.map_or(0, KRef::expose);
        Tagged { word: addr | (flags & Self::MASK), target: PhantomData }
    }

    /// The reference.
    #[must_use]
    pub fn target(self) -> Option<KRef<T>> {
        // SAFETY: the word was made by `new`: with the flags cut off it is 0 or an exposed KRef<T>;
        // that its target is live is KOBJ-3 of whoever stores this word.
        unsafe { KRef::from_exposed(self.word & !Self::MASK) }
    }

    /// The flags.
    #[must_use]
    pub const fn flags(self) -> usize {
        self.word & Self::MASK
    }
}

impl<T> Clone for Tagged<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Tagged<T> {}

impl<T> fmt::Debug for Tagged<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tagged({:#x})", self.word)
    }
}
