//! The line that is being typed, and what a terminal must be sent so that it shows it.
//!
//! The terminal is one that knows `\r`, `\b`, `ESC [ K`, `ESC [ n C`, `ESC [ H` and `ESC [ 2 J`, of which [`COLUMNS`] columns are used. A
//! line that is too long for the columns behind the prompt is shown in part: the part around the cursor. Characters
//! typed at the end of a line are sent as they are, so that output which nobody looks at on a terminal stays readable.
//!
//! Invariant **EDIT-1**: the terminal's last line shows the prompt and the part of the line from `first` on that fits, and
//! its cursor is where the editor's is.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::history::History;
use crate::keys::Key;

/// Columns of the terminal that are used. No line of the usual 80 wraps, with the cursor and a `^C` behind the text.
pub const COLUMNS: usize = 77;
/// Characters of a line.
pub const MAX_LINE: usize = 800;

/// What a key did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The line goes on.
    Going,
    /// The line was entered.
    Line(String),
    /// More was typed than a line can be: it was given up.
    TooLong,
    /// The line was given up.
    Interrupted,
    /// The input ended.
    Ended,
}

/// The editor of one line after the other.
#[derive(Debug)]
pub struct Editor {
    prompt: &'static str,
    line: Vec<char>,
    cursor: usize,
    /// The first character that is shown.
    first: usize,
    /// Characters were typed for which there was no room.
    has_lost: bool,
    history: History,
}

impl Editor {
    /// An editor that shows this prompt, of printable ASCII.
    #[must_use]
    pub fn new(prompt: &'static str) -> Self {
        Self { prompt, line: Vec::new(), cursor: 0, first: 0, has_lost: false, history: History::default() }
    }

    /// What shows the prompt and the line on an empty line of the terminal.
    #[must_use]
    pub fn start(&self) -> String {
        if self.line.is_empty() { self.prompt.into() } else { self.redrawn() }
    }

    /// What takes prompt and line from the terminal, so that something else can be shown; [`Editor::start`] shows them
    /// again.
    #[must_use]
    pub fn hidden(&self) -> String {
        // With nothing but the prompt there, spaces do, and can be read where nobody has a terminal.
        if self.line.is_empty() { format!("\r{:1$}\r", "", self.prompt.len()) } else { "\r\x1b[K".into() }
    }

    /// The line as it is.
    #[must_use]
    pub fn text(&self) -> String {
        self.line.iter().collect()
    }

    /// Takes a key. Answers what it did, and what the terminal must be sent.
    pub fn take(&mut self, key: Key) -> (Outcome, String) {
        match key {
            Key::Char(character) => return (Outcome::Going, self.insert(character)),
            Key::Enter => return self.entered(),
            Key::Interrupt => return (Outcome::Interrupted, self.leave("^C\r\n")),
            Key::End if self.line.is_empty() => return (Outcome::Ended, self.leave("\r\n")),
            Key::Backspace => self.remove(self.cursor.saturating_sub(1), self.cursor),
            Key::Delete | Key::End => self.remove(self.cursor, (self.cursor + 1).min(self.line.len())),
            Key::KillToEnd => self.remove(self.cursor, self.line.len()),
            Key::KillToStart => self.remove(0, self.cursor),
            Key::KillWord => self.remove(self.word_start(), self.cursor),
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = (self.cursor + 1).min(self.line.len()),
            Key::LineStart => self.cursor = 0,
            Key::LineEnd => self.cursor = self.line.len(),
            Key::Up => {
                let now = self.text();
                let before = self.history.up(&now).map(|line| line.chars().collect());
                self.replace(before);
            }
            Key::Down => {
                let after = self.history.down().map(|line| line.chars().collect());
                self.replace(after);
            }
            Key::Clear => return (Outcome::Going, format!("\x1b[H\x1b[2J{}", self.redrawn())),
        }
        self.scroll();
        (Outcome::Going, self.redrawn())
    }

    /// Columns for the line.
    const fn room(&self) -> usize {
        COLUMNS - self.prompt.len()
    }

    fn insert(&mut self, character: char) -> String {
        if self.line.len() >= MAX_LINE {
            self.has_lost = true;
            return String::new();
        }
        let is_at_end = self.cursor == self.line.len();
        self.line.insert(self.cursor, character);
        self.cursor += 1;
        if !self.scroll() && is_at_end {
            return character.into();
        }
        self.redrawn()
    }

