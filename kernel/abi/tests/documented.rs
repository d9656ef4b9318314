//! `docs/abi.md` against the tables of this crate, and against the tests that it names.

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
        let [_, _, support, module, tests] = cells.as_slice() else { panic!("{label:?}: five columns") };
        if support.starts_with("no:") {
            continue;
        }
        let module = module.trim_matches('`');
        assert!(kernel.join(module).exists(), "{label:?}: there is no {module}");
        let prefix = tests.trim_matches('`');
        assert!(!prefix.is_empty() && text.contains(&format!("fn {prefix}")), "{label:?}: no test {prefix}…");
    }
}
