//! Volumes of test suites: made by the host's tools before a run, and read by them after it.

use crate::contradiction::Contradiction;
use crate::disk::Faults;
use crate::{cargo, paths};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MEBIBYTE: usize = 1 << 20;
const SECTOR: usize = 512;
/// Where the paging area begins on a disk with a volume behind it.
const PAGING_AREA: usize = MEBIBYTE;

/// A volume of a suite.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Volume {
    /// 16 or 32.
    fat: u8,
    /// What is on it.
    files: Vec<File>,
    /// Whether it is a partition of the disk, behind a paging area.
    #[serde(default)]
    pub(crate) partition: bool,
    /// MiB of that area.
    #[serde(default = "small_area")]
    area: usize,
    /// The file of whose second page a sector fails, on a volume that is a partition.
    failing: Option<String>,
    /// It can be read.
    #[serde(default)]
    only_writes_fail: bool,
    /// Whether the console must show the digest of each file.
    #[serde(default)]
    digests: bool,
    /// What the run changes.
    #[serde(default)]
    changes: Vec<Change>,
    /// What contradicts itself on it; then the run must not change a byte of the volume.
    #[serde(default)]
    damage: Vec<Contradiction>,
}

/// A file of a volume: so many bytes, all of them told by that number, or a program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default)]
    bytes: usize,
    /// The example of libmach whose program it is.
    example: Option<String>,
    #[serde(default)]
    read_only: bool,
}

impl File {
    fn contents(&self) -> Result<Vec<u8>> {
        let Some(example) = &self.example else { return Ok(pattern(self.bytes)) };
        let path = paths::target().join(cargo::USER).join("release/examples").join(example);
        crate::elf::strip(&fs::read(&path).with_context(|| path.display().to_string())?)
    }
}

/// A difference that the run must make.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "what")]
enum Change {
    /// Text over the bytes at an offset.
    Text { name: String, offset: usize, text: String },
    /// Another size; new bytes are zeros.
    Size { name: String, bytes: usize },
    /// It is gone.
    Removed { name: String },
    /// A copy of another file.
    Copy { name: String, of: String },
}

/// MiB of a paging area that nobody needs.
fn small_area() -> usize {
    8
}

impl Volume {
    /// Where the volume begins on a disk with a paging area.
    fn start(&self) -> usize {
        PAGING_AREA + self.area * MEBIBYTE
    }

    /// Makes the image for a run of that name.
    pub(crate) fn make(&self, name: &str) -> Result<PathBuf> {
        let path = paths::product(Path::new("disks").join(format!("{}.vol", name.replace([' ', '/'], "-"))))?;
        let _ = fs::remove_file(&path);
        // Enough clusters for the kind, and no more.
        let (cluster, size) = match self.fat {
            16 => ("4", 20 << 10),
            32 => ("1", 40 << 10),
            other => bail!("there is no FAT{other}"),
        };
        let fat = self.fat.to_string();
        tool("mkfs.fat", &["-C", "-F", &fat, "-s", cluster, "-n", "TESSERA", "IMAGE", &size.to_string()], &path, &[])?;
        for file in &self.files {
            let target = format!("::{}", file.name);
            for (at, _) in file.name.match_indices('/') {
                // It may be there already.
                let _ = tool("mmd", &["-D", "s", "-i", "IMAGE", &format!("::{}", &file.name[..at])], &path, &[]);
            }
            tool("mcopy", &["-i", "IMAGE", "-", &target], &path, &file.contents()?)?;
            if file.read_only {
                tool("mattrib", &["+r", "-i", "IMAGE", &target], &path, &[])?;
            }
        }
        if !self.damage.is_empty() {
            let mut volume = fs::read(&path)?;
            self.damage.iter().try_for_each(|damage| damage.apply(&mut volume))?;
            fs::write(&path, &volume)?;
            fs::write(path.with_extension("before"), volume)?;
        }
        if self.partition {
            let volume = fs::read(&path)?;
            fs::write(&path, [partitioned(self.start(), volume.len()), volume].concat())?;
        }
        Ok(path)
    }

