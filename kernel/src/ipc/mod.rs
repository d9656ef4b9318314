//! Messages between threads, and the messages that the kernel makes of faults.

pub mod fault;
pub mod transfer;

#[cfg(test)]
mod tests;
