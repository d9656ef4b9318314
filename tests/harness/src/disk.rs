//! Disk images of test suites: made before a run, looked at after it.
//!
//! In each sector of a new image every word holds the sector's number.

use crate::paths;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fmt;
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
    failing: Vec<u64>,
    /// Writes after which everything fails.
    dies_after: Option<u32>,
    /// It is attached a second time, as the disk `test`.
    #[serde(default)]
    pub(crate) twin: bool,
    /// Its first sector ends in the signature of what begins a PC's disk.
    #[serde(default)]
    pub(crate) signed: bool,
    /// What it must hold afterwards; nothing is looked at by default.
    after: Option<After>,
    /// How many MiB must be written to it, at least and at the most.
    written: Option<[u64; 2]>,
    /// The same for what is read.
    read: Option<[u64; 2]>,
}

/// What was moved to and from the disks of a machine, in bytes, as QEMU's virtio disks count it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    written: u64,
    read: u64,
}

/// The events of QEMU that say what a virtio disk is asked to do.
pub(crate) const TRACED: [&str; 2] = ["virtio_blk_handle_write", "virtio_blk_handle_read"];

impl Traffic {
    /// Adds up what QEMU wrote to a file about [`TRACED`].
    pub(crate) fn load(trace: &Path) -> Result<Self> {
        Ok(Self::parse(&fs::read_to_string(trace).with_context(|| trace.display().to_string())?))
    }

    /// A line is `EVENT vdev ADDRESS req ADDRESS sector NUMBER nsectors NUMBER`, behind what says when.
    fn parse(trace: &str) -> Self {
        let mut sum = Self::default();
        for line in trace.lines() {
            let after = |word: &str| line.split_whitespace().skip_while(|w| *w != word).nth(1)?.parse::<u64>().ok();
            let Some(sectors) = after("nsectors") else { continue };
            let [is_write, is_read] = TRACED.map(|event| line.contains(event));
            sum.written += if is_write { sectors * SECTOR as u64 } else { 0 };
            sum.read += if is_read { sectors * SECTOR as u64 } else { 0 };
        }
        sum
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB written, {} KiB read", self.written >> 10, self.read >> 10)
    }
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
    /// What fails.
    pub(crate) fn faults(&self) -> Faults {
        Faults { sectors: self.failing.clone(), only_writes: false, dies_after: self.dies_after }
    }

    /// Makes the image for a run of that name.
    pub(crate) fn make(&self, name: &str) -> Result<PathBuf> {
        let path = paths::product(Path::new("disks").join(format!("{}.img", name.replace([' ', '/'], "-"))))?;
        match self.after {
            Some(_) => fs::write(&path, self.numbered(|_| false))?,
            // Whose contents nobody looks at is a file with a hole: a paging area may be large.
            None => fs::File::create(&path)?.set_len((self.megabytes as u64) << 20)?,
        }
        Ok(path)
    }

    /// Where to write what is moved to and from the disk `image`, if that is to be looked at.
    pub(crate) fn trace(&self, image: &Path) -> Option<PathBuf> {
        (self.written.is_some() || self.read.is_some()).then(|| image.with_extension("trace"))
    }

    /// Checks what was moved, if it says how much that must be.
    pub(crate) fn check_traffic(&self, traffic: Traffic) -> Result<()> {
        for (what, bytes, bounds) in [("written", traffic.written, self.written), ("read", traffic.read, self.read)] {
            let Some([least, most]) = bounds else { continue };
            if bytes < least << 20 || bytes > most << 20 {
                bail!("{traffic}; wanted {least} to {most} MiB {what}");
            }
        }
        Ok(())
    }

