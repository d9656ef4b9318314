//! The table of operations with the figures of other systems: `tests/bench/operations.toml`.

use crate::paths;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Operations {
    pub(crate) sources: Sources,
    pub(crate) operation: Vec<Operation>,
}

/// Where the figures of other systems come from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sources {
    pub(crate) sel4: String,
    pub(crate) linux: String,
}

/// One operation. The file itself says what each key means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) meaning: String,
    pub(crate) sel4: Option<u64>,
    pub(crate) linux: Option<u64>,
    pub(crate) aim: Option<u64>,
}

/// The table of the project.
pub(crate) fn load() -> Result<Operations> {
    const FILE: &str = "tests/bench/operations.toml";
    parse(&fs::read_to_string(paths::in_project(FILE)).context(FILE)?).context(FILE)
}

fn parse(text: &str) -> Result<Operations> {
    let operations: Operations = toml::from_str(text)?;
    let mut names = BTreeSet::new();
    for operation in &operations.operation {
        if !names.insert(&operation.name) {
            bail!("two operations are named {}", operation.name);
        }
        if [operation.sel4, operation.linux, operation.aim].contains(&Some(0)) {
            bail!("{}: no operation costs nothing", operation.name);
        }
    }
    Ok(operations)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: &str = "[sources]\nsel4 = \"a\"\nlinux = \"b\"\n";

    #[test]
    fn the_table_of_the_project_is_right() {
        let operations = load().expect("loads").operation;
        assert!(operations.iter().any(|o| o.name == "kernel.map" && o.sel4 == Some(609)));
        assert!(operations.iter().any(|o| o.name.starts_with("mach.") && o.linux.is_some()));
    }

    #[test]
    fn mistakes_are_refused() {
        let one = "[[operation]]\nname = \"a\"\nmeaning = \"m\"\n";
        for (text, wanted) in [
            (format!("{SOURCES}{one}{one}"), "two operations are named a"),
            (format!("{SOURCES}{one}sel4 = 0\n"), "costs nothing"),
            (format!("{SOURCES}{one}mach = 1\n"), "unknown field `mach`"),
            (one.to_owned(), "missing field `sources`"),
        ] {
            let error = format!("{:#}", parse(&text).expect_err(&text));
            assert!(error.contains(wanted), "wanted `{wanted}`, got `{error}`");
        }
    }
}
