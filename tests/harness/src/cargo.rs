//! Building: one call of cargo for everything that has the same target.

use crate::paths;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Target of what runs at EL1 and above, and of the Mach server: no floating-point registers.
pub(crate) const PRIVILEGED: &str = "aarch64-unknown-none-softfloat";
/// Target of user programs.
pub(crate) const USER: &str = "aarch64-unknown-none";
/// The flag for what never runs without its MMU and has no device's memory but by volatile accesses: an access to memory may be
/// unaligned, as `mem-routines` relies on too. The targets forbid that, and then each copy of more than 32 bytes is a call.
const UNALIGNED: &str = "-Ctarget-feature=-strict-align";

/// Executables by the names of their binary or example targets.
pub(crate) type Executables = BTreeMap<String, PathBuf>;

/// What one call of cargo builds.
#[derive(Default)]
pub(crate) struct Build<'a> {
    target: Option<&'a str>,
    arguments: Vec<String>,
    /// It is for user mode.
    is_user: bool,
}

impl<'a> Build<'a> {
    /// Builds for `target`, optimised.
    pub(crate) fn release(target: &'a str) -> Self {
        Self { target: Some(target), arguments: vec!["--release".into()], is_user: target == USER }
    }

    /// Says that it is for user mode, whatever the target.
    pub(crate) fn in_user_mode(self) -> Self {
        Self { is_user: true, ..self }
    }

    /// Adds the binaries of a package of this workspace.
    pub(crate) fn package(mut self, name: &str) -> Self {
        self.arguments.extend(["-p".into(), name.into(), "--bin".into(), name.into()]);
        self
    }

    /// Leaves the features out that packages have by default: the release configuration of those that have `debug`.
    pub(crate) fn plain(mut self) -> Self {
        self.arguments.push("--no-default-features".into());
        self
    }

    /// Adds one example of libmach.
    pub(crate) fn example(mut self, name: &str) -> Self {
        self.arguments.extend(["-p".into(), "libmach".into(), "--example".into(), name.into()]);
        self
    }

    /// Builds the package in that folder, which need not be of this workspace.
    pub(crate) fn folder(mut self, folder: &Path, products: &Path) -> Self {
        let manifest = folder.join("Cargo.toml").display().to_string();
        self.arguments.extend(["--manifest-path".into(), manifest, "--bins".into()]);
        self.arguments.extend(["--target-dir".into(), products.display().to_string()]);
        self
    }

    /// Builds. Errors of the compiler go to standard error; its warnings are for `check`.
    pub(crate) fn run(self) -> Result<Executables> {
        let mut command = cargo("build");
        command.args(["--quiet", "--message-format=json"]).args(&self.arguments);
        if let Some(target) = self.target {
            command.args(["--target", target]);
            if self.is_user {
                let name = format!("CARGO_TARGET_{}_RUSTFLAGS", target.replace('-', "_").to_uppercase());
                let flags = env::var(&name).unwrap_or_default();
                command.env(name, format!("{flags} {UNALIGNED}"));
            }
        }
        let mut child = command.stdout(Stdio::piped()).spawn().context("cargo cannot be run")?;
        let messages = child.stdout.take().context("cargo has no output")?;
        let mut found = Executables::new();
        let mut told = !std::io::stderr().is_terminal();
        for line in BufReader::new(messages).lines() {
            let line = line?;
            let Ok(message) = serde_json::from_str::<Message>(&line) else { continue };
            match message {
                Message::Artifact { target, executable, fresh } => {
                    if !fresh && !told {
                        eprintln!("tessera: building ...");
                        told = true;
                    }
                    found.extend(executable.map(|path| (target.name, path)));
                }
                Message::Said { message } if message.level == "error" => {
                    eprint!("{}", message.rendered.unwrap_or_default());
                }
                _ => {}
            }
        }
        if !child.wait()?.success() {
            bail!("cargo build {} failed", self.arguments.join(" "));
        }
        Ok(found)
    }
}

/// A call of cargo from the top of the project, with the compiler that `justw` found.
pub(crate) fn cargo(verb: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(verb).current_dir(paths::project());
    command
}

/// The messages of `cargo build --message-format=json` that matter here.
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    #[serde(rename = "compiler-artifact")]
    Artifact { target: Target, executable: Option<PathBuf>, fresh: bool },
    #[serde(rename = "compiler-message")]
    Said { message: Diagnostic },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
}
