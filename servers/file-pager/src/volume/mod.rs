//! A FAT volume: files and directories by their names, and the bytes of files by their place on the disk.
//!
//! | module | holds |
//! |---|---|
//! | [`disk`] | what a volume lies on |
//! | [`layout`] | the boot sector: where the parts lie |
//! | `table` | which cluster follows which |
//! | `directory` | entries and their names |
//! | `check` | whether all that is consistent |
//! | `stage` | changes, held back until they have succeeded |
//! | [`problem`] | why a request is refused |
//!
//! Reading is done here, since it must work on a volume that is damaged: every loop ends, every number is checked, and
//! what contradicts itself is [`Problem::Damaged`]. Changes are made by the library `lamfat`, which is written for
//! volumes that are sound: it gets no other ([`Volume::mount`] looks at everything once), and what it writes reaches the
//! disk when the whole change has succeeded. Bytes of files never go through it: a file is a list of sectors.
//!
//! Names are as on FAT: `/` between them, case makes no difference, `.` and `..` are none.

pub mod disk;
pub mod layout;
pub mod problem;

mod change;
mod check;
mod directory;
mod stage;
mod table;

use alloc::string::String;
use alloc::vec::Vec;

pub use directory::{Entry, Extent, Place};
pub use disk::{DiskFailed, SECTOR, Sectors};
pub use layout::{Kind, Layout};
pub use problem::Problem;

use check::Findings;
use directory::Location;
use table::Table;

/// A mounted volume.
#[derive(Debug)]
pub struct Volume<D> {
    disk: D,
    layout: Layout,
    table: Table,
    findings: Findings,
}

/// A file whose place on the disk is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    path: String,
    place: Place,
    size: u32,
    is_read_only: bool,
    extents: Vec<Extent>,
}

impl File {
    /// Where its entry is: what tells files apart.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// Its name, as the directories have it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        u64::from(self.size)
    }

    /// Where its bytes are: sectors, and how many of them, in order. The last ones may lie beyond its end.
    #[must_use]
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Why it cannot be changed, if it says so itself.
    #[must_use]
    pub fn read_only(&self) -> Option<&'static str> {
        self.is_read_only.then_some("the file's attributes say so")
    }

    /// The sector that a multiple of [`SECTOR`] lies in, and how many follow it in one piece.
    fn sector_at(&self, offset: u64) -> Option<Extent> {
        let mut ahead = offset / SECTOR as u64;
        for (first, count) in &self.extents {
            if ahead < *count {
                return Some((first + ahead, count - ahead));
            }
            ahead -= count;
        }
        None
    }
}

/// How much there is of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The width of the table's entries.
    pub kind: Kind,
    /// Bytes in all clusters.
    pub total: u64,
    /// Bytes in free ones.
    pub free: u64,
    /// Bytes of a cluster.
    pub cluster: u64,
    /// Why nothing can be changed, if that is so.
    pub read_only: Option<&'static str>,
}

/// What a path leads to.
enum Found {
    Root,
    Entry(Entry),
}

impl<D: Sectors> Volume<D> {
    /// Opens the volume on a disk, and looks at all its files and directories.
    ///
    /// A volume on which something is wrong is served as far as it can be, and not written to.
    ///
    /// # Errors
    ///
    /// [`Problem::NoVolume`], [`Problem::Disk`].
    pub fn mount(mut disk: D) -> Result<Self, Problem> {
        let mut boot = [0; SECTOR];
        if disk.count() == 0 {
            return Err(Problem::NoVolume("the disk is empty"));
        }
        disk.read(0, &mut boot)?;
        let layout = Layout::parse(&boot, disk.count())?;
        let table = Table::read(&mut disk, &layout)?;
        let findings = check::check(&mut disk, &layout, &table);
        Ok(Self { disk, layout, table, findings })
    }

    /// Looks at the disk anew, after a change of which it is not known how far it came.
    fn remount(&mut self) -> Result<(), Problem> {
        self.table = Table::read(&mut self.disk, &self.layout)?;
        self.findings = check::check(&mut self.disk, &self.layout, &self.table);
        Ok(())
    }

    /// The disk.
    #[must_use]
    pub fn disk(&self) -> &D {
        &self.disk
    }

    /// The disk, to be used between requests. What is on it is the volume's.
    pub fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// The disk, without the volume.
    #[must_use]
    pub fn into_disk(self) -> D {
        self.disk
    }