    /// What fails of the image.
    pub(crate) fn faults(&self, image: &Path) -> Result<Faults> {
        let Some(name) = &self.failing else { return Ok(Faults::default()) };
        let file = self.files.iter().find(|file| file.name == *name).context("no such file fails")?;
        let bytes = file.contents()?;
        let wanted = bytes.get(4096..4096 + SECTOR).context("the file has no second page")?;
        let sector = fs::read(image)?.chunks(SECTOR).position(|sector| sector == wanted);
        let sectors = vec![sector.context("the file is not there")? as u64];
        Ok(Faults { sectors, only_writes: self.only_writes_fail, dies_after: None })
    }

    /// Checks the volume after the run, and what the console showed of it; removes the image if all is well.
    pub(crate) fn check(&self, image: &Path, console: &str) -> Result<()> {
        if self.partition {
            let disk = fs::read(image)?;
            fs::write(image, disk.get(self.start()..).unwrap_or_default())?;
        }
        if !self.damage.is_empty() {
            let before = image.with_extension("before");
            if let Some(at) = difference(&fs::read(image)?, &fs::read(&before)?) {
                bail!("the damaged volume {} was changed, from byte {at} on", image.display());
            }
            return Ok([image, &before].into_iter().try_for_each(fs::remove_file)?);
        }
        tool("fsck.fat", &["-n", "IMAGE"], image, &[])?;
        let wanted = self.files.iter().map(|file| Ok((file.name.clone(), file.contents()?)));
        let mut wanted: Vec<_> = wanted.collect::<Result<_>>()?;
        for change in &self.changes {
            change.apply(&mut wanted)?;
        }
        for (name, bytes) in &wanted {
            let is = tool("mcopy", &["-n", "-i", "IMAGE", &format!("::{name}"), "-"], image, &[])?;
            if let Some(at) = difference(&is, bytes) {
                bail!("{name} is not what it must be, from byte {at} on; the volume is {}", image.display());
            }
            let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            let line = format!("{digest}  {name}");
            if self.digests && !console.lines().any(|shown| shown == line) {
                bail!("the console does not show `{line}`");
            }
        }
        let gone = self.changes.iter().filter_map(|change| match change {
            Change::Removed { name } => Some(name),
            _ => None,
        });
        for name in gone {
            if tool("mcopy", &["-n", "-i", "IMAGE", &format!("::{name}"), "-"], image, &[]).is_ok() {
                bail!("{name} is still there");
            }
        }
        Ok(fs::remove_file(image)?)
    }
}

impl Change {
    fn apply(&self, files: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
        let find = |files: &[(String, Vec<u8>)], name: &str| {
            files.iter().position(|(file, _)| file == name).with_context(|| format!("no file {name} was made"))
        };
        match self {
            Self::Text { name, offset, text } => {
                let at = find(files, name)?;
                let place = files[at].1.get_mut(*offset..offset + text.len()).context("the text does not fit")?;
                place.copy_from_slice(text.as_bytes());
            }
            Self::Size { name, bytes } => {
                let at = find(files, name)?;
                files[at].1.resize(*bytes, 0);
            }
            Self::Removed { name } => {
                let at = find(files, name)?;
                files.remove(at);
            }
            Self::Copy { name, of } => {
                let bytes = files[find(files, of)?].1.clone();
                files.retain(|(file, _)| file != name);
                files.push((name.clone(), bytes));
            }
        }
        Ok(())
    }
}

/// The first byte in which two files differ.
fn difference(is: &[u8], wanted: &[u8]) -> Option<usize> {
    let same = is.iter().zip(wanted).take_while(|(is, wanted)| is == wanted).count();
    (same < is.len().max(wanted.len())).then_some(same)
}

