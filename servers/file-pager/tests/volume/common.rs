//! Real volumes, made and read by the host's own tools: `mkfs.fat`, `fsck.fat`, and the mtools.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use file_pager::volume::{DiskFailed, File, Problem, SECTOR, Sectors, Volume};

/// A disk in memory. It counts what is read, and can fail.
#[derive(Clone, Debug)]
pub(crate) struct Ram {
    pub(crate) bytes: Vec<u8>,
    pub(crate) reads: u64,
    /// Sectors that cannot be read or written.
    pub(crate) bad: std::ops::Range<u64>,
    pub(crate) is_read_only: bool,
    /// Writes that still succeed.
    pub(crate) writes_left: u64,
}

impl Ram {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, reads: 0, bad: 0..0, is_read_only: false, writes_left: u64::MAX }
    }

    fn range(&self, sector: u64, len: usize) -> Result<std::ops::Range<usize>, DiskFailed> {
        assert_eq!(len % SECTOR, 0, "whole sectors");
        let count = (len / SECTOR) as u64;
        if sector + count > self.count() || (sector < self.bad.end && self.bad.start < sector + count) {
            return Err(DiskFailed);
        }
        let start = sector as usize * SECTOR;
        Ok(start..start + len)
    }
}

impl Sectors for Ram {
    fn count(&self) -> u64 {
        (self.bytes.len() / SECTOR) as u64
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn read(&mut self, sector: u64, bytes: &mut [u8]) -> Result<(), DiskFailed> {
        let range = self.range(sector, bytes.len())?;
        self.reads += (bytes.len() / SECTOR) as u64;
        bytes.copy_from_slice(&self.bytes[range]);
        Ok(())
    }

    fn write(&mut self, sector: u64, bytes: &[u8]) -> Result<(), DiskFailed> {
        let range = self.range(sector, bytes.len())?;
        self.writes_left = self.writes_left.checked_sub(1).ok_or(DiskFailed)?;
        self.bytes[range].copy_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DiskFailed> {
        Ok(())
    }
}

/// The sizes that a pager of pages can get wrong, and one of many clusters.
pub(crate) const SIZES: [usize; 6] = [0, 1, 4095, 4096, 4097, 8 << 20];
pub(crate) const LONG: &str = "A file with quite a long name, and with ümläuts.text";

/// The kinds of volumes: options of `mkfs.fat`, and KiB.
pub(crate) const FAT16: (&[&str], u32) = (&["-F", "16", "-s", "4"], 20 << 10);
pub(crate) const FAT32: (&[&str], u32) = (&["-F", "32", "-s", "1"], 40 << 10);
pub(crate) const ONE_TABLE: (&[&str], u32) = (&["-F", "16", "-s", "4", "-f", "1"], 20 << 10);

/// A file of the host's that goes with the value.
pub(crate) struct Temporary(pub(crate) PathBuf);

impl Temporary {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("volume-{}-{}.img", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, bytes).expect("can be written");
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs a program of the host's, with the volume as `image`. What it says.
pub(crate) fn tool(program: &str, arguments: &[&str], image: &Path, input: &[u8]) -> Result<Vec<u8>, String> {
    let found = ["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).join(program));
    let program = found.iter().find(|path| path.exists()).map_or(Path::new(program), PathBuf::as_path);
    let mut command = Command::new(program);
    for argument in arguments {
        if *argument == "IMAGE" {
            command.arg(image)
        } else {
            command.arg(argument)
        };
    }
    command.env("MTOOLS_SKIP_CHECK", "1").env("LC_ALL", "C.UTF-8");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|_| panic!("{} is not here: ./justw installs it", program.display()));
    std::io::Write::write_all(&mut child.stdin.take().expect("is piped"), input).expect("is read");
    let output = child.wait_with_output().expect("ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(output.stdout) } else { Err(said) }
}

/// The bytes of a file that is told by its length alone.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ len as u8).collect()
}

/// An empty volume.
pub(crate) fn formatted((options, kib): (&[&str], u32)) -> Vec<u8> {
    let file = Temporary::new(&[]);
    let size = kib.to_string();
    fs::remove_file(&file.0).expect("is there");
    let arguments = [&["-C", "-n", "TESSERA", "-i", "12345678"], options, &["IMAGE", &size]].concat();
    tool("mkfs.fat", &arguments, &file.0, &[]).expect("formats");
    fs::read(&file.0).expect("is there")
}

/// The files of a volume that the tests look for: names with their contents.
pub(crate) fn files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = SIZES.iter().map(|len| (format!("SIZE{len}"), pattern(*len))).collect();
    files.push((LONG.into(), pattern(10_000)));
    files.push(("sub/Another directory/readme.txt".into(), pattern(777)));
    files
}

/// A volume with [`files`], made by the mtools.
pub(crate) fn filled(kind: (&[&str], u32)) -> Vec<u8> {
    let file = Temporary::new(&formatted(kind));
    tool("mmd", &["-i", "IMAGE", "::sub", "::sub/Another directory"], &file.0, &[]).expect("makes directories");
    for (name, bytes) in files() {
        copy_in(&file.0, &name, &bytes);
    }
    fs::read(&file.0).expect("is there")
}

pub(crate) fn copy_in(image: &Path, name: &str, bytes: &[u8]) {
    tool("mcopy", &["-o", "-i", "IMAGE", "-", &format!("::{name}")], image, bytes).expect("copies");
}

/// What the mtools read from a file of the volume.
pub(crate) fn copy_out(image: &Path, name: &str) -> Result<Vec<u8>, String> {
    tool("mcopy", &["-n", "-i", "IMAGE", &format!("::{name}"), "-"], image, &[])
}

/// Everything in a file, by the pages that a memory object has.
pub(crate) fn contents<D: Sectors>(volume: &mut Volume<D>, file: &File) -> Result<Vec<u8>, Problem> {
    let mut all = vec![0xaa; (file.size() as usize).next_multiple_of(4096)];
    for (page, bytes) in all.chunks_exact_mut(4096).enumerate() {
        volume.read(file, page as u64 * 4096, bytes)?;
    }
    assert!(all[file.size() as usize..].iter().all(|byte| *byte == 0), "zeros beyond the end");
    all.truncate(file.size() as usize);
    Ok(all)
}

/// The same by the path.
pub(crate) fn read<D: Sectors>(volume: &mut Volume<D>, path: &str) -> Result<Vec<u8>, Problem> {
    let file = volume.open(path)?;
    contents(volume, &file)
}

/// Numbers that look random.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}
