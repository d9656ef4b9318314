//! Where the parts of the project are.

use std::env;
use std::path::{Path, PathBuf};

/// The top of the source tree: where `TESSERA_ROOT` says, else where this program was compiled.
pub(crate) fn project() -> PathBuf {
    match env::var_os("TESSERA_ROOT") {
        Some(root) => PathBuf::from(root),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).components().collect::<PathBuf>().join("../.."),
    }
}

/// A file or folder of the source tree.
pub(crate) fn in_project(relative: impl AsRef<Path>) -> PathBuf {
    project().join(relative)
}

/// Where everything that is built goes.
pub(crate) fn target() -> PathBuf {
    in_project(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// A file below the target folder that this program makes; its folder is created.
pub(crate) fn product(name: impl AsRef<Path>) -> std::io::Result<PathBuf> {
    let path = target().join("tessera").join(name);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(path)
}
