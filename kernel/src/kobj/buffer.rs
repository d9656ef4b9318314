//! Words of a thread's IPC buffer.

use core::ops::Range;
use core::ptr::NonNull;

use super::MemRegion;
use crate::kernel::Kernel;
use sel4_abi::message::IPC_BUFFER_BYTES;

/// The IPC buffer of a thread, reached through the frame that its capability names.
///
/// User code writes to this memory while the kernel reads it; so there are no references into it,
/// only words that are copied one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserBuffer(NonNull<u64>);

impl UserBuffer {
    /// The number of words.
    pub const WORDS: usize = (IPC_BUFFER_BYTES / 8) as usize;

    /// The buffer at `offset` in a frame; `None` for device memory, or if it does not fit or is not
    /// aligned.
    #[must_use]
    pub fn new(frame: MemRegion, offset: u64) -> Option<Self> {
        let fits = offset.checked_add(IPC_BUFFER_BYTES).is_some_and(|end| end <= frame.bytes());
        if frame.is_device() || !fits || !offset.is_multiple_of(IPC_BUFFER_BYTES) {
            return None;
        }
        let addr = frame.base().add(offset).to_kernel().0;
        NonNull::new(core::ptr::with_exposed_provenance_mut(addr)).map(UserBuffer)
    }

    /// Reads a word; 0 beyond the end.
    #[must_use]
    pub fn read(self, _: &Kernel, word: usize) -> u64 {
        if word >= Self::WORDS {
            return 0;
        }
        // SAFETY: inside the buffer, which `new` found to be RAM of a frame (KOBJ-5), aligned; frames
        // hold no kernel object, so no reference to the word exists.
        unsafe { self.0.as_ptr().wrapping_add(word).read_volatile() }
    }

    /// Copies these words of another buffer to the same places; what lies beyond the end is left out.
    pub fn copy_from(self, _: &Kernel, from: UserBuffer, words: Range<usize>) {
        let end = words.end.min(Self::WORDS);
        let mut word = words.start;
        // By four, which halves what the loop costs.
        while word + 4 <= end {
            (word..word + 4).for_each(|word| self.copy_word(from, word));
            word += 4;
        }
        (word..end).for_each(|word| self.copy_word(from, word));
    }

    #[inline(always)]
    fn copy_word(self, from: UserBuffer, word: usize) {
        debug_assert!(word < Self::WORDS);
        // SAFETY: the only caller stays below `WORDS`; the rest as in `read`.
        let value = unsafe { from.0.as_ptr().wrapping_add(word).read_volatile() };
        // SAFETY: as above.
        unsafe { self.0.as_ptr().wrapping_add(word).write_volatile(value) }
    }

    /// Writes a word; nothing beyond the end.
    pub fn write(self, _: &Kernel, word: usize, value: u64) {
        if word < Self::WORDS {
            // SAFETY: as in `read`.
            unsafe { self.0.as_ptr().wrapping_add(word).write_volatile(value) }
        }
    }
}
