//! Changes of a volume: made by the library, on a stage over the disk.

use core::cell::RefCell;

use lamfat::{
    Date, DateTime, Error, FileSystem, FsOptions, LossyOemCpConverter, Seek, SeekFrom, Time, TimeProvider, Write,
};

use super::disk::{SECTOR, Sectors};
use super::layout::Layout;
use super::problem::Problem;
use super::stage::{Handle, Stage, StageError};
use super::{File, Found, Volume};

/// The longest name, in bytes.
const MOST_NAME: usize = 255;
/// Where the information sector says how many clusters are free.
const INFO_FREE: usize = 488;
/// What a file grows by at once.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

type Library<'a, 'b, D> = FileSystem<Handle<'a, 'b, D>, NoClock, LossyOemCpConverter>;

/// There is no clock: all happens on the first day of the format. (The library's own substitute writes a date without a month, which
/// is none.)
#[derive(Clone, Copy, Debug)]
struct NoClock;

impl TimeProvider for NoClock {
    fn get_current_date(&self) -> Date {
        Date::new(1980, 1, 1)
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime::new(self.get_current_date(), Time::new(0, 0, 0, 0))
    }
}

impl From<Error<StageError>> for Problem {
    fn from(error: Error<StageError>) -> Self {
        match error {
            Error::Io(StageError::Disk) => Self::Disk,
            Error::NotFound => Self::NotFound,
            Error::AlreadyExists => Self::Exists,
            Error::DirectoryIsNotEmpty => Self::NotEmpty,
            // A root directory that is full has an end too early.
            Error::NotEnoughSpace | Error::WriteZero => Self::Full,
            Error::InvalidFileNameLength => Self::BadName("it has more than 255 bytes"),
            Error::UnsupportedFileNameCharacter => Self::BadName("a character cannot be in a name"),
            _ => Self::Damaged("the file system library met a contradiction"),
        }
    }
}

impl<D: Sectors> Volume<D> {
    /// Makes an empty file.
    ///
    /// # Errors
    ///
    /// [`Problem::ReadOnly`]; [`Problem::Exists`]; [`Problem::NotFound`] or [`Problem::NotDirectory`] for the directory;
    /// [`Problem::BadName`]; [`Problem::Full`]; [`Problem::Damaged`], [`Problem::Disk`].
    pub fn create(&mut self, path: &str) -> Result<File, Problem> {
        let path = &self.new_path(path)?;
        self.change(|library| {
            let mut file = library.root_dir().create_file(path)?;
            file.flush()
        })?;
        self.open(path)
    }

    /// Makes an empty directory.
    ///
    /// # Errors
    ///
    /// As [`Volume::create`].
    pub fn create_directory(&mut self, path: &str) -> Result<(), Problem> {
        let path = &self.new_path(path)?;
        self.change(|library| library.root_dir().create_dir(path).map(drop))
    }

    /// Removes a file, or a directory without entries.
    ///
    /// # Errors
    ///
    /// [`Problem::ReadOnly`] for the volume or the file; [`Problem::NotFound`], [`Problem::NotDirectory`];
    /// [`Problem::NotEmpty`]; [`Problem::BadName`] for the root directory; [`Problem::Damaged`], [`Problem::Disk`].
    pub fn remove(&mut self, path: &str) -> Result<(), Problem> {
        let (path, found) = self.find(path)?;
        match found {
            Found::Root => return Err(Problem::BadName("the root directory stays")),
            Found::Entry(entry) if entry.is_read_only => return Err(Problem::ReadOnly("the file's attributes say so")),
            Found::Entry(_) => {}
        }
        self.change(|library| library.root_dir().remove(&path))
    }

    /// Whether a file can have another size, as far as can be known beforehand.
    ///
    /// # Errors
    ///
    /// In this order: [`Problem::TooLarge`], [`Problem::ReadOnly`], [`Problem::Full`].
    pub fn check_size(&self, file: &File, size: u64) -> Result<u32, Problem> {
        let size = u32::try_from(size).map_err(|_| Problem::TooLarge)?;
        if let Some(why) = file.read_only() {
            return Err(Problem::ReadOnly(why));
        }
        let clusters = |size: u32| u64::from(size).div_ceil(self.layout.cluster_bytes());
        if clusters(size).saturating_sub(clusters(file.size)) > u64::from(self.table.free()) {
            return Err(Problem::Full);
        }
        Ok(size)
    }

