//! FP/SIMD state: memory only; the core has one register file a test thread.

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

std::thread_local! {
    static REGISTERS: FpuState = const { FpuState::new() };
}

impl FpuState {
    fn copy_from(&self, other: &FpuState) {
        for (to, from) in self.words.iter().zip(&other.words) {
            to.set(from.get());
        }
    }
}

impl FpuState {
    /// For tests: what tells one state from another.
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.words.first().map_or(0, Cell::get)
    }
}

/// For tests: user mode changes a register.
pub fn set_mark(mark: u64) {
    REGISTERS.with(|registers| registers.words.first().map(|word| word.set(mark)));
}

/// Stores the registers of the core into `state`.
pub fn save(state: &FpuState) {
    REGISTERS.with(|registers| state.copy_from(registers));
}

/// Loads the registers of the core from `state`.
pub fn restore(state: &FpuState) {
    REGISTERS.with(|registers| registers.copy_from(state));
}

/// Lets user mode use the registers.
pub fn enable() {}

/// Makes user mode trap on use.
pub fn disable() {}

impl Default for FpuState {
    fn default() -> Self {
        Self::new()
    }
}
