//! Access to memory that may not be there.

use crate::arch;

/// Reads the byte at `address`, by an instruction that the compiler knows nothing of. Where no memory can be
/// read the thread raises an exception.
#[must_use]
pub fn load_byte(address: u64) -> u8 {
    arch::load_byte(address)
}
