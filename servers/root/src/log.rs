//! Root's log: lines on the first serial line, for whoever watches the start.

use core::fmt::{self, Write};

use mach_sys::debug::DebugConsole;

/// Writes one line to the log.
macro_rules! log {
    ($($text:tt)*) => { $crate::log::write_line(format_args!($($text)*)) };
}
pub(crate) use log;

pub(crate) fn write_line(line: fmt::Arguments<'_>) {
    // The kernel's console takes everything, so there is no error to look at.
    let _ = writeln!(DebugConsole, "{line}");
}
