//! What the tools must know about a board: `board-configs/*.toml`.
//!
//! The hardware itself is described by the device tree at run time; here is only how to start QEMU, which
//! serial line carries what. A key that is not known is an error.

use crate::paths;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// One board.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Board {
    /// What people call it.
    #[serde(rename = "description")]
    pub(crate) _description: String,
    pub(crate) qemu: Qemu,
    pub(crate) serial: Serial,
}

/// How QEMU plays the board.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Qemu {
    pub(crate) machine: String,
    pub(crate) cpu: Option<String>,
    /// How QEMU executes instructions, in the notation of its `-accel`.
    pub(crate) accel: Option<String>,
    /// Memory when the user names none.
    pub(crate) memory: String,
    /// The machine has that much memory and no other.
    #[serde(default)]
    pub(crate) fixed_memory: bool,
    /// Device tree to hand over, source (`.dts`) or compiled (`.dtb`); without one QEMU makes it.
    pub(crate) dtb: Option<PathBuf>,
    /// Disks are SD cards.
    #[serde(default)]
    pub(crate) sd_card: bool,
    /// Property of the machine that picks the version of the interrupt controller.
    pub(crate) gic: Option<String>,
    /// Property of the machine that makes it start at EL2.
    pub el2: Option<String>,
}

/// Which of QEMU's `-serial` options carries which line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Serial {
    pub(crate) log: usize,
    pub(crate) console: usize,
}

impl Board {
    /// Reads the board of that name.
    pub(crate) fn load(name: &str) -> Result<Self> {
        let file = paths::in_project("board-configs").join(format!("{name}.toml"));
        let Ok(text) = fs::read_to_string(&file) else {
            bail!("there is no board `{name}`; known are: {}", names()?.join(", "));
        };
        Self::parse(&text).with_context(|| format!("board-configs/{name}.toml"))
    }

    fn parse(text: &str) -> Result<Self> {
        let board: Self = toml::from_str(text)?;
        if board.serial.log == board.serial.console {
            bail!("`serial.log` and `serial.console` are the same line");
        }
        Ok(board)
    }
}

/// The boards there are.
pub(crate) fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(paths::in_project("board-configs"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            names.extend(path.file_stem().map(|s| s.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// The compiled form of a device tree, made when it is missing or older than its source.
pub(crate) fn compiled_device_tree(source: &Path) -> Result<PathBuf> {
    let source = paths::in_project(source);
    if source.extension().is_some_and(|e| e == "dtb") {
        return Ok(source);
    }
    let name = source.file_stem().context("the device tree has no name")?;
    let compiled = paths::product(Path::new(name).with_extension("dtb"))?;
    let changed = |path: &Path| fs::metadata(path).and_then(|m| m.modified());
    if changed(&compiled).ok() < changed(&source).ok() {
        let output = std::process::Command::new("dtc")
            .args(["-q", "-I", "dts", "-O", "dtb", "-o"])
            .args([&compiled, &source])
            .output()
            .context("dtc, the device tree compiler, cannot be run")?;
        if !output.status.success() {
            bail!("{}: {}", source.display(), String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    Ok(compiled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_of_the_project_loads() {
        let names = names().expect("board-configs is there");
        assert!(names.contains(&"virt".to_owned()));
        for name in names {
            Board::load(&name).expect(&name);
        }
    }

    #[test]
    fn each_wrong_file_gets_its_message() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/boards");
        let mut seen = 0;
        for entry in fs::read_dir(folder).expect("fixtures are there") {
            let path = entry.expect("readable").path();
            let text = fs::read_to_string(&path).expect("readable");
            let wanted =
                text.lines().next().and_then(|l| l.strip_prefix("# error: ")).expect("first line says the error");
            let error = format!("{:#}", Board::parse(&text).expect_err("must be refused"));
            assert!(error.contains(wanted), "{}: wanted `{wanted}`, got `{error}`", path.display());
            seen += 1;
        }
        assert!(seen >= 3);
    }
}
