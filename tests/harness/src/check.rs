//! `check`: form, lints, documentation and direction of dependency.
//!
//! All steps run, so one call tells everything that is wrong.

use crate::cargo::{self, PRIVILEGED, USER};
use crate::{FAILED, layers, paths};
use anyhow::{Context, Result};
use std::fs;

/// What may not be in a source file, and what to write in its place.
const FORBIDDEN: [(&str, &str); 4] = [
    ("#[allow(", "say #[expect(.., reason = ..)], which expires"),
    ("#![allow(", "say #![expect(.., reason = ..)], which expires"),
    ("todo!(", "finish it"),
    ("unimplemented!(", "finish it"),
];

/// Packages that are built for the privileged target, and their binaries.
const AT_EL1: [&str; 2] = ["kernel", "boot"];
/// Packages that are built for user mode.
const IN_USER_MODE: [&str; 23] = [
    "root",
    "mach",
    "ticker",
    "console",
    "block",
    "default-pager",
    "default-pager-tests",
    "file-pager",
    "shell",
    "libmach",
    "bench-kernel",
    "bench-mach",
    "disk-tests",
    "faults",
    "file-tests",
    "hostile",
    "kernel-tests",
    "killed",
    "mach-tests",
    "memory-pager",
    "paging-tests",
    "swap-tests",
    "unruly",
];

/// Runs every check.
pub(crate) fn run() -> Result<u8> {
    let mut failed = Vec::new();
    let mut step = |name: &str, good: Result<bool>| {
        let good = good.unwrap_or_else(|error| {
            eprintln!("tessera: {name}: {error:#}");
            false
        });
        println!("{} {name}", if good { "pass" } else { "FAIL" });
        if !good {
            failed.push(name.to_owned());
        }
    };
    step("format", succeeds(&["fmt", "--all", "--check"], &[]));
    step("layers", layers::violations().map(|found| nothing(&found)));
    step("words", forbidden().map(|found| nothing(&found)));
    step("clippy, host", clippy(&["--all-targets"]));
    step("clippy, privileged", clippy(&for_target(PRIVILEGED, &AT_EL1, "--bins")));
    step("clippy, user", clippy(&for_target(USER, &IN_USER_MODE, "--bins")));
    step("clippy, examples", clippy(&for_target(USER, &["libmach"], "--examples")));
    step(
        "documents",
        succeeds(
            &["doc", "--quiet", "--no-deps", "--document-private-items"],
            &[("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links")],
        ),
    );
    if failed.is_empty() {
        return Ok(0);
    }
    println!("failed: {}", failed.join("; "));
    Ok(FAILED)
}

fn for_target<'a>(target: &'a str, packages: &[&'a str], what: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["--release", "--target", target, "--lib", what];
    packages.iter().for_each(|p| arguments.extend(["-p", p]));
    arguments
}

fn clippy(arguments: &[&str]) -> Result<bool> {
    let all: Vec<_> = ["clippy", "--quiet"].iter().chain(arguments).chain(&["--", "-D", "warnings"]).copied().collect();
    succeeds(&all, &[])
}

fn succeeds(arguments: &[&str], variables: &[(&str, &str)]) -> Result<bool> {
    let (verb, rest) = arguments.split_first().context("a verb is needed")?;
    let status = cargo::cargo(verb).args(rest).envs(variables.iter().copied()).status();
    Ok(status.context("cargo cannot be run")?.success())
}

/// Prints what was found; whether that was nothing.
fn nothing(found: &[String]) -> bool {
    found.iter().for_each(|line| println!("{line}"));
    found.is_empty()
}

/// Forbidden words in all Rust files but this one.
fn forbidden() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in ["kernel", "boot", "libmach", "servers", "tests"] {
        for file in layers::rust_files(&paths::in_project(folder))? {
            if file.ends_with("harness/src/check.rs") {
                continue;
            }
            for (number, line) in fs::read_to_string(&file)?.lines().enumerate() {
                for (word, instead) in FORBIDDEN.iter().filter(|(word, _)| line.contains(word)) {
                    let place = file.strip_prefix(paths::project()).unwrap_or(&file);
                    found.push(format!("{}:{}: {word}..: {instead}", place.display(), number + 1));
                }
            }
        }
    }
    Ok(found)
}
