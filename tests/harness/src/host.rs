//! The tests that run on this machine: `cargo test`, counted.

use crate::cargo;
use crate::judge::Case;
use anyhow::{Context, Result};
use std::process::{Command, Stdio};

/// All host tests together may take this long.
const LIMIT_SECONDS: &str = "1200";

/// Runs the host tests whose name holds `filter`.
pub(crate) fn run(filter: &str) -> Result<Vec<Case>> {
    let inner = cargo::cargo("test");
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", LIMIT_SECONDS]).arg(inner.get_program()).args(inner.get_args());
    command.current_dir(crate::paths::project()).args(["--no-fail-fast", "--", filter]);
    let output = command.stdin(Stdio::null()).output().context("cargo test cannot be run")?;
    let text = String::from_utf8_lossy(&output.stdout);
    // How much a search or a random test looked at.
    String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter(|line| line.starts_with("counted: "))
        .for_each(|line| println!("{line}"));
    let mut cases = cases(&text);
    let failed = cases.iter().any(|c| c.failure.is_some());
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        print_failures(&text);
        if !failed {
            cases.push(Case::failed("host", format!("cargo test ended with {}", output.status)));
        }
    }
    Ok(cases)
}

/// Reads the lines `test NAME ... ok` and `test NAME ... FAILED`.
fn cases(output: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for line in output.lines() {
        let Some((name, result)) = line.strip_prefix("test ").and_then(|l| l.rsplit_once(" ... ")) else { continue };
        match result.split_whitespace().next() {
            Some("ok") => cases.push(Case::passed(name)),
            Some("FAILED") => cases.push(Case::failed(name, "see its output above")),
            _ => {}
        }
    }
    cases
}

/// Shows what the failed tests printed.
fn print_failures(output: &str) {
    let mut inside = false;
    for line in output.lines() {
        inside = (inside || line == "failures:") && !line.starts_with("test result:");
        if inside {
            println!("{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read() {
        let text = "\nrunning 4 tests\ntest a::b ... ok\ntest kernel/src/x.rs - kref (line 3) - compile fail ... ok\n\
                    test c ... FAILED\ntest d ... ignored\n\ntest result: FAILED. 2 passed; 1 failed; 1 ignored\n";
        let cases = cases(text);
        assert_eq!(cases.len(), 3);
        assert_eq!(cases.iter().filter(|c| c.failure.is_some()).map(|c| c.name.as_str()).collect::<Vec<_>>(), ["c"]);
    }
}