    fn entered(&mut self) -> (Outcome, String) {
        // What is not what was typed must not be obeyed.
        if self.has_lost {
            return (Outcome::TooLong, self.leave("\r\n"));
        }
        let line = self.text();
        self.history.enter(&line);
        (Outcome::Line(line), self.leave("\r\n"))
    }

    /// Begins a new line.
    fn leave(&mut self, shown: &str) -> String {
        self.line.clear();
        (self.cursor, self.first, self.has_lost) = (0, 0, false);
        shown.into()
    }

    fn remove(&mut self, start: usize, end: usize) {
        self.line.drain(start..end);
        self.cursor = start;
    }

    fn replace(&mut self, line: Option<Vec<char>>) {
        if let Some(line) = line {
            self.line = line;
            self.cursor = self.line.len();
        }
    }

    /// Where the word before the cursor starts.
    fn word_start(&self) -> usize {
        let before = self.line.get(..self.cursor).unwrap_or_default();
        let word_end = before.iter().rposition(|character| *character != ' ').map_or(0, |last| last + 1);
        let word = before.get(..word_end).unwrap_or_default();
        word.iter().rposition(|character| *character == ' ').map_or(0, |space| space + 1)
    }

    /// Has the part that is shown hold the cursor. Answers whether it changed.
    fn scroll(&mut self) -> bool {
        let before = self.first;
        if self.cursor < self.first || self.cursor > self.first + self.room() {
            self.first = self.cursor.saturating_sub(self.room() / 2);
        }
        if self.line.len() <= self.room() {
            self.first = 0;
        }
        self.first != before
    }

