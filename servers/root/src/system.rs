//! The system description: the entry `system` of the boot archive, one statement a line.
//!
//! | statement                | meaning                                                          |
//! |--------------------------|------------------------------------------------------------------|
//! | `server NAME`            | start that entry of the archive as a server, in order; a driver only if its device is there |
//! | `server NAME if OTHER`   | the same, if the server OTHER was started                        |
//! | `server NAME if volume`  | the same, if a disk or a partition has files                     |
//! | `again NAME`             | start that server again when it has ended; a few times           |
//! | `grant host NAME`        | give that server or task the privileged host port                |
//! | `grant disks NAME`       | let that server or task open disks                               |
//! | `task NAME [ARGS…]`      | the task of this run, with its arguments                          |
//! | `exit semihosting`       | end the emulator with the task's status                           |
//! | `exit halt`              | stop when the task has ended                                      |
//! | `exit shell`             | no task: the shell runs, and ends the run                         |
//! | `# …`, empty             | nothing                                                           |
//!
//! `again` and `grant` may stand before or behind the statement that starts whom they are about.

use core::fmt;

/// What happens when the task has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exit {
    /// The emulator ends, with the task's status.
    Semihosting,
    /// The machine stops.
    #[default]
    Halt,
    /// There is no task to wait for.
    Shell,
}

/// What a server or a task may have beyond others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// The privileged host port.
    Host,
    /// The disks.
    Disks,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement<'a> {
    /// Start a server, if the one that it needs was started.
    Server(&'a str, Option<&'a str>),
    /// A server that is started again when it has ended.
    Again(&'a str),
    /// What a server or a task may have.
    Grant(Grant, &'a str),
    /// The task of the run: its name, and its arguments as they stand in the line.
    Task(&'a str, &'a str),
    /// What follows the end of the task.
    Exit(Exit),
}

/// A line that is no statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine<'a> {
    /// Its number, from 1.
    pub line: usize,
    /// Its text.
    pub text: &'a str,
}

impl fmt::Display for BadLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "system description, line {}: `{}` is no statement", self.line, self.text)
    }
}

/// The statements of a description.
pub fn statements(text: &str) -> impl Iterator<Item = Result<Statement<'_>, BadLine<'_>>> {
    text.lines().zip(1..).filter_map(|(text, line)| {
        let text = text.trim();
        (!text.is_empty() && !text.starts_with('#')).then(|| statement(text).ok_or(BadLine { line, text }))
    })
}

fn statement(text: &str) -> Option<Statement<'_>> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    match word {
        "server" if !rest.is_empty() => {
            let mut words = rest.split_whitespace();
            match [words.next(), words.next(), words.next(), words.next()] {
                [Some(name), None, ..] => Some(Statement::Server(name, None)),
                [Some(name), Some("if"), Some(other), None] => Some(Statement::Server(name, Some(other))),
                _ => None,
            }
        }
        "again" if !rest.is_empty() && !rest.contains(' ') => Some(Statement::Again(rest)),
        "grant" => match rest.split_once(' ') {
            Some(("host", name)) if !name.contains(' ') => Some(Statement::Grant(Grant::Host, name)),
            Some(("disks", name)) if !name.contains(' ') => Some(Statement::Grant(Grant::Disks, name)),
            _ => None,
        },
        "task" if !rest.is_empty() => {
            let (name, arguments) = rest.split_once(' ').unwrap_or((rest, ""));
            Some(Statement::Task(name, arguments.trim()))
        }
        "exit" => Some(Statement::Exit(match rest {
            "semihosting" => Exit::Semihosting,
            "halt" => Exit::Halt,
            "shell" => Exit::Shell,
            _ => return None,
        })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn reads_every_statement() {
        let text = "# a run\nserver console\nserver pager if block\nagain pager\ngrant host pager\ngrant disks hello\n\n\
                    task hello one two\nexit semihosting\n";
        let all: Result<Vec<_>, _> = statements(text).collect();
        assert_eq!(
            all.unwrap(),
            [
                Statement::Server("console", None),
                Statement::Server("pager", Some("block")),
                Statement::Again("pager"),
                Statement::Grant(Grant::Host, "pager"),
                Statement::Grant(Grant::Disks, "hello"),
                Statement::Task("hello", "one two"),
                Statement::Exit(Exit::Semihosting)
            ]
        );
    }

    #[test]
    fn names_the_bad_line() {
        let bad = ["serve x", "server", "exit never", "task", "server a b", "server a if", "again", "again a b"];
        let bad = bad.into_iter().chain(["grant", "grant host", "grant disks", "grant all a", "grant host a b"]);
        for (text, line) in bad.map(|text| (text, 1)).chain([("\nserver", 2)]) {
            let bad = statements(text).find_map(Result::err).unwrap();
            assert_eq!(bad.line, line, "{text}");
        }
    }
}
