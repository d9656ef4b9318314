//! FP/SIMD state: memory only.

use core::cell::Cell;

/// The FP/SIMD registers of a thread: Q0–Q31, FPSR, FPCR.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct FpuState {
    words: [Cell<u64>; 65],
}

impl FpuState {
    /// All registers zero.
    #[must_use]
    pub const fn new() -> Self {
        FpuState { words: [const { Cell::new(0) }; 65] }
    }
}

impl Default for FpuState {
    fn default() -> Self {
        Self::new()
    }
}
