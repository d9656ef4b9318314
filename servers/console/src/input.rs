//! What is typed, and who gets it: pure logic over whatever stands for a reader.
//!
//! Bytes wait as they were typed, and nothing is shown of them, until somebody reads:
//!
//! - a reader of *keys* gets the bytes as they are, up to the end of a line, and shows what it likes;
//! - a reader of a *line* gets a line that this module edits and shows while it is typed.
//!
//! A reader of keys comes before all readers of lines: it is the one that a person talks to, and the others are programs
//! that it runs. What was typed to a line that nobody got is typed to it. Of the readers of lines the last to ask is the
//! first to get one, since the others are in the background, or stopped.
//!
//! Whoever waits for the interrupt key is told of it at once, whatever else waits, and what was typed before is thrown
//! away. While nobody does, that key is a byte like others.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Bytes that wait for a reader. More stay in the line, and their sender waits.
const MAX_AHEAD: usize = 4096;
/// Bytes of a line that is being typed.
const MAX_LINE: usize = 512;
/// Readers of lines that wait at a time.
const MAX_READERS: usize = 16;

const INTERRUPT: u8 = 3;
const END_OF_INPUT: u8 = 4;
const BACKSPACE: u8 = 8;
const KILL_LINE: u8 = 0x15;
const DELETE: u8 = 0x7f;

/// How readers are answered, and how bytes are shown.
pub(crate) trait Effects<R> {
    /// Gives a reader these bytes. `false`: it is gone.
    fn deliver(&mut self, reader: R, bytes: &[u8]) -> bool;
    /// Shows bytes.
    fn show(&mut self, bytes: &[u8]);
}

/// Somebody who asked for bytes.
#[derive(Debug)]
struct Reader<R> {
    who: R,
    most: usize,
}

/// What was typed and not read, and who waits for it.
#[derive(Debug)]
pub(crate) struct Input<R> {
    ahead: VecDeque<u8>,
    /// The line that is being typed, as it is shown.
    line: Vec<u8>,
    /// What is left of a line that its reader had not room for.
    rest: VecDeque<u8>,
    keys: Option<Reader<R>>,
    lines: Vec<Reader<R>>,
    watcher: Option<R>,
}

impl<R: Copy> Input<R> {
    /// Nothing typed, and nobody there.
    pub(crate) const fn new() -> Self {
        Self {
            ahead: VecDeque::new(),
            line: Vec::new(),
            rest: VecDeque::new(),
            keys: None,
            lines: Vec::new(),
            watcher: None,
        }
    }

    /// Whether another byte may be taken from the line.
    pub(crate) fn has_room(&self) -> bool {
        self.ahead.len() < MAX_AHEAD
    }

    /// A byte was typed.
    pub(crate) fn typed(&mut self, byte: u8, effects: &mut impl Effects<R>) {
        if byte == INTERRUPT
            && let Some(watcher) = self.watcher.take()
            && effects.deliver(watcher, &[])
        {
            self.ahead.clear();
            self.line.clear();
            self.rest.clear();
            return;
        }
        self.ahead.push_back(byte);
        self.hand_out(effects);
    }

    /// Somebody wants keys, at most so many bytes. Answers who wanted them before and is given up.
    pub(crate) fn read_keys(&mut self, who: R, most: usize, effects: &mut impl Effects<R>) -> Option<R> {
        let before = self.keys.replace(Reader { who, most });
        let shown: Vec<u8> = self.rest.drain(..).chain(self.line.drain(..)).collect();
        shown.iter().rev().for_each(|byte| self.ahead.push_front(*byte));
        self.hand_out(effects);
        before.map(|reader| reader.who)
    }

    /// Somebody wants a line, at most so many bytes of it. Answers who is given up for that: the one that waited longest,
    /// if there are too many.
    pub(crate) fn read_line(&mut self, who: R, most: usize, effects: &mut impl Effects<R>) -> Option<R> {
        let given_up = (self.lines.len() >= MAX_READERS).then(|| self.lines.remove(0).who);
        self.lines.push(Reader { who, most });
        self.hand_out(effects);
        given_up
    }

    /// Somebody wants to be told of the interrupt key. Answers who wanted it before and is given up.
    pub(crate) fn watch(&mut self, who: R) -> Option<R> {
        self.watcher.replace(who)
    }

