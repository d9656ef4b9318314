//! The boot information that the kernel gives the first task.

use core::ptr::NonNull;
use core::slice;

use sel4_abi::bootinfo::{HEADER_FDT, HEADER_PADDING};
use sel4_abi::object::PAGE_BITS;
use sel4_abi::{BootInfo, UntypedDesc};

use crate::ipc_buffer::{self, ThreadBlock};

/// The thread block of the first task's first thread.
static mut BLOCK: ThreadBlock = ThreadBlock { ipc_buffer: 0, runtime: 0 };

/// Bytes of the header of a chunk of extra boot information.
const HEADER_BYTES: usize = 16;

/// The boot information of this task, with what follows it.
#[derive(Clone, Copy, Debug)]
pub struct Boot {
    info: &'static BootInfo,
    extra: &'static [u8],
}

/// A chunk of extra boot information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// What it holds.
    pub id: u64,
    /// The bytes behind its header.
    pub data: &'static [u8],
}

impl Boot {
    /// Reads the boot information at `address`, the first task's initial `x0`, for a thread that has nothing but a stack: from
    /// here on it can make system calls, since its thread block names the IPC buffer that the kernel gave it.
    ///
    /// # Safety
    ///
    /// `address` is the value of `x0` at the first instruction of the kernel's initial task, and nobody writes to the pages
    /// of the boot information any more. The caller is that task's first thread, and calls this once.
    #[must_use]
    pub unsafe fn enter(address: usize) -> Self {
        let info = core::ptr::with_exposed_provenance::<BootInfo>(address);
        // SAFETY: the kernel put a `BootInfo` there, page aligned, and the caller promises that it is constant.
        let info = unsafe { &*info };
        let extra = core::ptr::with_exposed_provenance::<u8>(address + (1 << PAGE_BITS));
        // SAFETY: the kernel mapped `extra_len` bytes behind the page, and the caller promises that they are
        // constant.
        let extra = unsafe { slice::from_raw_parts(extra, info.extra_len as usize) };
        let block = &raw mut BLOCK;
        // SAFETY: the caller is the only thread that there is, and here for the only time: nothing refers to the block.
        unsafe { (*block).ipc_buffer = info.ipc_buffer };
        if let Some(block) = NonNull::new(block) {
            // SAFETY: a static stays; the address is the kernel's own word for this thread's IPC buffer.
            unsafe { ipc_buffer::install(block) };
        }
        Self { info, extra }
    }

    /// The boot information page.
    #[must_use]
    pub fn info(&self) -> &'static BootInfo {
        self.info
    }

    /// The untypeds with their slots.
    pub fn untypeds(&self) -> impl Iterator<Item = (u64, UntypedDesc)> + use<> {
        let region = self.info.untyped;
        (region.start..region.end).zip(self.info.untyped_list)
    }

    /// The chunks of extra boot information, padding left out.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk> + use<> {
        Chunks { rest: self.extra }.filter(|chunk| chunk.id != HEADER_PADDING)
    }

    /// The device tree blob, if the kernel was given one.
    #[must_use]
    pub fn device_tree(&self) -> Option<&'static [u8]> {
        self.chunks().find(|chunk| chunk.id == HEADER_FDT).map(|chunk| chunk.data)
    }
}

/// Walks the chunks; stops at the first whose length makes no sense.
struct Chunks {
    rest: &'static [u8],
}

impl Iterator for Chunks {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        let id = u64::from_le_bytes(*self.rest.first_chunk()?);
        let len = u64::from_le_bytes(*self.rest.get(8..)?.first_chunk()?);
        let data = self.rest.get(HEADER_BYTES..len as usize)?;
        self.rest = self.rest.get(len as usize..)?;
        Some(Chunk { id, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(id: u64, data: &[u8]) -> Vec<u8> {
        let mut bytes = id.to_le_bytes().to_vec();
        bytes.extend((HEADER_BYTES as u64 + data.len() as u64).to_le_bytes());
        bytes.extend(data);
        bytes
    }

    fn boot(extra: Vec<u8>) -> Boot {
        static INFO: BootInfo = BootInfo::EMPTY;
        Boot { info: &INFO, extra: extra.leak() }
    }

    #[test]
    fn the_device_tree_is_found_behind_other_chunks() {
        let extra = [chunk(0, &[0; 40]), chunk(1, &[9; 3]), chunk(HEADER_FDT, b"tree")].concat();
        let boot = boot(extra);
        assert_eq!(boot.device_tree(), Some(b"tree".as_slice()));
        assert_eq!(boot.chunks().count(), 2);
    }

    #[test]
    fn a_senseless_length_ends_the_walk() {
        for len in [0_u64, 15, 1000, u64::MAX] {
            let mut extra = 1_u64.to_le_bytes().to_vec();
            extra.extend(len.to_le_bytes());
            assert_eq!(boot(extra).chunks().count(), 0, "length {len}");
        }
    }
}
