//! The debug console: recorded.

use super::record::{Event, note};

/// Prints one byte.
pub fn putc(byte: u8) {
    note(Event::Print(byte));
}
