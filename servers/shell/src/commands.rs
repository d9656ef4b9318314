//! The commands: one table for what they are called, what they take, and what `help` says of them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What a command takes and does.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// What it is called.
    pub name: &'static str,
    /// Its arguments, as `help` shows them.
    pub arguments: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// More, for `help NAME`.
    pub more: &'static str,
    /// The fewest and the most arguments.
    pub count: (usize, usize),
    /// Makes the command of its arguments; `None` for arguments that are none.
    read: fn(&[String]) -> Option<Command>,
}

/// A task as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskName {
    /// By the number that `ps` shows.
    Number(u32),
    /// By its name.
    Name(String),
}

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Nothing.
    Nothing,
    /// To know what there is, or what one command does.
    Help(Option<String>),
    /// To see the tasks.
    Ps,
    /// To start a program with arguments, its name first.
    Run(Vec<String>),
    /// To end a task.
    Kill(TaskName),
    /// To see a task's memory.
    VmMap(TaskName),
    /// To see counts of the virtual memory, once or every so many seconds.
    VmStat(Option<u32>),
    /// To see how much memory there is.
    Free,
    /// To see who keeps pages.
    Pagers,
    /// To add a paging area, or to remove it.
    Area {
        /// The disk or partition.
        disk: String,
        /// Add it, rather than remove it.
        add: bool,
    },
    /// To see a task's rights.
    Ports(TaskName),
    /// To see a directory.
    List(String),
    /// To see files.
    Show(Vec<String>),
    /// To copy a file.
    Copy(String, String),
    /// To remove files.
    Remove(Vec<String>),
    /// To see how much room there is for files.
    Volume,
    /// To end.
    Exit,
}

/// A task by its number, or else by its name.
fn task(word: &str) -> TaskName {
    word.parse().map_or_else(|_| TaskName::Name(word.into()), TaskName::Number)
}

fn first(words: &[String], make: impl FnOnce(TaskName) -> Command) -> Option<Command> {
    words.first().map(|word| make(task(word)))
}

/// The commands, in the order of `help`.
pub const COMMANDS: &[Info] = &[
    Info {
        name: "help",
        arguments: "[COMMAND]",
        about: "what there is, or more of one command",
        more: "",
        count: (0, 1),
        read: |words| Some(Command::Help(words.first().cloned())),
    },
    Info {
        name: "run",
        arguments: "NAME [ARGUMENTS]",
        about: "start a program and wait for its end; `run` may be left out",
        more: "^C ends it. With & behind it the shell does not wait. A name with a / is a file of the volume.\n\
               A program that has the name of a command needs `run`. Spaces separate words; '...' and\n\
               \"...\" keep them together.",
        count: (1, usize::MAX),
        read: |words| Some(Command::Run(words.to_vec())),
    },
    Info {
        name: "ps",
        arguments: "",
        about: "the tasks: threads, memory, processor time, state",
        more: "SIZE is the memory that the task has allocated, MEMORY what of it is in memory now. TIME is\n\
               processor time in seconds, of threads that live and of those that have ended. A task waits if\n\
               all its threads wait for the Mach server; a driver that waits for its device counts as running.",
        count: (0, 0),
        read: |_| Some(Command::Ps),
    },
    Info {
        name: "kill",
        arguments: "TASK",
        about: "end a task",
        more: "TASK is a number that `ps` shows, or a name that one task has. The pagers are started again, a few\n\
               times; the other servers cannot be ended, as the system would end with them.",
        count: (1, 1),
        read: |words| first(words, Command::Kill),
    },
    Info {
        name: "vmmap",
        arguments: "TASK",
        about: "the regions of a task's memory",
        more: "PROT is what the task may do now and what it may be allowed to do; INHERIT what a child gets;\n\
               SHARING how pages are shared; MEMORY how much of the region is in memory.",
        count: (1, 1),
        read: |words| first(words, Command::VmMap),
    },
    Info {
        name: "ports",
        arguments: "TASK",
        about: "the rights in a task's name space",
        more: "REFS counts the references to send rights and dead names; a port that the task receives from\n\
               also has its queued messages and their limit.",
        count: (1, 1),
        read: |words| first(words, Command::Ports),
    },
    Info {
        name: "vmstat",
        arguments: "[SECONDS]",
        about: "counts of the virtual memory since the start, or every so often",
        more: "With an interval: one line now with counts since the start, then a line with what was added,\n\
               until ^C.",
        count: (0, 1),
        read: |words| match words.first() {
            None => Some(Command::VmStat(None)),
            Some(word) => {
                word.parse().ok().filter(|seconds| *seconds > 0).map(|seconds| Command::VmStat(Some(seconds)))
            }
        },
    },
    Info {
        name: "free",
        arguments: "",
        about: "how much memory there is, and what it is used for",
        more: "",
        count: (0, 0),
        read: |_| Some(Command::Free),
    },
    Info {
        name: "pagers",
        arguments: "",
        about: "who keeps pages that are not in memory",
        more: "",
        count: (0, 0),
        read: |_| Some(Command::Pagers),
    },
    Info {
        name: "area",
        arguments: "add|remove DISK",
        about: "add a disk or a partition to the paging space, or take it away",
        more: "What is in it moves to the other areas first; where they have no room, it stays. What a disk\n\
               held before it became an area is lost. `pagers` shows all areas.",
        count: (2, 2),
        read: |words| match words {
            [what, disk] if what == "add" || what == "remove" => {
                Some(Command::Area { disk: disk.clone(), add: what == "add" })
            }
            _ => None,
        },
    },
    Info {
        name: "ls",
        arguments: "[PATH]",
        about: "the files of a directory",
        more: "/ separates names; case makes no difference.",
        count: (0, 1),
        read: |words| Some(Command::List(words.first().cloned().unwrap_or_default())),
    },
    Info {
        name: "cat",
        arguments: "FILE ...",
        about: "show files",
        more: "",
        count: (1, usize::MAX),
        read: |words| Some(Command::Show(words.to_vec())),
    },
    Info {
        name: "cp",
        arguments: "FILE TO",
        about: "copy a file to another, or into a directory",
        more: "The copy is on the disk when the command ends. ^C stops it; what was copied stays.",
        count: (2, 2),
        read: |words| match words {
            [from, to] => Some(Command::Copy(from.clone(), to.clone())),
            _ => None,
        },
    },
    Info {
        name: "rm",
        arguments: "FILE ...",
        about: "remove files and empty directories",
        more: "",
        count: (1, usize::MAX),
        read: |words| Some(Command::Remove(words.to_vec())),
    },
    Info {
        name: "df",
        arguments: "",
        about: "how much room there is for files",
        more: "",
        count: (0, 0),
        read: |_| Some(Command::Volume),
    },
    Info {
        name: "exit",
        arguments: "",
        about: "end; so does ^D on an empty line",
        more: "",
        count: (0, 0),
        read: |_| Some(Command::Exit),
    },
];

