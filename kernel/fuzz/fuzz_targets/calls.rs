//! Bytes become system calls, faults, interrupts and time of threads that own a piece of memory; see `kernel::prison`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kernel::prison::run(bytes));
