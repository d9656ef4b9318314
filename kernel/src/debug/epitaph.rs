//! The kernel's last words: kept in memory, under the symbol [`EPITAPH`], and printed.
//!
//! A board without a console still has the text in its memory for whoever attaches a debugger.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use super::Console;

/// Bytes kept.
const CAPACITY: usize = 512;

/// Text in memory; atomics because it is a static.
#[derive(Debug)]
pub struct Epitaph {
    length: AtomicUsize,
    text: [AtomicU8; CAPACITY],
}

/// What the kernel said before it stopped; empty while it lives.
pub static EPITAPH: Epitaph = Epitaph::new();

impl Epitaph {
    const fn new() -> Self {
        Self { length: AtomicUsize::new(0), text: [const { AtomicU8::new(0) }; CAPACITY] }
    }

    /// The text so far.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        let length = self.length.load(Ordering::Relaxed);
        self.text.iter().take(length).map(|byte| byte.load(Ordering::Relaxed))
    }
}

/// Appends to an epitaph; what does not fit is cut.
struct Chisel<'a>(&'a Epitaph);

impl Write for Chisel<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let at = self.0.length.load(Ordering::Relaxed);
            let Some(place) = self.0.text.get(at) else { break };
            place.store(byte, Ordering::Relaxed);
            self.0.length.store(at + 1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Keeps `reason` as the epitaph and prints it. The first reason counts: a failure while writing
/// does not overwrite it.
pub fn write(reason: &dyn fmt::Display) {
    if EPITAPH.length.load(Ordering::Relaxed) == 0 {
        // Neither writer fails; formatting the reason may, and then there is nothing more to say.
        let _ = write!(Chisel(&EPITAPH), "{reason}");
    }
    let _ = write!(Console, "\nTessera kernel stopped: {reason}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epitaph_is_cut_at_its_capacity() {
        let epitaph = Epitaph::new();
        for _ in 0..CAPACITY {
            Chisel(&epitaph).write_str("ab").unwrap();
        }
        assert_eq!(epitaph.bytes().count(), CAPACITY);
        assert!(epitaph.bytes().step_by(2).all(|byte| byte == b'a'));
    }
}
