//! From bytes of a terminal to keys: control characters, escape sequences, UTF-8.

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    /// The end of the line.
    Enter,
    /// ^C.
    Interrupt,
    /// ^D: the end of the input on an empty line, else as [`Key::Delete`].
    End,
    /// Takes away the character before the cursor.
    Backspace,
    /// Takes away the character under the cursor.
    Delete,
    /// One character to the left.
    Left,
    /// One character to the right.
    Right,
    /// To the start of the line; ^A.
    LineStart,
    /// To the end of the line; ^E.
    LineEnd,
    /// The line before, in the history; ^P.
    Up,
    /// The line after; ^N.
    Down,
    /// ^K: takes away what is behind the cursor.
    KillToEnd,
    /// ^U: takes away what is before the cursor.
    KillToStart,
    /// ^W: takes away the word before the cursor.
    KillWord,
    /// ^L: a clear screen.
    Clear,
}

/// Where in a sequence of bytes the decoder is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// Behind an escape.
    Escape,
    /// Behind an escape and `[` or `O`, with the first number so far.
    Sequence { number: u8, has_more: bool },
    /// In a character of several bytes.
    Character { value: u32, left: u8 },
}

/// Reads keys out of bytes. What is no key is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    state: State,
    was_return: bool,
}

impl Decoder {
    /// Takes a byte; answers the key that it completes.
    pub fn take(&mut self, byte: u8) -> Option<Key> {
        const RETURN: u8 = b'\r';
        // A line may end with both.
        let is_second = self.was_return && byte == b'\n';
        self.was_return = byte == RETURN && self.state == State::Ground;
        if is_second {
            return None;
        }
        match core::mem::take(&mut self.state) {
            State::Ground => self.first(byte),
            State::Escape => {
                if matches!(byte, b'[' | b'O') {
                    self.state = State::Sequence { number: 0, has_more: false };
                }
                None
            }
            State::Sequence { number, has_more } => self.sequence(byte, number, has_more),
            State::Character { value, left } => self.character(byte, value, left),
        }
    }

    fn first(&mut self, byte: u8) -> Option<Key> {
        Some(match byte {
            0x01 => Key::LineStart,
            0x02 => Key::Left,
            0x03 => Key::Interrupt,
            0x04 => Key::End,
            0x05 => Key::LineEnd,
            0x06 => Key::Right,
            0x08 | 0x7f => Key::Backspace,
            b'\r' | b'\n' => Key::Enter,
            0x0b => Key::KillToEnd,
            0x0c => Key::Clear,
            0x0e => Key::Down,
            0x10 => Key::Up,
            0x15 => Key::KillToStart,
            0x17 => Key::KillWord,
            b'\t' => Key::Char(' '),
            0x20..0x7f => Key::Char(char::from(byte)),
            _ => {
                self.state = match byte {
                    0x1b => State::Escape,
                    0xc2..=0xdf => State::Character { value: u32::from(byte & 0x1f), left: 1 },
                    0xe0..=0xef => State::Character { value: u32::from(byte & 0x0f), left: 2 },
                    0xf0..=0xf4 => State::Character { value: u32::from(byte & 0x07), left: 3 },
                    _ => State::Ground,
                };
                return None;
            }
        })
    }

    fn sequence(&mut self, byte: u8, number: u8, has_more: bool) -> Option<Key> {
        Some(match byte {
            b'0'..=b'9' => {
                let next = if has_more { number } else { number.saturating_mul(10).saturating_add(byte - b'0') };
                self.state = State::Sequence { number: next, has_more };
                return None;
            }
            b';' => {
                self.state = State::Sequence { number, has_more: true };
                return None;
            }
            b'A' => Key::Up,
            b'B' => Key::Down,
            b'C' => Key::Right,
            b'D' => Key::Left,
            b'H' => Key::LineStart,
            b'F' => Key::LineEnd,
            b'~' => match number {
                1 | 7 => Key::LineStart,
                3 => Key::Delete,
                4 | 8 => Key::LineEnd,
                _ => return None,
            },
            _ => return None,
        })
    }

    fn character(&mut self, byte: u8, value: u32, left: u8) -> Option<Key> {
        if byte & 0xc0 != 0x80 {
            // Not what it began as: the byte stands for itself.
            return self.first(byte);
        }
        let value = value << 6 | u32::from(byte & 0x3f);
        if left > 1 {
            self.state = State::Character { value, left: left - 1 };
            return None;
        }
        char::from_u32(value).filter(|character| !character.is_control()).map(Key::Char)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        bytes.iter().filter_map(|byte| decoder.take(*byte)).collect()
    }

    #[test]
    fn keys_of_terminals_are_known() {
        for (bytes, key) in [
            (&b"a"[..], Key::Char('a')),
            ("\u{e4}".as_bytes(), Key::Char('\u{e4}')),
            ("\u{1f600}".as_bytes(), Key::Char('\u{1f600}')),
            (b"\t", Key::Char(' ')),
            (b"\x1b[A", Key::Up),
            (b"\x1bOA", Key::Up),
            (b"\x1b[B", Key::Down),
            (b"\x1b[C", Key::Right),
            (b"\x1b[1;5C", Key::Right),
            (b"\x1b[D", Key::Left),
            (b"\x1b[H", Key::LineStart),
            (b"\x1b[1~", Key::LineStart),
            (b"\x1b[7~", Key::LineStart),
            (b"\x01", Key::LineStart),
            (b"\x1b[F", Key::LineEnd),
            (b"\x1b[4~", Key::LineEnd),
            (b"\x05", Key::LineEnd),
            (b"\x1b[3~", Key::Delete),
            (b"\x7f", Key::Backspace),
            (b"\x08", Key::Backspace),
            (b"\x0b", Key::KillToEnd),
            (b"\x15", Key::KillToStart),
            (b"\x17", Key::KillWord),
            (b"\x03", Key::Interrupt),
            (b"\x04", Key::End),
            (b"\x0c", Key::Clear),
        ] {
            assert_eq!(keys(bytes), [key], "{bytes:?}");
        }
    }

    #[test]
    fn a_line_ends_once_however_it_ends() {
        assert_eq!(keys(b"\r\n\n\r\r\n"), [Key::Enter; 4]);
    }

    #[test]
    fn what_is_no_key_is_left_out() {
        for bytes in [&b"\x1b[5~"[..], b"\x1b[200~", b"\x1b[Z", b"\x1bx", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x00"] {
            assert_eq!(keys(bytes), [], "{bytes:?}");
        }
        assert_eq!(keys(b"\xc3a"), [Key::Char('a')]);
    }
}
