//! The arena that plays RAM, and a kernel over it.
#![expect(unsafe_code, reason = "makes RAM out of an allocation; see docs/unsafe.md, zone arch/host")]

use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::vec::Vec;

use crate::cap::Slot;
use crate::kernel::{Config, Kernel, Parts};
use crate::kobj::{MemRegion, adopt_slots};
use crate::mem::{KernelVa, PhysAddr};

/// Interrupts that the arena's machine has.
const IRQS: usize = 256;

/// A naturally aligned power of two of zeroed memory.
#[derive(Debug)]
struct Arena {
    start: NonNull<u8>,
    layout: Layout,
}

impl Arena {
    fn new(size_bits: u32) -> Self {
        let bytes = 1usize << size_bits;
        // SAFETY: not reached with a bad layout: size and alignment are the same power of two.
        let layout = unsafe { Layout::from_size_align_unchecked(bytes, bytes) };
        // SAFETY: the size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        let _ = start.as_ptr().expose_provenance();
        Arena { start, layout }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; `Machine` drops its kernel first.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// A kernel, and the arena that is all the memory it has.
///
/// The upper half of the arena is one region for tests to make objects in; the kernel's own needs
/// (interrupt slots) come from the lower half.
#[derive(Debug)]
pub struct Machine {
    /// The kernel. Before the arena, so that it goes first.
    pub kernel: Kernel,
    region: MemRegion,
    used: u64,
    arena: Arena,
}

/// Writes zeros, in memory itself.
///
/// # Safety
///
/// The range is valid for writes, and nobody has a reference into it.
pub unsafe fn zero_to_poc(start: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { start.write_bytes(0, bytes) };
}

/// A copy of a machine's state at one moment: the kernel, and all memory that was taken for objects.
#[derive(Debug)]
pub struct Checkpoint {
    kernel: MaybeUninit<Kernel>,
    memory: Vec<MaybeUninit<u64>>,
}

#[repr(C, align(2048))]
struct Own {
    irq_slots: [MaybeUninit<Slot>; IRQS],
}

impl Machine {
    /// A machine with `2^size_bits` bytes, half of them for objects.
    #[must_use]
    pub fn new(size_bits: u32) -> Self {
        let arena = Arena::new(size_bits);
        assert!(size_of::<Own>() <= 1 << (size_bits - 1), "the arena is too small");
        // SAFETY: zeroed memory of sufficient size and alignment; `Own` is uninitialised memory
        // only. The reference claims to live for ever; it and what is made of it live in the kernel,
        // which `Machine` drops before the arena.
        let own: &'static mut Own = unsafe { &mut *arena.start.as_ptr().cast::<Own>() };
        let kernel = Kernel::new(Parts {
            irq_slots: adopt_slots(&mut own.irq_slots),
            config: Config { timer_hz: 62_500_000, max_irq: 159, timer_irq: 27 },
        });
        let half = 1u64 << (size_bits - 1);
        let base = KernelVa(arena.start.as_ptr().addr()).to_phys();
        // SAFETY: KOBJ-5: the upper half of the arena, aligned to its size, used for nothing else.
        let region = unsafe { MemRegion::new(PhysAddr(base.0 + half), (size_bits - 1) as u8, false) };
        Machine { kernel, region, used: 0, arena }
    }

    /// Memory that nobody has yet, aligned to its size.
    ///
    /// # Panics
    ///
    /// If the arena is used up: the test needs a larger one.
    pub fn take(&mut self, size_bits: u32) -> MemRegion {
        let offset = self.used.next_multiple_of(1 << size_bits);
        self.used = offset + (1 << size_bits);
        match self.region.carve(offset, size_bits) {
            Some(region) => region,
            None => panic!("the arena is used up"),
        }
    }

    fn objects(&self) -> NonNull<MaybeUninit<u64>> {
        let KernelVa(addr) = self.region.base().to_kernel();
        let start: *mut MaybeUninit<u64> = core::ptr::with_exposed_provenance_mut(addr);
        NonNull::new(start).unwrap_or(NonNull::dangling())
    }

    /// Copies the state.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        let words = (self.used / 8) as usize;
        let mut memory = std::vec![MaybeUninit::uninit(); words];
        // SAFETY: `used` bytes of the upper half of the allocation, and a vector of that size; padding is copied as it is.
        unsafe { memory.as_mut_ptr().copy_from_nonoverlapping(self.objects().as_ptr(), words) };
        let mut kernel = MaybeUninit::<Kernel>::uninit();
        // SAFETY: the copy is only ever written back; nobody looks at it.
        unsafe { kernel.as_mut_ptr().copy_from_nonoverlapping(&raw const self.kernel, 1) };
        Checkpoint { kernel, memory }
    }

    /// Goes back to a checkpoint of this machine; objects that were made since are forgotten.
    pub fn restore(&mut self, checkpoint: &Checkpoint) {
        // SAFETY: as in `checkpoint`, from which the size is; by `&mut self` there is no reference to an object.
        unsafe {
            self.objects().as_ptr().copy_from_nonoverlapping(checkpoint.memory.as_ptr(), checkpoint.memory.len())
        };
        // SAFETY: a kernel of this machine, whose objects are again what they were; a kernel has no destructor.
        unsafe { (&raw mut self.kernel).copy_from_nonoverlapping(checkpoint.kernel.as_ptr(), 1) };
    }

    /// The memory that was taken for objects, word by word, with its address.
    #[must_use]
    pub fn words(&self) -> Vec<u64> {
        let start = self.objects().as_ptr().cast::<u64>();
        // SAFETY: as in `snapshot`.
        (0..(self.used / 8) as usize).map(|i| unsafe { start.wrapping_add(i).read_volatile() }).collect()
    }

    /// Where [`Machine::words`] begin.
    #[must_use]
    pub fn first_object(&self) -> KernelVa {
        self.region.base().to_kernel()
    }

    /// Whether a region is all zeros.
    #[must_use]
    pub fn is_zero(&self, region: MemRegion) -> bool {
        let base = KernelVa(self.arena.start.as_ptr().addr()).to_phys();
        let first = ((region.base().0 - base.0) / 8) as usize;
        (first..first + (region.bytes() / 8) as usize).all(|index| self.word(index) == 0)
    }

    /// A copy of all memory, for tests that compare before and after.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u64> {
        (0..self.arena.layout.size() / 8).map(|index| self.word(index)).collect()
    }

    /// A word of all memory; 0 behind its end.
    fn word(&self, index: usize) -> u64 {
        if index >= self.arena.layout.size() / 8 {
            return 0;
        }
        let place = self.arena.start.as_ptr().cast::<u64>().wrapping_add(index);
        // SAFETY: inside the allocation, aligned; zeroed at first, so every word is initialised
        // but for padding, which volatile reads take as it is.
        unsafe { place.read_volatile() }
    }
}