    /// Why nothing can be changed, if that is so.
    #[must_use]
    pub fn read_only(&self) -> Option<&'static str> {
        if self.disk.is_read_only() { Some("the disk cannot be written") } else { self.findings.problem }
    }

    /// How much there is, and how much is free.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let cluster = self.layout.cluster_bytes();
        let bytes = |clusters: u32| u64::from(clusters) * cluster;
        let (total, free) = (bytes(self.layout.clusters), bytes(self.table.free()));
        Usage { kind: self.layout.kind, total, free, cluster, read_only: self.read_only() }
    }

    /// The entries of a directory.
    ///
    /// # Errors
    ///
    /// [`Problem::NotFound`], [`Problem::NotDirectory`], [`Problem::Damaged`], [`Problem::Disk`].
    pub fn list(&mut self, path: &str) -> Result<Vec<Entry>, Problem> {
        let found = self.find(path)?.1;
        self.entries(&found)
    }

    /// What a path leads to: its entry, or `None` for the root directory.
    ///
    /// # Errors
    ///
    /// As [`Volume::list`].
    pub fn stat(&mut self, path: &str) -> Result<Option<Entry>, Problem> {
        match self.find(path)?.1 {
            Found::Root => Ok(None),
            Found::Entry(entry) => Ok(Some(entry)),
        }
    }

    /// A file, by its path.
    ///
    /// # Errors
    ///
    /// [`Problem::NotFound`], [`Problem::NotDirectory`], [`Problem::IsDirectory`], [`Problem::Damaged`],
    /// [`Problem::Disk`].
    pub fn open(&mut self, path: &str) -> Result<File, Problem> {
        let (path, found) = self.find(path)?;
        let Found::Entry(entry) = found else { return Err(Problem::IsDirectory) };
        if entry.is_directory {
            return Err(Problem::IsDirectory);
        }
        let runs = check::runs_of(&self.layout, &self.table, &entry)?;
        if self.findings.shared.has_any(&runs) {
            return Err(Problem::Damaged("another file has a part of this one"));
        }
        let size = self.layout.cluster_sectors;
        let extents =
            runs.iter().map(|run| (self.layout.sector_of(run.cluster), u64::from(run.count) * size)).collect();
        Ok(File { path, place: entry.place, size: entry.size, is_read_only: entry.is_read_only, extents })
    }

    /// Reads bytes of a file from `offset`, a multiple of [`SECTOR`], on; zeros beyond its end. Whole sectors only.
    ///
    /// # Errors
    ///
    /// [`Problem::Disk`].
    pub fn read(&mut self, file: &File, offset: u64, bytes: &mut [u8]) -> Result<(), Problem> {
        let inside = file.size().saturating_sub(offset).min(bytes.len() as u64) as usize;
        let (mut rest, behind) = bytes.split_at_mut(inside.next_multiple_of(SECTOR).min(bytes.len()));
        let (mut pieces, mut at) = (Vec::new(), offset);
        while !rest.is_empty()
            && let Some((sector, count)) = file.sector_at(at)
        {
            let most = rest.len().min((count as usize).saturating_mul(SECTOR));
            let (piece, next) = rest.split_at_mut(most);
            at += piece.len() as u64;
            pieces.push((sector, piece));
            rest = next;
        }
        rest.fill(0);
        self.disk.read_all(&mut pieces)?;
        behind.fill(0);
        bytes.iter_mut().skip(inside).take(SECTOR).for_each(|byte| *byte = 0);
        Ok(())
    }

    /// Says that bytes of a file from `offset`, a multiple of [`SECTOR`], on will be read soon: as many of them as lie in
    /// one piece.
    pub fn read_ahead(&mut self, file: &File, offset: u64, length: u64) {
        let length = length.min(file.size().saturating_sub(offset)).next_multiple_of(SECTOR as u64);
        if let Some((sector, count)) = file.sector_at(offset) {
            self.disk.read_ahead(sector, count.min(length / SECTOR as u64));
        }
    }

    /// Writes bytes of a file from `offset`, a multiple of [`SECTOR`], on; what lies beyond its end is not written.
    ///
    /// # Errors
    ///
    /// [`Problem::ReadOnly`], [`Problem::Disk`].
    pub fn write(&mut self, file: &File, offset: u64, bytes: &[u8]) -> Result<(), Problem> {
        if let Some(why) = self.read_only().or(file.read_only()) {
            return Err(Problem::ReadOnly(why));
        }
        let inside = (file.size().saturating_sub(offset)).min(bytes.len() as u64) as usize;
        let (mut rest, last) = bytes.get(..inside).unwrap_or_default().split_at(inside / SECTOR * SECTOR);
        let (mut pieces, mut at) = (Vec::new(), offset);
        while !rest.is_empty()
            && let Some((sector, count)) = file.sector_at(at)
        {
            let (piece, next) = rest.split_at(rest.len().min((count as usize).saturating_mul(SECTOR)));
            at += piece.len() as u64;
            pieces.push((sector, piece));
            rest = next;
        }
        let mut sector_bytes = [0; SECTOR];
        if let Some((sector, _)) = file.sector_at(at).filter(|_| !last.is_empty()) {
            // The last sector: what lies behind the end of the file stays.
            self.disk.read(sector, &mut sector_bytes)?;
            sector_bytes.iter_mut().zip(last).for_each(|(to, from)| *to = *from);
            pieces.push((sector, &sector_bytes));
        }
        Ok(self.disk.write_all(&pieces)?)
    }

    /// Waits until all that was written would survive a loss of power.
    ///
    /// # Errors
    ///
    /// [`Problem::Disk`].
    pub fn flush(&mut self) -> Result<(), Problem> {
        Ok(self.disk.flush()?)
    }

    /// The entries of a directory. One that shares a cluster is not entered: it could lead back to itself, and to files that nobody
    /// has looked at.
    fn entries(&mut self, found: &Found) -> Result<Vec<Entry>, Problem> {
        let location = match found {
            Found::Root => Location::Root,
            Found::Entry(entry) if entry.is_directory => Location::Chain(entry.first),
            Found::Entry(_) => return Err(Problem::NotDirectory),
        };
        let runs = directory::chain(&self.layout, &self.table, location)?;
        if location != Location::Root && self.findings.shared.has_any(&runs) {
            return Err(Problem::Damaged("something else has a part of this directory"));
        }
        directory::read(&mut self.disk, &self.layout, &self.table, location)
    }

    /// Follows a path. Answers it as the directories write it, and what it leads to.
    fn find(&mut self, path: &str) -> Result<(String, Found), Problem> {
        let (mut written, mut found) = (String::new(), Found::Root);
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let mut entries = self.entries(&found)?.into_iter();
            let entry = entries.find(|entry| entry.is_named(name)).ok_or(Problem::NotFound)?;
            if !written.is_empty() {
                written.push('/');
            }
            written += &entry.name;
            found = Found::Entry(entry);
        }
        Ok((written, found))
    }
}
