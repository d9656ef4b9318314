//! `docs/abi.md` against the tables of this crate, and against the tests and cases that it names.

use std::fs;
use std::path::{Path, PathBuf};

use sel4_abi::{InvocationLabel, Syscall};

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    fs::read_to_string(project().join("docs/abi.md")).expect("docs/abi.md can be read")
}

/// The cells of the row that begins with this name and number.
fn row<'a>(page: &'a str, name: &str, number: &str) -> Vec<&'a str> {
    let start = format!("| `{name}` | {number} |");
    let mut rows = page.lines().filter(|line| line.starts_with(&start));
    let row = rows.next().unwrap_or_else(|| panic!("docs/abi.md has no row for {name} with number {number}"));
    assert!(rows.next().is_none(), "docs/abi.md has two rows for {name}");
    row.trim_matches('|').split('|').map(str::trim).collect()
}

/// The text of all sources below a folder.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("a folder of the sources can be read") {
        let path = entry.expect("a folder of the sources can be read").path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|e| e == "rs") {
            text += &fs::read_to_string(&path).expect("a source can be read");
        }
    }
    text
}

#[test]
fn every_system_call_has_a_row() {
    let page = page();
    for call in Syscall::ALL {
        row(&page, call.name(), &call.number().to_string());
    }
}

#[test]
fn every_invocation_has_a_row_whose_tests_and_module_exist() {
    let page = page();
    let kernel = project().join("kernel/src");
    let text = sources(&kernel);
    for label in InvocationLabel::ALL {
        let cells = row(&page, label.name(), &label.number().to_string());
        let [_, _, support, module, tests, _] = cells.as_slice() else { panic!("{label:?}: six columns") };
        if support.starts_with("no:") {
            continue;
        }
        let module = module.trim_matches('`');
        assert!(kernel.join(module).exists(), "{label:?}: there is no {module}");
        let prefix = tests.trim_matches('`');
        assert!(!prefix.is_empty() && text.contains(&format!("fn {prefix}")), "{label:?}: no test {prefix}…");
    }
}

/// The names of the cases of `tests/kernel`.
fn cases() -> Vec<String> {
    let text = sources(&project().join("tests/kernel/src"));
    let names = text.lines().filter_map(|line| line.trim_start().strip_prefix('"')?.split_once("\" =>"));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// The prefixes in a cell, each with the numbers of the rows behind it: "`a.b.` 1-3, 5, `a.c.`".
fn prefixes(cell: &str) -> Vec<(String, Vec<u32>)> {
    let mut found: Vec<(String, Vec<u32>)> = Vec::new();
    for part in cell.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty()) {
        if let Some(prefix) = part.strip_prefix('`').and_then(|part| part.strip_suffix('`')) {
            found.push((prefix.to_owned(), Vec::new()));
            continue;
        }
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.parse::<u32>().unwrap_or_else(|_| panic!("{part:?} in {cell:?} is no row"));
        found.last_mut().expect("rows follow a prefix").1.extend(number(first)..=number(last));
    }
    found
}

/// A row whose number a case's name begins with, behind its prefix.
fn has_row(cases: &[String], prefix: &str, number: u32) -> bool {
    let start = format!("{prefix}err{number:02}_");
    cases.iter().any(|case| case.starts_with(&start))
}

#[test]
fn every_row_of_every_table_of_checks_has_a_case_on_a_machine() {
    let page = page();
    let cases = cases();
    assert!(cases.len() > 500, "the cases were not found");
    let calls = Syscall::ALL.iter().map(|call| row(&page, call.name(), &call.number().to_string()));
    let invocations = InvocationLabel::ALL.iter().map(|label| row(&page, label.name(), &label.number().to_string()));
    let mut listed = Vec::new();
    for cells in calls.chain(invocations) {
        let (name, last) = (cells[0], cells[cells.len() - 1]);
        let found = prefixes(last);
        let needs_none = cells[2].starts_with("no:") || cells.contains(&"by eye");
        assert!(needs_none || !found.is_empty(), "{name}: no cases are named");
        for (prefix, rows) in found {
            assert!(cases.iter().any(|case| case.starts_with(&prefix)), "{name}: no case {prefix}...");
            for number in rows {
                assert!(has_row(&cases, &prefix, number), "{name}: no case {prefix}err{number:02}_...");
                listed.push(format!("{prefix}err{number:02}_"));
            }
        }
    }
    // And no case is named after a row that the page does not know.
    let unknown = cases.iter().find(|case| case.contains(".err") && !listed.iter().any(|row| case.starts_with(row)));
    assert_eq!(unknown, None, "a case is named after a row that docs/abi.md does not list");
}
