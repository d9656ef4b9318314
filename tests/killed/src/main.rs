//! A task that touches what is not its own, to see what its user is told: `read`, `write`, `execute` or `panic`.
//!
//! The suites `killed.*` of `tests/suites.toml` run it.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![expect(unsafe_code, reason = "the accesses are wrong on purpose; that is what is tested")]

/// An address in the first page, where no memory can be.
const NOWHERE: usize = 0x123;

#[cfg(target_os = "none")]
libmach::entry!(main);

fn main() -> i32 {
    libmach::println!("about to be killed");
    match libmach::args().nth(1) {
        Some("read") => read_nowhere(),
        Some("write") => write_to_own_text(),
        Some("execute") => call_nowhere(),
        _ => panic!("on purpose"),
    }
    0
}

#[inline(never)]
fn read_nowhere() {
    // SAFETY: not sound; the task is to be killed at this load.
    let word = unsafe { core::ptr::without_provenance::<u8>(NOWHERE).read_volatile() };
    libmach::println!("read {word}");
}

#[inline(never)]
fn write_to_own_text() {
    // SAFETY: not sound; program text is not writable, the task is to be killed at this store.
    unsafe { (main as fn() -> i32 as *mut u8).write_volatile(0) };
}

#[inline(never)]
fn call_nowhere() {
    // SAFETY: not sound; nothing is there to be called, the task is to be killed at its first instruction.
    let nowhere = unsafe { core::mem::transmute::<usize, fn()>(NOWHERE & !3) };
    nowhere();
}
