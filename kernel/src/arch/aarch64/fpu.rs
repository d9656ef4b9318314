//! Floating point and SIMD: whose registers are in the core, and who may use them.
//!
//! The kernel is built without floating point, so the registers belong to user code at all times.
//! EL1 itself is never trapped, which lets [`save`] and [`restore`] run whatever the thread may do.

use core::arch::asm;
use core::cell::Cell;
use core::mem::offset_of;

use aarch64_cpu::registers::{CPACR_EL1, Writeable};

/// The floating-point and SIMD registers of a thread.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct FpuState {
    /// `Q0` … `Q31`, low half first.
    q: [[Cell<u64>; 2]; 32],
    /// `FPSR`.
    fpsr: Cell<u64>,
    /// `FPCR`.
    fpcr: Cell<u64>,
}

impl FpuState {
    /// All registers zero.
    #[must_use]
    pub const fn new() -> Self {
        Self { q: [const { [const { Cell::new(0) }; 2] }; 32], fpsr: Cell::new(0), fpcr: Cell::new(0) }
    }
}

impl Default for FpuState {
    fn default() -> Self {
        Self::new()
    }
}

const _: () = {
    assert!(offset_of!(FpuState, q) == 0);
    assert!(offset_of!(FpuState, fpsr) == 512 && offset_of!(FpuState, fpcr) == 520);
};

/// Lets EL0 use the registers; takes effect at the return to EL0.
pub fn enable() {
    CPACR_EL1.write(CPACR_EL1::FPEN::TrapNothing);
}

/// Makes EL0 trap on use; takes effect at the return to EL0.
pub fn disable() {
    CPACR_EL1.write(CPACR_EL1::FPEN::TrapEl0);
}

/// Stores the registers of the core into `state`.
pub fn save(state: &FpuState) {
    // SAFETY: `FpuState` is 16-aligned and holds 32 × 16 bytes, then two words; its fields are
    // cells, so writing through a shared reference is allowed.
    unsafe {
        asm!(
            ".arch_extension fp",
            "stp q0,  q1,  [{s}, #32 * 0]",
            "stp q2,  q3,  [{s}, #32 * 1]",
            "stp q4,  q5,  [{s}, #32 * 2]",
            "stp q6,  q7,  [{s}, #32 * 3]",
            "stp q8,  q9,  [{s}, #32 * 4]",
            "stp q10, q11, [{s}, #32 * 5]",
            "stp q12, q13, [{s}, #32 * 6]",
            "stp q14, q15, [{s}, #32 * 7]",
            "stp q16, q17, [{s}, #32 * 8]",
            "stp q18, q19, [{s}, #32 * 9]",
            "stp q20, q21, [{s}, #32 * 10]",
            "stp q22, q23, [{s}, #32 * 11]",
            "stp q24, q25, [{s}, #32 * 12]",
            "stp q26, q27, [{s}, #32 * 13]",
            "stp q28, q29, [{s}, #32 * 14]",
            "stp q30, q31, [{s}, #32 * 15]",
            "mrs {a}, fpsr",
            "mrs {b}, fpcr",
            "str {a}, [{s}, #512]",
            "str {b}, [{s}, #520]",
            s = in(reg) core::ptr::from_ref(state),
            a = out(reg) _,
            b = out(reg) _,
            options(nostack, preserves_flags),
        );
    }
}

/// Loads the registers of the core from `state`.
pub fn restore(state: &FpuState) {
    // SAFETY: reads within `state` (layout as in `save`); no Rust code holds values in the
    // registers, because the kernel is built without floating point.
    unsafe {
        asm!(
            ".arch_extension fp",
            "ldp q0,  q1,  [{s}, #32 * 0]",
            "ldp q2,  q3,  [{s}, #32 * 1]",
            "ldp q4,  q5,  [{s}, #32 * 2]",
            "ldp q6,  q7,  [{s}, #32 * 3]",
            "ldp q8,  q9,  [{s}, #32 * 4]",
            "ldp q10, q11, [{s}, #32 * 5]",
            "ldp q12, q13, [{s}, #32 * 6]",
            "ldp q14, q15, [{s}, #32 * 7]",
            "ldp q16, q17, [{s}, #32 * 8]",
            "ldp q18, q19, [{s}, #32 * 9]",
            "ldp q20, q21, [{s}, #32 * 10]",
            "ldp q22, q23, [{s}, #32 * 11]",
            "ldp q24, q25, [{s}, #32 * 12]",
            "ldp q26, q27, [{s}, #32 * 13]",
            "ldp q28, q29, [{s}, #32 * 14]",
            "ldp q30, q31, [{s}, #32 * 15]",
            "ldr {a}, [{s}, #512]",
            "ldr {b}, [{s}, #520]",
            "msr fpsr, {a}",
            "msr fpcr, {b}",
            s = in(reg) core::ptr::from_ref(state),
            a = out(reg) _,
            b = out(reg) _,
            options(nostack, preserves_flags, readonly),
        );
    }
}
