//! The heap: talc over memory from `vm_allocate`.

use core::alloc::{GlobalAlloc, Layout};

use spin::mutex::SpinMutex;
use spin::relax::RelaxStrategy;
use talc::TalcLock;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;

use crate::task::mach_task_self;
use crate::vm::{VmFlags, vm_allocate};

/// Bytes that the heap grows by at least.
const GROWTH: usize = 256 * 1024;

/// Waits by giving up the rest of the budget: the holder may be a thread of the same priority.
#[derive(Debug)]
pub(crate) struct Yield;

impl RelaxStrategy for Yield {
    fn relax() {
        mach_sys::yield_now();
    }
}

/// Takes memory from the task's map.
#[derive(Debug)]
struct VmSource;

// SAFETY: `vm_allocate` uses the IPC buffer and the stack only, never an allocator.
unsafe impl Source for VmSource {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        // The allocator needs room for its own records; alignment may cost as much again.
        let wanted = layout.size().saturating_add(layout.align()).saturating_add(4096);
        let size = wanted.max(GROWTH);
        let address = vm_allocate(mach_task_self(), 0, size as u64, VmFlags::ANYWHERE).map_err(|_| ())?;
        let base = core::ptr::with_exposed_provenance_mut(address as usize);
        // SAFETY: the server gave this task the memory, readable and writable, for nothing else, and it is never
        // given back.
        unsafe { talc.claim(base, size) }.map(drop).ok_or(())
    }
}

/// A heap that grows by `vm_allocate`. Memory that is freed is used again, and never given back.
pub struct Heap(TalcLock<SpinMutex<(), Yield>, VmSource>);

impl Heap {
    /// A heap without memory yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(TalcLock::new(VmSource))
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: every call goes to talc's lock, which keeps the contract.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises.
        unsafe { self.0.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promises.
        unsafe { self.0.realloc(pointer, layout, size) }
    }
}

/// Gives the program a heap that grows by `vm_allocate`. Part of [`entry!`](crate::entry).
#[macro_export]
macro_rules! heap {
    () => {
        #[global_allocator]
        static HEAP: $crate::rt::Heap = $crate::rt::Heap::new();
    };
}
