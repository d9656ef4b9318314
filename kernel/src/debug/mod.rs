//! What the kernel says for its own sake: lines on the debug console, and its last words.

pub mod epitaph;

use core::fmt;

use crate::arch::console;

/// The debug console as something to format to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(console::putc);
        Ok(())
    }
}

/// Prints a line on the debug console.
pub fn say(line: fmt::Arguments<'_>) {
    // The console cannot fail; an error could only come from a `Display` of the kernel's own.
    let _ = fmt::write(&mut Console, format_args!("{line}\n"));
}
