//! The table of tests that boot a machine: `tests/suites.toml`.

use crate::board::Board;
use crate::damage::Damage;
use crate::disk::Disk;
use crate::image::Configuration;
use crate::paths;
use crate::qemu::{Level, Options};
use crate::task::Parts;
use crate::volume::Volume;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

/// One image and what is right for it. The file itself says what each key means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suite {
    pub(crate) name: String,
    pub(crate) example: Option<String>,
    pub(crate) task: Option<String>,
    pub(crate) root: Option<String>,
    #[serde(default)]
    pub(crate) shell: bool,
    #[serde(default)]
    pub(crate) arguments: Vec<String>,
    #[serde(default)]
    pub(crate) input: String,
    #[serde(default)]
    pub(crate) dialog: Vec<[String; 2]>,
    /// Packages that are tasks, for the shell to run beside the examples.
    #[serde(default)]
    pub(crate) with: Vec<String>,
    #[serde(default = "on_virt")]
    pub(crate) on: Vec<String>,
    #[serde(default)]
    pub(crate) status: i32,
    pub(crate) console: Option<PathBuf>,
    #[serde(default)]
    pub(crate) shows: Vec<String>,
    #[serde(default)]
    pub(crate) log: Vec<String>,
    pub(crate) killed: Option<String>,
    pub(crate) stops: Option<String>,
    pub(crate) damage: Option<Damage>,
    /// The kernel is the one without debug calls.
    #[serde(default)]
    pub(crate) release: bool,
    pub(crate) faulty: Option<String>,
    pub(crate) server: Option<String>,
    #[serde(default)]
    pub(crate) grants: Vec<String>,
    #[serde(default)]
    pub(crate) report: bool,
    /// File with what the cases saw on another kernel, in the project.
    pub(crate) golden: Option<PathBuf>,
    #[serde(default)]
    pub(crate) by_name: bool,
    #[serde(default = "a_minute")]
    pub(crate) seconds: u64,
    #[serde(default)]
    pub(crate) counted: bool,
    pub(crate) disk: Option<Disk>,
    pub(crate) volume: Option<Volume>,
    pub(crate) paging: Option<Disk>,
}

/// What a suite boots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Image {
    /// An example of libmach, run by Tessera's root.
    Example(String),
    /// A package that is a task, run by Tessera's root.
    Task(String),
    /// A package that is a root task.
    Root(String),
    /// All examples, and the shell that runs them by name.
    Shell,
    /// Nothing that will ever run: the boot stage stops before.
    Nothing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    suite: Vec<Suite>,
}

fn on_virt() -> Vec<String> {
    vec!["virt".into()]
}

fn a_minute() -> u64 {
    60
}

impl Suite {
    /// What its system has that others have not.
    pub(crate) fn parts(&self) -> Parts<'_> {
        Parts { faulty: self.faulty.as_deref(), server: self.server.as_deref(), grants: &self.grants }
    }

    /// The kernel's configuration.
    pub(crate) fn configuration(&self) -> Configuration {
        if self.release { Configuration::Release } else { Configuration::Debug }
    }

    /// What to boot.
    pub(crate) fn image(&self) -> Result<Image> {
        match (&self.example, &self.task, &self.root) {
            (Some(name), None, None) => Ok(Image::Example(name.clone())),
            (None, Some(name), None) => Ok(Image::Task(name.clone())),
            (None, None, Some(name)) => Ok(Image::Root(name.clone())),
            (None, None, None) if self.shell => Ok(Image::Shell),
            (None, None, None) if self.stops.is_some() => Ok(Image::Nothing),
            _ => bail!("suite {}: exactly one of `example`, `task`, `root` and `shell` is needed", self.name),
        }
    }

    /// The file with what the console must show, if that is compared.
    pub(crate) fn expected_console(&self) -> Option<PathBuf> {
        let beside = || {
            let file = paths::in_project("libmach/examples").join(self.example.as_ref()?).with_extension("expected");
            file.is_file().then_some(file)
        };
        self.console.as_ref().map(paths::in_project).or_else(beside)
    }
}