    /// Gives readers what there is for them.
    fn hand_out(&mut self, effects: &mut impl Effects<R>) {
        while let Some(reader) = self.keys.take() {
            let end = self.ahead.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let count = end.map_or(self.ahead.len(), |end| end + 1).min(reader.most);
            if count == 0 {
                self.keys = Some(reader);
                return;
            }
            let bytes: Vec<u8> = self.ahead.iter().take(count).copied().collect();
            if effects.deliver(reader.who, &bytes) {
                self.ahead.drain(..count);
            }
        }
        while !self.lines.is_empty() {
            if !self.rest.is_empty() {
                self.deliver_rest(effects);
                continue;
            }
            let Some(byte) = self.ahead.pop_front() else { return };
            self.edit(byte, effects);
        }
    }

    /// Takes a byte into the line that is being typed.
    fn edit(&mut self, byte: u8, effects: &mut impl Effects<R>) {
        match byte {
            b'\r' | b'\n' => {
                effects.show(b"\r\n");
                self.line.push(b'\n');
                self.rest.extend(self.line.drain(..));
            }
            END_OF_INPUT if self.line.is_empty() => {
                // One that is gone leaves the end to the next.
                while let Some(reader) = self.lines.pop() {
                    if effects.deliver(reader.who, &[]) {
                        break;
                    }
                }
            }
            END_OF_INPUT => self.rest.extend(self.line.drain(..)),
            BACKSPACE | DELETE => self.erase(effects),
            KILL_LINE => {
                while !self.line.is_empty() {
                    self.erase(effects);
                }
            }
            0x20.. if self.line.len() < MAX_LINE => {
                self.line.push(byte);
                effects.show(&[byte]);
            }
            _ => {}
        }
    }

    /// Takes back the last character, which may have several bytes.
    fn erase(&mut self, effects: &mut impl Effects<R>) {
        const CONTINUES: u8 = 0b10;
        while let Some(byte) = self.line.pop() {
            if byte >> 6 != CONTINUES {
                return effects.show(b"\x08 \x08");
            }
        }
    }

