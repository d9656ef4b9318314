//! `image`: the bootable file, `kernel8.img`.

use crate::cli::ImageArgs;
use crate::damage::{self, Damage};
use crate::task::{System, Task, Then};
use crate::{cargo, elf, paths};
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::path::PathBuf;

/// Names another kernel ELF to boot in place of Tessera's.
pub(crate) const OTHER_KERNEL: &str = "TESSERA_KERNEL";

/// The kernel to boot in place of Tessera's, if the environment names one.
pub(crate) fn other_kernel() -> Option<PathBuf> {
    env::var_os(OTHER_KERNEL).map(PathBuf::from)
}

/// Writes the image that the arguments describe.
pub(crate) fn write(arguments: &ImageArgs) -> Result<u8> {
    let base = Base::build()?;
    let root = match (&arguments.root, &arguments.task) {
        (Some(root), _) => fs::read(root).with_context(|| root.display().to_string())?,
        (None, Some(task)) => System::build(&[Task::find(task)?])?.only_task(&arguments.arguments, Then::Halt)?,
        (None, None) => bail!("name a task, or a root task with --root"),
    };
    let image = base.compose(&root, "image")?;
    fs::copy(&image, &arguments.output).with_context(|| arguments.output.display().to_string())?;
    eprintln!("tessera: wrote {}", arguments.output.display());
    Ok(0)
}

/// A configuration of the kernel (kernel ABI 1.12): both are optimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Configuration {
    /// With debug calls and messages.
    Debug,
    /// Without.
    Release,
}

impl Configuration {
    /// That build in this configuration.
    pub(crate) fn of(self, build: cargo::Build<'_>) -> cargo::Build<'_> {
        if self == Self::Release { build.plain() } else { build }
    }
}

/// What every image begins with: the boot stage and a kernel.
pub(crate) struct Base {
    boot: Vec<u8>,
    kernel: Vec<u8>,
    /// What complaints about the kernel call it.
    name: String,
}

impl Base {
    /// Builds both, or takes the kernel that the environment names.
    pub(crate) fn build() -> Result<Self> {
        Self::build_in(Configuration::Debug)
    }

    /// The same, with our kernel in that configuration.
    pub(crate) fn build_in(configuration: Configuration) -> Result<Self> {
        let mut build = configuration.of(cargo::Build::release(cargo::PRIVILEGED).package("boot"));
        let other = other_kernel();
        if other.is_none() {
            build = build.package("kernel");
        }
        let built = build.run()?;
        let read = |path: Option<&PathBuf>, what| {
            let path = path.with_context(|| format!("cargo built no {what}"))?;
            fs::read(path).with_context(|| path.display().to_string())
        };
        let boot = read(built.get("boot"), "boot stage")?;
        let kernel = match &other {
            Some(path) => read(Some(path), "kernel").with_context(|| format!("the kernel of {OTHER_KERNEL}"))?,
            None => read(built.get("kernel"), "kernel")?,
        };
        let name =
            other.map_or("the kernel".into(), |path| format!("the kernel of {OTHER_KERNEL}, {}", path.display()));
        Ok(Self { boot, kernel, name })
    }

    /// The kernel's ELF file.
    pub(crate) fn kernel(&self) -> &[u8] {
        &self.kernel
    }

    /// Writes the image that starts that root task; `name` keeps images apart that are in use together.
    pub(crate) fn compose(&self, root: &[u8], name: &str) -> Result<PathBuf> {
        self.compose_with(root, name, None)
    }

    /// The same, with something wrong in it.
    pub(crate) fn compose_with(&self, root: &[u8], name: &str, wrong: Option<Damage>) -> Result<PathBuf> {
        let path = paths::product(format!("{name}-{}.img", std::process::id()))?;
        let kernel = elf::strip(&self.kernel).with_context(|| self.name.clone())?;
        let root = elf::strip(root).context("the root task")?;
        let image = damage::pack(&self.boot, &kernel, &root, wrong)?;
        fs::write(&path, image).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// An image of exactly these files, sound or not.
    pub(crate) fn pack(&self, kernel: &[u8], root: &[u8]) -> Result<Vec<u8>> {
        damage::pack(&self.boot, kernel, root, None)
    }
}
