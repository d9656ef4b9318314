//! The EL1 virtual timer: the kernel's clock and its one alarm (spec §4.4).
//!
//! The alarm is level-triggered: it asserts while the counter is at or past the deadline, so
//! moving the deadline is what acknowledges it.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTFRQ_EL0, CNTKCTL_EL1, CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTVCT_EL0, Readable, Writeable};

/// Starts the timer with the alarm far away, and lets EL0 read the virtual counter.
///
/// Reading the counter is an addition to the specified configuration, in which it traps; spec §7.6
/// allows it. Nothing else of the timers is open to EL0.
pub(super) fn init() {
    CNTV_CVAL_EL0.set(u64::MAX);
    CNTKCTL_EL1.write(CNTKCTL_EL1::EL0VCTEN::SET);
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::SET + CNTV_CTL_EL0::IMASK::CLEAR);
}

/// The present time, in ticks.
///
/// The counter may be read early, but not before the kernel was entered: that orders it after all that user mode did.
pub fn now() -> u64 {
    CNTVCT_EL0.get()
}

/// Ticks per second.
pub fn frequency() -> u64 {
    CNTFRQ_EL0.get()
}

/// Lets the timer interrupt once the counter reaches `deadline`.
pub fn set_deadline(deadline: u64) {
    CNTV_CVAL_EL0.set(deadline);
    // The line must have dropped before interrupts can be taken again.
    barrier::isb(barrier::SY);
}
