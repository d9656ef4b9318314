//! `image`: the bootable file, `kernel8.img`.

use crate::cli::ImageArgs;
use crate::task::{System, Task, Then};
use crate::{cargo, paths};
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::path::PathBuf;

/// Names another kernel ELF to boot in place of Tessera's.
const OTHER_KERNEL: &str = "TESSERA_KERNEL";

/// Writes the image that the arguments describe.
pub(crate) fn write(arguments: &ImageArgs) -> Result<u8> {
    let image = match (&arguments.root, &arguments.task) {
        (Some(root), _) => compose(&fs::read(root).with_context(|| root.display().to_string())?, false)?,
        (None, Some(task)) => {
            System::build(&[Task::find(task)?], false)?.image(&arguments.arguments, Then::Halt, false)?
        }
        (None, None) => bail!("name a task, or a root task with --root"),
    };
    fs::copy(&image, &arguments.output).with_context(|| arguments.output.display().to_string())?;
    eprintln!("tessera: wrote {}", arguments.output.display());
    Ok(0)
}

/// Builds boot stage and kernel and packs them with that root task.
pub(crate) fn compose(root: &[u8], verbose: bool) -> Result<PathBuf> {
    let mut build = cargo::Build::release(cargo::PRIVILEGED).verbose(verbose).package("boot");
    let other = env::var_os(OTHER_KERNEL).map(PathBuf::from);
    if other.is_none() {
        build = build.package("kernel");
    }
    let built = build.run()?;
    let kernel = other.as_ref().or_else(|| built.get("kernel")).context("cargo built no kernel")?;
    let _kernel = fs::read(kernel).with_context(|| kernel.display().to_string())?;
    let path = paths::product(format!("kernel8-{}.img", std::process::id()))?;
    let _ = root;
    bail!("no packing yet: {}", path.display())
}
