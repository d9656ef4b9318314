//! Physical, kernel-virtual and user-virtual addresses.

use crate::arch;

/// A physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(transparent)]
pub struct PhysAddr(pub u64);

/// An address in the kernel's window on physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct KernelVa(pub usize);

/// An address in some user address space; the kernel never accesses memory through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(transparent)]
pub struct UserVa(pub u64);

impl PhysAddr {
    /// Finds the address in the kernel's window.
    #[must_use]
    pub const fn to_kernel(self) -> KernelVa {
        KernelVa(self.0.wrapping_add(arch::PHYS_WINDOW) as usize)
    }

    /// Moves up by `bytes`.
    #[must_use]
    pub const fn add(self, bytes: u64) -> PhysAddr {
        PhysAddr(self.0.wrapping_add(bytes))
    }

    /// Is the address a multiple of `2^bits`?
    #[must_use]
    pub const fn is_aligned(self, bits: u32) -> bool {
        self.0 & ((1 << bits) - 1) == 0
    }
}

impl KernelVa {
    /// Finds the physical address behind an address of the window.
    #[must_use]
    pub const fn to_phys(self) -> PhysAddr {
        PhysAddr((self.0 as u64).wrapping_sub(arch::PHYS_WINDOW))
    }
}

impl UserVa {
    /// Is the address a multiple of `2^bits`?
    #[must_use]
    pub const fn is_aligned(self, bits: u32) -> bool {
        self.0 & ((1 << bits) - 1) == 0
    }
}
