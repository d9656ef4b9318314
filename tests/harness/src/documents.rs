//! Documents whose programs and commands are run as a reader would run them.
//!
//! | a block | is |
//! |---|---|
//! | `sh` | run by a shell, in a folder of the document's own; `./justw` is this program there |
//! | nothing, behind one | what that showed, on both outputs. `…` in a line stands for any text, a line of its own for any lines |
//! | `rust` with `entry!` | the program of the package that `./justw new` made last |
//! | `rust,after=TEXT` | lines for that program, behind the first line that holds the text |
//! | `rust,before=TEXT` | the same, before the last line that holds it |
//!
//! A block of commands that shows nothing must succeed. Other blocks are for the reader alone.

use crate::judge::Case;
use crate::{FAILED, paths};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The documents. Of one with a second word, that section.
const DOCUMENTS: [(&str, &str); 4] = [
    ("README.md", "A first task"),
    ("docs/files.md", ""),
    ("docs/writing-a-task.md", ""),
    ("docs/writing-a-pager.md", ""),
];
/// Seconds that a block of commands may take.
const LIMIT: &str = "300";

/// Goes through the documents whose name holds `filter`: a case a section.
pub(crate) fn run(filter: &str) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (file, section) in DOCUMENTS {
        let stem = Path::new(file).file_stem().context("a document has a name")?.to_string_lossy().into_owned();
        let name = format!("docs.{stem}");
        if !name.contains(filter) {
            continue;
        }
        let text = fs::read_to_string(paths::in_project(file)).with_context(|| file.to_owned())?;
        let mut reader = Reader::new(&stem)?;
        for (title, steps) in sections(&text).with_context(|| file.to_owned())? {
            if !steps.is_empty() && title.contains(section) {
                let failure = steps.iter().try_for_each(|step| reader.follow(step)).err();
                cases.push(Case {
                    name: format!("{name}: {title}"),
                    failure: failure.map(|error| format!("{file}: {error:#}")),
                });
            }
        }
        reader.leave()?;
    }
    Ok(cases)
}

/// What a block asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    /// Commands; what they show, if the document says so.
    Commands(String, Option<String>),
    /// A whole program.
    Program(String),
    /// Lines, and the text of the line that they go behind or before.
    Lines(String, Place),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    After(String),
    Before(String),
}

/// A block, and the line that it begins in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    line: usize,
    deed: Deed,
}

/// The steps of each section of a document, by its title.
fn sections(text: &str) -> Result<Vec<(String, Vec<Step>)>> {
    let mut sections: Vec<(String, Vec<Step>)> = vec![("the beginning".into(), Vec::new())];
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            sections.push((title.into(), Vec::new()));
        }
        let Some(info) = line.strip_prefix("```") else { continue };
        let block: String =
            lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").flat_map(|l| [l, "\n"]).collect();
        let Some((_, steps)) = sections.last_mut() else { continue };
        let (kind, place) = info.split_once(',').unwrap_or((info, ""));
        let deed = match (kind, place.split_once('=')) {
            ("sh", None) => Deed::Commands(block, None),
            ("", None) => {
                if let Some(Step { deed: Deed::Commands(_, shown @ None), .. }) = steps.last_mut() {
                    *shown = Some(block);
                }
                continue;
            }
            ("rust", Some(("after", text))) => Deed::Lines(block, Place::After(text.into())),
            ("rust", Some(("before", text))) => Deed::Lines(block, Place::Before(text.into())),
            ("rust", None) if block.contains("entry!") => Deed::Program(block),
            ("rust", None) => bail!("line {}: it is not said where these lines go", index + 1),
            _ => continue,
        };
        steps.push(Step { line: index + 1, deed });
    }
    Ok(sections)
}

/// Somebody who follows a document.
struct Reader {
    folder: PathBuf,
    /// The program of the package that was made last.
    program: Option<PathBuf>,
}

impl Reader {
    /// In an empty folder, outside the tree.
    fn new(document: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("tessera-{document}-{}", std::process::id()));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let tool = std::env::current_exe()?;
        let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", tool.display());
        let justw = folder.join("justw");
        fs::write(&justw, script)?;
        fs::set_permissions(&justw, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        // A file that a reader has, to be copied.
        fs::copy(paths::in_project("README.md"), folder.join("README.md"))?;
        Ok(Self { folder, program: None })
    }

    /// Takes what was made away.
    fn leave(self) -> Result<()> {
        Ok(fs::remove_dir_all(&self.folder)?)
    }

    fn follow(&mut self, step: &Step) -> Result<()> {
        match &step.deed {
            Deed::Commands(commands, wanted) => self.obey(commands, wanted.as_deref()),
            Deed::Program(text) => self.change(|_| Ok(text.clone())),
            Deed::Lines(text, place) => self.change(|before| inserted(before, text, place)),
        }
        .with_context(|| format!("line {}", step.line))
    }

    fn change(&self, change: impl FnOnce(&str) -> Result<String>) -> Result<()> {
        let file = self.program.as_ref().context("no package was made before")?;
        Ok(fs::write(file, change(&fs::read_to_string(file)?)?)?)
    }

