//! From a line to words: quotes, where the output goes, and whether the shell waits.
//!
//! Spaces separate words. `'…'` takes everything as it is; in `"…"`, and outside of quotes, `\` takes the next
//! character as it is. Behind the words, unquoted: `> FILE` or `>> FILE`, then `&`.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Where the output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirection {
    /// The file.
    pub file: String,
    /// It is kept, and the output comes behind what is in it.
    pub is_append: bool,
}

/// A line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The command and its arguments.
    pub words: Vec<String>,
    /// Where the output goes, if not to the terminal.
    pub output: Option<Redirection>,
    /// The shell does not wait for its end.
    pub is_background: bool,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// A quote is open at the end.
    OpenQuote(char),
    /// Nothing follows `>`.
    NoFile,
    /// There are two redirections.
    TwoFiles,
    /// Something follows `&`, or the file's name.
    Behind,
    /// There is no command to redirect or to put into the background.
    NoCommand,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenQuote(quote) => write!(f, "the quote {quote} is not closed"),
            Self::NoFile => f.write_str("the name of a file must follow > and >>"),
            Self::TwoFiles => f.write_str("the output can go to one file only"),
            Self::Behind => f.write_str("only > FILE and & may stand behind a command, in this order"),
            Self::NoCommand => f.write_str("there is no command before > or &"),
        }
    }
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Write,
    Append,
    Background,
}

/// Reads a line.
///
/// # Errors
///
/// [`Mistake`].
pub fn parse(text: &str) -> Result<Line, Mistake> {
    let mut line = Line::default();
    let mut tokens = tokens(text)?.into_iter();
    while let Some(token) = tokens.next() {
        let is_append = token == Token::Append;
        match token {
            _ if line.is_background => return Err(Mistake::Behind),
            Token::Word(_) if line.output.is_some() => return Err(Mistake::Behind),
            Token::Word(word) => line.words.push(word),
            _ if line.words.is_empty() => return Err(Mistake::NoCommand),
            Token::Background => line.is_background = true,
            Token::Write | Token::Append if line.output.is_some() => return Err(Mistake::TwoFiles),
            Token::Write | Token::Append => match tokens.next() {
                Some(Token::Word(file)) => line.output = Some(Redirection { file, is_append }),
                _ => return Err(Mistake::NoFile),
            },
        }
    }
    Ok(line)
}

fn tokens(text: &str) -> Result<Vec<Token>, Mistake> {
    let mut tokens = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(&next) = characters.peek() {
        match next {
            ' ' | '\t' | '\r' | '\n' => drop(characters.next()),
            '&' => {
                characters.next();
                tokens.push(Token::Background);
            }
            '>' => {
                characters.next();
                let is_append = characters.next_if_eq(&'>').is_some();
                tokens.push(if is_append { Token::Append } else { Token::Write });
            }
            _ => tokens.push(Token::Word(word(&mut characters)?)),
        }
    }
    Ok(tokens)
}

fn word(characters: &mut core::iter::Peekable<core::str::Chars<'_>>) -> Result<String, Mistake> {
    let mut word = String::new();
    let mut quote = None;
    while let Some(&next) = characters.peek() {
        match (quote, next) {
            (None, ' ' | '\t' | '\r' | '\n' | '&' | '>') => break,
            (None, '\'' | '"') => quote = Some(next),
            (Some(open), _) if open == next => quote = None,
            (None | Some('"'), '\\') => {
                characters.next();
                word.extend(characters.peek());
            }
            _ => word.push(next),
        }
        characters.next();
    }
    match quote {
        Some(quote) => Err(Mistake::OpenQuote(quote)),
        None => Ok(word),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn line(words: &[&str], output: Option<(&str, bool)>, is_background: bool) -> Line {
        let output = output.map(|(file, is_append)| Redirection { file: file.into(), is_append });
        Line { words: words.iter().map(ToString::to_string).collect(), output, is_background }
    }

    #[test]
    fn words_quotes_redirection_and_background() {
        for (text, wanted) in [
            ("", line(&[], None, false)),
            ("  ", line(&[], None, false)),
            ("args one two", line(&["args", "one", "two"], None, false)),
            ("\targs  one\r\n", line(&["args", "one"], None, false)),
            ("args \"two words\" 'it \"is\"' a\\ b", line(&["args", "two words", "it \"is\"", "a b"], None, false)),
            ("args \"\" 'a'\"b\"c", line(&["args", "", "abc"], None, false)),
            ("args '\\' \"\\\"\" \\>", line(&["args", "\\", "\"", ">"], None, false)),
            ("ps>f", line(&["ps"], Some(("f", false)), false)),
            ("ps >> 'a file'&", line(&["ps"], Some(("a file", true)), true)),
            ("spin &", line(&["spin"], None, true)),
            ("echo '>' '&'", line(&["echo", ">", "&"], None, false)),
        ] {
            assert_eq!(parse(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, mistake) in [
            ("args \"a", Mistake::OpenQuote('"')),
            ("args 'a\\'b'", Mistake::OpenQuote('\'')),
            ("ps >", Mistake::NoFile),
            ("ps > &", Mistake::NoFile),
            ("ps > a > b", Mistake::TwoFiles),
            ("ps > a b", Mistake::Behind),
            ("ps & b", Mistake::Behind),
            ("ps & &", Mistake::Behind),
            ("> a", Mistake::NoCommand),
            ("&", Mistake::NoCommand),
        ] {
            assert_eq!(parse(text), Err(mistake), "{text}");
        }
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words in proptest::collection::vec("[a-z>& \"\\\\]{0,9}", 1..6)) {
            let text: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
            prop_assert_eq!(parse(&text.join(" ")).unwrap().words, words);
        }

        #[test]
        fn no_line_is_too_strange(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
