//! `new`: a task of one's own, from a template.
//!
//! The new package is a workspace by itself, so it may lie anywhere, inside this tree or outside. It names
//! libmach by its place and starts from this project's `Cargo.lock`, so it builds with the same versions.

use crate::cli::NewArgs;
use crate::paths;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// The files of the template, and where they go.
const FILES: [(&str, &str); 2] = [
    ("Cargo.toml", include_str!("../../../tools/template/Cargo.toml")),
    ("src/main.rs", include_str!("../../../tools/template/main.rs")),
];

/// Makes the package and says how to run it.
pub(crate) fn run(arguments: &NewArgs) -> Result<u8> {
    let folder = &arguments.folder;
    let name = folder.file_name().and_then(|n| n.to_str()).context("the task needs a name")?;
    if !is_package_name(name) {
        bail!("`{name}` is no name for a package: begin with a letter, then letters, digits, - and _");
    }
    if folder.exists() {
        bail!("{} exists already", folder.display());
    }
    let project = paths::project().canonicalize()?;
    let libmach = project.join("libmach").display().to_string();
    for (file, text) in FILES {
        write(&folder.join(file), &text.replace("{name}", name).replace("{libmach}", &libmach))?;
    }
    fs::copy(project.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let shown = folder.display();
    eprintln!("tessera: made {shown}; edit {shown}/src/main.rs, then ./justw run {shown}");
    Ok(0)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    fs::write(path, text).with_context(|| path.display().to_string())
}

/// What Cargo takes as the name of a package.
fn is_package_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(is_package_name("pager-2"));
        for bad in ["", "2pager", "a b", "a/b", "ä"] {
            assert!(!is_package_name(bad), "{bad}");
        }
    }

    #[test]
    fn the_template_is_short() {
        let (_, main) = FILES[1];
        assert!(main.lines().count() < 15);
    }
}