    /// Checks what is on the image after the run, and removes it if all is well.
    pub(crate) fn check(&self, image: &Path) -> Result<()> {
        let half = self.megabytes * (1 << 20) / SECTOR / 2;
        let wanted = match self.after {
            None => return Ok(fs::remove_file(image)?),
            Some(After::Unchanged) => self.numbered(|_| false),
            Some(After::HalfInverted) => self.numbered(|sector| sector >= half),
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

    /// What is on it if these sectors are inverted.
    fn numbered(&self, is_inverted: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut image = numbered(self.megabytes << 20, is_inverted);
        if self.signed
            && let Some(end) = image.get_mut(SECTOR - 2..SECTOR)
        {
            end.copy_from_slice(&[0x55, 0xaa]);
        }
        image
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

/// What fails on a disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// These sectors.
    pub(crate) sectors: Vec<u64>,
    /// They can be read.
    pub(crate) only_writes: bool,
    /// Everything, after so many writes.
    pub(crate) dies_after: Option<u32>,
}

/// Reading and writing, as QEMU's `blkdebug` calls them.
const READ: &str = "read_aio";
const WRITE: &str = "write_aio";

impl Faults {
    /// Whether nothing fails.
    pub(crate) fn is_empty(&self) -> bool {
        self.sectors.is_empty() && self.dies_after.is_none()
    }

    /// The configuration by which `blkdebug` lets all that happen to an image.
    pub(crate) fn configuration(&self, image: &Path) -> Result<PathBuf> {
        let path = image.with_extension("errors");
        fs::write(&path, self.rules())?;
        Ok(path)
    }

    fn rules(&self) -> String {
        let error = |event: &str, which: &str| {
            format!("[inject-error]\nevent = \"{event}\"\nerrno = \"5\"\n{which}once = \"off\"\n\n")
        };
        let events: &[&str] = if self.only_writes { &[WRITE] } else { &[READ, WRITE] };
        let of_sector =
            |sector: &u64| events.iter().map(|event| error(event, &format!("sector = \"{sector}\"\n"))).collect();
        let mut rules: Vec<String> = self.sectors.iter().map(of_sector).collect();
        // The filter's state counts writes, from 1 on.
        for state in (1..).take(self.dies_after.unwrap_or(0) as usize) {
            rules.push(format!(
                "[set-state]\nevent = \"{WRITE}\"\nstate = \"{state}\"\nnew_state = \"{}\"\n\n",
                state + 1
            ));
        }
        if let Some(writes) = self.dies_after {
            rules.extend([READ, WRITE].map(|event| error(event, &format!("state = \"{}\"\n", writes + 1))));
        }
        rules.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_judged_by_its_sectors() {
        let disk = Disk {
            megabytes: 1,
            signed: false,
            failing: Vec::new(),
            dies_after: None,
            twin: false,
            after: Some(After::HalfInverted),
            written: None,
            read: None,
        };
        let image = disk.make("disk-test").expect("is made");
        let error = disk.check(&image).expect_err("is not inverted").to_string();
        assert!(error.starts_with("sector 1024 of"), "{error}");
        fs::write(&image, numbered(1 << 20, |sector| sector >= 1024)).expect("is written");
        disk.check(&image).expect("is right");
        assert!(!image.exists());
    }

    #[test]
    fn traffic_is_what_the_disk_was_asked_to_move() {
        let trace = "virtio_blk_handle_write vdev 0x5 req 0x7 sector 8 nsectors 4096\n\
                     25@1.5:virtio_blk_handle_read vdev 0x5 req 0x7 sector 0 nsectors 8\n\
                     virtio_blk_handle_read vdev 0x5 req 0x7 sector 64 nsectors 2048\nanything else nsectors\n";
        let traffic = Traffic::parse(trace);
        assert_eq!(traffic, Traffic { written: 2 << 20, read: (1 << 20) + 4096 });
        let disk = |written, read| Disk {
            megabytes: 1,
            signed: false,
            failing: Vec::new(),
            dies_after: None,
            twin: false,
            after: None,
            written,
            read,
        };
        assert!(disk(Some([2, 2]), Some([1, 2])).check_traffic(traffic).is_ok());
        let error = disk(Some([3, 9]), None).check_traffic(traffic).expect_err("too little").to_string();
        assert_eq!(error, "2048 KiB written, 1028 KiB read; wanted 3 to 9 MiB written");
        assert!(disk(None, Some([0, 1])).check_traffic(traffic).is_err(), "too much");
    }

    #[test]
    fn a_disk_that_dies_counts_its_writes() {
        let faults = Faults { sectors: vec![7], only_writes: true, dies_after: Some(2) };
        let rules = faults.rules();
        let rules: Vec<String> = rules.split("\n\n").map(|rule| rule.replace('\n', " ")).collect();
        assert_eq!(
            rules,
            [
                r#"[inject-error] event = "write_aio" errno = "5" sector = "7" once = "off""#,
                r#"[set-state] event = "write_aio" state = "1" new_state = "2""#,
                r#"[set-state] event = "write_aio" state = "2" new_state = "3""#,
                r#"[inject-error] event = "read_aio" errno = "5" state = "3" once = "off""#,
                r#"[inject-error] event = "write_aio" errno = "5" state = "3" once = "off""#,
                "",
            ]
        );
        assert!(!faults.is_empty() && Faults::default().is_empty());
    }
}
