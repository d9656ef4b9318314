//! `fuzz` and `miri`: the kernel's host ring under tools that not every machine has.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cargo::cargo;
use crate::cli::{FuzzArgs, MiriArgs};
use crate::{FAILED, paths};

/// The version of cargo-fuzz that is installed where there is none.
const CARGO_FUZZ: &str = "0.13.1";
/// Inputs of any length up to some 200 steps from the beginning: most of the time goes into the world, not into steps.
const INPUTS: [&str; 2] = ["-max_len=4096", "-len_control=0"];

/// Feeds the kernel bytes, for as long as the arguments say. What it finds is kept in `kernel/fuzz/artifacts`.
pub(crate) fn fuzz(arguments: &FuzzArgs) -> Result<u8> {
    let program = cargo_fuzz()?;
    let folder = paths::in_project("kernel/fuzz");
    let seconds = format!("-max_total_time={}", arguments.seconds);
    let mut command = Command::new(program);
    // Without a sanitizer: the arena is one allocation, and the invariants are what is looked for. The instrumentation
    // itself is an option that a stable compiler knows, but hides.
    command.args(["run", "--sanitizer", "none", "--debug-assertions", "calls"]);
    match &arguments.input {
        Some(input) => command.arg(input),
        None => command.args(["--", &seconds, "-print_final_stats=1"]).args(INPUTS),
    };
    command.current_dir(folder).env("RUSTC_BOOTSTRAP", "1");
    let status = command.status().context("cargo-fuzz cannot be run")?;
    Ok(if status.success() { 0 } else { FAILED })
}

/// Where cargo-fuzz is: in the path, or below the cache, where it is put if it is nowhere.
fn cargo_fuzz() -> Result<PathBuf> {
    let is_there = |program: &Path| {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let cache = match (env::var_os("TESSERA_CACHE"), env::var_os("XDG_CACHE_HOME"), env::var_os("HOME")) {
        (Some(cache), ..) => PathBuf::from(cache),
        (None, Some(cache), _) => PathBuf::from(cache).join("tessera"),
        (None, None, Some(home)) => PathBuf::from(home).join(".cache/tessera"),
        (None, None, None) => bail!("there is no place for cargo-fuzz: set TESSERA_CACHE"),
    };
    let root = cache.join("cargo-fuzz");
    let own = root.join("bin/cargo-fuzz");
    if let Some(found) = [PathBuf::from("cargo-fuzz"), own.clone()].into_iter().find(|program| is_there(program)) {
        return Ok(found);
    }
    eprintln!("tessera: installing cargo-fuzz {CARGO_FUZZ} into {}", root.display());
    let version = format!("={CARGO_FUZZ}");
    let mut command = cargo("install");
    command.args(["cargo-fuzz", "--locked", "--version", &version, "--root"]).arg(&root);
    if !command.status().context("cargo cannot be run")?.success() {
        bail!("cargo-fuzz {CARGO_FUZZ} cannot be installed: see what cargo said");
    }
    Ok(own)
}

/// Runs the kernel's host tests whose names hold the filter in Miri.
pub(crate) fn miri(arguments: &MiriArgs) -> Result<u8> {
    let mut version = cargo("miri");
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    if !version.status().is_ok_and(|status| status.success()) {
        bail!("this toolchain has no Miri: it comes with nightly compilers (`rustup +nightly component add miri`)");
    }
    let mut command = cargo("miri");
    command.args(["test", "-p", "kernel", "--lib", "--", &arguments.filter]);
    // The kernel's references are made from addresses that were exposed before.
    command.env("MIRIFLAGS", "-Zmiri-permissive-provenance").env("PROPTEST_CASES", "2").env("MODEL_CALLS", "200");
    Ok(if command.status().context("cargo cannot be run")?.success() { 0 } else { FAILED })
}