    /// Gives a file another size; new bytes are zeros, and take their time. If it fails, the file is as it was.
    ///
    /// # Errors
    ///
    /// Those of [`check_size`](Self::check_size), [`Problem::Damaged`], [`Problem::Disk`].
    pub fn resize(&mut self, file: &mut File, size: u64) -> Result<(), Problem> {
        let size = self.check_size(file, size)?;
        let before = file.size;
        let path = &file.path;
        self.change(|library| {
            let mut entry = library.root_dir().open_file(path)?;
            entry.seek(SeekFrom::Start(u64::from(size.min(before))))?;
            if size < before {
                entry.truncate()?;
            }
            let mut missing = size.saturating_sub(before) as usize;
            while missing > 0 {
                let zeros = ZEROS.get(..missing.min(ZEROS.len())).unwrap_or_default();
                entry.write_all(zeros)?;
                missing -= zeros.len();
            }
            entry.flush()
        })?;
        *file = self.open(path)?;
        Ok(())
    }

    /// A path of something that is not there yet, in a directory that is.
    fn new_path(&mut self, path: &str) -> Result<alloc::string::String, Problem> {
        let path = path.trim_end_matches('/');
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        check_name(name)?;
        let (mut written, found) = self.find(directory)?;
        if matches!(found, Found::Entry(entry) if !entry.is_directory) {
            return Err(Problem::NotDirectory);
        }
        match self.find(path) {
            Err(Problem::NotFound) => {}
            Err(problem) => return Err(problem),
            Ok(_) => return Err(Problem::Exists),
        }
        if !written.is_empty() {
            written.push('/');
        }
        Ok(written + name)
    }

    /// Lets the library change a volume that is sound, and writes what it changed.
    fn change(
        &mut self,
        change: impl FnOnce(&Library<'_, '_, D>) -> Result<(), Error<StageError>>,
    ) -> Result<(), Problem> {
        if let Some(why) = self.read_only() {
            return Err(Problem::ReadOnly(why));
        }
        let stage = RefCell::new(Stage::new(&mut self.disk, self.layout.sectors));
        count_free(&stage, &self.layout, self.table.free())?;
        let library = Library::new(Handle::new(&stage), FsOptions::new().time_provider(NoClock))?;
        change(&library)?;
        library.unmount()?;
        let written = match stage.into_inner().commit() {
            Ok(written) => written,
            Err(failed) => {
                // How far it came is not known; if that cannot be found out either, nothing is written any more.
                self.findings.problem = Some("a change was interrupted by a failure of the disk");
                self.remount()?;
                return Err(failed.into());
            }
        };
        let table = self.layout.table..self.layout.table + self.layout.table_sectors;
        for (sector, bytes) in written.range(table.clone()) {
            self.table.take(sector - table.start, &**bytes);
        }
        Ok(())
    }
}

/// Has the information sector tell the truth: the library believes it.
fn count_free<D: Sectors>(stage: &RefCell<Stage<'_, D>>, layout: &Layout, free: u32) -> Result<(), Problem> {
    let Some(info) = layout.info else { return Ok(()) };
    let mut stage = stage.borrow_mut();
    let told = stage.sector(info).map_err(Error::Io)?.get(INFO_FREE..INFO_FREE + 4).unwrap_or_default();
    if told != free.to_le_bytes() {
        stage.change(info, INFO_FREE, &free.to_le_bytes()).map_err(Error::Io)?;
    }
    const { assert!(INFO_FREE + 4 <= SECTOR) };
    Ok(())
}

/// Whether a name can be given. The library looks at its characters as well.
fn check_name(name: &str) -> Result<(), Problem> {
    if name.is_empty() || name == "." || name == ".." {
        return Err(Problem::BadName("it is empty, or made of dots"));
    }
    if name.len() > MOST_NAME {
        return Err(Problem::BadName("it has more than 255 bytes"));
    }
    // The library cuts a name behind its first byte.
    if !name.is_char_boundary(1) {
        return Err(Problem::BadName("its first character must be ASCII"));
    }
    if name.ends_with(['.', ' ']) || name.starts_with(' ') {
        return Err(Problem::BadName("it begins or ends with a space, or ends with a dot"));
    }
    Ok(())
}
