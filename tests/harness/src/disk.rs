//! Disk images of test suites: made before a run, looked at after it.
//!
//! In each sector of a new image every word holds the sector's number.

use crate::paths;
use anyhow::{Result, bail};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

const SECTOR: usize = 512;

/// A disk of a suite.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Disk {
    /// Its size in MiB.
    megabytes: usize,
    /// Sectors that fail, whatever is done to them.
    #[serde(default)]
    pub(crate) failing: Vec<u64>,
    /// It is attached a second time, as the disk `test`.
    #[serde(default)]
    pub(crate) twin: bool,
    /// What it must hold afterwards; nothing is looked at by default.
    after: Option<After>,
}

/// What a disk holds after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum After {
    /// What it held before.
    Unchanged,
    /// In the second half every word is inverted.
    HalfInverted,
}

impl Disk {
    /// Makes the image for a run of that name.
    pub(crate) fn make(&self, name: &str) -> Result<PathBuf> {
        let path = paths::product(Path::new("disks").join(format!("{}.img", name.replace([' ', '/'], "-"))))?;
        fs::write(&path, numbered(self.megabytes << 20, |_| false))?;
        Ok(path)
    }

    /// Checks what is on the image after the run, and removes it if all is well.
    pub(crate) fn check(&self, image: &Path) -> Result<()> {
        let half = self.megabytes * (1 << 20) / SECTOR / 2;
        let wanted = match self.after {
            None => return Ok(fs::remove_file(image)?),
            Some(After::Unchanged) => numbered(self.megabytes << 20, |_| false),
            Some(After::HalfInverted) => numbered(self.megabytes << 20, |sector| sector >= half),
        };
        let is = fs::read(image)?;
        let mut sectors = is.chunks(SECTOR).zip(wanted.chunks(SECTOR));
        if is.len() != wanted.len() {
            bail!("{} has {} bytes, not {}", image.display(), is.len(), wanted.len());
        }
        if let Some(bad) = sectors.position(|(is, wanted)| is != wanted) {
            bail!("sector {bad} of {} holds something else than it must", image.display());
        }
        Ok(fs::remove_file(image)?)
    }
}

/// An image of numbered sectors, some of them inverted.
fn numbered(bytes: usize, is_inverted: impl Fn(usize) -> bool) -> Vec<u8> {
    let word = |sector| {
        let number = sector as u64;
        if is_inverted(sector) { !number } else { number }
    };
    (0..bytes / SECTOR).flat_map(|sector| word(sector).to_le_bytes().into_iter().cycle().take(SECTOR)).collect()
}

/// What fails at a sector that fails, as QEMU's `blkdebug` calls it.
pub(crate) const ALL_EVENTS: [&str; 2] = ["read_aio", "write_aio"];
/// What fails at one that can be read.
pub(crate) const WRITES: [&str; 1] = ["write_aio"];

/// The configuration by which QEMU's `blkdebug` lets these sectors fail when these things are done.
pub(crate) fn errors(failing: &[u64], events: &[&str], image: &Path) -> Result<PathBuf> {
    let path = image.with_extension("errors");
    let rules = failing.iter().flat_map(|sector| {
        events.iter().map(move |event| {
            format!("[inject-error]\nevent = \"{event}\"\nerrno = \"5\"\nsector = \"{sector}\"\nonce = \"off\"\n\n")
        })
    });
    fs::write(&path, rules.collect::<String>())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_judged_by_its_sectors() {
        let disk = Disk { megabytes: 1, failing: Vec::new(), twin: false, after: Some(After::HalfInverted) };
        let image = disk.make("disk-test").expect("is made");
        let error = disk.check(&image).expect_err("is not inverted").to_string();
        assert!(error.starts_with("sector 1024 of"), "{error}");
        fs::write(&image, numbered(1 << 20, |sector| sector >= 1024)).expect("is written");
        disk.check(&image).expect("is right");
        assert!(!image.exists());
    }
}
