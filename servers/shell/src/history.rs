//! Lines that were entered, and where among them the user is.

use alloc::collections::VecDeque;
use alloc::string::String;

/// Lines that are kept.
const MAX_LINES: usize = 200;

/// The lines that were entered, the oldest first.
#[derive(Debug, Default)]
pub struct History {
    lines: VecDeque<String>,
    /// The line that the user looks at; that behind the last is the one being typed.
    at: usize,
    /// What was being typed when the user went up.
    draft: String,
}

impl History {
    /// A line was entered. Empty ones, and one that repeats the last, are not kept.
    pub fn enter(&mut self, line: &str) {
        if !line.trim().is_empty() && self.lines.back().is_none_or(|last| last != line) {
            if self.lines.len() == MAX_LINES {
                self.lines.pop_front();
            }
            self.lines.push_back(line.into());
        }
        self.at = self.lines.len();
    }

    /// The line before, given what stands there now. `None`: there is none.
    pub fn up(&mut self, now: &str) -> Option<&str> {
        let before = self.at.checked_sub(1)?;
        if self.at == self.lines.len() {
            self.draft = now.into();
        }
        self.at = before;
        self.lines.get(before).map(String::as_str)
    }

    /// The line after. `None`: it is the last.
    pub fn down(&mut self) -> Option<&str> {
        if self.at >= self.lines.len() {
            return None;
        }
        self.at += 1;
        Some(self.lines.get(self.at).unwrap_or(&self.draft))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn goes_up_and_down_and_back_to_the_draft() {
        let mut history = History::default();
        assert_eq!(history.up("x"), None);
        assert_eq!(history.down(), None);
        ["one", "two", "two", " ", "three"].iter().for_each(|line| history.enter(line));
        assert_eq!(history.up("dra"), Some("three"));
        assert_eq!(history.up("changed"), Some("two"));
        assert_eq!(history.up(""), Some("one"));
        assert_eq!(history.up(""), None);
        assert_eq!(history.down(), Some("two"));
        assert_eq!(history.down(), Some("three"));
        assert_eq!(history.down(), Some("dra"));
        assert_eq!(history.down(), None);
    }

    #[test]
    fn the_oldest_lines_go() {
        let mut history = History::default();
        (0..2 * MAX_LINES).for_each(|number| history.enter(&format!("{number}")));
        let oldest = (0..MAX_LINES).map(|_| history.up("").map(String::from)).last().flatten();
        assert_eq!(oldest, Some(format!("{MAX_LINES}")));
        assert_eq!(history.up(""), None);
    }
}