/// The bytes of a file.
fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ bytes as u8).collect()
}

/// The front of a disk with a paging area and a volume: up to the latter.
fn partitioned(start: usize, volume: usize) -> Vec<u8> {
    let mut front = vec![0; start];
    let parts = [(0x82, PAGING_AREA, start - PAGING_AREA), (0x0e, start, volume)];
    for (entry, (kind, start, size)) in front[446..].chunks_exact_mut(16).zip(parts) {
        entry[4] = kind;
        entry[8..12].copy_from_slice(&((start / SECTOR) as u32).to_le_bytes());
        entry[12..].copy_from_slice(&((size / SECTOR) as u32).to_le_bytes());
    }
    front[510..512].copy_from_slice(&[0x55, 0xaa]);
    front
}

/// Runs a program of the host's on an image: what it wrote.
fn tool(program: &str, arguments: &[&str], image: &Path, input: &[u8]) -> Result<Vec<u8>> {
    let place = ["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).join(program)).into_iter().find(|p| p.exists());
    let mut command = Command::new(place.as_deref().unwrap_or(Path::new(program)));
    for argument in arguments {
        if *argument == "IMAGE" {
            command.arg(image)
        } else {
            command.arg(argument)
        };
    }
    command.env("MTOOLS_SKIP_CHECK", "1").env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("{program} cannot be run: ./justw installs it"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Who does not read its input says why.
        let _ = std::io::Write::write_all(&mut stdin, input);
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = [&output.stdout[..], &output.stderr].concat();
        bail!("{program} says: {}", String::from_utf8_lossy(&said).trim());
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(text: &str) -> Volume {
        toml::from_str(&format!("files = [{{ name = \"sub/a file\", bytes = 5000 }}]\n{text}")).expect(text)
    }

    #[test]
    fn a_volume_is_judged_by_its_files() {
        for (number, text) in ["fat = 16", "fat = 32\npartition = true"].into_iter().enumerate() {
            let volume = volume(text);
            let image = volume.make(&format!("volume-test-{number}")).expect("is made");
            volume.check(&image, "").expect("nothing was changed");
            assert!(!image.exists());
        }
        let change = "changes = [{ what = \"text\", name = \"sub/a file\", offset = 4095, text = \"xy\" }]";
        let volume = volume(&format!("fat = 16\n{change}"));
        let image = volume.make("volume-test-change").expect("is made");
        let error = volume.check(&image, "").expect_err("was not changed").to_string();
        assert!(error.contains("from byte 4095 on"), "{error}");
    }

    #[test]
    fn a_damaged_volume_is_spoilt_and_must_not_be_changed() {
        let files = "files = [{ name = \"FILE.BIN\", bytes = 9000 }]";
        let damage = "damage = [{ what = \"circle\", name = \"FILE.BIN\" }]";
        let volume: Volume = toml::from_str(&format!("fat = 16\n{files}\n{damage}")).expect("is right");
        let image = volume.make("volume-test-damage").expect("is made");
        tool("fsck.fat", &["-n", "IMAGE"], &image, &[]).expect_err("is spoilt");
        let mut bytes = fs::read(&image).expect("is there");
        bytes[77_777] ^= 1;
        fs::write(&image, &bytes).expect("is written");
        let error = volume.check(&image, "").expect_err("was changed").to_string();
        assert!(error.contains("from byte 77777 on"), "{error}");
        bytes[77_777] ^= 1;
        fs::write(&image, &bytes).expect("is written");
        volume.check(&image, "").expect("is as before");
    }

    #[test]
    fn digests_must_be_shown() {
        let volume = volume("fat = 16\ndigests = true");
        let image = volume.make("volume-test-digest").expect("is made");
        let error = volume.check(&image, "").expect_err("is not shown").to_string();
        let line = error.split('`').nth(1).expect("is named");
        volume.check(&image, line).expect("is shown");
    }
}
