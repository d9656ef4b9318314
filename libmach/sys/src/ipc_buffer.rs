//! The calling thread's IPC buffer, and the thread block by which it is found.
//!
//! Every thread's `TPIDR_EL0` holds the address of its [`ThreadBlock`]. Its two words take the place of
//! the two that the AArch64 thread-local storage layout reserves, so static TLS may follow it.

use core::marker::PhantomData;
use core::mem::offset_of;
use core::ptr::NonNull;

use sel4_abi::message::{MSG_MAX_EXTRA_CAPS, MSG_MAX_LENGTH};
use sel4_abi::{CPtr, IpcBuffer as Layout};

use crate::arch;

/// Words in an IPC buffer.
pub const BUFFER_WORDS: usize = size_of::<Layout>() / size_of::<u64>();

const USER_DATA_WORD: usize = offset_of!(Layout, user_data) / size_of::<u64>();

/// What a thread's `TPIDR_EL0` points to.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct ThreadBlock {
    /// Address of the thread's IPC buffer, or 0.
    pub ipc_buffer: u64,
    /// A word for the run-time library.
    pub runtime: u64,
}

const _: () = assert!(offset_of!(ThreadBlock, runtime) == 8 && size_of::<ThreadBlock>() == 16);

/// Makes `block` the calling thread's thread block.
///
/// # Safety
///
/// `block` stays valid, in place and unmoved until the thread ends or installs another. Its `ipc_buffer`
/// is 0 or the address of 1024 readable and writable bytes, aligned to 1024, that nothing else uses and
/// that the kernel knows as this thread's IPC buffer.
pub unsafe fn install(block: NonNull<ThreadBlock>) {
    arch::set_thread_pointer(block.as_ptr().expose_provenance() as u64);
}

/// The thread register that only the kernel sets, `TPIDRRO_EL0`: 0 unless the thread's maker set it. The Mach
/// server puts the address of the thread's IPC buffer there.
#[must_use]
pub fn read_only_thread_register() -> u64 {
    arch::read_only_thread_register()
}

/// The calling thread's thread block, if one was installed.
#[must_use]
pub fn thread_block() -> Option<NonNull<ThreadBlock>> {
    NonNull::new(core::ptr::with_exposed_provenance_mut(arch::thread_pointer() as usize))
}

/// The calling thread's IPC buffer.
///
/// It stays with the thread that asked for it: it can be neither sent to another thread nor shared.
#[derive(Clone, Copy, Debug)]
pub struct IpcBuffer {
    words: NonNull<u64>,
    of_this_thread: PhantomData<*mut u64>,
}

impl IpcBuffer {
    /// The calling thread's buffer, if its thread block names one.
    #[must_use]
    pub fn current() -> Option<Self> {
        let block = thread_block()?;
        // SAFETY: `install` requires the block to be valid for as long as the thread register names it.
        let address = unsafe { block.as_ptr().cast::<u64>().read() };
        let words = NonNull::new(core::ptr::with_exposed_provenance_mut(address as usize))?;
        Some(Self { words, of_this_thread: PhantomData })
    }

    /// Word `index` of the buffer; 0 beyond its end.
    #[must_use]
    pub fn word(self, index: usize) -> u64 {
        if index >= BUFFER_WORDS {
            return 0;
        }
        // SAFETY: `install` requires `BUFFER_WORDS` valid words, and the index was checked.
        unsafe { self.words.as_ptr().wrapping_add(index).read_volatile() }
    }

    /// Sets word `index`; nothing beyond the buffer's end.
    pub fn set_word(self, index: usize, value: u64) {
        if index >= BUFFER_WORDS {
            return;
        }
        // SAFETY: `install` requires `BUFFER_WORDS` valid words, and the index was checked.
        unsafe { self.words.as_ptr().wrapping_add(index).write_volatile(value) }
    }

    /// Message register `index` as the buffer holds it. Registers 0 to 3 travel in processor registers,
    /// so the buffer's own words for them mean nothing to the kernel.
    #[must_use]
    pub fn message_word(self, index: usize) -> u64 {
        if index < MSG_MAX_LENGTH { self.word(Layout::MSG_WORD + index) } else { 0 }
    }

    /// Sets message register `index` in the buffer.
    pub fn set_message_word(self, index: usize, value: u64) {
        if index < MSG_MAX_LENGTH {
            self.set_word(Layout::MSG_WORD + index, value);
        }
    }

    /// Sets the capability that the next message sends as extra capability `index`.
    pub fn set_cap(self, index: usize, cptr: CPtr) {
        if index < MSG_MAX_EXTRA_CAPS {
            self.set_word(Layout::CAPS_WORD + index, cptr);
        }
    }

    /// The badge of the unwrapped capability `index` of the message received last.
    #[must_use]
    pub fn unwrapped_badge(self, index: usize) -> u64 {
        if index < MSG_MAX_EXTRA_CAPS { self.word(Layout::CAPS_WORD + index) } else { 0 }
    }

    /// Names the slot that takes a capability sent to this thread.
    pub fn set_receive_slot(self, root: CPtr, index: u64, depth: u64) {
        self.set_word(Layout::RECEIVE_CNODE_WORD, root);
        self.set_word(Layout::RECEIVE_INDEX_WORD, index);
        self.set_word(Layout::RECEIVE_DEPTH_WORD, depth);
    }

    /// The word that the kernel leaves to the user.
    #[must_use]
    pub fn user_data(self) -> u64 {
        self.word(USER_DATA_WORD)
    }

    /// Sets the word that the kernel leaves to the user.
    pub fn set_user_data(self, value: u64) {
        self.set_word(USER_DATA_WORD, value);
    }

    /// Writes `name` where the debug call for naming threads expects it: from byte 8 on, with a NUL.
    pub(crate) fn set_name(self, name: &str) {
        const MAX_NAME: usize = 800;
        let bytes = name.as_bytes();
        let bytes = bytes.get(..bytes.len().min(MAX_NAME)).unwrap_or_default();
        for (index, chunk) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.set_word(1 + index, u64::from_le_bytes(word));
        }
        if bytes.len() % 8 == 0 {
            self.set_word(1 + bytes.len() / 8, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(1024))]
    struct Buffer([u64; BUFFER_WORDS]);

    /// One test for all that needs a thread block: on the host the thread register is one for all threads.
    #[test]
    fn words_land_where_the_kernel_looks_for_them() {
        assert!(IpcBuffer::current().is_none());
        let memory = Box::leak(Box::new(Buffer([0; BUFFER_WORDS])));
        let address = memory.0.as_mut_ptr();
        let block = Box::leak(Box::new(ThreadBlock { ipc_buffer: address.expose_provenance() as u64, runtime: 0 }));
        // SAFETY: block and buffer are leaked, so they stay; no kernel is involved on the host.
        unsafe { install(NonNull::from(block)) };
        let buffer = IpcBuffer::current().unwrap();
        buffer.set_message_word(4, 44);
        buffer.set_message_word(MSG_MAX_LENGTH, 99);
        buffer.set_cap(2, 7);
        buffer.set_receive_slot(1, 2, 3);
        buffer.set_user_data(5);
        buffer.set_word(BUFFER_WORDS, 99);
        let word = |index| buffer.word(index);
        assert_eq!([word(5), word(124), word(125), word(126), word(127), word(121)], [44, 7, 1, 2, 3, 5]);
        assert_eq!((0..BUFFER_WORDS).filter(|index| buffer.word(*index) == 99).count(), 0);
        buffer.set_name("eight by");
        assert_eq!([word(1).to_le_bytes(), word(2).to_le_bytes()], [*b"eight by", [0; 8]]);
    }
}
