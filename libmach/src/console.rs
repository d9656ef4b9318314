//! The console: `print!`, `println!`, `eprintln!`, and reading lines.
//!
//! What one macro call prints reaches the console in one message if it fits, so that lines of several tasks do
//! not mix, and it is out when the call returns.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};

use mach_protocol::service;

use crate::msg::{self, MAX_DATA_BYTES, PortMessage};
use crate::{PortName, Result, names};

/// The console's port, once it was asked for; 0 before.
static PORT: AtomicU32 = AtomicU32::new(0);

/// Forgets the console's port: a task that was made by inheritance has none of its maker's rights.
pub(crate) fn forget() {
    PORT.store(0, Ordering::Relaxed);
}

fn port() -> Result<PortName> {
    match PORT.load(Ordering::Relaxed) {
        0 => {
            let port = names::lookup(service::CONSOLE)?;
            PORT.store(port.0, Ordering::Relaxed);
            Ok(port)
        }
        name => Ok(PortName(name)),
    }
}

/// Writes bytes to the console.
///
/// # Errors
///
/// Those of the name service, and of sending.
pub fn write(bytes: &[u8]) -> Result<()> {
    let port = port()?;
    for piece in bytes.chunks(MAX_DATA_BYTES) {
        let mut message = PortMessage::new(service::CONSOLE_WRITE);
        message.push_bytes(piece);
        service::answer_code(service::CONSOLE_WRITE, &msg::rpc(port, &message)?)?;
    }
    Ok(())
}

/// Reads what was typed, at least one byte, into `buffer`; answers how many.
///
/// # Errors
///
/// Those of the name service, and of sending.
pub fn read(buffer: &mut [u8]) -> Result<usize> {
    let mut message = PortMessage::new(service::CONSOLE_READ);
    // A word always fits an empty message.
    let _ = message.push_word(buffer.len() as u64);
    let answer = msg::rpc(port()?, &message)?;
    service::answer_code(service::CONSOLE_READ, &answer)?;
    Ok(buffer.iter_mut().zip(answer.data_bytes_from(1)).map(|(to, from)| *to = from).count())
}

/// Collects what one macro call prints.
struct Line {
    bytes: [u8; MAX_DATA_BYTES],
    len: usize,
}

impl Line {
    fn flush(&mut self) {
        // Output that nobody takes is lost: there is no place to report it to.
        let _ = write(self.bytes.get(..self.len).unwrap_or_default());
        self.len = 0;
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.len == self.bytes.len() {
                self.flush();
            }
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
        Ok(())
    }
}

/// Prints what the macros give it.
#[doc(hidden)]
pub fn print(args: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; MAX_DATA_BYTES], len: 0 };
    // `Line` takes everything, so only a `Display` of the caller's can fail; what it wrote is printed.
    let _ = line.write_fmt(args);
    line.flush();
}

/// Prints to the console.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::console::print(::core::format_args!($($arg)*)) };
}

/// Prints a line to the console.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($arg:tt)*) => { $crate::console::print(::core::format_args!("{}\n", ::core::format_args!($($arg)*))) };
}

/// Prints a line to the console; there is one for output and errors alike.
#[macro_export]
macro_rules! eprintln {
    ($($arg:tt)*) => { $crate::println!($($arg)*) };
}
