//! Golden files: what the cases of a test image saw on another kernel, and whether they see the same here.
//!
//! A file has, behind lines that begin with `#` and say where it is from, one line for each case: its name and the words
//! that it saw (`TEST result` of `test-report`). The one list of deliberate differences is the table in `docs/abi.md`
//! below [`HEADING`]: case, the golden words, Tessera's, the reason.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use test_report::Line;

use crate::board::Board;
use crate::cli::GoldenArgs;
use crate::image::{self, Base};
use crate::qemu::{self, Console, End, Next, Outcome};
use crate::suite::{self, Image, Machine, Suite};
use crate::{cargo, paths};

/// The heading of the table of differences in `docs/abi.md`.
const HEADING: &str = "### Cases that see something else";

/// The cases of a run and the words that each saw, in order.
pub(crate) type Results = Vec<(String, String)>;

/// A case that is meant to see something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    case: String,
    golden: String,
    ours: String,
}

/// What a golden file says.
#[derive(Debug, Default)]
pub(crate) struct Golden {
    words: BTreeMap<String, String>,
}

impl Golden {
    /// Reads a file of the project.
    pub(crate) fn load(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(paths::in_project(file)).with_context(|| file.display().to_string())?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let words = lines.map(|line| line.split_once(' ').unwrap_or((line, "")));
        Self { words: words.map(|(case, words)| (case.to_owned(), words.to_owned())).collect() }
    }

    /// The cases that do not see what they should, each with what is wrong.
    pub(crate) fn differences(&self, results: &Results, allowed: &[Difference]) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        for (case, seen) in results {
            let golden = self.words.get(case);
            let listed = allowed.iter().find(|difference| difference.case == *case);
            let why = match (golden, listed) {
                (None, _) => "the golden file does not know this case: record it anew (docs/abi.md)".to_owned(),
                (Some(golden), None) if golden == seen => continue,
                (Some(golden), None) => format!("saw `{seen}`; the golden file has `{golden}`"),
                (Some(golden), Some(listed)) if listed.golden != *golden => {
                    format!("docs/abi.md says that the golden file has `{}`; it has `{golden}`", listed.golden)
                }
                (Some(_), Some(listed)) if listed.ours == *seen => continue,
                (Some(_), Some(listed)) => format!("saw `{seen}`; docs/abi.md says `{}`", listed.ours),
            };
            wrong.push((case.clone(), why));
        }
        let lost = self.words.keys().filter(|case| results.iter().all(|(run, _)| run != *case));
        wrong.extend(lost.map(|case| (case.clone(), "is in the golden file, and showed no result here".to_owned())));
        let unknown = allowed.iter().filter(|difference| !self.words.contains_key(&difference.case));
        wrong.extend(unknown.map(|d| (d.case.clone(), "is in the table of docs/abi.md only".to_owned())));
        wrong
    }
}

/// What the cases of a run saw.
pub(crate) fn results(outcome: &Outcome) -> Results {
    let console = String::from_utf8_lossy(&outcome.console);
    let lines = outcome.log.iter().map(String::as_str).chain(console.lines());
    let result = |line| match Line::parse(line)? {
        Line::Result(case, words) => Some((case.to_owned(), words.to_owned())),
        _ => None,
    };
    lines.filter_map(result).collect()
}

/// The deliberate differences of the kernel that is booted: none of another kernel than Tessera's.
pub(crate) fn allowed() -> Result<Vec<Difference>> {
    if image::other_kernel().is_some() {
        return Ok(Vec::new());
    }
    let file = paths::in_project("docs/abi.md");
    listed(&fs::read_to_string(&file).with_context(|| file.display().to_string())?)
}

/// The rows of the table of differences.
fn listed(page: &str) -> Result<Vec<Difference>> {
    let (_, table) = page.split_once(HEADING).with_context(|| format!("docs/abi.md has no heading `{HEADING}`"))?;
    let section = table.split("\n#").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        match cells.as_slice() {
            [case, golden, ours, why] if !why.is_empty() => {
                Ok(Difference { case: (*case).into(), golden: (*golden).into(), ours: (*ours).into() })
            }
            _ => bail!("docs/abi.md: a difference is a case, two results and a reason: {row}"),
        }
    })
    .collect()
}

