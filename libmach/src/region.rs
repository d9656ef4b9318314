//! Memory that is owned: a [`Region`] is deallocated when it goes.
//!
//! `unsafe` is here for the views of it. Views give atomic words and bytes, because memory of a map can be shared
//! with other tasks, and other holders of the task's port can write to it.

use alloc::vec::Vec;
use core::slice;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::Result;
use crate::task::mach_task_self;
use crate::vm::{self, PAGE_SIZE, VmFlags, VmInherit, VmProt, Which};

/// Whole pages of the task's own memory, from `vm_allocate`.
///
/// The memory can be read and written unless [`Region::protect`] said otherwise; touching it against its
/// protection raises an exception.
#[derive(Debug, PartialEq, Eq)]
pub struct Region {
    address: u64,
    size: u64,
}

impl Region {
    /// Makes zero-filled memory of at least `size` bytes; at least one page.
    ///
    /// # Errors
    ///
    /// Those of [`vm::vm_allocate`].
    pub fn allocate(size: u64) -> Result<Self> {
        let size = size.max(1).checked_next_multiple_of(PAGE_SIZE).ok_or(crate::KernReturn::INVALID_ARGUMENT)?;
        let address = vm::vm_allocate(mach_task_self(), 0, size, VmFlags::ANYWHERE)?;
        Ok(Self { address, size })
    }

    /// Maps an object, or zero-filled memory: what the request says.
    ///
    /// A touch of an object's page for which its manager gives no data raises an exception.
    ///
    /// # Errors
    ///
    /// Those of [`vm::vm_map`]; `INVALID_ARGUMENT` for [`VmFlags::OVERWRITE`], which would take over what others own.
    pub fn map(request: &vm::MapRequest) -> Result<Self> {
        if request.flags.contains(VmFlags::OVERWRITE) {
            return Err(crate::KernReturn::INVALID_ARGUMENT);
        }
        let address = vm::vm_map(mach_task_self(), request)?;
        let size = request.size.checked_next_multiple_of(PAGE_SIZE).ok_or(crate::KernReturn::INVALID_ARGUMENT)?;
        Ok(Self { address, size })
    }

    /// Copies `size` bytes at `address` of the task `from` into new memory.
    ///
    /// # Errors
    ///
    /// Those of [`vm::vm_read`].
    pub fn read_from(from: crate::PortName, address: u64, size: u64) -> Result<Self> {
        let (data, count) = vm::vm_read(from, address, size)?;
        Ok(Self { address: data, size: count })
    }

    /// Takes over memory that the server has mapped for this task: whole pages that nobody else owns.
    pub(crate) fn adopt(address: u64, size: u64) -> Self {
        Self { address, size }
    }

    /// Where it starts.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Its bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The memory as bytes.
    #[must_use]
    pub fn bytes(&self) -> &[AtomicU8] {
        if self.size == 0 {
            return &[];
        }
        let bytes = core::ptr::with_exposed_provenance::<AtomicU8>(self.address as usize);
        // SAFETY: the region has memory, so its address is one that the server gave; it owns the memory, which is
        // initialised (with zeros, or a copy) and mapped as long as it lives; all access is atomic.
        unsafe { slice::from_raw_parts(bytes, self.size as usize) }
    }

    /// The memory as words; a rest of less than a word is left out.
    #[must_use]
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: any bytes are a valid `AtomicU64`, and all access to them is atomic.
        let (_, words, _) = unsafe { self.bytes().align_to::<AtomicU64>() };
        words
    }

    /// Cuts the region in two at an offset, rounded down to a page's: this value keeps what lies before, the answer is the
    /// rest, which may be empty.
    #[must_use]
    pub fn split_off(&mut self, at: u64) -> Self {
        let at = at.min(self.size) / PAGE_SIZE * PAGE_SIZE;
        let rest = Self { address: self.address + at, size: self.size - at };
        self.size = at;
        rest
    }

    /// Sets the current protection.
    ///
    /// # Errors
    ///
    /// Those of [`vm::vm_protect`].
    pub fn protect(&self, protection: VmProt) -> Result<()> {
        vm::vm_protect(mach_task_self(), self.address, self.size, Which::Current, protection)
    }

    /// Sets what children get.
    ///
    /// # Errors
    ///
    /// Those of [`vm::vm_inherit`].
    pub fn inherit(&self, inheritance: VmInherit) -> Result<()> {
        vm::vm_inherit(mach_task_self(), self.address, self.size, inheritance)
    }

    /// Copies `source` over this region, as much as fits.
    ///
    /// # Errors
    ///
    /// Those of [`vm::vm_copy`].
    pub fn copy_from(&self, source: &Self) -> Result<()> {
        vm::vm_copy(mach_task_self(), source.address, self.size.min(source.size), self.address)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // The memory is this value's: if it cannot be deallocated, somebody else has done so.
        let _ = vm::mach_vm_deallocate(mach_task_self(), self.address, self.size);
    }
}

/// The 32-bit integers of an array that a reply brought in new memory, which goes. There is none for an empty array.
pub(crate) fn take_ints(address: u64, count: u32) -> Vec<u32> {
    let size = (4 * u64::from(count)).next_multiple_of(PAGE_SIZE);
    let memory = Region::adopt(address, size);
    let words = memory.words().iter().map(|word| word.load(Ordering::Relaxed));
    words.flat_map(|word| [word as u32, (word >> 32) as u32]).take(count as usize).collect()
}

/// The same for 64-bit values.
pub(crate) fn take_words(address: u64, count: u32) -> Vec<u64> {
    let memory = Region::adopt(address, (8 * u64::from(count)).next_multiple_of(PAGE_SIZE));
    memory.words().iter().map(|word| word.load(Ordering::Relaxed)).take(count as usize).collect()
}

/// Reads the byte at `address`, by an instruction that the compiler knows nothing of. Where no memory can be
/// read the thread raises an exception.
#[must_use]
pub fn touch(address: u64) -> u8 {
    mach_sys::memory::load_byte(address)
}