/// Reads the words of a line. A first word that is no command's is a program's.
///
/// # Errors
///
/// How the command is used, if its arguments are not right.
pub fn read(words: Vec<String>) -> Result<Command, String> {
    let Some((name, arguments)) = words.split_first() else { return Ok(Command::Nothing) };
    let Some(info) = find(name) else { return Ok(Command::Run(words)) };
    let (fewest, most) = info.count;
    let command = if (fewest..=most).contains(&arguments.len()) { (info.read)(arguments) } else { None };
    command.ok_or_else(|| format!("usage: {}", usage(info)))
}

fn find(name: &str) -> Option<&'static Info> {
    COMMANDS.iter().find(|info| info.name == name)
}

fn usage(info: &Info) -> String {
    format!("{} {}", info.name, info.arguments).trim_end().into()
}

/// The text of `help`, without the programs.
#[must_use]
pub fn help() -> String {
    let width = COMMANDS.iter().map(|info| usage(info).len()).max().unwrap_or_default();
    let commands = COMMANDS.iter().map(|info| format!("  {:width$}  {}\n", usage(info), info.about));
    commands
        .chain(["Behind a command: > FILE or >> FILE for its output, then & to go on without waiting.\n".into()])
        .collect()
}

/// The text of `help NAME`. `None`: there is no such command.
#[must_use]
pub fn help_of(name: &str) -> Option<String> {
    let info = find(name)?;
    let more = if info.more.is_empty() { String::new() } else { format!("{}\n", info.more) };
    Some(format!("{}: {}\n{more}", usage(info), info.about))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(ToString::to_string).collect()
    }

    #[test]
    fn lines_are_commands() {
        for (line, command) in [
            ("", Command::Nothing),
            ("help", Command::Help(None)),
            ("help ps", Command::Help(Some("ps".into()))),
            ("ps", Command::Ps),
            ("run ps x", Command::Run(words("ps x"))),
            ("hello 1", Command::Run(words("hello 1"))),
            ("kill 12", Command::Kill(TaskName::Number(12))),
            ("vmmap root", Command::VmMap(TaskName::Name("root".into()))),
            ("ports -1", Command::Ports(TaskName::Name("-1".into()))),
            ("vmstat", Command::VmStat(None)),
            ("vmstat 5", Command::VmStat(Some(5))),
            ("ls", Command::List("".into())),
            ("ls a/b", Command::List("a/b".into())),
            ("cat a b", Command::Show(words("a b"))),
            ("cp a b", Command::Copy("a".into(), "b".into())),
            ("rm a", Command::Remove(words("a"))),
            ("df", Command::Volume),
            ("exit", Command::Exit),
        ] {
            assert_eq!(read(words(line)), Ok(command), "{line}");
        }
    }

    #[test]
    fn wrong_arguments_answer_the_usage() {
        for (line, usage) in [
            ("run", "usage: run NAME [ARGUMENTS]"),
            ("ps all", "usage: ps"),
            ("kill", "usage: kill TASK"),
            ("cp a", "usage: cp FILE TO"),
            ("vmstat 0", "usage: vmstat [SECONDS]"),
            ("vmstat x", "usage: vmstat [SECONDS]"),
            ("vmstat 1 2", "usage: vmstat [SECONDS]"),
        ] {
            assert_eq!(read(words(line)), Err(usage.into()), "{line}");
        }
    }

    #[test]
    fn help_tells_of_every_command_once_and_fits() {
        let help = help();
        for info in COMMANDS {
            assert_eq!(help.lines().filter(|line| line.trim_start().starts_with(info.name)).count(), 1);
            assert!(help_of(info.name).is_some());
        }
        let all: Vec<String> = COMMANDS.iter().filter_map(|info| help_of(info.name)).chain(vec![help]).collect();
        for line in all.iter().flat_map(|text| text.lines()) {
            assert!(line.len() <= 100, "{line}");
        }
        assert_eq!(help_of("nonsense"), None);
    }
}