/// Boots the suites that have golden files on the kernel that the environment names, and writes the files.
pub(crate) fn record(arguments: &GoldenArgs) -> Result<u8> {
    if image::other_kernel().is_none() {
        bail!("golden files hold what another kernel answers: name its ELF file in {}", image::OTHER_KERNEL);
    }
    let suites: Vec<Suite> = suite::load(&arguments.filter)?.into_iter().filter(|s| s.golden.is_some()).collect();
    if suites.is_empty() {
        bail!("no suite with a golden file has `{}` in its name", arguments.filter);
    }
    for suite in &suites {
        let (Image::Root(package), Some(file)) = (suite.image()?, &suite.golden) else {
            bail!("suite {}: only a root task alone on the kernel can have a golden file", suite.name);
        };
        let results = boot(&Base::build_in(suite.configuration())?, suite, &package)?;
        let file = paths::in_project(file);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        fs::write(&file, text(&package, &arguments.from, &results)).with_context(|| file.display().to_string())?;
        eprintln!("tessera: wrote {} with {} cases", file.display(), results.len());
    }
    Ok(0)
}

/// What the cases of a suite see, on its first machine. Whether they like it is of no interest here.
fn boot(base: &Base, suite: &Suite, package: &str) -> Result<Results> {
    let built = suite.configuration().of(cargo::Build::release(cargo::USER).package(package)).run()?;
    let root = built.get(package).with_context(|| format!("no {package} was built"))?;
    let image = base.compose(&fs::read(root)?, &suite.name)?;
    let machine: Machine = suite.on.first().with_context(|| format!("suite {}: no machine", suite.name))?.parse()?;
    let options =
        qemu::Options { count_instructions: suite.counted.then_some(qemu::Shift::TEST), ..machine.options.clone() };
    let command = qemu::command(&Board::load(&machine.board)?, &options, &image)?;
    let limit = Duration::from_secs(suite.seconds);
    let outcome = qemu::run(command, Console::Typed(""), Some(limit), |line| {
        if matches!(Line::parse(line), Some(Line::Fail(..))) {
            eprintln!("{line}");
        }
        Next::Go
    })?;
    let done = outcome.log.iter().any(|line| Line::parse(line) == Some(Line::Done));
    match outcome.end {
        End::Exit(_) if done => Ok(results(&outcome)),
        end => {
            let last = outcome.log.last().map(String::as_str).unwrap_or_default();
            bail!("suite {}: the run is not whole ({end:?}); its last line is `{last}`", suite.name)
        }
    }
}

/// The text of a golden file.
fn text(package: &str, from: &str, results: &Results) -> String {
    let mut text = format!("# What each case of {package} saw, in hexadecimal words, on\n# {from}\n");
    for (case, words) in results {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", format!("{case} {words}").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(pairs: &[(&str, &str)]) -> Results {
        pairs.iter().map(|(case, words)| ((*case).to_owned(), (*words).to_owned())).collect()
    }

    fn difference(case: &str, golden: &str, ours: &str) -> Difference {
        Difference { case: case.into(), golden: golden.into(), ours: ours.into() }
    }

    #[test]
    fn what_is_written_is_read() {
        let seen = results(&[("a.b", "1 ff"), ("nothing", "")]);
        let text = text("kernel-tests", "some kernel", &seen);
        assert!(text.starts_with("# ") && text.contains("# some kernel\n"), "{text}");
        assert!(Golden::parse(&text).differences(&seen, &[]).is_empty());
    }

    #[test]
    fn what_differs_is_named() {
        let golden = Golden::parse("# from\na 1\nb 2\nc 3\n");
        let wrong = golden.differences(&results(&[("a", "1"), ("b", "4"), ("new", "1")]), &[]);
        let cases: Vec<&str> = wrong.iter().map(|(case, _)| case.as_str()).collect();
        assert_eq!(cases, ["b", "new", "c"]);
    }

    #[test]
    fn a_listed_difference_must_be_as_listed() {
        let golden = Golden::parse("a 1\n");
        let seen = results(&[("a", "2")]);
        assert!(golden.differences(&seen, &[difference("a", "1", "2")]).is_empty());
        for listed in [difference("a", "1", "1"), difference("a", "3", "2"), difference("b", "1", "2")] {
            assert!(!golden.differences(&seen, std::slice::from_ref(&listed)).is_empty(), "{listed:?}");
        }
        assert!(!golden.differences(&results(&[("a", "1")]), &[difference("a", "1", "2")]).is_empty());
    }

    #[test]
    fn the_table_of_differences_is_read() {
        let page = format!(
            "{HEADING}\n\n| case | seL4 | Tessera | why |\n|---|---|---|---|\n| `a.b` | `1 2` | `` | x |\n## Z\n| `c` |"
        );
        assert_eq!(listed(&page).expect("is right"), [difference("a.b", "1 2", "")]);
        assert!(listed("no table").is_err());
        assert!(listed(&format!("{HEADING}\n| `a` | `1` | `2` | |")).is_err());
        listed(&fs::read_to_string(paths::in_project("docs/abi.md")).expect("readable")).expect("the page is right");
    }
}
