//! Addresses. Three kinds exist, and none converts into another silently.

mod addr;

pub use addr::{KernelVa, PhysAddr, UserVa};