/// A machine that a suite runs on, written as `virt gic=3 ram=128M`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    /// As it was written.
    pub(crate) name: String,
    pub(crate) board: String,
    pub(crate) options: Options,
}

impl FromStr for Machine {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut words = text.split_whitespace();
        let board = words.next().context("a machine begins with a board")?.to_owned();
        let mut options = Options::default();
        for word in words {
            match word.split_once('=') {
                Some(("gic", version)) => options.gic = Some(version.parse()?),
                Some(("ram", size)) => options.ram = Some(size.to_owned()),
                Some(("cpu", name)) => options.cpu = Some(name.to_owned()),
                Some(("el", "1")) => options.level = Some(Level::El1),
                Some(("el", "2")) => options.level = Some(Level::El2),
                _ => bail!("`{word}` says nothing about a machine; known are cpu=NAME, gic=2|3, el=1|2, ram=SIZE"),
            }
        }
        Board::load(&board)?;
        Ok(Self { name: text.to_owned(), board, options })
    }
}

/// All suites whose name holds `filter`; of those that are run by name, the one that has it.
pub(crate) fn load(filter: &str) -> Result<Vec<Suite>> {
    let text = fs::read_to_string(paths::in_project("tests/suites.toml"))?;
    let suites = parse(&text).context("tests/suites.toml")?;
    let is_wanted = |s: &Suite| if s.by_name { s.name == filter } else { s.name.contains(filter) };
    Ok(suites.into_iter().filter(is_wanted).collect())
}

fn parse(text: &str) -> Result<Vec<Suite>> {
    let table: Table = toml::from_str(text)?;
    let mut names = BTreeSet::new();
    for suite in &table.suite {
        if !names.insert(&suite.name) {
            bail!("two suites are named {}", suite.name);
        }
        suite.image()?;
        if let Some(unknown) = suite.grants.iter().find(|what| !matches!(what.as_str(), "host" | "disks")) {
            bail!("suite {}: nothing called `{unknown}` can be granted; known are host, disks", suite.name);
        }
        for machine in &suite.on {
            machine.parse::<Machine>().with_context(|| format!("suite {}", suite.name))?;
        }
    }
    Ok(table.suite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_project_is_right() {
        assert!(!load("").expect("loads").is_empty());
    }

    #[test]
    fn what_is_run_by_name_needs_its_whole_name() {
        let has = |filter: &str| load(filter).expect("loads").iter().any(|suite| suite.by_name);
        assert!(!has("") && !has("paging") && has("paging.overcommit.full"));
    }

    #[test]
    fn machines_are_read() {
        let machine: Machine = "virt cpu=cortex-a53 gic=3 el=2 ram=128M".parse().expect("is right");
        assert_eq!(machine.board, "virt");
        assert_eq!(machine.options.cpu.as_deref(), Some("cortex-a53"));
        assert_eq!(machine.options.gic, Some(3));
        assert_eq!(machine.options.level, Some(Level::El2));
        assert_eq!(machine.options.ram.as_deref(), Some("128M"));
        assert!("virt cores=4".parse::<Machine>().is_err());
        assert!("".parse::<Machine>().is_err());
    }

    #[test]
    fn mistakes_are_refused() {
        for (text, wanted) in [
            ("[[suite]]\nname = \"a\"", "exactly one of"),
            ("[[suite]]\nname = \"a\"\nexample = \"x\"\nroot = \"y\"", "exactly one of"),
            ("[[suite]]\nname = \"a\"\nexample = \"x\"\nminutes = 3", "unknown field `minutes`"),
            ("[[suite]]\nname = \"a\"\nexample = \"x\"\non = [\"vrit\"]", "no board `vrit`"),
            ("[[suite]]\nname = \"a\"\nexample = \"x\"\ngrants = [\"disk\"]", "nothing called `disk`"),
            (
                "[[suite]]\nname = \"a\"\nexample = \"x\"\n[[suite]]\nname = \"a\"\nexample = \"x\"",
                "two suites are named a",
            ),
        ] {
            let error = format!("{:#}", parse(text).expect_err(text));
            assert!(error.contains(wanted), "wanted `{wanted}`, got `{error}`");
        }
    }
}
