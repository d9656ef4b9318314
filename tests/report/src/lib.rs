//! The lines by which a test image and the harness understand each other.
//!
//! An image prints one line when a case starts and one when it ends, and one when there are no more:
//!
//! ```text
//! TEST start untyped.retype.err04
//! TEST pass untyped.retype.err04
//! TEST fail untyped.retype.err05: wanted RangeError, got InvalidArgument
//! TEST done
//! ```
//!
//! [`Line`] writes such a line (`Display`) and reads it ([`Line::parse`]), so both sides share one text.
//! A case that starts and never ends, or an image that never says `done`, is a failure: [`crate::Line::Done`]
//! is what tells a complete run from a hang.
//!
//! What a case saw can be held against what it saw elsewhere: before its end it prints one line with its observations,
//! words in hexadecimal ([`Observed`] writes it).
//!
//! ```text
//! TEST result untyped.retype.err04 4 0 3f
//! ```
//!
//! An image that measures prints one [`Sample`] for each time that it measured an operation:
//!
//! ```text
//! BENCH kernel.map: 38976 instructions in 64 operations
//! ```
#![no_std]

use core::fmt;

pub mod sample;

pub use sample::Sample;

/// What every line of the protocol begins with.
pub const PREFIX: &str = "TEST ";

/// One line of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// The named case begins.
    Start(&'a str),
    /// The named case did what it should.
    Pass(&'a str),
    /// The named case did not, and why.
    Fail(&'a str, &'a str),
    /// What the named case saw: words in hexadecimal, a blank between two.
    Result(&'a str, &'a str),
    /// The image has no more cases.
    Done,
}

impl<'a> Line<'a> {
    /// Reads a line; `None` if it is not one of the protocol's.
    ///
    /// A name holds no blank and no colon; whatever follows `: ` is the reason of a failure.
    pub fn parse(line: &'a str) -> Option<Self> {
        let rest = line.trim_end_matches(['\r', '\n']).strip_prefix(PREFIX)?;
        if rest == "done" {
            return Some(Line::Done);
        }
        let (verb, what) = rest.split_once(' ')?;
        match verb {
            "start" => name(what).map(Line::Start),
            "pass" => name(what).map(Line::Pass),
            "result" => {
                let (case, words) = what.split_once(' ').unwrap_or((what, ""));
                name(case).map(|case| Line::Result(case, words))
            }
            "fail" => {
                let (case, why) = what.split_once(": ").unwrap_or((what, "no reason given"));
                name(case).map(|case| Line::Fail(case, why))
            }
            _ => None,
        }
    }
}

/// Accepts a string that can name a case.
fn name(text: &str) -> Option<&str> {
    let good = !text.is_empty() && !text.contains([' ', ':', '\t']);
    good.then_some(text)
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Start(case) => write!(f, "{PREFIX}start {case}"),
            Line::Pass(case) => write!(f, "{PREFIX}pass {case}"),
            Line::Fail(case, why) => write!(f, "{PREFIX}fail {case}: {why}"),
            Line::Result(case, "") => write!(f, "{PREFIX}result {case}"),
            Line::Result(case, words) => write!(f, "{PREFIX}result {case} {words}"),
            Line::Done => write!(f, "{PREFIX}done"),
        }
    }
}

/// Writes the line that [`Line::Result`] is read from.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The name of the case.
    pub case: &'a str,
    /// What it saw.
    pub words: &'a [u64],
}

impl fmt::Display for Observed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}result {}", self.case)?;
        self.words.iter().try_for_each(|word| write!(f, " {word:x}"))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn what_is_written_is_read() {
        let lines = [
            Line::Start("a.b"),
            Line::Pass("untyped.retype.err04"),
            Line::Fail("c", "wanted 1: got 2"),
            Line::Result("d", "1 ff"),
            Line::Result("e", ""),
            Line::Done,
        ];
        for line in lines {
            assert_eq!(Line::parse(&line.to_string()), Some(line));
        }
    }

    #[test]
    fn observations_are_words_in_hexadecimal() {
        for (words, text) in [(&[][..], ""), (&[0, 0xff, u64::MAX], "0 ff ffffffffffffffff")] {
            let line = Observed { case: "a.b", words }.to_string();
            assert_eq!(Line::parse(&line), Some(Line::Result("a.b", text)));
        }
    }

    #[test]
    fn carriage_returns_do_not_matter() {
        assert_eq!(Line::parse("TEST pass x\r\n"), Some(Line::Pass("x")));
    }

    #[test]
    fn other_lines_are_not_of_the_protocol() {
        for line in [
            "",
            "TEST",
            "TEST ",
            "TEST pass",
            "TEST pass ",
            "TEST pass a b",
            "TEST skip a",
            " TEST pass a",
            "test pass a",
        ] {
            assert_eq!(Line::parse(line), None, "{line:?}");
        }
    }
}