    /// Gives the last reader of a line what is left of one.
    fn deliver_rest(&mut self, effects: &mut impl Effects<R>) {
        let Some(reader) = self.lines.pop() else { return };
        let end = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |end| end + 1);
        let bytes: Vec<u8> = self.rest.iter().take(end.min(reader.most)).copied().collect();
        if effects.deliver(reader.who, &bytes) {
            self.rest.drain(..bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readers are letters; capital letters are gone.
    #[derive(Default)]
    struct Told {
        got: Vec<(char, Vec<u8>)>,
        shown: Vec<u8>,
    }

    impl Effects<char> for Told {
        fn deliver(&mut self, reader: char, bytes: &[u8]) -> bool {
            if reader.is_lowercase() {
                self.got.push((reader, bytes.to_vec()));
            }
            reader.is_lowercase()
        }

        fn show(&mut self, bytes: &[u8]) {
            self.shown.extend(bytes);
        }
    }

    struct Desk {
        input: Input<char>,
        told: Told,
    }

    impl Desk {
        fn new() -> Self {
            Self { input: Input::new(), told: Told::default() }
        }

        fn type_text(&mut self, text: &str) {
            text.bytes().for_each(|byte| self.input.typed(byte, &mut self.told));
        }

        fn line(&mut self, who: char) -> Option<char> {
            self.input.read_line(who, 100, &mut self.told)
        }

        fn keys(&mut self, who: char) -> Option<char> {
            self.input.read_keys(who, 100, &mut self.told)
        }

        /// What was delivered since this was last asked, as `a:text`.
        fn got(&mut self) -> Vec<std::string::String> {
            let got = core::mem::take(&mut self.told.got);
            got.iter()
                .map(|(who, bytes)| std::format!("{who}:{}", std::string::String::from_utf8_lossy(bytes)))
                .collect()
        }

        fn shown(&mut self) -> std::string::String {
            std::string::String::from_utf8(core::mem::take(&mut self.told.shown)).unwrap()
        }
    }

    #[test]
    fn what_is_typed_ahead_is_shown_when_it_is_read() {
        let mut desk = Desk::new();
        desk.type_text("one\ntwo\n");
        assert_eq!((desk.shown(), desk.got().len()), ("".into(), 0));
        desk.line('a');
        assert_eq!((desk.shown(), desk.got()), ("one\r\n".into(), vec!["a:one\n".into()]));
        desk.keys('k');
        assert_eq!((desk.shown(), desk.got()), ("".into(), vec!["k:two\n".into()]));
    }

    #[test]
    fn a_line_is_edited_while_it_is_typed() {
        let mut desk = Desk::new();
        desk.line('a');
        desk.type_text("xy\x7fz\u{e4}\x08\r");
        assert_eq!(desk.shown(), "xy\x08 \x08z\u{e4}\x08 \x08\r\n");
        assert_eq!(desk.got(), ["a:xz\n"]);
        desk.line('a');
        desk.type_text("abc\x15d\n");
        assert_eq!(desk.got(), ["a:d\n"]);
        desk.line('a');
        desk.type_text(&"x".repeat(600));
        desk.type_text("\n");
        let got = desk.got();
        assert_eq!(got[0].len(), 2 + 100, "the reader's room");
    }

    #[test]
    fn a_long_line_comes_in_pieces() {
        let mut desk = Desk::new();
        desk.input.read_line('a', 2, &mut desk.told);
        desk.type_text("12345\n");
        assert_eq!(desk.got(), ["a:12"]);
        desk.line('b');
        assert_eq!(desk.got(), ["b:345\n"]);
    }

    #[test]
    fn the_end_of_input_is_an_empty_answer() {
        let mut desk = Desk::new();
        desk.line('a');
        desk.type_text("\x04");
        assert_eq!(desk.got(), ["a:"]);
        desk.line('a');
        desk.type_text("no newline\x04");
        assert_eq!(desk.got(), ["a:no newline"]);
    }

    #[test]
    fn keys_come_as_they_are_and_before_lines() {
        let mut desk = Desk::new();
        desk.line('a');
        desk.type_text("half");
        desk.keys('k');
        assert_eq!(desk.got(), ["k:half"], "what was typed to a line that nobody got");
        desk.keys('k');
        desk.type_text("\x1b");
        assert_eq!(desk.got(), ["k:\x1b"]);
        desk.type_text("for a\n");
        assert_eq!(desk.got(), ["a:for a\n"]);
        assert_eq!(desk.keys('k'), None);
        assert_eq!(desk.keys('l'), Some('k'), "one at a time");
    }

    #[test]
    fn the_last_reader_is_the_first_to_get_a_line() {
        let mut desk = Desk::new();
        desk.line('a');
        desk.line('b');
        desk.type_text("1\n2\n");
        assert_eq!(desk.got(), ["b:1\n", "a:2\n"]);
        let given_up: Vec<_> = ('a'..='r').filter_map(|who| desk.line(who)).collect();
        assert_eq!(given_up, ['a', 'b']);
    }

    #[test]
    fn readers_that_are_gone_take_nothing() {
        let mut desk = Desk::new();
        desk.line('a');
        desk.line('B');
        desk.line('C');
        desk.type_text("kept\n");
        assert_eq!(desk.got(), ["a:kept\n"]);
        desk.keys('K');
        desk.type_text("x");
        desk.keys('k');
        assert_eq!(desk.got(), ["k:x"]);
    }

    #[test]
    fn the_interrupt_key_is_told_at_once_and_clears_what_was_typed() {
        let mut desk = Desk::new();
        desk.input.watch('w');
        desk.type_text("ahead\x03after\n");
        assert_eq!(desk.got(), ["w:"]);
        desk.keys('k');
        assert_eq!(desk.got(), ["k:after\n"]);
        desk.keys('k');
        desk.type_text("\x03");
        assert_eq!(desk.got(), ["k:\x03"], "nobody waits for it");
        desk.input.watch('W');
        desk.keys('k');
        desk.type_text("\x03");
        assert_eq!(desk.got(), ["k:\x03"], "who waited for it is gone");
        assert_eq!(desk.input.watch('v'), None);
        assert_eq!(desk.input.watch('w'), Some('v'));
    }

    #[test]
    fn no_more_is_taken_than_there_is_room_for() {
        let mut desk = Desk::new();
        while desk.input.has_room() {
            desk.type_text("x");
        }
        desk.line('a');
        assert!(desk.input.has_room(), "a line that is typed takes bytes away, beyond its room too");
        desk.type_text("\n");
        assert_eq!(desk.got()[0].len(), 2 + 100);
    }
}
