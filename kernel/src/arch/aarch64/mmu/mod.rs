//! The MMU: descriptors, the kernel's own tables, the address space of the current thread.
//!
//! Virtual layout above the user half, all in the last 512 GiB, which one level-1 table serves:
//!
//! | from                   | what                                        | mapped as             |
//! |------------------------|---------------------------------------------|-----------------------|
//! | [`WINDOW_BASE`]        | the window: RAM at its physical address     | Normal, never executed |
//! | [`IMAGE_BASE`]         | the kernel's image                          | Normal, by page: code, constants, variables |
//! | [`DEVICE_BASE`]        | registers of the interrupt controller, UART | Device-nGnRnE         |
//!
//! Only RAM that boot found is in the window, in 2 MiB steps inwards, so nothing is ever fetched
//! speculatively from a device. `MAIR_EL1` and `TCR_EL1` stay as the boot stage sets them.

pub mod pte;
mod seal;
mod tables;
pub mod tlb;

pub(super) use self::seal::seal;
pub(super) use self::tables::{DeviceMappings, MapError, Registers, build};

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{Readable, TTBR0_EL1, TTBR1_EL1, Writeable};

use crate::arch::types::Asid;
use crate::mem::PhysAddr;

/// Where physical address 0 appears in the window.
pub(crate) const WINDOW_BASE: u64 = 0xffff_ff80_0000_0000;
/// Size of the window: physical memory from here on cannot be ordinary memory.
pub(crate) const WINDOW_SIZE: u64 = 255 << 30;
/// Where the kernel's image is linked.
pub(crate) const IMAGE_BASE: u64 = 0xffff_ffff_c000_0000;
/// Where the image is mapped a second time while it is sealed.
const ALIAS_BASE: u64 = 0xffff_ffff_dfe0_0000;
/// Where device registers are mapped.
const DEVICE_BASE: u64 = 0xffff_ffff_e000_0000;

/// Where the ASID sits in `TTBR0_EL1`.
const ASID_SHIFT: u32 = 48;

/// Runs user mode on the tables at `root`, tagged with `asid`, from now on.
#[inline]
pub fn set_user_root(root: PhysAddr, asid: Asid) {
    write_ttbr0(root.0 | (u64::from(asid.0) << ASID_SHIFT));
}

/// Takes `asid` out of use: its tables are not walked any more, its translations forgotten.
pub fn retire_asid(asid: Asid) {
    if TTBR0_EL1.get() >> ASID_SHIFT == u64::from(asid.0) {
        set_no_user_root();
    }
    tlb::invalidate_asid(asid);
}

/// Leaves user mode without an address space: the first instruction faults.
pub fn set_no_user_root() {
    set_user_root(tables::empty_user_root(), Asid(0));
}

/// Calls `operation` while the user half is that of `root` and `asid`.
pub(super) fn with_user_root(root: PhysAddr, asid: Asid, operation: impl FnOnce()) {
    let previous = TTBR0_EL1.get();
    set_user_root(root, asid);
    operation();
    write_ttbr0(previous);
}

fn write_ttbr0(value: u64) {
    if TTBR0_EL1.get() != value {
        TTBR0_EL1.set(value);
        barrier::isb(barrier::SY);
    }
}

/// Changes from the boot stage's tables to the kernel's own, and leaves the user half empty.
///
/// Both map the image at the same addresses with blocks of the same size, so the translation of
/// the running code does not change.
pub(super) fn activate(root: PhysAddr) {
    barrier::dsb(barrier::ISHST);
    TTBR1_EL1.set(root.0);
    set_no_user_root();
    tlb::invalidate_all();
}