    /// What shows prompt and line anew, whatever the terminal's last line shows.
    fn redrawn(&self) -> String {
        let shown: String = self.line.iter().skip(self.first).take(self.room()).collect();
        let mut text = format!("\r{}{shown}\x1b[K", self.prompt);
        if self.cursor < self.line.len().min(self.first + self.room()) {
            text += &format!("\r\x1b[{}C", self.prompt.len() + self.cursor - self.first);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;
    use proptest::prelude::*;

    const PROMPT: &str = "tessera> ";

    /// A terminal, as far as the editor needs one.
    struct Terminal {
        lines: Vec<Vec<char>>,
        column: usize,
    }

    impl Terminal {
        fn new() -> Self {
            Self { lines: vec![vec![]], column: 0 }
        }

        fn show(&mut self, text: &str) {
            let mut characters = text.chars();
            while let Some(character) = characters.next() {
                let line = self.lines.last_mut().unwrap();
                match character {
                    '\r' => self.column = 0,
                    '\n' => self.lines.push(vec![]),
                    '\x08' => self.column -= 1,
                    '\x1b' => {
                        assert_eq!(characters.next(), Some('['));
                        let sequence = sequence(&mut characters);
                        let (number, command) = sequence.split_at(sequence.len() - 1);
                        let number = number.parse().unwrap_or(1);
                        match command {
                            "K" => line.truncate(self.column),
                            "C" => self.column += number,
                            "H" => self.column = 0,
                            "J" => self.lines = vec![vec![]],
                            _ => panic!("{sequence:?}"),
                        }
                    }
                    _ => {
                        while line.len() <= self.column {
                            line.push(' ');
                        }
                        line[self.column] = character;
                        self.column += 1;
                        assert!(self.column < 80, "no line wraps");
                    }
                }
            }
        }

        fn last(&self) -> String {
            self.lines.last().unwrap().iter().collect()
        }
    }

    /// What is left of an escape sequence: up to its letter.
    fn sequence(characters: &mut core::str::Chars<'_>) -> String {
        let mut sequence = String::new();
        while !sequence.ends_with(|last: char| last.is_ascii_alphabetic()) {
            sequence.extend(characters.next());
        }
        sequence
    }

    fn typed(editor: &mut Editor, text: &str) -> String {
        text.chars().map(|character| editor.take(Key::Char(character)).1).collect()
    }

    fn line_after(keys: &[Key]) -> String {
        let mut editor = Editor::new(PROMPT);
        keys.iter().for_each(|key| drop(editor.take(*key)));
        editor.text()
    }

    #[test]
    fn a_line_that_was_cut_is_not_obeyed() {
        let mut editor = Editor::new(PROMPT);
        for _ in 0..MAX_LINE {
            editor.take(Key::Char('x'));
        }
        assert_eq!(editor.take(Key::Enter).0, Outcome::Line("x".repeat(MAX_LINE)));
        for _ in 0..=MAX_LINE {
            editor.take(Key::Char('x'));
        }
        assert_eq!(editor.take(Key::Backspace).0, Outcome::Going);
        assert_eq!(editor.take(Key::Enter).0, Outcome::TooLong);
        editor.take(Key::Char('y'));
        assert_eq!(editor.take(Key::Enter).0, Outcome::Line("y".into()));
    }

    #[test]
    fn plain_typing_is_shown_as_plain_text() {
        let mut editor = Editor::new(PROMPT);
        assert_eq!(editor.start() + &typed(&mut editor, "help"), "tessera> help");
        assert_eq!(editor.take(Key::Enter), (Outcome::Line("help".into()), "\r\n".into()));
        assert_eq!(editor.start(), PROMPT);
    }

    #[test]
    fn keys_do_what_they_are_named_for() {
        use Key::{
            Backspace, Char, Delete, Down, Enter, KillToEnd, KillToStart, KillWord, Left, LineEnd, LineStart, Right, Up,
        };
        let abc = [Char('a'), Char('b'), Char(' '), Char('c')];
        for (keys, line) in [
            (&[Backspace][..], "ab "),
            (&[Left, Backspace], "abc"),
            (&[LineStart, Delete], "b c"),
            (&[LineStart, Right, KillToEnd], "a"),
            (&[Left, KillToStart], "c"),
            (&[KillWord], "ab "),
            (&[KillWord, KillWord], ""),
            (&[LineStart, Left, Char('x'), LineEnd, Right, Char('y')], "xab cy"),
            (&[Enter, Char('d'), Up], "ab c"),
            (&[Enter, Char('d'), Up, Char('!'), Down], "d"),
            (&[LineStart, Backspace, LineEnd, Delete], "ab c"),
        ] {
            let keys: Vec<Key> = abc.iter().chain(keys).copied().collect();
            assert_eq!(line_after(&keys), line, "{keys:?}");
        }
    }

    #[test]
    fn the_end_key_ends_on_an_empty_line_only() {
        let mut editor = Editor::new(PROMPT);
        typed(&mut editor, "a");
        assert_eq!(editor.take(Key::End).0, Outcome::Going);
        assert_eq!(editor.take(Key::Interrupt), (Outcome::Interrupted, "^C\r\n".into()));
        assert_eq!(editor.take(Key::End).0, Outcome::Ended);
    }

    fn any_key() -> impl Strategy<Value = Key> {
        let rare = [
            Key::Enter,
            Key::Interrupt,
            Key::Backspace,
            Key::Delete,
            Key::Left,
            Key::Right,
            Key::LineStart,
            Key::LineEnd,
            Key::Up,
            Key::Down,
            Key::KillToEnd,
            Key::KillToStart,
            Key::KillWord,
            Key::Clear,
        ];
        prop_oneof![
            3 => proptest::char::range('a', 'z').prop_map(Key::Char),
            1 => Just(Key::Char(' ')),
            2 => proptest::sample::select(rare.to_vec()),
        ]
    }

    proptest! {
        #[test]
        fn the_terminal_shows_the_line(start in 0..150_usize, keys in proptest::collection::vec(any_key(), 0..200)) {
            let (mut editor, mut terminal) = (Editor::new(PROMPT), Terminal::new());
            terminal.show(&editor.start());
            let keys = core::iter::repeat_n(Key::Char('-'), start).chain(keys);
            for key in keys {
                let (outcome, text) = editor.take(key);
                terminal.show(&text);
                if outcome != Outcome::Going {
                    terminal.show(&editor.start());
                }
                let (line, room) = (editor.text(), COLUMNS - PROMPT.len());
                let shown: String = line.chars().skip(editor.first).take(room).collect();
                prop_assert_eq!(terminal.last(), PROMPT.to_string() + &shown);
                prop_assert_eq!(terminal.column, PROMPT.len() + editor.cursor - editor.first);
                prop_assert!(line.len() > room || shown == line, "a line that fits is shown whole");
            }
            terminal.show(&editor.hidden());
            prop_assert!(terminal.last().trim().is_empty() && terminal.column == 0);
            terminal.show(&editor.start());
            prop_assert!(terminal.last().starts_with(PROMPT));
        }
    }
}