    /// Runs commands, and compares what they show.
    fn obey(&mut self, commands: &str, wanted: Option<&str>) -> Result<()> {
        // Where nothing is shown, every command must succeed.
        let strict = if wanted.is_none() { "set -e\n" } else { "" };
        let script = format!("exec 2>&1\nPATH=$PATH:/usr/sbin:/sbin\n{strict}{commands}");
        let mut shell = Command::new("timeout");
        shell.args(["--kill-after=5", LIMIT, "sh", "-c", &script]);
        shell.env("TESSERA_ROOT", paths::project().canonicalize()?).env("LC_ALL", "C.UTF-8");
        let output = shell.current_dir(&self.folder).stdin(Stdio::null()).output()?;
        let shown = String::from_utf8_lossy(&output.stdout).replace('\r', "");
        if let Some(name) = commands.lines().filter_map(|line| line.strip_prefix("./justw new ")).next_back() {
            self.program = Some(self.folder.join(name).join("src/main.rs"));
        }
        match (wanted, output.status.code()) {
            (_, Some(status)) if status == i32::from(FAILED) => bail!("the tool failed:\n{shown}"),
            (None, Some(0)) => Ok(()),
            (None, status) => bail!("status {status:?}:\n{shown}"),
            (Some(wanted), _) => {
                ensure!(fits(wanted, &shown), "it shows\n{shown}in place of\n{wanted}");
                Ok(())
            }
        }
    }
}

/// A program with lines inserted.
fn inserted(program: &str, lines: &str, place: &Place) -> Result<String> {
    let (text, is_after) = match place {
        Place::After(text) => (text, true),
        Place::Before(text) => (text, false),
    };
    let mut all: Vec<&str> = program.lines().collect();
    let holds = |line: &&str| line.contains(text.as_str());
    let found = if is_after { all.iter().position(holds).map(|at| at + 1) } else { all.iter().rposition(holds) };
    let at = found.with_context(|| format!("no line of the program holds `{text}`"))?;
    all.splice(at..at, lines.lines());
    Ok(all.join("\n") + "\n")
}

/// Whether lines are those of a pattern with `…`.
fn fits(pattern: &str, shown: &str) -> bool {
    let pattern: Vec<&str> = pattern.lines().collect();
    let shown: Vec<&str> = shown.lines().collect();
    matches(
        &pattern,
        &shown,
        |wanted| *wanted == "…",
        |wanted, line| {
            let parts: Vec<String> = wanted.chars().map(String::from).collect();
            let line: Vec<String> = line.chars().map(String::from).collect();
            matches(&parts, &line, |part| part == "…", |part, letter| part == letter)
        },
    )
}

/// Whether items are those of a pattern, in which some stand for any number of items.
fn matches<T>(pattern: &[T], items: &[T], is_any: impl Fn(&T) -> bool, is_same: impl Fn(&T, &T) -> bool) -> bool {
    // Where the pattern may stand behind each item: as many places as it has parts, so nothing grows.
    let closed = |places: &mut Vec<bool>| {
        for (at, part) in pattern.iter().enumerate() {
            if places[at] && is_any(part) {
                places[at + 1] = true;
            }
        }
    };
    let mut places = vec![false; pattern.len() + 1];
    places[0] = true;
    closed(&mut places);
    for item in items {
        let mut next = vec![false; pattern.len() + 1];
        for (at, part) in pattern.iter().enumerate().filter(|(at, _)| places[*at]) {
            next[at] |= is_any(part);
            next[at + 1] |= !is_any(part) && is_same(part, item);
        }
        closed(&mut next);
        places = next;
    }
    places[pattern.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_stand_for_any_text_and_any_lines() {
        assert!(fits("one\ntwo\n", "one\ntwo\n"));
        assert!(!fits("one\ntwo\n", "one\n"));
        assert!(!fits("one\n", "one\ntwo\n"));
        assert!(fits("…\ntwo\n…\n", "one\ntwo\n"));
        assert!(fits("…\ntwo\n", "two\none\ntwo\n"));
        assert!(fits("a pc 0x…: …", "a pc 0x40c: no memory"));
        assert!(!fits("a pc 0x…: …", "a pc 0x40c"));
        assert!(!fits("…\nthree\n…\n", "one\ntwo\n"));
    }

    #[test]
    fn blocks_are_commands_with_what_they_show_programs_and_lines() {
        let text = "# T\n## 1. A\n```sh\n./justw new x\n```\nand\n```\nshown\n```\n```rust\nlibmach::entry!(main);\n```\n\
                    ## 2. B\n```rust,after=fn main\n    more();\n```\n```\nnothing\n```\n```toml\n```\n";
        let found = sections(text).expect("is well formed");
        let titles: Vec<&str> = found.iter().map(|(title, _)| title.as_str()).collect();
        assert_eq!(titles, ["the beginning", "1. A", "2. B"]);
        let commands = Deed::Commands("./justw new x\n".into(), Some("shown\n".into()));
        let program = Deed::Program("libmach::entry!(main);\n".into());
        assert_eq!(found[1].1, [Step { line: 3, deed: commands }, Step { line: 10, deed: program }]);
        let lines = Deed::Lines("    more();\n".into(), Place::After("fn main".into()));
        assert_eq!(found[2].1, [Step { line: 14, deed: lines }]);
        assert!(sections("```rust\nfn lost() {}\n```\n").is_err());
    }

    #[test]
    fn lines_go_where_they_belong() {
        let program = "fn a() {\n    end\n}\nfn b() {\n    end\n}\n";
        let after = inserted(program, "    one\n", &Place::After("fn b".into())).expect("is there");
        assert_eq!(after, "fn a() {\n    end\n}\nfn b() {\n    one\n    end\n}\n");
        let before = inserted(program, "    two\n", &Place::Before("end".into())).expect("is there");
        assert_eq!(before, "fn a() {\n    end\n}\nfn b() {\n    two\n    end\n}\n");
        assert!(inserted(program, "", &Place::After("fn c".into())).is_err());
    }
}
